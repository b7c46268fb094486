"""The log of events: what a person wants to have been told of."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from mcast.live.documents import Document
from mcast.live.publishing import Published
from mcast.live.texts import text_of

Kind = Literal["came", "changed", "went", "renamed", "conflict", "flood", "silence"]
"""What happened."""

What = Literal["service", "host", "type", "link"]
"""To what."""

MAX_RATE = 50
"""Events a second that are logged. Our choice: the rest of a storm says nothing new; it is counted."""


class EventLog:
    """Numbers events and hands them on."""

    def __init__(self, published: Published) -> None:
        self._published = published
        self._number = 0
        self._second = -1
        self._in_second = 0
        self.counts: Counter[str] = Counter()
        """How many of each kind there were, those that were not logged among them."""
        self.left_out = 0
        """How many were not logged, since too many came in one second."""

    def add(self, now: float, kind: Kind, what: What, ref: str, texts: tuple[str, str]) -> None:
        """Log an event.

        :param ref: the identifier in the collection of the snapshot, which may have gone.
        :param texts: the name of what it happened to, and a detail in words.
        """
        self.counts[kind] += 1
        if int(now) != self._second:
            self._second, self._in_second = int(now), 0
        self._in_second += 1
        if self._in_second > MAX_RATE:
            self.left_out += 1
            return
        self._number += 1
        name, detail = texts
        event: Document = {
            "id": self._number,
            "at": round(now, 3),
            "kind": kind,
            "what": what,
            "ref": ref,
            "name": text_of(name),
            "detail": text_of(detail),
        }
        self._published.event(event)
