"""Who is answered by an echo responder, and how often."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from mcast.echo.counters import Drop
from mcast.sockets.interface import Interface

DEFAULT_MAX_RATE = 10_000
"""Replies a second to one source. Our choice: a person's tools stay far below, and a forged source cannot be
flooded through us with more than a slow link carries anyway."""

RATE_WINDOW = 1.0
"""Seconds after which every source has its full allowance again. Our choice: a limit "a second" needs no
more."""

MAX_SOURCES = 4096
"""Sources remembered in one window. Our choice: more than one link holds; further ones share one allowance,
so that a flood of forged sources costs a bounded table and still cannot use us to send more."""

UNLIMITED = 1_000_000_000
"""Replies in one window that no interface reaches. Our choice: below 2**30 CPython counts down fastest."""

_BAD_SOURCE = -1
_OWN_HOST = -2
_REFUSALS = {0: Drop.RATE, _BAD_SOURCE: Drop.SOURCE, _OWN_HOST: Drop.OWN_HOST}
"""What an allowance of zero or less means."""

_SHARED, _SHARED_BAD, _SHARED_OWN = "", "bad", "own"
"""The keys for sources past `MAX_SOURCES`; none of them is an address."""


class Sources:
    """The sources heard on one interface, each with the replies it may still have in this window.

    One dictionary look-up decides for a source that was heard before; a new one is judged once in a window.
    When a window ends the tables are emptied, so an interface whose addresses changed is judged anew within a
    second.

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
        self._interfaces: tuple[Interface, ...] = ()
        self._broadcasts: frozenset[IPv4Address | IPv6Address] = frozenset()
        self._own: frozenset[IPv4Address | IPv6Address] = frozenset()
        self._allowance = max_rate or UNLIMITED
        """Replies to one source in one window."""
        self._window_ends_at = 0.0
        self.left: dict[str, int] = {}
        """Replies left in this window for each source on the link; a reader may take one here itself, while
        there are some, and else asks `admit`."""
        self._left_off_link: dict[str, int] = {}

    def turn(self, now: float) -> None:
        """Begin a new window when the last one has ended; called once for each batch of datagrams."""
        # Both ends are looked at, since the reactor's clock may be set back.
        if self._window_ends_at - RATE_WINDOW <= now < self._window_ends_at:
            return
        self._window_ends_at = now + RATE_WINDOW
        self.left.clear()
        self._left_off_link.clear()
        self._interfaces = tuple(self._find_interfaces())
        self._broadcasts = frozenset(
            each.ip_interface.network.broadcast_address
            for interface in self._interfaces
            for each in interface.ipv4
            # A prefix of 31 or 32 bits has no broadcast address (RFC 3021 §2.1).
            if each.prefix_length < 31
        )
        self._own = frozenset(self._find_own())

    def admit(self, host: str, on_link_only: bool) -> Drop | None:
        """Charge one reply to ``host``.

        :param host: a numeric address without a zone.
        :param on_link_only: the datagram came to a link-local group.
        :returns: None when the source is to be answered, or why it is not.
        """
        for table in (self.left, self._left_off_link):
            if host in table:
                break
        else:
            table, host = self._judge(host)
        if table is self._left_off_link and on_link_only:
            return Drop.OFF_LINK
        left = table[host]
        if left <= 0:
            return _REFUSALS[left]
        table[host] = left - 1
        return None

    def _judge(self, host: str) -> tuple[dict[str, int], str]:
        """Enter a new source, and return the table and the key under which its replies are charged."""
        address = ip_address(host)
        on_link = any(interface.is_on_link(address) for interface in self._interfaces)
        table = self.left if on_link else self._left_off_link
        if not _is_unicast(address) or address in self._broadcasts:
            allowance, shared = _BAD_SOURCE, _SHARED_BAD
        elif address in self._own:
            allowance, shared = _OWN_HOST, _SHARED_OWN
        else:
            allowance, shared = self._allowance, _SHARED
        if len(self.left) + len(self._left_off_link) >= MAX_SOURCES:
            host = shared
        table.setdefault(host, allowance)
        return table, host


def _is_unicast(address: IPv4Address | IPv6Address) -> bool:
    if address.is_multicast or address.is_unspecified:
        return False
    # 240.0.0.0/4 holds the limited broadcast address and no host; 0.0.0.0/8 is "this host on this network".
    return not (isinstance(address, IPv4Address) and (address.is_reserved or int(address) < 1 << 24))
