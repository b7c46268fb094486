"""What other programs of our own host multicast: to others they and we are one host (RFC 6762 §6, §15)."""

from __future__ import annotations

from itertools import chain
from math import inf
from typing import Final

from mcast.dns.messages import Message
from mcast.dns.records import Identity
from mcast.mdns.constants import MULTICAST_INTERVAL
from mcast.mdns.responder.record_set import RecordSet

MAX_HEARD = 4096
"""Records remembered for a second; the oldest is forgotten for a new one.

Our choice: several programs with a thousand services each. What is forgotten is multicast once more.
"""

MAX_SENT = 1024
"""Packets of ours whose echo is waited for. Our choice: ten thousand services are announced in fewer."""


class Siblings:
    """Remembers for a second which records a program of our host has multicast, if that was not ourselves.

    A packet of ours comes back to us like one of a sibling: from an address of ours.
    """

    __slots__ = ("_heard", "_sent")

    def __init__(self) -> None:
        self._heard: Final[dict[Identity, tuple[float, int]]] = {}
        """When a record was heard, and its TTL; the oldest first."""
        self._sent: Final[dict[bytes, float]] = {}
        """When we multicast a packet that has not come back yet; the oldest first."""

    def __len__(self) -> int:
        return len(self._heard)

    def note_sent(self, payload: bytes, now: float) -> None:
        """Remember a response or probe of ours that leaves now."""
        self._sent.pop(payload, None)
        self._sent[payload] = now
        first = next(iter(self._sent))
        if len(self._sent) > MAX_SENT or self._sent[first] < now - MULTICAST_INTERVAL:
            del self._sent[first]

    def is_echo(self, payload: bytes) -> bool:
        """Whether a datagram is a packet of ours that comes back for the first time."""
        return self._sent.pop(payload, None) is not None

    def hear(self, message: Message, now: float) -> None:
        """Take in a multicast response that came from an address of ours and is not our own."""
        for record in chain(message.answers, message.additionals):
            self._heard.pop(record.identity, None)
            if record.ttl:
                self._heard[record.identity] = (now, record.ttl)
        while self._heard:
            first = next(iter(self._heard))
            if len(self._heard) <= MAX_HEARD and self._heard[first][0] >= now - MULTICAST_INTERVAL:
                break
            del self._heard[first]

    def said_at(self, record_set: RecordSet) -> float:
        """Return when a sibling last multicast a whole set with TTLs not below ours.

        ``-inf`` when that was not within the last second, or never.
        """
        if not self._heard:
            return -inf
        times: list[float] = []
        for record in record_set.records:
            at, ttl = self._heard.get(record.identity, (-inf, 0))
            if ttl < record.ttl:
                return -inf
            times.append(at)
        record_set.has_sibling = True
        return min(times)

    def clear(self) -> None:
        """Forget everything."""
        self._heard.clear()
        self._sent.clear()
