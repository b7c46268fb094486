"""Tests for the limit of answers to one source."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.rate_limit import MAX_SOURCES, WINDOW, RateLimit


class RateLimitTests(SynchronousTestCase):
    """`RateLimit`; echo and mDNS test it as they use it."""

    def test_as_many_as_allowed(self) -> None:
        limit = RateLimit(2)
        self.assertEqual([limit.allows("192.0.2.9", 5.0) for _ in range(4)], [True, True, False, False])

    def test_again_in_the_next_window(self) -> None:
        limit = RateLimit(1)
        moments = (5.0, 5.0 + WINDOW - 0.001, 5.0 + WINDOW)
        self.assertEqual([limit.allows("192.0.2.9", now) for now in moments], [True, False, True])

    def test_clock_set_back(self) -> None:
        limit = RateLimit(1)
        limit.allows("192.0.2.9", 3600.0)
        self.assertTrue(limit.allows("192.0.2.9", 0.0))

    def test_no_limit(self) -> None:
        limit = RateLimit(0)
        self.assertEqual({limit.allows("192.0.2.9", 5.0) for _ in range(10_000)}, {True})

    def test_turn_tells(self) -> None:
        limit = RateLimit(1)
        self.assertEqual([limit.turn(now) for now in (5.0, 5.5, 6.0)], [True, False, True])

    def test_the_table_is_bounded(self) -> None:
        """Sources beyond the bound share one allowance, which a flood of forged ones uses up."""
        limit = RateLimit(1)
        hosts = [f"10.0.{number >> 8}.{number & 255}" for number in range(MAX_SOURCES + 9)]
        allowed = [limit.allows(host, 5.0) for host in hosts]
        self.assertEqual(allowed, [True] * (MAX_SOURCES + 1) + [False] * 8)
        self.assertEqual(len(limit.left), MAX_SOURCES + 1)

    def test_known_ones_keep_theirs(self) -> None:
        limit = RateLimit(2)
        for number in range(MAX_SOURCES + 9):
            limit.allows(f"10.0.{number >> 8}.{number & 255}", 5.0)
        self.assertTrue(limit.allows("10.0.0.1", 5.0))

    def test_one_table(self) -> None:
        """A hot loop keeps the dictionary, whatever windows begin."""
        limit = RateLimit(1)
        table = limit.left
        limit.allows("192.0.2.9", 5.0)
        limit.allows("192.0.2.10", 9.0)
        self.assertEqual(table, {"192.0.2.10": 0})
