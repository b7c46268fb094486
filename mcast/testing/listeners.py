"""What `mcast.listen_group` returns, on a simulated host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock

from mcast.neighbours import SocketAddress
from mcast.sockets.arrival import Arrival
from mcast.sockets.listen import GroupListener
from mcast.sockets.protocol import GroupProtocol
from mcast.sockets.settings import Binding, PortSettings

if TYPE_CHECKING:
    from mcast.testing.hosts import SimulatedHost


class MemoryListener(GroupListener):
    """A `GroupListener` with ports in memory; made by `SimulatedHost.listen_group`."""

    def __init__(
        self, host: SimulatedHost, clock: Clock, protocol: GroupProtocol, settings: PortSettings
    ) -> None:
        super().__init__(clock, protocol, settings)
        self._host = host

    def _open(self, binding: Binding, settings: PortSettings) -> Any:
        member = _Member(self.protocol, told_of_hops=bool(settings.arrivals))
        group = binding.group
        interface = group.host if group is not None else "::" if binding.ipv6 else ""
        port = self._host.listenMulticast(
            binding.port, member, interface, settings.max_packet_size, listenMultiple=settings.shared
        )
        port.setTTL(settings.hop_limit)
        port.setLoopbackMode(settings.loopback)
        return port

    def _binds_groups(self) -> bool:
        return True


class _Member(DatagramProtocol):
    """The protocol of one port: hands everything to the listener's own."""

    noisy = False

    def __init__(self, protocol: GroupProtocol, *, told_of_hops: bool) -> None:
        self._protocol = protocol
        self._told_of_hops = told_of_hops

    def datagram_arrived(self, data: bytes, address: SocketAddress, arrival: Arrival) -> bytes | None:
        # A real port of a group does not ask the system, which alone knows the hop limit.
        if not self._told_of_hops:
            arrival = arrival._replace(hop_limit=None)
        return self._protocol.datagram_arrived(data, address, arrival)
