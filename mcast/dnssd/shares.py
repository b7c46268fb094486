"""Who holds the places of a list that has a limit, and what gives way for a newcomer.

Anybody on the link can announce any number of things. Were the first that come kept, a stranger would shut
out all that come later.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from itertools import islice
from typing import Final, Generic, TypeVar

_K = TypeVar("_K", bound=Hashable)

LOOKED_AT = 8
"""Entries, and those who hold them, that are looked at for each newcomer.

Our choice: those that stay are passed by in turn, so that all are looked at while as many newcomers come.
"""

SETTLED_AFTER = 10.0
"""Seconds after which an entry counts as settled, if there is room among these.

Our choice: much longer than a flood that fills the list leaves its own entries there.
"""

NEW_PART = 4
"""One part in this many of the places is for those that are not settled.

Our choice: some hundreds at least, so that whoever comes has a second or more to be heard again.
"""

SPARE_PLACES = 64
"""Places out of date that are kept beyond one for each holder.

Our choice: enough that throwing them away costs little for each.
"""

SMALL_SHARES = 64
"""Whoever holds less than one part in this many counts as holding nothing.

Our choice: a host has several services of its own, and a flood from forged addresses has one entry of each.
"""

LARGE_SHARES = 16
"""Whoever holds more than one part in this many proves nothing by saying it again.

Our choice: more than a host has, and so little that a flood cannot keep the places for newcomers so.
"""

PROVEN: Final = 2
"""What an entry is worth that was heard again, or from a second host."""


class _Holdings(Generic[_K]):
    """Entries by who said them, those first who hold most.

    :param small: whoever holds fewer counts as holding as many.
    :param newest_first: of equals, who came last is looked at first, and not in turn.
    """

    def __init__(self, small: int, *, newest_first: bool = False) -> None:
        self._small: Final = small
        self._newest_first: Final = newest_first
        self._held: Final[dict[Hashable, dict[_K, None]]] = {}
        """The entries of each holder, in the order in which they are looked at."""
        self._holders: Final[dict[_K, Hashable]] = {}
        self._places: Final[dict[Hashable, tuple[int, int, Hashable]]] = {}
        """The place of each holder in the ranking."""
        self._ranking: list[tuple[int, int, Hashable]] = []
        """A heap of places, who holds most first; one that is its holder's no more is out of date."""
        self._serial = 0

    def __len__(self) -> int:
        return len(self._holders)

    def __contains__(self, key: _K) -> bool:
        return key in self._holders

    def add(self, key: _K, holder: Hashable) -> None:
        """Add an entry, the last of its holder."""
        self._holders[key] = holder
        held = self._held.get(holder)
        if held is None:
            held = self._held[holder] = {}
        held[key] = None
        self._rank(holder)

    def remove(self, key: _K) -> Hashable:
        """Take out an entry; return its holder."""
        holder = self._holders.pop(key)
        held = self._held[holder]
        del held[key]
        if held:
            self._rank(holder)
        else:
            del self._held[holder], self._places[holder]
        return holder

    def weight(self, holder: Hashable) -> int:
        """Return how many entries a holder counts as having."""
        return max(len(self._held.get(holder, ())), self._small)

    def holder_of(self, key: _K) -> Hashable:
        """Return who said an entry."""
        return self._holders[key]

    def weight_of(self, key: _K) -> int:
        """Return the same for the holder of an entry."""
        return self.weight(self._holders[key])

    def least(self, worth: Callable[[_K], int]) -> _K:
        """Return what gives way first: of those who hold most, the oldest of the least worth.

        What is worth most is passed by, and is the last to be looked at again.
        """
        passed: list[tuple[int, int, Hashable]] = []
        best: tuple[int, _K] | None = None
        weight: int | None = None
        for _ in range(min(LOOKED_AT, len(self._held))):
            place = self._first()
            if best is not None and place[0] != weight and best[0] < PROVEN:
                break
            weight = place[0]
            holder = place[2]
            found = self._least_of(self._held[holder], worth)
            if best is None or found[0] < best[0]:
                best = found
            if best[0] == 0:
                break
            heapq.heappop(self._ranking)
            if found[0] < PROVEN or self._newest_first:
                passed.append(place)
            else:
                del self._places[holder]
                self._rank(holder)
        for place in passed:
            heapq.heappush(self._ranking, place)
        assert best is not None
        return best[1]

    def _least_of(self, held: dict[_K, None], worth: Callable[[_K], int]) -> tuple[int, _K]:
        best: tuple[int, _K] | None = None
        for key in list(islice(reversed(held) if self._newest_first else held, LOOKED_AT)):
            value = worth(key)
            if best is None or value < best[0]:
                best = value, key
            if value == 0:
                break
            if value == PROVEN and not self._newest_first:
                del held[key]
                held[key] = None
        assert best is not None
        return best

    def _rank(self, holder: Hashable) -> None:
        """Give a holder the last place among those of its weight, if it is not there already."""
        weight = -self.weight(holder)
        place = self._places.get(holder)
        if place is not None and place[0] == weight:
            return
        self._serial += -1 if self._newest_first else 1
        self._places[holder] = place = (weight, self._serial, holder)
        heapq.heappush(self._ranking, place)
        if len(self._ranking) > 2 * len(self._places) + SPARE_PLACES:
            # More than half is out of date.
            self._ranking = list(self._places.values())
            heapq.heapify(self._ranking)

    def _first(self) -> tuple[int, int, Hashable]:
        """Return the place of who holds most; of several, of the one that was looked at longest ago."""
        while True:
            place = self._ranking[0]
            current = self._places.get(place[2])
            # By the serial number: a compiler keeps the numbers, and makes a new tuple of them.
            if current is not None and current[1] == place[1]:
                return place
            heapq.heappop(self._ranking)


