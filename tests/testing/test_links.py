"""Tests for mcast.testing.links: what happens to packets."""

from __future__ import annotations

from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from mcast.neighbours import SocketAddress
from mcast.testing import SimulatedHost, SimulatedLan
from mcast.testing.ports import SimulatedPort


class Hearer:
    """A port 5353 that keeps what it hears: payload, source, interface, multicast."""

    def __init__(self, lan: SimulatedLan, host: SimulatedHost, ipv6: bool = False) -> None:
        self.heard: list[tuple[bytes, SocketAddress, int, bool]] = []
        self.times: list[float] = []
        self.lan = lan
        self.host = host
        self.port: SimulatedPort = host.open(ipv6)
        for interface in host.interfaces():
            self.port.join(interface, partial(self.received, interface.index))

    def received(self, interface: int, payload: bytes, source: SocketAddress, multicast: bool) -> None:
        self.heard.append((payload, source, interface, multicast))
        self.times.append(self.lan.now)

    @property
    def payloads(self) -> list[bytes]:
        return [payload for payload, *_ in self.heard]


class LinkTestCase(SynchronousTestCase):
    """Three hosts on one link."""

    def setUp(self) -> None:
        self.lan = SimulatedLan(seed=7)
        self.link = self.lan.link()
        self.a, self.b, self.c = (Hearer(self.lan, self.lan.host(name)) for name in "abc")

    def say(self, payload: bytes = b"hello", times: int = 1) -> None:
        for _ in range(times):
            self.assertTrue(self.a.port.send(payload, 2, None))
        self.lan.advance(1)


class DeliveryTests(LinkTestCase):
    def test_everybody_hears_multicast(self) -> None:
        """The sender too, as with a real socket that loops back."""
        self.say()
        expected = [(b"hello", ("10.0.1.1", 5353), 2, True)]
        self.assertEqual((self.a.heard, self.b.heard, self.c.heard), (expected, expected, expected))

    def test_one_hears_unicast(self) -> None:
        self.a.port.send(b"hello", 2, ("10.0.1.2", 5353))
        self.lan.advance(1)
        self.assertEqual(self.b.heard, [(b"hello", ("10.0.1.1", 5353), 2, False)])
        self.assertEqual((self.a.heard, self.c.heard), ([], []))

    def test_delay(self) -> None:
        self.link.delay = 0.25
        start = self.lan.now
        self.say()
        self.assertEqual(self.b.times, [start + 0.25])
        self.assertEqual(self.a.times, [start])

    def test_nothing_arrives_from_inside_send(self) -> None:
        self.a.port.send(b"hello", 2, None)
        self.assertEqual((self.a.heard, self.b.heard), ([], []))

    def test_order_is_kept(self) -> None:
        for number in range(10):
            self.a.port.send(b"%d" % number, 2, None)
        self.lan.advance(1)
        self.assertEqual(self.b.payloads, [b"%d" % number for number in range(10)])

    def test_other_links_hear_nothing(self) -> None:
        stranger = Hearer(self.lan, self.lan.host("stranger", "elsewhere"))
        self.say()
        self.assertEqual(stranger.heard, [])

    def test_only_members_hear(self) -> None:
        self.b.port.leave(self.b.host.interface().current)
        self.say()
        self.assertEqual((self.b.heard, len(self.c.heard)), ([], 1))

    def test_ipv6_source_has_its_scope(self) -> None:
        """The scope of a link-local sender is the receiver's interface."""
        self.lan.host("b").connect(self.lan.link("second"))
        six = [Hearer(self.lan, self.lan.host(name), ipv6=True) for name in "ab"]
        six[0].port.send(b"hello", 2, None)
        self.lan.advance(1)
        self.assertEqual(six[1].heard, [(b"hello", ("fe80::1:1", 5353, 0, 2), 2, True)])
        self.assertEqual(self.b.heard, [])

    def test_answer_to_the_source(self) -> None:
        six = [Hearer(self.lan, self.lan.host(name), ipv6=True) for name in "ab"]
        six[0].port.send(b"hello", 2, None)
        self.lan.advance(1)
        six[1].port.send(b"back", 2, six[1].heard[0][1])
        self.lan.advance(1)
        self.assertEqual(six[0].payloads, [b"hello", b"back"])


