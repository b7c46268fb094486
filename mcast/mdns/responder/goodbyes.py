"""When others are told that records are gone (RFC 6762 §10.1)."""

from __future__ import annotations

import heapq
from typing import Final

from mcast.dns.records import Identity, Record

MAX_SAID = 400
"""Goodbyes said in one go. Our choice: some milliseconds of work, and full packets."""


class Goodbyes:
    """Records to be multicast with TTL 0 (RFC 6762 §10.1).

    Nearly all that are planned together are due at the same moment: they are kept by that.
    """

    def __init__(self) -> None:
        self._planned: Final[dict[Identity, float]] = {}
        """When each leaves."""
        self._leaving: Final[dict[float, dict[Identity, Record]]] = {}
        """Those that leave at a moment, in the order in which they were planned."""
        self._moments: Final[list[float]] = []
        """A heap of the moments, each once."""

    def __bool__(self) -> bool:
        """Whether any goodbye is still to be said."""
        return bool(self._planned)

    def next_at(self) -> float | None:
        """Return when to call `take`, or None when nothing is planned."""
        return self._moments[0] if self._moments else None

    def add(self, record: Record, at: float) -> None:
        """Plan the goodbye of a record, whose TTL does not matter."""
        identity = record.identity
        if identity in self._planned:
            self.cancel(record)
        self._planned[identity] = at
        leaving = self._leaving.get(at)
        if leaving is None:
            leaving = self._leaving[at] = {}
            heapq.heappush(self._moments, at)
        leaving[identity] = record

    def cancel(self, record: Record) -> None:
        """Plan no goodbye of a record that is published again."""
        at = self._planned.pop(record.identity, None)
        if at is not None:
            del self._leaving[at][record.identity]
            self._drop_empty()

    def clear(self) -> None:
        """Plan nothing."""
        self._planned.clear()
        self._leaving.clear()
        self._moments.clear()

    def take(self, now: float) -> list[Record]:
        """Return the records to say goodbye to now, `MAX_SAID` of them at most."""
        due: list[Record] = []
        while self._moments and self._moments[0] <= now and len(due) < MAX_SAID:
            leaving = self._leaving[self._moments[0]]
            for identity in list(leaving)[: MAX_SAID - len(due)]:
                due.append(leaving.pop(identity).with_ttl(0))
                del self._planned[identity]
            self._drop_empty()
        return due

    def _drop_empty(self) -> None:
        while self._moments and not self._leaving[self._moments[0]]:
            del self._leaving[heapq.heappop(self._moments)]
