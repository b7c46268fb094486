"""Port 5353 of a simulated host, as a Node wants it (`mcast.node.network.MulticastPort`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mcast.mdns.constants import IPV4_GROUP, IPV6_GROUP, MDNS_PORT
from mcast.neighbours import SocketAddress
from mcast.node.network import Receiver
from mcast.sockets.interface import Interface
from mcast.testing.captures import Packet
from mcast.testing.endpoints import Endpoint, scope_of

if TYPE_CHECKING:
    from mcast.testing.hosts import SimulatedHost, SimulatedInterface

HOP_LIMIT = 255
"""Hop limit of everything that mDNS sends (RFC 6762 §11)."""


class SimulatedPort(Endpoint):
    """UDP port 5353 of one family on a simulated host."""

    def __init__(self, host: SimulatedHost, clock: Clock, ipv6: bool, own_port: bool = False) -> None:
        super().__init__(host, ipv6, host.ports.free_port() if own_port else MDNS_PORT)
        self.is_own = own_port
        self._host = host
        self._clock = clock
        self._group = IPV6_GROUP if ipv6 else IPV4_GROUP
        self._receivers: dict[int, Receiver] = {}

    @property
    def shared(self) -> bool:
        """Whether another port of the host has 5353 now."""
        others = [each for each in self._host.ports.bound(self.ipv6, MDNS_PORT) if each is not self]
        return not self.is_own and bool(others)

    @property
    def limits(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Which limits were reached: none, since it sends as much as it is told to."""
        return {}

    def join(self, interface: Interface, received: Receiver) -> None:
        """Become a member of the mDNS group on an interface.

        :param received: called with what arrives there.
        :raises OSError: it is gone.
        """
        self.join_group(self._group, interface.index)
        self._receivers[interface.index] = received

    def leave(self, interface: Interface) -> None:
        """Leave the group there, if it was joined."""
        self.memberships.discard((self._group, interface.index))
        self._receivers.pop(interface.index, None)

    def send(self, payload: bytes, interface: int, destination: SocketAddress | None) -> bool:
        """Send to an address, or to the group; False when the simulated system refuses."""
        host, port = (self._group, MDNS_PORT) if destination is None else destination[:2]
        try:
            self.transmit(payload, host, port, interface, HOP_LIMIT)
        except OSError:
            return False
        return True

    def close(self) -> Deferred[None]:
        """Close the port; fires, as with a real one, not before the next turn of the clock."""
        self.shut()
        closed: Deferred[None] = Deferred()
        self._clock.callLater(0, closed.callback, None)
        return closed

    def take(self, packet: Packet, interface: SimulatedInterface) -> None:
        """Hand over a datagram."""
        self.counters["received"] += 1
        received = self._receivers.get(interface.index)
        if received is None:
            return
        source: SocketAddress = (packet.source, packet.source_port)
        if self.ipv6:
            source = (*source, 0, scope_of(packet.source, interface))
        answer = received(packet.payload, source, packet.is_multicast)
        if answer is not None:
            self.send(answer, interface.index, source)
