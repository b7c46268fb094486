"""What a program holds of what it publishes: registrations, and what their listeners are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Literal, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.logger import Logger

from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.dnssd.hosts import Alias, Auto, Host
from mcast.dnssd.service import Service
from mcast.dnssd.types import ServiceType
from mcast.errors import NameTaken
from mcast.node.items import AliasItem, HostItem, Item, RecordItem, ServiceItem
from mcast.node.lives import PUBLISHED, Lives

OnConflict = Literal["rename", "fail"]
"""What to do when another host has the name: take the next one, or publish nothing."""

Publishable = Service | Host | Alias | Record
"""What can be published."""

_R = TypeVar("_R", bound="Registration")

SERVICE_DETAILS = frozenset(field.name for field in fields(Service)) - {"name", "type", "domain"}
"""What an update of a service may change: the rest is its name."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """The name is in use on every link that works.

    Comes again when the name was claimed anew: after a rename, a contest that was won, or a link that came or
    was down.
    """

    registration: Registration


@dataclass(frozen=True, slots=True)
class Renamed:
    """Another host has the name, and another one is being claimed (RFC 6762 §9)."""

    registration: Registration
    old_name: str
    """The label that was lost, ``"My Web"``."""
    new_name: str
    """The label that is tried now, ``"My Web (2)"``."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Another host has the name, and nothing is published any more; the last that is told.

    It happens to a record, and to what was published with ``on_conflict="fail"``.
    """

    registration: Registration
    name: str
    """The name that was lost, as `Registration.name` has it."""


RegistrationEvent = Claimed | Renamed | Lost
"""What a listener is told."""

RegistrationListener = Callable[[RegistrationEvent], object]
"""Called with each `RegistrationEvent`; what it raises is logged."""


class Keeper(Protocol):
    """Publishes items, and knows which."""

    @property
    def lives(self) -> Lives:
        """What is told of names in the log."""

    def __contains__(self, item: Item) -> bool:
        """Whether it publishes an item."""

    def update(self, item: Item, undo: Callable[[], None]) -> Deferred[None]:
        """Publish what an item is now in place of what it was."""

    def withdraw(self, item: Item) -> Deferred[None]:
        """Publish an item no longer."""


class Registration:
    """Something that is published under one name on every link. Made by `Node.publish`.

    It begins to claim its name at once, and takes about a second for that; without a link that works it
    waits.
    """

    __slots__ = ("__weakref__", "_item", "_notices", "_publisher")

    def __init__(self, publisher: Keeper, item: Item) -> None:
        self._publisher = publisher
        self._item = item
        self._notices = Notices(self, publisher.lives)
        item.observer = self._notices

    @property
    def name(self) -> str:
        """The label as it is claimed now, for a person to read: ``"My Web (2)"`` after a conflict."""
        return self._item.label

    @property
    def full_name(self) -> Name:
        """The whole name as it is claimed now, ``My Web (2)._http._tcp.local.``"""
        return self._item.full_name

    @property
    def is_claimed(self) -> bool:
        """Whether the name is in use on every link that works, and one works."""
        return self._item.is_claimed

    @property
    def interfaces(self) -> tuple[str, ...]:
        """The names of the interfaces on which it is in use now."""
        return tuple(dict.fromkeys(sorted(driver.interface.name for driver in self._item.claimed_on)))

    def when_claimed(self: _R) -> Deferred[_R]:
        """Wait until the name is in use on every link that works; at once when it was already.

        :returns: fires with this registration; fails with `NameTaken` when it is lost, and with
            `CancelledError` when it is withdrawn. Cancelling ends the wait and withdraws nothing.
        """
        if self._item.is_lost:
            return fail(NameTaken(str(self.full_name)))
        if self._item not in self._publisher:
            return fail(CancelledError())
        claimed: Deferred[None] = self._notices.when_claimed()
        return claimed.addCallback(lambda _: self)

    def add_listener(self, listener: RegistrationListener) -> None:
        """Call ``listener`` with `Claimed`, `Renamed` and `Lost` from now on."""
        if not callable(listener):
            raise TypeError(f"listener {listener!r}: it cannot be called")
        self._notices.listeners += (listener,)

    def remove_listener(self, listener: RegistrationListener) -> None:
        """Call ``listener`` no more.

        :raises ValueError: it is no listener of this registration.
        """
        listeners = list(self._notices.listeners)
        try:
            listeners.remove(listener)
        except ValueError:
            raise ValueError(f"listener {listener!r}: it is none of {self!r}") from None
        self._notices.listeners = tuple(listeners)

    def update(self, **changes: Any) -> Deferred[None]:
        """Publish changed data under the same name, without probing (RFC 6762 §8.4).

        More than ten changes a minute are delayed and joined.

        :returns: fires when the change has been announced on every link that works, or the registration was
            withdrawn meanwhile; while no link works it waits. Fails with `NameTaken` when the name is lost.
        :raises TypeError: there is nothing of that name to change.
        :raises ValueError: the value is wrong, no packet can hold it, it would be another name, or the
            registration is withdrawn.
        """
        for unknown in changes:
            self._refuse(unknown)
        if self._item.is_lost:
            return fail(NameTaken(str(self.full_name)))
        if self._item not in self._publisher:
            raise ValueError(f"{self.full_name} is withdrawn")
        return self._publisher.update(self._item, undo=self._change(changes))

    def withdraw(self) -> Deferred[None]:
        """Publish it no longer; may be called twice.

        :returns: fires when the goodbyes have left, which takes up to a second.
        """
        return self._publisher.withdraw(self._item)

    def __repr__(self) -> str:
        if self._item.is_lost:
            state = "lost"
        elif self._item not in self._publisher:
            state = "withdrawn"
        else:
            state = "claimed" if self.is_claimed else "not claimed yet"
        return f"<{type(self).__name__} {self.full_name} {state}>"

    _changeable: frozenset[str] = frozenset()
    """What `update` takes."""

    def _refuse(self, change: str) -> None:
        """Raise what is right for a keyword of `update`, unless it is known."""
        if change == "name":
            raise ValueError("name: an update keeps it; withdraw the registration and publish it anew")
        if change not in self._changeable:
            known = ", ".join(sorted(self._changeable)) or "nothing"
            raise TypeError(f"update() got an unexpected keyword argument {change!r}; it takes {known}")

    def _change(self, changes: dict[str, Any]) -> Callable[[], None]:
        """Describe the item anew; return what takes that back."""
        return lambda: None


class ServiceRegistration(Registration):
    """A service that is published. Made by `Node.publish`.

    `update` takes ``port``, ``txt``, ``subtypes``, ``host``, ``priority``, ``weight``, ``flagship`` and
    ``more_txt``, each as `Service` has it; what is not named stays.
    """

    __slots__ = ()

    _item: ServiceItem
    _changeable = SERVICE_DETAILS

    @property
    def service(self) -> Service:
        """The service as it is published, with the name that it has now."""
        return self._item.service

    @property
    def type(self) -> ServiceType:
        """The service type, ``_http._tcp``."""
        return self._item.service.type

    @property
    def domain(self) -> Name:
        """The domain, nearly always ``local.``"""
        return self._item.service.domain

    @property
    def host(self) -> Name:
        """The host that the service is on, with the name that it has now."""
        return self._item.host

    def _refuse(self, change: str) -> None:
        if change in ("type", "domain"):
            raise ValueError(f"{change}: an update keeps it; withdraw the registration and publish it anew")
        super()._refuse(change)

    def _change(self, changes: dict[str, Any]) -> Callable[[], None]:
        item, before = self._item, self._item.service

        def undo() -> None:
            item.service = before

        item.service = replace(before, **changes)
        return undo


class HostRegistration(Registration):
    """A host name that is published with its addresses. Made by `Node.publish`.

    `update` takes ``addresses``, as `Host` has them.
    """

    __slots__ = ()

    _item: HostItem
    _changeable = frozenset(["addresses"])

    @property
    def addresses(self) -> tuple[IPv4Address | IPv6Address, ...] | Literal[Auto.AUTO]:
        """The addresses that are published; `AUTO` for those of each interface."""
        return self._item.host.addresses

    def _change(self, changes: dict[str, Any]) -> Callable[[], None]:
        item, before = self._item, self._item.host

        def undo() -> None:
            item.host = before

        item.host = Host(before.name, changes.get("addresses", before.addresses))
        return undo


class AliasRegistration(Registration):
    """A further name of the node's own host; `update` can change nothing of it. Made by `Node.publish`."""

    __slots__ = ()

    _item: AliasItem


