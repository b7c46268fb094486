from __future__ import annotations

from ipaddress import ip_network
from itertools import count
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import CannotListenError
from twisted.internet.testing import StringTransport

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question, decode, encode
from mcast.dns.names import Name
from mcast.dns.records import ServiceData
from mcast.dnssd.enumeration import DomainList
from mcast.proxy import datagrams
from mcast.proxy.discovery_proxy import DiscoveryProxy, ProxySettings
from mcast.unicast.framing import Unframer, framed
from mcast.unicast.zone import Zone
from tests.certificates import Authority
from tests.node.node_lab import NodeTestCase
from tests.proxy.proxy_lab import BUILDING

SERVERS = (Name.parse("proxy.example.com"),)


class FakePort:
    """A port that listens nowhere."""

    def __init__(self, port: int, interface: str) -> None:
        self.address = IPv4Address("UDP", interface, port)
        self.is_listening = True

    def getHost(self) -> IPv4Address:
        return self.address

    def stopListening(self) -> None:
        self.is_listening = False


class LanReactor:
    """The clock of a simulated network, with ports that only remember."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self.ports: list[FakePort] = []
        self.taken: set[str] = set()
        self._chosen = count(49152)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clock, name)

    def listenUDP(self, port: int, protocol: Any, interface: str, size: int) -> FakePort:
        self.ports.append(FakePort(port or next(self._chosen), interface))
        if hasattr(protocol, "makeConnection"):
            # A protocol of datagrams is that of one port.
            protocol.makeConnection(self.ports[-1])
        return self.ports[-1]

    def listenTCP(self, port: int, factory: Any, backlog: int, interface: str) -> FakePort:
        if interface in self.taken:
            raise CannotListenError(interface, port, OSError(98, "Address already in use"))
        return self.listenUDP(port, factory, interface, backlog)


class ServiceTestCase(NodeTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.reactor = LanReactor(self.lan.clock)
        self.proxy_node = self.settled("proxy", hostname=None, reactor=self.reactor)

    def proxy(self, *zones: Zone, **settings: Any) -> DiscoveryProxy:
        given = ProxySettings(**{"name_servers": SERVERS, "port": 5300, **settings})
        proxy = DiscoveryProxy(self.proxy_node, zones or (BUILDING,), given)
        proxy.startService()
        self.addCleanup(proxy.stopService)
        return proxy


class ListeningTests(ServiceTestCase):
    def places(self) -> set[str]:
        return {port.address.host for port in self.reactor.ports if port.is_listening}

    def test_loopback_only_unless_told_otherwise(self) -> None:
        proxy = self.proxy()
        self.assertEqual(self.places(), {"127.0.0.1", "::1"})
        self.assertEqual(len(proxy.addresses), 4)
        proxy.stopService()
        self.assertEqual(self.places(), set())

    def test_where_it_is_told(self) -> None:
        self.proxy(listen=("10.0.1.1",))
        self.assertEqual(self.places(), {"10.0.1.1"})

    def test_taken(self) -> None:
        """Nothing stays open then."""
        self.reactor.taken.add("10.0.1.1")
        proxy = DiscoveryProxy(self.proxy_node, [BUILDING], ProxySettings(SERVERS, listen=("10.0.1.1",)))
        self.assertRaises(CannotListenError, proxy.startService)
        self.assertEqual((proxy.running, self.places()), (0, set()))

    def test_host_without_ipv6(self) -> None:
        self.reactor.taken.add("::1")
        self.assertTrue(self.proxy().running)

    def test_port_of_push_that_the_system_chooses(self) -> None:
        """RFC 8765 §6.1: one for all addresses, and the SRV record has it."""
        certificate, key = self.mktemp(), self.mktemp()
        Authority().write_server("proxy.example.com", certificate, key)
        proxy = self.proxy(port=0, tls_certificate=certificate, tls_key=key, tls_port=0)
        _, _, secured, _, _, other = [each.port for each in proxy.addresses]
        port = Port()
        name = Name.parse("_dns-push-tls._tcp.Building 1.example.com")
        port.ask(proxy, encode(Message(7, questions=[Question(name, RecordType.SRV)])))
        ((_, answer),) = port.sent.items()
        (record,) = decode(answer).answers
        assert isinstance(record.data, ServiceData)
        self.assertEqual((record.data.port, other), (secured, secured))


class Port:
    """What a UDP port sends."""

    def __init__(self) -> None:
        self.sent: dict[tuple[str, int], bytes] = {}
        """The last answer to each source."""

    def write(self, octets: bytes, source: tuple[str, int]) -> None:
        self.sent[source] = octets

    def read(self, proxy: DiscoveryProxy, query: bytes, host: str = "10.0.1.9", port: int = 4000) -> None:
        """Take in a query."""
        answer = proxy._datagrams.respond(query, (host, port), self)
        if answer:
            self.write(answer, (host, port))

    def ask(self, proxy: DiscoveryProxy, query: bytes, host: str = "10.0.1.9", port: int = 4000) -> None:
        """Take in a query, and answer it: no other has come with it."""
        self.read(proxy, query, host, port)
        proxy._datagrams.work()


def other_query(number: int) -> bytes:
    """Return a query that was not answered before."""
    return encode(Message(7, questions=[Question(BUILDING.name.prefixed(f"{number}"), RecordType.SOA)]))


class QueryTests(ServiceTestCase):
    """The whole way of a query and its answer."""

    def test_by_both_ways(self) -> None:
        """P-5.1-2: the same by UDP and by TCP."""
        proxy = self.proxy()
        self.register(self.settled("printer"), "My Web")
        question = Question(Name.parse("_http._tcp.Building 1.example.com"), RecordType.PTR)
        query = encode(Message(7, questions=[question]))
        port = Port()
        port.ask(proxy, query)
        self.lan.advance(1)
        (by_udp,) = port.sent.values()
        connection = proxy._connections.buildProtocol(IPv4Address("TCP", "10.0.1.9", 4000))
        transport = StringTransport()
        connection.makeConnection(transport)
        connection.dataReceived(framed(query))
        (by_tcp,) = Unframer().feed(transport.value())
        self.assertEqual(decode(by_udp).answers, decode(by_tcp).answers)
        self.assertEqual(len(decode(by_tcp).answers), 1)

    def test_rate_of_one_source(self) -> None:
        proxy = self.proxy(max_rate=5)
        query = encode(Message(7, questions=[Question(BUILDING.name, RecordType.SOA)]))
        port = Port()
        for number in range(8):
            port.ask(proxy, query, port=4000 + number)
        self.assertEqual(len(port.sent), 5)
        self.assertEqual(proxy.statistics()["datagrams"]["queries beyond the rate"], 3)
        self.assertEqual(proxy.statistics()["datagrams"]["answered as prepared"], 4)
        self.assertIsNotNone(proxy._datagrams.respond(query, ("10.0.1.10", 4000), None))

    def test_flood_leaves_others_their_turn(self) -> None:
        """Who asks once waits for one query of each of them, and not for all."""
        self.patch(datagrams, "WORK_SLICE", -1.0)
        proxy = self.proxy(max_rate=0)
        port = Port()
        for number in range(50):
            for source in ("10.0.1.7", "10.0.1.8"):
                port.read(proxy, other_query(number), source, 4000 + number)
        port.read(proxy, other_query(99), "10.0.1.9")
        proxy._datagrams.work()
        self.assertEqual(len(port.sent), 1)
        self.lan.advance(0)
        self.assertEqual(len(port.sent), 101)
        self.assertEqual(list(port.sent).index(("10.0.1.9", 4000)), 2)

    def test_stopped_in_a_flood(self) -> None:
        """Nothing is answered any more, and no timer left."""
        self.patch(datagrams, "WORK_SLICE", -1.0)
        proxy = self.proxy(max_rate=0)
        port = Port()
        for number in range(3):
            port.read(proxy, other_query(number), "10.0.1.9", 4000 + number)
        proxy._datagrams.work()
        proxy.stopService()
        self.lan.advance(1)
        self.assertEqual(len(port.sent), 1)

    def test_sources_that_are_no_host(self) -> None:
        proxy = self.proxy()
        query = encode(Message(7, questions=[Question(BUILDING.name, RecordType.NS)]))
        for source in (("10.0.1.9", 0), ("224.0.0.251", 5353), ("255.255.255.255", 9), ("what", 9)):
            self.assertIsNone(proxy._datagrams.respond(query, source, None))
        self.assertEqual(proxy.statistics()["datagrams"]["unanswerable sources"], 4)


class BrowseDomainTests(ServiceTestCase):
    """P-5.2.2-1: domains that are recommended to the hosts of the link, by multicast."""

    def test_told_by_multicast(self) -> None:
        domains = (Name.parse("Building 1.example.com"), Name.parse("Building 2.example.com"))
        proxy = self.proxy(Zone(BUILDING.name, "eth0", browse_domains=domains))
        self.lan.advance(3)
        client = self.settled("client")
        found = {which: self.lan.result(client.domains(which, timeout=2)) for which in self.lists()}
        self.assertEqual(found, {which: domains[:count] for which, count in self.lists().items()})
        proxy.stopService()
        self.lan.advance(3)
        self.assertEqual(self.proxy_node.registrations, ())

    def lists(self) -> dict[Any, int]:
        return {
            DomainList.BROWSING: 2,
            DomainList.DEFAULT_BROWSING: 1,
            DomainList.LEGACY_BROWSING: 2,
        }

    def test_nothing_unless_told(self) -> None:
        self.proxy()
        self.assertEqual(self.proxy_node.registrations, ())


class SettingsTests(ServiceTestCase):
    """Mistakes are told at once, in one line."""

    def refused(self, *zones: Zone, **settings: Any) -> str:
        with self.assertRaises(ValueError) as caught:
            DiscoveryProxy(self.proxy_node, zones, ProxySettings(**{"name_servers": SERVERS, **settings}))
        self.assertNotIn("\n", str(caught.exception))
        return str(caught.exception)

    def test_no_zone(self) -> None:
        self.assertIn("at least one zone", self.refused())

    def test_name_server_in_a_zone(self) -> None:
        """P-6.2-3"""
        names = (Name.parse("proxy.bldg-1.example.com"),)
        self.assertIn("outside of all zones", self.refused(BUILDING, name_servers=names))

    def test_text(self) -> None:
        settings = ProxySettings(
            name_servers=("proxy.example.com",),  # type: ignore[arg-type]
            contact="print.ops@example.com",  # type: ignore[arg-type]
            allow=("10.0.0.0/8",),  # type: ignore[arg-type]
        )
        contact = Name.from_labels((b"print.ops", b"example", b"com"))
        self.assertEqual(settings, ProxySettings(SERVERS, contact, allow=(ip_network("10.0.0.0/8"),)))
        zone = Zone("a.example.com", "eth0", reverse=("10.0.1.0/24",))  # type: ignore[arg-type]
        self.assertEqual(zone.reverse, (ip_network("10.0.1.0/24"),))
        DiscoveryProxy(self.proxy_node, [zone], settings)
        self.assertRaises(ValueError, ProxySettings, allow=("10.0.0.1/8",))

    def test_half_a_certificate(self) -> None:
        self.assertIn("needs both", self.refused(BUILDING, tls_certificate="cert.pem"))

    def test_certificate_that_is_not_there(self) -> None:
        said = self.refused(BUILDING, tls_certificate="/nowhere/cert.pem", tls_key="/nowhere/key.pem")
        self.assertTrue("No such file" in said or "txmcast[tls]" in said, said)

    def test_numbers(self) -> None:
        self.assertIn("port 65536", self.refused(BUILDING, port=65536))
        self.assertIn("link rate 0", self.refused(BUILDING, link_rate=0))
        self.assertIn("rate -1", self.refused(BUILDING, max_rate=-1))
        self.assertIn("not appear to be", self.refused(BUILDING, listen=("eth0",)))

    def test_named_twice(self) -> None:
        self.assertIn("named twice", self.refused(BUILDING, listen=("127.0.0.1", "127.0.0.1")))
        self.assertIn("named twice", self.refused(BUILDING, listen=("::1", "0::1")))
        ports = {"port": 853, "tls_port": 853, "tls_certificate": "cert.pem", "tls_key": "key.pem"}
        self.assertIn("a port each", self.refused(BUILDING, **ports))
