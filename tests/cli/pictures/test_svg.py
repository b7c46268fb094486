"""SVG as we write it: well-formed, readable, and of text that stays text."""

from __future__ import annotations

import math
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.cli.pictures import svg
from mcast.cli.pictures.svg import Drawing, cut, decades, ticks
from mcast.showing import is_plain, shown
from tests.cli.pictures.drawn import kinds, texts

HOSTILE = "<script>alert('1')</script> & \"q\" \x1b[2J\u202e\ud800\x00"


class TextTests(SynchronousTestCase):
    """What came from the network is text, and obeyed by nothing."""

    def picture(self, text: str) -> str:
        drawing = Drawing(text, text)
        drawing.text((0, 0), text, title=text)
        drawing.dot((0, 0), 1, "c0", text)
        return drawing.finish(10, 10)

    def test_markup(self) -> None:
        picture = self.picture(HOSTILE)
        self.assertEqual(texts(picture), [shown(HOSTILE)])
        self.assertNotIn("script", kinds(picture))

    @settings(deadline=None, max_examples=100)
    @given(st.text())
    def test_any(self, text: str) -> None:
        picture = self.picture(text)
        self.assertEqual(texts(picture), [shown(text)])
        self.assertTrue(all(is_plain(each) or each == "\n" for each in picture))

    def test_cut(self) -> None:
        self.assertEqual(cut("short", 10, 100), "short")
        self.assertEqual(cut("a long one" * 5, 10, 60), "a long on…")

    def test_cut_where_there_is_no_room(self) -> None:
        self.assertEqual(cut("long", 10, 1), "…")

    def test_wide_characters_take_more_room(self) -> None:
        self.assertLess(len(cut("漢" * 50, 10, 60)), len(cut("a" * 50, 10, 60)))


class ColorTests(SynchronousTestCase):
    """WCAG 2.1, 1.4.3: text is read on its background."""

    def least_contrast(self, colors: dict[str, str]) -> float:
        paper = _luminance(colors["paper"])
        others = [_luminance(each) for name, each in colors.items() if name not in ("paper", "card", "rule")]
        return min((max(paper, each) + 0.05) / (min(paper, each) + 0.05) for each in others)

    def test_light(self) -> None:
        self.assertGreaterEqual(self.least_contrast(svg._LIGHT), 4.5)

    def test_dark(self) -> None:
        self.assertGreaterEqual(self.least_contrast(svg._DARK), 4.5)

    def test_both_are_in_each_picture(self) -> None:
        picture = Drawing("").finish(1, 1)
        self.assertRegex(
            picture, r"\.paper\{fill:#ffffff\}.*prefers-color-scheme:dark.*\.paper\{fill:#0d1117\}"
        )

    def test_nothing_is_fetched(self) -> None:
        picture = Drawing("").finish(1, 1).replace('xmlns="http://www.w3.org/2000/svg"', "")
        self.assertIsNone(re.search(r"https?:|url\(|@import|href", picture))


def _luminance(color: str) -> float:
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


class TickTests(SynchronousTestCase):
    def test_round(self) -> None:
        self.assertEqual(ticks(0, 9.3, 5), [0, 2, 4, 6, 8])

    def test_of_nothing(self) -> None:
        self.assertEqual(ticks(0, 0, 5), [0])

    @settings(deadline=None)
    @given(st.floats(1e-6, 1e9), st.integers(1, 12))
    def test_as_many_as_asked_for(self, high: float, most: int) -> None:
        found = ticks(0, high, most)
        self.assertLessEqual(len(found), most + 1)
        self.assertGreaterEqual(high * 1.0001, found[-1])

    @settings(deadline=None)
    @given(st.floats(1e-3, 1e3), st.floats(12, 1e6))
    def test_decades(self, low: float, ratio: float) -> None:
        found = decades(low, low * ratio)
        self.assertTrue(1 <= len(found) <= 12, found)
        self.assertTrue(all(math.isfinite(each) for each in found))
