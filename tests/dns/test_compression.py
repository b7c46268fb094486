"""Name compression: what is written with pointers, and which pointers are followed (RFC 6762 §18.14)."""

from __future__ import annotations

import struct

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns import records
from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question, decode, encode
from mcast.dns.names import ROOT, Name
from mcast.errors import MalformedMessage

OWNER = Name.parse("a.local")
TARGET = Name.parse("b.local")
FULL = b"\x01b\x05local\x00"
SHORT = b"\x01b\xc0\x0e"
"""`TARGET` with a pointer to where "local" stands when `OWNER` is the first name of the message."""


def rdata_on_the_wire(rtype: int, rdata: bytes) -> bytes:
    """Return what the encoder makes of rdata behind the owner name ``a.local``."""
    octets = encode(Message(answers=[records.raw(OWNER, rtype, rdata, 0)]))
    (length,) = struct.unpack_from("!H", octets, 12 + len(OWNER.wire) + 8)
    rest = octets[12 + len(OWNER.wire) + 10 :]
    assert len(rest) == length
    return rest


def rdata_read(rtype: int, rdata: bytes) -> bytes:
    """Return what the decoder makes of rdata behind the owner name ``a.local``."""
    head = b"\0\0\x84\0\0\0\0\1\0\0\0\0" + OWNER.wire
    octets = head + struct.pack("!HHIH", rtype, 1, 0, len(rdata)) + rdata
    return decode(octets).answers[0].rdata


class CompressedTypeTests(SynchronousTestCase):
    """M-18.14-2, M-18.14-5: the listed types are compressed when written and expanded when read."""

    def both_ways(self, rtype: int, form: bytes) -> None:
        """Check a type, whose rdata is ``form`` with ``@`` standing for the name."""
        full, short = form.replace(b"@", FULL), form.replace(b"@", SHORT, 1)
        # A second name of the same rdata is a pointer to the first one, behind the fixed octets.
        first = 12 + len(OWNER.wire) + 10 + form.index(b"@")
        short = short.replace(b"@", struct.pack("!H", 0xC000 | first))
        self.assertEqual(rdata_on_the_wire(rtype, full), short)
        self.assertEqual(rdata_read(rtype, short), full)

    def test_ns(self) -> None:
        """M-18.14-2, M-18.14-5."""
        self.both_ways(RecordType.NS, b"@")

    def test_cname(self) -> None:
        """M-18.14-2, M-18.14-5."""
        self.both_ways(RecordType.CNAME, b"@")

    def test_ptr(self) -> None:
        """M-18.14-2, M-18.14-5."""
        self.both_ways(RecordType.PTR, b"@")

    def test_dname(self) -> None:
        """M-18.14-2, M-18.14-5."""
        self.both_ways(RecordType.DNAME, b"@")

    def test_soa(self) -> None:
        """M-18.14-2, M-18.14-5."""
        self.both_ways(RecordType.SOA, b"@@" + bytes(range(20)))

    def test_mx(self) -> None:
        """M-18.14-2, M-18.14-5."""
        self.both_ways(RecordType.MX, b"\0\1@")

    def test_afsdb(self) -> None:
        """M-18.14-2, M-18.14-5."""
        self.both_ways(RecordType.AFSDB, b"\0\1@")

    def test_rt(self) -> None:
        """M-18.14-2, M-18.14-5."""
        self.both_ways(RecordType.RT, b"\0\1@")

    def test_kx(self) -> None:
        """M-18.14-2, M-18.14-5."""
        self.both_ways(RecordType.KX, b"\0\1@")

    def test_rp(self) -> None:
        """M-18.14-2, M-18.14-5."""
        self.both_ways(RecordType.RP, b"@@")

    def test_px(self) -> None:
        """M-18.14-2, M-18.14-5."""
        self.both_ways(RecordType.PX, b"\0\1@@")

    def test_srv(self) -> None:
        """M-18.14-2, M-18.14-5."""
        self.both_ways(RecordType.SRV, b"\0\1\0\2\0\3@")

    def test_nsec(self) -> None:
        """M-18.14-2, M-18.14-5."""
        self.both_ways(RecordType.NSEC, b"@\0\1\x20")


