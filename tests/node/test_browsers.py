"""A node finds what other nodes publish, on a simulated link."""

from __future__ import annotations

import gc
from random import Random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dns.records import pointer, service, text
from mcast.dnssd.enumeration import DomainList
from mcast.dnssd.found import Added, Change, Removed, Updated
from mcast.dnssd.instances import InstanceName
from mcast.dnssd.service import Service
from mcast.errors import InvalidService, NotFound
from mcast.node.browsers import TypeAdded, TypeRemoved
from mcast.node.feed import Feed
from mcast.node.node import Node
from mcast.node.registrations import ServiceRegistration
from mcast.testing import SimulatedLan


class TwoNodes(SynchronousTestCase):
    """One node that publishes, one that finds."""

    def setUp(self) -> None:
        self.lan = SimulatedLan(seed=1)
        self.there = self.node("there")
        self.here = self.node("here")

    def node(self, name: str, *links: str) -> Node:
        host = self.lan.host(name, *links)
        node = Node(self.lan.clock, network=host, hostname=name, rng=Random(name))
        node.startService()
        self.addCleanup(lambda: self.lan.result(node.stopService()))
        return node

    def publish(self, name: str = "Web", port: int = 80, **more: object) -> ServiceRegistration:
        described = Service(name, "_http._tcp", port, **more)  # type: ignore[arg-type]  # the tests know
        return self.lan.result(self.there.register(described))