class RecordRegistration(Registration):
    """A single record that is published as it is. Made by `Node.publish`.

    `update` takes ``record``: another one of the same name and type. When another host has the name, a record
    that is not shared is lost: only the caller can choose another name.
    """

    __slots__ = ()

    _item: RecordItem
    _changeable = frozenset(["record"])

    @property
    def record(self) -> Record:
        """The record as it is published."""
        return self._item.record

    def _change(self, changes: dict[str, Any]) -> Callable[[], None]:
        item, before = self._item, self._item.record
        record = changes.get("record", before)
        if not isinstance(record, Record):
            raise TypeError(f"record {record!r}: it is no Record")
        if (record.name, record.type, record.rclass) != (before.name, before.type, before.rclass):
            raise ValueError(
                f"record {record.name}: an update keeps the name, type and class of {before.name}"
            )

        item.change(record)
        return lambda: item.change(before)


class Notices:
    """Tells the program what becomes of a registration; the `Observer` of its item."""

    __slots__ = ("_lives", "_logged", "_waiting", "_was_claimed", "listeners", "registration")

    _log = Logger()

    def __init__(self, registration: Registration, lives: Lives) -> None:
        self._lives = lives
        # Tuples, since a service has at most one of them: an empty list takes 56 octets.
        self.listeners: tuple[RegistrationListener, ...] = ()
        self.registration = registration
        self._was_claimed = False
        self._logged: Name | None = None
        self._waiting: tuple[Deferred[None], ...] = ()

    def when_claimed(self) -> Deferred[None]:
        """Return what fires when the name is claimed, or was claimed already."""
        if self._was_claimed:
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._forget_waiting)
        self._waiting += (waiting,)
        return waiting

    def _forget_waiting(self, cancelled: Deferred[None]) -> None:
        self._waiting = tuple([one for one in self._waiting if one is not cancelled])

    def claimed(self) -> None:
        registration = self.registration
        if self._logged != registration.full_name:
            self._logged = registration.full_name
            self._lives.tell(self._log, PUBLISHED, registration.full_name)
        self._was_claimed = True
        for each in self._take_waiting():
            each.callback(None)
        self._tell(Claimed(registration))

    def renamed(self, old: str) -> None:
        self._tell(Renamed(self.registration, old, self.registration.name))

    def lost(self) -> None:
        for each in self._take_waiting():
            each.errback(NameTaken(str(self.registration.full_name)))
        self._tell(Lost(self.registration, self.registration.name))

    def withdrawn(self) -> None:
        self._was_claimed = False
        self._logged = None
        for each in self._take_waiting():
            each.errback(CancelledError())

    def _take_waiting(self) -> tuple[Deferred[None], ...]:
        waiting, self._waiting = self._waiting, ()
        return waiting

    def _tell(self, event: RegistrationEvent) -> None:
        for listener in self.listeners:
            try:
                listener(event)
            except Exception:
                self._log.failure(
                    "{listener!r} failed on {event}", listener=listener, event=type(event).__name__
                )
