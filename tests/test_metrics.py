"""`mcast.metrics` and `Node.statistics`: the same numbers, as OpenMetrics text and as a mapping."""

from __future__ import annotations

import subprocess
import sys
from unittest import mock

from twisted.web.resource import IResource
from twisted.web.test.requesthelper import DummyRequest
from zope.interface.verify import verifyObject

from mcast.dns.names import Name
from mcast.dns.records import pointer
from mcast.dns_client.update_server import UpdateServer
from mcast.dns_client.update_session import ServerFailed, UpdateSession
from mcast.dnssd.hosts import Host
from mcast.dnssd.service import Service
from mcast.errors import NotFound
from mcast.mdns.constants import IPV4_GROUP
from mcast.node.node import Node
from mcast.proxy.discovery_proxy import DiscoveryProxy, ProxySettings
from tests.node.node_lab import SETTLED, NodeTestCase, drivers
from tests.proxy.proxy_lab import BUILDING
from tests.proxy.test_discovery_proxy import LanReactor

MISSING: str | None = None
try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
except ImportError:
    MISSING = "prometheus-client (extra metrics) is not installed"
else:
    from mcast.metrics import GONE, MetricsResource, openmetrics


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return the values of OpenMetrics text by name and labels, as prometheus-client reads it."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class StatisticsTests(NodeTestCase):
    """What `Node.statistics` measures."""

    def test_time_to_claim(self) -> None:
        """From registering until claimed: three probes 0.25 s apart after up to 0.25 s (RFC 6762 §8.1)."""
        node = self.node("kitchen")
        self.lan.result(node.publish(Host()).when_claimed())
        took = node.statistics()["times"]["claim"]
        self.assertEqual((took["count"], took["failures"]), (1, 0))
        self.assertTrue(0.75 <= took["max"] <= 1.01, took)
        self.assertEqual(took["sum"], took["max"])

    def test_time_to_claim_without_the_wait_for_a_link(self) -> None:
        host = self.lan.host("kitchen")
        host.interface().unplug()
        node = self.node(host)
        self.lan.advance(100.0)
        host.interface().plug()
        self.lan.advance(SETTLED)
        self.assertEqual(node.statistics()["times"]["claim"]["count"], 1)
        self.assertLess(node.statistics()["times"]["claim"]["max"], 1.01)

    def test_time_to_resolve(self) -> None:
        self.register(self.settled("kitchen"))
        hall = self.node("hall")
        self.lan.result(hall.resolve("Web", "_http._tcp"))
        took = hall.statistics()["times"]["resolve"]
        self.assertEqual((took["count"], took["failures"]), (1, 0))
        self.assertGreater(took["max"], 0)

    def test_time_to_look_up(self) -> None:
        self.settled("kitchen")
        hall = self.node("hall")
        self.lan.result(hall.resolve_host("kitchen"))
        self.assertEqual(hall.statistics()["times"]["lookup"]["count"], 1)

    def test_look_up_in_vain(self) -> None:
        node = self.settled("kitchen")
        with self.assertRaises(NotFound):
            self.lan.result(node.resolve_host("nobody"))
        took = node.statistics()["times"]["lookup"]
        self.assertEqual((took["count"], took["failures"]), (0, 1))

    def test_cache(self) -> None:
        self.settled("kitchen")
        hall = self.settled("hall")
        browser = hall.browse("_http._tcp")
        before = hall.statistics()["caches"]["eth0/IPv4"]
        self.register(self.settled("attic"))
        after = hall.statistics()["caches"]["eth0/IPv4"]
        # The response to the PTR question has everything else with it.
        self.assertEqual(after["questions"], 1)
        self.assertGreater(after["records"], before["records"])
        self.assertGreater(after["octets"], before["octets"])
        browser.close()
        self.assertEqual(hall.statistics()["caches"]["eth0/IPv4"]["questions"], 0)

    def test_published_by_type(self) -> None:
        node = self.settled("kitchen")
        self.register(node)
        self.assertEqual(
            node.statistics()["published"]["eth0/IPv4"], {"A": 1, "AAAA": 1, "PTR": 4, "SRV": 1, "TXT": 1}
        )

    def test_records_heard(self) -> None:
        """By what became of them: new ones, the same again, and goodbyes."""
        hall = self.settled("hall")
        registration = self.register(self.settled("kitchen"))
        self.lan.advance(SETTLED)
        self.lan.result(registration.withdraw())
        self.lan.advance(SETTLED)
        counted = hall.statistics()["links"]["eth0/IPv4"]
        # SRV, TXT, the pointer from its type, and that from the list of types.
        self.assertEqual(counted["records leaving"], 4)
        self.assertGreaterEqual(counted["records added"], 4)
        self.assertGreaterEqual(counted["records refreshed"], 4)

    def test_what_follows_from_a_look(self) -> None:
        """What waits is taken in as by any call of a link: what that makes due is sent, and told, at once."""
        hall = self.settled("hall")
        link = next(driver.link for driver in hall._links)
        self.patch(link.querier, "take_in_unasked", lambda: link._context.outbox.multicast(bytes(12)))
        hall.statistics()
        self.assertEqual(link.transmissions(), [])

    def test_records_sent(self) -> None:
        """Those of the packets that are seen on the link."""
        node = self.settled("kitchen")
        sent = self.lan.packets.sent_by("kitchen").where(lambda packet: not packet.ipv6)
        counted = node.statistics()["links"]["eth0/IPv4"]
        for kind, packets in (("queries", sent.queries), ("responses", sent.responses)):
            messages = [packet.message for packet in packets]
            expected = sum(len(m.answers) + len(m.authorities) + len(m.additionals) for m in messages)
            self.assertEqual(counted[f"records sent in {kind}"], expected)

    def test_conflict(self) -> None:
        self.settled("kitchen")
        second = self.settled("other", hostname="kitchen")
        counted = second.statistics()["node"]
        self.assertEqual((counted["conflicts"], counted["renames"]), (1, 1))

    def test_ports_keep_their_numbers(self) -> None:
        """What a socket counted is not forgotten when it is closed, and goes on when it is opened anew."""
        node = self.settled("kitchen")
        before = node.statistics()["ports"]["IPv4"]["received"]
        self.lan.result(node.stopService())
        stopped = node.statistics()["ports"]["IPv4"]["received"]
        self.assertGreaterEqual(stopped, before)
        node.startService()
        self.lan.advance(SETTLED)
        self.assertGreater(node.statistics()["ports"]["IPv4"]["received"], stopped)


