"""What a Node needs of the world: interfaces and UDP port 5353.

`Network` and `MulticastPort` are the whole of it. `SocketNetwork` is the real world; `mcast.testing.SimulatedLan`
is a made-up one in which a Node runs unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from mcast.sockets.interface import Interface

MDNS_PORT = 5353
"""The UDP port of multicast DNS, source and destination alike (RFC 6762 §3, §5.2, §6)."""

IPV4_GROUP = "224.0.0.251"
"""The IPv4 link-local group of multicast DNS (RFC 6762 §3)."""

IPV6_GROUP = "ff02::fb"
"""The IPv6 link-local group of multicast DNS (RFC 6762 §3); the one FF0X::FB scope in use (RFC 6762 §22)."""

Address = tuple[str, int] | tuple[str, int, int, int]
"""A socket address: ``(host, port)`` for IPv4, ``(host, port, flow, scope id)`` for IPv6.

The host of an IPv6 address carries no ``%zone``; the zone of a link-local one is its scope id (RFC 3493 §3.3).
"""

Receiver = Callable[[bytes, Address, int, bool], None]
"""Called for each datagram: ``(datagram, source, interface, multicast)``.

The interface is the index of the one the datagram arrived on. ``multicast`` is true when it was sent to the mDNS
group and false when it was sent to an address of this host; a datagram for another group or a broadcast address is
dropped before it comes here. ``source`` may be handed to `MulticastPort.send` as it is.
"""


class MulticastPort(Protocol):
    """UDP port 5353 of one address family, open on every interface that was joined."""

    @property
    def shared(self) -> bool:
        """Whether another socket on this host held port 5353 when this one opened.

        Unicast datagrams may then reach the other one, so questions must not ask for them (RFC 6762 §15.1).
        """

    @property
    def counters(self) -> Mapping[str, int]:
        """How many datagrams were received, sent, and dropped or refused, by cause."""

    def join(self, interface: Interface) -> None:
        """Become a member of the mDNS group on one interface. Joining twice does nothing.

        :raises OSError: when the system refuses, e.g. since the interface has just gone.
        """

    def leave(self, interface: Interface) -> None:
        """Leave the group on one interface, which may be gone already; raises nothing."""

    def send(self, payload: bytes, interface: int, destination: Address | None) -> bool:
        """Send a datagram from port 5353 with hop limit 255 (RFC 6762 §11) by the interface with that index.

        :param destination: where to, or None for the mDNS group.
        :returns: False when the system refused it; that is counted and logged, and never raises.
        """

    def close(self) -> Deferred[None]:
        """Close the port; fires when it is closed. What `send` accepted before still leaves."""


class Network(Protocol):
    """The interfaces of a host, and a way to open port 5353 on them."""

    def interfaces(self) -> Sequence[Interface]:
        """Return every interface as it is now, those that are down included."""

    def watch(self, changed: Callable[[Sequence[Interface]], None]) -> Callable[[], None]:
        """Call ``changed`` with all interfaces whenever one came, went or changed.

        :returns: call this to stop watching.
        """

    def open(self, ipv6: bool, received: Receiver) -> MulticastPort:
        """Open port 5353 of one family, joined on nothing yet.

        ``received`` is called from the reactor, never from inside `open`, `join` or `send`.

        :raises OSError: when the family is not supported, or the port is held by a socket that does not share.
        """
