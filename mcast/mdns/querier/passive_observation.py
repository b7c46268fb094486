"""Passive observation of failures: questions of other hosts that nobody answers (RFC 6762 §10.5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mcast.mdns.constants import DOUBT_PERIOD, OBSERVATION_PERIOD, OBSERVED_QUERIES
from mcast.mdns.querier.cache_cells import Held, fold

MAX_OBSERVATIONS = 1024
"""Questions observed at a time. Our choice: a host that looks for hundreds of services at once fits in;
beyond that we miss a failure at worst."""

MAX_QUERIES = 8
"""Queries remembered for each. Our choice: two are needed; a crowd of hosts that ask at once adds nothing."""


class Observation:
    """The queries for one name and type that were heard of late.

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

        :param listed: the known answers to this question that came with it, folded.
        """
        self._forget(now)
        if len(self._queries) == MAX_QUERIES:
            # The last is replaced and not the first, so that asking on and on puts nothing off.
            self._queries.pop()
        self._queries.append((now, frozenset(listed)))
        return now + DOUBT_PERIOD if len(self._queries) >= OBSERVED_QUERIES else None

    def failed(self, helds: Iterable[Held], now: float) -> tuple[list[Held], float | None]:
        """Return those of the records that have not been confirmed, and when to call this again, if at all.

        :param helds: all valid records of the name and type.
        """
        failed = []
        for held in helds:
            folded = fold(held.type, held.rdata)
            unanswered = [
                at for at, listed in self._queries if at > held.received_at and folded not in listed
            ]
            if len(unanswered) >= OBSERVED_QUERIES and (
                unanswered[OBSERVED_QUERIES - 1] + DOUBT_PERIOD <= now
            ):
                failed.append(held)
        self._forget(now)
        ends = [at + DOUBT_PERIOD for at, _ in self._queries[OBSERVED_QUERIES - 1 :]]
        return failed, min([end for end in ends if end > now], default=None)

    def is_over(self, now: float) -> bool:
        """Whether nothing that was heard matters any more."""
        self._forget(now)
        return not self._queries

    def _forget(self, now: float) -> None:
        limit = now - OBSERVATION_PERIOD
        self._queries = [query for query in self._queries if query[0] > limit]