class OtherTypeTests(SynchronousTestCase):
    """M-18.14-3, M-18.14-6: others are never compressed when written, but expanded where they are known."""

    def test_naptr(self) -> None:
        """M-18.14-3, M-18.14-6."""
        head = b"\0\1\0\2\1s\3E2U\0"
        self.assertEqual(rdata_on_the_wire(RecordType.NAPTR, head + FULL), head + FULL)
        self.assertEqual(rdata_read(RecordType.NAPTR, head + SHORT), head + FULL)

    def test_rrsig(self) -> None:
        """M-18.14-3, M-18.14-6."""
        self.assertEqual(
            rdata_on_the_wire(RecordType.RRSIG, bytes(18) + FULL + b"sig"), bytes(18) + FULL + b"sig"
        )
        self.assertEqual(rdata_read(RecordType.RRSIG, bytes(18) + SHORT + b"sig"), bytes(18) + FULL + b"sig")

    def test_minfo(self) -> None:
        """M-18.14-3, M-18.14-6."""
        self.assertEqual(rdata_on_the_wire(RecordType.MINFO, FULL + FULL), FULL + FULL)
        self.assertEqual(rdata_read(RecordType.MINFO, SHORT + SHORT), FULL + FULL)

    def test_svcb(self) -> None:
        """M-18.14-3, M-18.14-6."""
        self.assertEqual(rdata_on_the_wire(RecordType.SVCB, b"\0\1" + FULL), b"\0\1" + FULL)
        self.assertEqual(rdata_read(RecordType.SVCB, b"\0\1" + SHORT), b"\0\1" + FULL)

    def test_hip(self) -> None:
        """M-18.14-3: octets that happen to be a known name are left alone."""
        self.assertEqual(rdata_on_the_wire(RecordType.HIP, OWNER.wire), OWNER.wire)

    def test_unknown(self) -> None:
        """M-18.14-3, M-18.14-6: opaque both ways."""
        self.assertEqual(rdata_on_the_wire(999, OWNER.wire), OWNER.wire)
        self.assertEqual(rdata_read(999, SHORT), SHORT)


