"""A multicast port in memory, in the place of ``reactor.listenMulticast``."""

from __future__ import annotations

import errno
import socket
from ipaddress import IPv4Address as IPv4
from ipaddress import IPv6Address as IPv6
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, execute
from twisted.internet.error import CannotListenError, MessageLengthError, MulticastJoinError
from twisted.internet.interfaces import IListeningPort, IMulticastTransport
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from zope.interface import implementer

from mcast.neighbours import SocketAddress
from mcast.sockets.arrival import Arrival
from mcast.sockets.errors import AddressError
from mcast.sockets.group import Group, parse_address
from mcast.sockets.sending import SendResult, send_result
from mcast.testing.captures import Packet
from mcast.testing.endpoints import LARGEST_PAYLOAD, Endpoint, scope_of

if TYPE_CHECKING:
    from mcast.testing.hosts import SimulatedHost, SimulatedInterface

UNICAST_HOP_LIMIT = 64
"""Hop limit of unicast, as on most systems."""


@implementer(IListeningPort, IMulticastTransport)
class MemoryPort(Endpoint):
    """A UDP port of a simulated host, with Twisted's interface and that of `mcast.sockets.port.GroupPort`.

    A protocol with a method ``datagram_arrived`` is told how each datagram arrived, any other gets
    ``datagramReceived``. Made by `SimulatedHost.listenMulticast`.
    """

    def __init__(
        self,
        host: SimulatedHost,
        clock: Clock,
        port: int,
        protocol: DatagramProtocol,
        interface: str = "",
        *,
        max_packet_size: int = LARGEST_PAYLOAD,
    ) -> None:
        ipv6 = ":" in interface
        super().__init__(host, ipv6, port, "" if interface in ("", "0.0.0.0", "::") else interface)
        self.addressFamily = socket.AF_INET6 if ipv6 else socket.AF_INET
        self.reactor: Any = clock
        self.protocol = protocol
        self.is_open = False
        self._max_packet_size = max_packet_size
        self._peer: tuple[str, int] | None = None
        self._outgoing = 0
        self._loopback = True
        self._hop_limit = 1
        self._broadcast = False

    # IListeningPort

    def startListening(self) -> None:
        """Bind the port, and connect the protocol.

        :raises CannotListenError: the port number is taken.
        """
        if not self.port:
            self.port = self.host.ports.free_port()
        for other in self.host.ports.bound(self.ipv6, self.port):
            if not (self.is_shared and other.is_shared):
                problem = OSError(errno.EADDRINUSE, "Address already in use")
                raise CannotListenError(self.address, self.port, problem)
        self.is_open = True
        self.host.ports.bind(self)
        self.protocol.makeConnection(self)

    def stopListening(self) -> Deferred[None]:
        """Close the port; fires after the protocol was told."""
        stopped: Deferred[None] = Deferred()
        self.reactor.callLater(0, self._stop, stopped)
        return stopped

    def _stop(self, stopped: Deferred[None]) -> None:
        if self.is_open:
            # Told first, so that it can leave its groups while there is something to leave.
            self.protocol.doStop()
            self.shut()
        stopped.callback(None)

    def getHost(self) -> IPv4Address | IPv6Address:
        """Return where the port is bound."""
        if self.ipv6:
            return IPv6Address("UDP", self.address or "::", self.port)
        return IPv4Address("UDP", self.address or "0.0.0.0", self.port)

    # Sending

    def write(self, packet: bytes, addr: SocketAddress | None = None) -> None:
        """Send a datagram; what the system refuses is counted.

        :raises ValueError: no address, and none that the port is connected to.
        :raises MessageLengthError: it is larger than UDP allows.
        """
        address = self._peer if addr is None else addr
        if address is None:
            raise ValueError("no address to send to: the port is not connected")
        if len(packet) > LARGEST_PAYLOAD:
            raise MessageLengthError("message too long")
        self.send(packet, address)

    def send(self, data: bytes, address: SocketAddress, interface: int = 0) -> SendResult:
        """Send as `GroupPort.send` does, and tell what became of the datagram."""
        target, zone = self._parsed(address[0])
        host = str(target)
        scope = address[3] if len(address) > 3 else 0
        try:
            index = interface or self._index(zone) or scope or self._route(host)
            hop_limit = self._hop_limit if target.is_multicast else UNICAST_HOP_LIMIT
            self.transmit(data, host, address[1], index, hop_limit, self._loopback)
        except OSError as problem:
            return send_result(problem)
        return SendResult.SENT

    def connect(self, host: str, port: int) -> None:
        """Send to, and receive from, one address only.

        :raises AddressError: no address of this family.
        :raises RuntimeError: it is connected already.
        """
        if self._peer is not None:
            raise RuntimeError(f"already connected to {self._peer[0]}; a port is connected once")
        self._peer = (str(self._parsed(host)[0]), port)

    def _parsed(self, host: str) -> tuple[IPv4 | IPv6, str]:
        """Return address and zone.

        :raises AddressError: no address of this family.
        """
        target, zone = parse_address(host)
        if (target.version == 6) is not self.ipv6:
            raise AddressError(host, f"{target}: not an IPv{6 if self.ipv6 else 4} address")
        return target, zone

    def take(self, packet: Packet, interface: SimulatedInterface) -> None:
        """Hand over a datagram."""
        scope = scope_of(packet.source, interface) if self.ipv6 else 0
        if self._peer is not None and (packet.source, packet.source_port) != self._peer:
            return
        if len(packet.payload) > self._max_packet_size:
            self.counters["truncated"] += 1
            return
        self.counters["received"] += 1
        arrived = getattr(self.protocol, "datagram_arrived", None)
        if arrived is None:
            host = f"{packet.source}%{scope}" if scope else packet.source
            self.protocol.datagramReceived(packet.payload, (host, packet.source_port))
            return
        source: SocketAddress = (packet.source, packet.source_port)
        if self.ipv6:
            source = (*source, 0, scope)
        answer = arrived(
            packet.payload, source, Arrival(interface.index, packet.destination, packet.hop_limit)
        )
        if answer is not None:
            self.send(answer, source, interface.index)

    # Groups

    def join(self, group: Group, interface: int, source: str | None = None) -> None:
        """Join as `GroupPort.join` does. A source is not looked at: everybody is heard.

        :raises OSError: there is no such interface.
        """
        self.join_group(group.host, interface or self._route(group.host))

    def leave(self, group: Group, interface: int, source: str | None = None) -> None:
        """Undo a `join`.

        :raises OSError: it was not joined.
        """
        self._leave(group.host, interface)

    def joinGroup(self, addr: str, interface: str = "") -> Deferred[None]:
        """Join; fires with None, or fails with MulticastJoinError."""
        return execute(self._join_group, addr, interface)

    def leaveGroup(self, addr: str, interface: str = "") -> Deferred[None]:
        """Leave; fires with None, or fails with MulticastJoinError."""
        return execute(self._leave_group, addr, interface)

    def _join_group(self, addr: str, interface: str) -> None:
        try:
            group = Group(self._parsed(addr)[0], self.port)
            self.join_group(group.host, self._index(interface) or self._route(group.host))
        except (OSError, ValueError) as problem:
            raise MulticastJoinError(addr, interface, *problem.args) from None

    def _leave_group(self, addr: str, interface: str) -> None:
        try:
            self._leave(str(ip_address(addr)), self._index(interface))
        except (OSError, ValueError) as problem:
            raise MulticastJoinError(addr, interface, *problem.args) from None

    def _leave(self, group: str, index: int) -> None:
        membership = (group, index or self._route(group))
        if membership not in self.memberships:
            raise OSError(errno.EADDRNOTAVAIL, "not joined")
        self.memberships.discard(membership)

    # Settings

    def getOutgoingInterface(self) -> str | int:
        """Return what was chosen: for IPv4 an address of it, for IPv6 its index; "0.0.0.0" or 0 for none."""
        if self.ipv6:
            return self._outgoing
        chosen = (each for each in self.host.interfaces() if each.index == self._outgoing and each.ipv4)
        return next((str(each.ipv4[0].address) for each in chosen), "0.0.0.0")

    def setOutgoingInterface(self, addr: str | int) -> Deferred[int]:
        """Choose the interface for what names none, by index, name or address; fires with its index."""
        return execute(self._set_outgoing, addr)

    def _set_outgoing(self, addr: str | int) -> int:
        self._outgoing = self._index(str(addr))
        return self._outgoing

    def getLoopbackMode(self) -> bool:
        return self._loopback

    def setLoopbackMode(self, mode: bool) -> None:
        self._loopback = mode

    def getTTL(self) -> int:
        return self._hop_limit

    def setTTL(self, ttl: int) -> None:
        """Set the hop limit of multicast.

        :raises ValueError: outside 0-255.
        """
        if not 0 <= ttl <= 255:
            raise ValueError(f"hop limit {ttl}: outside 0-255")
        self._hop_limit = ttl

    def setBroadcastAllowed(self, enabled: bool) -> None:
        self._broadcast = enabled

    def getBroadcastAllowed(self) -> bool:
        return self._broadcast

    # Which interface

    def _index(self, interface: str) -> int:
        """Return the index of an interface given by name, index or address; 0 for any.

        :raises OSError: there is none like that.
        """
        if interface in ("", "0", "0.0.0.0", "::"):
            return 0
        for each in self.host.interfaces():
            addresses = [str(one.address) for one in each.addresses]
            if interface in (each.name, str(each.index), *addresses):
                return each.index
        raise OSError(errno.ENODEV, f"no interface {interface}")

    def _route(self, host: str) -> int:
        """Return the index of the interface to use where none was named.

        :raises OSError: there is none.
        """
        address = ip_address(host)
        usable = [each for each in self.host.interfaces() if each.up and each.has_family(self.ipv6)]
        if address.is_multicast and self._outgoing:
            return self._outgoing
        for each in usable:
            if address.is_multicast or each.has_neighbour(host):
                return each.index
        raise OSError(errno.ENETUNREACH, f"no way to {host}")
