"""When record sets are announced (RFC 6762 §8.3), and how often a group may change (RFC 6762 §8.4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf

from mcast.mdns.constants import (
    ANNOUNCE_INTERVAL,
    UPDATE_LIMIT,
    UPDATE_PERIOD,
)
from mcast.mdns.responder.zone import RecordSet


@dataclass(slots=True, eq=False)
class _Series:
    """Sets announced together."""

    sets: list[RecordSet]
    left: int
    due_at: float
    interval: float


class Announcer:
    """Decides when sets are announced; sends nothing itself.

    :param count: announcements of each set, 2 to 8, with intervals of 1, 2, 4 … seconds.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._series: list[_Series] = []
        self._series_of: dict[RecordSet, _Series] = {}
        """The series that each set belongs to now; it may still be listed in an earlier one."""

    def start(self, sets: Iterable[RecordSet], now: float) -> None:
        """Announce these sets, at once and then again; an unfinished series of any of them ends."""
        last = self._series[-1] if self._series else None
        if last is None or last.due_at != now or last.left != self._count:
            last = _Series([], self._count, now, ANNOUNCE_INTERVAL)
            self._series.append(last)
        for record_set in sets:
            if self._series_of.get(record_set) is not last:
                self._series_of[record_set] = last
                last.sets.append(record_set)
        if not last.sets:
            self._series.pop()

    def clear(self) -> None:
        """Announce nothing more."""
        self._series.clear()
        self._series_of.clear()

    def next_wakeup(self) -> float:
        """Return when to call `due`; infinity when there is nothing left to announce."""
        return min([series.due_at for series in self._series], default=inf)

    def due(self, now: float) -> list[RecordSet]:
        """Return the sets to announce now, as far as they are still published."""
        found: list[RecordSet] = []
        for series in self._series:
            if series.due_at > now:
                continue
            series.sets = [
                record_set
                for record_set in series.sets
                if record_set.is_current and self._series_of.get(record_set) is series
            ]
            found += series.sets
            series.left -= 1
            # From this send: after a sleep the announcements must not come in one burst.
            series.due_at = now + series.interval
            series.interval *= 2
        self._series = [series for series in self._series if series.left and series.sets]
        if not self._series:
            self._series_of.clear()
        return found


class UpdateLimit:
    """Keeps a record group from changing more than ten times a minute (RFC 6762 §8.4)."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=UPDATE_LIMIT)

    def earliest(self) -> float:
        """Return from when on the next update may be made."""
        return self._times[0] + UPDATE_PERIOD if len(self._times) == UPDATE_LIMIT else -inf

    def count(self, now: float) -> None:
        """Note an update."""
        self._times.append(now)
