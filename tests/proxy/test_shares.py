"""Queries of a flood wait in shares, and take turns."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.proxy import shares
from mcast.proxy.shares import Shares


class SharesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(shares, "MAX_WAITING", 6)
        self.shares: Shares[str] = Shares()

    def add(self, source: str, count: int) -> int:
        """Return how many were taken."""
        return sum([self.shares.add(source, f"{source}{number}") for number in range(count)])

    def all(self) -> list[str]:
        return [self.shares.take() for _ in range(len(self.shares))]

    def test_in_order(self) -> None:
        self.assertEqual(self.add("a", 3), 3)
        self.assertEqual(self.all(), ["a0", "a1", "a2"])
        self.assertRaises(IndexError, self.shares.take)

    def test_sources_take_turns(self) -> None:
        self.add("a", 3)
        self.add("b", 1)
        self.assertEqual(self.all(), ["a0", "b0", "a1", "a2"])

    def test_one_is_not_shut_out(self) -> None:
        """A flood has all places; who has none waiting gets in, and is next but one."""
        self.assertEqual(self.add("a", 9), 6)
        self.assertEqual(self.add("b", 9), 1)
        self.assertEqual(self.all()[:2], ["a0", "b0"])

    def test_share(self) -> None:
        for source in "abc":
            self.add(source, 1)
        self.assertEqual([self.add(source, 9) for source in "abc"], [1, 1, 1])

    def test_bounded(self) -> None:
        """From however many sources."""
        self.add("a", 6)
        self.assertEqual(sum([self.add(f"source {number} ", 1) for number in range(99)]), 5)
        self.assertLess(len(self.shares), 12)

    def test_clear(self) -> None:
        self.add("a", 3)
        self.shares.clear()
        self.assertEqual((len(self.shares), self.add("a", 3)), (0, 3))
