"""`mcast.node.registrations` and `mcast.node.publisher`: names claimed, lost, changed and remembered."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import LogLevel, capturedLogs

import mcast.node.state as state_module
from mcast.dns.codes import RESPONSE_FLAGS, RecordClass, RecordType
from mcast.dns.messages import Message, decode, encode
from mcast.dns.names import Name
from mcast.dns.records import Record, address, host_info, service, text
from mcast.dnssd.hosts import Alias, Host
from mcast.dnssd.service import Service
from mcast.errors import InvalidService, NameTaken
from mcast.mdns.constants import FRUITLESS_PERIOD, IPV4_GROUP
from mcast.node.node import Node
from mcast.node.registrations import Claimed, Lost, RegistrationEvent, Renamed, ServiceRegistration
from mcast.node.state import StateFile
from mcast.testing import Capture
from tests.node.node_lab import SETTLED, WEB, NodeTestCase, addresses, goodbyes, owners, probes, records

A, CNAME, PTR, SRV, TXT = (
    RecordType.A,
    RecordType.CNAME,
    RecordType.PTR,
    RecordType.SRV,
    RecordType.TXT,
)


RECORD = text(Name.parse("one.local"), [b"a"], 120)

MISTAKES: list[Any] = [
    ("Web", TypeError, "Web"),
    ("'eth0'", TypeError, Service("Web", WEB, 80), ("interfaces", "eth0")),
    ("interface 2", TypeError, Service("Web", WEB, 80), ("interfaces", [2])),
    ("'panic'", ValueError, Service("Web", WEB, 80), ("on_conflict", "panic")),
    ("shared", TypeError, Service("Web", WEB, 80), ("shared", True)),
    ("listener 7", TypeError, Service("Web", WEB, 80), ("listener", 7)),
    ("own host", ValueError, Host(), ("interfaces", ["eth0"])),
    ("own host", ValueError, Host(), ("on_conflict", "fail")),
    ("NSEC", ValueError, Record(Name.parse("one.local"), RecordType.NSEC, RecordClass.IN, 120, b"")),
]
"""Words of the error, its type, what is published, how."""


def web(name: str) -> str:
    return f"{name}._http._tcp.local."


class PublishTests(NodeTestCase):
    """`Node.publish`."""

    def test_fires_when_claimed_on_all_links(self) -> None:
        node = self.node(self.lan.host("kitchen", "one", "two"))
        registration = self.lan.result(node.publish(Service("Web", WEB, 80)).when_claimed())
        self.assertEqual(registration.name, "Web")
        self.assertEqual(registration.interfaces, ("eth0", "eth1"))
        self.lan.advance(SETTLED)
        for link in ("one", "two"):
            self.assertNotEqual(self.ask(link, web("Web"), SRV), [])

    def test_waits_for_a_link(self) -> None:
        host = self.lan.host("kitchen")
        host.unplug()
        node = self.node(host)
        registered = node.publish(Service("Web", WEB, 80)).when_claimed()
        self.lan.advance(60.0)
        self.assertNoResult(registered)
        host.plug()
        self.lan.advance(SETTLED)
        self.assertEqual(self.successResultOf(registered).name, "Web")

    def test_waits_for_the_start(self) -> None:
        node = Node(self.lan.clock, network=self.lan.host("kitchen"), hostname="kitchen")
        registered = node.publish(Service("Web", WEB, 80)).when_claimed()
        self.lan.advance(10.0)
        self.assertNoResult(registered)
        node.startService()
        self.lan.advance(SETTLED)
        self.assertTrue(self.successResultOf(registered).is_claimed)

    def test_cancelling_the_wait_withdraws_nothing(self) -> None:
        registration = self.settled("kitchen").publish(Service("Web", WEB, 80))
        claimed = registration.when_claimed()
        self.lan.advance(0.4)
        claimed.cancel()
        self.failureResultOf(claimed, CancelledError)
        self.lan.advance(10.0)
        self.assertTrue(registration.is_claimed)

    def test_withdrawn_before_it_is_claimed(self) -> None:
        """Nothing of it has been said, and the wait is over."""
        node = self.settled("kitchen")
        self.lan.packets.clear()
        registration = node.publish(Service("Web", WEB, 80))
        claimed = registration.when_claimed()
        self.lan.advance(0.4)
        self.lan.result(registration.withdraw())
        self.failureResultOf(claimed, CancelledError)
        self.failureResultOf(registration.when_claimed(), CancelledError)
        self.lan.advance(10.0)
        self.assertEqual(len(node.registrations), 1)
        self.assertNotIn(web("Web"), owners(self.lan.packets.responses))

    def test_too_large(self) -> None:
        """M-17-5: what no packet can hold is refused, and nothing of it stays."""
        node = self.settled("kitchen")
        record = text(Name.parse("big.local"), [b"x" * 255] * 40, 120)
        self.assertRaises(ValueError, node.publish, record)
        self.assertEqual(len(node.registrations), 1)

    def test_many_share_packets(self) -> None:
        """M-8.1-4: a hundred services are probed for and announced in a few packets, each within the MTU."""
        node = self.settled("kitchen", ipv6=False)
        self.lan.packets.clear()
        for number in range(100):
            node.publish(Service(f"Web {number}", WEB, 80))
        self.lan.advance(SETTLED)
        self.assertTrue(all(one.is_claimed for one in node.registrations))
        self.assertLess(len(self.lan.packets), 60)
        self.assertLessEqual(max(packet.size for packet in self.lan.packets), 1500)

    def test_named_after_the_host(self) -> None:
        node = self.settled("kitchen")
        registration = self.lan.result(node.publish(Service(None, WEB, 80)).when_claimed())
        self.assertEqual(registration.name, "kitchen")

    def test_two_of_ours(self) -> None:
        """A second service of the same name gets another one, although nobody else contests it."""
        node = self.settled("kitchen")
        names = [self.register(node, "Web", port).name for port in (80, 81, 82)]
        self.assertEqual(names, ["Web", "Web (2)", "Web (3)"])

    def test_two_of_ours_that_may_not_be_renamed(self) -> None:
        node = self.settled("kitchen")
        node.publish(Service("Web", WEB, 80))
        with self.assertRaisesRegex(ValueError, "published by this node already"):
            node.publish(Service("Web", WEB, 81), on_conflict="fail")
        self.assertEqual(len(node.registrations), 2)

    def test_some_interfaces(self) -> None:
        """What is published on one interface is not answered for on another, which the host is on."""
        node = self.settled(self.lan.host("kitchen", "one", "two"))
        registration = node.publish(Service("Web", WEB, 80), interfaces=["eth1"])
        self.lan.result(registration.when_claimed())
        self.assertEqual(registration.interfaces, ("eth1",))
        self.assertEqual(self.ask("one", web("Web"), SRV), [])
        self.assertNotEqual(self.ask("two", web("Web"), SRV), [])
        self.assertNotEqual(self.ask("one", "kitchen.local", A), [])

    def test_interface_that_comes_later(self) -> None:
        host = self.lan.host("kitchen")
        node = self.settled(host)
        registration = node.publish(Service("Web", WEB, 80), interfaces=["eth1"])
        self.lan.advance(10.0)
        self.assertFalse(registration.is_claimed)
        host.connect(self.lan.link("two"))
        self.lan.advance(SETTLED)
        self.assertEqual(registration.interfaces, ("eth1",))

    def test_interface_by_an_address_that_goes(self) -> None:
        """A goodbye follows where the address was."""
        host = self.lan.host("kitchen")
        node = self.settled(host)
        registration = node.publish(Service("Web", WEB, 80), interfaces=["10.0.1.1"])
        self.lan.advance(SETTLED)
        self.assertTrue(registration.is_claimed)
        self.lan.packets.clear()
        host.interface().set_addresses("10.0.1.9/24", "fe80::1:1/64")
        self.lan.advance(SETTLED)
        self.assertFalse(registration.is_claimed)
        self.assertIn(web("Web"), {str(each.name) for each in goodbyes(self.lan.packets)})

    def test_what_cannot_be_published(self) -> None:
        node = self.node("kitchen")
        anything: Any = node.publish
        for words, error, *arguments in MISTAKES:
            options = dict(arguments[1:])
            with self.subTest(words), self.assertRaisesRegex(error, words):
                anything(arguments[0], **options)
        self.assertEqual(len(node.registrations), 1)

    def test_shows_its_state(self) -> None:
        registration = self.settled("kitchen").publish(Service("Web", WEB, 80))
        self.assertEqual(repr(registration), f"<ServiceRegistration {web('Web')} not claimed yet>")
        self.lan.advance(SETTLED)
        self.assertEqual(repr(registration), f"<ServiceRegistration {web('Web')} claimed>")
        self.lan.result(registration.withdraw())
        self.assertEqual(repr(registration), f"<ServiceRegistration {web('Web')} withdrawn>")

    def test_says_what_it_is(self) -> None:
        registration = self.settled("kitchen").publish(Service("Web", WEB, 80))
        said = (registration.name, str(registration.full_name), str(registration.type))
        self.assertEqual(said, ("Web", web("Web"), WEB))
        self.assertEqual((str(registration.domain), str(registration.host)), ("local.", "kitchen.local."))

    def test_a_free_name_can_be_had_again(self) -> None:
        node = self.settled("kitchen")
        self.lan.result(self.register(node).withdraw())
        self.assertEqual(self.register(node).name, "Web")


class ConflictTests(NodeTestCase):
    """A name that another host has (RFC 6762 §9)."""

    def setUp(self) -> None:
        super().setUp()
        self.first, self.second = self.settled("kitchen"), self.settled("hall")
        self.taken = self.register(self.first)

    def test_takes_the_next_name(self) -> None:
        self.assertEqual(self.register(self.second, port=81).name, "Web (2)")
        self.assertEqual(self.taken.name, "Web")

    def test_is_told(self) -> None:
        """M-9-7: the program is told of both names, and the log warns of them."""
        told: list[RegistrationEvent] = []
        with capturedLogs() as events:
            registration = self.second.publish(Service("Web", WEB, 81), listener=told.append)
            self.lan.result(registration.when_claimed())
        self.assertEqual(told, [Renamed(registration, "Web", "Web (2)"), Claimed(registration)])
        warnings = [event for event in events if event["log_level"] is LogLevel.warn]
        self.assertEqual(
            [(event["name"], event["new"]) for event in warnings], [(web("Web"), web("Web (2)"))]
        )

    def test_a_failing_listener_is_harmless(self) -> None:
        def fail(event: RegistrationEvent) -> None:
            raise RuntimeError("not our fault")

        registration = self.second.publish(Service("Web", WEB, 81), listener=fail)
        self.lan.result(registration.when_claimed())
        self.assertEqual(registration.name, "Web (2)")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def test_is_remembered(self) -> None:
        """M-9-6, S-D-1: the name that was found is the first one probed for after a restart."""
        state: dict[str, str] = {}
        third = self.settled("attic", state=state)
        self.assertEqual(self.register(third, port=82).name, "Web (2)")
        self.lan.result(third.stopService())
        self.lan.result(self.first.stopService())
        self.lan.packets.clear()
        again = self.node("attic", state=state)
        self.assertEqual(self.register(again, port=82).name, "Web (2)")
        asked = {str(each.name) for packet in self.lan.packets.queries for each in packet.message.questions}
        self.assertEqual(asked, {"attic.local.", web("Web (2)")})

    def test_only_what_was_claimed_is_remembered(self) -> None:
        """S-D-1: a name is recorded upon success."""
        state: dict[str, str] = {}
        third = self.settled("attic", state=state)
        third.publish(Service("Web", WEB, 82))
        self.lan.advance(0.5)
        self.assertEqual(state, {})
        self.lan.advance(2.0)
        self.assertEqual(list(state.values()), ["Web (2)"])

    def test_late_conflict(self) -> None:
        """M-9-3, M-9-4: a claimed name that turns out to be another's is given up, and another is found."""
        told: list[RegistrationEvent] = []
        self.taken.add_listener(told.append)
        self._join_with_twin()
        self.assertIn(Renamed(self.taken, "Web", "Web (2)"), told)
        self.assertEqual(told[-1], Claimed(self.taken))
        self.assertTrue(self.taken.is_claimed)

    def test_removed_listener(self) -> None:
        told: list[RegistrationEvent] = []
        registration = self.second.publish(Service("Web", WEB, 81), listener=told.append)
        registration.remove_listener(told.append)
        self.lan.advance(SETTLED)
        self.assertEqual(told, [])
        self.assertRaises(ValueError, registration.remove_listener, told.append)

    def test_fails_when_told_to(self) -> None:
        """``on_conflict="fail"``: the name that was asked for or none."""
        told: list[RegistrationEvent] = []
        registration = self.second.publish(Service("Web", WEB, 81), on_conflict="fail", listener=told.append)
        self.assertRaises(NameTaken, self.lan.result, registration.when_claimed())
        self.assertEqual(told, [Lost(registration, "Web")])
        self.assertNotIn(registration, self.second.registrations)
        self.failureResultOf(registration.when_claimed(), NameTaken)
        self.failureResultOf(registration.update(port=82), NameTaken)

    def test_late_conflict_fails_when_told_to(self) -> None:
        """What was claimed is lost, and an update that waits for its announcement fails."""
        self.lan.result(self.taken.withdraw())
        strict = self.first.publish(Service("Web", WEB, 80), on_conflict="fail")
        told: list[RegistrationEvent] = []
        strict.add_listener(told.append)
        self.lan.advance(SETTLED)
        self.lan.host("kitchen").unplug()
        updated = strict.update(port=81)
        self._join_with_twin()
        self.assertEqual(told[-1], Lost(strict, "Web"))
        self.failureResultOf(updated, NameTaken)

    def test_remembered_name_is_not_taken_when_it_must_not(self) -> None:
        state = {f"service {web('Web')}": "Web (2)"}
        node = self.settled("attic", state=state)
        self.assertEqual(node.publish(Service("Web", WEB, 82), on_conflict="fail").name, "Web")

    def _deny(self, *rivals: Record) -> list[Record]:
        """Have a host that speaks IPv4 only take a name; return our goodbyes, by either family."""
        began = self.lan.now
        for _ in range(2):
            self.contradict("lan", *rivals)
            self.lan.advance(0.5)
        self.lan.advance(5.0)
        return goodbyes(self.lan.packets.since(began).sent_by("kitchen"))

    def test_winner_keeps_its_pointer(self) -> None:
        """M-10.1-1: by IPv6 too nothing is said that would take the winner's records from the neighbours'
        caches, which know interfaces and no families."""
        rival = service(Name.parse(web("Web")), 0, 0, 9, Name.parse("peer.local"), 120, cache_flush=True)
        self.assertEqual(self._deny(rival), [])
        self.assertEqual(self.taken.name, "Web (2)")

    def test_winner_keeps_its_addresses(self) -> None:
        """RFC 6762 §10.2: our goodbyes under the name that was lost do not flush what the winner has."""
        host = Name.parse("kitchen.local")
        said = self._deny(address(host, "10.9.9.9", 120, cache_flush=True))
        self.assertEqual(self.first.hostname, "kitchen-2")
        under_the_name = [record for record in said if record.name == host]
        self.assertTrue(under_the_name)
        self.assertEqual([record for record in under_the_name if record.cache_flush], [])

    def _join_with_twin(self) -> None:
        """Let another host with our name claim it on a link of its own, and then come to ours."""
        twin = self.lan.host("twin", "elsewhere")
        node = self.settled(twin)
        self.register(node, port=99)
        self.lan.host("kitchen").unplug()
        twin.interface().plug(self.lan.link())
        self.lan.advance(1.0)
        self.lan.host("kitchen").plug()
        self.lan.advance(10.0)

    def test_old_name_is_not_used(self) -> None:
        """M-3-1: after the loss no packet holds the old name with our data, apart from goodbyes."""
        self._join_with_twin()
        began = self.lan.now
        self.ask("lan", "_http._tcp.local", PTR)
        self.ask("lan", web("Web"), SRV)
        said = [
            str(record.data) + str(record.name)
            for record in records(self.lan.packets.since(began).sent_by("kitchen"))
            if record.ttl
        ]
        self.assertTrue(said)
        self.assertEqual([each for each in said if "Web." in each], [])

    def test_no_end(self) -> None:
        """M-9-8: after a minute without a free name an error is logged, and it is tried on."""
        peer = self.lan.host("peer")
        denier = Denier()
        port = peer.listenMulticast(5353, denier, listenMultiple=True)
        port.joinGroup(IPV4_GROUP, peer.interface().name)
        with capturedLogs() as events:
            registration = self.second.publish(Service("Never", WEB, 81))
            self.lan.advance(FRUITLESS_PERIOD + 10.0)
        errors = [event for event in events if event["log_level"] is LogLevel.error]
        self.assertEqual(len({event["link"] for event in errors}), len(errors))
        self.assertIn("hall", self.second.hostname)
        self.assertTrue(errors)
        denier.is_denying = False
        self.lan.advance(10.0)
        self.assertTrue(registration.is_claimed)


