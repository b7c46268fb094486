"""Tests for mcast.mdns.querier.pacing: a link on which nobody answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import inf
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.mdns.querier.pacing import FIRST_PAUSE, LONGEST_PAUSE, OPEN, Pacing
from tests.effort import least_effort
from tests.mdns.lab import A
from tests.mdns.querier.asking_lab import FAR_A, FAR_Q, AskingLab, asked_at, gaps

NOBODY = [Question(Name.parse(f"nobody{number}.local"), A) for number in range(1000)]


class PacingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.counters: Counter[str] = Counter()
        self.pacing = Pacing(self.counters)

    def repeat(self, now: float, count: int = 1000) -> int:
        """Ask as many as are allowed."""
        allowed = 0
        for _ in range(count):
            if self.pacing.allows(now):
                self.pacing.asked()
                allowed += 1
        return allowed

    def test_a_packet_then_a_pause(self) -> None:
        self.assertEqual(self.repeat(10.0), OPEN)
        self.assertEqual(self.pacing.resumes_at, 10.0 + FIRST_PAUSE)
        self.assertEqual(self.repeat(13.9), 0)
        self.assertEqual(self.repeat(14.0), OPEN)
        self.assertEqual(self.pacing.resumes_at, 14.0 + 2 * FIRST_PAUSE)
        self.assertEqual(self.counters["questions put off in silence"], 3000 - 2 * OPEN)

    def test_the_longest_pause(self) -> None:
        for _ in range(10):
            now = self.pacing.resumes_at
            self.repeat(now)
        self.assertEqual(self.pacing.resumes_at - now, LONGEST_PAUSE)

    def test_an_answer_ends_it(self) -> None:
        self.repeat(10.0)
        self.pacing.answered()
        self.assertEqual(self.repeat(10.1), OPEN)
        self.assertEqual(self.pacing.resumes_at, 10.1 + FIRST_PAUSE)

    def test_long_ago(self) -> None:
        for _ in range(5):
            self.repeat(self.pacing.resumes_at)
        later = self.pacing.resumes_at + 1000
        self.repeat(later)
        self.assertEqual(self.pacing.resumes_at, later + FIRST_PAUSE)


class SilenceTests(SynchronousTestCase):
    """What a querier asks on a silent link."""

    def test_each_is_asked_at_once(self) -> None:
        lab = AskingLab()
        lab.want(*NOBODY)
        self.assertEqual(len(set(lab.pass_time(0.3).questions)), 1000)

    def test_few_packets_in_an_hour(self) -> None:
        """Twelve for the first round, then one after each pause."""
        lab = AskingLab()
        lab.want(*NOBODY)
        self.assertLess(len(lab.pass_time(3600)), 80)

    def test_each_has_its_turn(self) -> None:
        """None is asked a third time before all others are asked twice."""
        lab = AskingLab()
        lab.want(*NOBODY)
        lab.pass_time(1)
        lab.sent.clear()
        lab.pass_time(4 + 8 + 16 + 32 + 9 * 64)
        self.assertEqual(len(set(lab.sent.questions[:1000])), 1000)

    def test_a_few_questions_are_never_put_off(self) -> None:
        """M-5.2-4: a program that looks for few things asks in the intervals of RFC 6762 §5.2."""
        lab = AskingLab(point=0.0)
        lab.want(*NOBODY[:10])
        times = asked_at(lab.pass_time(300), NOBODY[3])
        self.assertEqual(gaps(times), [1.05, 2.15, 4.35, 8.75, 17.55, 35.15, 70.35, 140.75])

    def test_repeated_again_after_an_answer(self) -> None:
        lab = AskingLab()
        lab.want(*NOBODY, FAR_Q)
        lab.pass_time(100)
        lab.sent.clear()
        for _ in range(30):
            lab.hear(FAR_A)
            lab.pass_time(5)
        self.assertGreater(len(set(lab.sent.questions)), 900)


class QuestionIntervalTests(SynchronousTestCase):
    """No question leaves twice within a second, whoever asks."""

    def test_asked_anew(self) -> None:
        lab = AskingLab()
        lab.want(FAR_Q)
        lab.pass_time(0.2)
        lab.drop(FAR_Q)
        lab.want(FAR_Q)
        lab.pass_time(5)
        self.assertGreaterEqual(min(gaps(asked_at(lab.sent, FAR_Q))), 1.0)
        self.assertEqual(lab.link.counters["questions asked already"], 1)

    def test_reconfirmed_and_asked(self) -> None:
        """RFC 6762 §10.4: a hint adds no question to one that has just left."""
        lab = AskingLab()
        lab.hear(FAR_A)
        lab.run(106)
        lab.want(FAR_Q)
        lab.querier.reconfirm(FAR_A, lab.now)
        lab.run(116)
        times = asked_at(lab.sent, FAR_Q)
        self.assertGreaterEqual(min(gaps(times)), 1.0)
        self.assertFalse(lab.knows(FAR_A))


class ManyQuestionsTests(SynchronousTestCase):
    """Thousands of questions, as of services that a stranger invents."""

    queue: Any

    def test_the_first_after_many(self) -> None:
        """That the last second is over is no work that one question is late for."""

        def prepared() -> Callable[[], object]:
            lab = AskingLab()
            self.queue = queue = lab.querier._queue
            for number in range(8000):
                queue.ask(Question(Name.parse(f"nobody{number}.local"), A), lab.now)
            later = lab.now + 2.0
            return lambda: queue.ask(FAR_Q, later)

        self.assertLess(least_effort(prepared, 1.5), 1.5)
        self.assertEqual(self.queue.free_at(Question(Name.parse("nobody1.local"), A)), -inf)
