"""The port of a node on sockets: what waits for room in the send buffer."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address
from typing import Any, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from mcast.neighbours import SocketAddress
from mcast.node import network
from mcast.node.network import BACKLOG_DELAY, BACKLOG_LIMIT, SocketPort
from mcast.node.strain import NOBODY
from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
from mcast.sockets.interface import Interface, InterfaceAddress
from mcast.sockets.port import GroupPort
from mcast.sockets.sending import SendResult


class FakePort:
    """Stands for the port below; it sends as a test says."""

    def __init__(self) -> None:
        self.counters: dict[str, int] = {}
        self.result = SendResult.SENT
        self.problem: Exception | None = None
        self.sent: list[bytes] = []
        self.tried = 0

    def send(self, data: bytes, address: SocketAddress, interface: int = 0) -> SendResult:
        self.tried += 1
        if self.problem is not None:
            raise self.problem
        if self.result is SendResult.SENT:
            self.sent.append(data)
        elif self.result is SendResult.FULL:
            self.counters["send_full"] = self.counters.get("send_full", 0) + 1
        return self.result

    def join(self, group: Group, interface: int) -> None:
        pass

    leave = join

    def getHandle(self) -> None:
        return None

    def stopListening(self) -> Deferred[None]:
        return succeed(None)


class PortTestCase(SynchronousTestCase):
    """A port of IPv4."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.below = FakePort()
        self.patch(network, "listen_multicast", lambda *words, **settings: self.below)
        self.patch(network, "_sender", lambda ipv6: None)
        self.patch(network, "is_port_held", lambda *words, **settings: False)
        self.port = SocketPort(cast(Any, self.clock), ipv6=False)


class SendingTests(PortTestCase):
    """Its send buffer is full for a while, or for ever."""

    def test_full_for_a_while(self) -> None:
        self.below.result = SendResult.FULL
        self.assertTrue(self.port.send(b"one", 2, None))
        self.assertTrue(self.port.send(b"two", 2, None))
        self.below.result = SendResult.SENT
        self.clock.advance(BACKLOG_DELAY)
        self.assertEqual(self.below.sent, [b"one", b"two"])

    def test_closed_while_full(self) -> None:
        """Each datagram that waits is tried once, and the port is closed whatever the system says."""
        self.below.result = SendResult.FULL
        for _ in range(5):
            self.port.send(b"x", 2, None)
        self.below.tried = 0
        self.successResultOf(self.port.close())
        self.assertEqual(self.below.tried, 5)
        self.assertEqual(self.port.counters["backlog_lost"], 5)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_full_is_told(self) -> None:
        """In one line a minute, and in numbers."""
        self.below.result = SendResult.FULL
        with capturedLogs() as logged:
            for _ in range(5):
                self.port.send(b"x", 2, None)
            self.clock.advance(BACKLOG_DELAY)
        (told,) = logged
        self.assertEqual((told["link"], told["cause"], told["source"]), ("IPv4", "send_full", NOBODY))
        self.assertEqual(self.port.limits, {"IPv4": {"send_full": {"count": 2, "by": NOBODY, "most": 2}}})

    def test_full_for_one_host(self) -> None:
        self.below.result = SendResult.FULL
        self.port.send(b"x", 2, ("10.0.0.1", 5353))
        self.assertEqual(self.port.limits["IPv4"]["send_full"]["by"], "10.0.0.1")

    def test_backlog_is_told(self) -> None:
        self.below.result = SendResult.FULL
        with capturedLogs() as logged:
            for _ in range(BACKLOG_LIMIT + 1):
                self.port.send(b"x", 2, None)
        self.assertEqual([event["cause"] for event in logged], ["send_full", "backlog_lost"])

    def test_nothing_is_raised(self) -> None:
        """Not for a forged source, and not when no descriptor is free."""
        for problem in (ValueError("zone"), OSError(24, "Too many open files")):
            self.below.problem = problem
            self.assertFalse(self.port.send(b"x", 2, None))
            self.assertFalse(self.port.send(b"x", 2, ("10.0.0.1", 5353)))


class ReceivingTests(PortTestCase):
    """Where datagrams go, by how they arrived."""

    def setUp(self) -> None:
        super().setUp()
        self.heard: list[tuple[bytes, bool]] = []
        addresses = (InterfaceAddress(IPv4Address("10.0.0.1"), 24),)
        self.port.join(Interface("eth0", 2, addresses), self.receive)

    def receive(self, data: bytes, source: SocketAddress, multicast: bool) -> bytes | None:
        self.heard.append((data, multicast))
        return data.upper() if data.islower() else None

    def arrive(self, data: bytes, interface: int, destination: str | None) -> None:
        source = ("10.0.0.9", 40000)
        taken, told, by = self.port.way_of(Arrival(interface, destination, None))
        answer = taken(data, source, told)
        if answer is not None:
            self.port.send_answer(answer, source, by)

    def test_group_and_own_address(self) -> None:
        self.arrive(b"ONE", 2, "224.0.0.251")
        self.arrive(b"TWO", 2, "10.0.0.1")
        self.assertEqual(self.heard, [(b"ONE", True), (b"TWO", False)])

    def test_destination_not_told(self) -> None:
        self.arrive(b"ONE", 2, None)
        self.assertEqual(self.heard, [(b"ONE", True)])

    def test_elsewhere(self) -> None:
        """Another interface, and broadcast addresses."""
        for interface, destination in ((3, "224.0.0.251"), (2, "10.0.0.255"), (2, "255.255.255.255")):
            self.arrive(b"X", interface, destination)
        self.assertEqual((self.heard, self.port.counters["elsewhere"]), ([], 3))

    def test_interface_not_told(self) -> None:
        """It is the one whose neighbour the source is; the answer leaves there."""
        self.arrive(b"x", 0, "224.0.0.251")
        self.assertEqual((self.heard, self.below.sent), ([(b"x", True)], [b"X"]))
        self.port.leave(self.port._joined[2])
        self.arrive(b"x", 0, "224.0.0.251")
        self.assertEqual((len(self.heard), self.port.counters["elsewhere"]), (1, 1))

    def test_joined_anew(self) -> None:
        """The port below asks again when another receiver, or another address, has taken effect."""
        ways: list[tuple[bytes | None, int]] = []

        class Below(GroupPort):
            def __init__(below) -> None:
                below.counters = Counter()

            def forget_ways(below) -> None:
                for destination in ("224.0.0.251", "10.1.0.255"):
                    taken, told, _ = self.port.way_of(Arrival(2, destination, None))
                    ways.append((taken(b"X", ("10.1.0.9", 5353), told), self.port.counters["elsewhere"]))

        self.port._port = Below()
        addresses = (InterfaceAddress(IPv4Address("10.1.0.1"), 24),)
        self.port.join(Interface("eth0", 2, addresses), lambda data, source, multicast: b"anew")
        self.assertEqual(ways, [(b"anew", 0), (None, 1)])

    def test_answer(self) -> None:
        self.arrive(b"one", 2, "224.0.0.251")
        self.assertEqual(self.below.sent, [b"ONE"])
