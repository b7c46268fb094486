"""When a question is asked again (RFC 6762 §5.2)."""

from __future__ import annotations

from math import floor, frexp, inf
from typing import Final

from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.mdns.constants import (
    FIRST_QUERY_INTERVAL,
    MAX_QUERY_INTERVAL,
    QUERY_INTERVAL_GROWTH,
    QUERY_SLACK,
    REFRESH_GRID,
    REFRESH_POINTS,
    REFRESH_SPACING,
    REFRESH_VARIATION,
)
from mcast.mdns.events import Askers
from mcast.mdns.querier.cache_cells import LEAVING, Lifetime

SPARE = REFRESH_POINTS[1] - REFRESH_POINTS[0]
"""How much sooner an answer may end than the record that it depends on, in parts of its TTL.

Our choice: the time between two refresh queries. The record itself is asked for before the answer ends.
"""

DEPENDENT_DELAY = 0.25
"""Seconds that an answer may still come along, after the record that it depends on was heard again.

Our choice: responders send both in one message, or in several that leave within 120 ms (RFC 6762 §6).
"""


# The members of an enumeration are slower to compare.
_ANY: Final = int(RecordType.ANY)
_CNAME: Final = int(RecordType.CNAME)


def refresh_time(earliest: float, at: float, latest: float) -> float:
    """Return when a refresh query drawn for ``at`` leaves, so that it shares packets (see `REFRESH_GRID`).

    :param earliest: where the draw begins.
    :param latest: where it ends; with a TTL that leaves less than the grid between both, half, a quarter and
        so on of the grid are taken.
    """
    room = latest - earliest
    if room <= 0:
        return earliest
    # frexp: the greatest power of two up to `room` is 2 ** (exponent - 1).
    grid = REFRESH_GRID if room >= REFRESH_GRID else REFRESH_GRID * 2.0 ** (frexp(room / REFRESH_GRID)[1] - 1)
    on_grid = floor(at / grid) * grid
    if on_grid < earliest:
        on_grid += grid
    return on_grid if on_grid <= latest else earliest


