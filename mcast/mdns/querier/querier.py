"""The querier of one link: asks questions, and keeps their answers right (RFC 6762 §5, §10)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from math import inf
from typing import Final

from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.mdns.constants import (
    FIRST_QUERY_DELAY,
    QUERY_SLACK,
)
from mcast.mdns.context import LinkContext
from mcast.mdns.events import RecordRemoved, Types
from mcast.mdns.querier.cache import Cache
from mcast.mdns.querier.cache_cells import (
    CONFIRMED,
    LEAVING,
    REPEATED_AFTER,
    UNIQUE,
    CachedRecord,
    Lifetime,
    lifetime_of,
    record_key,
)
from mcast.mdns.querier.cache_maintenance import REST, Review, review
from mcast.mdns.querier.cache_table import as_record
from mcast.mdns.querier.known_records import (
    NSEC,
    about,
    answering,
    denials_among,
    denials_of,
    has_valid,
    is_final,
    known_records,
    lifetimes_of,
    settled_answer,
    settled_records,
)
from mcast.mdns.querier.observed_queries import ObservedQueries
from mcast.mdns.querier.pacing import Pacing
from mcast.mdns.querier.passive_observation import FailureObservations
from mcast.mdns.querier.query_queue import QueryQueue
from mcast.mdns.querier.question_series import QuestionSeries
from mcast.mdns.querier.questions import Questions
from mcast.mdns.querier.reconfirmation import Drop, Reconfirmations
from mcast.mdns.querier.responses import ResponseHandler
from mcast.mdns.querier.unicast_questions import asks_for_unicast, note_asked
from mcast.mdns.schedule import Timers
from mcast.neighbours import SocketAddress

_SRV: Final = int(RecordType.SRV)

WORK = 250
"""Timers and records dealt with in one wake-up; the rest waits for the next.

Our choice: about three milliseconds, after which the reactor should see to others.
"""

MAX_WAITING = 64
"""Timers that are not due yet, and that one wake-up looks at and puts back.

