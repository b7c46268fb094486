"""Passive observation of failures: questions of other hosts that nobody answers (RFC 6762 §10.5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from mcast.dns.records import Record
from mcast.mdns.constants import (
    OBSERVATION_PERIOD,
    OBSERVATION_REST,
    OBSERVED_QUERIES,
    RECONFIRM_PERIOD,
)
from mcast.mdns.querier.cache import Cache
from mcast.mdns.querier.cache_cells import Lifetime, record_key
from mcast.mdns.querier.reconfirmation import Drop
from mcast.mdns.schedule import Timers

MAX_OBSERVATIONS = 1024
"""Questions observed at a time.

Our choice: enough for a host that looks for hundreds of services at once. Beyond that a failure may be
missed, which does no harm.
"""

MAX_QUERIES = 8
"""Queries remembered for each question. Our choice: two are needed; more hosts that ask tell nothing more."""

MAX_OBSERVED_NAME = 1000
"""Records of a name up to which questions about it are observed.

Our choice: to tell which of thousands of PTR records are no longer true takes too long; the SRV record of
each instance is observed by itself.
"""


WORK = 250
"""Records after which `FailureObservations.advance` leaves what else is due to the next call.

Our choice: about a millisecond.
"""


class FailureObservation:
    """The queries for one name and type that were heard recently.

    A record is given up when two queries were sent since it was last heard, neither of which listed it as
    known, and ten seconds have passed since the second one.
    """

    __slots__ = ("_queries", "key", "type", "wake_at")

    def __init__(self, key: bytes, rtype: int) -> None:
        self.key: Final = key
        self.type: Final = rtype
        self.wake_at: float | None = None
        """When the timer of the observation goes off, if it is armed."""
        self._queries: list[tuple[float, frozenset[bytes]]] = []

    def note(self, listed: Iterable[bytes], now: float) -> float | None:
        """Take note of a query; return when to call `failed`, or None while one query more is needed.

        :param listed: the record keys of the known answers to this question that came with it.
        """
        self._forget(now)
        if len(self._queries) == MAX_QUERIES:
            # The last is replaced and not the first, so that repeated questions do not put the end off.
            self._queries.pop()
        self._queries.append((now, frozenset(listed)))
        return now + RECONFIRM_PERIOD if len(self._queries) >= OBSERVED_QUERIES else None

    def failed(self, lifetimes: Iterable[Lifetime], now: float) -> list[bytes]:
        """Return the record keys of those that have not been confirmed.

        :param lifetimes: of all records of the name and type.
        """
        failed = []
        for lifetime in lifetimes:
            if lifetime.expires_at <= now:
                continue
            unanswered = [
                at for at, listed in self._queries if at > lifetime.received_at and lifetime.key not in listed
            ]
            if len(unanswered) >= OBSERVED_QUERIES and (
                unanswered[OBSERVED_QUERIES - 1] + RECONFIRM_PERIOD <= now
            ):
                failed.append(lifetime.key)
        return failed

    def next_at(self, now: float) -> float | None:
        """Return when to call `failed` again, if at all."""
        self._forget(now)
        ends = [at + RECONFIRM_PERIOD for at, _ in self._queries[OBSERVED_QUERIES - 1 :]]
        return min([end for end in ends if end > now], default=None)

    def is_over(self, now: float) -> bool:
        """Whether nothing that was heard matters any more."""
        self._forget(now)
        return not self._queries

    def _forget(self, now: float) -> None:
        limit = now - OBSERVATION_PERIOD
        self._queries = [query for query in self._queries if query[0] > limit]


class FailureObservations:
    """Decides which records are dropped since nobody answers the questions of other hosts."""

    __slots__ = ("_cache", "_counters", "_running", "timers")

    def __init__(self, cache: Cache, counters: Counter[str]) -> None:
        self.timers: Final[Timers[FailureObservation]] = Timers()
        """Tell when to call `advance`."""
        self._cache: Final = cache
        self._counters: Final = counters
        self._running: Final[dict[tuple[bytes, int], FailureObservation]] = {}

    def __len__(self) -> int:
        """How many questions are observed."""
        return len(self._running)

    def clear(self) -> None:
        """Forget all of them."""
        self._running.clear()
        self.timers.clear()

    def note(self, key: bytes, rtype: int, known: Iterable[Record], now: float) -> None:
        """Take note of another host's question, and what it lists as known."""
        observation = self._running.get((key, rtype))
        if observation is None:
            if not self._cache.has(key, rtype):
                return
            if self._cache.count_of(key) > MAX_OBSERVED_NAME or not self._make_room(now):
                self._counters["queries not observed"] += 1
                return
            observation = self._running[key, rtype] = FailureObservation(key, rtype)
        at = observation.note([record_key(rtype, record.rdata) for record in known], now)
        if at is not None:
            self.timers.arm(observation, at)

    def _make_room(self, now: float) -> bool:
        """Forget the oldest observation when there are too many, if it is over."""
        if len(self._running) < MAX_OBSERVATIONS:
            return True
        oldest = next(iter(self._running.values()))
        if not oldest.is_over(now):
            return False
        self._forget(oldest)
        return True

    def _forget(self, observation: FailureObservation) -> None:
        self.timers.disarm(observation)
        del self._running[observation.key, observation.type]

    def advance(self, now: float) -> list[Drop]:
        """Return what is to be dropped since other hosts have asked for it in vain."""
        drops: list[Drop] = []
        work = 0
        while work < WORK and (entry := self.timers.pop(now)) is not None:
            woken = entry[1]
            key, rtype = woken.key, woken.type
            lifetimes = self._cache.lifetimes(key, (rtype,))
            work += 1 + len(lifetimes)
            failed = woken.failed(lifetimes, now)
            if failed:
                self._counters["records flushed after observation"] += len(failed)
                # RFC 6762 §10.5: "The host SHOULD NOT perform its own queries to reconfirm".
                drops.append(Drop(key, failed, OBSERVATION_REST))
            at = woken.next_at(now)
            if at is not None:
                self.timers.arm(woken, at)
            elif woken.is_over(now):
                self._forget(woken)
        return drops
