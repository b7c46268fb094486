"""Which sources an echo responder answers, and how often."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address

from mcast.echo.counters import Drop
from mcast.neighbours import Neighbours, SourceKind
from mcast.rate_limit import RateLimit
from mcast.sockets.interface import Interface

DEFAULT_MAX_RATE = 10_000
"""Replies a second to one source.

Our choice: the tools of a person stay far below. A forged source address makes us send that host no more
than a slow link carries anyway."""


class Sources:
    """The sources heard on one interface, each with the replies it may still have in this window.

    One dictionary look-up decides for a source on the link that was heard before. When a window of the rate
    limit ends, the interface is looked at again: a change of its addresses counts within a second.

    :param interfaces: called once in a window for the interface where the sources are heard, or for all of
        them when the system does not tell which.
    :param own: called once in a window for the addresses of this host that are not to be answered.
    :param max_rate: replies a second to one source, 0 for no limit.
    """

    def __init__(
        self,
        interfaces: Callable[[], Iterable[Interface]],
        *,
        own: Callable[[], Iterable[IPv4Address | IPv6Address]] = tuple,
        max_rate: int = DEFAULT_MAX_RATE,
    ) -> None:
        self._find_interfaces = interfaces
        self._find_own = own
        self._interfaces: frozenset[Interface] = frozenset()
        self._neighbours = Neighbours(())
        self._own: frozenset[str] = frozenset()
        self._on_link = RateLimit(max_rate)
        self._off_link = RateLimit(max_rate)
        self.left = self._on_link.left
        """Replies left in this window for each source on the link.

        A reader may take one here itself while there are some, and otherwise asks `admit`."""

    def turn(self, now: float) -> None:
        """Begin a new window when the last one has ended; called once for each batch of datagrams."""
        if not self._on_link.turn(now):
            return
        self._off_link.turn(now)
        interfaces = frozenset(self._find_interfaces())
        if interfaces != self._interfaces:
            self._interfaces = interfaces
            self._neighbours = Neighbours(
                [network for each in interfaces for network in each.networks],
                loopback=any(each.loopback for each in interfaces),
            )
        self._own = frozenset(map(str, self._find_own()))

    def admit(self, host: str, on_link_only: bool) -> Drop | None:
        """Charge one reply to ``host``.

        :param host: a numeric address without a zone.
        :param on_link_only: the datagram came to a link-local group.
        :returns: None when the source is to be answered, or why it is not.
        """
        kind = self._neighbours.classify(host)
        if kind is SourceKind.NO_HOST:
            return Drop.SOURCE
        if kind is SourceKind.OFF_LINK and on_link_only:
            return Drop.OFF_LINK
        if host in self._own:
            return Drop.OWN_HOST
        limit = self._on_link if kind is SourceKind.ON_LINK else self._off_link
        return None if limit.take(host) else Drop.RATE


class SourceTables:
    """The sources of each interface.

    :param joined: returns the interfaces that are meant by an index; all of them by 0.
    :param own: returns the addresses of this host that are not to be answered.
    :param max_rate: replies a second to one source, 0 for no limit.
    """

    def __init__(
        self,
        joined: Callable[[int], Iterable[Interface]],
        *,
        own: Callable[[], Iterable[IPv4Address | IPv6Address]],
        max_rate: int,
    ) -> None:
        self._joined = joined
        self._own = own
        self._max_rate = max_rate
        self._tables: dict[int, Sources] = {}

    def on(self, interface: int) -> Sources:
        """Return the sources on the interface with this index; 0 where the system does not tell it."""
        table = self._tables.get(interface)
        if table is None:
            table = Sources(lambda: self._joined(interface), own=self._own, max_rate=self._max_rate)
            self._tables[interface] = table
        return table

    def forget(self, interface: int) -> None:
        """Forget the sources that were heard on an interface."""
        self._tables.pop(interface, None)
