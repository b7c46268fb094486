"""Where a datagram goes: an address and an interface, turned into what the socket is told."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from mcast.neighbours import SocketAddress
from mcast.sockets.errors import AddressError
from mcast.sockets.group import MAX_PORT, Group, parse_address
from mcast.sockets.interface import default_interfaces, interfaces, loopback_source, zone_index
from mcast.sockets.options import AncillaryData, Options

MAX_ROUTES = 1024
"""Hosts remembered with the way to them. Our choice: some 500 kB at most, more hosts than ask at a time."""


class Route(NamedTuple):
    """What sendto or sendmsg is told, and what has to be set before."""

    target: SocketAddress
    ancillary: AncillaryData | None
    """For sendmsg; None when sendto will do."""
    outgoing: int | None
    """Index to which the socket's multicast interface must be set first; None when it does not matter."""


class Routes:
    """The ways to hosts and groups from one socket, checked and packed once.

    The port is no part of what is remembered: a program that asks takes another one each time, and a table by
    port would grow with every question.

    :param pinned: index of the interface by which the socket sends anyhow; 0 for none.
    :param source: the address an IPv4 socket is bound to.
    """

    def __init__(
        self, options: Options, *, ipv6: bool, pinned: int = 0, source: IPv4Address | None = None
    ) -> None:
        self._options = options
        self._ipv6 = ipv6
        self._pinned = pinned
        self._source = source
        self._outgoing = pinned
        self._known: dict[tuple[str, int, int], Route] = {}
        """By host, scope and interface; the port in it is that of the first time."""

    def __len__(self) -> int:
        return len(self._known)

    @property
    def outgoing(self) -> int:
        """Index of the interface for multicast that names none; 0: the system chooses."""
        return self._outgoing

    @outgoing.setter
    def outgoing(self, interface: int) -> None:
        self._outgoing = interface
        self._known.clear()

    def find(self, address: SocketAddress, interface: int) -> Route:
        """Return the route to an address by the interface with this index, 0 where none is named.

        :raises ValueError: an unknown zone, a zone that is not the interface, a group of scope 0, or one
            that needs an interface and got none.
        :raises AddressError: no address of this family.
        """
        key = (address[0], address[3] if len(address) > 3 else 0, interface)
        known = self._known.get(key)
        port = address[1]
        if known is not None and 0 < port <= MAX_PORT:
            target, ancillary, outgoing = known
            if target[1] == port:
                return known
            return Route((target[0], port, *target[2:]), ancillary, outgoing)
        route = self._make(address, interface)
        if len(self._known) >= MAX_ROUTES:
            self._known.clear()
        self._known[key] = route
        return route

    def link_of(self, target: IPv4Address | IPv6Address) -> int:
        """Return the index of the link meant where none is named: the one that was set, or the only one.

        :raises ValueError: there are several, and a link-local group is another on each (RFC 4007 §6).
        """
        if self._outgoing:
            return self._outgoing
        links = default_interfaces(interfaces())
        if len(links) != 1:
            names = ", ".join(each.name for each in links) or "none"
            raise ValueError(f"{target}: name an interface, there is not one link (RFC 4007 §6): {names}")
        return links[0].index

    def _make(self, address: SocketAddress, interface: int) -> Route:
        target, zone = parse_address(address[0])
        port = address[1]
        if (target.version == 6) is not self._ipv6:
            raise AddressError(address[0], f"{target}: not an IPv{6 if self._ipv6 else 4} address")
        group = Group(target, port) if target.is_multicast else None  # refuses scope 0 and a wrong port
        scope = zone_index(zone) or (address[3] if len(address) > 3 else 0)
        if scope and interface and scope != interface:
            raise ValueError(
                f"{address[0]}: is on interface {scope}, cannot be sent by interface {interface}"
            )
        index = interface or scope
        if not self._ipv6:
            return self._make_ipv4((str(target), port), index, group is not None)
        needs_scope = target.is_link_local if group is None else group.requires_interface
        if needs_scope:
            return Route((str(target), port, 0, index or self.link_of(target)), None, None)
        ancillary = None
        if index and index != self._pinned:
            ancillary = self._options.outgoing_ancillary(index)
        return Route((str(target), port, 0, 0), ancillary, None)

    def _make_ipv4(self, target: SocketAddress, index: int, multicast: bool) -> Route:
        if index and index != self._pinned:
            source = self._source or (loopback_source(index) if multicast else None)
            ancillary = self._options.outgoing_ancillary(index, source)
            if ancillary is not None:
                return Route(target, ancillary, None)
        # Systems that cannot be told with the datagram are told before; of unicast the routing table decides.
        sets_before = multicast and not self._pinned and not self._options.sends_ipv4_by_interface
        return Route(target, None, index or self._outgoing if sets_before else None)
