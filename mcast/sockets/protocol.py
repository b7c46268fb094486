"""The protocol that a listener of groups writes: it joins where it should and is told how things arrive."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from mcast.neighbours import SocketAddress
from mcast.sockets.arrival import UNKNOWN_ARRIVAL, Arrival
from mcast.sockets.group import Group
from mcast.sockets.interface import Interface, checked_selectors
from mcast.sockets.interface import interfaces as all_interfaces
from mcast.sockets.membership import GroupTransport, Memberships, Subscription
from mcast.sockets.sending import SendResult
from mcast.sockets.stock import StockPort

__all__ = ["UNKNOWN_ARRIVAL", "Arrival", "GroupProtocol"]


class GroupProtocol(DatagramProtocol):
    """A protocol that receives groups on each chosen interface, for as long as its port is open.

    Override `datagram_arrived`, and send by `reply`, `send_to_group` or `send`. It runs on a `GroupPort`,
    on a `GroupListener` (see `listen_group`) and on a stock ``reactor.listenMulticast(…,
    listenMultiple=True)`` port, which tells less of how a datagram arrived.

    :param groups: what to join; on a port of one family, groups of that family only.
    :param interfaces: names, indexes or addresses; none for each interface that is up and does multicast
        (loopback when there is no other).
    :param sources: receive from these addresses only (RFC 4607).
    :raises TypeError: a group is no `Group`, or an interface no str.
    :raises ValueError: a source-specific group without source, sources and groups of different families.
    """

    noisy = False  # Twisted would log the start and end of each port
    takes_unicast = True
    """Is what is sent to its UDP ports at this host's own addresses received, too? The system gives it to the
    program that opened the port last; one that only watches a group of others says False, and takes nothing
    away from them. A `GroupListener` heeds it; a single port receives both."""
    waits_for_interfaces = False
    """Does it start when an interface that was chosen is not there, or none is, and wait for it? Otherwise
    that is a mistake of the caller."""
    _log = Logger()

    def __init__(
        self,
        groups: Iterable[Group] = (),
        *,
        interfaces: Sequence[str] = (),
        sources: Sequence[str] = (),
        enumerate_interfaces: Callable[[], tuple[Interface, ...]] = all_interfaces,
        use_netlink: bool | None = None,
    ) -> None:
        self.groups = _checked_groups(groups)
        self.interfaces = checked_selectors(interfaces)
        self.sources = tuple(sources)
        self.memberships: Memberships | None = None
        """The memberships while the port is open."""
        self._enumerate = enumerate_interfaces
        self._use_netlink = use_netlink
        self._transport: GroupTransport | None = None
        self._wanted = Subscription(self.groups, self.interfaces, self.sources)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {' '.join(map(str, self.groups))}>"

    # What to override

    def datagram_arrived(self, data: bytes, address: SocketAddress, arrival: Arrival) -> bytes | None:
        """Take a datagram; what is returned is sent back as `reply` would, only faster.

        :param address: where from: (host, port), for IPv6 (host, port, flow, scope).
        """
        return None

    def group_joined(self, group: Group, interface: Interface) -> None:
        """Say that a group is now received from an interface; logs one line."""
        self._log.info("joined {group} on {interface}", group=str(group), interface=interface.name)

    def group_left(self, group: Group, interface: Interface) -> None:
        """Say that it is not any more, since the interface went; logs one line."""
        self._log.info("left {group} on {interface}", group=str(group), interface=interface.name)

    def group_refused(self, group: Group, interface: Interface, problem: OSError) -> None:
        """Say why a group could not be joined, once for each cause; logs one line. It is tried again."""
        self._log.warn(
            "cannot join {group} on {interface}: {cause}",
            group=str(group),
            interface=interface.name,
            cause=problem.strerror or str(problem),
        )

    def interface_awaited(self, cause: str) -> None:
        """Say that an interface is waited for, and why; logs one line."""
        self._log.warn("waiting for an interface: {cause}", cause=cause)

    # Sending

    def reply(self, data: bytes, address: SocketAddress, arrival: Arrival) -> SendResult:
        """Answer a datagram by unicast, by the interface it arrived on.

        :returns: `SendResult.SENT`, or why it was not sent.
        """
        return self.send(data, address, arrival.interface)

    def send(self, data: bytes, address: SocketAddress, interface: int = 0) -> SendResult:
        """Send a datagram, by the interface with this index where one is given.

        :returns: `SendResult.SENT`, or why it was not sent.
        :raises ValueError: as `GroupPort.send` does.
        """
        transport = self._transport
        return SendResult.CLOSED if transport is None else transport.send(data, address, interface)

    def send_to_group(self, data: bytes, group: Group, interface: Interface | None = None) -> int:
        """Send to a group by one interface, or by each on which it is joined.

        :returns: by how many interfaces it left.
        :raises OSError: no interface is named, and the group is joined on none: the port is not open, or the
            interfaces went.
        """
        places: Sequence[Interface] = () if interface is None else (interface,)
        if interface is None and self.memberships is not None:
            places = self.memberships.interfaces_of(group)
        if not places:
            raise OSError(errno.ENETUNREACH, f"cannot send to {group}: it is joined on no interface")
        address = (group.host, group.port)
        return sum(bool(self.send(data, address, each.index)) for each in places)

    # What Twisted calls

    def startProtocol(self) -> None:
        """Join, and follow the interfaces from now on.

        :raises ValueError: an unknown interface or zone, one that is down, or none usable; unless it waits.
        :raises OSError: the port is taken; or nothing could be joined, unless it waits.
        """
        transport: Any = self.transport
        self._transport = transport if hasattr(transport, "join") else StockPort(transport, self)
        if not self.groups:
            return
        self.memberships = Memberships(
            transport.reactor,
            self._transport,
            self,
            replace(self._wanted, waits=self.waits_for_interfaces),
            enumerate_interfaces=self._enumerate,
            use_netlink=self._use_netlink,
        )
        try:
            self.memberships.start()
        except BaseException:
            self.memberships = self._transport = None
            raise

    def stopProtocol(self) -> None:
        if self.memberships is not None:
            self.memberships.stop()
        self.memberships = self._transport = None

    def datagramReceived(self, datagram: bytes, addr: SocketAddress) -> None:
        """Lead what a stock port received to `datagram_arrived`."""
        arrival = UNKNOWN_ARRIVAL
        if isinstance(self._transport, StockPort):
            arrival = self._transport.arrival()
            if self._transport.scope:
                addr = (*addr[:2], 0, self._transport.scope)
        answer = self.datagram_arrived(datagram, addr, arrival)
        if answer is not None:
            self.reply(answer, addr, arrival)


def _checked_groups(groups: Iterable[Group]) -> tuple[Group, ...]:
    distinct = tuple(dict.fromkeys(groups))
    for group in distinct:
        if not isinstance(group, Group):
            raise TypeError(f"{group!r}: no Group; Group.parse makes one of text")
    return distinct
