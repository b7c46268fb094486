from __future__ import annotations

from dnslib import DNSRecord
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns import records
from mcast.dns.codes import Flag
from mcast.dns.messages import Message, PseudoRecord, Question, decode, encode
from mcast.dns.names import ROOT, Name
from mcast.unicast.edns import Edns, Option
from mcast.unicast.responses import Query, Refusal, encode_response, read_query

NAME = Name.parse("_http._tcp.Building 1.example.com")


def asked(
    rtype: int = 12, *, rclass: int = 1, edns: Edns | None = None, flags: int = 0, opcode: int = 0
) -> bytes:
    pseudo = [] if edns is None else [edns.record()]
    questions = [Question(NAME, rtype, rclass)]
    return encode(Message(7, flags | opcode << 11, questions=questions, pseudo=pseudo))


def refused(message: bytes) -> Message | None:
    try:
        read_query(message, stream=False)
    except Refusal as refusal:
        return decode(refusal.response) if refusal.response else None
    raise AssertionError("it is answered")


def pointers(count: int) -> list[records.Record]:
    return [records.pointer(NAME, NAME.prefixed(f"Web {number}"), 10) for number in range(count)]


class ReadingTests(SynchronousTestCase):
    """What is answered, and with which code what is not."""

    def test_query(self) -> None:
        query = read_query(asked(edns=Edns(4096)), stream=False)
        self.assertEqual((query.id, query.question, query.size), (7, Question(NAME, 12), 1232))

    def test_sizes(self) -> None:
        self.assertEqual(read_query(asked(), stream=False).size, 512)
        self.assertEqual(read_query(asked(edns=Edns(600)), stream=False).size, 600)
        self.assertEqual(read_query(asked(), stream=True).size, 65535)

    def test_same_octets_same_answer(self) -> None:
        """Not with options such as a cookie, which nobody sends twice."""
        self.assertTrue(read_query(asked(edns=Edns()), stream=False).is_plain)
        cookie = Edns(options=(Option(10, b"12345678"),))
        self.assertFalse(read_query(asked(edns=cookie), stream=False).is_plain)

    def test_no_answer_at_all(self) -> None:
        self.assertIsNone(refused(b"short"))
        self.assertIsNone(refused(asked(flags=Flag.RESPONSE)))

    def test_codes(self) -> None:
        for message, rcode in (
            (asked(opcode=5), 5),
            (asked(opcode=4), 4),
            (asked(opcode=6), 4),
            (asked(252), 5),
            (asked(251), 5),
            (asked(rclass=3), 5),
            (asked(250), 4),
            (asked()[:-1], 1),
            (encode(Message()), 1),
            (encode(Message(questions=[Question(NAME, 1)] * 2)), 1),
        ):
            found = refused(message)
            assert found is not None
            self.assertEqual((found.rcode, found.is_response), (rcode, True), message)

    def test_question_comes_back_as_it_came(self) -> None:
        """RFC 6762 §18.12: the top bit of the class is no flag in conventional DNS."""
        asked_for = Question(NAME, 12, 1, unicast=True)
        found = refused(encode(Message(7, questions=[asked_for])))
        assert found is not None
        self.assertEqual((found.rcode, found.questions), (5, [asked_for]))

    def test_later_version_of_edns(self) -> None:
        """RFC 6891 §6.1.3: BADVERS, and the highest version that we speak."""
        found = refused(asked(edns=Edns(version=1)))
        assert found is not None
        (opt,) = found.pseudo
        self.assertEqual((found.rcode, opt.ttl), (0, 1 << 24))

    def test_two_opt_records(self) -> None:
        found = refused(encode(Message(questions=[Question(NAME, 1)], pseudo=[Edns().record()] * 2)))
        assert found is not None
        self.assertEqual(found.rcode, 1)

    @settings(deadline=None)
    @given(st.binary(max_size=60), st.booleans())
    def test_any_octets(self, message: bytes, stream: bool) -> None:
        try:
            read_query(message, stream=stream)
        except Refusal as refusal:
            self.assertLessEqual(len(refusal.response), max(12, len(message) + 11))


class WritingTests(SynchronousTestCase):
    """Responses fit, and other programs read them."""

    def query(self, edns: Edns | None = None, *, stream: bool = False, flags: int = 0) -> Query:
        return read_query(asked(edns=edns, flags=flags), stream=stream)

    def test_flags(self) -> None:
        """Authoritative, never recursive; RD is copied (RFC 1035 §4.1.1)."""
        found = decode(encode_response(self.query(flags=Flag.RECURSION_DESIRED | Flag.AUTHENTIC_DATA)))
        self.assertEqual(found.flags, Flag.RESPONSE | Flag.AUTHORITATIVE | Flag.RECURSION_DESIRED)

    def test_dnssec_ok(self) -> None:
        """RFC 3225 §3: it is copied, and no other bit."""
        for bit in (True, False):
            found = decode(encode_response(self.query(Edns(dnssec_ok=bit))))
            self.assertEqual([opt.ttl for opt in found.pseudo], [0x8000 if bit else 0])

    def test_truncated(self) -> None:
        response = encode_response(self.query(), answers=pointers(100), additionals=pointers(1))
        found = decode(response)
        self.assertEqual((found.truncated, len(found.answers), len(found.additionals)), (True, 0, 0))

    def test_edns_has_room_for_more(self) -> None:
        response = encode_response(self.query(Edns(1232)), answers=pointers(30))
        self.assertLessEqual(len(response), 1232)
        found = decode(response)
        self.assertEqual((found.truncated, len(found.answers), len(found.pseudo)), (False, 30, 1))

    def test_as_many_as_fit_into_a_stream(self) -> None:
        response = encode_response(self.query(stream=True), answers=pointers(5000))
        found = decode(response)
        self.assertTrue(found.truncated)
        self.assertGreater(len(found.answers), 2500)

    def test_additionals_are_left_out(self) -> None:
        found = decode(encode_response(self.query(), answers=pointers(8), additionals=pointers(100)))
        self.assertFalse(found.truncated)
        self.assertLess(len(found.additionals), 20)

    def test_targets_of_services_are_not_compressed(self) -> None:
        """RFC 2782: "name compression is not to be used for this field"."""
        srv = records.service(NAME, 0, 0, 80, NAME, 10)
        response = encode_response(self.query(), answers=[srv])
        self.assertTrue(response.endswith(NAME.wire))

    def test_another_library_reads_it(self) -> None:
        response = encode_response(self.query(Edns()), answers=pointers(3), authorities=pointers(1))
        read = DNSRecord.parse(response)
        self.assertEqual((len(read.rr), len(read.auth), len(read.ar)), (3, 1, 1))

    def test_pseudo_record_is_the_root(self) -> None:
        (opt,) = decode(encode_response(self.query(Edns()))).pseudo
        self.assertEqual(opt, PseudoRecord(ROOT, 41, 1232, 0, b""))
