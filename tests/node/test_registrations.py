"""`mcast.node.registrations`: what is published is changed and withdrawn."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dns.records import text
from mcast.dnssd.service import Service
from mcast.errors import InvalidService
from mcast.node.registrations import ServiceRegistration
from mcast.testing import Capture
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
        self.assertEqual({each.rdata for each in self.lan.packets.records(TXT)}, {b"\x03a=2"})

    def test_port(self) -> None:
        self.lan.result(self.registration.update(port=8080))
        self.lan.advance(SETTLED)
        (found,) = self.ask("lan", web("Web"), SRV).records(SRV)
        self.assertEqual(found.data.port, 8080)  # type: ignore[union-attr]

    def test_subtype(self) -> None:
        self.lan.result(self.registration.update(subtypes=["_printer"]))
        self.lan.advance(SETTLED)
        found = self.ask("lan", "_printer._sub._http._tcp.local", PTR).records(PTR)
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
        self.assertEqual((packet.at, Capture([packet]).records(TXT)[0].rdata), (self.lan.now, b"\x03a=3"))

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
        (found,) = self.ask("lan", web("New"), SRV).records(SRV)
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
        said = self.lan.packets.goodbyes
        self.assertEqual({each.type for each in said}, {SRV, TXT, PTR})
        self.assertNotIn("kitchen.local.", {str(each.name) for each in said})

    def test_waits_for_the_second_after_an_announcement(self) -> None:
        late = self.register(self.subject, "Late")
        withdrawn: Deferred[None] = late.withdraw()
        self.assertNoResult(withdrawn)
        self.lan.result(withdrawn, within=1.0)
        self.assertIn(web("Late"), {str(each.name) for each in self.lan.packets.goodbyes})

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
