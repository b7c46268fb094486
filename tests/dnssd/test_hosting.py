"""Tests for mcast.dnssd.publishing."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.dnssd.publishing import alias_records, host_records, reverse_name

KITCHEN = Name.parse("kitchen.local")


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

    def test_reverse_name_of_a_zoned_address(self) -> None:
        """The zone of an address is known to this host only, and in no name."""
        self.assertEqual(reverse_name(ip_address("fe80::1%eth0")), reverse_name(ip_address("fe80::1")))


class AliasTests(SynchronousTestCase):
    def test_alias(self) -> None:
        (record,) = alias_records(Name.parse("www.local"), KITCHEN).unique
        self.assertEqual((str(record.name), record.data, record.ttl), ("www.local.", KITCHEN, 120))
