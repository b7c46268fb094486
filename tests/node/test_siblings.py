"""Several programs of one host, each with a node, together keep the rules for one host (RFC 6762 §6, §15)."""

from __future__ import annotations

from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dnssd.service import Service
from mcast.mdns.lint import Linter
from mcast.node.node import Node
from tests.node.node_lab import WEB, NodeTestCase, web


class SiblingTests(NodeTestCase):
    """Three programs publish a service each, at the addresses of their host."""

    def setUp(self) -> None:
        super().setUp()
        self.host = self.lan.host("kitchen")
        self.nodes: list[Node] = []

    def start(self, *, after: float) -> None:
        """Start a program some time after the last one."""
        self.lan.advance(after)
        node = self.node(self.host)
        self.nodes.append(node)
        node.publish(Service(f"Web {len(self.nodes)}", WEB, 8000 + len(self.nodes)))

    def breaches(self) -> list[str]:
        """Return what the linter finds in all that was multicast."""
        found = []
        linters = {ipv6: Linter(ipv6=ipv6) for ipv6 in (False, True)}
        for packet in self.lan.packets.multicast:
            linter = linters[packet.ipv6]
            found += linter.examine(
                packet.message, packet.size, packet.source, packet.source_port, packet.at, packet.hop_limit
            )
        return [f"{each.rule}: {each.detail}" for each in found]

    def assert_published(self) -> None:
        """Everything is claimed, under the names that were asked for, and was announced."""
        self.assertTrue(all(one.is_claimed for node in self.nodes for one in node.registrations))
        self.assertEqual({node.hostname for node in self.nodes}, {"kitchen"})
        announced = self.lan.packets.announcements.owners(RecordType.SRV)
        self.assertEqual(announced, {web(f"Web {number + 1}") for number in range(len(self.nodes))})

    def test_one_after_the_other(self) -> None:
        """M-6-6: the second and third find the addresses known, and do not repeat them at once."""
        for _ in range(3):
            self.start(after=0.3)
        self.lan.advance(10.0)
        self.assert_published()
        self.assertEqual(self.breaches(), [])

    def test_together(self) -> None:
        for _ in range(3):
            self.start(after=0.0)
        self.lan.advance(10.0)
        self.assert_published()
        self.assertEqual(self.breaches(), [])

    def test_many_rhythms(self) -> None:
        """Whatever the time between the starts."""
        for step in range(10):
            self.start(after=0.07 * step)
        self.lan.advance(10.0)
        self.assertEqual(self.breaches(), [])

    def test_question(self) -> None:
        """M-7.4-1: what all of them could answer is answered once."""
        for _ in range(3):
            self.start(after=0.3)
        self.lan.advance(10.0)
        began = self.lan.now
        self.ask("lan", "kitchen.local.", RecordType.A)
        told = (
            self.lan.packets.since(began)
            .responses.where(lambda packet: not packet.ipv6)
            .records(RecordType.A)
        )
        self.assertEqual([record.name for record in told], [Name.parse("kitchen.local.")])
        self.assertEqual(self.breaches(), [])

    def test_announced_by_each_alone(self) -> None:
        """M-8.3-3: who is alone makes two announcements: it is not held up by its own echo."""
        self.start(after=0.0)
        self.lan.advance(10.0)
        told = self.lan.packets.where(lambda packet: not packet.ipv6).announcements.records(RecordType.A)
        self.assertEqual(len(told), 2)

    def test_goodbye_of_one(self) -> None:
        """M-10.1-1: the others keep the addresses known."""
        for _ in range(3):
            self.start(after=0.3)
        self.lan.advance(10.0)
        self.lan.result(self.nodes[0].stopService())
        self.lan.advance(2.0)
        told = self.lan.packets.where(lambda packet: not packet.ipv6).records(RecordType.A)
        self.assertGreater(told[-1].ttl, 0)
        self.lan.advance(2.0)
        self.assertIn("10.0.1.1", self.ask("lan", "kitchen.local.", RecordType.A).addresses)
