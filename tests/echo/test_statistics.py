"""Tests for round-trip times in bounded space."""

from __future__ import annotations

import random

from twisted.trial.unittest import SynchronousTestCase

from mcast.echo import statistics as module
from mcast.echo.statistics import RoundTripTimes


class TimesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.times = RoundTripTimes(random.Random(1))

    def test_nothing(self) -> None:
        self.assertEqual(list(self.times.percentiles(0.5, 0.95)), [0.0, 0.0])

    def test_one(self) -> None:
        self.times.add(0.25)
        self.assertEqual(list(self.times.percentiles(0.0, 0.5, 0.95, 1.0)), [0.25] * 4)

    def test_nearest_rank(self) -> None:
        """The percentile is a time that was measured."""
        for each in range(100, 0, -1):
            self.times.add(each / 1000)
        self.assertEqual(list(self.times.percentiles(0.5, 0.95, 1.0)), [0.05, 0.095, 0.1])

    def test_extremes(self) -> None:
        for each in (0.3, 0.1, 0.2):
            self.times.add(each)
        self.assertEqual((self.times.count, self.times.minimum, self.times.maximum), (3, 0.1, 0.3))

    def test_bounded(self) -> None:
        """Beyond its size it keeps a fair sample, and the exact extremes."""
        self.patch(module, "MAX_SAMPLES", 500)
        for each in range(20_000):
            self.times.add(each / 1000)
        self.assertEqual(len(self.times._kept), 500)
        self.assertEqual((self.times.minimum, self.times.maximum), (0.0, 19.999))
        (median,) = self.times.percentiles(0.5)
        self.assertLess(abs(median - 10.0), 1.5)