class Denier(DatagramProtocol):
    """A host that has every name there is that begins with "Never"."""

    is_denying = True

    def datagramReceived(self, datagram: bytes, address: object) -> None:
        message = decode(datagram)
        if message.is_response or not self.is_denying:
            return
        denied = [
            service(question.name, 0, 0, 9, Name.parse("peer.local"), 120)
            for question in message.questions
            if question.name.labels[0].startswith(b"Never")
        ]
        if denied:
            assert self.transport is not None
            self.transport.write(encode(Message(flags=RESPONSE_FLAGS, answers=denied)), (IPV4_GROUP, 5353))


class HostTests(NodeTestCase):
    """Host names (RFC 6762 §3)."""

    def test_services_follow_a_renamed_host(self) -> None:
        """M-3-1: the services of a host that lost its name lead to its new one."""
        self.settled("kitchen")
        other = self.node("other", hostname="kitchen")
        registration = self.register(other)
        self.lan.advance(SETTLED)
        self.assertEqual(str(registration.host), "kitchen-2.local.")
        (found,) = records(self.ask("lan", web("Web"), SRV), SRV)
        self.assertEqual(str(found.data.target), "kitchen-2.local.")  # type: ignore[union-attr]

    def test_rename_is_told(self) -> None:
        """M-9-7: also when it is the host's name."""
        told: list[RegistrationEvent] = []
        self.settled("kitchen")
        other = self.node("other", hostname="kitchen")
        host = other.publish(Host(), listener=told.append)
        self.lan.result(host.when_claimed())
        self.assertEqual(told, [Renamed(host, "kitchen", "kitchen-2"), Claimed(host)])

    def test_name_is_remembered(self) -> None:
        """M-9-6: across restarts."""
        state: dict[str, str] = {}
        self.settled("kitchen")
        self.settled("other", hostname="kitchen", state=state)
        again = Node(self.lan.clock, network=self.lan.host("third"), hostname="kitchen", state=state)
        self.assertEqual(again.hostname, "kitchen-2")

    def test_system_name(self) -> None:
        self.patch(socket, "gethostname", lambda: "My PC.example.com")
        node = Node(self.lan.clock, network=self.lan.host("kitchen"))
        self.assertEqual(node.hostname, "My-PC")

    def test_spoken_for(self) -> None:
        """A host that is spoken for has its addresses on every link, and its services lead to it."""
        node = self.settled(self.lan.host("kitchen", "one", "two"))
        self.lan.result(node.publish(Host("printer", [ip_address("10.9.9.9")])).when_claimed())
        registration = self.register(node, host="printer")
        self.assertEqual(str(registration.host), "printer.local.")
        self.lan.advance(SETTLED)
        for link in ("one", "two"):
            self.assertEqual(addresses(self.ask(link, "printer.local", A)), {"10.9.9.9"})

    def test_services_follow_a_host_that_is_spoken_for(self) -> None:
        self.settled("kitchen", hostname="printer")
        node = self.settled("other")
        host = self.lan.result(node.publish(Host("printer", [ip_address("10.9.9.9")])).when_claimed())
        registration = self.register(node, host="printer")
        self.assertEqual((host.name, str(registration.host)), ("printer-2", "printer-2.local."))

    def test_other_addresses(self) -> None:
        node = self.settled("kitchen", ipv6=False)
        host = self.lan.result(node.publish(Host("printer", [ip_address("10.9.9.9")])).when_claimed())
        self.lan.advance(SETTLED)
        self.lan.result(host.update(addresses=["10.9.9.8"]))
        self.lan.advance(SETTLED)
        self.assertEqual(addresses(self.ask("lan", "printer.local", A)), {"10.9.9.8"})

    def test_alias(self) -> None:
        node = self.settled("kitchen")
        self.lan.result(node.publish(Alias("www")).when_claimed())
        (found,) = records(self.ask("lan", "www.local", CNAME), CNAME)
        self.assertEqual(str(found.data), "kitchen.local.")

    def test_alias_follows_its_host(self) -> None:
        self.settled("kitchen")
        other = self.node("other", hostname="kitchen")
        self.lan.result(other.publish(Alias("www")).when_claimed())
        (found,) = records(self.ask("lan", "www.local", CNAME), CNAME)
        self.assertEqual(str(found.data), "kitchen-2.local.")

    def test_host_is_published_with_the_first_service(self) -> None:
        node = self.node("kitchen", hostname=None)
        self.register(node)
        self.assertEqual(len(node.registrations), 2)

    def test_host_can_be_withdrawn_and_published_again(self) -> None:
        node = self.settled("kitchen")
        self.lan.result(node.registrations[0].withdraw())
        self.lan.advance(0.1)
        self.assertEqual(self.ask("lan", "kitchen.local", A), [])
        self.lan.result(node.publish(Host()).when_claimed())
        self.lan.advance(SETTLED)
        self.assertNotEqual(self.ask("lan", "kitchen.local", A), [])


