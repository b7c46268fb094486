"""Write SVG: elements with escaped text, in colours that suit a light and a dark page.

A library for plots would be several times the size of mcast; what we draw are lines, rectangles and text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from mcast.showing import shown, width

SERIES = 8
"""Colours of things that are told apart, ``c0`` to ``c7``; further ones begin anew."""

_LIGHT = {
    "paper": "#ffffff",
    "card": "#f6f8fa",
    "ink": "#1f2328",
    "dim": "#59636e",
    "rule": "#d1d9e0",
    "bad": "#c8202f",
    **dict(
        zip(
            [f"c{number}" for number in range(SERIES)],
            ["#0b62c4", "#b35900", "#1a7f37", "#8250df", "#a8336f", "#0a7a83", "#7a6a00", "#5b6672"],
            strict=True,
        )
    ),
}
"""Each has a contrast of at least 4.5 to the paper (WCAG 2.1, 1.4.3), rules excepted."""

_DARK = {
    "paper": "#0d1117",
    "card": "#161b22",
    "ink": "#e6edf3",
    "dim": "#9198a1",
    "rule": "#30363d",
    "bad": "#ff7b72",
    **dict(
        zip(
            [f"c{number}" for number in range(SERIES)],
            ["#58a6ff", "#f0883e", "#3fb950", "#bc8cff", "#f778ba", "#39c5cf", "#d2b93b", "#a5b1bd"],
            strict=True,
        )
    ),
}

FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
MONO = "ui-monospace, SFMono-Regular, Consolas, 'DejaVu Sans Mono', monospace"

_SANS_WIDTH = 0.56
_MONO_WIDTH = 0.61
"""Width of an average character, in parts of the size of the font; a little more than common fonts have."""


def color_rules(colors: dict[str, str]) -> str:
    """Return a rule that fills and one that strokes for each colour."""
    return "".join(
        [f".{name}{{fill:{value}}}.{name}-line{{stroke:{value};fill:none}}" for name, value in colors.items()]
    )


def style() -> str:
    """Return the style sheet of a picture.

    Viewers that know no media queries show the light colours on their own light paper.
    """
    return (
        ".rule-edge{stroke:#7d8590;stroke-opacity:.45}"
        f"text{{font-family:{FONT}}}.mono{{font-family:{MONO}}}.strong{{font-weight:600}}"
        f"{color_rules(_LIGHT)}@media(prefers-color-scheme:dark){{{color_rules(_DARK)}}}"
    )


def text_width(text: str, size: float, *, mono: bool = False) -> float:
    """Return about how wide a text is."""
    return width(text) * size * (_MONO_WIDTH if mono else _SANS_WIDTH)


def cut(text: str, size: float, room: float, *, mono: bool = False) -> str:
    """Return what of a text fits into some room, with an ellipsis where that is not all."""
    text = shown(text)
    if text_width(text, size, mono=mono) <= room:
        return text
    while text and text_width(f"{text}…", size, mono=mono) > room:
        text = text[:-1]
    return f"{text}…"


def number(value: float) -> str:
    """Return a coordinate as short as a tenth of a pixel can be written."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


class Drawing:
    """A picture that is drawn from the back to the front, in pixels from the upper left corner.

    Every text is escaped here, and none of its characters acts on a viewer.
    """

    def __init__(self, title: str, description: str = "") -> None:
        self._title = title
        self._description = description
        self._parts: list[str] = []

    def rect(
        self, at: tuple[float, float], size: tuple[float, float], kind: str, *, round: float = 0
    ) -> None:
        """Draw a rectangle."""
        corner = f' rx="{number(round)}"' if round else ""
        self._parts.append(
            f'<rect x="{number(at[0])}" y="{number(at[1])}" width="{number(size[0])}" '
            f'height="{number(size[1])}"{corner} class="{kind}"/>'
        )

    def line(
        self, start: tuple[float, float], end: tuple[float, float], kind: str, *, wide: float = 1
    ) -> None:
        """Draw a line."""
        self._parts.append(
            f'<path d="M{number(start[0])} {number(start[1])}L{number(end[0])} {number(end[1])}" '
            f'class="{kind}-line" stroke-width="{number(wide)}"/>'
        )

    def path(self, points: Sequence[tuple[float, float]], kind: str, *, wide: float = 1.5) -> None:
        """Draw a line through points; nothing when there are none."""
        if points:
            steps = "L".join([f"{number(x)} {number(y)}" for x, y in points])
            self._parts.append(f'<path d="M{steps}" class="{kind}-line" stroke-width="{number(wide)}"/>')

    def dot(self, at: tuple[float, float], radius: float, kind: str, title: str = "") -> None:
        """Draw a filled circle; its title is shown where a pointer rests on it."""
        body = f"><title>{_escaped(title)}</title></circle>" if title else "/>"
        self._parts.append(
            f'<circle cx="{number(at[0])}" cy="{number(at[1])}" r="{number(radius)}" class="{kind}"{body}'
        )

    def text(
        self,
        at: tuple[float, float],
        text: str,
        kind: str = "ink",
        *,
        size: float = 12,
        anchor: str = "start",
        title: str = "",
    ) -> None:
        """Write a line of text, whose baseline begins, has its middle or ends at a point.

        :param title: what is shown where a pointer rests on it, such as the text before it was cut.
        """
        where = "" if anchor == "start" else f' text-anchor="{anchor}"'
        more = f"<title>{_escaped(title)}</title>" if title and shown(title) != text else ""
        # A name is read in its own direction and moves nothing beside it.
        self._parts.append(
            f'<text x="{number(at[0])}" y="{number(at[1])}" font-size="{number(size)}"{where} '
            f'class="{kind}">{more}{_escaped(text)}</text>'
        )

    def finish(self, wide: float, high: float) -> str:
        """Return the picture as a whole file."""
        described = f"<desc>{_escaped(self._description)}</desc>" if self._description else ""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {number(wide)} {number(high)}" '
            f'width="{number(wide)}" height="{number(high)}" role="img" xml:space="preserve">'
            f"<title>{_escaped(self._title)}</title>{described}<style>{style()}</style>"
            f'<rect width="100%" height="100%" class="paper"/>' + "\n".join(self._parts) + "</svg>\n"
        )


def _escaped(text: str) -> str:
    return escape(shown(text))


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers in a range, whose steps are 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    raw = (high - low) / max(most, 1)
    unit = 10 ** math.floor(math.log10(raw))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= raw * 0.999_999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [place * step for place in range(first, last + 1)]


def decades(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten in a range; where these are many, the powers alone."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    found = [each for each in found if low * 0.999 <= each <= high * 1.001]
    return found if len(found) <= 7 else [each for each in found if math.log10(each) % 1 < 1e-9]


def plain_number(value: float) -> str:
    """Return a number as an axis has it: no exponent, no digits that say nothing."""
    return f"{value:,.0f}".replace(",", "\u2009") if abs(value) >= 1000 else f"{value:.6g}"
