"""Services in a domain outside of `.local`: a whole node, and servers in memory."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.dns.records import address, alias, pointer, service
from mcast.dns_client.system import FixedServers
from mcast.dnssd.enumeration import DomainList
from mcast.dnssd.found import Added, Removed, Updated
from mcast.errors import NotFound
from mcast.node.node import Node
from mcast.testing import SimulatedLan
from tests.dns_client.lab import FIRST, HTTP, SECOND, ZONE, FakeServers, ZoneData, at, web

DOMAIN = "Building 1.example.com"


class BeyondTestCase(SynchronousTestCase):
    """A node with a link, and a DNS server in memory that is the system's."""

    def setUp(self) -> None:
        self.servers = FakeServers()
        self.zone = ZoneData(records=[*web("My Web"), at(9)])
        self.servers.answerers[FIRST] = self.zone.answer
        self.lan = SimulatedLan(seed=1)
        self.servers.clock = self.lan.clock
        self.node = Node(self.lan.clock, network=self.lan.host("here"), rng=Random(1))
        beyond = self.node._beyond
        beyond.client = self.servers.client()
        beyond.system = FixedServers(FIRST)
        self.node.startService()
        self.told: list[Any] = []

    def tearDown(self) -> None:
        stopped = self.node.stopService()
        self.lan.advance(2.0)
        self.successResultOf(stopped)
        self.assertEqual(self.servers.open_ports, 0)

    def pass_time(self, seconds: float) -> None:
        self.lan.advance(seconds)

    def result(self, deferred: Deferred[Any], seconds: float = 1.0) -> Any:
        self.pass_time(seconds)
        return self.successResultOf(deferred)

    def missing(self, deferred: Deferred[Any], seconds: float = 1.0) -> str:
        self.pass_time(seconds)
        return str(self.failureResultOf(deferred, NotFound).value)

    def asked(self) -> list[tuple[str, int]]:
        """The questions since the last call."""
        asked = [(str(one.name), one.type) for one in self.zone.asked]
        self.zone.asked.clear()
        return asked


