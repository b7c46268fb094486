"""Known answers, and questions that others ask (RFC 6762 §7.1 to §7.3)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import QUERY_FLAGS
from mcast.dns.messages import Message, Question
from mcast.dns.records import Record, pointer, raw
from mcast.mdns.context import LinkSettings
from mcast.mdns.querier.query_packets import RECORD_OVERHEAD, Asked, query_packets
from mcast.testing import Capture
from tests.mdns.lab import ANY, IPV6, OTHER_PEER, PTR, RESOLVER, SRV, TXT, query
from tests.mdns.querier.asking_lab import (
    FAR,
    FAR_A,
    FAR_Q,
    ONE,
    ONE_PTR,
    ONE_SRV,
    ONE_SRV_Q,
    TWO,
    TWO_PTR,
    TYPE,
    TYPE_PTR,
    AskingLab,
    asked_at,
)


def instances(count: int) -> list[Record]:
    return [pointer(TYPE, TYPE.prefixed(f"Instance number {number:03}"), 4500) for number in range(count)]


def listing(question: Question, known: list[Record]) -> Asked:
    """A question with known answers."""
    return Asked(question, known, sum(RECORD_OVERHEAD + len(record.rdata) for record in known))


def known(sent: Capture) -> list[Record]:
    return [record for packet in sent for record in packet.message.answers]


class ListingTests(SynchronousTestCase):
    def test_in_the_next_query(self) -> None:
        """M-5.2-4: what has been answered is listed when the question is repeated."""
        lab = AskingLab()
        lab.want(TYPE_PTR)
        self.assertEqual(known(lab.pass_time(0.5)), [])
        lab.hear(ONE_PTR)
        self.assertEqual([record.identity for record in known(lab.pass_time(1))], [ONE_PTR.identity])

    def test_remaining_ttl(self) -> None:
        """RFC 6762 §7.1: the TTL listed is the time that is left, and not the one that was heard."""
        lab = AskingLab()
        lab.hear(ONE_PTR)
        lab.pass_time(1000)
        lab.want(TYPE_PTR)
        self.assertEqual([record.ttl for record in known(lab.pass_time(0.5))], [3499])

    def test_more_than_half(self) -> None:
        """M-7.1-4: with 51 of 100 seconds left a record is listed."""
        lab = AskingLab(point=0.0)
        lab.hear(ONE_PTR.with_ttl(100))
        lab.pass_time(48.98)
        lab.want(TYPE_PTR)
        self.assertEqual([record.ttl for record in known(lab.pass_time(0.5))], [51])

    def test_less_than_half(self) -> None:
        """M-7.1-4: with 49 of them it is not."""
        lab = AskingLab(point=0.0)
        lab.hear(ONE_PTR.with_ttl(100))
        lab.pass_time(50.98)
        lab.want(TYPE_PTR)
        self.assertEqual(known(lab.pass_time(0.5)), [])

    def test_shared_records_only(self) -> None:
        """M-7.1-1: shared records are listed, and for a unique one that is known there is no question at
        all."""
        lab = AskingLab()
        lab.hear(ONE_PTR, TWO_PTR, ONE_SRV)
        lab.want(TYPE_PTR, ONE_SRV_Q)
        sent = lab.pass_time(0.5)
        self.assertEqual(sent.queries.questions, [TYPE_PTR])
        self.assertEqual([record.data for record in known(sent)], [ONE, TWO])

    def test_without_cache_flush(self) -> None:
        """M-10.2-10: no record in a list of known answers has the cache-flush bit."""
        lab = AskingLab()
        lab.hear(ONE_PTR, ONE_SRV)
        lab.want(TYPE_PTR, Question(ONE, ANY))
        (packet,) = lab.pass_time(0.5)
        self.assertEqual([record.cache_flush for record in packet.message.answers], [False])
        self.assertNotIn(b"\x80\x01", packet.payload)

    def test_not_what_is_leaving(self) -> None:
        """After a goodbye a record is not listed, or its return would be kept from us."""
        lab = AskingLab()
        lab.want(TYPE_PTR)
        lab.hear(ONE_PTR)
        lab.pass_time(0.6)
        lab.hear(ONE_PTR.with_ttl(0))
        self.assertEqual(known(lab.pass_time(0.6)), [])

    def test_seen_ones_are_not_cached(self) -> None:
        """M-7.1-5: what other hosts list as known is not what we know."""
        lab = AskingLab()
        lab.want(TYPE_PTR)
        lab.ask(TYPE, PTR, known=[ONE_PTR])
        self.assertEqual(lab.known(TYPE_PTR), [])
        self.assertEqual(lab.changes(), [])


class SplitTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = AskingLab()
        self.records = instances(200)
        self.lab.hear(*self.records)
        self.lab.want(TYPE_PTR)
        self.sent = self.lab.pass_time(0.5)

    def test_first_packet_is_full(self) -> None:
        """M-7.2-1, M-17-1: it has the question, and known answers up to the size of a packet."""
        self.assertEqual(self.sent[0].message.questions, [TYPE_PTR])
        self.assertGreater(len(self.sent[0].payload), 1400)
        self.assertLessEqual(max(len(packet.payload) for packet in self.sent), 1472)

    def test_truncated_bit(self) -> None:
        """M-7.2-2: all packets but the last have TC."""
        self.assertGreater(len(self.sent), 3)
        bits = [packet.message.truncated for packet in self.sent]
        self.assertEqual(bits, [True] * (len(self.sent) - 1) + [False])

    def test_continuations(self) -> None:
        """M-7.2-3: the others follow at once, have no questions, and together nothing is missing or
        doubled."""
        self.assertEqual({packet.at for packet in self.sent}, {self.sent[0].at})
        self.assertEqual(
            [len(packet.message.questions) for packet in self.sent[1:]], [0] * (len(self.sent) - 1)
        )
        listed = [record.rdata for record in known(self.sent)]
        self.assertEqual(sorted(listed), sorted([record.rdata for record in self.records]))

    def test_queries_all(self) -> None:
        """M-18.2-1: the continuations too have QR and all else zero but for TC."""
        flags = {packet.message.flags for packet in self.sent}
        self.assertEqual(flags, {QUERY_FLAGS, 0x0200})


class PackingTests(SynchronousTestCase):
    """Questions and known answers into packets."""

    def test_plain_questions_join_listing_ones(self) -> None:
        """A packet with a few known answers takes further questions."""
        plain = [Question(TYPE.prefixed(f"{number}"), SRV) for number in range(20)]
        asking = [listing(TYPE_PTR, [ONE_PTR, TWO_PTR]), *[Asked(one) for one in plain]]
        packets = list(query_packets(asking, 1472))
        self.assertEqual(len(packets), 1)

    def test_plain_questions_do_not_push_answers_out(self) -> None:
        """Known answers that fit with their question stay with it, however many other questions there are."""
        plain = [Asked(Question(TYPE.prefixed(f"Instance {number}"), SRV)) for number in range(90)]
        packets = list(query_packets([*plain, listing(TYPE_PTR, instances(20))], 1472))
        self.assertEqual([packet[2] & 0x02 for packet in packets], [0] * len(packets))

    def test_a_record_that_fits_no_packet(self) -> None:
        """It cannot be listed; all others are."""
        large = raw(ONE, TXT, bytes([255]) + bytes(255), 4500)
        larger = raw(ONE, TXT, (bytes([255]) + bytes(255)) * 8, 4500)
        packets = list(query_packets([listing(Question(ONE, TXT), [larger, large])], 1472))
        self.assertEqual(len(packets), 1)
        self.assertGreater(len(packets[0]), 256)

    def test_an_mtu_below_every_question(self) -> None:
        """It makes us silent, and not busy for ever."""
        asking = [Asked(TYPE_PTR), listing(TYPE_PTR, [ONE_PTR])]
        self.assertEqual(list(query_packets(asking, 20)), [])

    def test_below_1500(self) -> None:
        """M-17-6: an interface with jumbo frames gets no larger queries."""
        lab = AskingLab(LinkSettings(ipv6=False, mtu=9000))
        lab.hear(*instances(200))
        lab.want(TYPE_PTR)
        self.assertLessEqual(max(len(packet.payload) for packet in lab.pass_time(0.5)), 1472)

    def test_over_ipv6(self) -> None:
        """M-17-1: with 40 octets of IPv6 header a query has 1452 at most."""
        lab = AskingLab(IPV6)
        lab.hear(*instances(200), source=("fe80::9", 5353))
        lab.want(TYPE_PTR)
        largest = max(len(packet.payload) for packet in lab.pass_time(0.5))
        self.assertGreater(largest, 1400)
        self.assertLessEqual(largest, 1452)


class DuplicateQuestionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = AskingLab(point=0.0)
        self.lab.want(TYPE_PTR)
        self.lab.pass_time(0.5)
        # The next query is due at 11.07, and the one after it 2.1 s later.
        self.lab.run(10.95)

    def next_query(self) -> float:
        return asked_at(self.lab.run(30), TYPE_PTR)[0]

    def test_counts_as_ours(self) -> None:
        """M-7.3-1: the same question of another host takes the place of ours, and the series goes on."""
        self.lab.ask(TYPE, PTR)
        self.assertGreaterEqual(self.next_query(), 10.95 + 2.0)

    def test_in_another_case(self) -> None:
        """M-16-5: names are compared without regard to case."""
        self.lab.ask(TYPE.from_labels([label.upper() for label in TYPE.labels]), PTR)
        self.assertGreaterEqual(self.next_query(), 10.95 + 2.0)

    def test_a_qu_question_does_not(self) -> None:
        """M-7.3-2: its answer goes to the other host."""
        self.lab.ask(TYPE, PTR, unicast=True)
        self.assertLess(self.next_query(), 11.1)

    def test_unknown_known_answers(self) -> None:
        """M-7.3-2: nor does one with a known answer that we do not know: we would not hear it."""
        self.lab.ask(TYPE, PTR, known=[ONE_PTR])
        self.assertLess(self.next_query(), 11.1)

    def test_known_known_answers(self) -> None:
        """M-7.3-1: but a question that lists only what we would list ourselves takes the place of ours."""
        self.lab.hear(ONE_PTR)
        self.lab.ask(TYPE, PTR, OTHER_PEER, known=[ONE_PTR])
        self.assertGreaterEqual(self.next_query(), 10.95 + 2.0)

    def test_truncated(self) -> None:
        """The rest of its known answers may hold what we do not know."""
        self.lab.ask(TYPE, PTR, truncated=True)
        self.assertLess(self.next_query(), 11.1)

    def test_of_a_simple_resolver(self) -> None:
        """It is answered by unicast, to another port than ours."""
        self.lab.ask(TYPE, PTR, RESOLVER)
        self.assertLess(self.next_query(), 11.1)

    def test_sent_by_unicast(self) -> None:
        self.lab.ask(TYPE, PTR, multicast=False)
        self.assertLess(self.next_query(), 11.1)

    def test_another_type(self) -> None:
        self.lab.ask(TYPE, TXT)
        self.assertLess(self.next_query(), 11.1)

    def test_long_before(self) -> None:
        """A question asked right after ours has been answered together with it, and ours stays due."""
        lab = AskingLab(point=0.0)
        lab.want(TYPE_PTR)
        lab.run(10.1)
        lab.ask(TYPE, PTR)
        self.assertEqual(asked_at(lab.run(12), TYPE_PTR), [11.07])

    def test_before_the_first(self) -> None:
        """The first query of a series is spared as well."""
        lab = AskingLab(point=1.0)
        lab.want(FAR_Q)
        lab.pass_time(0.05)
        lab.ask(FAR, FAR_Q.type, OTHER_PEER)
        self.assertEqual(asked_at(lab.pass_time(1.0), FAR_Q), [])

    def test_our_own_echo(self) -> None:
        """A query that comes back to its sender is no other host's."""
        lab = AskingLab(up_for=10)
        lab.hear(FAR_A)
        lab.want(TYPE_PTR)
        (packet,) = lab.pass_time(0.5)
        own = ("192.168.1.2", 5353)
        lab.feed(packet.payload, own)
        self.assertEqual(asked_at(lab.pass_time(1), TYPE_PTR), [11.12])

    def test_a_question_in_a_message_of_many(self) -> None:
        """M-5.3-1: a question means the same alone and among others."""
        self.lab.feed(query(FAR_Q, TYPE_PTR, ONE_SRV_Q), OTHER_PEER)
        self.assertGreaterEqual(self.next_query(), 10.95 + 2.0)

    def test_a_probe_is_another_question(self) -> None:
        self.lab.feed(Message(questions=[Question(TYPE, ANY)], authorities=[ONE_PTR]), OTHER_PEER)
        self.assertLess(self.next_query(), 11.1)
