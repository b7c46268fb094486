"""Services of one link are published somewhere else, for as long as they are there.

What is browsed is read, understood and published anew: no packet passes, so that no question, probe or
conflict of one side is seen on the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mcast.dns.names import LOCAL, Name
from mcast.dnssd.found import Change, FoundService, Removed
from mcast.dnssd.hosts import checked_host_label
from mcast.dnssd.service import Service
from mcast.errors import InvalidService
from mcast.node.node import Node
from mcast.node.registrations import Lost, OnConflict, RegistrationListener
from mcast.proxy.choosing import MAX_WAITING, Choice, Quota
from mcast.showing import shown
from mcast.unicast.registration import usable_addresses

Addresses = tuple[IPv4Address | IPv6Address, ...]


class Published(Protocol):
    """A registration, as far as it is needed here."""

    def add_listener(self, listener: RegistrationListener) -> None:
        """Tell what becomes of its name."""

    def update(self, **changes: Any) -> Deferred[None]:
        """Publish it changed."""

    def withdraw(self) -> Deferred[None]:
        """Publish it no longer."""


class Target(Protocol):
    """Where services are carried to."""

    def publish_host(self, label: str, addresses: Addresses, on_conflict: OnConflict) -> Published:
        """Publish a host."""

    def publish_service(self, service: Service, on_conflict: OnConflict) -> Published:
        """Publish a service on such a host; its ``host`` is named as on the link it comes from."""


@dataclass(slots=True)
class _Host:
    """A host with services that are carried."""

    published: Published
    addresses: Addresses
    services: int = 0


@dataclass(slots=True)
class _Carried:
    """A service that is carried."""

    published: Published
    service: Service


class Carrier:
    """Carries the services of types from the link of a node to a target.

    :param accepts: whether a service may be carried at all, besides the choice.
    """

    _log = Logger()

    def __init__(
        self,
        source: Node,
        types: tuple[str, ...],
        target: Target,
        choice: Choice,
        quota: Quota,
        accepts: Callable[[FoundService], bool] = lambda service: True,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._source = source
        self._types = types
        self._target = target
        self._choice = choice
        self._quota = quota
        self._accepts = accepts
        self._browser: Any = None
        self._carried: dict[Name, _Carried] = {}
        self._hosts: dict[Name, _Host] = {}
        self._waiting: dict[Name, FoundService] = {}
        """What is carried when there is room."""
        self._has_let_go = False
        """Whether there may be room since the last look."""
        self._told_full = False

    def __len__(self) -> int:
        return len(self._carried)

    def start(self) -> None:
        """Begin to browse."""
        self._browser = self._source.browse(*self._types)
        self._browser.add_listener(self.changed)

    def stop(self) -> None:
        """Browse no more; what is published goes with its node."""
        if self._browser is not None:
            self._browser.close()
            self._browser = None
        self._carried.clear()
        self._hosts.clear()
        self._waiting.clear()

    def found(self, full_name: Name) -> FoundService | None:
        """Return the service of a name on the link."""
        services = () if self._browser is None else self._browser.snapshot()
        return next((one for one in services if one.full_name == full_name), None)

    def changed(self, change: Change) -> None:
        """Follow what happened to a service on the link."""
        self._waiting.pop(change.service.full_name, None)
        self.consider(change.service, is_gone=isinstance(change, Removed))
        if self._has_let_go:
            self._has_let_go = False
            self._let_in()

    def consider(self, found: FoundService, *, is_gone: bool = False) -> None:
        """Carry a service as it is now, or no longer."""
        wanted = None if is_gone else self._described(found)
        carried = self._carried.get(found.full_name)
        if carried is not None and (wanted is None or wanted.host != carried.service.host):
            self._drop(found.full_name)
            carried = None
        if wanted is None:
            return
        assert wanted.host is not None
        addresses = usable_addresses(each.address for each in found.addresses)
        if carried is None:
            self._carry(found, wanted, addresses)
            return
        host = self._hosts[wanted.host]
        if host.addresses != addresses:
            host.addresses = addresses
            _ignored(host.published.update(addresses=addresses))
        if carried.service != wanted:
            carried.service = wanted
            names = ("port", "txt", "subtypes", "priority", "weight")
            changes = {name: getattr(wanted, name) for name in names}
            _ignored(carried.published.update(**changes))

    def _described(self, found: FoundService) -> Service | None:
        """Return the service to publish, or None when it is not to be carried."""
        if found.host is None or found.port is None or not self._choice.takes(found):
            return None
        if not self._accepts(found):
            self.counters["not carried"] += 1
            return None
        if not usable_addresses(each.address for each in found.addresses):
            self.counters["without a usable address"] += 1
            return None
        try:
            if found.host.labels[1:] != LOCAL.labels:
                raise InvalidService("host", "it is not one label in local.")
            checked_host_label(found.host.labels[0].decode("utf-8"))
            label = found.full_name.labels[0].decode("utf-8")
            return Service(
                label,
                found.type,
                found.port,
                txt=self.text(found),
                host=found.host,
                subtypes=found.subtypes,
                priority=found.priority or 0,
                weight=found.weight or 0,
            )
        except (ValueError, UnicodeDecodeError) as error:
            self.counters["cannot be published"] += 1
            name, reason = shown(str(found.full_name)), shown(str(error))
            self._log.debug("{name} is not carried: {reason}", name=name, reason=reason)
            return None

    def text(self, found: FoundService) -> Any:
        """Return the attributes to publish."""
        return found.txt

    def _carry(self, found: FoundService, wanted: Service, addresses: Addresses) -> None:
        assert wanted.host is not None
        if not self._has_room(wanted.host):
            self.counters["names beyond the limit"] += 1
            if len(self._waiting) < MAX_WAITING:
                self._waiting[found.full_name] = found
            if not self._told_full:
                # Once: under a flood there is room, and none, many times a second.
                self._told_full = True
                self._log.warn(
                    "{count} services are carried; further ones are not, nor more than {of_host} of a host",
                    count=len(self._carried),
                    of_host=self._quota.of_host,
                )
            return
        host = self._hosts.get(wanted.host)
        on_conflict = self.on_conflict(found.full_name)
        try:
            if host is None:
                label = wanted.host.labels[0].decode("utf-8")
                host = _Host(self._target.publish_host(label, addresses, on_conflict), addresses)
                self._hosts[wanted.host] = host
                self._listen(host.published, wanted.host)
            published = self._target.publish_service(wanted, on_conflict)
        except ValueError as error:
            self.counters["cannot be published"] += 1
            self._log.warn(
                "{name} is not carried: {reason}", name=shown(str(found.full_name)), reason=str(error)
            )
            self._release(wanted.host)
            return
        host.services += 1
        self._carried[found.full_name] = _Carried(published, wanted)
        self._listen(published, found.full_name)

    def on_conflict(self, full_name: Name) -> OnConflict:
        """Return what becomes of a service whose name, or whose host's, another host has at the target."""
        return "rename"

    def lost(self, full_name: Name) -> None:
        """Hear that another host has the name of a service or its host, which is carried no more."""

    def _listen(self, published: Published, name: Name) -> None:
        published.add_listener(lambda event: self._lost(name, published) if isinstance(event, Lost) else None)

    def _lost(self, name: Name, published: Published) -> None:
        """Carry no more what was published under a name of the link, or on a host of this name."""
        host = self._hosts.get(name)
        if host is not None and host.published is published:
            names = [one for one, carried in self._carried.items() if carried.service.host == name]
        else:
            carried = self._carried.get(name)
            names = [name] if carried is not None and carried.published is published else []
        for each in names:
            self._drop(each)
            self.lost(each)

    def _has_room(self, host: Name) -> bool:
        there = self._hosts.get(host)
        return self._quota.has_room(len(self._carried), 0 if there is None else there.services)

    def _let_in(self) -> None:
        """Carry what waits, as far as there is room now."""
        for full_name, found in tuple(self._waiting.items()):
            if len(self._carried) >= self._quota.total:
                return
            if found.host is not None and self._has_room(found.host):
                del self._waiting[full_name]
                self.consider(found)

    def _drop(self, full_name: Name) -> None:
        carried = self._carried.pop(full_name)
        _ignored(carried.published.withdraw())
        assert carried.service.host is not None
        self._hosts[carried.service.host].services -= 1
        self._release(carried.service.host)
        self._has_let_go = True

    def _release(self, name: Name) -> None:
        host = self._hosts.get(name)
        if host is not None and not host.services:
            del self._hosts[name]
            _ignored(host.published.withdraw())


def _ignored(done: Deferred[None]) -> None:
    """Wait for nothing: what becomes of a registration is in the log."""
    done.addErrback(lambda failure: None)
