"""Cache maintenance: which answers to a question expire, and which are asked for again (RFC 6762 §5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from mcast.mdns.constants import REFRESH_POINTS, REFRESH_VARIATION
from mcast.mdns.querier.cache_cells import LEAVING, Lifetime
from mcast.mdns.querier.question_series import QuestionSeries, refresh_time

REST = 50e-6
"""A set is reviewed again after this many seconds for each of its records, at the soonest.

Our choice: a review takes about a hundredth of that, so that a set of thousands that expire one by one costs
one part in a hundred of the time, and each of them leaves less than half a second late.
"""

MAX_DUE = 500
"""Records of a set that are removed or asked for in one review. Our choice: some milliseconds."""

_FIRST_POINT: Final = REFRESH_POINTS[0]


class Review(NamedTuple):
    """What is to be done about the answers to a question."""

    expired: list[bytes]
    """The record keys of those to be removed; perhaps not all of them."""
    due: list[Lifetime]
    """Those past the first refresh point, one for all that were heard together."""
    first_at: float | None
    """When the first of all others needs attention."""
    not_before: float
    """When to review the set again at the soonest."""

    def next_at(self, series: QuestionSeries, now: float) -> float | None:
        """Return when to review the set again; called when the question has been asked, if it had to be."""
        series.is_resting = not all(map(series.is_needed_after, self.due))
        times = [series.attention_at(lifetime, now) for lifetime in self.due]
        if self.first_at is not None:
            times.append(self.first_at)
        return max(min(times), self.not_before) if times else None


def review(series: QuestionSeries, lifetimes: Sequence[Lifetime], now: float) -> Review:
    """Sort out the answers to a question, of which there may be thousands.

    The refresh times of the records past their first refresh point are computed one by one. Of all others
    only the first one matters; its time is exact where the records were heard together, and otherwise perhaps
    a little too early, which costs one review more.
    """
    expired: list[bytes] = []
    due: dict[tuple[float, int], Lifetime] = {}
    end_at: float | None = None
    refresh_at: float | None = None
    point_at = 0.0
    shortest = 0
    variation = series.variation
    for lifetime in lifetimes:
        rkey, received_at, ttl, flags, _ = lifetime
        at = received_at + ttl
        if at <= now:
            expired.append(rkey)
        elif flags & LEAVING:
            if end_at is None or at < end_at:
                end_at = at
        elif (at := received_at + _FIRST_POINT * ttl) <= now:
            # Those of one packet have the same times, and are asked for together.
            if len(due) < MAX_DUE:
                due[received_at, ttl] = lifetime
            else:
                end_at = now
        elif refresh_at is None:
            point_at, refresh_at, shortest = at, at + variation * ttl, ttl
        else:
            if at < point_at:
                point_at = at
            if (at := at + variation * ttl) < refresh_at:
                refresh_at = at
            if ttl < shortest:
                shortest = ttl
    if len(expired) > MAX_DUE:
        return Review(expired[:MAX_DUE], list(due.values()), now, now)
    if refresh_at is not None:
        first_at = refresh_time(point_at, refresh_at, point_at + REFRESH_VARIATION * shortest)
        end_at = first_at if end_at is None else min(end_at, first_at)
    return Review(expired, list(due.values()), end_at, now + REST * len(lifetimes))
