"""What has arrived when a wait for answers ends is read first; each turn of the reactor is told apart."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.last_look import LAST_LOOK, LastLook


class LastLookTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.read = 0
        self.ends: list[float] = []
        self.look = LastLook(self.clock, lambda: self.ends.append(self.clock.seconds()), lambda: self.read)

    def stop(self, seconds: float) -> None:
        """Let time pass in which nothing is called."""
        self.clock.rightNow += seconds

    def turn(self, read: int = 0) -> None:
        """Let the reactor call what is due at the beginning of this turn, and then read."""
        for call in [each for each in self.clock.calls if each.getTime() <= self.clock.seconds()]:
            self.clock.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)
        self.read += read

    def test_in_time(self) -> None:
        """What is read in the same turn, or the next one, is in time."""
        self.look.end_in(3)
        self.stop(3)
        for read in (1, 0):
            self.turn(read)
            self.assertEqual(self.ends, [])
        self.turn()
        self.assertEqual(self.ends, [3])

    def test_late(self) -> None:
        """It ends after a whole turn in which nothing was read."""
        self.look.end_in(3)
        self.stop(5)
        for read in (0, 1, 256, 1, 0):
            self.turn(read)
            self.assertEqual(self.ends, [])
        self.turn()
        self.assertEqual(self.ends, [5])

    def test_late_in_a_turn_that_has_read(self) -> None:
        """The turn in which the timer came does not count: what is left is read in the next one."""
        self.look.end_in(3)
        self.stop(5)
        for read in (1, 1, 0):
            self.turn(read)
            self.assertEqual(self.ends, [])
        self.turn()
        self.assertEqual(self.ends, [5])

    def test_late_with_nothing_to_read(self) -> None:
        self.look.end_in(3)
        self.stop(5)
        self.clock.advance(0)
        self.assertEqual(self.ends, [5])

    def test_flood(self) -> None:
        """It does not put off the end for long."""
        self.look.end_in(3)
        self.stop(5)
        for _ in range(20):
            self.turn(256)
            self.stop(LAST_LOOK / 10)
        self.assertEqual(len(self.ends), 1)
        self.assertLess(self.ends[0], 5 + 2 * LAST_LOOK)

    def test_still_again(self) -> None:
        """A process that stands still in the middle of it reads on."""
        self.look.end_in(3)
        self.stop(5)
        for read in (0, 1, 256, 0):
            self.turn(read)
            self.assertEqual(self.ends, [])
            self.stop(2 * LAST_LOOK)
        self.turn()
        self.assertEqual(len(self.ends), 1)

    def test_begun_in_time(self) -> None:
        """Whoever asks for it looks in any case."""
        self.look.begin()
        self.turn()
        self.assertEqual(self.ends, [])
        self.clock.advance(0)
        self.assertEqual(self.ends, [0])

    def test_put_off(self) -> None:
        """Also while it looks."""
        self.look.end_in(3)
        self.look.end_in(4)
        self.clock.advance(3)
        self.assertEqual(self.ends, [])
        self.stop(2)
        self.turn(1)
        self.look.end_in(1)
        self.clock.advance(0.5)
        self.assertEqual(self.ends, [])
        self.clock.advance(0.5)
        self.assertEqual(self.ends, [6])

    def test_cancelled(self) -> None:
        for late in (0, 5):
            self.look.end_in(3)
            self.stop(late)
            self.turn()
            self.assertTrue(self.look.is_waiting)
            self.look.cancel()
            self.look.cancel()
            self.assertFalse(self.look.is_waiting)
        self.clock.advance(10)
        self.assertEqual(self.ends, [])