class BrowseTests(BeyondTestCase):
    def browse(self, *types: str, **settings: Any) -> Any:
        browser = self.node.browse(*(types or ("_http._tcp",)), domain=DOMAIN, **settings)
        browser.add_listener(self.told.append)
        return browser

    def test_found(self) -> None:
        """RFC 6763 §4: the same events and the same service as on a link."""
        self.browse()
        self.pass_time(1.0)
        (added,) = self.told
        self.assertIsInstance(added, Added)
        found = added.service
        self.assertEqual((found.name, found.port, dict(found.txt)), ("My Web", 80, {"path": b"/"}))
        self.assertEqual(found.domain, ZONE)
        self.assertEqual([str(one.address) for one in found.addresses], ["192.0.2.9"])
        self.assertEqual((found.links, found.interfaces, found.addresses[0].interface), ((), (), ""))

    def test_added_and_removed(self) -> None:
        """What a server has at the next question is told; what it has no longer is removed."""
        self.browse()
        self.pass_time(1.0)
        self.zone.records += web("Second", 81)
        self.pass_time(13.0)
        self.zone.remove(HTTP.prefixed("My Web"))
        self.pass_time(13.0)
        self.assertEqual(
            [(type(one), one.service.name) for one in self.told],
            [(Added, "My Web"), (Added, "Second"), (Removed, "My Web")],
        )

    def test_moved(self) -> None:
        """Another SRV record is one update."""
        self.browse()
        self.pass_time(1.0)
        self.zone.remove(HTTP.prefixed("My Web"))
        self.zone.records += web("My Web", 8080)
        self.pass_time(14.0)
        self.assertEqual([type(one) for one in self.told], [Added, Updated])
        self.assertEqual(self.told[1].service.port, 8080)

    def test_nobody_is_asked_by_multicast(self) -> None:
        """RFC 6762 §3, §13."""
        before = len(list(self.lan.packets.queries))
        self.browse()
        self.pass_time(30.0)
        self.assertEqual(len(list(self.lan.packets.queries)), before)

    def test_host_in_local(self) -> None:
        """RFC 6762 §3: no server is asked for it, and the service is shown without an address."""
        name = HTTP.prefixed("Odd")
        self.zone.records = [
            pointer(HTTP, name, 10),
            service(name, 0, 0, 80, Name.parse("odd.local"), 10),
            *web("Odd")[2:],
        ]
        self.browse()
        self.pass_time(5.0)
        (added,) = self.told
        self.assertEqual((added.service.port, added.service.addresses), (80, ()))
        self.assertFalse([name for name, _ in self.asked() if name.endswith("local.")])

    def test_link_local_address(self) -> None:
        """RFC 8766 §5.5.2: an address that is of no use here is no address."""
        self.zone.records += [address(ZONE.prefixed("web"), "fe80::1", 10)]
        self.browse()
        self.pass_time(1.0)
        self.assertEqual([str(one.address) for one in self.told[0].service.addresses], ["192.0.2.9"])

    def test_alias(self) -> None:
        """RFC 1034 §3.6.2: a host name that is an alias."""
        web_host = ZONE.prefixed("web")
        self.zone.records = [*web("My Web"), alias(web_host, ZONE.prefixed("other"), 10), at(8, "other")]
        self.browse()
        self.pass_time(1.0)
        self.assertEqual([str(one.address) for one in self.told[0].service.addresses], ["192.0.2.8"])

    def test_server_that_is_away_for_a_moment(self) -> None:
        """Its services stay for a minute after their TTL, and nobody hears of a gap."""
        self.browse()
        self.pass_time(1.0)
        del self.servers.answerers[FIRST]
        self.pass_time(40.0)
        self.assertEqual(len(self.told), 1)
        self.servers.answerers[FIRST] = self.zone.answer
        self.pass_time(60.0)
        self.assertEqual([type(one) for one in self.told], [Added])

    def test_server_that_is_gone(self) -> None:
        self.browse()
        self.pass_time(1.0)
        del self.servers.answerers[FIRST]
        self.pass_time(150.0)
        self.assertEqual([type(one) for one in self.told], [Added, Removed])

    def test_server_of_the_caller(self) -> None:
        self.servers.answerers[SECOND] = ZoneData(records=[*web("Other"), at(1)]).answer
        self.browse(server="192.0.2.2")
        self.pass_time(1.0)
        self.assertEqual([one.service.name for one in self.told], ["Other"])

    def test_host_in_another_zone(self) -> None:
        """A server that knows its own zone only is not the end: the system's servers know the host's."""
        name = HTTP.prefixed("Far")
        records = [pointer(HTTP, name, 10), service(name, 0, 0, 80, Name.parse("far.example.net"), 10)]
        self.servers.answerers[SECOND] = ZoneData(records=[*records, *web("Far")[2:]]).answer
        other = ZoneData(
            Name.parse("example.net"), [address(Name.parse("far.example.net"), "198.51.100.7", 10)]
        )
        self.servers.answerers[FIRST] = other.answer
        self.browse(server="192.0.2.2")
        self.pass_time(1.0)
        self.assertEqual([str(one.address) for one in self.told[0].service.addresses], ["198.51.100.7"])

    def test_closed(self) -> None:
        """Nothing is asked any more, and nothing stays open."""
        browser = self.browse()
        self.pass_time(1.0)
        browser.close()
        self.asked()
        self.pass_time(60.0)
        self.assertEqual(self.asked(), [])

    def test_two_browsers_ask_once(self) -> None:
        self.browse()
        self.browse()
        self.pass_time(1.0)
        self.assertEqual(self.asked().count((str(HTTP), 12)), 1)
        self.assertEqual(len(self.told), 2)

    def test_types(self) -> None:
        """RFC 6763 §9."""
        listing = Name.parse("_services._dns-sd._udp.Building 1.example.com")
        self.zone.records.append(pointer(listing, HTTP, 10))
        browser = self.node.browse_types(domain=DOMAIN)
        self.pass_time(1.0)
        self.assertEqual([str(one) for one in browser.snapshot()], ["_http._tcp"])

    def test_before_the_start(self) -> None:
        """A node that does not run asks nothing, and asks when it does."""
        node = Node(self.lan.clock, network=self.lan.host("there"), rng=Random(1))
        node._beyond.client, node._beyond.system = self.servers.client(), FixedServers(FIRST)
        browser = node.browse("_http._tcp", domain=DOMAIN)
        self.pass_time(5.0)
        self.assertEqual(self.asked(), [])
        node.startService()
        self.pass_time(1.0)
        self.assertEqual(len(browser.snapshot()), 1)
        node.stopService()
        self.pass_time(2.0)
        self.assertTrue(browser.is_closed)

    def test_trouble_is_told(self) -> None:
        """Why nothing is found is in the error of whoever waits."""
        self.servers.refusing.add(FIRST)
        found = self.browse().wait_for(lambda service: True, 3.0)
        self.assertIn("192.0.2.1: nobody listens on its UDP port", self.missing(found, 4.0))


