"""Records that may be wrong: reconfirmation and passive observation (RFC 6762 §10.4, §10.5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, Protocol

from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.mdns.constants import DOUBT_PERIOD, OBSERVATION_REST
from mcast.mdns.querier.cache import Cache
from mcast.mdns.querier.cache_cells import DISPUTED, Held, fold
from mcast.mdns.querier.passive_observation import MAX_OBSERVATIONS, Observation
from mcast.mdns.querier.question_series import Dispute, Series
from mcast.mdns.schedule import Timers

MAX_DISPUTES = 256
"""Records in doubt at a time. Our choice: each costs four queries; who doubts more doubts the link."""

MAX_OBSERVED_SET = 1000
"""Records of a set up to which it is observed whether others ask for them in vain.

Our choice: to tell which of thousands of PTR records are no longer true takes too long; the SRV record of
each instance is observed by itself.
"""


class Owner(Protocol):
    """What a `Doubts` needs of its querier."""

    def first_query_at(self, now: float) -> float:
        """Return when a question that comes up now is to be asked."""

    def ask_once(self, name: Name, rtype: int, now: float) -> None:
        """Ask a question now."""

    def drop(self, key: bytes, helds: list[Held], resume_at: float, now: float) -> None:
        """Remove records before their time; who still wants such is served from ``resume_at`` on."""


class Doubts:
    """Decides which records are dropped though their TTL has not run out."""

    def __init__(
        self,
        owner: Owner,
        cache: Cache,
        timers: Timers[Series | Dispute | Observation],
        counters: Counter[str],
    ) -> None:
        self._owner: Final = owner
        self._cache: Final = cache
        self._timers: Final = timers
        self._counters: Final = counters
        self._disputes: Final[dict[tuple[bytes, int, bytes], Dispute]] = {}
        self.observations: Final[dict[tuple[bytes, int], Observation]] = {}

    def clear(self) -> None:
        """Forget all doubts."""
        self._disputes.clear()
        self.observations.clear()

    def reconfirm(self, record: Record, now: float) -> bool:
        """Put a record in doubt; return False when it is not known, or when there are too many doubts."""
        held = self._cache.find(record, now)
        if held is None:
            return False
        key = record.name.key
        identity = (key, held.type, fold(held.type, held.rdata))
        if identity in self._disputes:
            return True
        if len(self._disputes) >= MAX_DISPUTES:
            self._counters["reconfirmations refused"] += 1
            return False
        self._cache.dispute(key, held)
        dispute = Dispute(record, now + DOUBT_PERIOD)
        self._disputes[identity] = dispute
        self._timers.arm(dispute, self._owner.first_query_at(now))
        return True

    def wake_dispute(self, dispute: Dispute, now: float) -> None:
        """Ask once more for a record in doubt, or drop it."""
        record = dispute.record
        key, rtype = record.name.key, record.type
        held = self._cache.find(record, now)
        if held is None or not held.flags & DISPUTED:
            # Confirmed, or gone by itself.
            del self._disputes[key, rtype, fold(rtype, record.rdata)]
        elif now >= dispute.ends_at:
            del self._disputes[key, rtype, fold(rtype, record.rdata)]
            self._counters["records flushed after reconfirmation"] += 1
            self._owner.drop(key, [held], self._owner.first_query_at(now), now)
        else:
            self._owner.ask_once(record.name, rtype, now)
            self._timers.arm(dispute, dispute.step(now))

    def observe(self, key: bytes, rtype: int, known: Iterable[Record], now: float) -> None:
        """Take note that another host asks for something, and what it lists as known."""
        observation = self.observations.get((key, rtype))
        if observation is None:
            if not self._cache.has(key, rtype):
                return
            survey = self._cache.survey(key, rtype)
            if survey is not None and len(survey) > MAX_OBSERVED_SET:
                self._counters["queries not observed"] += 1
                return
            if len(self.observations) >= MAX_OBSERVATIONS:
                oldest = next(iter(self.observations.values()))
                if not oldest.is_over(now):
                    self._counters["queries not observed"] += 1
                    return
                self._timers.disarm(oldest)
                del self.observations[oldest.key, oldest.type]
            observation = self.observations[key, rtype] = Observation(key, rtype)
        wake_at = observation.note([fold(rtype, record.rdata) for record in known], now)
        if wake_at is not None:
            self._timers.arm(observation, wake_at)

    def wake_observation(self, observation: Observation, now: float) -> int:
        """Drop what others have asked for in vain; return how many records were looked at."""
        key, rtype = observation.key, observation.type
        helds = self._cache.lookup(key, rtype, now)
        failed, wake_at = observation.failed(helds, now)
        if wake_at is not None:
            self._timers.arm(observation, wake_at)
        elif observation.is_over(now):
            del self.observations[key, rtype]
        if failed:
            self._counters["records flushed after observation"] += len(failed)
            # RFC 6762 §10.5: "The host SHOULD NOT perform its own queries to reconfirm".
            self._owner.drop(key, failed, now + OBSERVATION_REST, now)
        return len(helds)
