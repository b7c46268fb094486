"""Which server pushes the records of a name (RFC 8765 §6.1)."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Message, Question
from mcast.dns.names import ROOT, Name
from mcast.dns.records import Record, raw, service
from mcast.unicast.push_discovery import PushDiscovery
from tests.unicast.push_lab import HTTP, SRV, ZONE

SOA = 6
SERVERS = Name.parse("_dns-push-tls._tcp.example.com")
PROXY = Name.parse("proxy.example.net")


def soa(zone: Name, ttl: int = 300) -> Record:
    return raw(zone, SOA, PROXY.wire + PROXY.wire + bytes(20), ttl)


def offer(target: Name, port: int, priority: int = 0, weight: int = 0, ttl: int = 120) -> Record:
    return service(SERVERS, priority, weight, port, target, ttl)


class DiscoveryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.discovery = PushDiscovery(HTTP, Random(1))

    def find(self, *offers: Record) -> list[tuple[str, int]]:
        """Return the servers that are found when the zone offers these."""
        self.discovery.answered(Message(authorities=[soa(ZONE)]), 10.0)
        self.discovery.answered(Message(answers=list(offers)), 10.0)
        assert self.discovery.result is not None
        return [(str(host), port) for host, port in self.discovery.result.servers]

    def test_begins_with_the_whole_name(self) -> None:
        """H-6.1-2: its SOA record is asked for."""
        self.assertEqual(self.discovery.question, Question(HTTP, SOA))

    def test_answer_section(self) -> None:
        """H-6.1-2: the name is that of a zone."""
        self.discovery.answered(Message(answers=[soa(HTTP)]), 10.0)
        name = Name.parse("_dns-push-tls._tcp._http._tcp.example.com")
        self.assertEqual(self.discovery.question, Question(name, SRV))

    def test_authority_section(self) -> None:
        """H-6.1-2: of a negative response: the short cut."""
        self.discovery.answered(Message(authorities=[soa(ZONE)]), 10.0)
        self.assertEqual(self.discovery.question, Question(SERVERS, SRV))

    def test_one_label_less_each_time(self) -> None:
        """H-6.1-2: until there is an SOA record; a single label is not asked for."""
        asked = []
        while self.discovery.question is not None:
            asked.append(str(self.discovery.question.name))
            self.discovery.answered(Message(), 10.0)
        self.assertEqual(asked, ["_http._tcp.example.com.", "_tcp.example.com.", "example.com."])
        self.assertIn("zone", self.discovery.failure)

    def test_zone_that_does_not_enclose_the_name(self) -> None:
        """H-6.1-2: it is not believed."""
        self.discovery.answered(Message(authorities=[soa(Name.parse("example.org"))]), 10.0)
        self.assertEqual(self.discovery.question, Question(HTTP.parent, SOA))

    def test_top_level_domain(self) -> None:
        """H-6.1-2: its zone is not that of the name."""
        self.discovery.answered(Message(authorities=[soa(Name.parse("com"))]), 10.0)
        self.assertEqual(self.discovery.question, Question(HTTP.parent, SOA))

    def test_found(self) -> None:
        """H-6.1-1: host and port of the SRV record."""
        self.assertEqual(self.find(offer(PROXY, 8853)), [("proxy.example.net.", 8853)])

    def test_how_long_it_holds(self) -> None:
        """H-6.1-9, H-6.1-7: as long as the records that told it live; then it is found out anew."""
        self.find(offer(PROXY, 853, ttl=60), offer(PROXY, 854))
        assert self.discovery.result is not None
        self.assertEqual(self.discovery.result.until, 70.0)

    def test_soa_that_ages_first(self) -> None:
        """H-6.1-9: likewise."""
        self.discovery.answered(Message(authorities=[soa(ZONE, 5)]), 10.0)
        self.discovery.answered(Message(answers=[offer(PROXY, 853)]), 10.0)
        assert self.discovery.result is not None
        self.assertEqual(self.discovery.result.until, 15.0)

    def test_priority(self) -> None:
        """H-6.1-6: the lowest comes first."""
        found = self.find(offer(PROXY, 3, 30), offer(PROXY, 1, 10), offer(PROXY, 2, 20))
        self.assertEqual([port for _, port in found], [1, 2, 3])

    def test_weight(self) -> None:
        """H-6.1-6: within a priority it is drawn by weight."""
        first = []
        for seed in range(400):
            self.discovery = PushDiscovery(HTTP, Random(seed))
            first.append(self.find(offer(PROXY, 1, 0, 10), offer(PROXY, 2, 0, 30))[0][1])
        self.assertTrue(0.67 < first.count(2) / 400 < 0.83)

    def test_addresses_beside_it(self) -> None:
        """H-6.1-4, H-6.1-5: are not taken: the host is looked up, and shows a certificate of its name."""
        self.discovery.answered(Message(authorities=[soa(ZONE)]), 10.0)
        extra = raw(PROXY, 1, bytes(4), 60)
        self.discovery.answered(Message(answers=[offer(PROXY, 853)], additionals=[extra]), 10.0)
        assert self.discovery.result is not None
        self.assertEqual(self.discovery.result.servers, ((PROXY, 853),))

    def test_no_push(self) -> None:
        """RFC 2782: nor is the root a server."""
        self.discovery.answered(Message(authorities=[soa(ZONE)]), 10.0)
        self.discovery.answered(Message(answers=[offer(ROOT, 0)]), 10.0)
        self.assertIn("offers no DNS Push", self.discovery.failure)
        self.assertIsNone(self.discovery.question)

    def test_nobody_answers(self) -> None:
        self.discovery.failed("no server answers")
        self.assertEqual((self.discovery.question, self.discovery.failure), (None, "no server answers"))

    def test_answer_after_the_end(self) -> None:
        self.find(offer(PROXY, 853))
        self.discovery.answered(Message(), 11.0)
        self.assertIsNotNone(self.discovery.result)

    def test_zone_with_a_name_that_is_too_long(self) -> None:
        name = Name.from_labels([b"x" * 60] * 4)
        discovery = PushDiscovery(name, Random(1))
        discovery.answered(Message(answers=[soa(name)]), 1.0)
        self.assertIn("too long", discovery.failure)
