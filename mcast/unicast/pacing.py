"""How often clients elsewhere can have a question asked on a link (RFC 8766 §9.3)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Generic, TypeVar

LINK_RATE = 20
"""Query packets a second that clients can cause on a link (RFC 8766 §9.3: "RECOMMENDED")."""

PACKETS_OF_BATCH = 6
"""Packets that the questions of one batch cause: each is asked three times in six seconds (RFC 8766 §5.6), by
IPv4 and by IPv6."""

BATCH_WINDOW = 0.02
"""Seconds in which questions join a batch: the least delay of the first packet (RFC 6762 §5.2)."""

BATCH_QUESTIONS = 20
"""Questions of a batch. Our choice: together with `BATCH_OCTETS`, so that they share one packet."""

BATCH_OCTETS = 1000
"""Octets of the names and types in a batch. Our choice: less than a packet of 1280 octets has room for."""

MAX_QUEUED = 500
"""Questions that wait for their turn. Our choice: those that begin within six seconds at the usual rate."""

_T = TypeVar("_T")


class Pacing(Generic[_T]):
    """Lets questions begin in batches, far enough apart, clients in turn.

    :param rate: query packets a second on the link.
    """

    def __init__(self, rate: int = LINK_RATE) -> None:
        self.interval: Final = PACKETS_OF_BATCH / rate
        """Seconds from one batch to the next."""
        self._closes_at = 0.0
        self._next_at: float | None = None
        """When the next batch may be opened; None before the first."""
        self._questions = 0
        self._octets = 0
        self._queues: OrderedDict[str, OrderedDict[_T, int]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        """How many questions wait for their turn."""
        return self._count

    def may_begin(self, octets: int, now: float) -> bool:
        """Whether a question may begin now; it is counted then.

        :param octets: how long it is.
        """
        return not self._count and self._take(octets, now)

    def put(self, client: str, octets: int, item: _T) -> bool:
        """Have a question wait for its turn; False when too many wait, or half of all for one client."""
        queue = self._queues.get(client, ())
        if self._count >= MAX_QUEUED or len(queue) >= MAX_QUEUED // 2:
            return False
        self._queues.setdefault(client, OrderedDict())[item] = octets
        self._count += 1
        return True

    def discard(self, item: _T) -> None:
        """Let a question wait no more, if it does."""
        for client, queue in self._queues.items():
            if queue.pop(item, None) is not None:
                self._count -= 1
                if not queue:
                    del self._queues[client]
                return

    def due(self, now: float) -> list[_T]:
        """Return the questions that begin now, those of all clients in turn."""
        begun: list[_T] = []
        while self._queues:
            client, queue = next(iter(self._queues.items()))
            item, octets = next(iter(queue.items()))
            if not self._take(octets, now):
                break
            del queue[item]
            self._count -= 1
            if queue:
                self._queues.move_to_end(client)
            else:
                del self._queues[client]
            begun.append(item)
        return begun

    def next_at(self) -> float | None:
        """Return when to call `due`; None while nothing waits."""
        return self._next_at if self._count else None

    def _take(self, octets: int, now: float) -> bool:
        if self._next_at is None or now >= self._next_at:
            self._closes_at, self._next_at = now + BATCH_WINDOW, now + self.interval
            self._questions = self._octets = 0
        elif now >= self._closes_at:
            return False
        if self._questions and (self._questions >= BATCH_QUESTIONS or self._octets + octets > BATCH_OCTETS):
            return False
        self._questions += 1
        self._octets += octets
        return True