class UpdateTests(NodeTestCase):
    """Changed data under the same name (RFC 6762 §8.4)."""

    def setUp(self) -> None:
        super().setUp()
        self.subject = self.settled("kitchen", ipv6=False)
        self.registration: ServiceRegistration = self.register(self.subject, txt={"a": "1"})
        self.lan.advance(SETTLED)
        self.lan.packets.clear()

    def test_is_announced_without_probing(self) -> None:
        """M-8.4-1, M-8.4-2: two announcements of the new data, no probe."""
        self.lan.result(self.registration.update(txt={"a": "2"}))
        self.lan.advance(5.0)
        self.assertEqual([packet.message.is_response for packet in self.lan.packets], [True, True])
        self.assertEqual({each.rdata for each in records(self.lan.packets, TXT)}, {b"\x03a=2"})

    def test_port(self) -> None:
        self.lan.result(self.registration.update(port=8080))
        self.lan.advance(SETTLED)
        (found,) = records(self.ask("lan", web("Web"), SRV), SRV)
        self.assertEqual(found.data.port, 8080)  # type: ignore[union-attr]

    def test_subtype(self) -> None:
        self.lan.result(self.registration.update(subtypes=["_printer"]))
        self.lan.advance(SETTLED)
        found = records(self.ask("lan", "_printer._sub._http._tcp.local", PTR), PTR)
        self.assertEqual([str(each.data) for each in found], [web("Web")])

    def test_same_data(self) -> None:
        """What changes nothing says nothing."""
        self.successResultOf(self.registration.update(txt={"a": "1"}))
        self.lan.advance(5.0)
        self.assertEqual(self.lan.packets, [])

    def test_bad_data(self) -> None:
        with self.assertRaisesRegex(InvalidService, "70000"):
            self.registration.update(port=70000)
        self.assertEqual(self.registration.service.port, 80)

    def test_another_type(self) -> None:
        with self.assertRaisesRegex(ValueError, "type.*publish it anew"):
            self.registration.update(type="_ipp._tcp")

    def test_another_name(self) -> None:
        with self.assertRaisesRegex(ValueError, "name.*publish it anew"):
            self.registration.update(name="Other")

    def test_unknown_keyword(self) -> None:
        with self.assertRaisesRegex(TypeError, "'colour'"):
            self.registration.update(colour="red")

    def test_withdrawn(self) -> None:
        self.lan.result(self.registration.withdraw())
        with self.assertRaisesRegex(ValueError, "withdrawn"):
            self.registration.update(port=81)

    def test_too_large(self) -> None:
        """M-17-5: what no packet can hold is refused, and what was published stays."""
        record = text(Name.parse("big.local"), [b"x"], 120)
        registration = self.lan.result(self.subject.publish(record).when_claimed())
        with self.assertRaises(ValueError):
            registration.update(record=text(Name.parse("big.local"), [b"x" * 255] * 40, 120))
        self.assertEqual(registration.record, record)

    def test_fires_when_announced(self) -> None:
        """Within a second of the last multicast the announcement has to wait (RFC 6762 §6)."""
        self.ask("lan", web("Web"), TXT)
        began = self.lan.now
        first, second = (self.registration.update(txt={"a": value}) for value in "23")
        self.lan.result(second, within=1.0)
        self.successResultOf(first)
        (packet,) = self.lan.packets.since(began)
        self.assertEqual((packet.at, records(Capture([packet]), TXT)[0].rdata), (self.lan.now, b"\x03a=3"))

    def test_eleventh_in_a_minute_waits(self) -> None:
        """M-8.4-4: more than ten changes a minute are delayed."""
        for number in range(10):
            self.lan.result(self.registration.update(txt={"n": str(number)}))
        began = self.lan.now
        self.lan.result(self.registration.update(txt={"n": "10"}))
        self.assertGreater(self.lan.now - began, 40.0)

    def test_waits_for_a_link(self) -> None:
        self.lan.host("kitchen").unplug()
        updated = self.registration.update(port=81)
        self.lan.advance(60.0)
        self.assertNoResult(updated)
        self.lan.host("kitchen").plug()
        self.lan.result(updated)
        self.assertTrue(self.registration.is_claimed)

    def test_withdrawal_ends_the_wait(self) -> None:
        self.lan.host("kitchen").unplug()
        updated = self.registration.update(port=81)
        self.lan.result(self.registration.withdraw())
        self.successResultOf(updated)

    def test_before_it_is_claimed(self) -> None:
        registration = self.subject.publish(Service("New", WEB, 80))
        self.lan.result(registration.update(port=81))
        self.assertTrue(registration.is_claimed)
        self.lan.advance(SETTLED)
        (found,) = records(self.ask("lan", web("New"), SRV), SRV)
        self.assertEqual(found.data.port, 81)  # type: ignore[union-attr]


