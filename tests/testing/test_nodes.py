"""Nodes on a simulated network, which they take for a real one."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dnssd.service import Service
from mcast.node.node import Node
from mcast.node.registrations import ServiceRegistration
from mcast.testing import SimulatedHost, SimulatedLan


def run_node(lan: SimulatedLan, host: SimulatedHost, hostname: str) -> Node:
    node = Node(lan.clock, network=host, hostname=hostname, rng=host.rng)
    node.startService()
    return node


class NodeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lan = SimulatedLan(seed=1)

    def register(self, node: Node, name: str = "Web") -> ServiceRegistration:
        return self.lan.result(node.publish(Service(name, "_http._tcp", 80)).when_claimed())

    def test_claims_its_names(self) -> None:
        node = run_node(self.lan, self.lan.host("a"), "kitchen")
        self.assertEqual(self.register(node).name, "Web")
        self.assertEqual(node.hostname, "kitchen")

    def test_idle(self) -> None:
        """A day without anything to say: nothing is sent, and nothing waits for its time."""
        node = run_node(self.lan, self.lan.host("a"), "kitchen")
        self.register(node)
        self.lan.advance(60)
        self.lan.packets.clear()
        self.lan.advance(86400)
        self.assertEqual((self.lan.packets, self.lan.clock.getDelayedCalls()), ([], []))

    def test_three_of_one_name_at_one_time(self) -> None:
        """All names of three hosts conflict in the same packets, and end up different and in step."""
        nodes = [run_node(self.lan, self.lan.host(name), "kitchen") for name in "abc"]
        waiting = [
            node.publish(Service("Web", "_http._tcp", port)).when_claimed()
            for port, node in enumerate(nodes, 80)
        ]
        names = {self.lan.result(one).name for one in waiting}
        self.assertEqual(names, {"Web", "Web (2)", "Web (3)"})
        self.assertEqual({node.hostname for node in nodes}, {"kitchen", "kitchen-2", "kitchen-3"})

    def test_stop_says_goodbye(self) -> None:
        node = run_node(self.lan, self.lan.host("a"), "kitchen")
        self.register(node)
        self.lan.advance(60)
        self.lan.packets.clear()
        self.lan.result(node.stopService(), within=1)
        records = [record for packet in self.lan.packets for record in packet.message.answers]
        self.assertEqual({record.ttl for record in records}, {0})
        self.assertIn("Web._http._tcp.local.", {str(record.name) for record in records})
        self.assertEqual(self.lan.clock.getDelayedCalls(), [])

    def test_restart_within_a_second(self) -> None:
        """It takes its names back."""
        host = self.lan.host("a")
        node = run_node(self.lan, host, "kitchen")
        self.register(node)
        self.lan.result(node.stopService())
        again = run_node(self.lan, host, "kitchen")
        self.assertEqual(self.register(again).name, "Web")

    def test_interface_that_comes_later(self) -> None:
        host = self.lan.host("a")
        node = run_node(self.lan, host, "kitchen")
        self.register(node)
        self.lan.advance(60)
        self.lan.packets.clear()
        host.connect(self.lan.link("second"))
        self.lan.advance(60)
        self.assertEqual({packet.link for packet in self.lan.packets}, {"second"})

    def test_goodbye_is_seen_at_once(self) -> None:
        """A browser on another host learns the end of a service from its goodbye (RFC 6762 §10.1)."""
        node = run_node(self.lan, self.lan.host("a"), "kitchen")
        registration = self.register(node)
        browser = run_node(self.lan, self.lan.host("b"), "hall").browse("_http._tcp")
        self.lan.advance(5)
        self.assertEqual([service.name for service in browser.snapshot()], ["Web"])
        self.lan.result(registration.withdraw())
        self.lan.advance(2)
        self.assertEqual(browser.snapshot(), ())
