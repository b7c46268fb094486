"""When questions in a domain are asked again, and what is told of their answers; on a fake clock."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import Flag, RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.names import Name
from mcast.dns.records import Record, address, pointer
from mcast.mdns.events import Denied, RecordAdded, RecordRemoved
from mcast.unicast.replies import Answer, Verdict
from mcast.unicast.zone_querier import (
    MAX_AT_ONCE,
    POLL_CEILING,
    POLL_FLOOR,
    POLL_VARIATION,
    STALE_LIMIT,
    ZoneQuerier,
)
from tests.dns_client.lab import HTTP, ZONE, at, web

LIST = Question(HTTP, RecordType.PTR)
MOST = 1 + POLL_VARIATION


def answered(*records: Record, ttl: int | None = 10) -> Answer:
    return Answer(Verdict.ANSWERED if records else Verdict.DENIED, records, ttl)


class ZoneQuerierTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.querier = ZoneQuerier(ZONE, Random(1))

    def ask(self, question: Question = LIST, now: float = 0.0, asker: str = "me") -> None:
        self.querier.ask(question, now, asker)

    def told(self) -> list[tuple[type, str]]:
        """What happened since the last call, and the last label of it."""
        told: list[tuple[type, str]] = []
        for event in self.querier.events():
            if isinstance(event, Denied):
                told.append((Denied, event.question.name.labels[0].decode()))
            elif isinstance(event, RecordAdded | RecordRemoved):
                told.append((type(event), event.record.rdata[1 : 1 + event.record.rdata[0]].decode()))
        return told

    def gap(self, *records: Record, ttl: int | None = 10) -> float:
        """Return how long after an answer the question is asked again."""
        self.ask()
        self.querier.due(0.0)
        self.querier.answered(LIST, answered(*records, ttl=ttl), 1.0)
        at = self.querier.next_wakeup()
        assert at is not None
        return at - 1.0


PTR = pointer(HTTP, HTTP.prefixed("One"), 10)
OTHER = pointer(HTTP, HTTP.prefixed("Two"), 10)


class PollTests(ZoneQuerierTestCase):
    def test_after_the_end_of_the_ttl(self) -> None:
        """H-6.8-1: two seconds after it."""
        gap = self.gap(PTR, ttl=30)
        self.assertTrue(32 <= gap <= 32 * MOST, gap)

    def test_not_too_often(self) -> None:
        """RFC 8766 §5.5.1: a TTL may be small."""
        gap = self.gap(PTR, ttl=0)
        self.assertTrue(POLL_FLOOR <= gap <= POLL_FLOOR * MOST, gap)

    def test_not_too_seldom(self) -> None:
        """H-6.8-1: after a quarter of an hour, however long the TTL is."""
        gap = self.gap(PTR, ttl=86400)
        self.assertTrue(POLL_CEILING == 900 <= gap <= POLL_CEILING * MOST, gap)

    def test_denied_for_the_time_of_the_soa_record(self) -> None:
        """RFC 2308 §5."""
        gap = self.gap(ttl=20)
        self.assertTrue(22 <= gap <= 22 * MOST, gap)

    def test_more_seldom_when_there_are_many(self) -> None:
        self.ask()
        self.querier.due(0.0)
        for number in range(1000):
            self.ask(Question(HTTP.prefixed(f"{number}"), RecordType.SRV), 500.0)
        self.querier.answered(LIST, answered(PTR, ttl=1), 1.0)
        at = self.querier.next_wakeup()
        assert at is not None
        self.assertGreaterEqual(at - 1.0, 1000 / 50)

    def test_back_off(self) -> None:
        """Nobody answers: 2 s, 4 s, 8 s … up to the ceiling."""
        self.ask()
        now, gaps = 0.0, []
        for _ in range(9):
            self.assertEqual(self.querier.due(now), [LIST])
            self.querier.failed(LIST, now)
            at = self.querier.next_wakeup()
            assert at is not None
            gaps.append(at - now)
            now = at
        for gap, least in zip(gaps, (2, 4, 8, 16, 32, 64, 120, 120, 120), strict=True):
            self.assertTrue(least <= gap <= least * MOST, gaps)

    def test_many_questions(self) -> None:
        """A number of them waits for answers, the others for their turn."""
        for number in range(100):
            self.ask(Question(HTTP.prefixed(f"{number}"), RecordType.SRV))
        first = self.querier.due(0.0)
        self.assertEqual((len(first), self.querier.due(0.0)), (MAX_AT_ONCE, []))
        self.querier.answered(first[0], answered(), 0.1)
        self.assertEqual(len(self.querier.due(0.1)), 1)

    def test_cancelled(self) -> None:
        self.ask()
        self.ask(asker="you")
        self.querier.cancel(LIST, 0.0, "me")
        self.assertEqual(self.querier.due(0.0), [LIST])
        self.querier.cancel(LIST, 0.0, "you")
        self.querier.answered(LIST, answered(PTR), 0.1)
        self.assertEqual((self.told(), self.querier.next_wakeup()), ([], None))
        self.assertEqual(self.querier.gauges()["waiting"], 0)

    def test_names_of_multicast_dns(self) -> None:
        """RFC 6762 §3: no server is asked for them."""
        self.ask(Question(Name.parse("_http._tcp.local"), RecordType.PTR))
        self.assertEqual((self.querier.due(0.0), self.querier.counters["names of multicast DNS"]), ([], 1))

    def test_doubt(self) -> None:
        """A record that may be wrong is asked for, at most once a second."""
        self.gap(PTR, ttl=100)
        self.assertTrue(self.querier.reconfirm(PTR, 1.0))
        self.assertEqual(self.querier.next_wakeup(), 1.0)
        self.assertFalse(self.querier.reconfirm(OTHER, 1.0))


class AnswerTests(ZoneQuerierTestCase):
    def answer(self, now: float, *records: Record) -> list[tuple[type, str]]:
        self.querier.due(now)
        self.querier.answered(LIST, answered(*records), now)
        return self.told()

    def test_added_and_removed(self) -> None:
        self.ask()
        self.assertEqual(self.answer(0.0, PTR), [(RecordAdded, "One")])
        self.assertEqual(self.answer(13.0, PTR, OTHER), [(RecordAdded, "Two")])
        self.assertEqual(self.answer(26.0, OTHER), [(RecordRemoved, "One")])
        self.assertEqual(self.answer(39.0), [(RecordRemoved, "Two"), (Denied, "_http")])
        self.assertEqual(self.answer(52.0), [])

    def test_ttl_that_is_left(self) -> None:
        self.ask()
        self.answer(0.0, PTR)
        self.assertEqual([one.ttl for one in self.querier.records(LIST, 4.0)], [6])
        self.assertEqual([one.ttl for one in self.querier.records(LIST, 40.0)], [0])

    def test_nobody_answers(self) -> None:
        """Records stay for some time after their TTL, and no longer."""
        self.ask()
        self.answer(0.0, PTR)
        now = 0.0
        while not (told := self.told()):
            at = self.querier.next_wakeup()
            assert at is not None
            now = at
            self.querier.due(now)
            self.querier.failed(LIST, now)
        self.assertEqual(told, [(RecordRemoved, "One")])
        self.assertTrue(10 + STALE_LIMIT <= now <= (10 + STALE_LIMIT) * 1.2, now)
        self.assertEqual(self.answer(200.0, PTR), [(RecordAdded, "One")])

    def test_text_that_is_gone_is_asked_for_once_more(self) -> None:
        """A service that is gone is one event: its SRV record decides."""
        _, srv, txt = web("One")
        questions = [Question(srv.name, RecordType.SRV), Question(txt.name, RecordType.TXT)]
        for question, record in zip(questions, (srv, txt), strict=True):
            self.ask(question)
            self.querier.due(0.0)
            self.querier.answered(question, answered(record, ttl=100), 0.0)
        self.querier.events()
        self.querier.ask_again(10.0)
        self.querier.due(10.0)
        self.querier.answered(questions[0], answered(srv, ttl=100), 10.0)
        self.querier.answered(questions[1], answered(), 10.1)
        self.assertEqual(self.told(), [])
        self.assertEqual(self.querier.due(10.1), [questions[0]])
        self.assertEqual(self.querier.due(11.2), [questions[1]])
        self.querier.answered(questions[1], answered(), 11.3)
        self.assertIn((Denied, "One"), self.told())

    def test_additional_records(self) -> None:
        """RFC 6763 §12: what a server adds need not be asked for."""
        _, srv, _ = web("One")
        self.ask()
        self.querier.due(0.0)
        message = Message(
            1,
            Flag.RESPONSE,
            [LIST],
            [PTR],
            additionals=[srv, address(Name.parse("a.example"), "192.0.2.1", 9)],
        )
        self.querier.answered(LIST, answered(PTR), 0.0, message)
        self.querier.events()
        self.ask(Question(srv.name, RecordType.SRV), 0.1)
        self.assertEqual(len(self.querier.records(Question(srv.name, RecordType.SRV), 0.1)), 1)
        self.assertEqual(self.querier.due(0.1), [])
        # What is not in the domain is not believed.
        outside = Question(Name.parse("a.example"), RecordType.A)
        self.ask(outside, 0.1)
        self.assertEqual(self.querier.due(0.1), [outside])

    def test_additional_records_are_soon_outdated(self) -> None:
        _, srv, _ = web("One")
        self.ask()
        self.querier.due(0.0)
        self.querier.answered(
            LIST, answered(PTR), 0.0, Message(1, Flag.RESPONSE, [LIST], [PTR], additionals=[srv])
        )
        question = Question(srv.name, RecordType.SRV)
        self.ask(question, 5.0)
        self.assertEqual(self.querier.due(5.0), [question])


class PushTests(ZoneQuerierTestCase):
    """RFC 8765: while a server tells each change, nothing is asked."""

    def setUp(self) -> None:
        super().setUp()
        self.gap(PTR)
        self.told()
        self.querier.push_began(LIST, 2.0)

    def test_nothing_is_asked(self) -> None:
        self.assertIsNone(self.querier.next_wakeup())

    def test_changes(self) -> None:
        self.querier.pushed([OTHER], [PTR], 3.0)
        self.assertEqual(self.told(), [(RecordAdded, "Two"), (RecordRemoved, "One")])
        self.querier.pushed([], [OTHER], 4.0)
        self.assertEqual(self.told(), [(RecordRemoved, "Two"), (Denied, "_http")])

    def test_first_state(self) -> None:
        """What was known and is not in it has gone meanwhile."""
        self.querier.push_settled(LIST, [OTHER], 3.0)
        self.assertEqual(self.told(), [(RecordAdded, "Two"), (RecordRemoved, "One")])

    def test_other_records(self) -> None:
        self.querier.pushed([at(1)], [at(2)], 3.0)
        self.assertEqual(self.told(), [])

    def test_end(self) -> None:
        """RFC 8765 §6.8: polling takes its place, and nothing is taken for gone."""
        self.querier.push_ended([LIST], 5.0)
        self.assertEqual((self.told(), self.querier.due(5.0)), ([], [LIST]))
