"""When a link wants to be woken, and in which order its parts are."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.trial.unittest import SynchronousTestCase

from mcast.mdns.schedule import Schedule, Timers


@dataclass(eq=False)
class Bell:
    name: str
    wake_at: float | None = None


class Part:
    """Has one timer, and writes down when it was woken."""

    def __init__(self, name: str, log: list[tuple[str, float]]) -> None:
        self.bell = Bell(name)
        self.timers: Timers[Bell] = Timers()
        self._log = log

    def wake(self, now: float) -> None:
        self._log += [(bell.name, now) for bell in self.timers.due(now)]


class ScheduleTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.log: list[tuple[str, float]] = []
        self.schedule = Schedule()
        self.first, self.second = (Part(name, self.log) for name in ("first", "second"))
        for part in (self.first, self.second):
            self.schedule.add(part.timers.next_at, part.wake)

    def test_waits_for_nothing_at_first(self) -> None:
        self.assertIsNone(self.schedule.next_at())

    def test_tells_the_earliest_time(self) -> None:
        self.first.timers.arm(self.first.bell, 7.0)
        self.second.timers.arm(self.second.bell, 5.0)
        self.assertEqual(self.schedule.next_at(), 5.0)

    def test_wakes_only_what_is_due(self) -> None:
        self.first.timers.arm(self.first.bell, 7.0)
        self.second.timers.arm(self.second.bell, 5.0)
        self.schedule.advance(6.0)
        self.assertEqual(self.log, [("second", 6.0)])
        self.assertEqual(self.schedule.next_at(), 7.0)

    def test_wakes_in_the_order_of_the_parts(self) -> None:
        """Not in that of the times: a late timer must not let new data overtake a goodbye."""
        self.first.timers.arm(self.first.bell, 7.0)
        self.second.timers.arm(self.second.bell, 5.0)
        self.schedule.advance(8.0)
        self.assertEqual(self.log, [("first", 8.0), ("second", 8.0)])

    def test_does_at_once_what_an_earlier_part_makes_due(self) -> None:
        self.schedule = Schedule()
        self.schedule.add(lambda: 1.0, lambda now: self.second.timers.arm(self.second.bell, now))
        self.schedule.add(self.second.timers.next_at, self.second.wake)
        self.schedule.advance(1.0)
        self.assertEqual(self.log, [("second", 1.0)])


class TimersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.timers: Timers[Bell] = Timers()
        self.bell, self.other = Bell("bell"), Bell("other")

    def test_go_off_in_their_order(self) -> None:
        self.timers.arm(self.bell, 2.0)
        self.timers.arm(self.other, 1.0)
        self.assertEqual(self.timers.due(2.0), [self.other, self.bell])
        self.assertIsNone(self.timers.next_at())

    def test_arm_keeps_the_earlier_time(self) -> None:
        self.timers.arm(self.bell, 1.0)
        self.timers.arm(self.bell, 2.0)
        self.assertEqual(self.timers.next_at(), 1.0)

    def test_rearm_takes_the_later_time(self) -> None:
        self.timers.arm(self.bell, 1.0)
        self.timers.rearm(self.bell, 2.0)
        self.assertEqual((self.timers.due(1.5), self.timers.next_at()), ([], 2.0))

    def test_disarmed_does_not_go_off(self) -> None:
        self.timers.arm(self.bell, 1.0)
        self.timers.disarm(self.bell)
        self.assertEqual((self.timers.due(9.0), self.timers.next_at()), ([], None))

    def test_cleared_may_be_armed_again(self) -> None:
        self.timers.arm(self.bell, 1.0)
        self.timers.clear()
        self.assertIsNone(self.bell.wake_at)
        self.timers.arm(self.bell, 3.0)
        self.assertEqual(self.timers.next_at(), 3.0)

    def test_keep_few_entries_that_are_out_of_date(self) -> None:
        for at in range(10000):
            self.timers.rearm(self.bell, float(at))
        self.assertLess(len(self.timers), 300)
