"""What `mcast domains --check` finds wrong: servers in memory, from the parent zone to the services."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import Flag, RecordClass, RecordType, ResponseCode
from mcast.dns.messages import Message
from mcast.dns.names import Name
from mcast.dns.records import Record, address, pointer, service
from mcast.dns_client.delegation import (
    MAX_HOSTS,
    MAX_INSTANCES,
    MAX_NAME_SERVERS,
    MAX_TYPES,
    DelegationCheck,
    Finding,
    Level,
)
from mcast.dnssd.enumeration import DomainList
from mcast.dnssd.types import type_enumeration_name
from mcast.errors import NotFound
from mcast.unicast.servers import ServerAddress
from tests.dns_client.lab import HTTP, ZONE, FakeServers, ZoneData, at, web

PARENT = Name.parse("example.com")
RESOLVER = ServerAddress("192.0.2.1")
ABOVE = ServerAddress("192.0.2.10")
PROXY = ServerAddress("192.0.2.20")
PUSH = Name.from_labels((b"_dns-push-tls", b"_tcp", *ZONE.labels))


def ns(zone: Name, host: str) -> Record:
    return Record(zone, RecordType.NS, RecordClass.IN, 60, Name.parse(host).wire)


class FakePush:
    """Finds the trouble that a test wants."""

    def __init__(self) -> None:
        self.told: str | None = None
        self.tried: list[tuple[str, int, Name]] = []

    async def trouble(self, host: str, port: int, zone: Name) -> str | None:
        self.tried.append((host, port, zone))
        return self.told


class DelegationTestCase(SynchronousTestCase):
    """A zone example.com, which delegates to a proxy, and a resolver that finds them."""

    def setUp(self) -> None:
        self.servers = FakeServers()
        self.above = ZoneData(
            PARENT,
            [
                ns(PARENT, "ns.example.com"),
                address(Name.parse("ns.example.com"), ABOVE.host, 60),
                address(Name.parse("proxy.example.com"), PROXY.host, 60),
            ],
        )
        self.zone = ZoneData(
            records=[
                *web("My Web"),
                at(9),
                service(PUSH, 0, 0, 853, Name.parse("proxy.example.com"), 60),
                pointer(type_enumeration_name(ZONE), HTTP, 10),
                *[pointer(each.in_domain(ZONE), ZONE, 60) for each in DomainList],
            ]
        )
        self.delegation = [ns(ZONE, "proxy.example.com")]
        self.servers.answerers = {
            RESOLVER: self.resolve,
            ABOVE: self.refer,
            PROXY: self.zone.answer,
        }
        self.found: list[Finding] = []
        self.push: FakePush | None = FakePush()

    def resolve(self, query: Message) -> Message:
        """Answer as a recursive server does."""
        inside = query.questions[0].name.is_within(ZONE) and self.delegation
        response = (self.zone if inside else self.above).answer(query)
        response.flags = response.flags & ~Flag.AUTHORITATIVE | Flag.RECURSION_AVAILABLE
        return response

    def refer(self, query: Message) -> Message:
        """Answer as the server of the parent zone does."""
        if query.questions[0].name.is_within(ZONE) and self.delegation:
            return Message(query.id, Flag.RESPONSE, query.questions, authorities=self.delegation)
        return self.above.answer(query)

    def check(self) -> bool:
        check = DelegationCheck(self.servers.client(), ZONE, (RESOLVER,), self.found.append, self.push)
        done = Deferred.fromCoroutine(check.run())
        self.servers.pass_time(60.0, 0.5)
        self.assertEqual(self.servers.open_ports, 0)
        return self.successResultOf(done)

    def wrong(self) -> str:
        """Run, and return the one thing that is wrong."""
        self.assertFalse(self.check())
        (one,) = [finding for finding in self.found if finding.level is Level.WRONG]
        self.assertTrue(one.mend)
        self.assertEqual(str(one).count("\n"), 0)
        return str(one)

    def drop(self, name: Name) -> None:
        self.zone.records = [one for one in self.zone.records if one.name != name]


class CheckTests(DelegationTestCase):
    def test_all_is_well(self) -> None:
        self.assertTrue(self.check(), self.found)
        self.assertEqual({one.level for one in self.found}, {Level.GOOD})
        told = "\n".join(map(str, self.found))
        self.assertIn("delegated by example.com. to proxy.example.com.", told)
        self.assertIn("proxy.example.com. (192.0.2.20): answers for Building 1.example.com.", told)
        self.assertIn("1 service", told)

    def test_host_zone_without_a_delegation(self) -> None:
        """Services are found then, and nobody reaches them."""
        host = Name.parse("printer.building1.example.com")
        instance = Name.from_labels((b"My Web", *HTTP.labels))
        self.zone.records = [
            service(one.name, 0, 0, 80, host, 10)
            if one.type == RecordType.SRV and one.name == instance
            else one
            for one in self.zone.records
        ]
        self.assertIn("delegate the zone of the hosts, building1.example.com., as well", self.wrong())

    def test_host_without_an_address(self) -> None:
        self.zone.records = [one for one in self.zone.records if one.type != RecordType.A]
        self.assertIn(": no address for My Web._http._tcp.", self.wrong())

    def test_no_delegation(self) -> None:
        self.delegation = []
        self.assertIn("no such domain, says the zone example.com.; add NS records", self.wrong())

    def test_part_of_a_zone(self) -> None:
        """Services in a zone that is no zone of its own are no fault."""
        self.delegation = []
        self.above.records += self.zone.records
        self.assertTrue(self.check(), self.found)
        self.assertIn("it is a part of the zone example.com.", str(self.found[0]))

    def test_no_address(self) -> None:
        self.above.records = [one for one in self.above.records if one.data != Name.parse("x")][:2]
        self.assertFalse(self.check())
        told = "\n".join([str(one) for one in self.found if one.level is Level.WRONG])
        self.assertIn("proxy.example.com.: it has no address; add an A or AAAA record", told)

    def test_silent(self) -> None:
        del self.servers.answerers[PROXY]
        self.assertFalse(self.check())
        told = "\n".join([str(one) for one in self.found if one.level is Level.WRONG])
        self.assertIn("proxy.example.com. (192.0.2.20): does not answer by UDP (no answer)", told)
        self.assertIn("does not answer by TCP (by TCP: nobody listens on its TCP port)", told)

    def test_no_tcp(self) -> None:
        self.servers.without_tcp.add(PROXY)
        self.assertIn("does not answer by TCP", self.wrong())

    def test_lame(self) -> None:
        def refuse(query: Message) -> Message:
            return Message(query.id, Flag.RESPONSE | ResponseCode.REFUSED, query.questions)

        self.servers.answerers[PROXY] = refuse
        self.assertFalse(self.check())
        told = "\n".join([str(one) for one in self.found if one.level is Level.WRONG])
        self.assertEqual(told.count("is lame: it says REFUSED"), 1)

    def test_without_authority(self) -> None:
        self.zone.flags = int(Flag.RESPONSE)
        self.assertFalse(self.check())
        self.assertIn("without authority", "\n".join(map(str, self.found)))

    def test_no_soa(self) -> None:
        """RFC 8766 §6.1."""

        def without(query: Message) -> Message:
            response = self.zone.answer(query)
            response.answers = [one for one in response.answers if one.type != RecordType.SOA]
            response.authorities = []
            return response

        self.servers.answerers[PROXY] = without
        self.assertIn("has no SOA record; add a SOA record", self.wrong())

    def test_no_push(self) -> None:
        """It is worse, and no fault."""
        self.drop(PUSH)
        self.assertTrue(self.check())
        self.assertIn(
            "_dns-push-tls._tcp.Building 1.example.com.: no SRV record",
            "\n".join([str(one) for one in self.found if one.level is Level.NOTE]),
        )

    def test_push_is_tried(self) -> None:
        assert self.push is not None
        self.assertTrue(self.check())
        self.assertEqual(self.push.tried, [("proxy.example.com", 853, ZONE)])
        self.assertIn("proxy.example.com port 853 pushes changes", "\n".join(map(str, self.found)))

    def test_push_that_does_not_work(self) -> None:
        assert self.push is not None
        self.push.told = "TLS: certificate verify failed"
        self.assertIn(
            "port 853 does not push: TLS: certificate verify failed; let TCP port 853", self.wrong()
        )

    def test_push_that_cannot_be_tried(self) -> None:
        """Without TLS here, nothing is known of it, and nothing is wrong."""
        self.push = None
        self.assertTrue(self.check())
        (one,) = [finding for finding in self.found if finding.level is Level.NOTE]
        self.assertIn("proxy.example.com port 853 pushes changes, which was not tried; install", str(one))

    def test_zone_that_has_no_push(self) -> None:
        """RFC 2782: a target of "." says so."""
        self.drop(PUSH)
        self.zone.records.append(service(PUSH, 0, 0, 0, Name.parse("."), 60))
        self.assertTrue(self.check())
        self.assertIn("no SRV record", "\n".join([str(one) for one in self.found]))

    def test_nobody_reaches_the_zone_above(self) -> None:
        """It is not said to have delegated; what the resolver remembers of the domain is looked at."""
        del self.servers.answerers[ABOVE]
        self.zone.records += self.delegation
        self.assertTrue(self.check(), self.found)
        told = "\n".join(map(str, self.found))
        self.assertNotIn("delegated by", told)
        self.assertIn("192.0.2.1 says that its servers are proxy.example.com.", told)
        self.assertIn("example.com.: no server of this zone was reached", told)

    def test_nobody_is_told_to_browse(self) -> None:
        self.drop(DomainList.BROWSING.in_domain(ZONE))
        self.assertIn("b._dns-sd._udp.Building 1.example.com.: no PTR record", self.wrong())

    def test_nobody_is_told_to_browse_unasked(self) -> None:
        self.drop(DomainList.LEGACY_BROWSING.in_domain(ZONE))
        self.assertIn("lb._dns-sd._udp.Building 1.example.com.: no PTR record", self.wrong())

    def test_type_without_services(self) -> None:
        self.drop(HTTP)
        self.assertIn("_http._tcp.Building 1.example.com.: listed as a type", self.wrong())

    def test_escaped_twice(self) -> None:
        r"""RFC 6763 §4.3: ``\032`` is how a zone file writes a blank, and no part of a name."""
        bad = HTTP.prefixed(rb"Color\032Printer")
        self.zone.records += [pointer(HTTP, bad, 10)]
        self.assertIn(r"a label holds the characters \032 themselves", self.wrong())

    def test_service_without_srv(self) -> None:
        self.zone.records = [
            one for one in self.zone.records if one.type != RecordType.SRV or one.name == PUSH
        ]
        self.assertIn("no SRV record: nobody can reach it", self.wrong())

    def test_service_without_txt(self) -> None:
        self.zone.records = [one for one in self.zone.records if one.type != RecordType.TXT]
        self.assertIn("no TXT record", self.wrong())

    def test_host_in_local(self) -> None:
        name = HTTP.prefixed("Odd")
        self.zone.records += [
            pointer(HTTP, name, 10),
            service(name, 0, 0, 80, Name.parse("odd.local"), 10),
            *web("Odd")[2:],
        ]
        self.assertIn("is on odd.local., which no DNS server can tell of", self.wrong())

    def test_bounded(self) -> None:
        """However much a zone has, what is looked at has an end."""
        self.delegation += [ns(ZONE, f"ns{number}.example.com") for number in range(100)]
        for number in range(100):
            self.zone.records += web(f"Web {number}")
            instance = Name.from_labels((b"Web %d" % number, *HTTP.labels))
            host = Name.parse(f"host{number}.Building 1.example.com")
            self.zone.records.append(service(instance, 0, 0, 80, host, 10))
            listing = Name.parse(f"_t{number}._tcp.Building 1.example.com")
            self.zone.records.append(pointer(type_enumeration_name(ZONE), listing, 10))
        self.check()
        asked = [str(question.name) for question in self.zone.asked]
        self.assertLess(len({name for name in asked if name.startswith("_t")}), MAX_TYPES + 1)
        self.assertLess(len({name for name in asked if "Web" in name}), MAX_INSTANCES + 1)
        self.assertEqual(len({name for name in asked if name.startswith("host")}), MAX_HOSTS - 1)
        lost = [one for one in self.found if "it has no address" in one.what]
        self.assertLess(len(lost), MAX_NAME_SERVERS)

    def test_nobody_answers_at_all(self) -> None:
        """Then nothing can be said."""
        self.servers.answerers.clear()
        check = DelegationCheck(self.servers.client(), ZONE, (RESOLVER,), self.found.append, self.push)
        done = Deferred.fromCoroutine(check.run())
        self.servers.pass_time(60.0, 0.5)
        self.failureResultOf(done, NotFound)
        self.assertEqual(self.found, [])

    def test_server_that_knows_its_zone_only(self) -> None:
        """With --server the one that is named is asked where the parent zone cannot be found."""
        self.servers.answerers[RESOLVER] = self.zone.answer
        self.zone.records.append(ns(ZONE, "proxy.Building 1.example.com"))
        self.zone.records.append(at(20, "proxy"))
        self.assertTrue(self.check(), self.found)