class Shares(Generic[_K]):
    """The entries of a list, by who said them.

    A newcomer always gets in. When there is no room, an entry gives way that is not settled: one of whoever
    holds most of these, first what nothing more is known of, then what was only heard once, the oldest first.

    An entry settles when it has been there for a while. A part of the places is never for settled ones. When
    the others are taken, an entry settles in the place of one that is worth less, or whose holder has more:
    the last that settled, so that what was there before a flood outlasts it.

    :param limit: how many entries there may be.
    :param is_backed: whether more is known of what an entry names.
    :param is_confirmed: whether a second host says it too.
    :param is_repeated: whether it was heard again some time after this moment.
    """

    def __init__(
        self,
        limit: int,
        is_backed: Callable[[_K], bool],
        is_confirmed: Callable[[_K], bool],
        is_repeated: Callable[[_K, float], bool],
    ) -> None:
        self._limit: Final = limit
        self._small: Final = limit // SMALL_SHARES
        self._large: Final = limit // LARGE_SHARES
        self._settled_limit: Final = limit - max(1, limit // NEW_PART)
        self._is_backed: Final = is_backed
        self._is_confirmed: Final = is_confirmed
        self._is_repeated: Final = is_repeated
        self._new: Final[_Holdings[_K]] = _Holdings(self._small)
        self._settled: Final[_Holdings[_K]] = _Holdings(self._large, newest_first=True)
        self._since: Final[dict[_K, float]] = {}
        """When each entry came."""
        self._waiting: Final[dict[_K, float]] = {}
        """When each new entry came or could not settle, the earliest first."""

    def __len__(self) -> int:
        return len(self._since)

    def add(self, key: _K, source: str | None, now: float) -> _K | None:
        """Add an entry.

        :param source: the host that says it; None when that is not known.
        :returns: what has to give way.
        """
        self._settle(now)
        displaced: _K | None = None
        if len(self._since) >= self._limit:
            displaced = self._new.least(self._worth)
            self.remove(displaced)
        self._since[key] = self._waiting[key] = now
        self._new.add(key, (None, key) if source is None else source)
        return displaced

    def remove(self, key: _K) -> None:
        """Take out an entry, if it is there."""
        if self._since.pop(key, None) is None:
            return
        self._waiting.pop(key, None)
        (self._new if key in self._new else self._settled).remove(key)

    def _worth(self, key: _K) -> int:
        if self._is_confirmed(key):
            return PROVEN
        if self._is_repeated(key, self._since[key]):
            holdings = self._new if key in self._new else self._settled
            return PROVEN if holdings.weight_of(key) <= self._large else 1
        return 1 if self._is_backed(key) else 0

    def _settle(self, now: float) -> None:
        """Settle the next entries that have been there long enough."""
        since = now - SETTLED_AFTER
        for at in self._waiting.values():
            if at > since:
                return
            break
        for key in list(islice(self._waiting, LOOKED_AT)):
            if self._waiting[key] > since:
                break
            del self._waiting[key]
            if len(self._settled) >= self._settled_limit:
                other = self._settled.least(self._worth)
                if not self._is_before(key, other):
                    self._waiting[key] = now
                    break
                self._new.add(other, self._settled.remove(other))
                self._waiting[other] = now
            self._settled.add(key, self._new.remove(key))

    def _is_before(self, key: _K, other: _K) -> bool:
        """Whether an entry settles in the place of another one that is settled."""
        more = self._settled.weight_of(other) > self._settled.weight(self._new.holder_of(key)) + 1
        return more or self._worth(key) > self._worth(other)
