"""What a querier makes of the responses that it hears (RFC 6762 §6, §10)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from mcast.dns.codes import PSEUDO_TYPES, RecordClass, RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.records import NextSecure, Record
from mcast.mdns.constants import FLUSH_DELAY, GOODBYE_DELAY, UNICAST_RESPONSE_PERIOD
from mcast.mdns.context import LinkContext
from mcast.mdns.events import (
    Denied,
    RecordAdded,
    RecordChange,
    RecordFlushed,
    RecordRemoved,
    RecordRescued,
    RecordRetimed,
)
from mcast.mdns.querier.cache import Cache, Outcome
from mcast.mdns.querier.cache_cells import source_mark
from mcast.mdns.querier.cache_table import as_record
from mcast.mdns.querier.question_series import QuestionSeries
from mcast.mdns.querier.questions import Questions
from mcast.mdns.querier.unasked_responses import MAX_NAMES, UnaskedResponses
from mcast.neighbours import SocketAddress

_NO_DATA = PSEUDO_TYPES | {0, *range(249, 256)}
"""Types that no record has which could be cached: those of RFC 6895 §3.1 that are reserved, or for
questions."""

_COUNTED = (
    "goodbyes for nothing",
    "records added",
    "records refreshed",
    "records rescued",
    "records leaving",
    "",  # the cache counts why it refused
    "records refreshed",
)
"""What a record that was heard is counted as, by its `Outcome`."""


# Looked up once: the members of an enumeration are found slowly.
_IN: Final = int(RecordClass.IN)
_SIG: Final = int(RecordType.SIG)
_NSEC: Final = int(RecordType.NSEC)
_SRV: Final = int(RecordType.SRV)
_ANY: Final = int(RecordType.ANY)
_IGNORED: Final = Outcome.IGNORED
_ADDED: Final = Outcome.ADDED
_RESCUED: Final = Outcome.RESCUED
_REFUSED: Final = Outcome.REFUSED
_DOOMED: Final = Outcome.DOOMED
_RETIMED: Final = Outcome.RETIMED

NOWHERE: Final[SocketAddress] = ("", 0)
"""In place of the source of what nobody is told of."""

_ANSWERED = (Outcome.ADDED, Outcome.REFRESHED, Outcome.RESCUED, Outcome.RETIMED)


class ResponseHandler:
    """Stores the records of responses, and tells those who ask for them.

    :param arm: has a series woken at a time, or earlier.
    :param answered: called when a question of ours was answered.
    """

    __slots__ = ("_answered", "_arm", "_cache", "_context", "_flushing", "_has_news", "_questions", "unasked")

    def __init__(
        self,
        context: LinkContext,
        questions: Questions,
        cache: Cache,
        arm: Callable[[QuestionSeries, float], None],
        answered: Callable[[], None],
    ) -> None:
        self._context: Final = context
        self._questions: Final = questions
        self._cache: Final = cache
        self._arm: Final = arm
        self._answered: Final = answered
        self._has_news = False
        """Whether what was taken in may give anything to report or to do."""
        self.unasked: Final = UnaskedResponses(self._take_in_unasked)
        """What waits until somebody asks."""
        self._flushing: Final[dict[tuple[bytes, int], float]] = {}
        """The sets of which thousands are still to be flushed, by name and type; and when that was heard."""
        context.schedule.add(self._flush_at, self._flush_more)

    def handle(
        self, message: Message, source: SocketAddress, multicast: bool, now: float, datagram: bytes
    ) -> bool:
        """Take in a response that has passed the checks of the link (RFC 6762 §6, §11, §18).

        :returns: whether there may be anything to report, or to do at another time than before.
        """
        self._has_news = False
        if not multicast and not self._awaits(message, now):
            # RFC 6762 §6: "MUST only accept unicast responses if they answer a recently sent query".
            self._context.counters["unsolicited unicast responses"] += 1
            return False
        may_wait = multicast and bool(datagram)
        if may_wait:
            one = self.unasked.find(datagram, source[0])
            if one is not None and not self._is_asked(one.taken_names):
                self.unasked.hear_again(one, now)
                if one.taken:
                    self._take_in(one.taken, source, one.mark, now)
                return self._has_news
        records = [*message.answers, *message.authorities, *message.additionals]
        names = {record.name.key for record in records}
        mark = source_mark(source[0])
        if may_wait and len(names) <= MAX_NAMES and not self._is_asked(names):
            waiting = {key for key in names if key not in self._cache.names}
            if waiting:
                one = self.unasked.add(datagram, message, (source[0], mark), waiting, now)
                if len(waiting) < len(names):
                    self._take_in(one.take(names - waiting), source, mark, now)
                return self._has_news
        if len(self.unasked):
            for key in names:
                self.unasked.read(key)
        self._take_in(records, source, mark, now)
        return self._has_news

    def _is_asked(self, names: Iterable[bytes]) -> bool:
        asked = self._questions.by_name
        # Six times as fast as any() with a generator, for each datagram.
        for key in names:  # noqa: SIM110
            if key in asked:
                return True
        return False

    def _take_in_unasked(self, records: Sequence[Record], mark: int, now: float) -> None:
        self._take_in(records, NOWHERE, mark, now)

    def _take_in(self, records: Iterable[Record], source: SocketAddress, mark: int, now: float) -> None:
        """Store records, and tell those who ask for them.

        :param source: comes with the events.
        :param mark: its `source_mark`.
        """
        counters = self._context.counters
        series_of = self._questions.by_name.get
        store = self._cache.store
        flushing: set[tuple[bytes, int]] = set()
        tally = [0] * len(_COUNTED)
        is_answer = False
        for record in records:
            rtype = record.type
            if record.rclass != _IN:
                counters["records of other classes"] += 1
                continue
            if rtype in _NO_DATA or (rtype == _SIG and record.rdata[:2] == b"\0\0"):
                # RFC 6762 §10.2: "pseudo-RRs should never go into the Multicast DNS cache".
                continue
            outcome, has_elders = store(record, now, mark)
            tally[outcome] += 1
            key = record.name.key
            if has_elders and record.cache_flush and record.ttl:
                flushing.add((key, rtype))
            among = series_of(key)
            if among is not None and outcome is not _IGNORED:
                self._has_news = True
                is_answer = is_answer or outcome in _ANSWERED
                self._heard(among, record, outcome, source, now)
        if tally[_ADDED] or tally[_REFUSED]:
            self._has_news = True  # a limit may have been reached
        if is_answer:
            self._answered()
        for counter, count in zip(_COUNTED, tally, strict=True):
            if count and counter:
                counters[counter] += count
        for key, rtype in flushing:
            self._has_news = True
            self._flush(key, rtype, now, now)
        if self._cache.evicted:
            self._has_news = True
            for record in self._cache.evicted:
                self.report(RecordRemoved, record)
            self._cache.evicted.clear()

    def report(self, change: type[RecordChange], record: Record) -> None:
        """Tell all who ask for a record."""
        for series in self._questions.of_name(record.name.key):
            if series.is_answered_by(record.type):
                self._context.events.append(change(record, series.askers))

    def _awaits(self, message: Message, now: float) -> bool:
        """Whether a unicast response answers a question that asked for it in the last two seconds."""
        limit = now - UNICAST_RESPONSE_PERIOD
        for record in message.answers:
            for series in self._questions.of_name(record.name.key):
                if (
                    series.unicast_at is not None
                    and series.unicast_at >= limit
                    and (record.type == RecordType.NSEC or series.is_answered_by(record.type))
                ):
                    return True
        return False

    def _heard(
        self,
        among: Sequence[QuestionSeries],
        record: Record,
        outcome: Outcome,
        source: SocketAddress,
        now: float,
    ) -> None:
        """Tell those who ask for a name what became of a record, and plan what is to be done with it."""
        if outcome is _REFUSED:
            return
        rtype = record.type
        if rtype == _NSEC:
            self._heard_denial(among, record, outcome, now)
        events = self._context.events
        for series in among:
            if not series.is_answered_by(rtype):
                continue
            if outcome is _ADDED:
                events.append(RecordAdded(record, series.askers, source))
            elif outcome is _RESCUED:
                events.append(RecordRescued(record, series.askers, source))
            elif outcome is _RETIMED:
                events.append(RecordRetimed(record, series.askers, source))
            if outcome is _DOOMED:
                at = now + GOODBYE_DELAY
            else:
                series.is_denied = False
                if record.cache_flush and series.type != _ANY:
                    # RFC 6762 §5.2: "a good indication that no other answers will be forthcoming".
                    series.stop()
                at = series.refresh_at(record.ttl, now)
            self._review_at(series, at)
        if rtype == _SRV and outcome is not _DOOMED:
            self.depend(record.name.key, record.rdata, record.ttl, now, now)

    def depend(self, service: bytes, rdata: bytes, ttl: int, received_at: float, now: float) -> None:
        """Keep the answers right that depend on an SRV record, for as long as that is valid."""
        for series in self._questions.depending_on(service, rdata[6:].lower()):
            at = series.need(ttl, received_at, now)
            if at is not None:
                self._review_at(series, at)

    def _heard_denial(
        self, among: Sequence[QuestionSeries], record: Record, outcome: Outcome, now: float
    ) -> None:
        data = record.data
        if outcome is Outcome.DOOMED or not isinstance(data, NextSecure):
            return
        for series in among:
            if series.type in data.types or series.type in (RecordType.ANY, RecordType.NSEC):
                continue
            if self._cache.has(series.key, series.type):
                continue
            if not series.is_denied:
                series.is_denied = True
                self._context.events.append(Denied(Question(series.name, series.type), series.askers))
            series.stop()
            self._review_at(series, series.refresh_at(record.ttl, now))

    def clear(self) -> None:
        """Forget what was to be done about records."""
        self.unasked.clear()
        self._flushing.clear()

    def _flush_at(self) -> float | None:
        return next(iter(self._flushing.values()), None)

    def _flush_more(self, now: float) -> None:
        (key, rtype), heard_at = next(iter(self._flushing.items()))
        self._flush(key, rtype, heard_at, now)

    def _flush(self, key: bytes, rtype: int, heard_at: float, now: float) -> None:
        flushed, is_more = self._cache.flush(key, rtype, heard_at, now)
        if is_more:
            self._flushing[key, rtype] = heard_at
        else:
            self._flushing.pop((key, rtype), None)
        among = self._questions.of_name(key)
        if not flushed or not among:
            return
        owner = self._cache.owner(key)
        for cached in flushed:
            self.report(RecordFlushed, as_record(owner, cached))
        for series in among:
            if series.is_answered_by(rtype):
                self._review_at(series, now + FLUSH_DELAY)

    def _review_at(self, series: QuestionSeries, at: float) -> None:
        """Look at the answers of a question at ``at``, if not before."""
        if series.review_at is None or at < series.review_at:
            series.review_at = at
            self._arm(series, at)