class BrowseTests(TwoNodes):
    def changes(self, *types: str | bytes, resolve: bool = True) -> list[Change]:
        changes: list[Change] = []
        browser = self.here.browse(*(types or ("_http._tcp",)), resolve=resolve)
        self.addCleanup(browser.close)
        browser.add_listener(changes.append)
        return changes

    def test_service_that_is_there(self) -> None:
        self.publish(txt={"path": "/"})
        changes = self.changes()
        self.lan.advance(3)
        (change,) = changes
        self.assertIsInstance(change, Added)
        found = change.service
        self.assertEqual((found.name, str(found.type), found.port), ("Web", "_http._tcp", 80))
        self.assertEqual(str(found.host), "there.local.")
        self.assertEqual(found.txt["path"], b"/")
        self.assertEqual(
            [str(address.address) for address in found.addresses], ["10.0.1.1", "fe80::1:1%eth0"]
        )
        self.assertEqual(found.interfaces, ("eth0",))

    def test_service_that_comes_after_a_day(self) -> None:
        """S-F-2: the list stays live."""
        changes = self.changes()
        self.lan.advance(86_400)
        self.publish()
        self.lan.advance(1)
        self.assertEqual([type(change) for change in changes], [Added])

    def test_service_that_goes(self) -> None:
        registration = self.publish()
        changes = self.changes()
        self.lan.advance(3)
        self.lan.result(registration.withdraw())
        self.lan.advance(2)
        self.assertEqual([type(change) for change in changes], [Added, Removed])

    def test_service_that_changes(self) -> None:
        registration = self.publish(txt={"a": "1"})
        changes = self.changes()
        self.lan.advance(3)
        registration.update(txt={"a": "2"})
        self.lan.advance(3)
        self.assertEqual([type(change) for change in changes], [Added, Updated])
        updated = changes[1]
        assert isinstance(updated, Updated)
        self.assertEqual((updated.previous.txt["a"], updated.service.txt["a"]), (b"1", b"2"))

    def test_names_alone(self) -> None:
        self.publish()
        changes = self.changes(resolve=False)
        self.lan.advance(1)
        self.assertEqual([(change.service.name, change.service.port) for change in changes], [("Web", None)])

    def test_subtype(self) -> None:
        """S-7.1-1: only what lists itself under the subtype is found."""
        self.publish("Plain")
        self.publish("Printer", subtypes=["_printer"])
        changes = self.changes("_http._tcp,_printer")
        self.lan.advance(3)
        self.assertEqual([change.service.name for change in changes], ["Printer"])

    def test_several_subtypes(self) -> None:
        """S-7.1-1: a service with any of them is found, and once."""
        self.publish("Plain")
        self.publish("Both", subtypes=["_printer", "_scanner"])
        self.publish("Scanner", subtypes=["_scanner"])
        changes = self.changes("_http._tcp,_printer,_scanner")
        self.lan.advance(3)
        self.assertEqual(
            {change.service.name: change.service.subtypes for change in changes},
            {"Both": (b"_printer", b"_scanner"), "Scanner": (b"_scanner",)},
        )
        self.assertEqual(len(changes), 2)

    def test_subtype_of_any_octets(self) -> None:
        """S-7.1-1: a subtype need not be text."""
        self.publish("Odd", subtypes=[b"\xff\x61"])
        changes = self.changes(b"_http._tcp,\xff\x61")
        self.lan.advance(3)
        self.assertEqual([change.service.name for change in changes], ["Odd"])

    def test_several_types(self) -> None:
        self.publish("Plain")
        self.lan.result(self.there.register(Service("Printer", "_ipp._tcp", 631, subtypes=["_color"])))
        self.lan.result(self.there.register(Service("Grey", "_ipp._tcp", 632)))
        changes = self.changes("_http._tcp", "_ipp._tcp,_color")
        self.lan.advance(3)
        self.assertEqual({change.service.name for change in changes}, {"Plain", "Printer"})

    def test_no_types(self) -> None:
        error = self.assertRaises(TypeError, self.here.browse)
        self.assertIn("browse_types()", str(error))

    def test_what_is_no_type(self) -> None:
        error = self.assertRaises(TypeError, self.here.browse, ["_http._tcp"])
        self.assertIn("['_http._tcp']", str(error))
        error = self.assertRaises(InvalidService, self.here.browse, "http")
        self.assertIn("'http'", str(error))
        self.assertRaises(InvalidService, self.here.browse, "_http._tcp,")

    def test_link_that_goes_and_comes_back(self) -> None:
        """S-F-4: results of a lost interface are removed, and found again with it."""
        self.publish()
        changes = self.changes()
        self.lan.advance(3)
        self.lan.host("here").interface().unplug()
        self.lan.advance(5)
        self.assertEqual([type(change) for change in changes], [Added, Removed])
        self.lan.host("here").interface().plug()
        self.lan.advance(5)
        self.assertEqual([type(change) for change in changes], [Added, Removed, Added])

    def test_closed_browser_asks_no_more(self) -> None:
        """M-5.2-1: closing the browser ends its queries."""
        browser = self.here.browse("_http._tcp")
        self.lan.advance(5)
        browser.close()
        self.lan.packets.clear()
        self.lan.advance(7200)
        self.assertEqual(list(self.lan.packets.queries), [])

    def test_failing_listener_costs_others_nothing(self) -> None:
        browser = self.here.browse("_http._tcp")
        self.addCleanup(browser.close)
        changes: list[Change] = []

        def fail(change: Change) -> None:
            raise RuntimeError("a fault of the listener")

        browser.add_listener(fail)
        browser.add_listener(changes.append)
        self.publish()
        self.lan.advance(3)
        self.assertEqual(len(changes), 1)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_types(self) -> None:
        registration = self.publish()
        browser = self.here.browse_types()
        self.addCleanup(browser.close)
        changes: list[object] = []
        browser.add_listener(changes.append)
        self.lan.advance(2)
        self.lan.result(registration.withdraw())
        self.lan.advance(2)
        service_type = registration.service.type
        self.assertEqual(changes, [TypeAdded(service_type), TypeRemoved(service_type)])