class ResolveTests(BeyondTestCase):
    def test_by_name_and_type(self) -> None:
        found = self.result(self.node.resolve("My Web", "_http._tcp", domain=DOMAIN))
        self.assertEqual((found.port, str(found.host)), (80, "web.Building 1.example.com."))

    def test_by_whole_name(self) -> None:
        found = self.result(self.node.resolve("My Web._http._tcp.Building 1.example.com."))
        self.assertEqual(found.name, "My Web")

    def test_utf8(self) -> None:
        """RFC 6763 §4.1.3: net-unicode as it is, no Punycode."""
        self.zone.records += web("Küche ☕")
        found = self.result(self.node.resolve("Küche ☕", "_http._tcp", domain=DOMAIN))
        self.assertEqual(found.name, "Küche ☕")

    def test_denied_at_once(self) -> None:
        """A server knows whether there is such a service; nobody waits for another one."""
        message = self.missing(self.node.resolve("None", "_http._tcp", domain=DOMAIN), 0.5)
        self.assertIn("DNS has no such service", message)

    def test_no_server_answers(self) -> None:
        self.servers.answerers.clear()
        message = self.missing(self.node.resolve("My Web", "_http._tcp", domain=DOMAIN), 3.5)
        self.assertIn("no answer", message)

    def test_follow(self) -> None:
        browser = self.node.follow("My Web", "_http._tcp", domain=DOMAIN)
        self.pass_time(1.0)
        self.assertEqual([one.port for one in browser.snapshot()], [80])

    def test_host_at_a_server(self) -> None:
        found = self.result(self.node.resolve_host("web.Building 1.example.com", server="192.0.2.1"))
        self.assertEqual([str(one.address) for one in found], ["192.0.2.9"])

    def test_host_that_a_server_denies(self) -> None:
        denied = self.node.resolve_host("none.Building 1.example.com", server="192.0.2.1")
        self.assertIn("DNS has no such address", self.missing(denied, 0.5))

    def test_domains(self) -> None:
        """RFC 6763 §11."""
        listing = DomainList.BROWSING.in_domain(ZONE)
        self.zone.records.append(pointer(listing, ZONE, 10))
        self.assertEqual(self.result(self.node.domains(domain=DOMAIN)), (ZONE,))

    def test_no_domains(self) -> None:
        self.assertIn("192.0.2.1 says", self.missing(self.node.domains(domain=DOMAIN)))


class MistakeTests(BeyondTestCase):
    """A mistake of the caller raises at once."""

    def test_server_for_local(self) -> None:
        with self.assertRaisesRegex(ValueError, "looked up by multicast"):
            self.node.browse("_http._tcp", server="192.0.2.1")

    def test_interfaces_for_a_domain(self) -> None:
        with self.assertRaisesRegex(ValueError, "DNS servers are asked"):
            self.node.browse("_http._tcp", domain=DOMAIN, interfaces=["eth0"])

    def test_no_server(self) -> None:
        with self.assertRaisesRegex(ValueError, "it is no address"):
            self.node.resolve("My Web", "_http._tcp", domain=DOMAIN, server="ns.example.com")
