"""Reconfirmation of records that may be wrong (RFC 6762 §10.4)."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from mcast.dns.messages import Question
from mcast.dns.records import Record
from mcast.mdns.constants import RECONFIRM_DELAYS, RECONFIRM_PERIOD
from mcast.mdns.querier.cache import Cache
from mcast.mdns.querier.cache_cells import RECONFIRMING, record_key
from mcast.mdns.schedule import Timers

MAX_RECONFIRMATIONS = 256
"""Records that are reconfirmed at a time.

Our choice: each costs four queries; when more records than this seem wrong, the link itself does not work.
"""


class Drop(NamedTuple):
    """The decision to remove records of a name before they expire."""

    key: bytes
    """The key of the name."""
    rkeys: list[bytes]
    """The record keys."""
    rest: float | None = None
    """For how long we do not ask for them; None when a new series may begin at once."""


class Reconfirmation:
    """A record that somebody says is wrong, and the queries that are to show whether it is."""

    __slots__ = ("_delays", "ends_at", "record", "wake_at")

    def __init__(self, record: Record, ends_at: float) -> None:
        self.record: Final = record
        self.ends_at: Final = ends_at
        """When the record is dropped, unless it has been heard again."""
        self.wake_at: float | None = None
        """When the timer of the reconfirmation goes off, if it is armed."""
        self._delays = iter(RECONFIRM_DELAYS)

    @property
    def identity(self) -> tuple[bytes, bytes]:
        """The key of the name, and the record key."""
        return self.record.name.key, record_key(self.record.type, self.record.rdata)

    def step(self, now: float) -> float:
        """A query is sent: return when to look again, for another one or at the end."""
        delay = next(self._delays, None)
        return self.ends_at if delay is None else min(now + delay, self.ends_at)


class Reconfirmations:
    """Decides which records are asked for, and dropped when nobody sends them."""

    __slots__ = ("_cache", "_counters", "_running", "timers")

    def __init__(self, cache: Cache, counters: Counter[str]) -> None:
        self.timers: Final[Timers[Reconfirmation]] = Timers()
        """Tell when to call `advance`."""
        self._cache: Final = cache
        self._counters: Final = counters
        self._running: Final[dict[tuple[bytes, bytes], Reconfirmation]] = {}

    def clear(self) -> None:
        """Forget all of them."""
        self._running.clear()
        self.timers.clear()

    def begin(self, record: Record, first_at: float, now: float) -> bool:
        """Take the hint that a record is wrong.

        :param first_at: when to ask for it first.
        :returns: whether it is reconfirmed: not when it is unknown, or when too many others are.
        """
        cached = self._cache.find(record, now)
        if cached is None:
            return False
        started = Reconfirmation(record, now + RECONFIRM_PERIOD)
        if started.identity in self._running:
            return True
        if len(self._running) >= MAX_RECONFIRMATIONS:
            self._counters["reconfirmations refused"] += 1
            return False
        self._cache.mark_reconfirming(record.name.key, cached)
        self._running[started.identity] = started
        self.timers.arm(started, first_at)
        return True

    def advance(self, now: float) -> tuple[list[Question], list[Drop]]:
        """Return the questions to be asked at ``now``, and what is to be dropped since nobody sent it."""
        questions: list[Question] = []
        drops: list[Drop] = []
        for woken in self.timers.due(now):
            record = woken.record
            key, rkey = woken.identity
            cached = self._cache.find(record, now)
            if cached is None or not cached.flags & RECONFIRMING:
                # It was heard again, or it expired.
                del self._running[key, rkey]
            elif now >= woken.ends_at:
                del self._running[key, rkey]
                self._counters["records flushed after reconfirmation"] += 1
                drops.append(Drop(key, [rkey]))
            else:
                questions.append(Question(record.name, record.type))
                self.timers.arm(woken, woken.step(now))
        return questions, drops
