from __future__ import annotations

from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns import records
from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dns.presentation import show_record
from mcast.dns.records import Record
from mcast.dnssd.files.record_string import parse_record_string
from mcast.unicast.translation import link_name, link_record, zone_record
from mcast.unicast.zone import Delegation, Zone, ZoneTable

BUILDING = Zone(
    Name.parse("Building 1.example.com"),
    "eth0",
    Name.parse("bldg-1.example.com"),
    reverse=(ip_network("203.0.113.0/24"),),
)
SINGLE = Zone(Name.parse("Building 1.example.com"), "eth0", reverse=(ip_network("203.0.113.0/24"),))


def delegation(zone: Zone, name: str) -> Delegation:
    found = ZoneTable([zone]).find(Name.parse(name))
    assert found is not None
    return found


def record(text: str) -> Record:
    return parse_record_string(text)


class NameTests(SynchronousTestCase):
    """What is asked on the link for a name of a zone."""

    def on_link(self, name: str) -> str:
        return str(link_name(delegation(BUILDING, name), Name.parse(name)))

    def test_the_zone_becomes_local(self) -> None:
        """P-5.1-1"""
        self.assertEqual(self.on_link("_ipp._tcp.building 1.EXAMPLE.com"), "_ipp._tcp.local.")
        self.assertEqual(self.on_link("thing.bldg-1.example.com"), "thing.local.")

    def test_reverse_names_stay(self) -> None:
        """P-5.4-1"""
        self.assertEqual(self.on_link("2.113.0.203.in-addr.arpa"), "2.113.0.203.in-addr.arpa.")

    def test_octets_stay(self) -> None:
        """P-5.5.4-1: neither Punycode nor UTF-8 is made into the other, and case is kept."""
        name = Name.from_labels(["Büro", b"xn--bro-hoa", b"\xff", *BUILDING.name.labels])
        self.assertEqual(
            link_name(delegation(BUILDING, "a.Building 1.example.com"), name).wire,
            b"\x05B\xc3\xbcro\x0bxn--bro-hoa\x01\xff\x05local\0",
        )

    def test_too_long_on_the_link(self) -> None:
        short = Zone(Name.parse("a"), "eth0")
        name = Name.from_labels([b"x" * 63] * 3 + [b"x" * 59, b"a"])
        with self.assertRaises(ValueError):
            link_name(delegation(short, "a"), name)


