"""Which addresses of an interface are published, as their states change (RFC 6762 §6.2, RFC 4862)."""

from __future__ import annotations

from mcast.dns.codes import RecordType
from tests.node.node_lab import SETTLED, NodeTestCase

IPV4 = "10.0.0.7/24"


class AddressStateTests(NodeTestCase):
    """The IPv6 addresses of a host that has the name ``here``."""

    def setUp(self) -> None:
        super().setUp()
        self.host = self.lan.host("here", "wire")
        self.interface = self.host.interface()

    def has(self, *addresses: str) -> None:
        self.interface.set_addresses(IPV4, *addresses)

    def published(self) -> set[str]:
        """Return what the host answers to a question for its IPv6 addresses."""
        self.lan.advance(SETTLED)
        answers = self.ask("wire", "here.local.", RecordType.AAAA)
        return {
            str(record.data)
            for packet in answers
            for record in packet.message.answers
            if record.type == RecordType.AAAA
        }

    def test_tentative(self) -> None:
        """It is published when it is found to be ours: a change of its state alone."""
        self.has("fe80::1/64 tentative")
        self.settled(self.host)
        self.assertEqual(self.published(), set())
        self.has("fe80::1/64")
        self.assertEqual(self.published(), {"fe80::1"})

    def test_duplicate(self) -> None:
        self.has("fe80::1/64", "2001:db8::1/64")
        self.settled(self.host)
        self.has("fe80::1/64", "2001:db8::1/64 duplicate")
        self.assertEqual(self.published(), {"fe80::1"})

    def test_deprecated(self) -> None:
        """Not while the same scope has another."""
        self.has("fe80::1/64", "2001:db8::1/64 deprecated", "2001:db8::2/64")
        self.settled(self.host)
        self.assertEqual(self.published(), {"fe80::1", "2001:db8::2"})
        self.has("fe80::1/64", "2001:db8::1/64 deprecated")
        self.assertEqual(self.published(), {"fe80::1", "2001:db8::1"})

    def test_temporary(self) -> None:
        """RFC 6762 §6.2: all that are valid."""
        self.has("fe80::1/64", "2001:db8::1/64", "2001:db8::2/64 temporary")
        self.settled(self.host)
        self.assertEqual(self.published(), {"fe80::1", "2001:db8::1", "2001:db8::2"})
