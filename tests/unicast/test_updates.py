"""Messages of DNS Update, with dnspython as the oracle."""

from __future__ import annotations

import dns.message
import dns.rdataclass
import dns.rdatatype
import dns.update
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns import records
from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.messages import Message
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.unicast.updates import (
    MAX_UPDATE,
    Update,
    encode_question,
    encode_update,
    meaning_of,
    name_is_free,
    records_are,
    set_is_absent,
    without,
    without_name,
    without_set,
    zone_in,
)

ZONE = Name.parse("example.com")
WEB = Name.parse("My Web._http._tcp.example.com")
HOST = Name.parse("kitchen.example.com")
SRV = records.service(WEB, 0, 0, 8080, HOST, ttl=120)
A = records.address(HOST, "192.0.2.7", ttl=120)
PTR = records.pointer(Name.parse("_http._tcp.example.com"), WEB, ttl=4500)


def as_dnspython(update: Update) -> dns.update.UpdateMessage:
    read = dns.message.from_wire(encode_update(update, 77))
    assert isinstance(read, dns.update.UpdateMessage)
    return read


def theirs(update: dns.update.UpdateMessage) -> list[str]:
    return sorted(str(rrset) for section in (update.prerequisite, update.update) for rrset in section)


class MessageTests(SynchronousTestCase):
    def test_header_and_zone(self) -> None:
        """U-2.2-1, U-2.3-1: opcode UPDATE; one zone, of type SOA and the zone's class."""
        read = as_dnspython(Update(ZONE, (), (A,)))
        self.assertEqual((read.id, int(read.opcode()), int(read.flags) & 0x87FF), (77, 5, 0))
        (zone,) = read.zone
        self.assertEqual(
            (str(zone.name), zone.rdtype, zone.rdclass),
            ("example.com.", dns.rdatatype.SOA, dns.rdataclass.IN),
        )

    def test_prerequisites(self) -> None:
        """U-2.4.2-1, U-2.4.3-1, U-2.4.5-1: as dnspython writes them."""
        expected = dns.update.UpdateMessage("example.com.")
        expected.absent("free.example.com.")
        expected.absent("kitchen.example.com.", "AAAA")
        expected.present("kitchen.example.com.", "A", "192.0.2.7")
        ours = Update(
            ZONE,
            (
                name_is_free(Name.parse("free.example.com")),
                set_is_absent(HOST, RecordType.AAAA),
                *records_are([A]),
            ),
            (),
        )
        self.assertEqual(theirs(as_dnspython(ours)), theirs(expected))

    def test_changes(self) -> None:
        """U-2.5.1-1, U-2.5.2-1, U-2.5.3-1, U-2.5.4-1: as dnspython writes them."""
        expected = dns.update.UpdateMessage("example.com.")
        expected.add("kitchen.example.com.", 120, "A", "192.0.2.7")
        expected.delete("old.example.com.")
        expected.delete("kitchen.example.com.", "AAAA")
        expected.delete("kitchen.example.com.", "A", "192.0.2.7")
        ours = Update(
            ZONE,
            (),
            (A, without_name(Name.parse("old.example.com")), without_set(HOST, RecordType.AAAA), without(A)),
        )
        self.assertEqual(theirs(as_dnspython(ours)), theirs(expected))

    def test_a_name_with_a_blank_and_every_octet(self) -> None:
        """A label is octets, and no text that is cut at dots."""
        odd = Name.from_labels((bytes(range(256))[40:103], b"a.b", *ZONE.labels))
        read = as_dnspython(Update(ZONE, (), (records.pointer(ZONE, odd, ttl=9),)))
        self.assertEqual(tuple(read.update[0][0].target.labels[:2]), odd.labels[:2])

    def test_targets_are_spelled_out(self) -> None:
        """RFC 2782: the target of an SRV record is not compressed."""
        self.assertIn(HOST.wire, encode_update(Update(ZONE, (), (A, SRV)), 1)[60:])

    def test_too_large(self) -> None:
        big = Record(HOST, RecordType.TXT, RecordClass.IN, 1, b"\xff" * 40000)
        with self.assertRaisesRegex(ValueError, f"{MAX_UPDATE} at most"):
            encode_update(Update(ZONE, (), (big, big)), 1)

    def test_question(self) -> None:
        read = dns.message.from_wire(encode_question(HOST, RecordType.SOA, 5))
        self.assertEqual((read.id, int(read.flags)), (5, 0))
        self.assertEqual(str(read.question[0]), "kitchen.example.com. IN SOA")


class MeaningTests(SynchronousTestCase):
    """U-2.2-2: each response code is told in plain words."""

    def test_known(self) -> None:
        self.assertIn("must allow it with this key, unfrozen (REFUSED)", meaning_of(5))
        self.assertIn("NOTAUTH", meaning_of(9))

    def test_a_prerequisite(self) -> None:
        self.assertIn("YXRRSET", meaning_of(7))

    def test_unknown(self) -> None:
        self.assertIn("unknown code 4000", meaning_of(4000))


class ZoneTests(SynchronousTestCase):
    """U-3.1-1: the zone is the one that the server has, found by its SOA record."""

    soa = Record(ZONE, RecordType.SOA, RecordClass.IN, 60, b"\0" * 22)

    def test_top(self) -> None:
        self.assertEqual(zone_in(Message(answers=[self.soa]), ZONE), ZONE)

    def test_below(self) -> None:
        self.assertEqual(zone_in(Message(authorities=[self.soa]), Name.parse("b.a.example.com")), ZONE)

    def test_elsewhere(self) -> None:
        """A server may answer nonsense: a zone that the domain does not lie in is none."""
        self.assertIsNone(zone_in(Message(authorities=[self.soa]), Name.parse("example.org")))
