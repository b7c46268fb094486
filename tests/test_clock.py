"""`mcast.clock`: durations that no change of the wall clock touches."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.clock import LOOK_INTERVAL, LookingBell, SteadyClock, TimerDescriptor, clock_of
from tests.network.lan import wait_until


class Passing:
    """Time that passes as a test says, and the bell of a clock on it."""

    is_lost = False

    def __init__(self) -> None:
        self.now = 100.0
        self.due_at: float | None = None
        self.settings = 0
        self.closed = 0
        self.clock = SteadyClock(lambda: self.now, self._made)

    def _made(self, ring: Callable[[], None]) -> Passing:
        self._ring = ring
        self.is_lost = False
        return self

    def set(self, delay: float) -> None:
        self.settings += 1
        self.due_at = self.now + delay

    def close(self) -> None:
        self.closed += 1
        self.due_at = None

    def pass_by(self, seconds: float) -> None:
        """Let time pass; the bell rings in its time."""
        end = self.now + seconds
        while self.due_at is not None and self.due_at <= end:
            self.now, self.due_at = self.due_at, None
            self._ring()
        self.now = end

    def sleep(self, seconds: float) -> None:
        """Let time pass in which nothing runs."""
        self.now += seconds
        if self.due_at is not None and self.due_at <= self.now:
            self.due_at = None
            self._ring()


class CallTests(SynchronousTestCase):
    """What is called, and when."""

    def setUp(self) -> None:
        self.time = Passing()
        self.clock = self.time.clock
        self.called: list[Any] = []

    def at(self, delay: float, name: str) -> Any:
        return self.clock.callLater(delay, self.called.append, name)

    def test_in_the_order_of_their_times(self) -> None:
        self.at(2.0, "second")
        self.at(1.0, "first")
        self.time.pass_by(1.5)
        self.assertEqual(self.called, ["first"])
        self.time.pass_by(1.0)
        self.assertEqual(self.called, ["first", "second"])

    def test_cancelled(self) -> None:
        self.at(1.0, "never").cancel()
        self.time.pass_by(2.0)
        self.assertEqual((self.called, self.time.due_at), ([], None))

    def test_put_off(self) -> None:
        call = self.at(1.0, "later")
        call.reset(3.0)
        self.time.pass_by(2.9)
        self.assertEqual(self.called, [])
        self.time.pass_by(0.2)
        self.assertEqual(self.called, ["later"])

    def test_brought_forward(self) -> None:
        call = self.at(10.0, "sooner")
        call.reset(1.0)
        self.time.pass_by(1.0)
        self.assertEqual(self.called, ["sooner"])
        self.time.pass_by(10.0)
        self.assertEqual(self.called, ["sooner"])

    def test_put_off_by_one_that_is_due_with_it(self) -> None:
        call = self.at(1.0, "later")
        self.clock.callLater(0.5, call.reset, 5.0)
        self.time.sleep(2.0)
        self.assertEqual(self.called, [])
        self.time.pass_by(5.0)
        self.assertEqual(self.called, ["later"])

    def test_one_that_raises_stops_no_other(self) -> None:
        """A timer is armed again whatever its handler raised."""
        self.clock.callLater(1.0, lambda: 1 // 0)
        self.at(1.0, "now")
        self.at(2.0, "then")
        self.time.pass_by(3.0)
        self.assertEqual(self.called, ["now", "then"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_called_from_a_call_has_its_turn_later(self) -> None:
        """A call that calls itself at once does not keep the reactor from reading."""

        def again() -> None:
            self.called.append(len(self.called))
            self.clock.callLater(0, again)

        self.clock.callLater(0, again)
        self.time.sleep(0.0)
        self.assertEqual(self.called, [0])

    def test_nothing_is_left_in_the_reactor(self) -> None:
        call = self.at(1.0, "never")
        self.assertEqual(self.time.closed, 0)
        call.cancel()
        self.assertEqual(self.time.closed, 1)

    def test_a_lost_bell_is_replaced(self) -> None:
        """A reactor that shut down closed it; it may run again."""
        self.at(1.0, "first")
        self.time.due_at, self.time.is_lost = None, True
        self.at(2.0, "second")
        self.time.pass_by(3.0)
        self.assertEqual(self.called, ["first", "second"])

    def test_setting_costs_little(self) -> None:
        """The bell is set when it would ring too late, and not for each call."""
        for _ in range(1000):
            self.at(5.0, "never").cancel()
            self.at(7.0, "then")
        self.assertLess(self.time.settings, 5)

    def test_cancelled_calls_are_forgotten(self) -> None:
        self.at(1.0, "then")
        for _ in range(1000):
            self.at(5000.0, "never").cancel()
        self.assertLess(len(self.clock._entries), 100)

    def test_negative_delay(self) -> None:
        with self.assertRaisesRegex(ValueError, "a delay of -1"):
            self.clock.callLater(-1, list)


class SleepTests(SynchronousTestCase):
    """A time in which nothing ran is noticed."""

    def setUp(self) -> None:
        self.time = Passing()
        self.told: list[object] = []
        self.stop = self.time.clock.watch_sleep(60.0, self.told.append)

    def test_slept(self) -> None:
        self.time.pass_by(1000.0)
        self.time.sleep(70.0)
        self.assertEqual(self.told, [80.0])  # the last look was at 990

    def test_longer_than_the_limit_is_always_noticed(self) -> None:
        self.time.pass_by(30.0)
        self.time.sleep(60.1)
        self.assertEqual(len(self.told), 1)

    def test_awake_or_busy(self) -> None:
        self.time.pass_by(3000.0)
        self.time.sleep(29.0)
        self.assertEqual(self.told, [])

    def test_told_before_what_became_due(self) -> None:
        self.time.clock.callLater(50.0, self.told.append, "call")
        self.time.sleep(300.0)
        self.assertEqual(self.told, [300.0, "call"])

    def test_stopped(self) -> None:
        self.stop()
        self.assertEqual((self.time.due_at, self.time.clock.getDelayedCalls()), (None, []))


class LookingBellTests(SynchronousTestCase):
    """Where the system has no timer that counts sleep."""

    def test_rings_in_time(self) -> None:
        reactor = Clock()
        rung: list[float] = []
        bell = LookingBell(reactor, lambda: rung.append(reactor.seconds()))
        bell.set(0.5)
        reactor.advance(0.5)
        self.assertEqual(rung, [0.5])

    def test_looks_often(self) -> None:
        reactor = Clock()
        rung: list[float] = []
        LookingBell(reactor, lambda: rung.append(reactor.seconds())).set(3600)
        reactor.advance(LOOK_INTERVAL)
        self.assertEqual(rung, [LOOK_INTERVAL])


class ReactorTests(SynchronousTestCase):
    """On a reactor."""

    if not hasattr(time, "CLOCK_BOOTTIME"):
        skip = "this system has no clock that counts sleep"

    def setUp(self) -> None:
        self.reactor: Any = EPollReactor()
        self.addCleanup(self._end)

    def _end(self) -> None:
        for each in self.reactor.removeAll():
            each.connectionLost(None)
        for reader in list(self.reactor._internalReaders):
            self.reactor.removeReader(reader)
            reader.connectionLost(None)

    def test_a_clock_is_its_own(self) -> None:
        clock = Clock()
        self.assertIs(clock_of(clock), clock)

    def test_one_clock_for_a_reactor(self) -> None:
        clock = clock_of(self.reactor)
        self.assertIs(clock_of(self.reactor), clock)

    def test_calls_whatever_the_time_of_the_reactor(self) -> None:
        called: list[str] = []
        clock = clock_of(self.reactor)
        # Not due before the other, however long this process stands still between the two.
        later = clock.callLater(3600, called.append, "later")
        clock.callLater(0, called.append, "at once")
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(len(self.timers()), 1)
        wait_until(lambda: called, "the call", step=lambda: self.reactor.iterate(0.5))
        self.assertEqual(called, ["at once"])
        later.reset(0.05)
        wait_until(lambda: len(called) > 1, "the calls", step=lambda: self.reactor.iterate(0.5))
        self.assertEqual(called, ["at once", "later"])
        self.assertEqual(self.timers(), [])

    def timers(self) -> list[TimerDescriptor]:
        return [each for each in self.reactor.getReaders() if isinstance(each, TimerDescriptor)]
