"""What is bound to a UDP port of a simulated host: the part that all such ports have."""

from __future__ import annotations

import errno
from collections import Counter
from ipaddress import ip_address
from typing import TYPE_CHECKING

from mcast.testing.captures import Packet

if TYPE_CHECKING:
    from mcast.testing.hosts import SimulatedHost, SimulatedInterface

FIRST_FREE_PORT = 49152
"""The first of the dynamic ports, which are given out to a port without a number (RFC 6335 §6)."""

LARGEST_PAYLOAD = 65507
"""Octets that one UDP datagram over IPv4 can carry (RFC 791, RFC 768)."""


class Endpoint:
    """A UDP port of one family, with its group memberships.

    Receives multicast only for what it joined itself, on the interface where it did (RFC 1112 §6.1).
    """

    def __init__(self, host: SimulatedHost, ipv6: bool, port: int, address: str = "") -> None:
        self.host = host
        self.ipv6 = ipv6
        self.port = port
        self.address = address
        """The local address or group it is bound to; empty for all of them."""
        self.counters: Counter[str] = Counter()
        """Datagrams: received, sent, and send_refused."""
        self.memberships: set[tuple[str, int]] = set()
        """Groups, and the indexes of the interfaces on which they are joined."""
        self.is_open = True
        self.is_shared = True
        """Whether other ports may have the same number."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.port} of {self.host.name}, {'IPv6' if self.ipv6 else 'IPv4'}>"

    def join_group(self, group: str, index: int) -> None:
        """Join a group on an interface; a second time changes nothing.

        :raises OSError: there is no such interface.
        """
        self.host.interface_at(index)
        self.memberships.add((group, index))

    def accepts(self, packet: Packet, interface: SimulatedInterface) -> bool:
        """Tell whether a packet that came in by an interface is for this port."""
        if packet.ipv6 is not self.ipv6 or packet.destination_port != self.port:
            return False
        if self.address and self.address != packet.destination:
            return False
        return not packet.is_multicast or (packet.destination, interface.index) in self.memberships

    def take(self, packet: Packet, interface: SimulatedInterface) -> None:
        """Receive a packet that `accepts` let in."""
        raise NotImplementedError

    def transmit(
        self, payload: bytes, destination: str, port: int, index: int, hop_limit: int, loopback: bool = True
    ) -> None:
        """Send a datagram by the interface with this index.

        :param loopback: whether members on this host hear what goes to a group.
        :raises OSError: as a system would.
        """
        try:
            if not self.is_open:
                raise OSError(errno.EBADF, "the port is closed")
            if len(payload) > LARGEST_PAYLOAD:
                raise OSError(errno.EMSGSIZE, "the datagram is too large")
            self.host.transmit(self.port, payload, destination, port, index, hop_limit, loopback)
        except OSError:
            self.counters["send_refused"] += 1
            raise
        self.counters["sent"] += 1

    def shut(self) -> None:
        """Receive and send nothing from now on."""
        self.is_open = False
        self.memberships.clear()
        self.host.ports.unbind(self)


class PortTable:
    """What is bound to the UDP ports of a simulated host."""

    def __init__(self) -> None:
        self._endpoints: list[Endpoint] = []
        self._next_port = FIRST_FREE_PORT

    def bound(self, ipv6: bool, port: int) -> list[Endpoint]:
        """Return what is bound to a port, oldest first."""
        return [one for one in self._endpoints if one.ipv6 is ipv6 and one.port == port]

    def bind(self, endpoint: Endpoint) -> None:
        """Let an endpoint receive."""
        self._endpoints.append(endpoint)

    def unbind(self, endpoint: Endpoint) -> None:
        """Let an endpoint receive no more."""
        if endpoint in self._endpoints:
            self._endpoints.remove(endpoint)

    def free_port(self) -> int:
        """Return a port number that was never given out."""
        self._next_port += 1
        return self._next_port - 1

    def forget_interface(self, index: int) -> None:
        """End every membership on an interface."""
        for endpoint in self._endpoints:
            endpoint.memberships = {pair for pair in endpoint.memberships if pair[1] != index}

    def take(self, packet: Packet, interface: SimulatedInterface) -> None:
        """Give a packet that came in to the ports it is for."""
        receivers = [endpoint for endpoint in self._endpoints if endpoint.accepts(packet, interface)]
        if not packet.is_multicast:
            # A unicast datagram reaches one socket only; on Linux the one that was bound last.
            receivers = receivers[-1:]
        for endpoint in receivers:
            endpoint.take(packet, interface)


def scope_of(address: str, interface: SimulatedInterface) -> int:
    """Return the scope id that comes with a source address: the interface of a link-local one."""
    return interface.index if ip_address(address).is_link_local else 0
