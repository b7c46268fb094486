"""`mcast.node.registrations` and `mcast.node.publisher`: names claimed, lost, changed and remembered."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from pathlib import Path

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import LogLevel, capturedLogs

import mcast.node.state as state_module
from mcast.dns.codes import RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, decode, encode
from mcast.dns.names import Name
from mcast.dns.records import Record, address, host_info, service, text
from mcast.dnssd.service import Service
from mcast.errors import NameTaken
from mcast.mdns.constants import FRUITLESS_PERIOD
from mcast.node.network import IPV4_GROUP
from mcast.node.node import Node
from mcast.node.registrations import HostRegistration, ServiceRegistration
from mcast.node.state import StateFile
from tests.node.node_lab import SETTLED, WEB, NodeTestCase, addresses, goodbyes, owners, probes, records

A, CNAME, PTR, SRV, TXT = (
    RecordType.A,
    RecordType.CNAME,
    RecordType.PTR,
    RecordType.SRV,
    RecordType.TXT,
)


def web(name: str) -> str:
    return f"{name}._http._tcp.local."


class RegisterTests(NodeTestCase):
    """`Node.register`."""

    def test_fires_when_claimed_on_all_links(self) -> None:
        node = self.node(self.lan.host("kitchen", "one", "two"))
        registration = self.lan.result(node.register(Service("Web", WEB, 80)))
        self.assertEqual(registration.name, "Web")
        self.assertEqual(registration.claimed_on, set(node.links))

    def test_waits_for_a_link(self) -> None:
        host = self.lan.host("kitchen")
        host.unplug()
        node = self.node(host)
        registered = node.register(Service("Web", WEB, 80))
        self.lan.advance(60.0)
        self.assertNoResult(registered)
        host.plug()
        self.lan.advance(SETTLED)
        self.assertEqual(self.successResultOf(registered).name, "Web")

    def test_waits_for_the_start(self) -> None:
        node = Node(self.lan.clock, network=self.lan.host("kitchen"), hostname="kitchen")
        registered = node.register(Service("Web", WEB, 80))
        self.lan.advance(10.0)
        self.assertNoResult(registered)
        node.startService()
        self.lan.advance(SETTLED)
        self.assertTrue(self.successResultOf(registered).is_claimed)

    def test_cancelling_withdraws(self) -> None:
        node = self.settled("kitchen")
        self.lan.packets.clear()
        registered = node.register(Service("Web", WEB, 80))
        self.lan.advance(0.4)
        registered.cancel()
        self.failureResultOf(registered, CancelledError)
        self.lan.advance(10.0)
        self.assertEqual(len(node.claims), 1)
        self.assertNotIn(web("Web"), owners(self.lan.packets.responses))

    def test_too_large(self) -> None:
        """M-17-5: what no packet can hold is refused, and nothing of it stays."""
        node = self.settled("kitchen")
        record = text(Name.parse("big.local"), [b"x" * 255] * 40, 120)
        self.assertRaises(ValueError, node.publish_record, record)
        self.assertEqual(len(node.claims), 1)

    def test_many_share_packets(self) -> None:
        """M-8.1-4: a hundred services are probed for and announced in a few packets, each within the MTU."""
        node = self.settled("kitchen", ipv6=False)
        self.lan.packets.clear()
        for number in range(100):
            node.publish(Service(f"Web {number}", WEB, 80))
        self.lan.advance(SETTLED)
        self.assertTrue(all(claim.is_claimed for claim in node.claims))
        self.assertLess(len(self.lan.packets), 60)
        self.assertLessEqual(max(packet.size for packet in self.lan.packets), 1500)

    def test_named_after_the_host(self) -> None:
        node = self.settled("kitchen")
        registration = self.lan.result(node.register(Service(None, WEB, 80)))
        self.assertEqual(registration.name, "kitchen")

    def test_two_of_ours(self) -> None:
        """A second service of the same name gets another one, although nobody else contests it."""
        node = self.settled("kitchen")
        names = [self.register(node, "Web", port).name for port in (80, 81, 82)]
        self.assertEqual(names, ["Web", "Web (2)", "Web (3)"])

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
        told: list[tuple[str, str]] = []
        with capturedLogs() as events:
            registered = self.second.register(
                Service("Web", WEB, 81), lambda old, new: told.append((old, new))
            )
            self.lan.result(registered)
        self.assertEqual(told, [("Web", "Web (2)")])
        warnings = [event for event in events if event["log_level"] is LogLevel.warn]
        self.assertEqual(
            [(event["name"], event["new"]) for event in warnings], [(web("Web"), web("Web (2)"))]
        )

    def test_a_failing_listener_is_harmless(self) -> None:
        def fail(old: str, new: str) -> None:
            raise RuntimeError("not our fault")

        registration = self.lan.result(self.second.register(Service("Web", WEB, 81), fail))
        self.assertEqual(registration.name, "Web (2)")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

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
        told: list[tuple[str, str]] = []
        self.taken.on_rename(lambda old, new: told.append((old, new)))
        self._join_with_twin()
        self.assertEqual(told, [("Web", "Web (2)")])
        self.assertTrue(self.taken.is_claimed)

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
            claim = self.second.publish(Service("Never", WEB, 81))
            self.lan.advance(FRUITLESS_PERIOD + 10.0)
        errors = [event for event in events if event["log_level"] is LogLevel.error]
        self.assertEqual(len({event["link"] for event in errors}), len(errors))
        self.assertIn("hall", self.second.hostname)
        self.assertTrue(errors)
        denier.is_denying = False
        self.lan.advance(10.0)
        self.assertTrue(claim.is_claimed)


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
        told: list[tuple[str, str]] = []
        self.settled("kitchen")
        other = self.node("other", hostname="kitchen")
        published = other.publish_host(renamed=lambda old, new: told.append((old, new)))
        self.lan.result(published)
        self.assertEqual(told, [("kitchen", "kitchen-2")])

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
        self.lan.result(node.publish_host("printer", [ip_address("10.9.9.9")]))
        registration = self.register(node, host="printer")
        self.assertEqual(str(registration.host), "printer.local.")
        self.lan.advance(SETTLED)
        for link in ("one", "two"):
            self.assertEqual(addresses(self.ask(link, "printer.local", A)), {"10.9.9.9"})

    def test_services_follow_a_host_that_is_spoken_for(self) -> None:
        self.settled("kitchen", hostname="printer")
        node = self.settled("other")
        host = self.lan.result(node.publish_host("printer", [ip_address("10.9.9.9")]))
        registration = self.register(node, host="printer")
        self.assertEqual((host.name, str(registration.host)), ("printer-2", "printer-2.local."))

    def test_other_addresses(self) -> None:
        node = self.settled("kitchen", ipv6=False)
        host: HostRegistration = self.lan.result(node.publish_host("printer", [ip_address("10.9.9.9")]))
        self.lan.advance(SETTLED)
        self.successResultOf(host.update([ip_address("10.9.9.8")]))
        self.lan.advance(SETTLED)
        self.assertEqual(addresses(self.ask("lan", "printer.local", A)), {"10.9.9.8"})

    def test_alias(self) -> None:
        node = self.settled("kitchen")
        self.lan.result(node.publish_alias("www"))
        (found,) = records(self.ask("lan", "www.local", CNAME), CNAME)
        self.assertEqual(str(found.data), "kitchen.local.")

    def test_alias_follows_its_host(self) -> None:
        self.settled("kitchen")
        other = self.node("other", hostname="kitchen")
        self.lan.result(other.publish_alias("www"))
        (found,) = records(self.ask("lan", "www.local", CNAME), CNAME)
        self.assertEqual(str(found.data), "kitchen-2.local.")

    def test_host_is_published_with_the_first_service(self) -> None:
        node = self.node("kitchen", hostname=None)
        self.register(node)
        self.assertEqual(len(node.claims), 2)

    def test_host_can_be_withdrawn_and_published_again(self) -> None:
        node = self.settled("kitchen")
        self.lan.result(node.claims[0].withdraw())
        self.lan.advance(0.1)
        self.assertEqual(self.ask("lan", "kitchen.local", A), [])
        self.lan.result(node.publish_host())
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
        self.successResultOf(self.registration.update(txt={"a": "2"}))
        self.lan.advance(5.0)
        self.assertEqual([packet.message.is_response for packet in self.lan.packets], [True, True])
        self.assertEqual({each.rdata for each in records(self.lan.packets, TXT)}, {b"\x03a=2"})

    def test_port(self) -> None:
        self.successResultOf(self.registration.update(port=8080))
        self.lan.advance(SETTLED)
        (found,) = records(self.ask("lan", web("Web"), SRV), SRV)
        self.assertEqual(found.data.port, 8080)  # type: ignore[union-attr]

    def test_subtype(self) -> None:
        self.successResultOf(self.registration.update(subtypes=["_printer"]))
        self.lan.advance(SETTLED)
        found = records(self.ask("lan", "_printer._sub._http._tcp.local", PTR), PTR)
        self.assertEqual([str(each.data) for each in found], [web("Web")])

    def test_same_data(self) -> None:
        """What changes nothing says nothing."""
        self.successResultOf(self.registration.update(txt={"a": "1"}))
        self.lan.advance(5.0)
        self.assertEqual(self.lan.packets, [])

    def test_bad_data(self) -> None:
        self.failureResultOf(self.registration.update(port=70000), ValueError)
        self.assertEqual(self.registration.service.port, 80)

    def test_another_type(self) -> None:
        self.failureResultOf(self.registration.update(type="_ipp._tcp"), ValueError)

    def test_name_in_a_description_does_not_matter(self) -> None:
        """A service that was renamed is updated by the description it was registered with."""
        self.registration.change(Service("As Asked For", WEB, 81))
        self.assertEqual((self.registration.name, self.registration.service.port), ("Web", 81))

    def test_withdrawn(self) -> None:
        self.lan.result(self.registration.withdraw())
        self.failureResultOf(self.registration.update(port=81), ValueError)

    def test_before_it_is_claimed(self) -> None:
        registration = self.subject.publish(Service("New", WEB, 80))
        self.successResultOf(registration.update(port=81))
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
        claims = [self.registration, *(self.subject.publish(Service(f"W{n}", WEB, 80)) for n in range(100))]
        self.lan.advance(SETTLED)
        self.lan.packets.clear()
        for claim in claims:
            claim.withdraw()
        self.lan.advance(SETTLED)
        self.assertLess(len(self.lan.packets), 40)


class RecordTests(NodeTestCase):
    """`Node.publish_record`."""

    def test_shared(self) -> None:
        """M-3-8: a shared record is published without probing."""
        node = self.settled("kitchen")
        self.lan.packets.clear()
        self.lan.result(node.publish_record(self._record("one.local"), unique=False))
        self.lan.advance(SETTLED)
        self.assertEqual(probes(self.lan.packets), [])
        self.assertEqual({each.cache_flush for each in records(self.lan.packets, TXT)}, {False})

    def test_unique(self) -> None:
        node = self.settled("kitchen")
        self.lan.packets.clear()
        self.lan.result(node.publish_record(self._record("one.local")))
        self.assertEqual(len(probes(self.lan.packets)), 6)

    def test_of_the_host(self) -> None:
        """A record under the host's own name is no conflict with it."""
        node = self.settled("kitchen")
        self.lan.result(node.publish_record(host_info(Name.parse("kitchen.local"), b"PDP11", b"UNIX", 120)))
        self.assertEqual(node.hostname, "kitchen")

    def test_taken(self) -> None:
        self.settled("kitchen")
        node = self.settled("hall")
        self.assertRaises(
            NameTaken,
            self.lan.result,
            node.publish_record(address(Name.parse("kitchen.local"), "10.9.9.9", 120)),
        )
        self.assertEqual([claim.name for claim in node.claims], ["hall"])

    def test_update(self) -> None:
        node = self.settled("kitchen")
        registration = self.lan.result(node.publish_record(self._record("one.local")))
        self.lan.advance(SETTLED)
        self.successResultOf(registration.update(text(Name.parse("one.local"), [b"new"], 120)))
        self.lan.advance(SETTLED)
        (found,) = records(self.ask("lan", "one.local", TXT), TXT)
        self.assertEqual(found.rdata, b"\x03new")

    def test_update_keeps_the_name(self) -> None:
        node = self.settled("kitchen")
        registration = self.lan.result(node.publish_record(self._record("one.local")))
        self.failureResultOf(registration.update(self._record("two.local")), ValueError)

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
