from __future__ import annotations

import struct
from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.presentation import show_data
from mcast.unicast.administration import Administration, check_name_servers
from mcast.unicast.zone import Zone, ZoneTable

BUILDING = Zone(
    Name.parse("Building 1.example.com"),
    "eth0",
    Name.parse("bldg-1.example.com"),
    reverse=(ip_network("203.0.113.0/24"), ip_network("2001:db8::/64"), ip_network("192.0.2.4/31")),
    browse_domains=(Name.parse("Building 1.example.com"), Name.parse("Building 2.example.com")),
)
NAMES = (Name.parse("proxy.example.com"), Name.parse("fellow.example.com"))
APEXES = ("Building 1.example.com", "bldg-1.example.com", "113.0.203.in-addr.arpa")


class AdministrationTests(SynchronousTestCase):
    """What a proxy answers at once (RFC 8766 §6)."""

    def setUp(self) -> None:
        self.table = ZoneTable([BUILDING])
        self.administration = Administration(NAMES, Name.parse("ops.example.com"), 853)

    def ask(self, name: str, rtype: int) -> list[str] | None:
        """Return the data of the answers; None when the link is asked."""
        question = Question(Name.parse(name), rtype)
        delegation = self.table.find(question.name)
        assert delegation is not None
        answers = self.administration.answer(delegation, question)
        return None if answers is None else [show_data(record).replace("\\032", " ") for record in answers]

    def test_soa(self) -> None:
        """P-6.1-1, P-6.1-2, P-6.1-3, P-6.1-4, P-6.1-5"""
        for apex in APEXES:
            self.assertEqual(
                self.ask(apex, RecordType.SOA),
                ["proxy.example.com. ops.example.com. 0 7200 3600 86400 10"],
            )

    def test_soa_of_a_negative_answer(self) -> None:
        """P-5.5.1-2"""
        delegation = self.table.find(Name.parse("bldg-1.example.com"))
        assert delegation is not None
        soa = self.administration.negative_soa(delegation)
        self.assertEqual((soa.ttl, struct.unpack("!5I", soa.rdata[-20:])[4]), (10, 10))

    def test_name_servers(self) -> None:
        """P-6.2-2"""
        for apex in APEXES:
            self.assertEqual(self.ask(apex, RecordType.NS), ["proxy.example.com.", "fellow.example.com."])

    def test_name_server_within_a_zone(self) -> None:
        """P-6.2-3"""
        check_name_servers(NAMES, self.table)
        with self.assertRaisesRegex(ValueError, "outside of all zones"):
            check_name_servers((Name.parse("proxy.bldg-1.example.com"),), self.table)

    def test_no_name_server(self) -> None:
        with self.assertRaisesRegex(ValueError, "has a name server"):
            Administration((), NAMES[0])

    def test_everything_else_at_the_apex(self) -> None:
        """P-6.3-1"""
        for apex in APEXES:
            for rtype in (RecordType.A, RecordType.DS, RecordType.TXT, RecordType.PTR):
                self.assertEqual(self.ask(apex, rtype), [])
            found = self.ask(apex, RecordType.ANY)
            assert found is not None
            self.assertEqual(len(found), 3)

    def test_below_the_apex(self) -> None:
        """P-6.3-2"""
        for apex in APEXES:
            for rtype in (RecordType.SOA, RecordType.NS, RecordType.DS):
                self.assertEqual(self.ask(f"2.{apex}", rtype), [])

    def test_push(self) -> None:
        """P-6.4-1, P-6.4-3"""
        for apex in APEXES:
            name = f"_dns-push-tls._tcp.{apex}"
            self.assertEqual(self.ask(name, RecordType.SRV), ["0 0 853 proxy.example.com."])
            self.assertEqual(self.ask(name, RecordType.TXT), [])
        self.administration = Administration(NAMES, NAMES[0])
        self.assertEqual(self.ask(f"_DNS-push-tls._TCP.{APEXES[0]}", RecordType.SRV), [])

    def test_long_lived_queries(self) -> None:
        """P-6.4-2"""
        for service in ("_dns-llq._udp", "_dns-llq._tcp", "_dns-llq-tls._tcp"):
            self.assertEqual(self.ask(f"{service}.{APEXES[0]}", RecordType.SRV), [])

    def test_updates(self) -> None:
        """P-6.4-4"""
        for service in ("_dns-update._udp", "_dns-update._tcp", "_dns-update-tls._tcp"):
            self.assertEqual(self.ask(f"{service}.{APEXES[0]}", RecordType.SRV), [])

    def test_browsing_domains(self) -> None:
        """P-5.2.1-1, P-6.5-1: also those that follow from an address."""
        both = ["Building 1.example.com.", "Building 2.example.com."]
        for name in (
            APEXES[0],
            APEXES[2],
            f"0.{APEXES[2]}",
            "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
        ):
            self.assertEqual(self.ask(f"b._dns-sd._udp.{name}", RecordType.PTR), both, name)
            self.assertEqual(self.ask(f"db._dns-sd._udp.{name}", RecordType.PTR), both[:1])
            self.assertEqual(self.ask(f"lb._dns-sd._udp.{name}", RecordType.PTR), both)

    def test_nothing_can_be_registered(self) -> None:
        for which in ("r", "dr"):
            self.assertEqual(self.ask(f"{which}._dns-sd._udp.{APEXES[0]}", RecordType.PTR), [])

    def test_zone_recommends_itself(self) -> None:
        self.table = ZoneTable([Zone(Name.parse("a.example"), "eth0")])
        self.assertEqual(self.ask("lb._dns-sd._udp.a.example", RecordType.PTR), ["a.example."])

    def test_minimised_names(self) -> None:
        """A resolver that asks for the names in between (RFC 9156) does not wait six seconds for each."""
        for name in (f"_tcp.{APEXES[0]}", f"_ipp._tcp.{APEXES[0]}", f"_udp.{APEXES[1]}"):
            self.assertEqual(self.ask(name, RecordType.A), [])
        self.assertEqual(self.ask("8.b.d.0.1.0.0.2.ip6.arpa".join(("0." * 17, "")), RecordType.A), [])

    def test_what_the_link_is_asked(self) -> None:
        for name, rtype in (
            (f"_ipp._tcp.{APEXES[0]}", RecordType.PTR),
            (f"a._ipp._tcp.{APEXES[0]}", RecordType.SRV),
            (f"a.{APEXES[1]}", RecordType.A),
            (f"2.{APEXES[2]}", RecordType.PTR),
            ("4.2.0.192.in-addr.arpa", RecordType.PTR),
            (f"_services._dns-sd._udp.{APEXES[0]}", RecordType.PTR),
        ):
            self.assertIsNone(self.ask(name, rtype), name)

    def test_zone_of_a_single_address(self) -> None:
        self.assertEqual(len(self.ask("4.2.0.192.in-addr.arpa", RecordType.NS) or ()), 2)
