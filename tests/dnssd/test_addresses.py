"""Tests for mcast.dnssd.addresses: one rule for how long addresses are waited for."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.records import Record
from mcast.dnssd.addresses import FAMILY_DELAY, HostAddresses
from mcast.dnssd.link_id import LinkId
from mcast.mdns.events import RecordAdded, RecordRemoved
from tests.dnssd.following_lab import ETH0, ETH0_V6, WLAN0, at, at_v6
from tests.mdns.lab import AAAA, A


class HostAddressesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.addresses = HostAddresses()

    def hear(self, record: Record, link: LinkId = ETH0, now: float = 10.0) -> None:
        self.addresses.hear(link, RecordAdded(record, ()), now)

    def test_both_families(self) -> None:
        self.hear(at(9))
        self.assertFalse(self.addresses.is_complete())
        self.hear(at_v6("9"))
        self.assertTrue(self.addresses.is_complete())

    def test_each_family_by_its_own_link(self) -> None:
        """RFC 6762 §20: the links of one interface lead to one host."""
        self.hear(at(9), ETH0)
        self.hear(at_v6("9"), ETH0_V6)
        self.assertTrue(self.addresses.is_complete())

    def test_families_of_two_interfaces(self) -> None:
        """RFC 6762 §3: there they may be of two hosts."""
        self.hear(at(9), WLAN0)
        self.hear(at_v6("9"), ETH0_V6)
        self.assertFalse(self.addresses.is_complete())

    def test_denied(self) -> None:
        self.hear(at(9))
        self.addresses.deny(ETH0, AAAA, 10.0)
        self.assertTrue(self.addresses.is_complete())

    def test_denied_on_the_link_that_tells_nothing(self) -> None:
        """A link that denies one family says nothing of what another link tells."""
        self.hear(at(9), ETH0)
        self.addresses.deny(ETH0_V6, AAAA, 10.0)
        self.assertFalse(self.addresses.is_complete())

    def test_no_addresses_at_all(self) -> None:
        self.addresses.deny(ETH0, A, 10.0)
        self.addresses.deny(ETH0, AAAA, 10.0)
        self.assertTrue(self.addresses.is_complete())
        self.assertFalse(self.addresses)
        self.assertEqual(self.addresses.settles_at(), 10.0 + FAMILY_DELAY)

    def test_an_interface_without(self) -> None:
        self.hear(at(9))
        self.hear(at_v6("9"))
        self.assertFalse(self.addresses.is_complete(["eth0", "wlan0"]))

    def test_settles(self) -> None:
        """From the first address on, not from the last one."""
        self.assertIsNone(self.addresses.settles_at())
        self.hear(at(9), now=10.0)
        self.hear(at(10), now=10.2)
        self.assertEqual(self.addresses.settles_at(), 10.0 + FAMILY_DELAY)

    def test_begins_anew(self) -> None:
        """When the last address has gone, the next one is waited with as the first one was."""
        self.hear(at(9), now=10.0)
        self.addresses.hear(ETH0, RecordRemoved(at(9), ()), 20.0)
        self.assertIsNone(self.addresses.settles_at())
        self.hear(at(9), now=30.0)
        self.assertEqual(self.addresses.settles_at(), 30.0 + FAMILY_DELAY)

    def test_forgotten_link(self) -> None:
        self.hear(at(9), ETH0)
        self.addresses.deny(ETH0, AAAA, 10.0)
        self.addresses.forget(ETH0)
        self.assertEqual(self.addresses.found(), ())
        self.assertIsNone(self.addresses.settles_at())
