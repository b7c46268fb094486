"""The texts of a screen: what fits into some columns, numbers with units, durations, small plots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mcast.showing import padded, width

Piece = tuple[str, str]
"""A style, and the text that has it."""

Line = list[Piece]
"""One line of a screen, from the left to the right."""

BARS = " ▁▂▃▄▅▆▇█"
ASCII_BARS = " .:-=+*%#"
"""Heights of a small plot, for terminals that have UTF-8 and for those that have not."""


def fit(text: str, columns: int, *, right: bool = False) -> str:
    """Return text that takes exactly some columns: padded, or cut with an ellipsis."""
    if columns <= 0:
        return ""
    taken = width(text)
    if taken <= columns:
        return padded(text, columns, right=right)
    kept: list[str] = []
    used = 0
    for character in text:
        step = width(character)
        if used + step > columns - 1:
            break
        kept.append(character)
        used += step
    return padded("".join(kept) + "…", columns, right=right)


def line_width(line: Line) -> int:
    """Return how many columns a line takes."""
    return sum(width(text) for _, text in line)


def fit_line(line: Line, columns: int, style: str = "row") -> Line:
    """Return a line that takes exactly some columns."""
    fitted: Line = []
    left = columns
    for kind, text in line:
        taken = width(text)
        if taken > left:
            text, taken = fit(text, left), left
        if text:
            fitted.append((kind, text))
        left -= taken
        if left <= 0:
            return fitted
    return [*fitted, (style, " " * left)]


def age(seconds: float | None) -> str:
    """Return a duration in one unit: ``7s``, ``12m``, ``3h``, ``5d``."""
    if seconds is None:
        return ""
    seconds = max(seconds, 0.0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"


def amount(value: float) -> str:
    """Return a number in at most five columns: ``7``, ``12.5``, ``1.2k``, ``3.4M``."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.1f}{unit}" if value < 100 * size else f"{value / size:.0f}{unit}"
    return f"{value:.0f}" if value == int(value) or value >= 100 else f"{value:.1f}"


def milliseconds(seconds: float | None) -> str:
    """Return a duration in milliseconds, with three digits that count; empty when there is none."""
    if seconds is None:
        return ""
    value = seconds * 1000
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def spark(values: Sequence[float | None], columns: int, *, bars: str = BARS) -> str:
    """Return a small plot of the latest values, the newest at the right; ``!`` is one that is missing."""
    shown_values = list(values)[-columns:]
    known = [each for each in shown_values if each is not None]
    most = max(known, default=0.0)
    steps = len(bars) - 1
    drawn = "".join(
        [
            "!"
            if each is None
            else bars[0]
            if most <= 0 or each <= 0
            else bars[max(1, round(each / most * steps))]
            for each in shown_values
        ]
    )
    return drawn.rjust(columns)


def wrapped(text: str, columns: int) -> list[str]:
    """Return text in lines of at most some columns, divided at blanks where there are any."""
    lines: list[str] = []
    current = ""
    for word in text.split(" "):
        candidate = f"{current} {word}" if current else word
        if width(candidate) <= columns:
            current = candidate
            continue
        if current:
            lines.append(current)
        while width(word) > columns:
            part = _head(word, columns)
            lines.append(part)
            word = word[len(part) :]
        current = word
    lines.append(current)
    return lines


def _head(word: str, columns: int) -> str:
    used = 0
    for place, character in enumerate(word):
        used += width(character)
        if used > columns:
            return word[: max(place, 1)]
    return word


def joined(texts: Iterable[str]) -> str:
    """Return texts with spaces between."""
    return " ".join([each for each in texts if each])
