"""How long something takes, in four numbers."""

from __future__ import annotations


class Durations:
    """The count, sum and maximum of durations in seconds, and the number of failures."""

    __slots__ = ("count", "failures", "longest", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.longest = 0.0
        self.failures = 0

    def add(self, seconds: float) -> None:
        """Take in one duration."""
        self.count += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)

    def as_dict(self) -> dict[str, float]:
        """Return ``count``, ``sum``, ``max`` and ``failures``."""
        return {"count": self.count, "sum": self.total, "max": self.longest, "failures": self.failures}
