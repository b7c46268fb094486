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
"""Entries of the one who holds most that are looked at for each newcomer.

Our choice: they are passed by in turn, so that all are looked at while as many newcomers come.
"""

SPARE_PLACES = 64
"""Places out of date that are kept beyond one for each holder.

Our choice: enough that throwing them away costs little for each.
"""

SMALL_SHARES = 64
"""Whoever holds less than one part in this many counts as holding nothing.

Our choice: a host has several services of its own, and a flood from forged addresses has one entry of each.
"""


class Shares(Generic[_K]):
    """The entries of a list, by who said them.

    When there is no room, whoever holds most gives first: of its entries the oldest that is not backed. Where
    all of its entries are, the oldest of them goes, if the newcomer then still holds less. What a second host
    confirms stays.

    :param limit: how many entries there may be.
    :param is_backed: whether more is known of what an entry names, as an answer to a question of ours.
    :param is_confirmed: whether a second host says it too, so that it stays.
    """

    def __init__(
        self, limit: int, is_backed: Callable[[_K], bool], is_confirmed: Callable[[_K], bool]
    ) -> None:
        self._limit: Final = limit
        self._small: Final = limit // SMALL_SHARES
        self._is_backed: Final = is_backed
        self._is_confirmed: Final = is_confirmed
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

    def add(self, key: _K, source: str | None) -> tuple[bool, _K | None]:
        """Add an entry.

        :param source: the host that says it; None when that is not known.
        :returns: whether there is room for it, and what has to give way.
        """
        holder: Hashable = (None, key) if source is None else source
        displaced: _K | None = None
        if len(self._holders) >= self._limit:
            displaced = self._to_displace(len(self._held.get(holder, ())))
            if displaced is None:
                return False, None
            self.remove(displaced)
        self._holders[key] = holder
        self._held.setdefault(holder, {})[key] = None
        self._rank(holder)
        return True, displaced

    def remove(self, key: _K) -> None:
        """Take out an entry, if it is there."""
        holder = self._holders.pop(key, None)
        if holder is None:
            return
        held = self._held[holder]
        del held[key]
        if held:
            self._rank(holder)
        else:
            del self._held[holder], self._places[holder]

    def _weight(self, holder: Hashable) -> int:
        return max(len(self._held[holder]), self._small)

    def _rank(self, holder: Hashable) -> None:
        """Give a holder the last place among those of its weight, if it is not there already."""
        weight = -self._weight(holder)
        place = self._places.get(holder)
        if place is not None and place[0] == weight:
            return
        self._serial += 1
        self._places[holder] = place = (weight, self._serial, holder)
        heapq.heappush(self._ranking, place)
        if len(self._ranking) > 2 * len(self._places) + SPARE_PLACES:
            # More than half is out of date.
            self._ranking = list(self._places.values())
            heapq.heapify(self._ranking)

    def _largest(self) -> Hashable:
        """Return who holds most; of several, the one that was looked at longest ago."""
        while True:
            place = self._ranking[0]
            holder = place[2]
            if self._places.get(holder) is place:
                return holder
            heapq.heappop(self._ranking)

    def _to_displace(self, share: int) -> _K | None:
        """Return what gives way for one whose holder has a number of entries already."""
        for _ in range(LOOKED_AT):
            holder = self._largest()
            held = self._held[holder]
            if share > self._small and share >= len(held):
                return None
            key = self._least(held, len(held) > max(share, self._small) + 1)
            if key is not None:
                return key
            # Those who hold as many are next.
            del self._places[holder]
            heapq.heappop(self._ranking)
            self._rank(holder)
        return None

    def _least(self, held: dict[_K, None], may_be_backed: bool) -> _K | None:
        """Return which of the next entries of a holder gives way; None when all of these stay."""
        backed: _K | None = None
        for key in list(islice(held, LOOKED_AT)):
            # It is looked at: the others are next.
            del held[key]
            held[key] = None
            if not self._is_backed(key):
                if not self._is_confirmed(key):
                    return key
            elif may_be_backed and backed is None and not self._is_confirmed(key):
                backed = key
        return backed
