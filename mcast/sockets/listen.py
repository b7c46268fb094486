"""Opening ports that listen to groups."""

from __future__ import annotations

import errno
import socket
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from twisted.internet import defer
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IListeningPort, IReactorFDSet
from twisted.internet.protocol import DatagramProtocol
from zope.interface import implementer

from mcast.neighbours import SocketAddress
from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group, parse_address
from mcast.sockets.options import PLATFORM
from mcast.sockets.port import GroupPort
from mcast.sockets.protocol import GroupProtocol
from mcast.sockets.sending import SendResult
from mcast.sockets.settings import DEFAULT_SETTINGS, Binding, PortSettings
from mcast.sockets.stock import StockPort, check_stock_settings

HAS_ANCILLARY_DATA = hasattr(socket.socket, "recvmsg") and hasattr(socket.socket, "sendmsg")
"""Does Python tell the interface of a datagram, and can it be told one? Not on Windows."""


def reads_descriptors(reactor: Any) -> bool:
    """Tell whether ports on this reactor are `GroupPort`, which can do all that `PortSettings` has."""
    return HAS_ANCILLARY_DATA and bool(IReactorFDSet.providedBy(reactor))


def listen_multicast(
    reactor: Any,
    port: int,
    protocol: DatagramProtocol,
    interface: str = "",
    maxPacketSize: int | None = None,
    listenMultiple: bool | None = None,
    *,
    group: Group | None = None,
    ipv6: bool | None = None,
    pinned: int = 0,
    settings: PortSettings = DEFAULT_SETTINGS,
) -> GroupPort | StockPort:
    """Open a UDP port for multicast and return it, listening; nothing is joined yet.

    It stands in for `IReactorMulticast.listenMulticast`, and takes its arguments as they are.

    Where the reactor has no file descriptors (IOCP), and on Windows with any reactor, it is a stock port
    underneath, which cannot do all: see `StockPort`.

    :param interface: the local address to bind; "" for all of IPv4, "::" for all of IPv6.
    :param maxPacketSize: as Twisted calls it; in place of ``settings.max_packet_size``.
    :param listenMultiple: as Twisted calls it; in place of ``settings.shared``.
    :param group: bind to this group's address instead, where the system can (it must still be joined).
    :param ipv6: the family, where neither ``interface`` nor ``group`` says it.
    :param pinned: index of the only interface that the port is used with; 0 for all.
    :raises ValueError: a port out of range, an unknown zone, or a setting that this reactor cannot have.
    :raises AddressError: ``interface`` is no address.
    :raises ListenError: the port is taken by a socket that does not share it, and the like.
    """
    if interface:
        parse_address(interface)
    if maxPacketSize is not None:
        settings = replace(settings, max_packet_size=maxPacketSize)
    if listenMultiple is not None:
        settings = replace(settings, shared=listenMultiple)
    if ipv6 is None:
        ipv6 = group.ipv6 if group is not None else ":" in interface
    binding = Binding(port, ipv6, interface, group, pinned)
    if reads_descriptors(reactor):
        listening = GroupPort(reactor, protocol, binding, settings)
        listening.startListening()
        return listening
    check_stock_settings(settings)
    stock = reactor.listenMulticast(
        port,
        protocol,
        interface=interface or ("::" if ipv6 else ""),
        maxPacketSize=settings.max_packet_size,
        listenMultiple=settings.shared,
    )
    adapted = StockPort(stock, protocol)
    adapted.configure(settings, pinned)
    return adapted


def listen_group(
    reactor: Any, protocol: GroupProtocol, settings: PortSettings = DEFAULT_SETTINGS
) -> GroupListener:
    """Receive the groups of a protocol on each interface it chose, and follow the interfaces.

        class Printer(GroupProtocol):
            def datagram_arrived(self, data, address, arrival):
                print(address[0], "on interface", arrival.interface, data)

        listen_group(reactor, Printer([Group.parse("224.0.0.123:7645")]))

    :param settings: of every port; ``PortSettings(arrivals=True)`` to be told hop limits also.
    :raises ValueError: an unknown interface or zone, one that is down, or none usable; a setting that this
        reactor cannot have.
    :raises OSError: nothing could be joined, or the port is taken.
    """
    listener = GroupListener(reactor, protocol, settings)
    listener.startListening()
    return listener


class _Member(DatagramProtocol):
    """The protocol of one port of a listener: hands everything to the listener's own.

    The method is bound once, so that a datagram takes the shortest way.
    """

    noisy = False

    def __init__(self, protocol: GroupProtocol, interface: int) -> None:
        self.datagram_arrived = protocol.datagram_arrived
        self._protocol = protocol
        self._arrival = Arrival(interface, None, None)

    def datagramReceived(self, datagram: bytes, addr: SocketAddress) -> None:
        # Only a stock port calls this.
        answer = self.datagram_arrived(datagram, addr, self._arrival)
        if answer is not None:
            self._protocol.reply(answer, addr, self._arrival)


