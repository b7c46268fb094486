"""Entries of a file that are alike get numbers, however many they are."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.tap.alike import AlikeNumbers


class _Taken(dict[tuple[str, int], str]):
    """Keys that are taken; counts how often somebody looks."""

    looks = 0

    def __contains__(self, key: object) -> bool:
        self.looks += 1
        return super().__contains__(key)


def _take(taken: _Taken, keys: list[str]) -> None:
    numbers = AlikeNumbers(taken)
    for key in keys:
        taken[numbers.free(key)] = key


class AlikeNumbersTests(SynchronousTestCase):
    """Each entry gets the lowest number that is free."""

    def test_numbers(self) -> None:
        taken = _Taken()
        _take(taken, ["a", "b", "a", "a"])
        self.assertEqual(list(taken), [("a", 0), ("b", 0), ("a", 1), ("a", 2)])

    def test_taken_before(self) -> None:
        """What was unchanged keeps its number, and new entries fill the gaps."""
        taken = _Taken({("a", 1): "kept", ("a", 3): "kept"})
        _take(taken, ["a", "a", "a"])
        self.assertEqual(sorted(number for _, number in taken), [0, 1, 2, 3, 4])
        self.assertEqual(taken["a", 1], "kept")

    def test_many_alike(self) -> None:
        """Ten thousand entries that say the same take about one look each."""
        taken = _Taken()
        _take(taken, ["a"] * 10_000)
        self.assertEqual(len(taken), 10_000)
        self.assertLessEqual(taken.looks, 20_000)
