"""Tests for mcast.testing.transports."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import (
    CannotListenError,
    InvalidAddressError,
    MessageLengthError,
    MulticastJoinError,
)
from twisted.internet.interfaces import IListeningPort, IMulticastTransport
from twisted.internet.protocol import DatagramProtocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
from mcast.sockets.protocol import GroupProtocol
from mcast.testing import MemoryPort, SimulatedLan

GROUP = "224.0.0.123"


class Plain(DatagramProtocol):
    """Any Twisted protocol."""

    noisy = False
    transport: Any

    def __init__(self) -> None:
        self.events: list[object] = []

    def startProtocol(self) -> None:
        self.events.append("start")

    def stopProtocol(self) -> None:
        self.events.append("stop")

    def datagramReceived(self, datagram: bytes, addr: tuple[Any, ...]) -> None:
        self.events.append((datagram, addr))


class Answering(GroupProtocol):
    """A protocol of ours: says what it heard, by what way."""

    def __init__(self, *groups: str, **settings: Any) -> None:
        super().__init__([Group.parse(group) for group in groups], **settings)
        self.arrivals: list[Arrival] = []

    def datagram_arrived(self, data: bytes, address: tuple[Any, ...], arrival: Arrival) -> bytes | None:
        self.arrivals.append(arrival)
        return b"re: " + data


class TransportTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lan = SimulatedLan()
        self.a, self.b = self.lan.host("a"), self.lan.host("b")

    def listen(self, host: str = "a", port: int = 7645, interface: str = "") -> tuple[Plain, MemoryPort]:
        protocol = Plain()
        listening = self.lan.host(host).listenMulticast(port, protocol, interface, listenMultiple=True)
        protocol.events.clear()
        return protocol, listening

    def test_interfaces(self) -> None:
        _, port = self.listen()
        self.assertTrue(verifyObject(IMulticastTransport, port))
        self.assertTrue(verifyObject(IListeningPort, port))

    def test_life(self) -> None:
        protocol = Plain()
        port = self.a.listenMulticast(7645, protocol)
        self.assertIs(protocol.transport, port)
        stopped = port.stopListening()
        self.assertEqual(protocol.events, ["start"])
        self.lan.advance(0)
        self.assertIsNone(self.successResultOf(stopped))
        self.assertEqual(protocol.events, ["start", "stop"])

    def test_stopped_twice(self) -> None:
        protocol, port = self.listen()
        port.stopListening()
        again = port.stopListening()
        self.lan.advance(0)
        self.assertIsNone(self.successResultOf(again))
        self.assertEqual(protocol.events, ["stop"])

    def test_address(self) -> None:
        _, four = self.listen()
        _, six = self.listen(interface="::")
        self.assertEqual((four.getHost().host, four.getHost().port), ("0.0.0.0", 7645))
        self.assertEqual((six.getHost().host, six.getHost().port), ("::", 7645))

    def test_any_port(self) -> None:
        numbers = {self.a.listenMulticast(0, Plain()).getHost().port for _ in range(3)}
        self.assertEqual(len(numbers), 3)
        self.assertNotIn(0, numbers)

    def test_taken_port(self) -> None:
        self.a.listenMulticast(7645, Plain())
        self.assertRaises(CannotListenError, self.a.listenMulticast, 7645, Plain())
        self.assertRaises(CannotListenError, self.a.listenMulticast, 7645, Plain(), listenMultiple=True)
        self.a.listenMulticast(7645, Plain(), "::")

    def test_unicast(self) -> None:
        protocol, _ = self.listen("b")
        _, port = self.listen("a", 1000)
        port.write(b"hello", ("10.0.1.2", 7645))
        self.lan.advance(1)
        self.assertEqual(protocol.events, [(b"hello", ("10.0.1.1", 1000))])

    def test_group(self) -> None:
        protocol, port = self.listen("b")
        _, sender = self.listen("a", 1000)
        sender.write(b"too early", (GROUP, 7645))
        self.lan.advance(1)
        self.assertIsNone(self.successResultOf(port.joinGroup(GROUP)))
        sender.write(b"heard", (GROUP, 7645))
        self.lan.advance(1)
        self.assertIsNone(self.successResultOf(port.leaveGroup(GROUP)))
        sender.write(b"too late", (GROUP, 7645))
        self.lan.advance(1)
        self.assertEqual(protocol.events, [(b"heard", ("10.0.1.1", 1000))])

    def test_group_on_one_interface(self) -> None:
        self.b.connect(self.lan.link("second"))
        for interface in ("eth1", "3", "10.0.2.2"):
            _, port = self.listen("b")
            port.joinGroup(GROUP, interface)
            self.assertEqual(port.memberships, {(GROUP, 3)})

    def test_unknown_interface(self) -> None:
        _, port = self.listen()
        self.failureResultOf(port.joinGroup(GROUP, "eth9"), MulticastJoinError)
        self.failureResultOf(port.leaveGroup(GROUP), MulticastJoinError)

    def test_link_local_sender(self) -> None:
        """The host comes with its scope, and leads back."""
        protocol, port = self.listen("b", interface="::")
        port.joinGroup("ff02::123", "eth0")
        asking, sender = self.listen("a", 1000, "::")
        sender.write(b"hello", ("ff02::123", 7645))
        self.lan.advance(1)
        self.assertEqual(protocol.events, [(b"hello", ("fe80::1:1%2", 1000))])
        port.write(b"back", ("fe80::1:1%2", 1000))
        self.lan.advance(1)
        self.assertEqual(asking.events, [(b"back", ("fe80::1:2%2", 7645))])

    def test_loopback(self) -> None:
        protocol, port = self.listen()
        port.joinGroup(GROUP)
        port.write(b"one", (GROUP, 7645))
        port.setLoopbackMode(False)
        port.write(b"two", (GROUP, 7645))
        self.lan.advance(1)
        self.assertFalse(port.getLoopbackMode())
        self.assertEqual([event[0] for event in protocol.events if isinstance(event, tuple)], [b"one"])

    def test_hop_limit(self) -> None:
        _, port = self.listen()
        self.assertEqual(port.getTTL(), 1)
        port.setTTL(9)
        port.write(b"x", (GROUP, 7645))
        port.write(b"x", ("10.0.1.2", 7645))
        self.assertEqual([packet.hop_limit for packet in self.lan.packets], [9, 64])
        self.assertRaises(ValueError, port.setTTL, 256)

    def test_outgoing_interface(self) -> None:
        self.a.connect(self.lan.link("second"))
        _, port = self.listen()
        self.assertEqual(self.successResultOf(port.setOutgoingInterface("10.0.2.1")), 3)
        self.assertEqual(port.getOutgoingInterface(), "10.0.2.1")
        port.write(b"x", (GROUP, 7645))
        self.assertEqual(self.lan.packets[0].link, "second")

    def test_connected(self) -> None:
        protocol, port = self.listen()
        _, peer = self.listen("b", 1000)
        _, other = self.listen("b", 1001)
        port.connect("10.0.1.2", 1000)
        port.write(b"x")
        self.assertEqual(self.lan.packets[0].destination_port, 1000)
        peer.write(b"from the peer", ("10.0.1.1", 7645))
        other.write(b"from another", ("10.0.1.1", 7645))
        self.lan.advance(1)
        self.assertEqual(protocol.events, [(b"from the peer", ("10.0.1.2", 1000))])

    def test_connected_badly(self) -> None:
        """As a port of a real host has it, and Twisted's own."""
        _, port = self.listen()
        for host in ("localhost", "::1"):
            self.assertRaises(InvalidAddressError, port.connect, host, 1)
            self.assertRaises(InvalidAddressError, port.write, b"x", (host, 1))
        port.connect("10.0.1.2", 1000)
        self.assertRaises(RuntimeError, port.connect, "10.0.1.2", 1000)

    def test_joining_no_group(self) -> None:
        _, port = self.listen()
        for address in ("10.0.1.1", "ff02::123"):
            self.failureResultOf(port.joinGroup(address), MulticastJoinError)

    def test_not_connected(self) -> None:
        _, port = self.listen()
        self.assertRaises(ValueError, port.write, b"x")

    def test_broadcast_setting(self) -> None:
        _, port = self.listen()
        self.assertFalse(port.getBroadcastAllowed())
        port.setBroadcastAllowed(True)
        self.assertTrue(port.getBroadcastAllowed())

    def test_too_large(self) -> None:
        _, port = self.listen()
        self.assertRaises(MessageLengthError, port.write, b"x" * 65508, ("10.0.1.2", 1))

    def test_larger_than_wanted(self) -> None:
        """Longer datagrams than the port takes are dropped and counted, not cut."""
        protocol = Plain()
        port = self.b.listenMulticast(7645, protocol, maxPacketSize=4)
        _, sender = self.listen("a")
        sender.write(b"12345", ("10.0.1.2", 7645))
        sender.write(b"1234", ("10.0.1.2", 7645))
        self.lan.advance(1)
        self.assertEqual(protocol.events, ["start", (b"1234", ("10.0.1.1", 7645))])
        self.assertEqual(port.counters["truncated"], 1)

    def test_nowhere(self) -> None:
        """No route, or no interface: refused and counted as a real port does."""
        _, port = self.listen()
        self.assertFalse(port.send(b"x", ("203.0.113.1", 1)))
        self.assertFalse(port.send(b"x", ("10.0.1.2", 1), 9))
        port.write(b"x", ("203.0.113.1", 1))
        self.assertEqual(len(self.lan.packets), 0)

    def test_bound_to_a_group(self) -> None:
        """Such a port receives nothing else."""
        protocol, port = self.listen("b", interface=GROUP)
        port.joinGroup(GROUP)
        _, sender = self.listen("a")
        sender.write(b"unicast", ("10.0.1.2", 7645))
        sender.write(b"multicast", (GROUP, 7645))
        self.lan.advance(1)
        self.assertEqual(protocol.events, [(b"multicast", ("10.0.1.1", 7645))])