class RecordTests(SynchronousTestCase):
    """The examples of RFC 8766 §5.3 to §5.5, and what they leave open."""

    def moved(self, text: str, asked: str, zone: Zone = BUILDING) -> str | None:
        found = zone_record(delegation(zone, asked), record(text))
        return None if found is None else show_record(found).replace("\\032", " ")

    def test_pointer_to_an_instance(self) -> None:
        """P-5.5-2, P-5.5-6"""
        self.assertEqual(
            self.moved(
                "_ipp._tcp.local 4500 PTR My Printer._ipp._tcp.local", "_ipp._tcp.Building 1.example.com"
            ),
            "_ipp._tcp.Building 1.example.com. 4500 IN PTR My Printer._ipp._tcp.Building 1.example.com.",
        )

    def test_service_target_is_a_host(self) -> None:
        """P-5.3-4, P-5.5-5"""
        srv = "My\\032Printer._ipp._tcp.local 120 SRV 0 0 631 prnt.local"
        asked = "My Printer._ipp._tcp.Building 1.example.com"
        self.assertEqual(self.moved(srv, asked), f"{asked}. 120 IN SRV 0 0 631 prnt.bldg-1.example.com.")
        self.assertEqual(
            self.moved(srv, asked, SINGLE), f"{asked}. 120 IN SRV 0 0 631 prnt.Building 1.example.com."
        )

    def test_alias_in_the_host_zone(self) -> None:
        """P-5.5-3"""
        self.assertEqual(
            self.moved("thing.local 120 CNAME prnt.local", "thing.bldg-1.example.com"),
            "thing.bldg-1.example.com. 120 IN CNAME prnt.bldg-1.example.com.",
        )

    def test_alias_of_a_host_in_the_zone_of_services(self) -> None:
        """P-5.5-5: the target is the owner of A and AAAA records."""
        self.assertEqual(
            self.moved("thing.local 120 CNAME prnt.local", "thing.Building 1.example.com"),
            "thing.Building 1.example.com. 120 IN CNAME prnt.bldg-1.example.com.",
        )

    def test_everything_in_a_host_zone_stays_there(self) -> None:
        self.assertEqual(
            self.moved("_ipp._tcp.local 9 PTR a._ipp._tcp.local", "_ipp._tcp.bldg-1.example.com"),
            "_ipp._tcp.bldg-1.example.com. 9 IN PTR a._ipp._tcp.bldg-1.example.com.",
        )

    def test_reverse_mapping(self) -> None:
        """P-5.4-1, P-5.5-4"""
        ptr = "2.113.0.203.in-addr.arpa 120 PTR prnt.local"
        asked = "2.113.0.203.in-addr.arpa"
        self.assertEqual(self.moved(ptr, asked), f"{asked}. 120 IN PTR prnt.bldg-1.example.com.")
        self.assertEqual(self.moved(ptr, asked, SINGLE), f"{asked}. 120 IN PTR prnt.Building 1.example.com.")

    def test_other_names_stay(self) -> None:
        """P-5.5-1"""
        self.assertEqual(
            self.moved(
                "a._ipp._tcp.local 120 SRV 0 0 631 prnt.example.net", "a._ipp._tcp.Building 1.example.com"
            ),
            "a._ipp._tcp.Building 1.example.com. 120 IN SRV 0 0 631 prnt.example.net.",
        )

    def test_text_stays(self) -> None:
        """P-5.5.5-1: no knowledge of what a service means by its attributes."""
        self.assertEqual(
            self.moved('a.local 9 TXT "adminurl=http://prnt.local/"', "a.Building 1.example.com"),
            'a.Building 1.example.com. 9 IN TXT "adminurl=http://prnt.local/"',
        )

    def test_cache_flush_is_of_the_link(self) -> None:
        flushing = record("a.local 9 A 192.0.2.1").with_cache_flush(True)
        found = zone_record(delegation(BUILDING, "a.bldg-1.example.com"), flushing)
        assert found is not None
        self.assertFalse(found.cache_flush)

    def test_not_forwarded(self) -> None:
        """P-5.5.3-2"""
        nsec = records.next_secure(Name.parse("a.local"), [RecordType.A], 120)
        self.assertIsNone(zone_record(delegation(BUILDING, "a.bldg-1.example.com"), nsec))

    def test_too_long_in_the_zone(self) -> None:
        owner = Name.from_labels([b"x" * 63] * 3 + [b"x" * 45, b"local"])
        long = records.address(owner, "192.0.2.1", 120)
        self.assertIsNone(zone_record(delegation(BUILDING, "a.Building 1.example.com"), long))

    def test_back(self) -> None:
        """A record that a subscriber was told, as it is asked for on the link."""
        for text, asked in (
            ("_ipp._tcp.local 9 PTR My Printer._ipp._tcp.local", "_ipp._tcp.Building 1.example.com"),
            ("a._ipp._tcp.local 9 SRV 0 0 631 prnt.local", "a._ipp._tcp.Building 1.example.com"),
            ("a._ipp._tcp.local 9 SRV 0 0 631 prnt.example.net", "a._ipp._tcp.Building 1.example.com"),
            ("prnt.local 9 A 192.0.2.1", "prnt.bldg-1.example.com"),
            ("2.113.0.203.in-addr.arpa 9 PTR prnt.local", "2.113.0.203.in-addr.arpa"),
        ):
            where = delegation(BUILDING, asked)
            moved = zone_record(where, record(text))
            assert moved is not None
            back = link_record(where, moved)
            assert back is not None
            self.assertEqual(back.identity, record(text).identity)
