"""The proxy role: its catalogue, and octets of DNS Stateful Operations that are made and read by hand."""

from __future__ import annotations

import struct

from twisted.trial.unittest import SynchronousTestCase

from mcast.conform.packets import Packet, Sender, packet_of
from mcast.conform.proxy import PROXY, push
from mcast.conform.proxy.answers import thing
from mcast.conform.proxy.clients import Answer, LinkDevice, in_zone
from mcast.conform.proxy_presets import PROXIES
from mcast.conform.runs import Plan, presets_of
from mcast.dns.codes import RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, Question, decode, encode
from mcast.dns.names import Name
from mcast.dns.records import next_secure
from mcast.sockets.frames import Datagram
from tests.conform.bench_lab import BenchLab, packet
from tests.conform.test_catalogue import CatalogueTests


class ProxyCatalogueTests(CatalogueTests):
    """The proxy role."""

    catalogue = PROXY


def seen(data: bytes) -> Packet:
    return packet_of(0.0, Sender.SUBJECT, Datagram(b"", "10.77.0.2", 853, "10.77.0.1", 40000, data))


class OctetTests(SynchronousTestCase):
    """DSO messages (RFC 8490 §5.4) and changes (RFC 8765 §6.3.1)."""

    def test_request(self) -> None:
        octets = push.subscribe(7, Name.parse("a.example"), RecordType.PTR)
        self.assertEqual(octets[:12], struct.pack("!6H", 7, 0x3000, 0, 0, 0, 0))
        self.assertEqual(octets[12:], b"\0\x40\0\x0f\x01a\x07example\0\0\x0c\0\x01")

    def test_read(self) -> None:
        found = push.read(seen(struct.pack("!6H", 7, 0xB00B, 0, 0, 0, 0) + push.item(9, b"xy")))
        assert found is not None
        self.assertEqual((found.number, found.is_response, found.rcode), (7, True, 11))
        self.assertEqual(found.of(9), [b"xy"])

    def test_what_is_none(self) -> None:
        self.assertIsNone(push.read(seen(b"short")))
        self.assertIsNone(push.read(seen(encode(Message(id=7)))))

    def test_changes(self) -> None:
        first = b"\x01a\x07example\0" + struct.pack("!HHIH", 12, 1, 4500, 2) + b"\xc0\x12"
        second = b"\xc0\x10" + struct.pack("!HHIH", 12, 1, 0xFFFFFFFE, 0)
        added, removed = push.changes(seen(push.message(0, push.item(push.PUSH, first + second))))
        self.assertEqual((str(added.name), added.ttl, removed.name), ("a.example.", 4500, added.name))
        self.assertGreaterEqual(removed.ttl, push.REMOVED)


class DeviceTests(SynchronousTestCase):
    """A device of ours on the link of the proxy."""

    def asked(self, device_of: str, question: Question) -> list[Message]:
        """Return the responses of a device to a question of the proxy, on the link, after a second."""
        lab = BenchLab()
        one = thing(lab.bench)
        records = one.records if device_of == "all" else [next_secure(question.name, [RecordType.A], 120)]
        device = LinkDevice(lab.bench, records, denies=[] if device_of == "all" else [RecordType.AAAA])
        name = one.type_on_link if device_of == "all" else question.name
        lab.play(packet(0.1, Message(questions=[Question(name, question.type)])))
        for _ in range(20):
            lab.clock.advance(0.05)
        device.close()
        lab.play(packet(2.0, Message(questions=[Question(name, question.type)])))
        lab.clock.advance(2.0)
        return [decode(each.datagram.data) for each in lab.view.packets if each.sender is Sender.JUDGE]

    def test_answers_with_what_belongs_to_it(self) -> None:
        (message,) = self.asked("all", Question(Name.parse("any"), RecordType.PTR))
        self.assertEqual([each.type for each in message.answers], [RecordType.PTR])
        types = {int(each.type) for each in message.additionals}
        self.assertEqual(types, {RecordType.SRV, RecordType.TXT, RecordType.A})

    def test_is_there_in_one_family(self) -> None:
        """A question by IPv6 that is answered would save the one by IPv4, which is looked for."""
        lab = BenchLab()
        one = thing(lab.bench)
        device = LinkDevice(lab.bench, one.records)
        data = encode(Message(questions=[Question(one.type_on_link, RecordType.PTR)]))
        asked = Datagram(b"", "fe80::2", 5353, "ff02::fb", 5353, data)
        lab.play(packet_of(0.1, Sender.SUBJECT, asked))
        lab.clock.advance(0.1)
        lab.clock.advance(1.0)
        device.close()
        self.assertEqual(lab.bench.ours(0), [])

    def test_denies(self) -> None:
        (message,) = self.asked("none", Question(Name.parse("x.local"), RecordType.AAAA))
        self.assertEqual([each.type for each in message.answers], [RecordType.NSEC])


class AnswerTests(SynchronousTestCase):
    """What came of a query."""

    def test_none(self) -> None:
        asked = seen(encode(Message(id=7, questions=[Question(in_zone("a"), RecordType.A)])))
        none = Answer(asked, None, 0)
        self.assertEqual((none.is_negative, none.said), (False, "no response"))
        empty = Answer(asked, seen(encode(Message(id=7, flags=RESPONSE_FLAGS))), 0)
        self.assertTrue(empty.is_negative)


GIVEN: dict[str, object] = {
    "role": "proxy",
    "interface": None,
    "subject": "mcast",
    "command": None,
    "host": None,
    "service": None,
    "subtype": "",
    "type": None,
    "shows": None,
    "hook": [],
    "no_ask": False,
    "ipv6": False,
}


class PlanTests(SynchronousTestCase):
    """What can be judged as a proxy."""

    def test_only_what_is_known(self) -> None:
        self.assertIs(presets_of("proxy"), PROXIES)
        with self.assertRaisesRegex(ValueError, "^--subject avahi: not known as a proxy; known are mcast$"):
            Plan.of({**GIVEN, "subject": "avahi"})

    def test_only_in_a_lab(self) -> None:
        with self.assertRaisesRegex(ValueError, "lab"):
            Plan.of({**GIVEN, "interface": "eth1", "subject": None})
