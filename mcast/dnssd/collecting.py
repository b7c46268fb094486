"""Gathering the records that answer one question, from wherever they come."""

from __future__ import annotations

from typing import Final, NamedTuple

from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.records import Record
from mcast.dnssd.following import Follower
from mcast.dnssd.link_id import LinkId
from mcast.mdns.events import RecordChange, RecordRemoved

MAX_ANSWERS = 10_000
"""Answers that are gathered at most. Our choice: more than any link has; the others are left out."""


class Answer(NamedTuple):
    """A record that answers a question, and where it came from."""

    record: Record
    """Its TTL is what was left of it when it was gathered, in seconds."""
    source: str | None
    """The address of the sender; None when the record was known before."""
    interface: str
    """The name of the interface it was heard on."""


class Collector(Follower):
    """Gathers all answers to a question, or the negative response.

    :param question: what to ask; a type of `RecordType.ANY` stands for all types.
    :param any_name: ask for names outside of multicast DNS too.
    """

    def __init__(self, question: Question, *, any_name: bool = False) -> None:
        super().__init__()
        self.asks_for_any_name = any_name
        self.question: Final = question
        self._found: Final[dict[tuple[LinkId, object], Answer]] = {}
        self._denied_on: Final[set[LinkId]] = set()

    @property
    def answers(self) -> list[Answer]:
        """What was gathered and is still valid, oldest first."""
        return list(self._found.values())

    @property
    def is_complete(self) -> bool:
        """Whether nothing more is to be expected.

        A unique record, or a negative response, says so (RFC 6762 §5.2, §6.1). A question for all types is
        never complete: a host may have more records than it put into one packet.
        """
        if self.question.type == RecordType.ANY:
            return False
        return bool(self._denied_on) or any(answer.record.cache_flush for answer in self._found.values())

    def _begin_on(self, link: LinkId, now: float) -> None:
        self._ask(link, self.question.name, {self.question.type: False}, now)

    def _end_on(self, link: LinkId, now: float) -> None:
        self._cancel(link, self.question, now)

    def _record(self, link: LinkId, change: RecordChange, now: float) -> None:
        key = (link, change.record.identity)
        if isinstance(change, RecordRemoved):
            self._found.pop(key, None)
        elif key in self._found or len(self._found) < MAX_ANSWERS:
            source = None if change.source is None else change.source[0]
            self._found[key] = Answer(change.record, source, link.interface)
        else:
            self.counters["answers beyond the limit"] += 1

    def _denied(self, link: LinkId, question: Question, now: float) -> None:
        self._denied_on.add(link)
