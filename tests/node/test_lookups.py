"""A node looks up what other nodes publish, on a simulated link."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError

from mcast.dns.codes import RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, encode
from mcast.dns.names import Name
from mcast.dns.records import Record, address, pointer, service, text
from mcast.dnssd.enumeration import DomainList
from mcast.dnssd.hosts import Host
from mcast.dnssd.instances import InstanceName
from mcast.errors import InvalidService, NotFound
from mcast.mdns.constants import IPV4_GROUP
from mcast.testing import Packet
from tests.node.two_nodes import TwoNodes
from tests.standstill import stand_still


class ResolveTests(TwoNodes):
    def test_service(self) -> None:
        self.publish(port=8080)
        found = self.lan.result(self.here.resolve("Web", "_http._tcp"))
        self.assertEqual((str(found.host), found.port), ("there.local.", 8080))

    def test_whole_names(self) -> None:
        """A type is needed only where the name is not whole."""
        self.publish("A.b", 8080)
        whole = Name.from_labels([b"A.b", b"_http", b"_tcp", b"local"])
        for name in (whole, whole.wire, InstanceName.from_name(whole), r"A\.b._http._tcp.local"):
            with self.subTest(name=name):
                found = self.lan.result(self.here.resolve(name))
                self.assertEqual((found.full_name, found.name, found.port), (whole, "A.b", 8080))

    def test_name_that_is_not_in_nfc(self) -> None:
        """M-16-1: what another host has published otherwise is found by what was found."""
        label = "Cafe\u0301".encode()
        whole = Name.from_labels([label, b"_http", b"_tcp", b"local"])
        for record in (
            service(whole, 0, 0, 80, Name.parse("there.local"), 120),
            text(whole, [], 120),
        ):
            self.lan.result(self.there.publish(record).when_claimed())
        self.lan.result(self.there.publish(Host()).when_claimed())
        for name in (whole, label, "Cafe\u0301"):
            with self.subTest(name=name):
                found = self.lan.result(self.here.resolve(name, "_http._tcp"))
                self.assertEqual((found.full_name.labels[0], found.name), (label, "Cafe\u0301"))

    def test_text_is_tried_in_nfc_too(self) -> None:
        """M-16-1: whoever types a decomposed name finds the composed one, as it should be published."""
        self.publish("Caf\u00e9")
        found = self.lan.result(self.here.resolve("Cafe\u0301", "_http._tcp"))
        self.assertEqual(found.name, "Caf\u00e9")
        found = self.lan.result(self.here.resolve("Cafe\u0301._http._tcp.local."))
        self.assertEqual(found.name, "Caf\u00e9")

    def test_followed_by_its_whole_name(self) -> None:
        self.publish(port=8080)
        browser = self.here.follow("Web._http._tcp.local.")
        self.addCleanup(browser.close)
        found = self.lan.result(browser.wait_for(lambda service: True))
        self.assertEqual(found.port, 8080)

    def test_wrong_arguments(self) -> None:
        """They raise at once, and the error names what is wrong."""
        resolve: Any = self.here.resolve
        error = self.assertRaises(InvalidService, resolve, "Web")
        self.assertIn("'Web", str(error))
        error = self.assertRaises(InvalidService, resolve, Name.parse("Web._http._tcp.local"), "_ipp._tcp")
        self.assertIn("_ipp._tcp", str(error))
        self.assertRaises(InvalidService, resolve, "x" * 64, "_http._tcp")
        self.assertRaises(TypeError, resolve, 5, "_http._tcp")
        self.assertRaises(ValueError, resolve, "Web", "_http._tcp", timeout=-1)
        self.assertRaises(TypeError, resolve, "Web", "_http._tcp", timeout="3")

    def test_nothing_there(self) -> None:
        found = self.here.resolve("Nobody", "_http._tcp", timeout=2)
        self.lan.advance(2)
        error = self.failureResultOf(found, NotFound).value
        self.assertEqual(str(error), "Nobody._http._tcp.local.: no answer within 2 s")

    def test_cancelled_resolve_asks_no_more(self) -> None:
        found = self.here.resolve("Nobody", "_http._tcp", timeout=1000)
        self.lan.advance(2)
        found.cancel()
        self.failureResultOf(found, CancelledError)
        self.lan.packets.clear()
        self.lan.advance(500)
        self.assertEqual(list(self.lan.packets.queries), [])


class LateTests(TwoNodes):
    """A process that stood still past the end of its look-up reads first what has arrived."""

    def arrives(self, *records: Record) -> None:
        payload = encode(Message(flags=RESPONSE_FLAGS, answers=records))
        self.lan.link().inject(payload, "10.0.1.1", 5353, IPV4_GROUP, 5353)

    def test_resolve(self) -> None:
        host, name = Name.parse("late.local."), Name.parse("Late._http._tcp.local.")
        records = service(name, 0, 0, 80, host, 120), text(name, [], 120), address(host, "10.0.1.1", 120)
        found = self.here.resolve("Late", "_http._tcp", timeout=2)
        stand_still(self.lan, 1.5, 3.0, lambda: self.arrives(*records))
        self.assertEqual(self.successResultOf(found).port, 80)

    def test_resolve_host(self) -> None:
        host = Name.parse("late.local.")
        found = self.here.resolve_host("late", timeout=2)
        stand_still(self.lan, 1.5, 3.0, lambda: self.arrives(address(host, "10.0.1.1", 120)))
        self.assertEqual([str(each.address) for each in self.successResultOf(found)], ["10.0.1.1"])

    def test_query(self) -> None:
        host = Name.parse("late.local.")
        found = self.here.query("late.local", "A", timeout=2)
        stand_still(self.lan, 1.5, 3.0, lambda: self.arrives(address(host, "10.0.1.1", 120)))
        self.assertEqual(len(self.successResultOf(found)), 1)

    def test_nothing_there(self) -> None:
        found = self.here.resolve("Nobody", "_http._tcp", timeout=2)
        stand_still(self.lan, 1.5, 3.0, lambda: None)
        self.failureResultOf(found, NotFound)

    def test_cancelled(self) -> None:
        found = self.here.resolve("Nobody", "_http._tcp", timeout=2)
        stand_still(self.lan, 1.5, 3.0, found.cancel)
        self.failureResultOf(found, CancelledError)


class ResolveHostTests(TwoNodes):
    def test_both_families(self) -> None:
        self.lan.result(self.there.publish(Host()).when_claimed())
        addresses = self.lan.result(self.here.resolve_host("there.local"))
        self.assertEqual([str(found.address) for found in addresses], ["10.0.1.1", "fe80::1:1%eth0"])

    def test_single_label_means_local(self) -> None:
        """M-21-1: "local." is appended to a single label."""
        self.lan.result(self.there.publish(Host()).when_claimed())
        self.assertTrue(self.lan.result(self.here.resolve_host("there")))

    def test_name_that_is_not_in_nfc(self) -> None:
        """M-16-1: what a service points to can be typed as it was received, and a composed name as well."""
        for label in ("Bu\u0308ro", "B\u00fcro"):
            whole = Name.from_labels([label.encode(), b"local"])
            registration = self.there.publish(address(whole, "10.0.1.99", 120))
            self.lan.result(registration.when_claimed())
            for name in (whole, whole.wire, "Bu\u0308ro.local", "Bu\u0308ro"):
                with self.subTest(label=label, name=name):
                    (found,) = self.lan.result(self.here.resolve_host(name))
                    self.assertEqual(str(found.address), "10.0.1.99")
            self.lan.result(registration.withdraw())
            self.lan.advance(5)

    def test_denied_at_once(self) -> None:
        """M-6.1-10: an NSEC answers before the time limit."""
        self.lan.host("v4", "lan").interface().set_addresses("10.0.1.77/24")
        node = self.node("v4")
        self.lan.result(node.publish(Host()).when_claimed())
        asked_at = self.lan.now
        looked = self.here.resolve_host("v4", timeout=60, ipv4=False)
        self.lan.advance(2)
        error = self.failureResultOf(looked, NotFound).value
        self.assertEqual(str(error), "v4.local.: its owner says that it has no such address")
        self.assertLess(self.lan.now - asked_at, 3)

    def test_read_after_the_end(self) -> None:
        """What has come when the time is up is taken: a program that stood still reads it only then."""
        looked = self.here.resolve_host("late", timeout=2)
        response = encode(
            Message(0, RESPONSE_FLAGS, answers=[address(Name.parse("late.local"), "10.0.1.9", 120)])
        )
        packet = Packet(0.0, "lan", "", "10.0.1.9", 5353, IPV4_GROUP, 5353, response)
        host = self.lan.host("here")
        self.lan.clock.callLater(2, host.ports.take, packet, host.interface())
        self.lan.advance(2)
        self.assertEqual([str(found.address) for found in self.successResultOf(looked)], ["10.0.1.9"])

    def test_nobody_there(self) -> None:
        looked = self.here.resolve_host("nobody", timeout=2)
        self.lan.advance(2)
        self.failureResultOf(looked, NotFound)


class QueryTests(TwoNodes):
    def test_unique_record_ends_the_query(self) -> None:
        self.publish()
        (answer,) = self.lan.result(self.here.query("Web._http._tcp.local.", RecordType.SRV), within=1)
        self.assertEqual((answer.record.type, answer.interface), (RecordType.SRV, "eth0"))

    def test_shared_records_are_gathered_until_time_is_up(self) -> None:
        self.publish("One")
        self.publish("Two")
        asked = self.here.query("_http._tcp.local.", "PTR", timeout=2)
        self.lan.advance(1.9)
        self.assertNoResult(asked)
        self.lan.advance(0.1)
        self.assertEqual(len({answer.record.data for answer in self.successResultOf(asked)}), 2)

    def test_wrong_arguments(self) -> None:
        self.assertRaises(ValueError, self.here.query, "a.local", "PTTR")
        self.assertRaises(ValueError, self.here.query, "x" * 64)
        self.assertRaises(TypeError, self.here.query, None)


class DomainsTests(TwoNodes):
    def recommend(self, domain: str) -> None:
        record = pointer(DomainList.BROWSING.in_domain(), Name.parse(domain), 4500)
        self.lan.result(self.there.publish(record, shared=True).when_claimed())

    def test_domains(self) -> None:
        """S-11-1, S-11-3: the list of local. is asked for by multicast, until the time is up."""
        self.recommend("example.com")
        self.recommend("example.org")
        found = self.lan.result(self.here.domains(timeout=2))
        self.assertEqual({str(domain) for domain in found}, {"example.com.", "example.org."})

    def test_other_list(self) -> None:
        self.recommend("example.com")
        looked = self.here.domains(DomainList.REGISTERING, timeout=2)
        self.lan.advance(2)
        error = self.failureResultOf(looked, NotFound).value
        self.assertEqual(str(error), "r._dns-sd._udp.local.: no answer within 2 s")

    def test_conventional_domain(self) -> None:
        """S-11-3: what is not multicast DNS's is never asked for by multicast."""
        self.failureResultOf(self.here.domains(domain=Name.parse("example.com")), NotFound)
        self.lan.advance(2.0)
        asked = [str(question.name) for question in self.lan.packets.queries.questions]
        self.assertEqual([name for name in asked if "example.com" in name], [])
