"""The picture of a ping: for each responder its round-trip times, their distribution, and what was lost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mcast.cli.pictures.svg import Drawing, cut, decades, plain_number, ticks

MAX_BINS = 1200
"""Points kept of one responder. Our choice: more than a picture has pixels; of more answers, neighbours are
drawn as one, with their least, mean and greatest time."""

MAX_PANELS = 64
"""Responders that are drawn. Our choice: the first ones; a longer picture is not looked at to its end."""

LOGARITHMIC = 12
"""From which ratio of the greatest time to the median the axis is logarithmic. Our choice: below it, what is
usual still has some room."""

_WIDE = 960
_PANEL = 228
_LEFT, _RIGHT = 68, 690
_SIDE, _END = 714, 930
_TOP, _BOTTOM = 46, 168
_BARS = 26
_LOSS_WIDE = 2


@dataclass(slots=True)
class Bin:
    """Answers to probes that follow each other."""

    at: float
    """When the probes left, in seconds after the first of all, on average."""
    count: int
    low: float
    mean: float
    high: float

    def take(self, other: Bin) -> None:
        """Add those of another one."""
        count = self.count + other.count
        self.at = (self.at * self.count + other.at * other.count) / count
        self.mean = (self.mean * self.count + other.mean * other.count) / count
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.count = count


class Series:
    """The round-trip times of one responder in the order of the probes, in bounded space."""

    def __init__(self) -> None:
        self._span = 1
        self._bins: dict[int, Bin] = {}

    def add(self, number: int, at: float, seconds: float) -> None:
        """Note the answer to a probe.

        :param at: when the probe left, in seconds after the first of all.
        """
        self._put(number // self._span, Bin(at, 1, seconds, seconds, seconds))
        while len(self._bins) > MAX_BINS:
            self._span *= 2
            old, self._bins = self._bins, {}
            for place, each in old.items():
                self._put(place // 2, each)

    def bins(self) -> list[Bin]:
        """Return the bins in the order of time."""
        return [self._bins[place] for place in sorted(self._bins)]

    def _put(self, place: int, new: Bin) -> None:
        known = self._bins.get(place)
        if known is None:
            self._bins[place] = new
        else:
            known.take(new)


@dataclass(frozen=True, slots=True)
class Panel:
    """What is drawn of one responder."""

    name: str
    bins: Sequence[Bin]
    lost: Sequence[float]
    """When each probe left that was not answered, in seconds after the first of all."""
    facts: str
    """Its numbers, in one line."""
    times: Sequence[float]
    """Durations in seconds of which the distribution is drawn: all, or a sample of them."""
    median: float
    p95: float


@dataclass(frozen=True, slots=True)
class _Axis:
    """Round-trip times from the bottom to the top of a panel, in milliseconds."""

    place: Callable[[float], float]
    """The height for a time in milliseconds."""
    marks: Sequence[float]
    name: str = "RTT in ms"


def draw_round_trips(title: str, subtitle: str, panels: Sequence[Panel]) -> str:
    """Return the picture as SVG."""
    drawing = Drawing(title, subtitle)
    drawing.text((24, 34), cut(title, 18, _WIDE - 48), "ink strong", size=18)
    drawing.text((24, 54), cut(subtitle, 12, _WIDE - 48), "dim")
    top = 70.0
    told = panels[:MAX_PANELS]
    duration = max(
        [each.bins[-1].at for each in told if each.bins]
        + [at for each in told for at in each.lost[-1:]]
        + [1e-3]
    )
    for place, panel in enumerate(told):
        _draw_panel(drawing, top, panel, duration, f"c{place % 8}")
        top += _PANEL
    if len(panels) > len(told):
        drawing.text((24, top + 12), f"and {len(panels) - len(told)} more responders", "dim")
        top += 24
    if not panels:
        drawing.text((24, top + 20), "no responder answered", "bad strong", size=14)
        top += 40
    return drawing.finish(_WIDE, top + 8)


def _draw_panel(drawing: Drawing, top: float, panel: Panel, duration: float, color: str) -> None:
    drawing.text((24, top + 18), cut(panel.name, 14, 420), f"{color} strong", size=14, title=panel.name)
    drawing.text((_END, top + 18), panel.facts, "dim", anchor="end")
    axis = _axis(panel, top)
    for mark in axis.marks:
        height = axis.place(mark)
        drawing.line((_LEFT, height), (_RIGHT, height), "rule")
        drawing.line((_SIDE, height), (_END, height), "rule")
        drawing.text((_LEFT - 8, height + 4), plain_number(mark), "dim", size=11, anchor="end")
    drawing.text((24, top + _TOP - 9), axis.name, "dim", size=11)
    _draw_time_axis(drawing, top, duration)
    _draw_times(drawing, panel, axis, duration, color)
    _draw_distribution(drawing, top, panel, axis, color)
    _draw_losses(drawing, top, panel, duration)


def _axis(panel: Panel, top: float) -> _Axis:
    highs = [each.high * 1000 for each in panel.bins] or [1.0]
    lows = [max(each.low * 1000, 1e-3) for each in panel.bins] or [0.1]
    greatest, median = max(highs), max(panel.median * 1000, 1e-3)
    height = _BOTTOM - _TOP
    if greatest > LOGARITHMIC * median:
        low, high = min(lows) / 1.2, greatest * 1.2
        span = math.log(high / low)

        def place(value: float) -> float:
            return top + _BOTTOM - height * math.log(max(value, low) / low) / span

        return _Axis(place, decades(low, high), "RTT in ms, logarithmic")
    high = max(greatest, 1e-3) * 1.08
    return _Axis(lambda value: top + _BOTTOM - height * value / high, ticks(0, high, 5))


def _time_unit(duration: float) -> tuple[float, str]:
    if duration <= 300:
        return 1, "seconds"
    return (60, "minutes") if duration <= 3 * 3600 else (3600, "hours")


def _across(at: float, duration: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * at / duration


def _draw_time_axis(drawing: Drawing, top: float, duration: float) -> None:
    unit, name = _time_unit(duration)
    base = top + _BOTTOM
    drawing.line((_LEFT, base), (_RIGHT, base), "dim")
    drawing.line((_SIDE, base), (_END, base), "dim")
    for mark in ticks(0, duration / unit, 8):
        x = _across(mark * unit, duration)
        drawing.line((x, base), (x, base + 4), "dim")
        drawing.text((x, base + 30), plain_number(mark), "dim", size=11, anchor="middle")
    drawing.text((_LEFT, base + 46), f"{name} after the first probe", "dim", size=11)
    drawing.text((_SIDE, base + 46), "answers of each duration", "dim", size=11)


def _draw_times(drawing: Drawing, panel: Panel, axis: _Axis, duration: float, color: str) -> None:
    merged = any(each.count > 1 for each in panel.bins)
    for each in panel.bins:
        x = _across(each.at, duration)
        if each.high > each.low:
            drawing.line((x, axis.place(each.low * 1000)), (x, axis.place(each.high * 1000)), color)
        elif not merged:
            drawing.dot((x, axis.place(each.mean * 1000)), 2 if len(panel.bins) > 100 else 3, color)
    if merged:
        drawing.path(
            [(_across(each.at, duration), axis.place(each.mean * 1000)) for each in panel.bins], "ink", wide=1
        )


def _draw_distribution(drawing: Drawing, top: float, panel: Panel, axis: _Axis, color: str) -> None:
    """Draw bars beside the times, on the same axis."""
    height = (_BOTTOM - _TOP) / _BARS
    counts = [0] * _BARS
    for seconds in panel.times:
        place = int((top + _BOTTOM - axis.place(seconds * 1000)) / height)
        counts[min(max(place, 0), _BARS - 1)] += 1
    most = max(counts)
    for place, count in enumerate(counts):
        if count:
            wide = max((_END - _SIDE) * count / most, 1.5)
            y = top + _BOTTOM - (place + 1) * height
            drawing.rect((_SIDE, y + 0.5), (wide, height - 1), color)
    if not panel.bins:
        return
    for label, seconds in (("median", panel.median), ("p95", panel.p95)):
        y = axis.place(seconds * 1000)
        drawing.line((_SIDE, y), (_END, y), "ink")
        if label == "median" or axis.place(panel.median * 1000) - y > 12:
            drawing.text((_END, y - 3), label, "ink", size=11, anchor="end")


def _draw_losses(drawing: Drawing, top: float, panel: Panel, duration: float) -> None:
    """Mark what was not answered in a strip below the times: the higher, the more of the probes."""
    if not panel.lost:
        return
    base = top + _BOTTOM + 5
    columns = Counter(int(_across(at, duration) / _LOSS_WIDE) for at in panel.lost)
    probes = sum(each.count for each in panel.bins) + len(panel.lost)
    usual = max(1.0, probes * _LOSS_WIDE / (_RIGHT - _LEFT))
    for column, count in columns.items():
        height = max(12 * min(count / usual, 1.0), 2.0)
        drawing.rect((column * _LOSS_WIDE, base + 12 - height), (_LOSS_WIDE, height), "bad")
    drawing.text((_LEFT - 8, base + 11), f"{len(panel.lost)} lost", "bad strong", size=11, anchor="end")
