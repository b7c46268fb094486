"""Packets over time, counted in steps whose length suits the time that is covered, and drawn as bars."""

from __future__ import annotations

import time
from collections import Counter

from mcast.cli.pictures.svg import Drawing, plain_number, ticks

MAX_STEPS = 400
"""Steps that are kept. Our choice: as many bars as a picture has room for."""

_WIDE, _HIGH = 960, 210
_LEFT, _RIGHT = 56, 944
_TOP, _BOTTOM = 30, 160

KINDS = (("query", "queries", "c0"), ("response", "responses", "c2"), ("malformed", "malformed", "bad"))
"""What is stacked in a bar, from the bottom: its kind, what it is called, its colour."""


class Timeline:
    """Counts what happened when, in bounded space."""

    def __init__(self) -> None:
        self.first: float | None = None
        """When the first thing happened, seconds since 1970; as `last`."""
        self.last: float | None = None
        self._step = 0.125
        self._steps: dict[int, Counter[str]] = {}

    def add(self, at: float, kind: str) -> None:
        """Count something."""
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)
        self._steps.setdefault(int(at // self._step), Counter())[kind] += 1
        # Also where little happened in a long time: there are no more bars than the picture has columns.
        while len(self._steps) > MAX_STEPS or (self.last - self.first) / self._step > MAX_STEPS:
            self._step *= 2
            old, self._steps = self._steps, {}
            for place, counts in old.items():
                self._steps.setdefault(place // 2, Counter()).update(counts)

    @property
    def step(self) -> float:
        """Seconds of a step."""
        return self._step

    def draw(self) -> str:
        """Return the bars as SVG, with the breaches below them."""
        drawing = Drawing("Packets over time")
        first, last = self.first or 0.0, self.last or 0.0
        begin = first // self._step
        steps = max(int(last // self._step - begin) + 1, 8)
        wide = (_RIGHT - _LEFT) / steps
        most = max([sum(counts[kind] for kind, _, _ in KINDS) for counts in self._steps.values()] or [1])
        most = max(most, 1)
        for mark in ticks(0, most, 4):
            y = _BOTTOM - (_BOTTOM - _TOP) * mark / most
            drawing.line((_LEFT, y), (_RIGHT, y), "rule")
            drawing.text((_LEFT - 6, y + 4), plain_number(mark), "dim", size=11, anchor="end")
        for place, counts in sorted(self._steps.items()):
            x, bottom = _LEFT + (place - begin) * wide, float(_BOTTOM)
            for kind, _, color in KINDS:
                height = (_BOTTOM - _TOP) * counts[kind] / most
                if height:
                    drawing.rect((x, bottom - height), (max(wide - 0.5, 1), height), color)
                    bottom -= height
            if counts["breach"]:
                drawing.rect((x, _BOTTOM + 4), (max(wide - 0.5, 2), 8), "bad")
        self._draw_frame(drawing, steps * self._step)
        return drawing.finish(_WIDE, _HIGH)

    def _draw_frame(self, drawing: Drawing, duration: float) -> None:
        x = float(_LEFT)
        drawing.text((x, 16), f"packets in each {plain_number(self._step)} s:", "dim", size=11)
        x += 150
        for _, name, color in (*KINDS, ("breach", "breaches, below the axis", "bad")):
            drawing.rect((x, 8), (9, 9), color)
            drawing.text((x + 14, 16), name, "dim", size=11)
            x += 30 + 7 * len(name)
        drawing.line((_LEFT, _BOTTOM), (_RIGHT, _BOTTOM), "dim")
        unit, name = (
            (1, "seconds") if duration <= 300 else (60, "minutes") if duration <= 10800 else (3600, "hours")
        )
        for mark in ticks(0, duration / unit, 8):
            at = _LEFT + (_RIGHT - _LEFT) * mark * unit / duration
            drawing.line((at, _BOTTOM), (at, _BOTTOM + 4), "dim")
            drawing.text((at, _BOTTOM + 26), plain_number(mark), "dim", size=11, anchor="middle")
        drawing.text((_LEFT, _BOTTOM + 42), f"{name} after {time_of_day(self.first)}", "dim", size=11)


def time_of_day(at: float | None) -> str:
    """Return date and time here; the bare number for one beyond all calendars."""
    if at is None:
        return "the begin"
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return f"{at:.0f}"
