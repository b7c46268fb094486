"""Messages against octets that were written out by hand (RFC 1035 §4, RFC 6762 §18)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns import records
from mcast.dns.codes import QUERY_FLAGS, RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, PseudoRecord, Question, decode, encode
from mcast.dns.names import LOCAL, ROOT, Name
from mcast.dns.records import NextSecure, Record
from mcast.errors import MalformedMessage

TYPE = Name.parse("_http._tcp.local.")
WEB = Name.parse("Web._http._tcp.local.")
HOST = Name.parse("host.local.")

QUERY = (
    b"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    b"\x05_http\x04_tcp\x05local\x00\x00\x0c\x80\x01"  # the name stands at 0x0c, "local" at 0x17
)

RESPONSE = (
    b"\x00\x00\x84\x00\x00\x00\x00\x01\x00\x00\x00\x04"
    b"\x05_http\x04_tcp\x05local\x00\x00\x0c\x00\x01\x00\x00\x11\x94\x00\x06\x03Web\xc0\x0c"  # "Web" at 0x28
    b"\xc0\x28\x00\x21\x80\x01\x00\x00\x00\x78\x00\x0d\x00\x00\x00\x00\x1f\x90\x04host\xc0\x17"  # at 0x40
    b"\xc0\x28\x00\x10\x80\x01\x00\x00\x11\x94\x00\x07\x06path=/"
    b"\xc0\x40\x00\x01\x80\x01\x00\x00\x00\x78\x00\x04\xc0\x00\x02\x01"
    b"\xc0\x40\x00\x2f\x80\x01\x00\x00\x00\x78\x00\x08\xc0\x40\x00\x04\x40\x00\x00\x08"
)


def response(*octets: bytes) -> bytes:
    """Return a response with these records as answers."""
    return b"\x00\x00\x84\x00\x00\x00" + len(octets).to_bytes(2, "big") + bytes(4) + b"".join(octets)


class QueryTests(SynchronousTestCase):
    """A query for web servers that takes unicast responses."""

    def test_encode(self) -> None:
        """M-5.4-1: the unicast-response bit is the top bit of the class."""
        question = Question(TYPE, RecordType.PTR, unicast=True)
        self.assertEqual(encode(Message(questions=[question])), QUERY)

    def test_decode(self) -> None:
        """M-5.4-1: the class is the low 15 bits."""
        message = decode(QUERY)
        self.assertEqual(message.questions, [Question(TYPE, 12, 1, unicast=True)])
        self.assertEqual(message.questions[0].rclass, 1)
        self.assertFalse(message.is_response)

    def test_without_unicast_bit(self) -> None:
        """M-5.4-1."""
        self.assertFalse(decode(QUERY[:-2] + b"\x00\x01").questions[0].unicast)

    def test_key_ignores_case_and_unicast_bit(self) -> None:
        """M-5.4-1, M-16-5."""
        first = Question(Name.parse("A.local"), 1, 1, unicast=True)
        second = Question(Name.parse("a.LOCAL"), 1)
        self.assertEqual(first.key, second.key)
        self.assertNotEqual(first, second)

    def test_second_question_is_compressed(self) -> None:
        """M-18.14-1: successive questions of a query use pointers."""
        message = Message(questions=[Question(WEB, 33), Question(WEB, 16), Question(TYPE, 12)])
        self.assertEqual(
            encode(message),
            b"\x00\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00"
            b"\x03Web\x05_http\x04_tcp\x05local\x00\x00\x21\x00\x01"
            b"\xc0\x0c\x00\x10\x00\x01"
            b"\xc0\x10\x00\x0c\x00\x01",
        )

    def test_known_answers_and_proposed_records_are_compressed(self) -> None:
        """M-18.14-1: in queries as well."""
        message = Message(
            questions=[Question(TYPE, 12)],
            answers=[records.pointer(TYPE, WEB, 4500)],
            authorities=[records.pointer(TYPE, WEB, 4500)],
        )
        self.assertEqual(
            encode(message)[12:],
            b"\x05_http\x04_tcp\x05local\x00\x00\x0c\x00\x01"
            b"\xc0\x0c\x00\x0c\x00\x01\x00\x00\x11\x94\x00\x06\x03Web\xc0\x0c"
            b"\xc0\x0c\x00\x0c\x00\x01\x00\x00\x11\x94\x00\x02\xc0\x2e",
        )


class ResponseTests(SynchronousTestCase):
    """The announcement of a web server."""

    message = Message(
        flags=RESPONSE_FLAGS,
        answers=[records.pointer(TYPE, WEB, 4500)],
        additionals=[
            records.service(WEB, 0, 0, 8080, HOST, 120, cache_flush=True),
            records.text(WEB, [b"path=/"], 4500, cache_flush=True),
            records.address(HOST, "192.0.2.1", 120, cache_flush=True),
            records.next_secure(HOST, [RecordType.A, RecordType.AAAA], 120),
        ],
    )

    def test_encode(self) -> None:
        """M-18.14-1, M-6.1-4: each suffix stands once, and the next name of NSEC takes two octets."""
        self.assertEqual(encode(self.message), RESPONSE)

    def test_decode(self) -> None:
        """M-18.14-5: compressed targets of PTR and SRV, and the next name of NSEC."""
        self.assertEqual(decode(RESPONSE), self.message)

    def test_legacy(self) -> None:
        """M-18.14-7: the target of SRV is written in full, that of PTR is not."""
        octets = encode(self.message, legacy=True)
        self.assertIn(b"\x00\x00\x00\x00\x1f\x90\x04host\x05local\x00", octets)
        self.assertIn(b"\x00\x06\x03Web\xc0\x0c", octets)
        self.assertEqual(decode(octets), self.message)

    def test_flags(self) -> None:
        """QR and AA, and no other (RFC 6762 §18.2 to §18.11)."""
        message = decode(RESPONSE)
        self.assertTrue(message.is_response)
        self.assertTrue(message.authoritative)
        self.assertFalse(message.truncated)
        self.assertEqual((message.opcode, message.rcode), (0, 0))

    def test_case_is_kept(self) -> None:
        """M-16-5: a name in other case is no match for a pointer, since it would change the spelling."""
        message = Message(
            questions=[Question(Name.parse("HOST.local"), 1)], answers=[self.message.additionals[2]]
        )
        decoded = decode(encode(message))
        self.assertEqual(str(decoded.questions[0].name), "HOST.local.")
        self.assertEqual(str(decoded.answers[0].name), "host.local.")


class HeaderTests(SynchronousTestCase):
    """The first twelve octets."""

    def test_query_flags(self) -> None:
        """All bits of a query are zero (RFC 6762 §18.2 to §18.11)."""
        self.assertEqual(QUERY_FLAGS, 0)
        self.assertEqual(encode(Message()), bytes(12))

    def test_equal(self) -> None:
        self.assertEqual(Message(7, questions=[Question(HOST, 1)]), Message(7, questions=[Question(HOST, 1)]))
        self.assertNotEqual(Message(7), Message(8))
        self.assertNotEqual(Message(), None)
        self.assertRaises(TypeError, hash, Message())

    def test_shown(self) -> None:
        self.assertEqual(repr(Message(7, 0x8400)), "Message(7, 33792, (), (), (), (), (), 0)")

    def test_fields(self) -> None:
        message = decode(b"\xbe\xef\xaa\x05" + bytes(8))
        self.assertEqual(message.id, 0xBEEF)
        self.assertEqual((message.opcode, message.rcode), (5, 5))
        self.assertTrue(message.truncated)
        self.assertFalse(message.authoritative)

    def test_out_of_range(self) -> None:
        self.assertRaises(ValueError, encode, Message(id=65536))
        self.assertRaises(ValueError, encode, Message(flags=-1))

    def test_any_kind_of_octets(self) -> None:
        self.assertEqual(decode(bytearray(QUERY)), decode(QUERY))
        self.assertEqual(decode(memoryview(QUERY)), decode(QUERY))

    def test_octets_after_the_message(self) -> None:
        """They are passed over, as dnslib does."""
        self.assertEqual(decode(QUERY + b"\xff\xff"), decode(QUERY))


class ClassTests(SynchronousTestCase):
    """The class of a record and the bit above it."""

    def test_flush_bit_in_every_section(self) -> None:
        """M-10.2-12, M-18.13-1: it is masked off the class wherever the record stands."""
        octets = b"\x00\x00\x01\x80\x01\x00\x00\x00\x78\x00\x04\xc0\x00\x02\x01"
        message = decode(b"\0\0\x84\0\0\0\0\1\0\1\0\1" + octets * 3)
        expected = Record(ROOT, 1, 1, 120, b"\xc0\x00\x02\x01", True)
        self.assertEqual((message.answers, message.authorities), ([expected], [expected]))
        self.assertEqual(message.additionals, [expected])
        self.assertEqual(message.answers[0].rclass, 1)

    def test_class_above_15_bits(self) -> None:
        """M-22-2: the encoder refuses it in records and questions."""
        self.assertEqual(encode(Message(answers=[Record(ROOT, 999, 0x7FFF, 0, b"")]))[15:17], b"\x7f\xff")
        self.assertRaises(ValueError, encode, Message(answers=[Record(ROOT, 999, 0x8000, 0, b"")]))
        self.assertRaises(ValueError, encode, Message(questions=[Question(ROOT, 1, 0x8001)]))

    def test_octets_after_the_root(self) -> None:
        """Though they are a name that was written already."""
        broken = Record(HOST, RecordType.PTR, 1, 0, ROOT.wire + HOST.wire)
        self.assertRaises(ValueError, encode, Message(answers=[broken]))

    def test_rdata_of_another_layout(self) -> None:
        """What could be read by nobody is not written."""
        self.assertRaises(ValueError, encode, Message(answers=[Record(ROOT, 12, 1, 0, b"\x01a\0\0")]))
        self.assertRaises(ValueError, encode, Message(answers=[Record(ROOT, 12, 1, 0, b"\x01a")]))
        self.assertRaises(ValueError, encode, Message(answers=[Record(ROOT, 6, 1, 0, b"\0\0")]))

    def test_numbers_out_of_range(self) -> None:
        self.assertRaises(ValueError, encode, Message(answers=[Record(ROOT, 65536, 1, 0, b"")]))
        self.assertRaises(ValueError, encode, Message(answers=[Record(ROOT, 999, 1, -1, b"")]))
        self.assertRaises(ValueError, encode, Message(answers=[Record(ROOT, 999, 1, 0, bytes(65536))]))
        self.assertRaises(ValueError, encode, Message(questions=[Question(ROOT, 65536)]))


class PseudoRecordTests(SynchronousTestCase):
    """OPT and its like say something of the message."""

    OPT = b"\x00\x00\x29\x8f\xa0\x00\x00\x00\x00\x00\x00"

    def test_opt(self) -> None:
        """M-10.2-13: the class is a payload size, and the record is no record."""
        message = decode(b"\0\0\x84\0\0\0\0\0\0\0\0\1" + self.OPT)
        self.assertEqual(message.additionals, [])
        self.assertEqual(message.pseudo, [PseudoRecord(ROOT, 41, 0x8FA0, 0, b"")])
        self.assertEqual(message.pseudo[0].rclass, 36768)

    def test_no_opt(self) -> None:
        self.assertEqual(decode(QUERY).pseudo, ())

    def test_signatures_of_the_message(self) -> None:
        """M-10.2-13: TSIG, TKEY and SIG(0)."""
        octets = b"".join(
            [
                b"\x00" + rtype.to_bytes(2, "big") + b"\x00\xff\x00\x00\x00\x00\x00\x02\x00\x00"
                for rtype in (24, 249, 250)
            ]
        )
        message = decode(b"\0\0\0\0\0\0\0\0\0\0\0\3" + octets)
        self.assertEqual([record.type for record in message.pseudo], [24, 249, 250])
        self.assertEqual(message.additionals, [])

    def test_round_trip(self) -> None:
        octets = b"\0\0\x84\0\0\0\0\0\0\0\0\1" + self.OPT
        self.assertEqual(encode(decode(octets)), octets)

    def test_encoder_wants_them_apart(self) -> None:
        self.assertRaises(ValueError, encode, Message(additionals=[Record(ROOT, 41, 1, 0, b"")]))


class MalformedRecordTests(SynchronousTestCase):
    """A record that cannot be read costs no other record (RFC 6762 §6.1)."""

    ADDRESS = b"\x00\x00\x01\x00\x01\x00\x00\x00\x78\x00\x04\xc0\x00\x02\x01"

    def left_out(self, rtype: int, rdata: bytes) -> None:
        """Check that a record is left out and the one behind it is not."""
        broken = (
            b"\x00" + rtype.to_bytes(2, "big") + b"\0\1\0\0\0\x78" + len(rdata).to_bytes(2, "big") + rdata
        )
        message = decode(response(broken, self.ADDRESS))
        self.assertEqual([record.type for record in message.answers], [1])
        self.assertEqual(message.skipped, 1)

    def test_nsec_bitmap_of_no_octets(self) -> None:
        """M-6.1-8, M-6.1-4."""
        self.left_out(47, b"\x00\x00\x00")

    def test_nsec_bitmap_of_33_octets(self) -> None:
        """M-6.1-8, M-6.1-4."""
        self.left_out(47, b"\x00\x00\x21" + bytes(33))

    def test_nsec_bitmap_over_the_end(self) -> None:
        """M-6.1-8."""
        self.left_out(47, b"\x00\x00\x04\x40")

    def test_nsec_blocks_out_of_order(self) -> None:
        """M-6.1-8."""
        self.left_out(47, b"\x00\x01\x01\x40\x00\x01\x40")

    def test_nsec_name_is_broken(self) -> None:
        """M-6.1-8."""
        self.left_out(47, b"\x80\x00\x01\x40")

    def test_nsec_cut_after_the_block_number(self) -> None:
        """M-6.1-8."""
        self.left_out(47, b"\x00\x00")

    def test_ipv4_address_of_three_octets(self) -> None:
        self.left_out(1, b"\x01\x02\x03")

    def test_ipv6_address_of_four_octets(self) -> None:
        self.left_out(28, b"\x01\x02\x03\x04")

    def test_string_over_the_end(self) -> None:
        self.left_out(16, b"\x05path")

    def test_one_string_of_two(self) -> None:
        self.left_out(13, b"\x03ARM")

    def test_target_shorter_than_rdata(self) -> None:
        self.left_out(12, b"\x01a\x00\x00")

    def test_target_longer_than_rdata(self) -> None:
        self.left_out(12, b"\x01a")

    def test_service_without_target(self) -> None:
        self.left_out(33, bytes(6))

    def test_mail_exchange_with_more_behind(self) -> None:
        self.left_out(15, b"\x00\x05\x01a\x00\x00")

    def test_next_name_of_another_host(self) -> None:
        """M-6.1-4: the next name has no meaning, and any is read."""
        octets = b"\x00\x00\x2f\x00\x01\x00\x00\x00\x78\x00\x06\x01a\x00\x00\x01\x40"
        self.assertEqual(
            decode(response(octets)).answers[0].data, NextSecure(Name.parse("a"), frozenset({1}))
        )

    def test_nsec_of_one_octet_and_of_32(self) -> None:
        """M-6.1-4: the shortest and the longest bitmap are read."""
        short = b"\x00\x00\x2f\x00\x01\x00\x00\x00\x78\x00\x04\x00\x00\x01\x40"
        long = b"\x00\x00\x2f\x00\x01\x00\x00\x00\x78\x00\x23\x00\x00\x20\x40" + bytes(31)
        message = decode(response(short, long))
        self.assertEqual([record.data for record in message.answers], [NextSecure(ROOT, frozenset({1}))] * 2)

    def test_empty_rdata_is_a_record(self) -> None:
        """M-E-2: of a type that we do not know, and of TXT."""
        empty = b"\x00\x03\xe7\x00\x01\x00\x00\x00\x78\x00\x00"
        text = b"\x00\x00\x10\x00\x01\x00\x00\x00\x78\x00\x00"
        message = decode(response(empty, text))
        self.assertEqual([record.rdata for record in message.answers], [b"", b""])
        self.assertEqual(encode(message)[12:], empty + text)


class MalformedMessageTests(SynchronousTestCase):
    """A message whose bounds make no sense is refused as a whole."""

    def test_no_header(self) -> None:
        self.assertRaises(MalformedMessage, decode, b"")
        self.assertRaises(MalformedMessage, decode, QUERY[:11])

    def test_cut_anywhere(self) -> None:
        """Each beginning of a message is refused."""
        for size in range(len(RESPONSE)):
            self.assertRaises(MalformedMessage, decode, RESPONSE[:size])

    def test_counts_too_high(self) -> None:
        self.assertRaises(MalformedMessage, decode, b"\0\0\0\0" + b"\xff" * 8)
        self.assertRaises(MalformedMessage, decode, b"\0\0\0\0" + b"\xff" * 8 + QUERY[12:])

    def test_rdata_over_the_end(self) -> None:
        self.assertRaises(MalformedMessage, decode, response(b"\x00\x03\xe7\x00\x01\x00\x00\x00\x78\x00\x01"))

    def test_where_reading_stopped(self) -> None:
        error = self.assertRaises(MalformedMessage, decode, QUERY[:-1])
        self.assertEqual(error.offset, len(QUERY) - 1)

    def test_owner_name_too_long(self) -> None:
        """M-C-1: 256 octets before the zero octet."""
        question = (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1"
        self.assertRaises(MalformedMessage, decode, b"\0\0\0\0\0\1\0\0\0\0\0\0" + question)

    def test_longest_owner_name(self) -> None:
        """M-C-1, M-3-7: 255 octets and the zero octet, read and written again."""
        question = (b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"b" * 62 + b"\0\0\1\0\1"
        octets = b"\0\0\0\0\0\1\0\0\0\0\0\0" + question
        self.assertEqual(encode(decode(octets)), octets)

    def test_name_too_long_by_a_pointer(self) -> None:
        """M-C-1."""
        first = (b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"b" * 62 + b"\0\0\1\0\1"
        second = b"\x01c\xc0\x0c\0\1\0\1"
        self.assertRaises(MalformedMessage, decode, b"\0\0\0\0\0\2\0\0\0\0\0\0" + first + second)

    def test_reserved_label_lengths(self) -> None:
        """M-C-2."""
        for length in (0x40, 0x7F, 0x80, 0xBF):
            octets = b"\0\0\0\0\0\1\0\0\0\0\0\0" + bytes([length]) + b"a" * length + b"\0\0\1\0\1"
            self.assertRaises(MalformedMessage, decode, octets)

    def test_local_is_read(self) -> None:
        """The shortest of all sensible questions, as a control of the tests above."""
        self.assertEqual(
            decode(b"\0\0\0\0\0\1\0\0\0\0\0\0\x05local\0\0\1\0\1").questions[0], Question(LOCAL, 1)
        )
