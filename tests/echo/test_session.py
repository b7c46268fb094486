"""Tests for what a ping client makes of the answers."""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from mcast.echo import session as module
from mcast.echo.session import EchoReply, Session

FIRST, SECOND = "192.0.2.2", "192.0.2.3"
ETH0, ETH1 = 2, 3


class SessionTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.session = Session(size=56, wait=1.0, rng=random.Random(1))

    def send(self, number: int, now: float, interface: int = ETH0) -> bytes:
        self.session.sent(interface, number, now)
        return self.session.probe(interface, number)

    def answer(self, data: bytes, now: float, host: str = FIRST, interface: int = ETH0) -> EchoReply:
        answer = self.session.answer(data, host, 7645, interface, 64, now)
        assert answer is not None
        return answer


class AnswerTests(SessionTestCase):
    def test_answer(self) -> None:
        probe = self.send(0, 10.0)
        self.assertEqual(
            self.answer(probe, 10.25),
            EchoReply(FIRST, 7645, ETH0, 0, 56, 64, 0.25, duplicate=False, late=False, reordered=False),
        )

    def test_several_responders(self) -> None:
        probe = self.send(0, 10.0)
        self.answer(probe, 10.1)
        self.answer(probe, 10.2, SECOND)
        self.assertEqual([each.host for each in self.session.responders], [FIRST, SECOND])
        self.assertEqual([each.received for each in self.session.responders], [1, 1])

    def test_duplicate(self) -> None:
        probe = self.send(0, 10.0)
        self.assertFalse(self.answer(probe, 10.1).duplicate)
        self.assertTrue(self.answer(probe, 10.2).duplicate)
        (responder,) = self.session.responders
        self.assertEqual((responder.received, responder.duplicates, responder.times.count), (1, 1, 1))

    def test_reordered(self) -> None:
        probes = [self.send(number, 10.0) for number in range(3)]
        marks = [self.answer(probes[number], 10.1).reordered for number in (1, 0, 2)]
        self.assertEqual(marks, [False, True, False])
        self.assertEqual(self.session.responders[0].reordered, 1)

    def test_late(self) -> None:
        probe = self.send(0, 10.0)
        self.assertTrue(self.answer(probe, 11.001).late)
        self.assertEqual(self.session.responders[0].late, 1)

    def test_just_in_time(self) -> None:
        self.assertFalse(self.answer(self.send(0, 10.0), 11.0).late)

    def test_first_answer_since_the_start(self) -> None:
        """A responder that came up with the third probe shows when."""
        for number in range(3):
            probe = self.send(number, 10.0 + number)
        self.answer(probe, 12.5)
        self.assertEqual(self.session.responders[0].first_after, 2.5)

    def test_sent_counts_per_interface(self) -> None:
        """Loss is counted against the probes on the responder's own interface."""
        for number in range(3):
            self.send(number, 10.0, ETH0)
        probe = self.send(0, 10.0, ETH1)
        self.answer(probe, 10.1, interface=ETH1)
        self.assertEqual(self.session.sent_to(self.session.responders[0]), 1)
        self.assertEqual(self.session.total_sent, 4)

    def test_one_host_on_two_interfaces(self) -> None:
        self.answer(self.send(0, 10.0, ETH0), 10.1, interface=ETH0)
        self.answer(self.send(0, 10.0, ETH1), 10.1, interface=ETH1)
        self.assertEqual([each.interface for each in self.session.responders], [ETH0, ETH1])

    def test_interface_not_told(self) -> None:
        """On a stock port the answer is taken for one on the interface that was asked."""
        self.assertEqual(self.answer(self.send(0, 10.0, ETH1), 10.1, interface=0).interface, ETH1)

    def test_probe_refused_by_the_system(self) -> None:
        self.send(0, 10.0)
        self.session.unsent(ETH0, 0)
        self.assertEqual(self.session.total_sent, 0)


class ForeignTests(SessionTestCase):
    """What answers no probe of ours is counted, and nothing else."""

    def test_other_client(self) -> None:
        other = Session(size=56, wait=1.0, rng=random.Random(2))
        self.send(0, 10.0)
        self.assertIsNone(self.session.answer(other.probe(ETH0, 0), FIRST, 7645, ETH0, 64, 10.1))
        self.assertEqual((self.session.foreign, self.session.responders), (1, ()))

    def test_never_sent(self) -> None:
        self.assertIsNone(self.session.answer(self.session.probe(ETH0, 5), FIRST, 7645, ETH0, 64, 10.1))
        self.assertEqual(self.session.foreign, 1)

    def test_text_before_any_probe(self) -> None:
        self.assertIsNone(self.session.answer(b"Hello", FIRST, 7645, ETH0, 64, 10.1))

    def test_forgotten(self) -> None:
        self.patch(module, "HORIZON", 10)
        first = self.send(0, 10.0)
        for number in range(1, 12):
            self.send(number, 10.0)
        self.assertIsNone(self.session.answer(first, FIRST, 7645, ETH0, 64, 10.1))
        self.assertEqual(self.session.total_sent, 12)

    def test_too_many_responders(self) -> None:
        self.patch(module, "MAX_RESPONDERS", 2)
        probe = self.send(0, 10.0)
        for last in range(5):
            self.session.answer(probe, f"192.0.2.{last}", 7645, ETH0, 64, 10.1)
        self.assertEqual((len(self.session.responders), self.session.overflow), (2, 3))

    def test_duplicates_are_known_in_bounded_space(self) -> None:
        self.patch(module, "HORIZON", 10)
        for number in range(100):
            self.answer(self.send(number, 10.0), 10.1)
        (responder,) = self.session.responders
        self.assertLessEqual(len(responder._answered), 20)
        self.assertTrue(self.answer(self.session.probe(ETH0, 99), 10.2).duplicate)


class AnonymousTests(SessionTestCase):
    """An answer with a text of its own is taken for one to the newest probe not yet answered."""

    def test_newest(self) -> None:
        self.send(0, 10.0)
        self.send(1, 11.0)
        answer = self.answer(b"Hello", 11.25)
        self.assertEqual((answer.number, answer.time), (1, 0.25))

    def test_each_once(self) -> None:
        self.send(0, 10.0)
        self.answer(b"Hello", 10.1)
        self.send(1, 11.0)
        answer = self.answer(b"Hello", 11.1)
        self.assertEqual((answer.number, answer.duplicate), (1, False))

    def test_one_more_is_a_duplicate(self) -> None:
        self.send(0, 10.0)
        self.answer(b"Hello", 10.1)
        self.assertTrue(self.answer(b"Hello", 10.2).duplicate)

    def test_of_two_responders(self) -> None:
        self.send(0, 10.0)
        self.answer(b"Hello", 10.1)
        self.assertFalse(self.answer(b"Hello", 10.2, SECOND).duplicate)

    def test_short_probes(self) -> None:
        """Echoes of probes too short for a number are matched so too."""
        short = Session(size=3, wait=1.0, rng=random.Random(1))
        short.sent(ETH0, 0, 10.0)
        answer = short.answer(short.probe(ETH0, 0), FIRST, 7645, ETH0, 64, 10.5)
        assert answer is not None
        self.assertEqual((answer.number, answer.size, answer.time), (0, 3, 0.5))
