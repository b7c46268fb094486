"""Unicast responses that wait for their random delay (RFC 6762 §6)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from mcast.mdns.responder.record_set import RecordSet
from mcast.mdns.schedule import Timers
from mcast.neighbours import SocketAddress

MAX_DELAYED = 256
"""Unicast responses that wait for their random delay at a time.

Our choice: far more queriers than ask within 120 ms; one multicast then answers all others (RFC 6762
Appendix D).
"""

MAX_DELAYED_SETS = 4096
"""Record sets in all of these responses together.

Our choice: what is encoded within a tenth of a second. With a thousand services of one type, four queriers
get theirs by unicast and the others by the one multicast that is cheaper for all.
"""


@dataclass(slots=True, eq=False)
class DelayedResponse:
    """What one querier will get."""

    destination: SocketAddress
    answers: dict[RecordSet, None] = field(default_factory=dict)
    queries: set[bytes] = field(default_factory=set)
    """The plain queries that this answers, as far as they were told."""
    wake_at: float | None = None


class DelayedResponses:
    """Unicast responses waiting for their random delay; answers to one querier leave together."""

    def __init__(self) -> None:
        self.timers: Final[Timers[DelayedResponse]] = Timers()
        """When to call `take`."""
        self._waiting: Final[dict[SocketAddress, DelayedResponse]] = {}
        self._size = 0

    def add(
        self, destination: SocketAddress, answers: Collection[RecordSet], at: float, query: bytes = b""
    ) -> bool:
        """Plan answers; they leave with those that are planned for this querier already.

        :param query: what is answered, if it may come again.
        :returns: False when too much is waiting.
        """
        response = self._waiting.get(destination)
        if response is not None and query in response.queries:
            return True
        if self._size + len(answers) > MAX_DELAYED_SETS:
            return False
        if response is None:
            if len(self._waiting) >= MAX_DELAYED:
                return False
            response = self._waiting[destination] = DelayedResponse(destination)
            self.timers.arm(response, at)
        before = len(response.answers)
        response.answers.update(dict.fromkeys(answers))
        self._size += len(response.answers) - before
        if query:
            response.queries.add(query)
        return True

    def answers(self, destination: SocketAddress, query: bytes) -> bool:
        """Whether what waits for this querier answers this query."""
        response = self._waiting.get(destination)
        return response is not None and query in response.queries

    def clear(self) -> None:
        """Plan nothing."""
        self._waiting.clear()
        self.timers.clear()
        self._size = 0

    def take(self, now: float) -> list[DelayedResponse]:
        """Return the responses that are due."""
        due = self.timers.due(now)
        for response in due:
            del self._waiting[response.destination]
            self._size -= len(response.answers)
        return due
