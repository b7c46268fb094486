"""The answers to one question when there are thousands: which of them need attention."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from mcast.mdns.constants import REFRESH_POINTS
from mcast.mdns.querier.cache_cells import LEAVING, Times
from mcast.mdns.querier.question_series import NEVER

SMALL_SET = 64
"""Records in a set up to which each of them is looked at in full, at its exact time."""

REST = 50e-6
"""A larger set is looked through again after so many seconds for each record at the soonest.

Our choice: looking takes about a hundredth of that, so that a set of thousands that expire one by one costs
one part in a hundred of the time, and each of them leaves less than half a second late.
"""

MAX_LATE = 500
"""Records of such a set that are removed or asked for in one look. Our choice: some milliseconds."""


class Crowd(NamedTuple):
    """What there is to do with a large set."""

    expired: list[bytes]
    """The keys of members to be removed; not all of them, perhaps."""
    late: list[Times]
    """Members past the first refresh point, one for all that were heard together."""
    earliest: float
    """When the first of the others needs attention."""
    not_before: float
    """When to look again at the soonest."""


def look_through(survey: Iterable[Times], size: int, now: float) -> Crowd:
    """Sort out a large set.

    :param size: how many there are in ``survey``.
    """
    expired: list[bytes] = []
    late: dict[tuple[float, int], Times] = {}
    earliest = NEVER
    for times in survey:
        member, received_at, ttl, flags = times
        at = received_at + ttl
        if at <= now:
            expired.append(member)
            continue
        if not flags & LEAVING:
            at = received_at + _FIRST_POINT * ttl
            if at <= now:
                # Those of one packet have the same times, and are asked for together.
                if len(late) < MAX_LATE:
                    late[received_at, ttl] = times
                else:
                    earliest = now
                continue
        if at < earliest:
            earliest = at
    if len(expired) > MAX_LATE:
        return Crowd(expired[:MAX_LATE], list(late.values()), now, now)
    return Crowd(expired, list(late.values()), earliest, now + REST * size)


_FIRST_POINT: Final = REFRESH_POINTS[0]
