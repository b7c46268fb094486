"""How fast questions are repeated while nobody answers any."""

from __future__ import annotations

from collections import Counter
from typing import Final

OPEN = 90
"""Questions asked before an answer has come to any of them. Our choice: they fill about one packet."""

FIRST_PAUSE = 4.0
"""Seconds before more questions are repeated when none of these was answered.

Our choice: answers come within 500 ms (RFC 6762 §6), and the refresh queries for a record of TTL 120 are six
seconds apart (§5.2).
"""

LONGEST_PAUSE = 64.0
"""The pause to which the first one grows, by doubling.

Our choice: who is there again announces itself, so that the questions are needed for hardly anything.
"""


class Pacing:
    """Decides when a question that was asked before may be asked again.

    A thousand services that vanish at once, or that a stranger invents, leave thousands of questions open.
    RFC 6762 §5.2 has each of them repeated in growing intervals. In a silence, the intervals of all of them
    together grow; the first answer ends it.
    """

    __slots__ = ("_counters", "_open", "_pause", "resumes_at")

    def __init__(self, counters: Counter[str]) -> None:
        self._counters: Final = counters
        self.resumes_at = 0.0
        """When questions may be repeated again, if that is not over."""
        self.answered()

    def answered(self) -> None:
        """Somebody answers."""
        self._open = 0
        self._pause = FIRST_PAUSE
        self.resumes_at = 0.0

    def asked(self) -> None:
        """A question is asked, for the first time or not."""
        self._open += 1

    def allows(self, now: float) -> bool:
        """Whether one more question may be repeated now; when not, see `resumes_at`."""
        if now >= self.resumes_at:
            if now >= self.resumes_at + 2 * LONGEST_PAUSE:
                self._pause = FIRST_PAUSE
            if self._open < OPEN:
                return True
            self._open = 0
            self.resumes_at = now + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self._counters["questions put off in silence"] += 1
        return False
