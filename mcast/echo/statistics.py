"""Round-trip times, summed up in bounded space."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator

MAX_SAMPLES = 100_000
"""Times kept for the percentiles of one responder. Our choice: exact for a day of one a second, within one
percent beyond; 800 kB."""


class RoundTripTimes:
    """A growing set of durations in seconds.

    Minimum and maximum are exact; percentiles come from at most `MAX_SAMPLES` of the durations.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._kept = array("d")
        self.count = 0
        self.minimum = 0.0
        self.maximum = 0.0

    def add(self, duration: float) -> None:
        """Count one duration."""
        self.minimum = min(self.minimum, duration) if self.count else duration
        self.maximum = max(self.maximum, duration)
        self.count += 1
        if len(self._kept) < MAX_SAMPLES:
            self._kept.append(duration)
        else:
            # Vitter's algorithm R: each of the ``count`` durations is kept with the same probability.
            place = self._rng.randrange(self.count)
            if place < MAX_SAMPLES:
                self._kept[place] = duration

    def sample(self) -> tuple[float, ...]:
        """Return the durations that are kept: all of them, or `MAX_SAMPLES` drawn by chance."""
        return tuple(self._kept)

    def percentiles(self, *fractions: float) -> Iterator[float]:
        """Yield the percentile for each fraction; 0.0 when there are no durations.

        It is the smallest duration that this part of all durations does not exceed.
        """
        ordered = sorted(self._kept)
        for fraction in fractions:
            # Nearest rank: the answer is always a time that was measured.
            rank = -int(-fraction * len(ordered) // 1)
            yield ordered[max(rank, 1) - 1] if ordered else 0.0
