"""`mcast.node.publisher`: names that another host has, and what listeners are told of it."""

from __future__ import annotations

from twisted.internet.protocol import DatagramProtocol
from twisted.logger import LogLevel, capturedLogs

from mcast.dns.codes import RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, decode, encode
from mcast.dns.names import Name
from mcast.dns.records import Record, address, service
from mcast.dnssd.service import Service
from mcast.errors import NameTaken
from mcast.mdns.constants import FRUITLESS_PERIOD, IPV4_GROUP
from mcast.node.registrations import Claimed, Lost, RegistrationEvent, Renamed
from tests.node.node_lab import (
    SETTLED,
    WEB,
    NodeTestCase,
    web,
)

A, CNAME, PTR, SRV, TXT = (
    RecordType.A,
    RecordType.CNAME,
    RecordType.PTR,
    RecordType.SRV,
    RecordType.TXT,
)


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
        return self.lan.packets.since(began).sent_by("kitchen").goodbyes

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
            for record in self.lan.packets.since(began).sent_by("kitchen").records()
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
