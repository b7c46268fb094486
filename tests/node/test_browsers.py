"""A node follows what other nodes publish, on a simulated link."""

from __future__ import annotations

import gc
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import LogLevel, capturedLogs, formatEvent

from mcast.dns.codes import RESPONSE_FLAGS
from mcast.dns.messages import Message, encode
from mcast.dns.names import Name
from mcast.dns.records import pointer
from mcast.dnssd.browsing import MAX_TYPES
from mcast.dnssd.found import Added, Change, Removed, TypeAdded, TypeRemoved, Updated
from mcast.dnssd.service import Service
from mcast.dnssd.types import type_enumeration_name
from mcast.errors import InvalidService, NotFound
from mcast.mdns.constants import IPV4_GROUP
from mcast.node.feed import Changes
from tests.node.two_nodes import TwoNodes


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
        self.lan.result(
            self.there.publish(Service("Printer", "_ipp._tcp", 631, subtypes=["_color"])).when_claimed()
        )
        self.lan.result(self.there.publish(Service("Grey", "_ipp._tcp", 632)).when_claimed())
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

    def test_interface_that_gets_another_name(self) -> None:
        """RFC 4007 §6: the zone of a link-local address is what the interface is called now."""
        self.publish()
        changes = self.changes()
        self.lan.advance(3)
        interface = self.lan.host("here").interface()
        interface.name = "lan0"
        interface.host.changed()
        self.lan.advance(3)
        found = changes[-1].service
        self.assertEqual(found.interfaces, ("lan0",))
        self.assertEqual(str(found.addresses[-1].address), "fe80::1:1%lan0")

    def test_closed_browser_asks_no_more(self) -> None:
        """M-5.2-1: closing the browser ends its queries."""
        browser = self.here.browse("_http._tcp")
        self.lan.advance(5)
        browser.close()
        self.lan.packets.clear()
        self.lan.advance(7200)
        self.assertEqual(list(self.lan.packets.queries), [])

    def test_listener_that_comes_with_a_change(self) -> None:
        """It is told each thing once, though several have changed at that moment."""
        browser = self.here.browse("_http._tcp")
        self.addCleanup(browser.close)
        late: list[Change] = []

        def first(change: Change) -> None:
            browser.remove_listener(first)
            browser.add_listener(late.append)

        browser.add_listener(first)
        for name in ("One", "Two", "Three"):
            self.there.publish(Service(name, "_http._tcp", 80))
        self.lan.advance(5)
        self.assertEqual(sorted(change.service.name for change in late), ["One", "Three", "Two"])

    def test_closing_in_the_midst_of_changes(self) -> None:
        """A listener that has closed the browser is told nothing more."""
        browser = self.here.browse("_http._tcp")
        changes: list[Change] = []

        def first(change: Change) -> None:
            changes.append(change)
            browser.close()

        browser.add_listener(first)
        for name in ("One", "Two"):
            self.there.publish(Service(name, "_http._tcp", 80))
        self.lan.advance(5)
        self.assertEqual(len(changes), 1)

    def test_listener_that_is_none(self) -> None:
        browser = self.here.browse("_http._tcp")
        self.addCleanup(browser.close)
        self.assertRaises(ValueError, browser.remove_listener, print)

    def test_repr(self) -> None:
        browser = self.here.browse("_http._tcp", "_ipp._tcp,_a,_b")
        self.assertEqual(repr(browser), "<ServiceBrowser _http._tcp _ipp._tcp [0]>")
        browser.close()
        self.assertEqual(repr(browser), "<ServiceBrowser _http._tcp _ipp._tcp [0] closed>")

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
    def assertNoMore(self, feed: Changes[Any]) -> None:
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


class StopTests(TwoNodes):
    """A regular stop of a node is no news about the network."""

    def setUp(self) -> None:
        super().setUp()
        self.publish()

    def test_iteration_ends(self) -> None:
        """Nobody is told that what is still there has left, and the loop is left."""
        told: list[object] = []

        async def follow(browser: Any) -> str:
            async for change in browser:
                told.append(type(change))
            return "over"

        loops = [
            Deferred.fromCoroutine(follow(browser))
            for browser in (
                self.here.browse("_http._tcp"),
                self.here.browse("_http._tcp", resolve=False),
                self.here.browse_types(),
                self.here.follow("Web", "_http._tcp"),
            )
        ]
        self.lan.advance(5)
        self.assertCountEqual(told, [TypeAdded, Added, Added, Added])
        self.lan.result(self.here.stopService())
        self.assertEqual([self.successResultOf(loop) for loop in loops], ["over"] * 4)
        self.assertEqual(len(told), 4)

    def test_listeners_hear_nothing(self) -> None:
        told: list[Change] = []
        browser = self.here.browse("_http._tcp")
        browser.add_listener(told.append)
        self.lan.advance(5)
        self.lan.result(self.here.stopService())
        self.assertEqual([type(change) for change in told], [Added])
        self.assertTrue(browser.is_closed)

    def test_whoever_waits(self) -> None:
        """A look-up ends at once, with the reason."""
        browser = self.here.browse("_http._tcp")
        waiting = [
            browser.wait_for(lambda service: False, timeout=100),
            self.here.resolve("Nobody", "_http._tcp", timeout=100),
            self.here.resolve_host("nobody", timeout=100),
            self.here.query("nobody.local", timeout=100),
        ]
        self.lan.advance(5)
        self.lan.result(self.here.stopService())
        for each in waiting:
            error = self.failureResultOf(each, NotFound).value
            self.assertTrue(str(error).endswith(": the node was stopped"), str(error))

    def test_a_link_that_goes_is_news(self) -> None:
        told: list[Change] = []
        self.here.browse("_http._tcp").add_listener(told.append)
        self.lan.advance(5)
        self.lan.host("here").unplug()
        self.lan.advance(5)
        self.assertEqual([type(change) for change in told], [Added, Removed])

    def test_anew_after_a_restart(self) -> None:
        self.lan.result(self.here.stopService())
        self.here.startService()
        found = self.lan.result(self.here.browse("_http._tcp").wait_for(lambda service: True))
        self.assertEqual(found.name, "Web")


class FloodTests(TwoNodes):
    """Strangers announce more than a browser follows."""

    def invent_types(self, count: int) -> None:
        """Announce types as a host without a node, fifty in a packet."""
        peer = self.lan.host("peer")
        for start in range(0, count, 50):
            records = [
                pointer(type_enumeration_name(), Name.parse(f"_junk{number}._tcp.local"), 4500)
                for number in range(start, start + 50)
            ]
            packet = encode(Message(flags=RESPONSE_FLAGS, answers=records))
            peer.transmit(5353, packet, IPV4_GROUP, 5353, peer.interface().index, 255, False)
            self.lan.advance(0.1)

    def test_a_type_that_comes_after_a_flood(self) -> None:
        told: list[str] = []
        browser = self.here.browse_types()
        browser.add_listener(lambda change: told.append(str(change.type)))
        with capturedLogs() as events:
            self.invent_types(2000)
        self.assertEqual(len(set(told)), 2000)
        self.assertEqual(len(browser.snapshot()), MAX_TYPES)
        warnings = [formatEvent(event) for event in events if event["log_level"] is LogLevel.warn]
        (line,) = warnings
        self.assertRegex(line, "^eth0/IPv4: limit of service types reached [0-9]+ times")
        self.publish()
        self.lan.advance(1)
        self.assertIn("_http._tcp", told)
        self.assertEqual(self.here.statistics()["searches"]["types displaced"], 2000 - MAX_TYPES + 1)
