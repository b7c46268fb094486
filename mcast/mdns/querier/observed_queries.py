"""What a querier makes of the queries that it hears (RFC 6762 §7.3, §10.5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mcast.dns.codes import Flag, RecordClass, RecordType
from mcast.dns.messages import Message
from mcast.dns.records import Record
from mcast.mdns.constants import MDNS_PORT
from mcast.mdns.context import LinkContext
from mcast.mdns.querier.cache import Cache
from mcast.mdns.querier.cache_cells import source_mark
from mcast.mdns.querier.duplicate_questions import MAX_SPARED, brings_as_much
from mcast.mdns.querier.known_records import lifetimes_of
from mcast.mdns.querier.passive_observation import FailureObservations
from mcast.mdns.querier.question_series import QuestionSeries
from mcast.mdns.querier.questions import Questions
from mcast.mdns.querier.unasked_responses import UnaskedResponses
from mcast.neighbours import SocketAddress

_CLASSES: Final = frozenset({int(RecordClass.IN), int(RecordClass.ANY)})
_ANY: Final = int(RecordType.ANY)
_TRUNCATED: Final = int(Flag.TRUNCATED)  # the property of a message would be a call for each query


class ObservedQueries:
    """Lets other hosts' questions take the place of ours, or show that a record is wrong."""

    __slots__ = ("_cache", "_context", "_observations", "_questions", "_unasked")

    def __init__(
        self,
        context: LinkContext,
        questions: Questions,
        cache: Cache,
        unasked: UnaskedResponses,
        observations: FailureObservations,
    ) -> None:
        self._context: Final = context
        self._questions: Final = questions
        self._cache: Final = cache
        self._unasked: Final = unasked
        self._observations: Final = observations

    def handle(self, message: Message, source: SocketAddress, multicast: bool, now: float) -> bool:
        """Take in another host's query.

        :returns: whether there may be anything to report, or to do at another time than before.
        """
        if not multicast or source[1] != MDNS_PORT:
            # The answers go to that host alone, so we cannot tell whether it gets any.
            return False
        if message.flags & _TRUNCATED:
            # More known answers follow (RFC 6762 §7.2), so it is not known yet what will be answered.
            return False
        has_news = False
        # A probe is a question too, but it hopes for no answer.
        hopes = not message.authorities
        mark = 0
        seen: set[tuple[bytes, int]] = set()
        for question in message.questions:
            key, rtype = question.name.key, question.type
            if question.unicast or question.rclass not in _CLASSES:
                continue
            series = self._questions.get(key, rtype)
            if self._unasked.read(key):
                has_news = True
            is_observed = hopes and rtype != _ANY and self._observations.concerns(key, rtype)
            if (series is None and not is_observed) or (key, rtype) in seen:
                continue
            seen.add((key, rtype))
            known = [record for record in message.answers if record.type == rtype and record.name.key == key]
            mark = mark or source_mark(source[0])
            if series is not None:
                has_news = True
                self._spare(series, known, mark, now)
            if is_observed and self._observations.note(key, rtype, known, mark, now):
                has_news = True
        return has_news

    def _spare(self, series: QuestionSeries, known: Iterable[Record], source: int, now: float) -> None:
        """Count another host's question as ours, if it will bring all the answers that ours would."""
        if not series.is_soon(now):
            return
        if self._cache.count_of(series.key) > MAX_SPARED or not brings_as_much(
            lifetimes_of(self._cache, series), known, self._cache, source, now
        ):
            return
        self._context.counters["questions spared"] += 1
        series.is_unicast = False
        series.asked_at = now
        series.step(now)
