"""How much was sent: now, and in the steps before."""

from __future__ import annotations

from collections import Counter

from mcast.live.documents import MAX_COLUMNS, STEPS, Document
from mcast.live.limits import MAX_SERIES

WINDOW = 10
"""Seconds over which a present rate is taken. Our choice: calm enough to be read, quick enough to be now."""


class Rate:
    """Packets and octets a second over the last `WINDOW` seconds; it is told the second, and counts in it."""

    __slots__ = ("_octets", "_packets", "_second", "_total_octets", "_total_packets")

    def __init__(self, second: int) -> None:
        self._second = second
        self._packets = [0] * WINDOW
        self._octets = [0] * WINDOW
        self._total_packets = self._total_octets = 0

    def add(self, second: int, octets: int) -> None:
        """Count a packet."""
        self._advance(second)
        place = second % WINDOW
        self._packets[place] += 1
        self._octets[place] += octets
        self._total_packets += 1
        self._total_octets += octets

    def rate(self, second: int) -> list[float]:
        """Return packets and octets a second."""
        self._advance(second)
        return [round(self._total_packets / WINDOW, 1), round(self._total_octets / WINDOW, 1)]

    @property
    def is_zero(self) -> bool:
        """Whether nothing is left in the window, as it was told last."""
        return not self._total_packets

    def _advance(self, second: int) -> None:
        if second <= self._second:
            return
        for passed in range(max(self._second + 1, second - WINDOW + 1), second + 1):
            place = passed % WINDOW
            self._total_packets -= self._packets[place]
            self._total_octets -= self._octets[place]
            self._packets[place] = self._octets[place] = 0
        self._second = second


class _Column:
    """What was sent in one step: packets and octets by series."""

    __slots__ = ("hosts", "links", "number", "types")

    def __init__(self, number: int) -> None:
        self.number = number
        self.links: dict[str, list[int]] = {}
        self.hosts: dict[str, list[int]] = {}
        self.types: dict[str, list[int]] = {}

    def as_json(self, step: int) -> Document:
        return {
            "at": self.number * step,
            "links": dict(self.links),
            "hosts": _most(self.hosts),
            "types": _most(self.types),
        }


class History:
    """The columns of each length of step; a column is told when its time is over.

    A step in which nothing was sent has no column.
    """

    def __init__(self) -> None:
        self._columns: dict[int, _Column | None] = dict.fromkeys(STEPS)
        self._done: dict[int, list[Document]] = {step: [] for step in STEPS}

    def add(self, now: float, octets: int, link: str, host: str, kind: str) -> None:
        """Count a packet under its link, its sender and what it is about."""
        for step in STEPS:
            number = int(now // step)
            column = self._columns[step]
            if column is None or column.number != number:
                self._end(step)
                column = self._columns[step] = _Column(number)
            for series, key in ((column.links, link), (column.hosts, host), (column.types, kind)):
                counts = series.get(key)
                if counts is None:
                    series[key] = [1, octets]
                else:
                    counts[0] += 1
                    counts[1] += octets

    def take(self, now: float) -> dict[str, list[Document]]:
        """Return the columns that were completed since the last time."""
        for step in STEPS:
            column = self._columns[step]
            if column is not None and column.number < now // step:
                self._end(step)
        taken = {str(step): columns for step, columns in self._done.items() if columns}
        for step in STEPS:
            if self._done[step]:
                self._done[step] = []
        return taken

    def _end(self, step: int) -> None:
        column = self._columns[step]
        if column is not None:
            # When nobody takes them for long, only those that are kept matter.
            self._done[step] = [*self._done[step][-(MAX_COLUMNS - 1) :], column.as_json(step)]
            self._columns[step] = None


def _most(series: dict[str, list[int]]) -> dict[str, list[int]]:
    """Return those with the most packets; the others are one, ``""``."""
    if len(series) <= MAX_SERIES:
        return dict(series)
    packets = Counter({key: counts[0] for key, counts in series.items()})
    most = {key: series[key] for key, _ in packets.most_common(MAX_SERIES)}
    others = [counts for key, counts in series.items() if key not in most]
    return {**most, "": [sum(each[0] for each in others), sum(each[1] for each in others)]}