class QuestionSeries:
    """One question that is asked until nobody wants its answers any more.

    It is asked in growing intervals, until a unique answer comes; and again before an answer expires.
    """

    __slots__ = (
        "_interval",
        "_stepped_at",
        "ask_at",
        "asked_at",
        "askers",
        "is_denied",
        "is_resting",
        "is_unicast",
        "key",
        "name",
        "needed_until",
        "not_before",
        "review_at",
        "type",
        "unicast_at",
        "variation",
        "wake_at",
    )

    def __init__(self, name: Name, rtype: int, askers: Askers, variation: float) -> None:
        self.name: Final = name
        self.key: Final = name.key
        self.type: Final = rtype
        self.askers: Askers = askers
        self.wake_at: float | None = None
        """When the timer of the series goes off, if it is armed."""
        self.ask_at: float | None = None
        """When to ask again in any case; None after a unique answer."""
        self.not_before = 0.0
        """When to ask again at the soonest, if that saves a packet; means nothing while `ask_at` is None."""
        self.review_at: float | None = None
        """When to look at the answers again, since one expires then or has to be asked for anew."""
        self.asked_at: float | None = None
        """When the question was last asked, by us or another host."""
        self.is_unicast = False
        """Whether it asks for unicast responses the next time (RFC 6762 §5.4)."""
        self.unicast_at: float | None = None
        """When it did so last."""
        self.is_denied = False
        """Whether the askers were told that there is no such record."""
        self.needed_until = inf
        """When the last record ends that the answers depend on; infinite when they are of use alone."""
        self.is_resting = False
        """Whether answers past their first refresh point are not asked for, as that record ends with them."""
        self._interval = 0.0
        self._stepped_at = 0.0
        self.variation: Final = variation
        """What is added to the parts of the lifetime at which records are asked for again."""

    def is_answered_by(self, rtype: int) -> bool:
        """Whether a record of this type answers the question."""
        own = self.type
        return rtype in (own, _CNAME) or own == _ANY

    @property
    def answer_types(self) -> tuple[int, int] | None:
        """The types of the records that answer it; None for all."""
        # An alias answers every question (RFC 1034 §3.6.2).
        return None if self.type == _ANY else (self.type, _CNAME)

    # Asking

    def start(self, at: float, not_before: float) -> None:
        """Begin to ask."""
        self.ask_at = at
        self.not_before = not_before
        self._interval = 0.0

    def stop(self) -> None:
        """Ask no more, except before records expire: a unique answer has come (RFC 6762 §5.2)."""
        self.ask_at = None
        self.is_unicast = False

    def rest(self) -> None:
        """Do nothing until `start`: the link is down."""
        self.stop()
        self.review_at = None
        self.unicast_at = None
        self.asked_at = None
        self.is_denied = False
        self.is_resting = False

    def may_ask(self, now: float) -> bool:
        """Whether the question may be asked, since another packet leaves now or its own time has come."""
        return self.ask_at is not None and self.not_before <= now

    def next_at(self) -> float | None:
        """Return when something is to be done."""
        if self.ask_at is None or self.review_at is None:
            return self.review_at if self.ask_at is None else self.ask_at
        return min(self.ask_at, self.review_at)

    def step(self, now: float, put_off_until: float | None = None) -> None:
        """The question is asked, or counts as asked: set when to ask again.

        :param put_off_until: it is not asked, but is to be then.
        """
        if put_off_until is not None:
            self.ask_at = self.not_before = put_off_until
            return
        last = self._interval
        if last:
            # More time may have passed than was planned, and each interval is to be twice as long as the one
            # before. A clock that stood still (a suspended machine) is not counted in full.
            passed = min(max(last, now - self._stepped_at), QUERY_INTERVAL_GROWTH * last)
            self._interval = min(QUERY_INTERVAL_GROWTH * passed, MAX_QUERY_INTERVAL)
        else:
            self._interval = FIRST_QUERY_INTERVAL
        self._stepped_at = now
        self.not_before = now + self._interval
        self.ask_at = self.not_before + QUERY_SLACK

    def is_soon(self, now: float) -> bool:
        """Whether the question is due so soon that another host's question takes its place (RFC 6762 §7.3).

        Our choice: within half of the interval. A question that was asked long before that has been answered
        long ago.
        """
        if self.ask_at is None:
            return False
        return not self._interval or self.ask_at - now <= self._interval / 2

    # Cache maintenance

    def is_needed_after(self, lifetime: Lifetime) -> bool:
        """Whether an answer is of use when it has ended, so that it is worth a refresh query."""
        return self.needed_until > lifetime.received_at + (1 + SPARE) * lifetime.ttl

    def need(self, ttl: int, received_at: float, now: float) -> float | None:
        """Take in how long a record is valid on which the answers depend.

        :returns: when to look at the answers again, unless that is planned already.
        """
        self.needed_until = max(self.needed_until, received_at + ttl)
        if not self.is_resting:
            return None
        earliest = now + DEPENDENT_DELAY
        return refresh_time(earliest, earliest, earliest + REFRESH_VARIATION * ttl)

    def refresh_at(self, ttl: int, received_at: float, point: float = REFRESH_POINTS[0]) -> float:
        """Return when to ask for a record again: at a part of its lifetime and a little more (RFC 6762 §5.2).

        The variation is one for all answers to the question: the first that is due brings them all.
        """
        earliest = received_at + point * ttl
        return refresh_time(earliest, earliest + self.variation * ttl, earliest + REFRESH_VARIATION * ttl)

    def attention_at(self, lifetime: Lifetime, now: float) -> float:
        """Return when next to look at a valid record."""
        if not lifetime.flags & LEAVING:
            for at in self._refreshes(lifetime):
                if at > now:
                    return at
        return lifetime.received_at + lifetime.ttl

    def needs_refresh(self, lifetime: Lifetime, now: float) -> bool:
        """Whether a query for a record is due, and no question has been asked since that serves it."""
        return not lifetime.flags & LEAVING and any(at <= now for at in self._refreshes(lifetime))

    def is_first_refresh(self, lifetime: Lifetime, now: float) -> bool:
        """Whether a record has not been asked for again yet, now that it is due."""
        return now < self.refresh_at(lifetime.ttl, lifetime.received_at, REFRESH_POINTS[1])

    def _refreshes(self, lifetime: Lifetime) -> list[float]:
        """Return the refresh times of a record without those that an asked question has served.

        Where one of them is too close to the refresh before, it is put off within its window of 2 % of the
        TTL: a refresh that left a moment late must not cost the next one (RFC 6762 §5.2).
        """
        if not self.is_needed_after(lifetime):
            return []
        ttl, received_at = lifetime.ttl, lifetime.received_at
        times = [self.refresh_at(ttl, received_at, point) for point in REFRESH_POINTS]
        asked_at = self.asked_at
        if asked_at is None:
            return times
        since = asked_at + max(REFRESH_SPACING, REFRESH_VARIATION * ttl)
        kept = [at for at in times if at >= since]
        if asked_at >= received_at + REFRESH_POINTS[0] * ttl:
            kept += [
                since
                for point, at in zip(REFRESH_POINTS, times, strict=True)
                if at < since <= received_at + (point + REFRESH_VARIATION) * ttl and at > asked_at
            ]
        return sorted(kept)
