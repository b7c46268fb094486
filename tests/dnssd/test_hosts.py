"""Tests for mcast.dnssd.hosts."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.dnssd.hosts import checked_host_label, host_label, host_name, host_records, reverse_name
from mcast.errors import InvalidService

KITCHEN = Name.parse("kitchen.local")


class SystemNameTests(SynchronousTestCase):
    """The label that a host takes without being told."""

    def test_first_label(self) -> None:
        self.assertEqual(host_label("Kitchen.example.com"), "Kitchen")

    def test_other_characters(self) -> None:
        self.assertEqual(host_label("Bob's_Mac Book"), "Bob-s-Mac-Book")
        self.assertEqual(host_label("_küche_"), "k-che")

    def test_nothing_that_serves(self) -> None:
        self.assertEqual(host_label(""), "host")
        self.assertEqual(host_label("日本"), "host")
        self.assertEqual(host_label("localhost.localdomain"), "host")

    def test_long(self) -> None:
        self.assertEqual(host_label("x" * 62 + "-" + "y"), "x" * 62)


class ChosenNameTests(SynchronousTestCase):
    """The label that somebody chose."""

    def test_any_text(self) -> None:
        self.assertEqual(checked_host_label("Ku\u0308che"), "Küche")

    def test_local_is_left_out(self) -> None:
        self.assertEqual(checked_host_label("kitchen.local"), "kitchen")
        self.assertEqual(checked_host_label("kitchen.LOCAL."), "kitchen")

    def test_refused(self) -> None:
        for label, reason in (
            ("", "0 octets"),
            ("x" * 64, "64 octets"),
            ("a.b", "it is one label"),
            ("a b", "spaces or control"),
            ("a\x7f", "spaces or control"),
        ):
            error = self.assertRaises(InvalidService, checked_host_label, label)
            self.assertIn(reason, str(error))
            self.assertIn(repr(label), str(error))

    def test_full_name(self) -> None:
        self.assertEqual(host_name("Kitchen").wire, b"\x07Kitchen\x05local\x00")


class HostRecordTests(SynchronousTestCase):
    ADDRESSES = (ip_address("192.0.2.7"), ip_address("fe80::1"))

    def test_addresses(self) -> None:
        group = host_records(KITCHEN, self.ADDRESSES)
        self.assertEqual(
            [(one.name, one.data, one.ttl) for one in group.unique],
            [(KITCHEN, a, 120) for a in self.ADDRESSES],
        )
        self.assertEqual(group.shared, ())

    def test_reverse(self) -> None:
        """Reverse mappings are known to be ours, and not probed for (RFC 6762 §8.1)."""
        group = host_records(KITCHEN, self.ADDRESSES)
        self.assertEqual(
            [(str(one.name), one.data, one.ttl) for one in group.verified],
            [
                ("7.2.0.192.in-addr.arpa.", KITCHEN, 120),
                ("1." + "0." * 28 + "8.e.f.ip6.arpa.", KITCHEN, 120),
            ],
        )

    def test_address_given_twice(self) -> None:
        self.assertEqual(len(host_records(KITCHEN, self.ADDRESSES * 2).unique), 2)

    def test_reverse_name(self) -> None:
        self.assertEqual(
            str(reverse_name(ip_address("2001:db8::567:89ab"))),
            "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
        )
