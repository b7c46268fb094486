"""A program that binds port 5353 after us gets our unicast, and no name is lost by that (RFC 6762 §15)."""

from __future__ import annotations

from twisted.internet.protocol import DatagramProtocol

from mcast.dnssd.service import Service
from mcast.node.node import Node
from mcast.testing import SimulatedHost
from tests.node.node_lab import NodeTestCase


class LaterProgramTests(NodeTestCase):
    """Two hosts on a link, and on one of them a program that comes later."""

    def setUp(self) -> None:
        super().setUp()
        self.here, self.there = self.lan.host("here"), self.lan.host("there")
        self.ours, self.theirs = self.settled(self.here), self.settled(self.there)

    port = 8000

    def bind(self, host: SimulatedHost) -> None:
        """Start another program, which shares port 5353 and never answers."""
        for interface in ("", "::"):
            host.listenMulticast(5353, DatagramProtocol(), interface=interface, listenMultiple=True)

    def publish(self, node: Node) -> str:
        """Publish a service "Door", by each call another one; return the name that it has got."""
        self.port += 1
        registration = node.publish(Service("Door", "_door._tcp", self.port))
        self.lan.advance(10.0)
        self.assertTrue(registration.is_claimed)
        return registration.name

    def test_beside_us(self) -> None:
        """M-8.1-10, M-15.1-2: a name that another host holds is not taken from it."""
        self.assertEqual(self.publish(self.theirs), "Door")
        self.bind(self.here)
        self.assertEqual(self.publish(self.ours), "Door (2)")

    def test_beside_the_owner(self) -> None:
        """M-8.1-8: the owner defends its name, whoever shares its port."""
        self.assertEqual(self.publish(self.theirs), "Door")
        self.bind(self.there)
        self.assertEqual(self.publish(self.ours), "Door (2)")

    def test_on_both(self) -> None:
        self.bind(self.here)
        self.bind(self.there)
        self.assertEqual(self.publish(self.ours), "Door")
        self.assertEqual(self.publish(self.theirs), "Door (2)")

    def test_older_program_of_the_same_host(self) -> None:
        """M-15.1-2: two nodes of one host keep their names apart, the older one's unicast being deaf."""
        second = self.settled(self.here)
        self.assertEqual(self.publish(second), "Door")
        self.assertEqual(self.publish(self.ours), "Door (2)")

    def test_newer_program_of_the_same_host(self) -> None:
        second = self.settled(self.here)
        self.assertEqual(self.publish(self.ours), "Door")
        self.assertEqual(self.publish(second), "Door (2)")

    def test_nobody_is_renamed_later(self) -> None:
        """M-9-1: an hour later each still has what it had, and nothing was said."""
        self.bind(self.here)
        names = [self.publish(self.theirs), self.publish(self.ours)]
        self.lan.advance(60.0)
        self.lan.packets.clear()
        self.lan.advance(3600.0)
        self.assertEqual([one.name for one in self.theirs.registrations if one.name == names[0]], ["Door"])
        self.assertEqual(self.lan.packets, [])
