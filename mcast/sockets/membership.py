"""Keeping group memberships right while interfaces come, go, and lose and regain addresses."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall

from mcast.clock import clock_of
from mcast.neighbours import SocketAddress
from mcast.sockets.group import Group, check_source
from mcast.sockets.interface import Interface, find_interface, interfaces, select_interfaces
from mcast.sockets.monitor import InterfaceMonitor
from mcast.sockets.sending import SendResult

RETRY_DELAY = 1.0
"""Seconds until a refused join is tried again; doubled each time.

Our choice: an interface that has just come may refuse for a moment.
"""

RETRY_DELAY_LIMIT = 60.0
"""Seconds to which that delay grows. Our choice: a minute after the cause is gone the group is joined."""

_LASTING = (errno.EADDRINUSE, errno.EACCES)
"""Causes that waiting does not mend: the port is another program's, or not for this user."""

Refusal = tuple[Group, Interface, OSError]
"""A join that the system refused."""


class GroupTransport(Protocol):
    """What joins and sends: a `GroupPort`, a `StockPort` or a `GroupListener`."""

    def join(self, group: Group, interface: int, source: str | None = None) -> None:
        """Join on the interface with this index.

        :raises OSError: the system refuses.
        """

    def leave(self, group: Group, interface: int, source: str | None = None) -> None:
        """Undo a `join`.

        :raises OSError: the system refuses.
        """

    def send(self, data: bytes, address: SocketAddress, interface: int = 0) -> SendResult:
        """Send one datagram, by an interface where one is given, and tell what became of it."""


class MembershipObserver(Protocol):
    """What is told of each membership."""

    def group_joined(self, group: Group, interface: Interface) -> None:
        """Say that a group is now received from an interface."""

    def group_left(self, group: Group, interface: Interface) -> None:
        """Say that it is not any more, since the interface went, or went down, or lost its addresses."""

    def group_refused(self, group: Group, interface: Interface, problem: OSError) -> None:
        """Say that the system refused a join; once for each cause until it succeeds."""

    def interface_awaited(self, cause: str) -> None:
        """Say that an interface is waited for, and why, where the subscription says so."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is to be received.

    :raises ValueError: a source-specific group without a source, sources and groups of different families.
    """

    groups: tuple[Group, ...]
    """A group with a zone is joined on that interface only."""
    interfaces: tuple[str, ...] = ()
    """Names, indexes or addresses; none for each interface that is up and does multicast."""
    sources: tuple[str, ...] = ()
    """Receive from these only (RFC 4607)."""
    waits: bool = False
    """Is an interface that is not there at the start waited for? It is a mistake otherwise."""

    def __post_init__(self) -> None:
        sources_of(self.groups, self.sources)


