"""Thousands of services in a followed file leave the reactor to others: `mcast.tap.slices`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.node.node import Node
from mcast.node.registrations import Registration
from mcast.tap.services_follower import POLL_INTERVAL, ServicesFollower, read_followed
from mcast.tap.slices import SLICE, Slices
from tests.node.node_lab import SETTLED, NodeTestCase

STEPS = 5
"""Steps of one slice."""

STEP = SLICE / (STEPS - 0.5)
"""Seconds that each step of the work takes here."""


class SlicesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.subject = Slices(self.clock)
        self.done: list[str] = []

    def job(self, name: str, steps: int, takes: float = STEP) -> Iterator[None]:
        for _ in range(steps):
            self.clock.rightNow += takes
            self.done.append(name)
            yield

    def turns(self) -> list[int]:
        """Let the reactor do what is due; return how many steps were done in each of its turns."""
        turns: list[int] = []

        def other() -> None:
            turns.append(len(self.done) - before - sum(turns))
            if turns[-1]:
                self.clock.callLater(0, other)

        before = len(self.done)
        self.clock.callLater(0, other)
        self.clock.advance(0)
        return turns[:-1]

    def test_a_little_in_each_turn(self) -> None:
        self.subject.add(self.job("a", 2 * STEPS + 1))
        self.subject.work()
        self.assertEqual(len(self.done), STEPS)
        self.assertEqual(self.turns(), [STEPS, 1])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_many_short_jobs(self) -> None:
        """Of a folder each file is a job: together they are bounded, too."""
        for _ in range(2 * STEPS):
            self.subject.add(self.job("a", 1))
        self.subject.work()
        self.assertEqual(len(self.done), STEPS)

    def test_in_order(self) -> None:
        """What one job withdraws another may publish."""
        self.subject.add(self.job("a", STEPS + 1))
        self.subject.work()
        self.subject.add(self.job("b", 1))
        self.subject.work()
        self.assertEqual(self.done, ["a"] * STEPS)
        self.turns()
        self.assertEqual(self.done, ["a"] * (STEPS + 1) + ["b"])

    def test_pause(self) -> None:
        self.subject.add(self.job("a", STEPS + 1))
        self.subject.work()
        self.subject.pause()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.subject.work()
        self.assertEqual(len(self.done), STEPS + 1)

    def test_mistake(self) -> None:
        """It is logged, and the other jobs are done."""

        def wrong() -> Iterator[None]:
            yield
            raise ZeroDivisionError

        self.subject.add(wrong())
        self.subject.add(self.job("a", 1))
        self.subject.work()
        self.assertEqual(self.done, ["a"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class FollowerTests(NodeTestCase):
    """What else there is gets its turn while a file publishes or withdraws many services."""

    COUNT = 4 * STEPS

    def setUp(self) -> None:
        super().setUp()
        self.path = Path(self.mktemp())
        self.subject = self.settled("kitchen", ipv6=False)
        self.steps: list[int] = []
        """Calls of the node in each turn of the reactor."""
        self.slow(Node, "publish")
        self.slow(Registration, "withdraw")

    def slow(self, owner: type, method: str) -> None:
        """Let a method take its time, and count its calls."""
        original: Callable[..., Any] = getattr(owner, method)

        def call(*arguments: Any, **keywords: Any) -> Any:
            self.lan.clock.rightNow += STEP
            self.steps[-1] += 1
            return original(*arguments, **keywords)

        self.patch(owner, method, call)

    def turns(self) -> list[int]:
        """Let the reactor do what is due, with somebody else in each turn; return the steps between."""

        def other() -> None:
            if self.steps[-1]:
                self.steps.append(0)
                self.lan.clock.callLater(0, other)

        self.steps.append(0)
        self.lan.clock.callLater(0, other)
        self.lan.advance(SETTLED)
        return [steps for steps in self.steps if steps]

    def write(self, numbers: range) -> None:
        self.path.write_text(
            "".join(f'[[service]]\nname = "{n}"\ntype = "_http._tcp"\nport = 80\n' for n in numbers)
        )

    def test_published_and_withdrawn(self) -> None:
        self.write(range(self.COUNT))
        self.steps = [0]
        follower = ServicesFollower(self.lan.clock, self.subject, read_followed(str(self.path), "kitchen"))
        self.addCleanup(follower.stopService)
        follower.startService()
        self.assertEqual(self.turns(), [STEPS] * 4)
        self.assertEqual(sum(one.is_claimed for one in self.subject.registrations), self.COUNT + 1)
        self.write(range(1))
        self.steps = [0]
        follower.read_again()
        self.assertEqual(sum(self.turns()), self.COUNT - 1)
        self.assertLessEqual(max(self.steps), STEPS)
        self.assertEqual([one.name for one in self.subject.registrations], ["kitchen", "0"])

    def test_changed_meanwhile(self) -> None:
        """What the file says last is what is published."""
        self.write(range(self.COUNT))
        self.steps = [0]
        follower = ServicesFollower(self.lan.clock, self.subject, read_followed(str(self.path), "kitchen"))
        self.addCleanup(follower.stopService)
        follower.startService()
        for last in (3, 2):
            self.write(range(last))
            follower.read_again()
        self.turns()
        self.assertEqual([one.name for one in self.subject.registrations], ["kitchen", "0", "1"])

    def test_stopped_meanwhile(self) -> None:
        """The rest is published after the next start."""
        self.write(range(self.COUNT))
        self.steps = [0]
        follower = ServicesFollower(self.lan.clock, self.subject, read_followed(str(self.path), "kitchen"))
        follower.startService()
        follower.stopService()
        self.lan.advance(POLL_INTERVAL)
        self.assertEqual(self.steps, [STEPS])
        follower.startService()
        self.addCleanup(follower.stopService)
        self.turns()
        self.assertEqual(len(self.subject.registrations), self.COUNT + 1)
