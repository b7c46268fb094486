"""Tests for mcast.dnssd.link_id."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dnssd.link_id import LinkId, interfaces_of


class LinkIdTests(SynchronousTestCase):
    def test_identity(self) -> None:
        """RFC 6762 §14: a link is an interface and a family, whatever the interface is called now."""
        self.assertEqual(LinkId("eth0", 2, False), LinkId("lan", 2, False))
        self.assertNotEqual(LinkId("eth0", 2, False), LinkId("eth0", 2, True))
        self.assertNotEqual(LinkId("eth0", 2, False), LinkId("eth0", 3, False))

    def test_label(self) -> None:
        self.assertEqual(str(LinkId("eth0", 2, True)), "eth0/IPv6")
        self.assertEqual(str(LinkId("eth0", 2, False)), "eth0/IPv4")

    def test_interfaces(self) -> None:
        links = [LinkId("wlan0", 3, False), LinkId("eth0", 2, False), LinkId("eth0", 2, True)]
        self.assertEqual(interfaces_of(links), ("eth0", "wlan0"))