class GroupProtocolTests(SynchronousTestCase):
    """A protocol of mcast.sockets runs here unchanged."""

    def setUp(self) -> None:
        self.lan = SimulatedLan()
        self.host = self.lan.host("a", "one", "two")

    def test_arrival_and_answer(self) -> None:
        protocol = Answering(f"{GROUP}:7645", enumerate_interfaces=self.host.interfaces)
        self.host.listenMulticast(7645, protocol)
        asker = Plain()
        asking = self.lan.host("b", "two").listenMulticast(1000, asker)
        asking.write(b"who", (GROUP, 7645))
        self.lan.advance(1)
        self.assertEqual(protocol.arrivals, [Arrival(3, GROUP, 1)])
        self.assertEqual(asker.events, ["start", (b"re: who", ("10.0.2.1", 7645))])

    def test_follows_the_interfaces(self) -> None:
        protocol = Answering("[ff02::123]:7645", enumerate_interfaces=self.host.interfaces)
        port = self.host.listenMulticast(7645, protocol, "::")
        self.assertEqual(port.memberships, {("ff02::123", 2), ("ff02::123", 3)})
        self.host.interface("eth0").remove()
        self.host.connect(self.lan.link("three"))
        self.lan.advance(10)
        self.assertEqual(port.memberships, {("ff02::123", 3), ("ff02::123", 4)})
        port.stopListening()
        self.lan.advance(10)
        self.assertEqual(port.memberships, set())
        self.assertEqual(self.lan.clock.getDelayedCalls(), [])

    def test_unicast_to_a_listener(self) -> None:
        """What a listener of groups sent is answered by unicast, and it gets the answer."""
        protocol = Answering(f"{GROUP}:7645", enumerate_interfaces=self.host.interfaces)
        self.host.listen_group(protocol)
        peer = self.lan.host("b", "two").listenMulticast(7645, Plain(), listenMultiple=True)
        peer.write(b"unicast", ("10.0.2.1", 7645))
        self.lan.advance(1)
        self.assertEqual(protocol.arrivals, [Arrival(3, "10.0.2.1", 64)])

    def test_unicast_left_to_others(self) -> None:
        """A protocol that only watches takes no unicast away from another program."""
        other = Plain()
        self.host.listenMulticast(7645, other, listenMultiple=True)
        protocol = Answering(f"{GROUP}:7645", enumerate_interfaces=self.host.interfaces)
        protocol.takes_unicast = False
        self.host.listen_group(protocol)
        self.lan.host("b", "two").listenMulticast(7645, Plain()).write(b"unicast", ("10.0.2.1", 7645))
        self.lan.advance(1)
        self.assertEqual(other.events, ["start", (b"unicast", ("10.0.2.2", 7645))])

    def test_sending_where_nothing_is_joined(self) -> None:
        group = Group.parse(f"{GROUP}:7645")
        protocol = Answering(f"{GROUP}:7645", enumerate_interfaces=self.host.interfaces)
        self.assertRaises(OSError, protocol.send_to_group, b"before the start", group)
        self.host.listen_group(protocol)
        self.assertEqual(protocol.send_to_group(b"joined", group), 2)
        with self.assertRaisesRegex(OSError, "cannot send to 239.7.7.7:7645: it is joined on no interface"):
            protocol.send_to_group(b"of others", Group.parse("239.7.7.7:7645"))
