"""Numbers that tell entries of a file apart which are alike in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from typing import Final, Generic, TypeVar

_K = TypeVar("_K")


class AlikeNumbers(Generic[_K]):
    """Gives each entry the lowest number that no other one like it has.

    A file may say the same some ten thousand times. Each look therefore begins where the last one for the
    same key ended; what is taken meanwhile stays taken.

    :param taken: the keys and numbers that are in use; the caller adds to it.
    """

    def __init__(self, taken: Container[tuple[_K, int]]) -> None:
        self._taken: Final = taken
        self._next: Final[Counter[_K]] = Counter()

    def free(self, key: _K) -> tuple[_K, int]:
        """Return the key with its number."""
        number = self._next[key]
        while (key, number) in self._taken:
            number += 1
        self._next[key] = number + 1
        return key, number
