"""Tests for the pace of `mcast send`, and that it loses nothing."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.cli.send import BATCH, FULL_PAUSE, Load, Sender, sized
from mcast.sockets.group import Group
from mcast.sockets.sending import SendResult
from tests.echo.fakes import ETH0, ETH1


class FakePort:
    """Takes ``room`` datagrams until it is given more."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.room = 1_000_000
        self.refuse = False

    def send(self, data: bytes, address: tuple[Any, ...], interface: int = 0) -> SendResult:
        if self.refuse:
            return SendResult.REFUSED
        if not self.room:
            return SendResult.FULL
        self.room -= 1
        self.sent.append(interface)
        return SendResult.SENT


class SenderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.port = FakePort()

    def start(self, count: int, rate: float | None = None, both: bool = False) -> Deferred[None]:
        self.sender = Sender(
            self.clock,
            self.port,
            Load(Group.parse("224.0.0.123:7645"), (ETH0, ETH1) if both else (ETH0,), b"hello", count, rate),
            self.clock.seconds,
        )
        return self.sender.start()

    def test_all(self) -> None:
        done = self.start(3)
        self.successResultOf(done)
        self.assertEqual((self.port.sent, self.sender.sent), ([2, 2, 2], 3))

    def test_numbered(self) -> None:
        """The same number by each interface, the pace of the numbers, and the size that was asked for."""
        load = Load(Group.parse("224.0.0.123:7645"), (ETH0, ETH1), bytes(80), 3, 10.0, 4711)
        datagrams = [load.datagram(turn) for turn in (0, 12)]
        self.assertEqual(
            datagrams[1], b"Sender PID 4711, MC group 224.0.0.123 ... count: 12, freq: 100".ljust(80, b"\0")
        )
        self.assertEqual([len(data) for data in datagrams], [80, 80])

    def test_each_interface(self) -> None:
        self.start(2, both=True)
        self.assertEqual(self.port.sent, [2, 3, 2, 3])

    def test_the_reactor_has_its_turn(self) -> None:
        done = self.start(BATCH + 1)
        self.assertEqual(len(self.port.sent), BATCH)
        self.clock.advance(0)
        self.successResultOf(done)

    def test_rate(self) -> None:
        done = self.start(3, rate=10.0)
        self.assertEqual(len(self.port.sent), 1)
        self.clock.advance(0.1)
        self.assertEqual(len(self.port.sent), 2)
        self.clock.advance(0.1)
        self.successResultOf(done)

    def test_rate_is_kept_when_late(self) -> None:
        self.start(1000, rate=100.0)
        self.clock.advance(0.105)
        self.assertEqual(len(self.port.sent), 11)

    def test_full_buffer_loses_nothing(self) -> None:
        """A full buffer slows it and is counted; each datagram leaves in the end."""
        self.port.room = 2
        done = self.start(5)
        self.assertEqual((len(self.port.sent), self.sender.waits), (2, 1))
        self.clock.advance(FULL_PAUSE)
        self.assertEqual(self.sender.waits, 2)
        self.port.room = 100
        self.clock.advance(FULL_PAUSE)
        self.successResultOf(done)
        self.assertEqual((self.sender.sent, self.sender.refused, len(self.port.sent)), (5, 0, 5))

    def test_refused(self) -> None:
        """What the system will not send is not tried for ever."""
        self.port.refuse = True
        self.successResultOf(self.start(3))
        self.assertEqual((self.sender.sent, self.sender.refused), (0, 3))

    def test_interrupted(self) -> None:
        done = self.start(3, rate=1.0)
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SizedTests(SynchronousTestCase):
    def test_as_it_is(self) -> None:
        self.assertEqual(sized(b"hello", None), b"hello")

    def test_cut(self) -> None:
        self.assertEqual(sized(b"hello", 2), b"he")

    def test_repeated(self) -> None:
        self.assertEqual(sized(b"abc", 8), b"abcabcab")

    def test_nothing_to_repeat(self) -> None:
        self.assertEqual(sized(b"", 3), bytes(3))

    def test_none(self) -> None:
        self.assertEqual(sized(b"hello", 0), b"")
