"""Hosts outside of `.local` are looked up by the reactor's resolver, whatever the link says of them."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer

from mcast.dns.names import Name
from mcast.dns.records import address, alias
from mcast.dnssd.service import Service
from mcast.endpoints.client import ServiceClientEndpoint
from mcast.errors import NotFound
from mcast.node.elsewhere import ASK_AGAIN
from tests.endpoints.endpoint_lab import FACTORY, LanReactor
from tests.node.node_lab import WEB, NodeTestCase

INTRANET = "intranet.example.com"
TRUE = "192.0.2.7"
FORGED = "10.0.1.66"


@implementer(IHostResolution)
class _Resolution:
    name = INTRANET
    is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


@implementer(IHostnameResolver)
class _SystemResolver:
    """Knows the addresses of one host; answers at once unless it is told to be slow."""

    def __init__(self) -> None:
        self.addresses: list[IPv4Address | IPv6Address] = [IPv4Address("TCP", TRUE, 0)]
        self.asked: list[str] = []
        self.is_slow = False
        self.resolution = _Resolution()

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        self.asked.append(hostName)
        resolutionReceiver.resolutionBegan(self.resolution)
        if not self.is_slow:
            for one in self.addresses if hostName == INTRANET else ():
                resolutionReceiver.addressResolved(one)
            resolutionReceiver.resolutionComplete()
        return self.resolution


class ElsewhereTestCase(NodeTestCase):
    """A host "there" has a service on another host; a stranger says on the link where that is."""

    def setUp(self) -> None:
        super().setUp()
        self.reactor = LanReactor(self.lan)
        self.reactor.nameResolver = self.system = _SystemResolver()
        network = self.lan.host("here")
        self.here = self.node(network, reactor=self.reactor)
        self.there = self.settled("there")

    def publish(self, host: str = INTRANET) -> None:
        self.lan.result(self.there.publish(Service("Web", WEB, 80, host=host)).when_claimed())

    def lie(self) -> None:
        self.contradict("lan", address(Name.parse(INTRANET), FORGED, 120, cache_flush=True))

    def asked(self) -> set[str]:
        """Return what was asked for by multicast."""
        queries = self.lan.packets.sent_by("here").queries
        return {str(one.name) for packet in queries for one in packet.message.questions}


class ServiceTests(ElsewhereTestCase):
    def test_resolved(self) -> None:
        """M-13-1: the target of an SRV record outside of .local is not asked for by multicast."""
        self.publish()
        self.lie()
        found = self.lan.result(self.here.resolve("Web", WEB))
        self.assertEqual([(str(one.address), one.interface) for one in found.addresses], [(TRUE, "")])
        self.assertNotIn(f"{INTRANET}.", self.asked())

    def test_browsed(self) -> None:
        self.publish()
        browser = self.here.browse(WEB)
        self.addCleanup(browser.close)
        found = self.lan.result(browser.wait_for(lambda service: bool(service.addresses)))
        self.lie()
        self.lan.advance(5)
        self.assertEqual([str(one.address) for one in found.addresses], [TRUE])
        self.assertEqual(browser.snapshot(), (found,))

    def test_connected_to(self) -> None:
        self.reactor.serving.add((TRUE, 80))
        self.publish()
        self.lie()
        connecting = ServiceClientEndpoint(self.reactor, WEB, "Web", node=self.here).connect(FACTORY)
        self.lan.result(connecting)
        self.assertEqual(self.reactor.tried, [(TRUE, 80)])

    def test_unreachable(self) -> None:
        """Nor is it asked for when a connection has failed, though a stranger has spoken of it."""
        self.publish()
        browser = self.here.follow("Web", WEB)
        self.addCleanup(browser.close)
        found = self.lan.result(browser.wait_for(lambda service: bool(service.addresses)))
        self.lie()
        self.lan.advance(2)
        browser.reconfirm(found)
        self.lan.advance(10)
        self.assertNotIn(f"{INTRANET}.", self.asked())

    def test_unknown_there(self) -> None:
        """The error says where the host was looked up, and that it is not there."""
        self.publish("nobody.example.com")
        resolving = self.here.resolve("Web", WEB)
        self.lan.advance(4)
        error = self.failureResultOf(resolving, NotFound).value
        self.assertIn("nobody.example.com., which is outside of .local; the system's resolver", str(error))

    def test_shown_without_address(self) -> None:
        self.publish("nobody.example.com")
        browser = self.here.browse(WEB)
        self.addCleanup(browser.close)
        found = self.lan.result(browser.wait_for(lambda service: True, timeout=6))
        self.assertEqual((str(found.host), found.addresses), ("nobody.example.com.", ()))

    def test_no_name_of_a_host(self) -> None:
        """The system is not asked for what a stranger can make up and no host can have."""
        self.publish("a b.example.com")
        resolving = self.here.resolve("Web", WEB)
        self.lan.advance(4)
        self.failureResultOf(resolving, NotFound)
        self.assertEqual(self.system.asked, [])

    def test_asked_again_while_wanted(self) -> None:
        self.publish()
        browser = self.here.browse(WEB)
        self.lan.advance(5)
        self.system.addresses = [IPv4Address("TCP", "192.0.2.8", 0)]
        self.lan.advance(ASK_AGAIN)
        (found,) = browser.snapshot()
        self.assertEqual([str(one.address) for one in found.addresses], ["192.0.2.8"])
        browser.close()
        self.lan.advance(3 * ASK_AGAIN)
        self.assertEqual(self.system.asked, [INTRANET, INTRANET])

    def test_given_up(self) -> None:
        """What the resolver still finds after the end is dropped."""
        self.system.is_slow = True
        self.publish()
        browser = self.here.browse(WEB)
        self.lan.advance(5)
        browser.close()
        self.assertTrue(self.system.resolution.is_cancelled)

    def test_in_another_domain(self) -> None:
        """What is looked for in another domain is asked for at DNS servers, and by nobody on the link."""
        found = self.here.resolve("Web._http._tcp.example.com.", timeout=2.0)
        browsers: list[Any] = [
            self.here.follow("Web", WEB, domain="example.com"),
            self.here.browse(WEB, domain="example.com"),
            self.here.browse_types(domain="example.com"),
        ]
        self.lan.advance(3.0)
        for browser in browsers:
            browser.close()
        # A fake clock has no UDP.
        self.failureResultOf(found, NotFound)
        self.assertEqual({name for name in self.asked() if "example.com" in name}, set())


class HostTests(ElsewhereTestCase):
    def test_looked_up(self) -> None:
        """M-13-1: `resolve_host` leaves names outside of .local to the system's resolver."""
        self.lie()
        found = self.lan.result(self.here.resolve_host(INTRANET))
        self.assertEqual([(str(one.address), one.interface) for one in found], [(TRUE, "")])
        self.assertEqual(self.asked() & {f"{INTRANET}."}, set())

    def test_family(self) -> None:
        found = self.here.resolve_host(INTRANET, ipv4=False)
        self.lan.advance(1)
        error = self.failureResultOf(found, NotFound).value
        self.assertIn("outside of .local, and the system's resolver knows no address", str(error))

    def test_link_local_address_without_its_zone(self) -> None:
        """It leads nowhere."""
        self.system.addresses = [IPv6Address("TCP", "fe80::1", 0), IPv6Address("TCP", "2001:db8::1", 0)]
        found = self.lan.result(self.here.resolve_host(INTRANET))
        self.assertEqual([str(one.address) for one in found], ["2001:db8::1"])

    def test_alias_of_a_host_elsewhere(self) -> None:
        www = Name.parse("www.local")
        self.lan.result(self.there.publish(alias(www, Name.parse(INTRANET), 120)).when_claimed())
        self.lie()
        found = self.lan.result(self.here.resolve_host("www"))
        self.assertEqual([str(one.address) for one in found], [TRUE])

    def test_reactor_without_resolver(self) -> None:
        found = self.there.resolve_host(INTRANET)
        self.lan.advance(1)
        self.failureResultOf(found, NotFound)


class QueryTests(ElsewhereTestCase):
    def test_only_when_told_to(self) -> None:
        self.assertRaises(ValueError, self.here.query, INTRANET, "A")
        self.lie()
        (answer,) = self.lan.result(self.here.query(INTRANET, "A", outside_local=True))
        self.assertEqual(str(answer.record.data), FORGED)