class ConditionTests(LinkTestCase):
    """Each condition does what it says, and the seed decides how."""

    def test_loss(self) -> None:
        self.link.loss = 0.25
        self.say(times=1000)
        self.assertLess(abs(len(self.b.heard) - 750), 50)
        self.assertEqual(len(self.a.heard), 1000)
        self.assertEqual(self.link.counters["lost"], 2000 - len(self.b.heard) - len(self.c.heard))

    def test_receivers_lose_by_themselves(self) -> None:
        self.link.loss = 0.5
        for number in range(100):
            self.a.port.send(b"%d" % number, 2, None)
        self.lan.advance(1)
        self.assertNotEqual(self.b.payloads, self.c.payloads)

    def test_duplication(self) -> None:
        self.link.duplication = 1.0
        self.say()
        self.assertEqual((len(self.a.heard), len(self.b.heard)), (1, 2))

    def test_reordering(self) -> None:
        self.link.reordering = 0.5
        sent = [b"%d" % number for number in range(50)]
        for payload in sent:
            self.a.port.send(payload, 2, None)
        self.lan.advance(1)
        self.assertNotEqual(self.b.payloads, sent)
        self.assertEqual(sorted(self.b.payloads), sorted(sent))

    def test_jitter(self) -> None:
        self.link.jitter = 0.1
        start = self.lan.now
        self.say(times=100)
        late = [at - start - self.link.delay for at in self.b.times]
        self.assertTrue(0.0 <= min(late) < 0.02 < 0.08 < max(late) <= 0.1)

    def test_fragments(self) -> None:
        """What is larger than the MTU arrives, and is lost more often."""
        self.link.loss = 0.1
        self.say(b"x" * 8000, times=300)
        self.assertLess(abs(len(self.b.heard) / 300 - 0.9**6), 0.08)
        self.assertEqual(self.link.counters["fragmented"], 600)

    def test_no_reassembly(self) -> None:
        self.link.reassembles = False
        self.say(b"x" * 1473)
        self.say(b"x" * 1472)
        self.assertEqual(self.b.payloads, [b"x" * 1472])

    def test_same_seed(self) -> None:
        """Two networks with one seed have one course of events."""

        def course(seed: int) -> list[bytes]:
            lan = SimulatedLan(seed)
            lan.link(loss=0.5, jitter=0.1)
            sender, hearer = lan.host("a").open(False), Hearer(lan, lan.host("b"))
            for number in range(50):
                sender.send(b"%d" % number, 2, None)
            lan.advance(1)
            return hearer.payloads

        self.assertEqual(course(1), course(1))
        self.assertNotEqual(course(1), course(2))


class PartitionTests(LinkTestCase):
    def test_sides(self) -> None:
        self.link.partition([self.a.host, self.b.host], [self.c.host])
        self.say()
        self.assertEqual((len(self.b.heard), len(self.c.heard)), (1, 0))
        self.assertEqual(self.link.counters["partitioned"], 1)

    def test_rest_is_a_side(self) -> None:
        self.link.partition([self.a.host])
        self.say()
        self.b.port.send(b"two", 2, None)
        self.lan.advance(1)
        self.assertEqual((self.b.payloads, self.c.payloads), ([b"two"], [b"two"]))

    def test_heal(self) -> None:
        self.link.partition([self.a.host])
        self.link.heal()
        self.say()
        self.assertEqual(len(self.c.heard), 1)


class CarrierTests(LinkTestCase):
    def test_no_carrier(self) -> None:
        """A sender does not notice; the system takes the packet."""
        self.link.set_carrier(False)
        self.say()
        self.assertEqual(self.b.heard, [])
        self.link.set_carrier(True)
        self.say()
        self.assertEqual(len(self.b.heard), 1)

    def test_unplugged_on_the_way(self) -> None:
        self.a.port.send(b"hello", 2, None)
        self.b.host.unplug()
        self.lan.advance(1)
        self.assertEqual((self.b.heard, len(self.c.heard)), ([], 1))

    def test_moved_on_the_way(self) -> None:
        self.a.port.send(b"hello", 2, None)
        self.b.host.interface().plug(self.lan.link("elsewhere"))
        self.lan.advance(2)
        self.assertEqual(self.b.heard, [])

    def test_moved(self) -> None:
        """For a second there is no carrier; then the other link is heard."""
        stranger = Hearer(self.lan, self.lan.host("stranger", "elsewhere"))
        interface = self.b.host.interface()
        interface.plug(self.lan.link("elsewhere"))
        self.assertFalse(interface.carrier)
        self.lan.advance(1)
        self.assertTrue(interface.carrier)
        stranger.port.send(b"there", 2, None)
        self.say(b"here")
        self.assertEqual(self.b.payloads, [b"there"])


class InjectionTests(LinkTestCase):
    def test_forged(self) -> None:
        packet = self.link.inject(b"boo", "203.0.113.9", 1234, "224.0.0.251", 5353)
        self.lan.advance(1)
        expected = [(b"boo", ("203.0.113.9", 1234), 2, True)]
        self.assertEqual((self.a.heard, self.b.heard), (expected, expected))
        self.assertEqual((packet.sender, self.lan.packets[-1]), ("", packet))
