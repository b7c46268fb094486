"""What a response of a DNS server says to a question."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import Flag, RecordClass, RecordType, ResponseCode
from mcast.dns.messages import Message, Question
from mcast.dns.names import Name
from mcast.dns.records import Record, address, alias
from mcast.unicast.replies import MAX_ALIASES, Verdict, read_answer, soa_minimum
from tests.dns_client.lab import ZONE, soa

HOST = ZONE.prefixed("web")
OTHER = ZONE.prefixed("other")
QUESTION = Question(HOST, RecordType.A)
ANSWER = int(Flag.RESPONSE)


def response(
    *answers: Record, rcode: int = 0, authorities: tuple[Record, ...] = (), flags: int = 0
) -> Message:
    return Message(1, ANSWER | rcode | flags, [QUESTION], list(answers), list(authorities))


class AnswerTests(SynchronousTestCase):
    def test_records(self) -> None:
        found = read_answer(
            response(address(HOST, "192.0.2.1", 30), address(HOST, "192.0.2.2", 20)), QUESTION
        )
        self.assertEqual((found.verdict, len(found.records), found.ttl), (Verdict.ANSWERED, 2, 20))

    def test_other_records_do_not_count(self) -> None:
        found = read_answer(response(address(OTHER, "192.0.2.1", 30)), QUESTION)
        self.assertEqual(found.verdict, Verdict.DENIED)

    def test_alias(self) -> None:
        """RFC 1034 §3.6.2: the records have the name that was asked for, and the least TTL of the chain."""
        found = read_answer(response(alias(HOST, OTHER, 5), address(OTHER, "192.0.2.1", 30)), QUESTION)
        self.assertEqual((found.verdict, found.ttl, found.target), (Verdict.ANSWERED, 5, OTHER))
        self.assertEqual(found.records[0].name, HOST)

    def test_alias_alone(self) -> None:
        found = read_answer(response(alias(HOST, OTHER, 5)), QUESTION)
        self.assertEqual((found.verdict, found.target), (Verdict.ALIASED, OTHER))

    def test_aliases_in_a_circle(self) -> None:
        found = read_answer(response(alias(HOST, OTHER, 5), alias(OTHER, HOST, 5)), QUESTION)
        self.assertEqual(
            (found.verdict, found.reason),
            (Verdict.FAILED, f"more than {MAX_ALIASES} aliases one after the other"),
        )

    def test_denied(self) -> None:
        """RFC 2308 §5: for the lesser of the TTL of the SOA record and its minimum."""
        for minimum, ttl in ((10, 60), (60, 10)):
            found = read_answer(
                response(rcode=ResponseCode.NXDOMAIN, authorities=(soa(ZONE, minimum, ttl),)), QUESTION
            )
            self.assertEqual((found.verdict, found.ttl), (Verdict.DENIED, 10))

    def test_denied_without_soa(self) -> None:
        self.assertEqual(read_answer(response(), QUESTION).ttl, None)

    def test_referral(self) -> None:
        """RFC 2308 §2.1.1: NS records and no SOA record lead on to other servers."""
        ns = Record(ZONE, RecordType.NS, RecordClass.IN, 60, OTHER.wire)
        found = read_answer(response(authorities=(ns,)), QUESTION)
        self.assertEqual(found.verdict, Verdict.REFERRED)
        self.assertIn("refers to the servers of", found.reason)

    def test_failures(self) -> None:
        for rcode in (ResponseCode.SERVFAIL, ResponseCode.REFUSED):
            found = read_answer(response(rcode=rcode), QUESTION)
            self.assertEqual((found.verdict, found.reason), (Verdict.FAILED, rcode.name))

    def test_ttl_with_the_top_bit(self) -> None:
        """RFC 2181 §8."""
        found = read_answer(response(address(HOST, "192.0.2.1", 0x8000_0000)), QUESTION)
        self.assertEqual(found.ttl, 0)

    def test_soa_that_is_cut_short(self) -> None:
        short = Record(Name.parse("example.com"), RecordType.SOA, RecordClass.IN, 9, b"\0\0")
        self.assertEqual(soa_minimum(short), 0)
