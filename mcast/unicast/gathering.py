"""The records that answer one question on the link of a zone, as IPv4 and IPv6 together have them."""

from __future__ import annotations

from typing import Final

from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.records import Identity, NextSecure, Record
from mcast.dnssd.following import Follower
from mcast.dnssd.link_id import LinkId
from mcast.mdns.events import RecordChange, RecordFlushed, RecordRemoved

MAX_RECORDS = 10_000
"""Records that answer one question at most. Our choice: more than any link has; the others are left out."""


class Gatherer(Follower):
    """Gathers what answers a question, and forgets what is gone (RFC 8766 §5.6, §8).

    A record that IPv4 and IPv6 both have is one record, until it is gone from both.

    :param question: as it is asked on the link.
    """

    # A reverse name is asked for by multicast whatever the address (RFC 8766 §5.4).
    asks_for_any_name = True
    # A subscriber is told of another time to live (RFC 8765 §6.3.1).
    wants_times = True

    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question: Final = question
        self._found: Final[dict[Identity, dict[LinkId, Record]]] = {}
        self._denied_on: Final[set[LinkId]] = set()
        self._types: Final[dict[LinkId, frozenset[int]]] = {}

    @property
    def records(self) -> list[Record]:
        """What answers now, oldest first."""
        return [next(iter(by_link.values())) for by_link in self._found.values()]

    @property
    def is_denied(self) -> bool:
        """Whether nothing answers, and the owner of the name has said so on a link."""
        return bool(self._denied_on) and not self._found

    @property
    def is_answered(self) -> bool:
        """Whether anything is known, positive or negative (RFC 8766 §5.6)."""
        return bool(self._found or self._denied_on or self._types)

    @property
    def types(self) -> frozenset[int]:
        """The types that the owner of the name has, as far as it has told by a negative response."""
        return frozenset().union(*self._types.values())

    def _begin_on(self, link: LinkId, now: float) -> None:
        self._ask(link, self.question.name, {self.question.type: False}, now)

    def _end_on(self, link: LinkId, now: float) -> None:
        self._cancel(link, self.question, now)
        self._denied_on.discard(link)
        self._types.pop(link, None)
        for identity in list(self._found):
            self._drop(link, identity)

    def _record(self, link: LinkId, change: RecordChange, now: float) -> None:
        record = change.record
        if record.type == RecordType.NSEC:
            self._note_types(link, record, change)
            return
        identity = record.identity
        if isinstance(change, RecordFlushed | RecordRemoved):
            self._drop(link, identity)
        elif identity in self._found or len(self._found) < MAX_RECORDS:
            self._found.setdefault(identity, {})[link] = record
            self._denied_on.discard(link)
        else:
            self.counters["records beyond the limit"] += 1

    def _note_types(self, link: LinkId, record: Record, change: RecordChange) -> None:
        data = record.data
        if isinstance(change, RecordFlushed | RecordRemoved):
            self._types.pop(link, None)
        elif isinstance(data, NextSecure) and self.question.type == RecordType.ANY:
            self._types[link] = data.types

    def _denied(self, link: LinkId, question: Question, now: float) -> None:
        self._denied_on.add(link)

    def _drop(self, link: LinkId, identity: Identity) -> None:
        by_link = self._found.get(identity, {})
        by_link.pop(link, None)
        if not by_link:
            self._found.pop(identity, None)
