"""Truncated queries that wait for further known answers (RFC 6762 §7.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from mcast.dns.records import Identity
from mcast.mdns.responder.known_answers import KnownAnswers, is_known
from mcast.mdns.responder.record_set import RecordSet
from mcast.mdns.schedule import Timers
from mcast.neighbours import SocketAddress

MAX_TRUNCATED = 64
"""Hosts whose truncated queries are waited for at a time.

Our choice: seldom do more hosts than this know more than one packet of answers and ask within half a second.
A query beyond it is answered after the same delay, only without regard to what follows it.
"""


@dataclass(slots=True, eq=False)
class TruncatedQuery:
    """The answers to a truncated query, waiting for its known answers."""

    source: SocketAddress
    begun_at: float
    answers: dict[RecordSet, bool] = field(default_factory=dict)
    """The sets, and whether a unicast response was asked for."""
    known: dict[Identity, int] = field(default_factory=dict)
    """The known answers so far, as far as they matter here."""
    wake_at: float | None = None
    """When the answers are due."""


class TruncatedQueries:
    """Truncated queries, each with what follows it from the same address (RFC 6762 §7.2, §15.2)."""

    def __init__(self) -> None:
        self.timers: Final[Timers[TruncatedQuery]] = Timers()
        """When to call `take`."""
        self._waiting: Final[dict[str, TruncatedQuery]] = {}

    def __contains__(self, host: str) -> bool:
        """Whether a truncated query of this host is waited for."""
        return host in self._waiting

    @property
    def times(self) -> list[float]:
        """When the answers are due."""
        if not self._waiting:
            return []
        return [query.wake_at for query in self._waiting.values() if query.wake_at is not None]

    def hold(
        self,
        source: SocketAddress,
        answers: dict[RecordSet, bool],
        known: KnownAnswers,
        now: float,
        due_at: float,
    ) -> bool:
        """Keep the answers to a query with the TC bit, or to a further one of the same host.

        :returns: False when there are too many of these hosts already.
        """
        query = self._waiting.get(source[0])
        if query is None:
            if not answers:
                return True
            if len(self._waiting) >= MAX_TRUNCATED:
                return False
            query = self._waiting[source[0]] = TruncatedQuery(source, now)
        for record_set, unicast in answers.items():
            query.answers[record_set] = query.answers.get(record_set, True) and unicast
        self.timers.rearm(query, due_at)
        self.strike(source[0], known)
        return True

    def strike(self, host: str, known: KnownAnswers) -> None:
        """Take out the answers that a further packet of the same host lists as known."""
        query = self._waiting.get(host)
        if query is None:
            return
        for record_set in list(query.answers):
            for identity in known.keys() & record_set.identities:
                query.known[identity] = known[identity]
            if is_known(record_set, query.known):
                del query.answers[record_set]
        if not query.answers:
            self.timers.disarm(query)
            del self._waiting[host]

    def clear(self) -> None:
        """Wait for nothing."""
        self._waiting.clear()
        self.timers.clear()

    def take(self, now: float) -> list[TruncatedQuery]:
        """Return the queries that need not wait any longer."""
        due = self.timers.due(now)
        for query in due:
            del self._waiting[query.source[0]]
        return due