class WithdrawTests(NodeTestCase):
    """`ServiceRegistration.withdraw`."""

    def setUp(self) -> None:
        super().setUp()
        self.subject = self.settled("kitchen")
        self.registration = self.register(self.subject)
        self.lan.advance(SETTLED)
        self.lan.packets.clear()

    def test_fires_when_the_goodbyes_have_left(self) -> None:
        """M-10.1-1: the name, type, class and data again, with TTL 0."""
        self.lan.result(self.registration.withdraw())
        said = goodbyes(self.lan.packets)
        self.assertEqual({each.type for each in said}, {SRV, TXT, PTR})
        self.assertNotIn("kitchen.local.", {str(each.name) for each in said})

    def test_waits_for_the_second_after_an_announcement(self) -> None:
        late = self.register(self.subject, "Late")
        withdrawn: Deferred[None] = late.withdraw()
        self.assertNoResult(withdrawn)
        self.lan.result(withdrawn, within=1.0)
        self.assertIn(web("Late"), {str(each.name) for each in goodbyes(self.lan.packets)})

    def test_twice(self) -> None:
        self.lan.result(self.registration.withdraw())
        self.successResultOf(self.registration.withdraw())

    def test_many_share_packets(self) -> None:
        several = [self.subject.publish(Service(f"W{n}", WEB, 80)) for n in range(100)]
        self.lan.advance(SETTLED)
        self.lan.packets.clear()
        for registration in several:
            registration.withdraw()
        self.lan.advance(SETTLED)
        self.assertLess(len(self.lan.packets), 40)


