"""When questions are asked (RFC 6762 §5.2, §5.3, §5.4)."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import address, pointer
from mcast.mdns.constants import REFRESH_GRID, REFRESH_POINTS, REFRESH_SPACING, REFRESH_VARIATION
from mcast.mdns.context import LinkSettings
from mcast.mdns.querier.cache_cells import Lifetime
from mcast.mdns.querier.question_series import QuestionSeries
from tests.mdns.lab import AAAA, ANY, PTR, SRV, TXT, A
from tests.mdns.querier.asking_lab import (
    FAR,
    FAR_A,
    FAR_Q,
    ONE,
    ONE_PTR,
    ONE_SRV,
    ONE_SRV_Q,
    TYPE,
    TYPE_PTR,
    AskingLab,
    asked_at,
    gaps,
)


class FirstQueryTests(SynchronousTestCase):
    def test_at_the_lower_end(self) -> None:
        """M-5.2-6: the first query of a series is delayed by 20 ms at least."""
        lab = AskingLab(point=0.0)
        lab.want(TYPE_PTR)
        self.assertEqual(asked_at(lab.pass_time(0.5), TYPE_PTR), [10.020])

    def test_at_the_upper_end(self) -> None:
        """M-5.2-6: and by 120 ms at most."""
        lab = AskingLab(point=1.0)
        lab.want(TYPE_PTR)
        self.assertEqual(asked_at(lab.pass_time(0.5), TYPE_PTR), [10.120])

    def test_spread(self) -> None:
        """M-5.2-6: the delay is random: hosts that start together do not ask together."""
        times = set()
        for seed in range(40):
            lab = AskingLab(rng=Random(seed))
            lab.want(TYPE_PTR)
            times.add(asked_at(lab.pass_time(0.5), TYPE_PTR)[0])
        self.assertGreater(len(times), 30)
        self.assertLess(min(times), 10.040)
        self.assertGreater(max(times), 10.100)

    def test_only_multicast(self) -> None:
        """M-3-3: a query for a name in .local goes to the group, in any case of letters."""
        lab = AskingLab()
        lab.want(Question(Name.parse("A.LOCAL"), A))
        self.assertEqual([packet.to for packet in lab.pass_time(0.5)], [None])

    def test_reverse_mapping_is_multicast(self) -> None:
        """M-4-1, M-4-2: so do queries for link-local addresses, whose names lie outside of .local."""
        lab = AskingLab()
        lab.want(
            Question(Name.parse("4.3.254.169.in-addr.arpa"), PTR),
            Question(Name.parse("1.0.0.0.0.8.e.f.ip6.arpa"), PTR),
        )
        (packet,) = lab.pass_time(0.5)
        self.assertIsNone(packet.to)
        self.assertEqual(len(packet.message.questions), 2)

    def test_header_is_zero(self) -> None:
        """M-18.1-4: the ID of a multicast query is zero, and so is every flag."""
        lab = AskingLab()
        lab.want(TYPE_PTR)
        (packet,) = lab.pass_time(0.5)
        self.assertEqual(packet.payload[:4], b"\0\0\0\0")


class IntervalTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = AskingLab()
        self.lab.want(TYPE_PTR)

    def test_first_interval_is_a_second(self) -> None:
        """M-5.2-2: at least one second lies between the first two queries."""
        first = gaps(asked_at(self.lab.pass_time(3), TYPE_PTR))[0]
        self.assertGreaterEqual(first, 1.0)
        self.assertLess(first, 1.2)

    def test_intervals_double(self) -> None:
        """M-5.2-3: each interval is at least twice the one before, up to the hour."""
        intervals = gaps(asked_at(self.lab.pass_time(7000), TYPE_PTR))
        self.assertGreater(len(intervals), 10)
        growth = [later / earlier for earlier, later in pairwise(intervals)]
        self.assertGreaterEqual(min(growth), 2.0)

    def test_capped_at_an_hour(self) -> None:
        """M-5.2-5: then one query an hour, and never one sooner."""
        intervals = gaps(asked_at(self.lab.pass_time(36000), TYPE_PTR))
        hourly = [interval for interval in intervals if interval > 3000]
        self.assertGreaterEqual(len(hourly), 7)
        self.assertGreaterEqual(min(hourly), 3600)
        self.assertLess(max(hourly), 3601)

    def test_until_cancelled(self) -> None:
        """M-5.2-1: a question is asked on after answers, and no more once nobody wants to know."""
        self.lab.pass_time(0.5)
        self.lab.hear(ONE_PTR)
        self.assertEqual(len(asked_at(self.lab.pass_time(10), TYPE_PTR)), 3)
        self.lab.drop(TYPE_PTR)
        self.assertEqual(self.lab.pass_time(20000).queries.questions, [])

    def test_a_late_timer_does_not_hurry(self) -> None:
        """M-5.2-2: when a timer fires late, the next interval counts from then."""
        self.lab.pass_time(0.2)
        self.lab.now += 1.9
        self.lab.link.advance(self.lab.now)
        late = asked_at(self.lab.collect(), TYPE_PTR)[0]
        following = asked_at(self.lab.pass_time(10), TYPE_PTR)[0]
        self.assertGreaterEqual(following - late, 2 * 1.9)


class UniqueAnswerTests(SynchronousTestCase):
    def test_stops_the_series(self) -> None:
        """M-5.2-14: after a unique answer the next query comes at 80 to 82 % of the TTL, and none before."""
        lab = AskingLab()
        lab.want(FAR_Q)
        lab.pass_time(0.5)
        lab.hear(FAR_A)
        (again, *_) = asked_at(lab.pass_time(100), FAR_Q)
        self.assertGreaterEqual(again - 10.5, 96.0)
        self.assertLessEqual(again - 10.5, 98.4)

    def test_shared_answer_does_not(self) -> None:
        lab = AskingLab()
        lab.want(TYPE_PTR)
        lab.pass_time(0.5)
        lab.hear(ONE_PTR)
        self.assertEqual(len(asked_at(lab.pass_time(5), TYPE_PTR)), 2)

    def test_an_answer_in_the_cache_is_enough(self) -> None:
        """M-D-2, M-18.1-3, M-7.1-1: what was heard before anybody asked answers the question, with no
        packet."""
        lab = AskingLab()
        lab.hear(FAR_A)
        lab.pass_time(20)
        lab.want(FAR_Q)
        self.assertEqual([record.ttl for record in lab.known(FAR_Q)], [100])
        self.assertEqual(lab.pass_time(60).queries.questions, [])

    def test_an_old_answer_is_not(self) -> None:
        """One that has been past 80 % of its time already is asked for at once."""
        lab = AskingLab()
        lab.hear(FAR_A)
        lab.pass_time(110)
        lab.want(FAR_Q)
        self.assertEqual(asked_at(lab.pass_time(0.5), FAR_Q), [120.07])

    def test_gone_answer_is_asked_for_anew(self) -> None:
        """A question is a continuous one: when its answer has expired, a new series begins."""
        lab = AskingLab()
        lab.want(FAR_Q)
        lab.pass_time(0.5)
        lab.hear(FAR_A)
        lab.pass_time(119.9)
        self.assertEqual(asked_at(lab.pass_time(3.9), FAR_Q), [130.57, 131.62, 133.77])

    def test_no_delegation(self) -> None:
        """M-12-1: an answer for a name says nothing of the names below it, or of other types."""
        lab = AskingLab()
        lab.hear(FAR_A)
        below = Question(FAR.prefixed("child"), A)
        lab.want(below, Question(FAR, TXT))
        self.assertEqual(lab.pass_time(0.5).queries.questions, [below, Question(FAR, TXT)])


class SharedPacketTests(SynchronousTestCase):
    def test_questions_share_a_packet(self) -> None:
        """M-5.3-1: questions that are due together leave in one packet."""
        lab = AskingLab()
        questions = [Question(FAR, A), Question(FAR, AAAA), TYPE_PTR]
        lab.want(*questions)
        (packet,) = lab.pass_time(0.5)
        self.assertEqual(packet.message.questions, questions)

    def test_about_the_same_time(self) -> None:
        """Questions asked some milliseconds apart share a packet as well, each 20 ms after it came at the
        least."""
        lab = AskingLab(point=0.3)
        lab.want(FAR_Q)
        lab.pass_time(0.015)
        lab.want(TYPE_PTR)
        self.assertEqual([len(packet.message.questions) for packet in lab.pass_time(0.5)], [2])

    def test_a_hundred_questions_a_packet(self) -> None:
        """SRV and TXT questions of fifty instances and more fit in a packet."""
        lab = AskingLab()
        names = [TYPE.prefixed(f"Instance {number:04}") for number in range(50)]
        lab.want(*[Question(name, rtype) for name in names for rtype in (SRV, TXT)])
        self.assertEqual([len(packet.message.questions) for packet in lab.pass_time(0.5)], [100])

    def test_many_callers_ask_once(self) -> None:
        """Identical questions of several callers are one series, until the last one has gone."""
        lab = AskingLab()
        lab.want(TYPE_PTR, asker="first")
        lab.want(Question(Name.parse("_HTTP._TCP.local"), PTR), asker="second")
        self.assertEqual(len(lab.pass_time(0.5).queries.questions), 1)
        lab.drop(TYPE_PTR, asker="first")
        self.assertEqual(len(lab.pass_time(1.5).queries.questions), 1)
        lab.drop(TYPE_PTR, asker="second")
        self.assertEqual(lab.pass_time(100).queries.questions, [])

    def test_cancelling_what_was_not_asked(self) -> None:
        lab = AskingLab()
        lab.want(TYPE_PTR)
        lab.drop(TYPE_PTR, asker="somebody else")
        lab.drop(FAR_Q)
        self.assertEqual(len(lab.pass_time(0.5).queries.questions), 1)

    def test_only_class_in(self) -> None:
        self.assertRaises(ValueError, AskingLab().querier.ask, Question(FAR, A, 3), 10.0, "user")

    def test_names_are_compressed(self) -> None:
        """M-18.14-1: names of questions and known answers are compressed."""
        lab = AskingLab()
        lab.hear(ONE_PTR)
        lab.want(TYPE_PTR, Question(ONE, SRV))
        (packet,) = lab.pass_time(0.5)
        self.assertEqual(len(packet.message.answers), 1)
        self.assertEqual(packet.payload.count(b"_http"), 1)


class UnicastResponseTests(SynchronousTestCase):
    def test_questions_of_the_first_moment_are_qu(self) -> None:
        """M-5.4-3: what is asked when the link comes up asks for unicast responses."""
        lab = AskingLab(up_for=0.0)
        lab.want(TYPE_PTR, FAR_Q, ONE_SRV_Q)
        (packet,) = lab.pass_time(0.5)
        self.assertEqual([question.unicast for question in packet.message.questions], [True] * 3)

    def test_the_bit_on_the_wire(self) -> None:
        """M-5.4-1, M-18.12-1: it is the top bit of the class."""
        lab = AskingLab(up_for=0.0)
        lab.want(FAR_Q)
        (packet,) = lab.pass_time(0.5)
        self.assertEqual(packet.payload, bytes(5) + b"\x01" + bytes(6) + FAR.wire + b"\x00\x01\x80\x01")

    def test_repetitions_are_qm(self) -> None:
        """M-5.4-4: only the first query asks for unicast."""
        lab = AskingLab(up_for=0.0)
        lab.want(TYPE_PTR)
        bits = [question.unicast for question in lab.pass_time(8).queries.questions]
        self.assertEqual(bits, [True, False, False, False])

    def test_later_questions_are_qm(self) -> None:
        """M-5.4-5: what is asked ten seconds later does not."""
        lab = AskingLab(up_for=10.0)
        lab.want(TYPE_PTR)
        self.assertEqual([question.unicast for question in lab.pass_time(0.5).queries.questions], [False])

    def test_again_when_the_link_returns(self) -> None:
        """M-5.4-3: running questions are asked QU once more when the interface comes back."""
        lab = AskingLab()
        lab.want(TYPE_PTR, FAR_Q, ONE_SRV_Q)
        lab.pass_time(5)
        lab.link.link_down(lab.now)
        lab.pass_time(5)
        lab.link.link_up(lab.now)
        self.assertEqual([question.unicast for question in lab.pass_time(0.5).queries.questions], [True] * 3)

    def test_never_when_the_port_is_shared(self) -> None:
        """RFC 6762 §15.1: the unicast response might reach the other program."""
        lab = AskingLab(LinkSettings(ipv6=False, unicast_responses=False), up_for=0.0)
        lab.want(TYPE_PTR)
        self.assertEqual([question.unicast for question in lab.pass_time(0.5).queries.questions], [False])


class RefreshTests(SynchronousTestCase):
    def refreshes(self, ttl: int, point: float) -> tuple[AskingLab, list[float]]:
        """Hear a record once, and return the times after which it is asked for, until it expires."""
        lab = AskingLab(point=point)
        lab.want(FAR_Q)
        # Heard at a multiple of `REFRESH_GRID`, which then takes nothing from the times.
        lab.pass_time(1.0)
        lab.hear(address(FAR, "192.168.1.9", ttl, cache_flush=True))
        started_at = lab.now
        times = asked_at(lab.pass_time(ttl - 0.001), FAR_Q)
        return lab, [round(at - started_at, 3) for at in times]

    def test_four_times_at_the_earliest(self) -> None:
        """M-5.2-9, M-5.2-8: 80, 85, 90 and 95 % of the TTL, and nothing before."""
        self.assertEqual(self.refreshes(1000, 0.0)[1], [800.0, 850.0, 900.0, 950.0])

    def test_four_times_at_the_latest(self) -> None:
        """M-5.2-10: up to two per cent later."""
        self.assertEqual(self.refreshes(1000, 1.0)[1], [820.0, 870.0, 920.0, 970.0])

    def late_refreshes(self, ttl: int, late: float) -> list[float]:
        """Return the parts of a TTL at which one question refreshes, each query being late by so much."""
        series = QuestionSeries(FAR, A, ("user",), 0.0)
        lifetime = Lifetime(b"", received_at=100.0, ttl=ttl, flags=0, source=0)
        series.asked_at = 100.0
        now, asked = 100.0, []
        while (now := series.attention_at(lifetime, now)) < 100.0 + ttl:
            now += late
            if series.needs_refresh(lifetime, now):
                series.asked_at = now
                asked.append(now)
        return [round((at - 100.0) / ttl, 3) for at in asked]

    def test_four_times_in_twenty_seconds(self) -> None:
        """M-5.2-9: queries a second apart, each a moment late, are still one in each window."""
        self.assertEqual(self.late_refreshes(20, 0.004), [0.8, 0.85, 0.901, 0.951])

    def test_a_second_apart(self) -> None:
        """Shorter lives have no room for four: some windows pass without a query, and none comes too soon."""
        for ttl in range(2, 60):
            asked = self.late_refreshes(ttl, 0.004)
            windows = [int((part - 0.799) / 0.05) for part in asked]
            self.assertEqual(sorted(set(windows)), windows, ttl)
            for part in asked:
                self.assertLess((part - 0.799) % 0.05, REFRESH_VARIATION + 0.004, (ttl, part))
            for earlier, later in pairwise(asked):
                self.assertGreaterEqual((later - earlier) * ttl, REFRESH_SPACING - 0.002 * ttl, ttl)
            self.assertGreaterEqual(len(asked), 4 if ttl >= 20 else 2 if ttl >= 10 else 1, ttl)

    def test_share_packets(self) -> None:
        """Of records heard at any time those of TTL 120 leave at multiples of a second, in their 2.4 s."""
        rng = Random(1)
        for _ in range(200):
            lab = AskingLab(rng=rng)
            lab.want(FAR_Q)
            lab.pass_time(1.0 + rng.random())
            lab.hear(address(FAR, "192.168.1.9", 120, cache_flush=True))
            heard_at = lab.now
            times = asked_at(lab.pass_time(119.9), FAR_Q)
            self.assertEqual([at % REFRESH_GRID for at in times], [0.0] * 4)
            for at, point in zip(times, REFRESH_POINTS, strict=True):
                self.assertTrue(point * 120 <= at - heard_at <= (point + REFRESH_VARIATION) * 120, at)

    def test_of_75_minutes_at_the_earliest(self) -> None:
        """M-5.2-10: never before 3600, 3825, 4050 and 4275 s."""
        self.assertEqual(self.refreshes(4500, 0.0)[1], [3600, 3825, 4050, 4275])

    def test_of_75_minutes_at_the_latest(self) -> None:
        """M-5.2-10: nor after 3690, 3915, 4140 and 4365 s."""
        self.assertEqual(self.refreshes(4500, 1.0)[1], [3690, 3915, 4140, 4365])

    def test_deleted_at_the_end(self) -> None:
        """M-5.2-12, M-5.2-7: unanswered, the record is there until its TTL has passed, and gone then, told
        once."""
        lab, _ = self.refreshes(1000, 0.5)
        self.assertTrue(lab.knows(FAR_A))
        lab.changes()
        lab.pass_time(0.001)
        self.assertFalse(lab.knows(FAR_A))
        self.assertEqual([kind for kind, _ in lab.changes()], ["removed"])

    def test_an_answer_starts_over(self) -> None:
        """M-5.2-11: after an answer the next query is at 80 to 82 % of the TTL it gave."""
        lab = AskingLab(point=0.0)
        lab.want(FAR_Q)
        lab.pass_time(1.0)
        lab.hear(FAR_A)
        self.assertEqual(asked_at(lab.pass_time(97), FAR_Q), [107.0])
        lab.hear(address(FAR, "192.168.1.9", 1000, cache_flush=True))
        heard_at = lab.now
        self.assertEqual(asked_at(lab.pass_time(840), FAR_Q), [heard_at + 800])

    def test_not_without_interest(self) -> None:
        """M-5.2-13: what nobody wants is left to expire."""
        lab = AskingLab()
        lab.hear(FAR_A, ONE_PTR, ONE_SRV)
        self.assertEqual(lab.pass_time(5000).queries.questions, [])
        self.assertFalse(lab.knows(ONE_PTR))

    def test_not_when_interest_has_ended(self) -> None:
        """M-5.2-13: nor is what nobody wants any more."""
        lab = AskingLab()
        lab.want(FAR_Q)
        lab.pass_time(0.5)
        lab.hear(FAR_A)
        lab.drop(FAR_Q)
        self.assertEqual(lab.pass_time(500).queries.questions, [])

    def test_interest_that_begins_late(self) -> None:
        lab = AskingLab(point=0.0)
        lab.hear(FAR_A)
        lab.pass_time(50)
        lab.want(FAR_Q)
        self.assertEqual(asked_at(lab.pass_time(60), FAR_Q), [106.0, 112.0, 118.0])

    def test_expires_unwanted(self) -> None:
        """M-5.2-7: a record that nobody asks for is valid to the end of its TTL, and not after."""
        lab = AskingLab()
        lab.hear(FAR_A)
        lab.run(129.0)
        self.assertTrue(lab.knows(FAR_A))
        lab.run(130.0)
        self.assertFalse(lab.knows(FAR_A))

    def test_one_query_for_many(self) -> None:
        """Many answers to one question that fall due together are asked for once."""
        lab = AskingLab(point=0.0)
        lab.want(TYPE_PTR)
        lab.pass_time(0.5)
        for number in range(30):
            lab.hear(pointer(TYPE, TYPE.prefixed(f"Instance {number}"), 1000))
            lab.pass_time(0.05)
        # The series itself asks last at 511 s, and then at 1023 s.
        times = asked_at(lab.pass_time(845), TYPE_PTR)
        self.assertEqual(len([at for at in times if at > 600]), 1)

    def large_set(self, ttl: int = 1000) -> AskingLab:
        """Return a link on which 300 answers to one question were heard within a second."""
        lab = AskingLab(point=0.5)
        lab.want(TYPE_PTR)
        lab.pass_time(0.5)
        for start in range(0, 300, 30):
            numbers = range(start, start + 30)
            lab.hear(*[pointer(TYPE, TYPE.prefixed(f"Instance {number}"), ttl) for number in numbers])
            lab.pass_time(0.1)
        lab.changes()
        lab.sent.clear()
        return lab

    def test_of_a_large_set(self) -> None:
        """M-5.2-9, M-5.2-10: hundreds of answers are refreshed as one is, in the same windows, by few
        queries."""
        lab = self.large_set()
        times = [at - 10.5 for at in asked_at(lab.run(1008), TYPE_PTR) if at > 700]
        self.assertEqual(len([at for at in times if 800 <= at <= 822]), 1)
        self.assertEqual(len([at for at in times if 850 <= at <= 872]), 1)
        self.assertEqual(len([at for at in times if 900 <= at <= 922]), 1)
        self.assertEqual(len([at for at in times if 950 <= at <= 972]), 1)

    def test_end_of_a_large_set(self) -> None:
        """M-5.2-12: unanswered, all of them are removed, each told once, a small part of a second late at
        most."""
        lab = self.large_set()
        lab.run(1010.4)
        self.assertEqual(lab.changes(), [])
        lab.run(1011.9)
        removed = [record.rdata for kind, record in lab.changes() if kind == "removed"]
        self.assertEqual((len(removed), len(set(removed))), (300, 300))

    def test_a_goodbye_in_a_large_set(self) -> None:
        """M-10.1-2: a goodbye of one among hundreds is told a second later."""
        lab = self.large_set()
        one = pointer(TYPE, TYPE.prefixed("Instance 7"), 0)
        lab.hear(one)
        lab.pass_time(0.99)
        self.assertEqual(lab.changes(), [])
        lab.pass_time(0.05)
        self.assertEqual([(kind, record.rdata) for kind, record in lab.changes()], [("removed", one.rdata)])

    def test_an_answering_large_set(self) -> None:
        """M-5.2-11: those that answer are not asked for again, and stay."""
        lab = self.large_set()
        lab.run(840)
        records = [record.with_ttl(1000) for record in lab.known(TYPE_PTR)]
        for start in range(0, 300, 30):
            lab.hear(*records[start : start + 30])
        times = asked_at(lab.run(1100), TYPE_PTR)
        self.assertEqual(times, [])
        self.assertEqual(len(lab.known(TYPE_PTR)), 300)

    def test_short_ttl_is_kept(self) -> None:
        """A PTR record with a TTL of ten seconds lives ten seconds."""
        lab = AskingLab()
        lab.hear(ONE_PTR.with_ttl(10))
        lab.pass_time(9.9)
        self.assertTrue(lab.knows(ONE_PTR))
        lab.pass_time(0.1)
        self.assertFalse(lab.knows(ONE_PTR))

    def test_any_question(self) -> None:
        """A question for all types hears of records of every type."""
        lab = AskingLab()
        lab.want(Question(ONE, ANY))
        lab.pass_time(0.5)
        lab.hear(ONE_SRV)
        self.assertEqual(lab.added(), [ONE_SRV])
        self.assertEqual(len(lab.pass_time(3).queries), 2)
