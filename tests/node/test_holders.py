"""Other programs of the host that take port 5353, or give it up, while a node runs (RFC 6762 §15.1)."""

from __future__ import annotations

from mcast.testing import Capture
from tests.node.node_lab import SETTLED, NodeTestCase


class HolderTests(NodeTestCase):
    """The system gives a unicast response to one of them."""

    def setUp(self) -> None:
        super().setUp()
        self.host = self.lan.host("here")
        self.first = self.settled(self.host)

    def probes(self, name: str) -> Capture:
        """Publish a service of the first node, and return its probes."""
        began = self.lan.now
        self.register(self.first, name)
        return self.lan.packets.since(began).where(lambda packet: bool(packet.message.authorities))

    def unicast(self, probes: Capture) -> set[bool]:
        return {question.unicast for packet in probes for question in packet.message.questions}

    def test_alone(self) -> None:
        self.assertIn(True, self.unicast(self.probes("One")))

    def test_one_that_comes_later(self) -> None:
        self.settled(self.host, "another")
        self.assertEqual(self.unicast(self.probes("One")), {False})

    def test_one_that_went(self) -> None:
        second = self.settled(self.host, "another")
        self.lan.result(second.stopService())
        self.lan.advance(SETTLED)
        self.assertIn(True, self.unicast(self.probes("One")))