class OpenMetricsTests(NodeTestCase):
    """The text, read back by the parser of prometheus-client."""

    skip = MISSING

    def value(self, name: str, *nodes: Node, **labels: str) -> float:
        """Return a number from the text of some nodes."""
        return samples(openmetrics(*nodes))[name, frozenset(labels.items())]

    def test_packets_by_kind(self) -> None:
        node = self.settled("kitchen")
        link = {"node": "kitchen", "interface": "eth0", "family": "IPv6"}
        self.assertEqual(self.value("mcast_packets_sent_total", node, kind="probe", **link), 3)

    def test_drops_by_cause(self) -> None:
        node = self.settled("kitchen")
        peer = self.lan.host("peer")
        peer.transmit(5353, b"\x00" * 5, IPV4_GROUP, 5353, peer.interface().index, 255, False)
        self.lan.advance(1.0)
        link = {"node": "kitchen", "interface": "eth0", "family": "IPv4"}
        dropped = self.value("mcast_packets_dropped_total", node, cause="malformed datagrams", **link)
        self.assertEqual(dropped, 1)

    def test_gauges(self) -> None:
        node = self.settled("kitchen")
        link = {"node": "kitchen", "interface": "eth0", "family": "IPv4"}
        self.assertEqual(self.value("mcast_names_claimed", node, node="kitchen"), 1)
        self.assertEqual(self.value("mcast_published_records", node, type="A", **link), 1)
        # What we say is heard by ourselves too.
        self.assertEqual(self.value("mcast_cache_records", node, **link), 4)

    def test_times(self) -> None:
        node = self.settled("kitchen")
        took = node.statistics()["times"]["claim"]
        self.assertEqual(self.value("mcast_claim_seconds_count", node, node="kitchen"), 1)
        self.assertEqual(self.value("mcast_claim_seconds_sum", node, node="kitchen"), took["sum"])
        longest = self.value("mcast_longest_seconds", node, node="kitchen", of="claim")
        self.assertEqual(longest, took["max"])

    def test_links_that_are_gone(self) -> None:
        node = self.settled("kitchen")
        self.lan.result(node.stopService())
        gone = {"node": "kitchen", "interface": GONE, "family": ""}
        self.assertEqual(self.value("mcast_packets_sent_total", node, kind="probe", **gone), 6)

    def test_domains(self) -> None:
        """What DNS servers are asked, by domain."""
        node = self.settled("kitchen")
        browser = node.browse("_http._tcp", domain="example.com", server="192.0.2.1")
        self.lan.advance(1)
        place = {"node": "kitchen", "domain": "example.com. at 192.0.2.1"}
        self.assertEqual(self.value("mcast_domain", node, **place, of="questions"), 1)
        # A fake clock has no UDP.
        self.assertGreater(self.value("mcast_domain_events_total", node, **place, event="failures") or 0, 0)
        browser.close()

    def test_registered(self) -> None:
        """What is registered on DNS servers, and that one cannot be reached."""
        node = self.settled("kitchen")
        service = Service("Web", "_http._tcp", 80)
        with mock.patch.object(UpdateSession, "ask", side_effect=ServerFailed("it cannot be reached")):
            node.publish(service, domain="example.com", update=UpdateServer("192.0.2.53"))
            self.lan.advance(60)
        place = {"node": "kitchen", "domain": "example.com. at 192.0.2.53"}
        told = [self.value("mcast_registered", node, **place, of=of) for of in ("names", "trouble")]
        self.assertEqual(told, [2, 1])
        self.assertEqual(self.value("mcast_registered_events_total", node, **place, event="failures"), 4)
        self.assertEqual(node.statistics()["registered"][place["domain"]]["trouble"], "it cannot be reached")

    def test_what_searches_leave_alone(self) -> None:
        """Also when the search is over: totals do not shrink."""
        there, node = self.settled("there"), self.settled("kitchen")
        listing = pointer(Name.parse("_http._tcp.local"), Name.parse("nothing.local"), 4500)
        self.lan.result(there.publish(listing, shared=True).when_claimed())
        browser = node.browse("_http._tcp")
        self.lan.advance(2)
        cause = "pointers to no instance"
        before = self.value("mcast_searches_dropped_total", node, node="kitchen", cause=cause)
        browser.close()
        after = self.value("mcast_searches_dropped_total", node, node="kitchen", cause=cause)
        self.assertGreater(before, 0)
        self.assertEqual(after, before)

    def test_proxy(self) -> None:
        """With its node, which need not be named; every number is there."""
        node = self.settled("proxy", hostname=None, reactor=LanReactor(self.lan.clock))
        settings = ProxySettings((Name.parse("proxy.example.com"),), port=5300)
        proxy = DiscoveryProxy(node, [BUILDING], settings)
        proxy.startService()
        self.addCleanup(proxy.stopService)
        found = samples(openmetrics(proxy, node))
        told = {name: labels for name, labels in found if dict(labels).get("part") == "push"}
        self.assertEqual(set(told), {"mcast_proxy"})
        for part, numbers in proxy.statistics().items():
            for name in numbers:
                self.assertTrue(
                    any({("part", part)} < labels and name in dict(labels).values() for _, labels in found)
                )
        self.assertEqual(len([1 for name, _ in found if name == "mcast_links"]), 1)

    def test_several_nodes(self) -> None:
        """Each by its name; the second of one name is told apart."""
        nodes = [self.settled(self.lan.host(name), hostname="kitchen") for name in ("one", "two")]
        # The second was renamed to kitchen-2; on another link there is no conflict.
        third = self.settled(self.lan.host("three", "elsewhere"), hostname="kitchen")
        self.assertEqual(self.value("mcast_links", *nodes, third, node="kitchen"), 2)
        self.assertEqual(self.value("mcast_links", *nodes, third, node="kitchen-2"), 2)
        self.assertEqual(self.value("mcast_links", *nodes, third, node="kitchen#2"), 2)

    def test_every_counter_is_there(self) -> None:
        """No counter of a link is lost on the way, whatever it is called."""
        node = self.settled("kitchen")
        drivers(node)[0].link.counters["something quite new"] = 7
        link = {"node": "kitchen", "interface": "eth0", "family": "IPv4"}
        self.assertEqual(self.value("mcast_events_total", node, event="something quite new", **link), 7)


