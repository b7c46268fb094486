"""The system refuses to send now and then, or for longer: one bad sign is not the end of a link."""

from __future__ import annotations

from mcast.dnssd.service import Service
from mcast.neighbours import SocketAddress
from mcast.node.link_driver import FAILING_LIMIT, UNREACHABLE_DELAY, LinkDriver
from mcast.node.node import Node
from mcast.testing import Capture
from tests.node.node_lab import SETTLED, WEB, NodeTestCase, drivers


class RefusingPort:
    """Stands before the port of a driver, and refuses as a test says."""

    def __init__(self, driver: LinkDriver) -> None:
        self.refusals = 0
        """How many multicast datagrams are still refused."""
        self.refused = 0
        self._send = driver.port.send
        driver.port.send = self.send  # type: ignore[method-assign]

    def send(self, payload: bytes, interface: int, destination: SocketAddress | None) -> bool:
        if destination is None and self.refusals:
            self.refusals -= 1
            self.refused += 1
            return False
        return self._send(payload, interface, destination)


ALWAYS = 1_000_000


class RefusalTests(NodeTestCase):
    """A node on one IPv4 link whose system refuses to multicast."""

    def setUp(self) -> None:
        super().setUp()
        self.here = self.settled("here", ipv6=False)
        self.there = self.settled("there")
        self.register(self.there, "Theirs")
        self.lan.advance(SETTLED)
        self.events: list[str] = []
        self.here.browse(WEB).add_listener(lambda change: self.events.append(type(change).__name__))
        self.lan.advance(SETTLED)
        self.events.clear()
        self.port = RefusingPort(drivers(self.here)[0])
        self.began = self.lan.now

    def sent(self) -> Capture:
        return self.lan.packets.since(self.began).where(lambda packet: packet.source == "10.0.1.1")

    def publish(self, node: Node) -> None:
        self.registration = node.publish(Service("Mine", WEB, 80))

    def test_one_refusal(self) -> None:
        """What was found stays, the names stay claimed, and what was refused is sent a moment later."""
        self.register(self.here, "Mine")
        self.lan.advance(SETTLED)
        self.began = self.lan.now
        self.events.clear()
        self.port.refusals = 1
        answers = self.ask("lan", "here.local.", 1)
        self.assertEqual(self.port.refused, 1)
        self.assertEqual(len(answers), 1)
        self.assertEqual(self.events, [])
        self.assertFalse([packet for packet in self.sent() if packet.message.authorities])

    def test_refused_probes(self) -> None:
        """A name is claimed by three probes that left (RFC 6762 §8.1)."""
        self.port.refusals = 2
        self.publish(self.here)
        self.lan.advance(SETTLED)
        self.assertTrue(self.registration.is_claimed)
        probes = [packet for packet in self.sent() if packet.message.authorities]
        self.assertEqual(len(probes), 3)

    def test_never_claimed_without_probes(self) -> None:
        self.port.refusals = ALWAYS
        self.publish(self.here)
        self.lan.advance(60.0)
        self.assertFalse(self.registration.is_claimed)

    def test_for_long(self) -> None:
        """Some seconds of refusals are a link that is down; it is looked at again."""
        self.port.refusals = ALWAYS
        self.publish(self.here)
        self.lan.advance(FAILING_LIMIT - 0.5)
        self.assertEqual(len(self.here.working_links), 1)
        self.assertEqual(self.events, [])
        self.lan.advance(1.0)
        self.assertEqual(self.here.working_links, ())
        self.assertIn("Removed", self.events)
        self.port.refusals = 0
        self.lan.advance(UNREACHABLE_DELAY + SETTLED)
        self.assertTrue(self.registration.is_claimed)

    def test_goodbye(self) -> None:
        """A goodbye that was refused is said again before the node is closed."""
        self.port.refusals = 1
        self.lan.result(self.here.stopService())
        goodbyes = [packet for packet in self.sent() if any(not each.ttl for each in packet.message.answers)]
        self.assertEqual((self.port.refused, len(goodbyes)), (1, 1))


class MistakeTests(NodeTestCase):
    """A mistake in this program stops no link for good."""

    def test_timer_is_armed_again(self) -> None:
        node = self.settled("here", ipv6=False)
        driver = drivers(node)[0]
        advance = driver.link.advance

        def fails(now: float) -> None:
            driver.link.advance = advance  # type: ignore[method-assign]
            raise ZeroDivisionError

        registration = node.publish(Service("Mine", WEB, 80))
        driver.link.advance = fails  # type: ignore[method-assign]
        self.assertRaises(ZeroDivisionError, self.lan.advance, SETTLED)
        self.lan.advance(2 * SETTLED)
        self.assertTrue(registration.is_claimed)
