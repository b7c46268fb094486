"""Answers to hosts that do not take them keep nobody else waiting."""

from __future__ import annotations

from collections import Counter

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.neighbours import SocketAddress
from mcast.node.answers import (
    CROWDED_PERIOD,
    CROWDED_RATE,
    MAX_WAITING,
    MAX_WAITING_EACH,
    RETRY_DELAY,
    WAIT_LIMIT,
    Answers,
)
from mcast.sockets.sending import SendResult

NOBODY: SocketAddress = ("10.0.0.99", 5353)
SOMEBODY: SocketAddress = ("10.0.0.2", 5353)


class Buffer:
    """A send buffer in which what is sent to `NOBODY` stays."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.taken = 0
        self.sent: Counter[str] = Counter()
        self.order: list[str] = []

    def send(self, data: bytes, address: SocketAddress, interface: int = 0) -> SendResult:
        if self.taken >= self.room:
            return SendResult.FULL
        self.sent[address[0]] += 1
        self.order.append(address[0])
        if address == NOBODY:
            self.taken += 1
        return SendResult.SENT

    def waiting(self) -> int:
        return self.taken


class AnswerTests(SynchronousTestCase):
    """A buffer for 100 answers."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.buffer = Buffer(100)
        self.reached: list[str] = []
        self.answers = Answers(self.clock, self.buffer, self.reached.append)

    def send(self, destination: SocketAddress) -> bool:
        return self.answers.send(b"x", destination, 0)

    def test_a_host_that_does_not_exist_gets_few(self) -> None:
        for _ in range(1000):
            self.send(NOBODY)
        self.assertLess(self.buffer.sent[NOBODY[0]], 60)
        self.assertTrue(self.send(SOMEBODY))
        self.assertGreater(self.answers.counters["answers_held_back"], 900)

    def test_told(self) -> None:
        """Each time, with the host."""
        for _ in range(1000):
            self.send(NOBODY)
        self.assertEqual(self.reached, [NOBODY[0]] * self.answers.counters["answers_held_back"])

    def test_full_is_told(self) -> None:
        self.buffer.taken = self.buffer.room
        self.send(SOMEBODY)
        self.assertEqual(self.reached, [SOMEBODY[0]])

    def test_lost_is_told(self) -> None:
        """For lack of room, and for lack of time."""
        self.buffer.taken = self.buffer.room
        for _ in range(MAX_WAITING_EACH + 1):
            self.send(SOMEBODY)
        self.reached.clear()
        self.clock.pump([RETRY_DELAY] * int(2 * WAIT_LIMIT / RETRY_DELAY))
        self.assertEqual(self.answers.counters["answers_lost"], MAX_WAITING_EACH + 1)
        self.assertEqual(self.reached, [SOMEBODY[0]] * MAX_WAITING_EACH)

    def test_many_to_one_that_takes_them(self) -> None:
        for _ in range(1000):
            self.send(SOMEBODY)
        self.assertEqual(self.buffer.sent[SOMEBODY[0]], 1000)

    def test_no_longer_crowded(self) -> None:
        for _ in range(100):
            self.send(NOBODY)
        self.buffer.taken = 0
        self.clock.advance(CROWDED_PERIOD)
        for _ in range(2 * CROWDED_RATE):
            self.send(SOMEBODY)
        self.assertEqual(self.buffer.sent[SOMEBODY[0]], 2 * CROWDED_RATE)

    def test_what_finds_it_full_waits(self) -> None:
        self.buffer.taken = self.buffer.room
        self.assertTrue(self.send(SOMEBODY))
        self.assertEqual(self.buffer.sent[SOMEBODY[0]], 0)
        self.buffer.taken = 0
        self.clock.advance(RETRY_DELAY)
        self.assertEqual(self.buffer.sent[SOMEBODY[0]], 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_to_each_in_turn(self) -> None:
        """Room for one more goes to another host than the last."""
        self.buffer.taken = self.buffer.room
        for _ in range(2):
            self.send(NOBODY)
        self.send(SOMEBODY)
        self.buffer.taken -= 1
        self.clock.advance(RETRY_DELAY)
        self.buffer.taken = self.buffer.room - 1
        self.clock.advance(RETRY_DELAY)
        self.assertEqual(self.buffer.order, [NOBODY[0], SOMEBODY[0], NOBODY[0]])

    def test_few_wait_for_one_host(self) -> None:
        self.buffer.taken = self.buffer.room
        kept = [self.send(SOMEBODY) for _ in range(10)]
        self.assertEqual(kept.count(True), MAX_WAITING_EACH)

    def test_bounded(self) -> None:
        self.buffer.taken = self.buffer.room
        kept = [self.send((f"10.0.{n // 250}.{n % 250}", 5353)) for n in range(2 * MAX_WAITING)]
        self.assertEqual(kept.count(True), MAX_WAITING)

    def test_given_up(self) -> None:
        self.buffer.taken = self.buffer.room
        self.send(SOMEBODY)
        self.clock.pump([RETRY_DELAY] * int(WAIT_LIMIT / RETRY_DELAY + 2))
        self.assertEqual(self.answers.counters["answers_lost"], 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_closed(self) -> None:
        self.buffer.taken = self.buffer.room
        self.send(SOMEBODY)
        self.answers.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])
