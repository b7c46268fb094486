"""When record sets are announced (RFC 6762 §8.3), and how often a group may change (RFC 6762 §8.4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mcast.mdns.constants import (
    ANNOUNCE_INTERVAL,
    UPDATE_LIMIT,
    UPDATE_PERIOD,
)
from mcast.mdns.responder.record_set import RecordSet
from mcast.mdns.schedule import Timers

MAX_SETS = 200
"""Sets announced in one go. Our choice: some milliseconds of work, and full packets."""


@dataclass(slots=True, eq=False)
class AnnouncementSeries:
    """Sets announced together."""

    sets: list[RecordSet]
    left: int
    """Announcements still to be made."""
    interval: float
    """Between the next announcement and the one after it."""
    wake_at: float | None = None


class Announcer:
    """Decides when sets are announced; sends nothing itself.

    :param count: announcements of each set, 2 to 8, with intervals of 1, 2, 4 … seconds.
    """

    def __init__(self, count: int) -> None:
        self.timers: Final[Timers[AnnouncementSeries]] = Timers()
        """When to call `due`."""
        self._count: Final = count
        self._newest: AnnouncementSeries | None = None
        self._due: AnnouncementSeries | None = None
        """The series that `due` has returned last."""
        self._series_of: Final[dict[RecordSet, AnnouncementSeries]] = {}
        """The series that each set belongs to now; it may still be listed in an earlier one."""

    def start(self, sets: Iterable[RecordSet], now: float) -> None:
        """Announce these sets, at once and then again; an unfinished series of any of them ends."""
        series = self._newest
        if (
            series is None
            or series.wake_at != now
            or series.left != self._count
            or len(series.sets) >= MAX_SETS
        ):
            series = AnnouncementSeries([], self._count, ANNOUNCE_INTERVAL)
        for record_set in sets:
            if self._series_of.get(record_set) is not series:
                self._series_of[record_set] = series
                series.sets.append(record_set)
        if series.sets:
            self._newest = series
            self.timers.arm(series, now)

    def clear(self) -> None:
        """Announce nothing more."""
        self._newest = None
        self._series_of.clear()
        self.timers.clear()

    def due(self, now: float) -> list[RecordSet]:
        """Return the sets of the next series to announce now, as far as they are still published.

        They are announced again when `repeat` is called afterwards.
        """
        self._due = None
        for series in self.timers.due(now, 1):
            series.sets = [
                record_set
                for record_set in series.sets
                if record_set.is_current and self._series_of.get(record_set) is series
            ]
            series.left -= 1
            self._due = series
            return series.sets
        return []

    @property
    def has_repeated(self) -> bool:
        """Whether the sets that `due` has returned last had been announced in the same series before."""
        return self._due is not None and self._due.left < self._count - 1

    def repeat(self, at: float, late: list[RecordSet], now: float) -> None:
        """Have the sets that `due` has returned last announced again, as often as is left.

        :param at: when they leave. The next interval begins then: after a sleep the announcements must not
            come in one burst, and a set may wait since it was just multicast.
        :param late: those that are announced an interval from now in place of now.
        """
        series = self._due
        if series is None:
            return
        if late:
            put_off = AnnouncementSeries(late, series.left + 1, series.interval)
            self._series_of.update(dict.fromkeys(late, put_off))
            self.timers.arm(put_off, now + ANNOUNCE_INTERVAL)
        if series.left and len(series.sets) > len(late):
            self.timers.arm(series, at + series.interval)
            series.interval *= 2
        elif self.timers.next_at() is None:
            self._series_of.clear()


class UpdateLimit:
    """Keeps a record group from changing more than ten times a minute (RFC 6762 §8.4)."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: deque[float] | None = None
        """Made when first needed, since an empty one takes 700 octets and few groups ever change."""

    def earliest(self, now: float) -> float:
        """Return when the next update may be made: now, or later."""
        times = self._times
        if times is None or len(times) < UPDATE_LIMIT:
            return now
        return max(now, times[0] + UPDATE_PERIOD)

    def count(self, now: float) -> None:
        """Note an update."""
        if self._times is None:
            self._times = deque(maxlen=UPDATE_LIMIT)
        self._times.append(now)