class IterationTests(TwoNodes):
    def assertNoMore(self, feed: Feed[Any, Any, Any]) -> None:
        waiting = feed.__anext__()
        self.assertNoResult(waiting)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)

    def test_changes_in_order(self) -> None:
        registration = self.publish()

        async def two() -> list[type[Change]]:
            seen: list[type[Change]] = []
            async for change in self.here.browse("_http._tcp"):
                seen.append(type(change))
                if len(seen) == 2:
                    break
                registration.withdraw()
            return seen

        self.assertEqual(self.lan.result(two()), [Added, Removed])

    def test_leaving_the_loop_ends_the_queries(self) -> None:
        self.publish()

        async def first() -> None:
            async for _ in self.here.browse("_http._tcp"):
                break

        self.lan.result(first())
        self.lan.packets.clear()
        self.lan.advance(7200)
        self.assertEqual(list(self.lan.packets.queries), [])

    def test_slow_consumer_gets_one_change_for_each_service(self) -> None:
        registration = self.publish(txt={"n": "0"})
        browser = self.here.browse("_http._tcp")
        feed = aiter(browser)
        self.lan.advance(3)
        for number in range(1, 5):
            registration.update(txt={"n": str(number)})
            self.lan.advance(2)
        change = self.lan.result(feed.__anext__())
        self.assertIsInstance(change, Added)
        self.assertEqual(change.service.txt["n"], b"4")
        self.assertNoMore(feed)
        browser.close()

    def test_what_came_and_went_meanwhile_is_no_change(self) -> None:
        browser = self.here.browse("_http._tcp")
        feed = aiter(browser)
        self.lan.result(self.publish().withdraw())
        self.lan.advance(3)
        self.assertNoMore(feed)
        browser.close()

    def test_closing_ends_the_loop(self) -> None:
        browser = self.here.browse("_http._tcp")

        async def loop() -> str:
            async for _ in browser:
                pass
            return "ended"

        ended = Deferred.fromCoroutine(loop())
        browser.close()
        self.assertEqual(self.successResultOf(ended), "ended")

    def test_consumer_that_was_dropped_is_not_woken(self) -> None:
        """A closed coroutine must not run on when the garbage collector comes to its iterator."""
        browser = self.here.browse("_http._tcp")
        fired: list[object] = []
        aiter(browser).__anext__().addBoth(fired.append)
        gc.collect()
        self.assertTrue(browser.is_closed)
        self.assertEqual(fired, [])

    def test_cancelled_wait_loses_no_change(self) -> None:
        browser = self.here.browse("_http._tcp")
        feed = aiter(browser)
        waiting = feed.__anext__()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.publish()
        self.lan.advance(2)
        self.assertIsInstance(self.lan.result(feed.__anext__()), Added)
        browser.close()


class WaitForTests(TwoNodes):
    def test_service_to_come(self) -> None:
        browser = self.here.browse("_http._tcp")
        self.addCleanup(browser.close)
        found = browser.wait_for(lambda service: service.port == 81, timeout=10)
        self.publish("One", 80)
        self.publish("Two", 81)
        self.assertEqual(self.lan.result(found).name, "Two")

    def test_service_that_does_not_come(self) -> None:
        browser = self.here.browse("_http._tcp")
        self.addCleanup(browser.close)
        self.publish()
        found = browser.wait_for(lambda service: False, timeout=5)
        self.lan.advance(5)
        error = self.failureResultOf(found, NotFound).value
        self.assertEqual(str(error), "_http._tcp: not found within 5 s, among 1 service")


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
            self.lan.result(self.there.publish_record(record))
        self.lan.result(self.there.publish_host())
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


class LookupTests(TwoNodes):
    def test_both_families(self) -> None:
        self.lan.result(self.there.publish_host())
        addresses = self.lan.result(self.here.resolve_host("there.local"))
        self.assertEqual([str(found.address) for found in addresses], ["10.0.1.1", "fe80::1:1%eth0"])

    def test_single_label_means_local(self) -> None:
        """M-21-1: "local." is appended to a single label."""
        self.lan.result(self.there.publish_host())
        self.assertTrue(self.lan.result(self.here.resolve_host("there")))

    def test_denied_at_once(self) -> None:
        """M-6.1-10: an NSEC answers before the time limit."""
        self.lan.host("v4", "lan").interface().set_addresses("10.0.1.77/24")
        node = self.node("v4")
        self.lan.result(node.publish_host())
        asked_at = self.lan.now
        looked = self.here.resolve_host("v4", timeout=60, ipv4=False)
        self.lan.advance(2)
        error = self.failureResultOf(looked, NotFound).value
        self.assertEqual(str(error), "v4.local.: its owner says that it has no such address")
        self.assertLess(self.lan.now - asked_at, 3)

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
        self.lan.result(self.there.publish_record(record, unique=False))

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

    def test_conventional_domain_needs_a_server(self) -> None:
        """S-11-3: what is not multicast DNS's is never asked for by multicast."""
        self.assertRaises(ValueError, self.here.domains, domain=Name.parse("example.com"))