class RecordTests(NodeTestCase):
    """Single records."""

    def test_shared(self) -> None:
        """M-3-8: a shared record is published without probing."""
        node = self.settled("kitchen")
        self.lan.packets.clear()
        self.lan.result(node.publish(self._record("one.local"), shared=True).when_claimed())
        self.lan.advance(SETTLED)
        self.assertEqual(probes(self.lan.packets), [])
        self.assertEqual({each.cache_flush for each in records(self.lan.packets, TXT)}, {False})

    def test_unique(self) -> None:
        node = self.settled("kitchen")
        self.lan.packets.clear()
        self.lan.result(node.publish(self._record("one.local")).when_claimed())
        self.assertEqual(len(probes(self.lan.packets)), 6)

    def test_of_the_host(self) -> None:
        """A record under the host's own name is no conflict with it."""
        node = self.settled("kitchen")
        record = host_info(Name.parse("kitchen.local"), b"PDP11", b"UNIX", 120)
        self.lan.result(node.publish(record).when_claimed())
        self.assertEqual(node.hostname, "kitchen")

    def test_taken(self) -> None:
        self.settled("kitchen")
        node = self.settled("hall")
        self.assertRaises(
            NameTaken,
            self.lan.result,
            node.publish(address(Name.parse("kitchen.local"), "10.9.9.9", 120)).when_claimed(),
        )
        self.assertEqual([one.name for one in node.registrations], ["hall"])

    def test_update(self) -> None:
        node = self.settled("kitchen")
        registration = self.lan.result(node.publish(self._record("one.local")).when_claimed())
        self.lan.advance(SETTLED)
        self.lan.result(registration.update(record=text(Name.parse("one.local"), [b"new"], 120)))
        self.lan.advance(SETTLED)
        (found,) = records(self.ask("lan", "one.local", TXT), TXT)
        self.assertEqual(found.rdata, b"\x03new")

    def test_update_keeps_the_name(self) -> None:
        node = self.settled("kitchen")
        registration = self.lan.result(node.publish(self._record("one.local")).when_claimed())
        with self.assertRaisesRegex(ValueError, "two.local"):
            registration.update(record=self._record("two.local"))

    def _record(self, name: str) -> Record:
        return text(Name.parse(name), [b"old"], 120)


