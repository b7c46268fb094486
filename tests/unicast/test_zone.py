from __future__ import annotations

from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.unicast.zone import Zone, ZoneKind, ZoneTable, reverse_zones


def building(**settings: object) -> Zone:
    return Zone(Name.parse("Building 1.example.com"), "eth0", Name.parse("bldg-1.example.com"), **settings)  # type: ignore[arg-type]


class ZoneTests(SynchronousTestCase):
    """What names a zone may have."""

    def test_host_zone_of_other_characters(self) -> None:
        """P-5-1"""
        with self.assertRaisesRegex(ValueError, "letters, digits and hyphens only"):
            Zone(Name.parse("a.example"), "eth0", Name.parse("Building 1.example"))

    def test_punycode_is_letters_digits_and_hyphens(self) -> None:
        zone = Zone(Name.parse("a.example"), "eth0", Name.parse("xn--gebude-bua.example"))
        self.assertEqual(str(zone.host_apex), "xn--gebude-bua.example.")

    def test_rich_text_alone(self) -> None:
        """P-5.3-2, P-5.3-3: a zone need not have a second name, and may have any first one."""
        zone = Zone(Name.parse("Gebäude «1».example"), "eth0")
        self.assertEqual(zone.host_apex, zone.name)

    def test_two_names(self) -> None:
        """P-5.3-1"""
        self.assertEqual(str(building().host_apex), "bldg-1.example.com.")

    def test_names_of_multicast_dns(self) -> None:
        for name in ("local", "building.local", ".", "113.0.203.in-addr.arpa"):
            with self.assertRaises(ValueError, msg=name):
                Zone(Name.parse(name), "eth0")


class TableTests(SynchronousTestCase):
    """A name belongs to the closest zone above it."""

    def setUp(self) -> None:
        self.zone = building(reverse=(ip_network("203.0.113.0/24"),))
        self.inner = Zone(Name.parse("Floor 2.Building 1.example.com"), "eth1")
        self.table = ZoneTable([self.zone, self.inner])

    def apex(self, name: str) -> str | None:
        found = self.table.find(Name.parse(name))
        return None if found is None else str(found.apex)

    def test_within(self) -> None:
        self.assertEqual(self.apex("_ipp._tcp.BUILDING 1.example.com"), "Building 1.example.com.")
        self.assertEqual(self.apex("a.Floor 2.Building 1.example.com"), "Floor 2.Building 1.example.com.")
        self.assertEqual(self.apex("prnt.bldg-1.example.com"), "bldg-1.example.com.")
        self.assertEqual(self.apex("2.113.0.203.in-addr.arpa"), "113.0.203.in-addr.arpa.")

    def test_outside(self) -> None:
        for name in ("example.com", ".", "local", "a.local", "2.114.0.203.in-addr.arpa", "1\\.example.com"):
            self.assertIsNone(self.apex(name), name)

    def test_kinds(self) -> None:
        kinds = [each.kind for each in self.table.delegations]
        self.assertEqual(kinds, [ZoneKind.SERVICES, ZoneKind.HOSTS, ZoneKind.SERVICES, ZoneKind.REVERSE])

    def test_networks_change(self) -> None:
        self.table.set_networks(self.zone, [ip_network("10.1.0.0/16")])
        self.assertEqual(self.apex("1.0.1.10.in-addr.arpa"), "1.10.in-addr.arpa.")
        self.assertIsNone(self.apex("2.113.0.203.in-addr.arpa"))

    def test_link_local_networks_are_no_zones(self) -> None:
        self.table.set_networks(self.zone, [ip_network("169.254.0.0/16"), ip_network("fe80::/64")])
        self.assertIsNone(self.apex("1.1.254.169.in-addr.arpa"))

    def test_one_name_for_two_links(self) -> None:
        with self.assertRaisesRegex(ValueError, "named twice"):
            ZoneTable([self.zone, Zone(self.zone.name, "eth1")])


class ReverseTests(SynchronousTestCase):
    """The zones of a network (RFC 8766 §5.4)."""

    def names(self, network: str) -> list[str]:
        return [str(name) for name in reverse_zones(ip_network(network))]

    def test_examples_of_the_rfc(self) -> None:
        self.assertEqual(self.names("203.0.113.0/24"), ["113.0.203.in-addr.arpa."])
        self.assertEqual(self.names("2001:db8:1234:5678::/64"), ["8.7.6.5.4.3.2.1.8.b.d.0.1.0.0.2.ip6.arpa."])

    def test_prefix_within_a_label(self) -> None:
        self.assertEqual(self.names("10.1.2.0/23"), ["2.1.10.in-addr.arpa.", "3.1.10.in-addr.arpa."])
        self.assertEqual(self.names("192.0.2.4/31"), ["4.2.0.192.in-addr.arpa.", "5.2.0.192.in-addr.arpa."])
        self.assertEqual(self.names("2000::/3"), ["2.ip6.arpa.", "3.ip6.arpa."])