class PointerTests(SynchronousTestCase):
    """M-18.14-4: which pointers lead somewhere."""

    def questions(self, *names: bytes) -> list[Name]:
        """Return the names of a query with these names, as they stand on the wire."""
        head = struct.pack("!6H", 0, 0, len(names), 0, 0, 0)
        return [q.name for q in decode(head + b"".join([name + b"\0\1\0\1" for name in names])).questions]

    def test_to_a_name(self) -> None:
        """M-18.14-4."""
        self.assertEqual(self.questions(OWNER.wire, b"\xc0\x0c")[1], OWNER)

    def test_to_the_end_of_a_name(self) -> None:
        """M-18.14-4."""
        self.assertEqual(self.questions(OWNER.wire, b"\x01c\xc0\x0e")[1], Name.parse("c.local"))

    def test_to_a_pointer(self) -> None:
        """M-18.14-4: pointers to pointers."""
        second = 12 + len(OWNER.wire) + 4
        third = struct.pack("!H", 0xC000 | second)
        self.assertEqual(self.questions(OWNER.wire, b"\xc0\x0c", third, b"\x01x" + third)[2], OWNER)
        self.assertEqual(self.questions(OWNER.wire, b"\xc0\x0c", b"\x01x" + third)[2], OWNER.prefixed("x"))

    def test_to_the_root(self) -> None:
        """M-18.14-4."""
        self.assertEqual(self.questions(b"\x01a\0", b"\xc0\x0e")[1], ROOT)

    def test_into_rdata(self) -> None:
        """M-18.14-4: of a type that we do not know."""
        first = b"\0\x03\xe7\0\1\0\0\0\0\0\x07\x05local\0"
        second = b"\xc0\x17\x03\xe7\0\1\0\0\0\0\0\0"
        message = decode(b"\0\0\x84\0\0\0\0\2\0\0\0\0" + first + second)
        self.assertEqual(message.answers[1].name, Name.parse("local"))

    def test_to_the_target_of_a_known_answer(self) -> None:
        """M-18.14-4: which nobody sends, but may."""
        known = [
            records.pointer(OWNER, OWNER.prefixed("x"), 10),
            records.raw(OWNER.prefixed("x"), 999, b"", 10),
        ]
        octets = encode(Message(questions=[Question(OWNER, 12)], answers=known))
        self.assertEqual(decode(octets).answers, known)

    def test_owner_names_in_all_sections(self) -> None:
        """M-18.14-4."""
        record = b"\xc0\x0c\x03\xe7\0\1\0\0\0\0\0\0"
        message = decode(b"\0\0\x84\0\0\1\0\1\0\1\0\1" + OWNER.wire + b"\0\1\0\1" + record * 3)
        names = [section[0].name for section in (message.answers, message.authorities, message.additionals)]
        self.assertEqual(names, [OWNER] * 3)

    def test_to_itself(self) -> None:
        """M-18.14-4."""
        self.assertRaises(MalformedMessage, self.questions, b"\xc0\x0c")

    def test_to_its_own_labels(self) -> None:
        """M-18.14-4: a loop."""
        self.assertRaises(MalformedMessage, self.questions, b"\x01a\xc0\x0c")
        self.assertRaises(MalformedMessage, self.questions, b"\x01a\x01b\xc0\x0e")

    def test_to_each_other(self) -> None:
        """M-18.14-4: a loop of two."""
        self.assertRaises(MalformedMessage, self.questions, b"\xc0\x12", b"\xc0\x0c")

    def test_forward(self) -> None:
        """M-18.14-4."""
        self.assertRaises(MalformedMessage, self.questions, b"\xc0\x12", OWNER.wire)

    def test_over_the_end(self) -> None:
        """M-18.14-4."""
        self.assertRaises(MalformedMessage, self.questions, b"\xff\xff")

    def test_into_the_header(self) -> None:
        """The zero octets there are no name."""
        self.assertRaises(MalformedMessage, self.questions, b"\xc0\x02")

    def test_truncated(self) -> None:
        """M-18.14-4."""
        self.assertRaises(MalformedMessage, decode, b"\0\0\0\0\0\1\0\0\0\0\0\0\xc0")
        self.assertRaises(MalformedMessage, decode, b"\0\0\0\0\0\1\0\0\0\0\0\0\x05loc")

    def test_loop_in_rdata_costs_only_the_record(self) -> None:
        """M-18.14-4: here the bounds of the record are known."""
        record = b"\0\0\x0c\0\1\0\0\0\0\0\x02\xc0\x17"
        self.assertEqual(decode(b"\0\0\x84\0\0\0\0\1\0\0\0\0" + record).skipped, 1)

    def test_pointer_that_failed_once_fails_again(self) -> None:
        octets = b"\0\x03\xe7\0\1\0\0\0\0\0\x03\x01a\x80" + b"\0\0\x0c\0\1\0\0\0\0\0\x02\xc0\x17" * 2
        self.assertEqual(decode(b"\0\0\x84\0\0\0\0\3\0\0\0\0" + octets).skipped, 2)

    def test_forward_first_and_backward_later(self) -> None:
        """Where a pointer stands decides whether it is good, so a bad one spoils no good one."""
        forward = b"\0\0\x0c\0\1\0\0\0\0\0\x02\xc0\x24"
        target = b"\0\x03\xe7\0\1\0\0\0\0\0\x07\x05local\0"  # "local" at 0x24
        backward = b"\0\0\x0c\0\1\0\0\0\0\0\x02\xc0\x24"
        message = decode(b"\0\0\x84\0\0\0\0\3\0\0\0\0" + forward + target + backward)
        self.assertEqual((message.skipped, message.answers[1].data), (1, Name.parse("local")))

    def test_zero_octet_in_a_label(self) -> None:
        """A name that is known, and one that begins like it."""
        known = Name.from_wire(b"\x03a\0b\0")
        self.assertEqual(self.questions(known.wire), [known])
        self.assertEqual(self.questions(known.wire, b"\x01c\xc0\x0c")[1].labels, (b"c", b"a\0b"))


class FarNameTests(SynchronousTestCase):
    """A pointer has 14 bits."""

    def test_names_beyond_are_not_pointed_to(self) -> None:
        filler = records.raw(ROOT, 999, bytes(0x4000), 0)
        far = records.raw(OWNER, 999, b"", 0)
        message = Message(answers=[filler, far, far])
        self.assertEqual(encode(message).count(OWNER.wire), 2)
        self.assertEqual(decode(encode(message)), Message(answers=[filler, far, far]))

    def test_far_name_is_not_taken_for_a_near_one(self) -> None:
        """The name at 0x4000 + 12 is not what a pointer to 12 leads to."""
        first = records.raw(OWNER, 999, bytes(0x4000 - len(OWNER.wire) - 10), 0)
        second = records.raw(TARGET, 999, b"", 0)
        third = records.raw(OWNER, 999, b"", 0)
        message = Message(answers=[first, second, third])
        octets = encode(message)
        self.assertEqual(octets.index(b"\x01b"), 0x4000 + 12)
        self.assertEqual(decode(octets).answers[2].name, OWNER)


class LegacyTests(SynchronousTestCase):
    """Legacy unicast responses."""

    def test_targets_are_not_pointed_to_but_may_be_pointed_into(self) -> None:
        """M-18.14-7: the second SRV is written in full as well."""
        service = records.service(OWNER, 0, 0, 80, TARGET, 10)
        octets = encode(Message(questions=[Question(TARGET, 1)], answers=[service, service]), legacy=True)
        self.assertEqual(octets.count(bytes(5) + b"\x50" + FULL), 2)