class StateFileTests(NodeTestCase):
    """`mcast.node.state`."""

    def setUp(self) -> None:
        super().setUp()
        self.path = Path(self.mktemp())

    def test_remembers(self) -> None:
        """M-9-6: in a file."""
        StateFile(self.path)["host kitchen"] = "kitchen-2"
        self.assertEqual(dict(StateFile(self.path)), {"host kitchen": "kitchen-2"})

    def test_forgets(self) -> None:
        state = StateFile(self.path)
        state["a"] = "b"
        del state["a"]
        self.assertEqual(len(StateFile(self.path)), 0)

    def test_broken_file(self) -> None:
        self.path.write_text("{")
        with capturedLogs() as events:
            self.assertEqual(dict(StateFile(self.path)), {})
        self.assertEqual([event["log_level"] for event in events], [LogLevel.warn])

    def test_unwritable(self) -> None:
        with capturedLogs() as events:
            StateFile(self.path / "nowhere" / "state")["a"] = "b"
        self.assertEqual([event["log_level"] for event in events], [LogLevel.warn])

    def test_is_bounded(self) -> None:
        self.patch(state_module, "MAX_REMEMBERED", 2)
        state = StateFile(self.path)
        for key in "abc":
            state[key] = key
        self.assertEqual(list(state), ["b", "c"])
