"""Queries that wait to be answered: each source has its share of the places, and they take turns."""

from __future__ import annotations

from collections import deque
from typing import Final, Generic, TypeVar

MAX_WAITING = 2000
"""Queries that wait, from all sources together, and twice as many for a moment.

Our choice: half a second of work at worst; whoever waits longer asks again.
"""

_T = TypeVar("_T")


class Shares(Generic[_T]):
    """Takes in what comes from sources in a flood, and hands it out so that none waits for another's flood.

    A source may have as many in here as there are places for each; who has none nearly always gets one.
    """

    __slots__ = ("_size", "_waiting")

    def __init__(self) -> None:
        self._waiting: Final[dict[str, deque[_T]]] = {}
        """By source; the one whose turn it is comes first."""
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, source: str, item: _T) -> bool:
        """Take something in; False when its source has more than its share."""
        waiting = self._waiting
        queue = waiting.get(source)
        if queue is None:
            if len(waiting) >= MAX_WAITING:
                return False
            waiting[source] = deque((item,))
        elif self._size >= MAX_WAITING or len(queue) >= MAX_WAITING // len(waiting):
            return False
        else:
            queue.append(item)
        self._size += 1
        return True

    def take(self) -> _T:
        """Return what is next.

        :raises IndexError: there is nothing.
        """
        source = next(iter(self._waiting), None)
        if source is None:
            raise IndexError("nothing waits")
        queue = self._waiting.pop(source)
        item = queue.popleft()
        if queue:
            self._waiting[source] = queue
        self._size -= 1
        return item

    def clear(self) -> None:
        """Forget all of them."""
        self._waiting.clear()
        self._size = 0
