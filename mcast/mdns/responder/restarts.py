"""Which record groups are still to begin anew since the link works again (RFC 6762 §8)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from mcast.mdns.responder.publication import Publication

MAX_RESTARTS = 200
"""Groups that begin anew in one go. Our choice: some milliseconds of work."""


class Restarts:
    """The groups that wait to begin anew, in the order in which they were registered."""

    def __init__(self) -> None:
        self._waiting: Final[deque[Publication]] = deque()
        self._at = 0.0

    def start(self, publications: Iterable[Publication], now: float) -> None:
        """Have all these wait, and no others."""
        self._waiting.clear()
        self._waiting.extend(publications)
        self._at = now

    def next_at(self) -> float | None:
        """Return when the next ones may begin: at once, or None when none waits."""
        return self._at if self._waiting else None

    def take(self) -> list[Publication]:
        """Return the next ones; they may have been withdrawn meanwhile."""
        return [self._waiting.popleft() for _ in range(min(MAX_RESTARTS, len(self._waiting)))]

    def clear(self) -> None:
        """Have none wait."""
        self._waiting.clear()
