"""Passive observation of failures: questions of other hosts that nobody answers (RFC 6762 §10.5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import inf
from random import Random
from typing import Final

from mcast.dns.messages import Question
from mcast.dns.records import Record
from mcast.mdns.constants import (
    OBSERVATION_PERIOD,
    OBSERVATION_REST,
    OBSERVED_QUERIES,
    RECONFIRM_PERIOD,
)
from mcast.mdns.querier.cache import Cache
from mcast.mdns.querier.cache_cells import Lifetime, record_key
from mcast.mdns.querier.reconfirmation import LAST_WAIT, Drop
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


LAST_QUERY_LEAD = (3.0, 4.0)
"""Seconds before a record is given up in which we ask for it ourselves, the first time at random.

Our choice: an answer has time to come; hosts that have observed the same are spread, and the first of them
asks for all (RFC 6762 §7.3).
"""

WORK = 250
"""Records after which `FailureObservations.advance` leaves what else is due to the next call.

Our choice: about a millisecond.
"""


class FailureObservation:
    """The queries for one name and type that were heard recently.

    A record is given up when two queries were sent since it was last heard, neither of which listed it as
    known, and ten seconds have passed since the second one. Towards the end of them we ask once ourselves.
    What the host asks that said the record is not counted: some ignore their own queries (RFC 6762 §10.5
    speaks of answers that "are expected").
    """

    __slots__ = ("_lead", "_queries", "asked_at", "key", "type", "wake_at")

    def __init__(self, key: bytes, rtype: int, lead: float) -> None:
        self.key: Final = key
        self._lead: Final = lead
        self.asked_at = -inf
        """When we asked ourselves."""
        self.type: Final = rtype
        self.wake_at: float | None = None
        """When the timer of the observation goes off, if it is armed."""
        self._queries: list[tuple[float, Sequence[Record], int]] = []

    def note(self, known: Sequence[Record], source: int, now: float) -> float | None:
        """Take note of a query; return when to call `failed`, or None while one query more is needed.

        :param known: the known answers to this question that came with it.
        :param source: the mark of the host that asks.
        """
        queries = self._queries
        if queries and queries[0][0] <= now - OBSERVATION_PERIOD:
            self._forget(now)
            queries = self._queries
        if len(queries) == MAX_QUERIES:
            # The last is replaced and not the first, so that repeated questions do not put the end off.
            queries.pop()
        queries.append((now, known, source))
        return now + RECONFIRM_PERIOD - self._lead if len(queries) >= OBSERVED_QUERIES else None

    def failed(self, lifetimes: Iterable[Lifetime], now: float) -> tuple[list[bytes], list[bytes]]:
        """Return the record keys of those that have not been confirmed: to be asked for, and to be dropped.

        :param lifetimes: of all records of the name and type.
        """
        # Made here and not for each query, of which few come to this.
        queries = [
            (at, {record_key(self.type, record.rdata) for record in known}, source)
            for at, known, source in self._queries
        ]
        doubtful, failed = [], []
        for lifetime in lifetimes:
            if lifetime.expires_at <= now:
                continue
            unanswered = [
                at
                for at, listed, source in queries
                if at > lifetime.received_at and source != lifetime.source and lifetime.key not in listed
            ]
            if len(unanswered) < OBSERVED_QUERIES:
                continue
            counted_at = unanswered[OBSERVED_QUERIES - 1]
            if self.asked_at <= counted_at:
                if counted_at + RECONFIRM_PERIOD - self._lead <= now:
                    doubtful.append(lifetime.key)
            elif max(counted_at + RECONFIRM_PERIOD, self.asked_at + LAST_WAIT) <= now:
                failed.append(lifetime.key)
        return doubtful, failed

    def next_at(self, now: float) -> float | None:
        """Return when to call `failed` again, if at all."""
        self._forget(now)
        ends = [at + RECONFIRM_PERIOD for at, _, _ in self._queries[OBSERVED_QUERIES - 1 :]]
        times = [*ends, *[end - self._lead for end in ends], self.asked_at + LAST_WAIT]
        return min([at for at in times if at > now], default=None)

    def is_over(self, now: float) -> bool:
        """Whether nothing that was heard matters any more."""
        self._forget(now)
        return not self._queries

    def _forget(self, now: float) -> None:
        limit = now - OBSERVATION_PERIOD
        self._queries = [query for query in self._queries if query[0] > limit]


class FailureObservations:
    """Decides which records are dropped since nobody answers the questions of other hosts.

    :param rng: draws when to ask ourselves, or all that observe would ask at the same moment.
    """

    __slots__ = ("_cache", "_counters", "_rng", "_running", "timers")

    def __init__(self, cache: Cache, counters: Counter[str], rng: Random) -> None:
        self._rng: Final = rng
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

    def concerns(self, key: bytes, rtype: int) -> bool:
        """Whether a question tells anything: it is observed, or there may be a record that answers it."""
        return (key, rtype) in self._running or self._cache.has(key, rtype)

    def note(self, key: bytes, rtype: int, known: Sequence[Record], source: int, now: float) -> bool:
        """Take note of another host's question, and what it lists as known.

        :param source: the mark of that host.
        :returns: whether there is anything to do at another time than before, or a limit was reached.
        """
        observation = self._running.get((key, rtype))
        if observation is None:
            if not self._cache.has(key, rtype):
                return False
            if self._cache.count_of(key) > MAX_OBSERVED_NAME or not self._make_room(now):
                self._counters["queries not observed"] += 1
                return True
            observation = self._running[key, rtype] = FailureObservation(
                key, rtype, self._rng.uniform(*LAST_QUERY_LEAD)
            )
        at = observation.note(known, source, now)
        if at is None or (observation.wake_at is not None and observation.wake_at <= at):
            return False
        self.timers.arm(observation, at)
        return True

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

    def advance(self, now: float) -> tuple[list[Question], list[Drop]]:
        """Return the questions to be asked at ``now``, and what is to be dropped since nobody answered."""
        questions: list[Question] = []
        drops: list[Drop] = []
        work = 0
        while work < WORK and (entry := self.timers.pop(now)) is not None:
            woken = entry[1]
            key, rtype = woken.key, woken.type
            lifetimes = self._cache.lifetimes(key, (rtype,))
            work += 1 + len(lifetimes)
            doubtful, failed = woken.failed(lifetimes, now)
            if doubtful:
                # RFC 6762 §10.5: "The host SHOULD NOT perform its own queries to reconfirm". We do, once: a
                # live service that is dropped is worse than a packet, and the answer that others got may have
                # missed us, or may have been none since they have it.
                woken.asked_at = now
                self._cache.mark_reconfirming(key, doubtful)
                questions.append(Question(self._cache.owner(key), rtype))
            if failed:
                self._counters["records flushed after observation"] += len(failed)
                drops.append(Drop(key, failed, OBSERVATION_REST))
            at = woken.next_at(now)
            if at is not None:
                self.timers.arm(woken, at)
            elif woken.is_over(now):
                self._forget(woken)
        return questions, drops
