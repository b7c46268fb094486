"""What a Node needs of the world: interfaces and UDP port 5353.

`Network` and `MulticastPort` are the whole of it. `SocketNetwork` is the real world;
`mcast.testing.SimulatedLan` is a made-up one in which a Node runs unchanged.
"""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import DatagramProtocol

from mcast.clock import clock_of
from mcast.mdns.constants import IPV4_GROUP, IPV6_GROUP, MAX_PACKET, MDNS_PORT
from mcast.neighbours import SocketAddress, broadcast_addresses
from mcast.node.answers import Answers
from mcast.node.strain import PORT_LIMITS, Strain
from mcast.sockets.apart import ApartSender
from mcast.sockets.arrival import Arrival, Way
from mcast.sockets.group import Group
from mcast.sockets.held import is_port_held, is_port_held_beside
from mcast.sockets.interface import Interface, interfaces
from mcast.sockets.listen import listen_multicast
from mcast.sockets.monitor import InterfaceMonitor
from mcast.sockets.options import MAX_HOPS
from mcast.sockets.port import GroupPort
from mcast.sockets.sending import SendResult
from mcast.sockets.settings import PortSettings

RECEIVE_BUFFER = 4 * 1024 * 1024
"""Octets of receive buffer asked for; the system may grant less.

Our choice: the answers of some thousand hosts to one question come within 100 ms (RFC 6762 §6), and what does
not fit is asked for again a second later, with the same result.
"""

MAX_SEND_BUFFER = 4 * 1024 * 1024
"""Octets of send buffer asked for unicast answers; the system may grant less.

Our choice: of what waits for a neighbour that does not exist Linux keeps 200 kB, for three seconds.
"""

BACKLOG_LIMIT = 512
"""Multicast datagrams kept while the send buffer is full.

Our choice: the announcement of some thousand services; only a link that is stuck has more waiting.
"""

BACKLOG_DELAY = 0.005
"""Seconds after which a full send buffer is tried again. Our choice: 100 Mbit/s drain 64 kB meanwhile."""

HOLDERS_INTERVAL = 1.0
"""Seconds between two looks at who holds the port.

Our choice: with thousands of sockets a look takes some ms.
"""

Receiver = Callable[[bytes, SocketAddress, bool], bytes | None]
"""Called for each datagram of an interface, ``(datagram, source, multicast)``; may return an answer.

``multicast`` is true when the datagram was sent to the mDNS group and false when it was sent to an address of
this host; one for another group or a broadcast address is dropped before it comes here. What is returned goes
to ``source`` by the same interface; ``source`` may also be handed to `MulticastPort.send` as it is.
"""


