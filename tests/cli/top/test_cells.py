"""The texts of a screen."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.cli.top.cells import age, amount, fit, milliseconds, spark, wrapped
from mcast.showing import width


class FitTests(SynchronousTestCase):
    def test_cut(self) -> None:
        self.assertEqual(fit("abcdef", 4), "abc…")

    def test_right(self) -> None:
        self.assertEqual(fit("12", 4, right=True), "  12")

    def test_wide_character_at_the_end(self) -> None:
        """Half of it is not shown: a blank stands in its place."""
        self.assertEqual(fit("漢字漢", 4), "漢… ")

    @settings(deadline=None)
    @given(st.text(), st.integers(1, 30))
    def test_exact(self, text: str, columns: int) -> None:
        self.assertEqual(width(fit(text, columns)), columns)


class WrapTests(SynchronousTestCase):
    def test_at_blanks(self) -> None:
        self.assertEqual(wrapped("one two three", 8), ["one two", "three"])

    @settings(deadline=None)
    @given(st.text(), st.integers(2, 30))
    def test_nothing_is_lost(self, text: str, columns: int) -> None:
        lines = wrapped(text, columns)
        self.assertEqual("".join(lines).replace(" ", ""), text.replace(" ", ""))
        self.assertLessEqual(max(map(width, lines)), columns)


class NumberTests(SynchronousTestCase):
    def test_ages(self) -> None:
        self.assertEqual(
            [age(each) for each in (0, 59.9, 60, 7200, 2e5, None, -3)],
            ["0s", "59s", "1m", "2h", "2d", "", "0s"],
        )

    def test_amounts(self) -> None:
        self.assertEqual(
            [amount(each) for each in (0, 7, 12.25, 1234, 123456, 3.4e6)],
            ["0", "7", "12.2", "1.2k", "123k", "3.4M"],
        )

    def test_milliseconds(self) -> None:
        self.assertEqual(
            [milliseconds(each) for each in (0.0005, 0.0123, 0.5, None)], ["0.50", "12.3", "500", ""]
        )


class SparkTests(SynchronousTestCase):
    def test_heights(self) -> None:
        self.assertEqual(spark([0, 1, None, 8], 6), "   ▁!█")

    def test_newest(self) -> None:
        self.assertEqual(spark([5, 5, 0, 8], 2), " █")

    def test_nothing(self) -> None:
        self.assertEqual(spark([], 3), "   ")
