"""Tests for mcast.mdns.querier.passive_observation (RFC 6762 §10.5)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Question
from tests.mdns.lab import OTHER_PEER, PEER, PTR, RESOLVER, A, query
from tests.mdns.querier.asking_lab import (
    FAR,
    FAR_A,
    FAR_Q,
    ONE_PTR,
    TWO_PTR,
    TYPE,
    TYPE_PTR,
    AskingLab,
    asked_at,
)


class ObservationTests(SynchronousTestCase):
    """Passive observation of failures."""

    def setUp(self) -> None:
        self.lab = AskingLab(point=0.0)
        self.lab.hear(FAR_A, ONE_PTR)
        self.lab.run(20)

    def test_two_queries(self) -> None:
        """M-10.5-2: ten seconds after the second unanswered query the record is flushed."""
        self.lab.ask(FAR, A, OTHER_PEER)
        self.lab.run(21)
        self.lab.ask(FAR, A, OTHER_PEER)
        self.lab.run(30.99)
        self.assertTrue(self.lab.knows(FAR_A))
        self.lab.run(31)
        self.assertFalse(self.lab.knows(FAR_A))

    def test_one_query(self) -> None:
        """M-10.5-2: one is not enough."""
        self.lab.ask(FAR, A, OTHER_PEER)
        self.lab.run(100)
        self.assertTrue(self.lab.knows(FAR_A))

    def test_an_answer(self) -> None:
        """M-10.5-2: when an answer is seen, the record stays."""
        self.lab.ask(FAR, A, OTHER_PEER)
        self.lab.run(21)
        self.lab.ask(FAR, A, OTHER_PEER)
        self.lab.run(22)
        self.lab.hear(FAR_A)
        self.lab.run(100)
        self.assertTrue(self.lab.knows(FAR_A))

    def test_an_answer_between(self) -> None:
        self.lab.ask(FAR, A, OTHER_PEER)
        self.lab.run(21)
        self.lab.hear(FAR_A)
        self.lab.run(22)
        self.lab.ask(FAR, A, OTHER_PEER)
        self.lab.run(100)
        self.assertTrue(self.lab.knows(FAR_A))

    def test_we_ask_once(self) -> None:
        """RFC 6762 §10.5, from which we depart: we ask once before the end, and not after it."""
        self.lab.want(FAR_Q)
        self.lab.ask(FAR, A, OTHER_PEER)
        self.lab.run(21)
        self.lab.ask(FAR, A, OTHER_PEER)
        self.assertEqual(asked_at(self.lab.run(60), FAR_Q), [28.0])
        self.assertEqual([kind for kind, _ in self.lab.changes()], ["removed"])

    def test_an_answer_to_our_own_question(self) -> None:
        """The others may have got answers that missed us."""
        self.lab.want(FAR_Q)
        self.lab.ask(FAR, A, OTHER_PEER)
        self.lab.run(21)
        self.lab.ask(FAR, A, OTHER_PEER)
        self.lab.run(28.1)
        self.lab.hear(FAR_A)
        self.lab.run(80)
        self.assertEqual(self.lab.changes(), [])
        self.assertTrue(self.lab.knows(FAR_A))

    def test_our_own_question_does_not_list_it(self) -> None:
        self.lab.hear(TWO_PTR)
        self.lab.run(21)
        for _ in range(2):
            self.lab.ask(TYPE, PTR, OTHER_PEER, known=[TWO_PTR])
            self.lab.pass_time(1)
        (packet,) = self.lab.run(60).queries
        self.assertEqual([record.rdata for record in packet.message.answers], [TWO_PTR.rdata])

    def test_the_owner_asks(self) -> None:
        """Queries from the address that a record came from say nothing about it: some hosts ignore those of
        their own programs."""
        self.lab.want(FAR_Q, TYPE_PTR)
        for _ in range(20):
            self.lab.ask(FAR, A, PEER)
            self.lab.ask(TYPE, PTR, PEER)
            self.lab.pass_time(1)
        self.lab.run(60)
        self.assertTrue(self.lab.knows(FAR_A))
        self.assertTrue(self.lab.knows(ONE_PTR))

    def test_the_owner_and_one_other(self) -> None:
        """One query of another host beside those of the owner is still one."""
        self.lab.ask(FAR, A, PEER)
        self.lab.run(21)
        self.lab.ask(FAR, A, OTHER_PEER)
        self.lab.run(22)
        self.lab.ask(FAR, A, PEER)
        self.lab.run(60)
        self.assertTrue(self.lab.knows(FAR_A))

    def test_the_owner_saves_us_no_question(self) -> None:
        """The same of RFC 6762 §7.3: its question may bring no answer of its own."""
        self.lab.want(TYPE_PTR)
        times = []
        for _ in range(40):
            self.lab.ask(TYPE, PTR, PEER)
            times += asked_at(self.lab.pass_time(0.1), TYPE_PTR)
        self.assertEqual(len(times), 3)

    def test_but_not_for_ever(self) -> None:
        """For an asker the question is asked again after a minute."""
        self.lab.want(FAR_Q)
        self.lab.ask(FAR, A, OTHER_PEER)
        self.lab.run(21)
        self.lab.ask(FAR, A, OTHER_PEER)
        self.assertEqual(asked_at(self.lab.run(93), FAR_Q)[:2], [28.0, 91.0])

    def test_known_answers(self) -> None:
        """M-10.5-1: a query that lists the record calls for no answer."""
        self.lab.ask(TYPE, PTR, OTHER_PEER, known=[ONE_PTR])
        self.lab.run(21)
        self.lab.ask(TYPE, PTR, OTHER_PEER, known=[ONE_PTR])
        self.lab.run(22)
        self.lab.ask(TYPE, PTR, OTHER_PEER)
        self.lab.run(100)
        self.assertTrue(self.lab.knows(ONE_PTR))

    def test_without_known_answers(self) -> None:
        """M-10.5-1: those that do not list it are counted beside those that do."""
        self.lab.ask(TYPE, PTR, OTHER_PEER)
        self.lab.run(21)
        self.lab.ask(TYPE, PTR, OTHER_PEER, known=[ONE_PTR])
        self.lab.run(22)
        self.lab.ask(TYPE, PTR, OTHER_PEER)
        self.lab.run(31.9)
        self.assertTrue(self.lab.knows(ONE_PTR))
        self.lab.run(32)
        self.assertFalse(self.lab.knows(ONE_PTR))

    def test_questions_for_unicast(self) -> None:
        """M-10.5-1: the answer to a QU question need not be seen by us."""
        self.lab.ask(FAR, A, OTHER_PEER, unicast=True)
        self.lab.run(21)
        self.lab.ask(FAR, A, OTHER_PEER, unicast=True)
        self.lab.run(100)
        self.assertTrue(self.lab.knows(FAR_A))

    def test_legacy_queries(self) -> None:
        """M-10.5-1: nor need the answer to a legacy query."""
        self.lab.ask(FAR, A, RESOLVER)
        self.lab.run(21)
        self.lab.ask(FAR, A, RESOLVER)
        self.lab.run(100)
        self.assertTrue(self.lab.knows(FAR_A))

    def test_truncated_lists(self) -> None:
        """M-10.5-1: while more known answers follow, it is not known what is called for."""
        self.lab.ask(TYPE, PTR, OTHER_PEER, truncated=True)
        self.lab.run(21)
        self.lab.ask(TYPE, PTR, OTHER_PEER, truncated=True)
        self.lab.run(100)
        self.assertTrue(self.lab.knows(ONE_PTR))

    def test_a_repeated_question_in_one_query(self) -> None:
        question = Question(FAR, A)
        self.lab.feed(query(question, question))
        self.lab.run(100)
        self.assertTrue(self.lab.knows(FAR_A))

    def test_an_hour_apart(self) -> None:
        """Two lost packets that have nothing to do with each other are no sign."""
        self.lab.hear(ONE_PTR)
        self.lab.ask(TYPE, PTR, OTHER_PEER)
        self.lab.run(1000)
        self.lab.ask(TYPE, PTR, OTHER_PEER)
        self.lab.run(1020)
        self.assertTrue(self.lab.knows(ONE_PTR))

    def test_only_what_nobody_confirms(self) -> None:
        """Of a shared set the records go that were not heard again."""
        self.lab.hear(TWO_PTR)
        self.lab.run(21)
        self.lab.ask(TYPE, PTR, OTHER_PEER)
        self.lab.run(22)
        self.lab.ask(TYPE, PTR, OTHER_PEER)
        self.lab.run(22.1)
        self.lab.hear(TWO_PTR)
        self.lab.run(33)
        self.assertFalse(self.lab.knows(ONE_PTR))
        self.assertTrue(self.lab.knows(TWO_PTR))

    def test_our_own_queries_do_not_count(self) -> None:
        """RFC 6762 §10.5 speaks of "queries issued by the other hosts"; ours come back to us."""
        self.lab.want(TYPE_PTR)
        for until in (20.5, 21.5, 24.0):
            for packet in self.lab.run(until):
                self.lab.now = packet.at
                self.lab.feed(packet.payload, ("192.168.1.2", 5353))
        self.lab.run(60)
        self.assertTrue(self.lab.knows(ONE_PTR))
