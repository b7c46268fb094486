"""Which names are taken after conflicts (RFC 6762 §9)."""

from __future__ import annotations

from collections import Counter
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dns.records import address
from mcast.dnssd.hosts import Host
from mcast.dnssd.service import Service
from mcast.node.items import HostItem
from mcast.node.naming import CHOICES, MAX_TAKEN, ORDERLY_LOSSES, NameChooser
from mcast.node.node import Node
from tests.node.node_lab import WEB, NodeTestCase


def _free(name: Name) -> bool:
    return False


class ChooserTests(SynchronousTestCase):
    """The next number first, then one of many."""

    def setUp(self) -> None:
        self.item = HostItem(Host(), "raspi")
        self.chooser = NameChooser(Random(1), _free)

    def lose(self) -> str:
        """Lose the name; return the next one."""
        self.chooser.note_taken(self.item.full_name)
        self.item.losses += 1
        self.chooser.take_another(self.item)
        return self.item.label

    def number(self) -> int:
        return int(self.lose().rpartition("-")[2])

    def test_in_order_at_first(self) -> None:
        self.assertEqual([self.lose() for _ in range(ORDERLY_LOSSES)], ["raspi-2", "raspi-3"])

    def test_at_random_later(self) -> None:
        """Among more numbers after each loss."""
        self.item.losses = ORDERLY_LOSSES
        numbers = [self.number() for _ in range(4)]
        self.assertTrue(all(2 <= each < 2 + CHOICES * 10**power for power, each in enumerate(numbers)))
        self.assertGreater(max(numbers), 10 * CHOICES)

    def test_none_that_was_taken(self) -> None:
        """What another host was found to have is not tried again."""
        self.lose()
        self.lose()
        self.item.take("raspi")
        self.item.losses = 0
        self.assertEqual(self.lose(), "raspi-3")

    def test_none_of_ours(self) -> None:
        chooser = NameChooser(Random(1), lambda name: name == Name.parse("raspi-2.local."))
        chooser.take_another(self.item)
        self.assertEqual(self.item.label, "raspi-3")

    def test_ends_when_all_small_numbers_are_taken(self) -> None:
        def is_taken(name: Name) -> bool:
            return int(name.labels[0].rpartition(b"-")[2] or 0) < 5000

        self.chooser = NameChooser(Random(1), is_taken)
        self.assertGreaterEqual(self.number(), 5000)

    def test_memory_is_bounded(self) -> None:
        for number in range(2 * MAX_TAKEN):
            self.chooser.note_taken(Name.parse(f"raspi-{number}.local."))
        self.assertEqual(len(self.chooser._taken), MAX_TAKEN)


class SeenTests(NodeTestCase):
    """Names that others were heard to want are not tried, whoever gets them."""

    def test_heard_while_probing(self) -> None:
        node = self.node("late", hostname="raspi")
        self.lan.advance(0.3)
        rivals = [address(Name.parse(f"{label}.local."), "10.0.1.99", 120) for label in ("raspi-2", "raspi")]
        self.contradict("lan", *[rival.with_cache_flush(True) for rival in rivals])
        self.lan.advance(10.0)
        self.assertEqual(node.hostname, "raspi-3")

    def test_many_services_of_one_name(self) -> None:
        """A program that publishes a dozen services of one name gets them numbered in order."""
        node = self.settled("here")
        names = [node.publish(Service("Web", WEB, port)).name for port in range(1, 5)]
        self.assertEqual(names, ["Web", "Web (2)", "Web (3)", "Web (4)"])


class ThirtyTests(NodeTestCase):
    """Thirty hosts of one name start in the same second."""

    hosts = 30

    def start(self, *services: Service) -> list[Node]:
        nodes = []
        for number in range(self.hosts):
            host = self.lan.host(f"h{number}")
            node = Node(self.lan.clock, network=host, hostname="raspi", rng=host.rng)
            for service in services:
                node.publish(service)
            self.lan.clock.callLater(host.rng.uniform(0.0, 1.0), node.startService)
            nodes.append(node)
        return nodes

    def settle(self, nodes: list[Node]) -> Counter[str]:
        """Let twenty seconds pass, then a minute of silence; return how many packets each host sent."""
        self.lan.advance(20.0)
        counts = Counter(packet.sender for packet in self.lan.packets)
        self.lan.packets.clear()
        self.lan.advance(60.0)
        self.assertEqual(self.lan.packets, [])
        self.assertTrue(all(each.is_claimed for node in nodes for each in node.registrations))
        self.assertEqual(len({each.hostname for each in nodes}), self.hosts)
        return counts

    def test_hosts(self) -> None:
        """M-9-5: each has its own name within 20 s, with at most 40 packets by both families."""
        counts = self.settle(self.start())
        self.assertLessEqual(max(counts.values()), 40)

    def test_hosts_and_services(self) -> None:
        """The same with a service "Camera" on each, so with twice as many names."""
        nodes = self.start(Service("Camera", WEB, 80))
        counts = self.settle(nodes)
        names = {each.name for node in nodes for each in node.registrations if each.name.startswith("Camera")}
        self.assertEqual(len(names), self.hosts)
        self.assertLessEqual(max(counts.values()), 2 * 40)


class ClaimTogetherTests(NodeTestCase):
    """Two hosts of one name that start together, each with a service."""

    def test_no_service_at_the_other_host(self) -> None:
        """M-8.2-5, M-8.1-10: from the first announcement on, each service is at the host that it is on."""
        nodes = []
        for number in (1, 2):
            node = self.node(f"h{number}", hostname="raspi")
            node.publish(Service(f"Camera {number}", WEB, 80))
            nodes.append(node)
        self.lan.advance(10.0)
        self.assertEqual({node.hostname for node in nodes}, {"raspi", "raspi-2"})
        for number, node in enumerate(nodes, 1):
            said = self.lan.packets.sent_by(f"h{number}").responses.records(RecordType.SRV)
            self.assertEqual({str(record.data.target) for record in said}, {f"{node.hostname}.local."})  # type: ignore[union-attr]  # an SRV record