class MulticastPort(Protocol):
    """UDP port 5353 of one address family, open on every interface that was joined."""

    @property
    def is_own(self) -> bool:
        """Whether it is another port than 5353, for a querier that only asks (RFC 6762 §5.1)."""

    @property
    def shared(self) -> bool:
        """Whether another socket on this host holds port 5353 now, as far as the system tells.

        Unicast datagrams may then reach the other one, so questions must not ask for them (RFC 6762 §15.1).
        """

    @property
    def counters(self) -> Mapping[str, int]:
        """How many datagrams were received, sent, and dropped or refused, by cause."""

    @property
    def limits(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Which limits were reached, by family and cause; see ``limits`` in `Node.statistics`."""

    def join(self, interface: Interface, received: Receiver) -> None:
        """Become a member of the mDNS group on one interface; joining again only changes ``received``.

        :param received: called with what arrives there, from the reactor: never from inside `join` or `send`.
        :raises OSError: when the system refuses, e.g. since the interface has just gone.
        """

    def leave(self, interface: Interface) -> None:
        """Leave the group on one interface, which may be gone already; raises nothing."""

    def send(self, payload: bytes, interface: int, destination: SocketAddress | None) -> bool:
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

    def open(self, ipv6: bool, own_port: bool = False) -> MulticastPort:
        """Open port 5353 of one family, joined on nothing yet.

        :param own_port: open a port of its own in place of 5353, from which nothing but questions is sent.
        :raises OSError: when the family is not supported, or the port is held by a socket that does not
            share.
        """


class SocketNetwork:
    """The interfaces and sockets of this host, on `mcast.sockets`.

    :param reactor: one with file descriptors (`IReactorFDSet`): every Twisted reactor but the one for IOCP.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def interfaces(self) -> Sequence[Interface]:
        return interfaces()

    def watch(self, changed: Callable[[Sequence[Interface]], None]) -> Callable[[], None]:
        monitor = InterfaceMonitor(self._reactor, changed)
        monitor.start()
        return monitor.stop

    def open(self, ipv6: bool, own_port: bool = False) -> SocketPort:
        return SocketPort(self._reactor, ipv6, own_port)


class OwnPorts:
    """A network on which another program holds port 5353 and does not share it.

    A node on it can find, and publish nothing: its questions leave from a port of their own, and the answers
    come there by unicast (RFC 6762 §5.1, §6.7).
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self.interfaces = network.interfaces
        self.watch = network.watch

    def open(self, ipv6: bool, own_port: bool = True) -> MulticastPort:
        return self._network.open(ipv6, own_port=True)


class NoNetwork:
    """No links at all, for a node that asks DNS servers only: no port is opened, and no group joined."""

    def interfaces(self) -> Sequence[Interface]:
        return ()

    def watch(self, changed: Callable[[Sequence[Interface]], None]) -> Callable[[], None]:
        return lambda: None

    def open(self, ipv6: bool, own_port: bool = False) -> MulticastPort:
        raise OSError("there is no link")


class SocketPort(DatagramProtocol):
    """Port 5353 of one family: one socket, bound to the wildcard address and joined on each interface.

    One socket, since it also has to take unicast datagrams and to send from port 5353 (RFC 6762 §5.2, §6),
    and since the memberships do not grow with the names (RFC 6762 Appendix B).
    """

    noisy = False

    def __init__(self, reactor: Any, ipv6: bool, own_port: bool = False) -> None:
        self.is_own = own_port
        self._shared = not own_port and is_port_held(MDNS_PORT, ipv6=ipv6)
        self._clock = clock_of(reactor)
        self._shared_until = self._clock.seconds() + HOLDERS_INTERVAL
        self._ipv6 = ipv6
        self._group = IPV6_GROUP if ipv6 else IPV4_GROUP
        self._membership = Group.parse(self._group, MDNS_PORT)
        self._joined: dict[int, Interface] = {}
        self._receivers: dict[int, Receiver] = {}
        self._unicast_needs_interface = False
        self._not_ours: frozenset[str] = frozenset()
        self._elsewhere = 0
        self._unroutable = 0
        self._backlog: deque[tuple[bytes, int]] = deque()
        self._backlog_call: IDelayedCall | None = None
        self._lost = 0
        self.label = "IPv6" if ipv6 else "IPv4"
        """What logs call it."""
        self._strain = Strain(PORT_LIMITS)
        # Before the port itself, which then gets what is sent to this host.
        self._sender = None if own_port else _sender(ipv6)
        self._answers = None
        if self._sender is not None:
            self._answers = Answers(self._clock, self._sender, self._limits_reached)
        try:
            self._port = listen_multicast(
                reactor,
                0 if own_port else MDNS_PORT,
                self,
                ipv6=ipv6,
                interface="::" if ipv6 else "",
                settings=PortSettings(
                    max_packet_size=MAX_PACKET,
                    hop_limit=MAX_HOPS,
                    unicast_hop_limit=MAX_HOPS,
                    receive_buffer=RECEIVE_BUFFER,
                    hop_limits=False,  # nobody here asks for them
                ),
            )
        except BaseException:
            self._close_sender()
            raise

    @property
    def shared(self) -> bool:
        own = self._port.getHandle()
        now = self._clock.seconds()
        if not self.is_own and own is not None and now >= self._shared_until:
            apart = () if self._sender is None else (self._sender.socket,)
            told = is_port_held_beside(own, *apart)
            if told is not None:
                self._shared = told
            self._shared_until = now + HOLDERS_INTERVAL
        return self._shared

    @property
    def counters(self) -> Mapping[str, int]:
        """What `GroupPort` counts, and what is dropped: ``elsewhere``, ``unroutable``, ``backlog_lost``."""
        apart: Counter[str] = Counter()
        if self._sender is not None and self._answers is not None:
            apart = self._sender.counters + self._answers.counters
        return {
            **(apart + Counter(self._port.counters)),
            "elsewhere": self._elsewhere,
            "unroutable": self._unroutable,
            "backlog_lost": self._lost,
        }

    @property
    def limits(self) -> dict[str, dict[str, dict[str, Any]]]:
        return self._strain.numbers()

    def join(self, interface: Interface, received: Receiver) -> None:
        if interface.index not in self._joined and not self.is_own:
            self._port.join(self._membership, interface.index)
        self._joined[interface.index] = interface
        self._receivers[interface.index] = received
        self._joined_changed()

    def leave(self, interface: Interface) -> None:
        if self._joined.pop(interface.index, None) is None:
            return
        del self._receivers[interface.index]
        self._joined_changed()
        if self.is_own:
            return
        with suppress(OSError):  # it went, and the membership with it
            self._port.leave(self._membership, interface.index)

    def send(self, payload: bytes, interface: int, destination: SocketAddress | None) -> bool:
        if destination is not None:
            return self.send_answer(payload, destination, self._named(interface))
        if self._backlog:
            return self._keep(payload, interface)
        return self._send_to_group(payload, interface)

    def close(self) -> Deferred[None]:
        # Each is tried once: a buffer that stays full must not keep us for ever.
        waiting, self._backlog = self._backlog, deque()
        for payload, interface in waiting:
            if not self._send_multicast(payload, interface):
                self._lost += 1
        if self._backlog_call is not None:
            self._backlog_call.cancel()
            self._backlog_call = None
        self._close_sender()
        return self._port.stopListening()

    def _close_sender(self) -> None:
        if self._sender is not None and self._answers is not None:
            self._answers.close()
            self._sender.close()

    def datagram_arrived(self, data: bytes, address: SocketAddress, arrival: Arrival) -> bytes | None:
        """Pass on a datagram for the group or for an address of this host."""
        received, multicast, _ = self.way_of(arrival)
        return received(data, address, multicast)

    def way_of(self, arrival: Arrival) -> Way:
        """Return where datagrams go that arrive so (called by `GroupPort`, once for all of them)."""
        interface, destination, _ = arrival
        # Where the system does not tell the destination nearly everything is multicast.
        multicast = destination == self._group or destination is None
        if not interface:
            return self._arrived_somewhere, multicast, 0
        received = self._receivers.get(interface)
        if received is None or destination in self._not_ours:
            return self._arrived_elsewhere, multicast, interface
        return received, multicast, self._named(interface)

    def _arrived_elsewhere(self, data: bytes, address: SocketAddress, multicast: bool) -> None:
        self._elsewhere += 1

    def _arrived_somewhere(self, data: bytes, address: SocketAddress, multicast: bool) -> None:
        """Pass on a datagram of which the system does not tell the interface."""
        interface = self._guess_interface(address)
        received = self._receivers.get(interface, self._arrived_elsewhere)
        answer = received(data, address, multicast)
        if answer is not None:
            self.send_answer(answer, address, self._named(interface))

    def _named(self, interface: int) -> int:
        """Return the interface that a unicast datagram is told to leave by; 0 for none.

        The routing table might choose another interface than the one whose addresses we gave; with only one
        in use it is left the choice, since naming one costs a third of the time of a send.
        """
        return interface if self._unicast_needs_interface else 0

    def _joined_changed(self) -> None:
        self._unicast_needs_interface = len(self._joined) > 1
        # Of groups only the one we joined is delivered; what remains are IPv4 broadcast addresses.
        self._not_ours = frozenset(
            str(address)
            for interface in self._joined.values()
            for address in broadcast_addresses(each.network for each in interface.networks)
        ) | {"255.255.255.255"}
        if isinstance(self._port, GroupPort):
            self._port.forget_ways()

    def _guess_interface(self, source: SocketAddress) -> int:
        """Return the interface whose neighbour the source is, where the system does not tell the arrival."""
        for index, interface in self._joined.items():
            if interface.has_neighbour(source[0]):
                return index
        return 0

    def send_answer(self, payload: bytes, destination: SocketAddress, interface: int) -> bool:
        """Send by unicast, also what a receiver has returned (called by `GroupPort`).

        :param interface: what `_named` makes of it.
        """
        if self._answers is None:
            return bool(self._send(payload, destination, interface))
        try:
            return self._answers.send(payload, destination, interface)
        except (ValueError, OSError):  # as in _send
            self._unroutable += 1
            return False

    def _send_to_group(self, payload: bytes, interface: int) -> bool:
        """Send, or keep what finds the buffer full; False when the system refuses it for another reason."""
        result = self._send_multicast(payload, interface)
        return self._keep(payload, interface) if result is SendResult.FULL else bool(result)

    def _send_multicast(self, payload: bytes, interface: int) -> SendResult:
        target = (self._group, MDNS_PORT, 0, interface) if self._ipv6 else (self._group, MDNS_PORT)
        return self._send(payload, target, interface)

    def _send(self, payload: bytes, address: SocketAddress, interface: int) -> SendResult:
        """Send; raises nothing, whatever the address is and whatever the system is short of."""
        try:
            result = self._port.send(payload, address, interface)
            if result is SendResult.FULL:
                self._limits_reached("" if address[0] == self._group else address[0])
            return result
        except ValueError:  # a forged source, from which nobody can be reached
            self._unroutable += 1
            return SendResult.UNREACHABLE
        except OSError:  # no descriptor is free to look at the interfaces with, or the port is closed
            self._unroutable += 1
            return SendResult.REFUSED

    def _keep(self, payload: bytes, interface: int) -> bool:
        if len(self._backlog) >= BACKLOG_LIMIT:
            self._lost += 1
            self._limits_reached("")
            return True
        self._backlog.append((payload, interface))
        if self._backlog_call is None:
            self._backlog_call = self._clock.callLater(BACKLOG_DELAY, self._send_backlog)
        return True

    def _limits_reached(self, host: str) -> None:
        """Have it told what was counted, and for whom: a host, or nobody."""
        self._strain.look((self.counters,), self, host, self._clock.seconds())

    def _send_backlog(self) -> None:
        self._backlog_call = None
        waiting, self._backlog = self._backlog, deque()
        for payload, interface in waiting:
            self.send(payload, interface, None)


def _sender(ipv6: bool) -> ApartSender | None:
    """Return what sends unicast beside a port; None where that cannot be, and the port does it itself."""
    if sys.platform != "linux":
        return None  # elsewhere the socket bound last need not be the one that gets unicast
    try:
        return ApartSender(MDNS_PORT, ipv6=ipv6, hop_limit=MAX_HOPS, send_buffer=MAX_SEND_BUFFER)
    except OSError:
        return None  # if it is for good, the port will say so
