"""`mcast.tap.start_freezer`: the collector while a program with thousands of services starts."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.tap import start_freezer
from mcast.tap.start_freezer import INTERVAL, LIMIT, MANY, Claimable, StartFreezer


class Collector:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def freeze(self) -> None:
        """Take note of it."""
        self.calls.append("freeze")

    def unfreeze(self) -> None:
        """Take note of it."""
        self.calls.append("unfreeze")


class Published:
    """One name."""

    is_claimed = False


class StartFreezerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.collector = Collector()
        self.patch(start_freezer, "gc", self.collector)
        self.published: list[Published] = []
        self.freezer = StartFreezer(self.clock, self.all_published)
        self.freezer.start()

    def all_published(self) -> tuple[Claimable, ...]:
        return tuple(self.published)

    def looks(self, number: int) -> int:
        """Return how often the collector was told to freeze in so many looks."""
        before = len(self.collector.calls)
        for _ in range(number):
            self.clock.advance(INTERVAL)
        return len(self.collector.calls) - before

    def test_many(self) -> None:
        """Until all is claimed and nothing comes any more."""
        self.published = [Published() for _ in range(MANY)]
        self.assertEqual(self.looks(4), 4)
        for each in self.published:
            each.is_claimed = True
        self.assertEqual(self.looks(4), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_few(self) -> None:
        """A collector with little to do is left alone."""
        self.published = [Published() for _ in range(MANY - 1)]
        self.assertEqual(self.looks(4), 0)

    def test_few_read_again(self) -> None:
        """What the program has loaded stays frozen."""
        self.published = [Published()]
        self.looks(4)
        self.freezer.thaw()
        self.assertEqual(self.collector.calls, [])

    def test_never_claimed(self) -> None:
        """Without a link for example: after a while the start is over."""
        self.published = [Published() for _ in range(MANY)]
        self.clock.pump([1.0] * int(LIMIT + 2))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_read_again(self) -> None:
        """Much may be dropped then: the collector is to see all again, and the start is over."""
        self.published = [Published() for _ in range(MANY)]
        self.looks(1)
        self.freezer.thaw()
        self.assertEqual(self.collector.calls, ["freeze", "unfreeze"])
        self.assertEqual(self.looks(4), 0)