@implementer(IListeningPort)
class GroupListener:
    """A port for each group and interface, and one protocol for all of them.

    Bound to the group and joined on one interface, a socket receives nothing else, and the arrival
    interface is known without asking the system with each datagram, which takes time.

    What it sends comes from the port of the group. What is sent to that port at this host's own addresses,
    such as answers, comes by one more socket; where the protocol's ``takes_unicast`` is false it is left to
    others.

    :param apart: UDP ports, each with whether it is of IPv6, whose groups are answered from another port
        that the system chooses.
    :param settings: of every port; ``PortSettings(arrivals=True)`` to be told hop limits also.
    """

    def __init__(
        self,
        reactor: Any,
        protocol: GroupProtocol,
        settings: PortSettings = DEFAULT_SETTINGS,
        *,
        apart: Collection[tuple[int, bool]] = (),
    ) -> None:
        self.reactor = reactor
        self.protocol = protocol
        self._settings = settings
        self._ports: dict[tuple[Group, int], GroupPort | StockPort] = {}
        self._senders: dict[tuple[bool, int], GroupPort | StockPort] = {}
        self._homes: dict[tuple[int, bool], GroupPort | StockPort] = {}  # by port and family; for unicast
        self._past: Counter[str] = Counter()
        self._closing: set[defer.Deferred[None]] = set()
        self._listening = False
        self._apart = frozenset(apart)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.protocol} on {len(self._ports)} ports>"

    @property
    def counters(self) -> Counter[str]:
        """The counters of all ports, those that were closed included; see `GroupPort`."""
        ports = (*self._ports.values(), *self._homes.values())
        return sum((port.counters for port in ports), Counter(self._past))

    @property
    def ports(self) -> tuple[GroupPort | StockPort, ...]:
        """The ports of groups open now."""
        return tuple(self._ports.values())

    def startListening(self) -> None:
        """Join and listen.

        :raises ValueError: an unknown interface or zone, one that is down, or none usable.
        :raises OSError: nothing could be joined, or the port is taken.
        """
        self._listening = True
        try:
            self.protocol.makeConnection(self)  # type: ignore[arg-type]  # it needs no more of a transport
        except BaseException:
            # Not started, so it is not stopped either; but it may be given to another port.
            self.protocol.transport = None
            self._listening = False
            self.stopListening()
            raise

    def stopListening(self) -> defer.Deferred[None]:
        """Leave every group and close every port; fires when they are closed."""
        if self._listening:
            self._listening = False
            self.protocol.doStop()
        for key in list(self._ports):
            self._close(key)
        return defer.gatherResults(list(self._closing)).addCallback(lambda _: None)

    def getHost(self) -> IPv4Address | IPv6Address:
        """Return where the first port is bound."""
        for port in self._ports.values():
            return port.getHost()
        raise OSError(errno.EBADF, "nothing is joined")

    def join(self, group: Group, interface: int, source: str | None = None) -> None:
        """Open the port of a group and interface and join there.

        :raises OSError: the system refuses.
        """
        key = (group, interface)
        port = self._ports.get(key)
        if port is None:
            port = self._open(Binding(group.port, group.ipv6, "", group, interface), self._settings_of(group))
            self._ports[key] = port
        try:
            port.join(group, interface, source)
            self._open_home(group)
        except BaseException:
            self.leave(group, interface, source)
            raise
        self._senders.setdefault((group.ipv6, interface), port)

    def _open(self, binding: Binding, settings: PortSettings) -> GroupPort | StockPort:
        """Open one port, bound to a group or to all addresses."""
        return listen_multicast(
            self.reactor,
            binding.port,
            _Member(self.protocol, binding.pinned),
            group=binding.group,
            ipv6=binding.ipv6,
            interface="::" if binding.ipv6 and binding.group is None else "",
            pinned=binding.pinned,
            settings=settings,
        )

    def _open_home(self, group: Group) -> None:
        """Open the port that receives unicast, where those of groups receive none."""
        key = (group.port, group.ipv6)
        if self.protocol.takes_unicast and key not in self._homes and self._binds_groups():
            self._homes[key] = self._open(Binding(*key), replace(self._settings, arrivals=True))

    def _binds_groups(self) -> bool:
        return reads_descriptors(self.reactor) and PLATFORM.bind_group

    def _settings_of(self, group: Group) -> PortSettings:
        """Return the settings of the ports of a group."""
        apart = self._settings.sends_apart or (group.port, group.ipv6) in self._apart
        return replace(self._settings, sends_apart=apart)

    def leave(self, group: Group, interface: int, source: str | None = None) -> None:
        """Close the port of a group and interface, and so leave whatever was joined there."""
        if (group, interface) in self._ports:
            self._close((group, interface))

    def _close(self, key: tuple[Group, int]) -> None:
        self._stop(self._ports.pop(key))
        self._senders = {(group.ipv6, index): port for (group, index), port in self._ports.items()}
        used = {(group.port, group.ipv6) for group, _ in self._ports}
        for home in self._homes.keys() - used:
            self._stop(self._homes.pop(home))

    def _stop(self, port: GroupPort | StockPort) -> None:
        self._past.update(port.counters)
        closing = port.stopListening()
        self._closing.add(closing)
        closing.addBoth(lambda _: self._closing.discard(closing))

    def send(self, data: bytes, address: SocketAddress, interface: int = 0) -> SendResult:
        """Send one datagram by the port of an interface, and tell what became of it.

        :raises ValueError: as `GroupPort.send` does.
        """
        ipv6 = ":" in address[0]
        sender = self._senders.get((ipv6, interface)) or self._any_sender(ipv6)
        return SendResult.CLOSED if sender is None else sender.send(data, address, interface)

    def _any_sender(self, ipv6: bool) -> GroupPort | StockPort | None:
        # One that is tied to no interface, if there is one: unicast may have come by one that is not joined.
        found = next((port for (_, of), port in self._homes.items() if of is ipv6), None)
        if found is None:
            found = next((port for (of, _), port in self._senders.items() if of is ipv6), None)
        if found is None:
            self._past["send_refused"] += 1
        return found
