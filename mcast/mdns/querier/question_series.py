"""When a question is asked again (RFC 6762 §5.2)."""

from __future__ import annotations

from collections.abc import Hashable
from math import floor, inf
from typing import Final

from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.mdns.constants import (
    FIRST_QUERY_INTERVAL,
    MAX_QUERY_INTERVAL,
    QUERY_INTERVAL_GROWTH,
    QUERY_SLACK,
    RECONFIRM_DELAYS,
    REFRESH_GRID,
    REFRESH_POINTS,
    REFRESH_SPACING,
    REFRESH_VARIATION,
)
from mcast.mdns.events import Askers
from mcast.mdns.querier.cache_cells import LEAVING, Held, Times

NEVER: Final = inf


def answers_to(asked: int, rtype: int) -> bool:
    """Whether a record of type ``rtype`` answers a question of type ``asked`` about its name.

    An alias answers every question (RFC 1034 §3.6.2).
    """
    return asked in (rtype, RecordType.ANY) or rtype == RecordType.CNAME


class Series:
    """One question that is asked until nobody wants to know any more."""

    __slots__ = (
        "_interval",
        "_stepped_at",
        "ask_at",
        "asked_at",
        "askers",
        "is_denied",
        "is_unicast",
        "key",
        "name",
        "not_before",
        "record_at",
        "type",
        "unicast_at",
        "variation",
        "wake_at",
    )

    def __init__(self, name: Name, rtype: int, asker: Hashable, variation: float) -> None:
        self.name: Final = name
        self.key: Final = name.key
        self.type: Final = rtype
        self.askers: Askers = (asker,)
        self.wake_at: float | None = None
        """When the timer of the series goes off, if it is armed."""
        self.ask_at = NEVER
        """When to ask again in any case."""
        self.not_before = NEVER
        """When to ask again at the soonest, if that saves a packet."""
        self.record_at = NEVER
        """When to look at the answers again, since one expires then or has to be asked for anew."""
        self.asked_at = -NEVER
        """When the question was last asked, by us or somebody else on our behalf."""
        self.is_unicast = False
        """The next time it asks for unicast responses (RFC 6762 §5.4)."""
        self.unicast_at = -NEVER
        """When it did so last."""
        self.is_denied = False
        """There is no such record, and the askers know it."""
        self._interval = 0.0
        self._stepped_at = -NEVER
        self.variation: Final = variation
        """What is added to the parts of the lifetime at which records are asked for again."""

    def start(self, at: float, not_before: float) -> None:
        """Begin a new series."""
        self.ask_at = at
        self.not_before = not_before
        self._interval = 0.0

    def stop(self) -> None:
        """Ask no more, but for records that expire: a unique answer has come (RFC 6762 §5.2)."""
        self.ask_at = self.not_before = NEVER
        self.is_unicast = False

    def rest(self) -> None:
        """Do nothing until `start`, for the link is down."""
        self.stop()
        self.record_at = NEVER
        self.unicast_at = -NEVER
        self.asked_at = -NEVER
        self.is_denied = False
        self.wake_at = None

    def step(self, now: float) -> None:
        """The question is asked, or counts as asked: set when to do so again."""
        last = self._interval
        if last:
            # What has really passed may be more than was planned, and each interval is to be twice as long
            # as the one before. A clock that stood still (a suspended machine) is not counted in full.
            passed = min(max(last, now - self._stepped_at), QUERY_INTERVAL_GROWTH * last)
            self._interval = min(QUERY_INTERVAL_GROWTH * passed, MAX_QUERY_INTERVAL)
        else:
            self._interval = FIRST_QUERY_INTERVAL
        self._stepped_at = now
        self.not_before = now + self._interval
        self.ask_at = self.not_before + QUERY_SLACK

    def is_soon(self, now: float) -> bool:
        """Whether the question is to be asked so soon that another host's does instead (RFC 6762 §7.3).

        Our choice: within half of the interval. What was asked long before that has been answered long ago.
        """
        return self.ask_at < NEVER and (not self._interval or self.ask_at - now <= self._interval / 2)

    def refresh_at(self, ttl: int, received_at: float, point: float = REFRESH_POINTS[0]) -> float:
        """Return when to ask for a record again, at a part of its lifetime and a little more (RFC 6762 §5.2).

        The variation is one for all answers to the question, for the first to fall due brings them all.
        """
        at = received_at + (point + self.variation) * ttl
        return max(floor(at / REFRESH_GRID) * REFRESH_GRID, received_at + point * ttl)

    def attention_at(self, held: Held | Times, now: float) -> float:
        """Return when next to look at a valid record."""
        if not held.flags & LEAVING:
            for at in self._refreshes(held):
                if at > now:
                    return at
        return held.received_at + held.ttl

    def needs_refresh(self, held: Held | Times, now: float) -> bool:
        """Whether a query for a record is due, and no question has been asked since that would do."""
        return not held.flags & LEAVING and any(at <= now for at in self._refreshes(held))

    def _refreshes(self, held: Held | Times) -> list[float]:
        """Return the refresh times of a record without those that an asked question has served."""
        ttl = held.ttl
        since = self.asked_at + max(REFRESH_SPACING, REFRESH_VARIATION * ttl)
        return [
            at for point in REFRESH_POINTS if (at := self.refresh_at(ttl, held.received_at, point)) >= since
        ]


class Dispute:
    """A record that somebody says is wrong, and the queries that are to show whether it is (RFC 6762
    §10.4)."""

    __slots__ = ("_delays", "ends_at", "record", "wake_at")

    def __init__(self, record: Record, ends_at: float) -> None:
        self.record: Final = record
        self.ends_at: Final = ends_at
        self.wake_at: float | None = None
        """When the timer of the dispute goes off, if it is armed."""
        self._delays = iter(RECONFIRM_DELAYS)

    def step(self, now: float) -> float:
        """A query is sent: return when to look again, for another one or at the end."""
        delay = next(self._delays, None)
        return self.ends_at if delay is None else min(now + delay, self.ends_at)