class Memberships:
    """Joins groups on each chosen interface, now and whenever one comes."""

    def __init__(
        self,
        reactor: Any,
        transport: GroupTransport,
        observer: MembershipObserver,
        wanted: Subscription,
        *,
        enumerate_interfaces: Callable[[], tuple[Interface, ...]] = interfaces,
        use_netlink: bool | None = None,
    ) -> None:
        self._clock = clock_of(reactor)
        self._transport = transport
        self._observer = observer
        self._interfaces = wanted.interfaces
        self._sources = sources_of(wanted.groups, wanted.sources)
        self._waits = wanted.waits
        self._awaited: frozenset[str] = frozenset()
        self._joined: dict[tuple[Group, int], Interface] = {}
        self._refused: dict[tuple[Group, int], int | None] = {}
        self._retry: IDelayedCall | None = None
        self._retry_delay = RETRY_DELAY
        self._monitor = InterfaceMonitor(
            reactor, self.update, enumerate_interfaces=enumerate_interfaces, use_netlink=use_netlink
        )

    @property
    def joined(self) -> tuple[tuple[Group, Interface], ...]:
        """What is received now."""
        return tuple((group, interface) for (group, _), interface in self._joined.items())

    def interfaces_of(self, group: Group) -> tuple[Interface, ...]:
        """Return where a group is joined now."""
        return tuple(interface for (each, _), interface in self._joined.items() if each == group)

    def start(self) -> None:
        """Join, and follow the interfaces from now on.

        :raises ValueError: an unknown interface or zone, one that is down, or none usable; unless these are
            waited for.
        :raises OSError: the port is taken or not permitted; or nothing at all could be joined, unless that is
            waited for; the first cause.
        """
        self._monitor.start()
        try:
            missing = self._missing(self._monitor.interfaces)
            if missing and not self._waits:
                raise ValueError(missing[0])
            refusals = self._follow(self._monitor.interfaces)
            for _, _, problem in refusals:
                if problem.errno in _LASTING or not (self._joined or self._waits):
                    raise problem
        except BaseException:
            self.stop()
            raise
        # Only now: a caller that gets the exception needs no log line besides.
        self._tell(refusals)
        self._tell_awaited(self._monitor.interfaces)

    def stop(self) -> None:
        """Leave everything and follow no more."""
        self._monitor.stop()
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        self._retry = None
        for key in list(self._joined):
            self._leave(key)

    def update(self, available: tuple[Interface, ...]) -> None:
        """Join and leave what these interfaces ask for; the monitor calls this on change."""
        self._retry_delay = RETRY_DELAY
        self._tell(self._follow(available))
        self._tell_awaited(available)

    def _missing(self, available: Sequence[Interface]) -> list[str]:
        """Say for each chosen interface that cannot be used why, those of zones among them."""
        zones = dict.fromkeys(group.zone for group in self._sources if group.zone)
        selections = [(each,) for each in (*self._interfaces, *zones)]
        # One that is named is looked for even where every group has a zone, which says more.
        any_will_do = not self._interfaces and not all(group.zone for group in self._sources)
        causes = []
        for selection in [(), *selections] if any_will_do else selections:
            try:
                select_interfaces(selection, available)
            except ValueError as error:
                causes.append(str(error))
        return causes

    def _tell_awaited(self, available: Sequence[Interface]) -> None:
        """Tell each cause to wait when it comes."""
        if self._waits:
            missing = self._missing(available)
            for cause in missing:
                if cause not in self._awaited:
                    self._observer.interface_awaited(cause)
            self._awaited = frozenset(missing)

    def _follow(self, available: tuple[Interface, ...]) -> list[Refusal]:
        """Join and leave, and return what was refused for a cause that was not told yet."""
        wanted = self._wanted(available)
        for key in [key for key in self._refused if key not in wanted]:
            del self._refused[key]
        for key in list(self._joined):
            interface = wanted.get(key)
            if interface is None:
                self._leave(key, told=True)
            elif not interface.has_family(key[0].ipv6):
                # Linux forgets the memberships of IPv4 with the last address.
                self._leave(key, told=True)
                self._refused[key] = errno.EADDRNOTAVAIL  # told by that, not once more as a refusal
        refusals: list[Refusal] = []
        again = False
        for key, interface in wanted.items():
            if key in self._joined:
                self._joined[key] = interface  # its addresses may have changed
                continue
            try:
                self._join(key, interface)
            except OSError as problem:
                # Without an address there is nothing to try until the monitor tells of one.
                again = again or interface.has_family(key[0].ipv6)
                if self._refused.get(key, 0) != problem.errno:
                    self._refused[key] = problem.errno
                    refusals.append((key[0], interface, problem))
        self._retry_later(again)
        return refusals

    def _tell(self, refusals: Iterable[Refusal]) -> None:
        for group, interface, problem in refusals:
            self._observer.group_refused(group, interface, problem)

    def _wanted(self, available: tuple[Interface, ...]) -> dict[tuple[Group, int], Interface]:
        chosen = select_interfaces(self._interfaces, available, strict=False)
        wanted: dict[tuple[Group, int], Interface] = {}
        taken: set[tuple[str, int, int]] = set()  # a group may be given with and without a zone
        for group in self._sources:
            places: Iterable[Interface] = chosen
            if group.zone:
                named = find_interface(group.zone, available)
                places = () if named is None or not named.up else (named,)
            for interface in places:
                place = (group.host, group.port, interface.index)
                if place not in taken:
                    taken.add(place)
                    wanted[group, interface.index] = interface
        return wanted

    def _join(self, key: tuple[Group, int], interface: Interface) -> None:
        group, index = key
        if not interface.has_family(group.ipv6):
            # Linux may let us join, and forgets it when the first address comes.
            raise OSError(errno.EADDRNOTAVAIL, f"{interface.name} has no IPv{group.family} address")
        try:
            for source in self._sources[group]:
                self._transport.join(group, index, source)
        except OSError:
            self._leave_sources(group, index)  # all of them or none
            raise
        self._joined[key] = interface
        self._refused.pop(key, None)
        self._observer.group_joined(group, interface)

    def _leave(self, key: tuple[Group, int], told: bool = False) -> None:
        interface = self._joined.pop(key)
        self._leave_sources(*key)
        if told:
            self._observer.group_left(key[0], interface)

    def _leave_sources(self, group: Group, index: int) -> None:
        for source in self._sources[group]:
            # Refused when the interface is gone, and the membership with it.
            with contextlib.suppress(OSError):
                self._transport.leave(group, index, source)

    def _retry_later(self, needed: bool) -> None:
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        self._retry = None
        if needed:
            self._retry = self._clock.callLater(self._retry_delay, self._try_again)
            self._retry_delay = min(2 * self._retry_delay, RETRY_DELAY_LIMIT)

    def _try_again(self) -> None:
        self._tell(self._follow(self._monitor.interfaces))


def sources_of(groups: Iterable[Group], sources: Sequence[str]) -> dict[Group, tuple[str | None, ...]]:
    """Return for each group the sources it is received from; (None,) for any.

    :raises ValueError: a source-specific group without a source (RFC 4604 §2.2), a source without a
        group of its family, or a group without a source of its family where sources are given.
    """
    of_group: dict[Group, tuple[str | None, ...]] = {}
    used: set[str] = set()
    for group in groups:
        own: list[str | None] = [each for each in sources if (":" in each) is group.ipv6]
        for source in own or [None if not sources else sources[0]]:
            check_source(group, source)
        used.update(each for each in own if each is not None)
        of_group[group] = tuple(dict.fromkeys(own)) or (None,)
    for source in sources:
        if source not in used:
            raise ValueError(f"source {source}: not of the family of any group")
    return of_group