class ResourceTests(NodeTestCase):
    """`MetricsResource`."""

    skip = MISSING

    def test_is_a_resource(self) -> None:
        verifyObject(IResource, MetricsResource(self.settled("kitchen")))

    def test_get(self) -> None:
        node = self.settled("kitchen")
        resource = MetricsResource(node)
        request = DummyRequest([b""])
        request.method = b"GET"
        body = resource.render(request)
        (content_type,) = request.responseHeaders.getRawHeaders(b"content-type") or [b""]
        self.assertTrue(content_type.startswith(b"application/openmetrics-text"), content_type)
        self.assertEqual(body.decode(), openmetrics(node))

    def test_numbers_of_the_moment(self) -> None:
        node = self.settled("kitchen")
        resource = MetricsResource(node)
        self.lan.result(node.stopService())
        request = DummyRequest([b""])
        request.method = b"GET"
        self.assertIn(b'mcast_links{node="kitchen"} 0.0\n', resource.render(request))


class ImportTests(NodeTestCase):
    """What happens without the extra."""

    def run_python(self, code: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    def test_missing_extra(self) -> None:
        done = self.run_python("import sys; sys.modules['prometheus_client'] = None; import mcast.metrics")
        expected = "ImportError: mcast.metrics needs prometheus-client: pip install 'txmcast[metrics]'"
        self.assertEqual(done.stderr.splitlines()[-1], expected)

    def test_node_needs_no_extra(self) -> None:
        code = "import sys; sys.modules['prometheus_client'] = None; import mcast.node.node, mcast.tap.mdns"
        self.assertEqual(self.run_python(code).stderr, "")