Our choice: enough to fill a packet with their questions.
"""


class Querier:
    """Continuous questions, and the cache of one link.

    Sans-I/O: questions leave by the outbox of the link, changes go to its events (see `mcast.mdns.events`),
    and the schedule of the link wakes it. No call takes longer than some milliseconds; where more is to be
    done, the querier is due again at once.
    """

    def __init__(self, context: LinkContext) -> None:
        self._context: Final = context
        self._questions: Final = Questions()
        self._cache: Final = Cache(
            self._questions.is_wanted, context.counters, context.settings.cache, self._waits
        )
        self._timers: Final[Timers[QuestionSeries]] = Timers()
        self._reconfirmations: Final = Reconfirmations(self._cache, context.counters)
        self._observations: Final = FailureObservations(self._cache, context.counters, context.rng)
        self._queue: Final = QueryQueue(context, self._cache)
        self._pacing: Final = Pacing(context.counters)
        self._responses: Final = ResponseHandler(
            context, self._questions, self._cache, self._timers.arm, self._pacing.answered
        )
        self._unasked: Final = self._responses.unasked
        self._observed: Final = ObservedQueries(
            context, self._questions, self._cache, self._unasked, self._observations
        )
        self._first_at = 0.0
        self._now = context.up_since
        context.schedule.add(self._reconfirmations.timers.next_at, self._reconfirm)
        context.schedule.add(self._observations.timers.next_at, self._drop_failures)
        # After those that may want to ask a question.
        context.schedule.add(self._next_at, self._advance)

    @property
    def cache(self) -> Cache:
        """All that was heard."""
        self.take_in_unasked()
        return self._cache

    def take_in_unasked(self) -> None:
        """Take in what waits since nobody asks for it, so that it is counted."""
        self._unasked.read_all()

    # Questions of the callers

    def ask(self, question: Question, now: float, asker: Hashable, *, depends: bool = False) -> None:
        """Ask a question from now on, until `cancel`: repeatedly, and again before its answers expire.

        An answer that is in the cache already is not reported as an event: see `records` and `is_denied`. A
        question with several askers is asked once. The unicast bit of ``question`` does not matter.

        :param asker: comes with every event that answers the question; any value that has a hash.
        :param depends: the answers are of use only together with an SRV record (see `depend`).
        :raises ValueError: the class is not IN.
        """
        if question.rclass != RecordClass.IN:
            raise ValueError(f"only class IN can be asked for, not {question.rclass}")
        self.ask_about(question.name, {question.type: depends}, now, asker)

    def ask_about(
        self, name: Name, types: Types, now: float, asker: Hashable, *, whole: bool = False
    ) -> tuple[list[Record], list[int]]:
        """Ask for the records of some types that a name has, each as `ask` does.

        The name is looked up once for all of it, since most of a flood of services comes complete: thousands
        of questions are begun whose answers are known.

        :param types: each with whether it ``depends``.
        :param whole: return records with the TTL that each had when it was heard.
        :returns: what `records` has of that, but for what newer records have replaced; and the types of which
            the owner of the name has said that there is none.
        """
        key = name.key
        self._unasked.read(key)
        questions = self._questions
        is_up = self._context.is_up
        are_asked = key in questions.by_name
        known = known_records(self._cache, questions, key, now)
        settled = settled_records(known, now)
        denied = []
        for rtype, depends in types.items():
            answer = settled_answer(rtype, settled)
            answers: list[CachedRecord] = []
            if answer is None:
                answers, said = about(rtype, known, denials_among(known))
                if said and has_valid(said, NSEC, now) and not has_valid(answers, rtype, now):
                    denied.append(rtype)
                answers = answers or said
            elif answer.type != rtype:
                denied.append(rtype)
            series = questions.get(key, rtype) if are_asked else None
            if series is not None:
                series.askers += (asker,)
                if not depends:
                    series.needed_until = inf
                continue
            series = questions.add(name, rtype, asker, self._context.rng)
            if depends:
                series.needed_until = 0.0
            if answer is not None and is_up:
                # What `_begin` comes to: a service that comes complete has four such questions.
                series.is_denied = answer.type == NSEC
                series.review_at = max(series.refresh_at(answer.ttl, answer.received_at), now + REST)
            elif is_up:
                self._begin(series, [lifetime_of(one) for one in answers], now)
        self._arm_first(key)
        return answering(self._cache.owner(key), known, types, now, whole=whole) if known else [], denied

    def depend(self, service: Name, now: float) -> None:
        """Have answers asked for again for as long as an SRV record leads to them.

        These are the TXT record of the same name and the addresses of its target, where they are asked for
        with ``depends``. When no SRV record outlasts them, they are not asked for again before they expire.
        Our choice: a responder sends the addresses along with the SRV record (RFC 6763 §12.2), and when
        nobody answers for that any more, they are of no use.

        To be called once such a question is asked; SRV records that are heard later are noticed.
        """
        key = service.key
        for received_at, ttl, _, _, _, rdata in self._known(key).records(key, _SRV):
            if received_at + ttl > now:
                self._responses.depend(key, rdata, ttl, received_at, now)

    def cancel(self, question: Question, now: float, asker: Hashable) -> None:
        """Withdraw what `ask` was called for with these values; do nothing if it was not called."""
        ended = self._questions.cancel(question, asker)
        if ended is not None:
            self._timers.disarm(ended)
            self._arm_first(ended.key)

    def records(
        self, question: Question, now: float, *, flushed: bool = True, whole: bool = False
    ) -> list[Record]:
        """Return the valid records that answer a question, with the TTL that is left, rounded up.

        :param flushed: also those that newer ones have replaced, and that end within a second.
        :param whole: with the TTL that each had when it was heard.
        """
        key = question.name.key
        known = self._known(key).records(key, RecordType.ANY)
        return answering(self._cache.owner(key), known, (question.type,), now, flushed=flushed, whole=whole)

    def _waits(self, key: bytes) -> bool:
        return key in self._unasked

    def _known(self, key: bytes) -> Cache:
        """Return the cache, with all that was heard of a name."""
        self._unasked.read(key)
        return self._cache

    def has(self, name: Name, rtype: int) -> bool:
        """Whether there may be records of a name and type: a quick look that does not tell expired ones."""
        return self._known(name.key).has(name.key, rtype)

    def is_asked(self, question: Question) -> bool:
        """Whether somebody asks a question now."""
        return self._questions.get(question.name.key, question.type) is not None

    def is_confirmed(self, record: Record) -> bool:
        """Whether a second host has said the same record, whatever its TTL."""
        cached = self._known(record.name.key).get(record.name.key, record_key(record.type, record.rdata))
        return cached is not None and bool(cached.flags & CONFIRMED)

    def is_repeated(self, record: Record, since: float) -> bool:
        """Whether a record was said again some time after a moment, whatever its TTL."""
        cached = self._known(record.name.key).get(record.name.key, record_key(record.type, record.rdata))
        return (
            cached is not None and not cached.flags & LEAVING and cached.received_at >= since + REPEATED_AFTER
        )

    def gauges(self) -> dict[str, int]:
        """Return the current numbers of ``records`` and ``octets`` in the cache, and of ``questions``."""
        return {
            "records": len(self._cache) + len(self._unasked),
            "octets": self._cache.octets + self._unasked.octets,
            "questions": len(self._questions),
        }

    def is_denied(self, question: Question, now: float) -> bool:
        """Whether the owner of the name has said that it has no such record (RFC 6762 §6.1)."""
        key, rtype = question.name.key, question.type
        return not self._known(key).lookup(key, rtype, now) and any(
            lifetime.expires_at > now for lifetime in denials_of(self._cache, key, rtype)
        )

    def reconfirm(self, record: Record, now: float) -> bool:
        """Take the hint that a record is wrong: ask for it, and drop it unless it is heard (RFC 6762 §10.4).

        It is dropped after ten seconds.

        :returns: False when it is not in the cache.
        """
        if not self._context.is_up:
            return False
        self._unasked.read(record.name.key)
        return self._reconfirmations.begin(record, self._first_query_at(now), now)

    # Messages of other hosts

    def handle_response(
        self, message: Message, source: SocketAddress, multicast: bool, now: float, datagram: bytes = b""
    ) -> bool:
        """Take in a response that has passed the checks of the link (RFC 6762 §6, §11, §18).

        :param datagram: by which it is known when it comes again; empty when it is not to wait.
        :returns: whether there may be anything to report, or to do at another time than before.
        """
        return self._context.is_up and self._responses.handle(message, source, multicast, now, datagram)

    def observe_query(self, message: Message, source: SocketAddress, multicast: bool, now: float) -> bool:
        """Take in another host's query, which may take the place of ours or show that a record is wrong.

        RFC 6762 §7.3, §10.5.

        :returns: whether there may be anything to report, or to do at another time than before.
        """
        return self._context.is_up and self._observed.handle(message, source, multicast, now)

    def was_sent(self, datagram: bytes, now: float) -> bool:
        """Whether this is a query that we have sent just now, and that comes back to us."""
        return self._queue.was_sent(datagram, now)

    # Time

    def _next_at(self) -> float | None:
        return self._timers.next_at() if self._queue.is_empty else self._now

    def _advance(self, now: float) -> None:
        """Ask the questions and review the answers that are due at ``now``, or the first part of them."""
        self._now = now
        timers, queue = self._timers, self._queue
        work = WORK
        # Questions that are nearly due go along with those that are due, so that they share packets.
        until = now + QUERY_SLACK if queue.is_collecting else now
        waiting: list[tuple[float, QuestionSeries]] = []
        while work > 0 and len(waiting) < MAX_WAITING and (entry := timers.pop(until)) is not None:
            at, series = entry
            if at > now and not series.may_ask(now):
                waiting.append(entry)
                continue
            work -= self._wake_series(series, now)
            if queue.is_collecting:
                until = now + QUERY_SLACK
        for at, series in waiting:
            timers.arm(series, at)
        # While more is due at once, questions are collected, so that their packets are full.
        if queue.is_collecting and (work > 0 or queue.is_full):
            queue.close()
        queue.send(now)

    def _reconfirm(self, now: float) -> None:
        self._settle(*self._reconfirmations.advance(now), now)

    def _settle(self, questions: Iterable[Question], drops: Iterable[Drop], now: float) -> None:
        for question in questions:
            self._ask_once(question, now)
        for drop in drops:
            self._drop(drop, now)

    def _drop_failures(self, now: float) -> None:
        self._settle(*self._observations.advance(now), now)

    def set_up(self, now: float) -> None:
        """The link works again, or may be another one: forget what was heard, and ask everything anew.

        RFC 6762 §10.3. The first questions ask for unicast responses, so that not all hosts answer a newcomer
        by multicast (§5.4).
        """
        self._empty()
        for series in self._questions:
            self._begin(series, lifetimes_of(self._cache, series), now)

    def set_down(self, now: float) -> None:
        """The link carries nothing: forget what was heard (RFC 6762 §10.3), and be silent until `set_up`."""
        self._empty()

    def _empty(self) -> None:
        for key in self._questions.by_name:
            self._remove(key, [lifetime.key for lifetime in self._cache.lifetimes(key)])
        for series in self._questions:
            series.rest()
        self._cache.clear()
        self._responses.clear()
        self._reconfirmations.clear()
        self._observations.clear()
        self._timers.clear()
        self._queue.clear()
        self._pacing.answered()

    # Asking

    def _first_query_at(self, now: float) -> float:
        """Return when a new series starts: at random, but together with others that start now.

        RFC 6762 §5.2.
        """
        least, most = FIRST_QUERY_DELAY
        if not now + least <= self._first_at <= now + most:
            self._first_at = now + self._context.rng.uniform(least, most)
        return self._first_at

    def _begin(self, series: QuestionSeries, known: Sequence[Lifetime], now: float) -> None:
        """Start a question, unless its answer is known.

        :param known: the lifetimes of its answers, or else of the denials, with the expired ones.
        """
        lifetimes = [one for one in known if one.received_at + one.ttl > now]
        series.review_at = review(series, lifetimes, now).next_at(series, now)
        if any(is_final(series, lifetime, now) for lifetime in lifetimes):
            series.is_denied = all(lifetime.type == RecordType.NSEC for lifetime in lifetimes)
        else:
            series.start(self._first_query_at(now), now + FIRST_QUERY_DELAY[0])
            series.is_unicast = asks_for_unicast(self._context, now)
        self._arm(series)

    def _arm(self, series: QuestionSeries) -> None:
        at = series.next_at()
        if at is not None:
            self._timers.arm(series, at)

    def _arm_first(self, key: bytes) -> None:
        """See to it that of the series of a name the one is armed that is due first.

        The others need not be: each time that one of them is woken, this is done again.
        """
        first = self._questions.first_due(key)
        if first is not None:
            self._timers.arm(first[1], first[0])

    def _ask_now(self, series: QuestionSeries, now: float) -> None:
        is_unicast = series.is_unicast
        # A question that has just left serves this asker too, as another host's would (RFC 6762 §7.3).
        series.asked_at = now
        if self._queue.ask(Question(series.name, series.type, RecordClass.IN, is_unicast), now):
            self._pacing.asked()
            note_asked(series, is_unicast or self._context.settings.own_port, now)

    def _ask_once(self, question: Question, now: float) -> None:
        """Ask a question now, whether or not anybody wants to know (RFC 6762 §10.4)."""
        series = self._questions.get(question.name.key, question.type)
        if series is None:
            self._queue.ask(question, now)
        else:
            self._ask_now(series, now)

    # Keeping the answers

    def _wake_series(self, series: QuestionSeries, now: float) -> int:
        work = 1
        refreshes: list[Lifetime] = []
        found: Review | None = None
        if series.review_at is not None and series.review_at <= now:
            found, work = self._review(series, now)
            refreshes = [lifetime for lifetime in found.due if series.needs_refresh(lifetime, now)]
        may_ask = series.may_ask(now)
        put_off_until: float | None = None
        if may_ask or refreshes:
            if not self._may_repeat(series, refreshes, now):
                put_off_until = self._pacing.resumes_at
            if may_ask:
                series.step(now, put_off_until)
            if put_off_until is None:
                self._ask_now(series, now)
        if found is not None:
            series.review_at = found.next_at(series, now)
            if refreshes and put_off_until is not None:
                series.review_at = min(put_off_until, series.review_at or put_off_until)
        self._arm_first(series.key)
        return work

    def _may_repeat(self, series: QuestionSeries, refreshes: Iterable[Lifetime], now: float) -> bool:
        """Whether a question is no repetition, or one that is not too early in a silence (see `Pacing`)."""
        if series.asked_at is None or any(series.is_first_refresh(lifetime, now) for lifetime in refreshes):
            return True
        return self._pacing.allows(now)

    def _review(self, series: QuestionSeries, now: float) -> tuple[Review, int]:
        """Remove what has expired of the answers to a question.

        :returns: what is to be done about the others, and how much work it was.
        """
        lifetimes = lifetimes_of(self._cache, series)
        found = review(series, lifetimes, now)
        work = 1 + len(found.due) + len(found.expired) + len(lifetimes) // 8
        if found.expired:
            if any(lifetime.type == RecordType.NSEC and lifetime.expires_at <= now for lifetime in lifetimes):
                series.is_denied = False
            self._remove(series.key, found.expired)
            if len(found.expired) == len(lifetimes):
                # A denial may have stood behind the answers.
                lifetimes = lifetimes_of(self._cache, series)
                found = review(series, lifetimes, now)
            self._resume(series, lifetimes, now)
        return found, work

    def _remove(self, key: bytes, rkeys: Sequence[bytes]) -> None:
        """Take out records, and tell those who ask for them."""
        owner = self._cache.owner(key)
        for cached in self._cache.take(key, rkeys):
            self._responses.report(RecordRemoved, as_record(owner, cached))

    def _drop(self, drop: Drop, now: float) -> None:
        """Remove records before they expire, and ask for them anew where asking had ceased."""
        self._remove(drop.key, drop.rkeys)
        for series in self._questions.of_name(drop.key):
            self._resume(series, lifetimes_of(self._cache, series), now, drop.rest)

    def _resume(
        self, series: QuestionSeries, lifetimes: Iterable[Lifetime], now: float, rest: float | None = None
    ) -> None:
        """Ask anew when asking had ceased with a unique answer and none is left.

        :param rest: seconds to wait before that.
        """
        if series.ask_at is not None or any(
            lifetime.expires_at > now and (lifetime.type == RecordType.NSEC or lifetime.flags & UNIQUE)
            for lifetime in lifetimes
        ):
            return
        at = self._first_query_at(now) if rest is None else now + rest
        series.start(at, min(at, now + FIRST_QUERY_DELAY[0]))
        self._timers.arm(series, at)
