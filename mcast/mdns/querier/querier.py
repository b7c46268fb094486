"""The querier of one link: asks what somebody wants to know, and keeps the answers right (RFC 6762 §5,
§10)."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Final

from mcast.dns.codes import PSEUDO_TYPES, RecordClass, RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.names import Name
from mcast.dns.records import NextSecure, Record
from mcast.mdns.constants import (
    ACTIVATION_PERIOD,
    FIRST_QUERY_DELAY,
    FLUSH_DELAY,
    GOODBYE_DELAY,
    KNOWN_ANSWER_FRACTION,
    MAX_PACKET,
    MDNS_PORT,
    QUERY_SLACK,
    REFRESH_POINTS,
    REFRESH_VARIATION,
    UNICAST_RESPONSE_PERIOD,
)
from mcast.mdns.context import LinkContext
from mcast.mdns.events import (
    Denied,
    RecordAdded,
    RecordChange,
    RecordFlushed,
    RecordRemoved,
    RecordRescued,
)
from mcast.mdns.outbox import Address
from mcast.mdns.querier.cache import Cache, Outcome
from mcast.mdns.querier.cache_cells import DISPUTED, FLUSHED, LEAVING, UNIQUE, Held, Times
from mcast.mdns.querier.large_sets import SMALL_SET, Crowd, look_through
from mcast.mdns.querier.passive_observation import Observation
from mcast.mdns.querier.query_packets import Asked, Echoes, query_packets
from mcast.mdns.querier.question_series import NEVER, Dispute, Series, answers_to
from mcast.mdns.querier.reconfirmation import Doubts
from mcast.mdns.schedule import Timers

WORK = 250
"""Timers and records dealt with in one call of `advance`; the rest waits for the next.

Our choice: about three milliseconds, after which the reactor should see to others.
"""

MAX_COLLECTED = 16 * WORK
"""Questions collected before the first of them leaves. Our choice: by then they have waited for some ten
milliseconds."""

PACKETS = 4
"""Messages made in one call of `advance`. Our choice: as above, when they are full of known answers."""

_NO_DATA = PSEUDO_TYPES | {0, *range(249, 256)}
"""Types that no record has which could be cached: those of RFC 6895 §3.1 that are reserved, or for
questions."""

_COUNTED = (
    "goodbyes for nothing",
    "records added",
    "records refreshed",
    "records rescued",
    "records leaving",
    "",  # the cache tells why it refused
)
"""What a record that was heard is counted as, by its `Outcome`."""


class Querier:
    """Continuous questions, and the cache of one link.

    Sans-I/O: questions leave by ``outbox``, changes go to ``events`` (see `mcast.mdns.events`). Call
    `advance` at `next_wakeup`. No call takes longer than some milliseconds; where more is to be done,
    `next_wakeup` is in the past.
    """

    def __init__(self, context: LinkContext) -> None:
        self.counters: Final = context.counters
        self.cache: Final = Cache(self._is_wanted, context.counters)
        self._context: Final = context
        self._outbox: Final = context.outbox
        self._events: Final = context.events
        self._rng: Final = context.rng
        self._max_size: Final = context.sizes.normal
        self._series: Final[dict[bytes, list[Series]]] = {}
        """By name key; those of one name in a list, since there are few."""
        self._timers: Final[Timers[Series | Dispute | Observation]] = Timers()
        self._doubts: Final = Doubts(self, self.cache, self._timers, context.counters)
        self._asking: list[Asked] = []
        self._messages: Final[deque[Iterator[bytes]]] = deque()
        """Queries that are decided on, and not made yet."""
        self._echoes: Final = Echoes()
        self._first_at = 0.0
        self._now = context.up_since
        context.schedule.add(self.next_wakeup, self.advance)

    # What callers want to know

    def ask(self, question: Question, now: float, asker: Hashable) -> None:
        """Ask a question from now on, until `cancel`: repeatedly, and again before its answers expire.

        What is known already is not reported as an event: see `records` and `is_denied`. A question that
        others ask too is asked once. The unicast bit of ``question`` does not matter.

        :param asker: comes with every event that answers the question; any value that has a hash.
        :raises ValueError: the class is not IN.
        """
        if question.rclass != RecordClass.IN:
            raise ValueError(f"only class IN can be asked for, not {question.rclass}")
        key = question.name.key
        known = self._series.get(key, ())
        for series in known:
            if series.type == question.type:
                series.askers += (asker,)
                return
        # All questions about a name go by the same variation: thus those for A and AAAA share packets.
        variation = known[0].variation if known else self._rng.uniform(0, REFRESH_VARIATION)
        series = Series(question.name, question.type, asker, variation)
        # What expired while nobody cared has been reported to nobody, and must not count as known now.
        unreported = [
            held
            for held in self.cache.all_of(key, RecordType.ANY)
            if held.expires_at <= now and not self._is_wanted(key, held.type)
        ]
        if unreported:
            self.cache.remove(key, unreported)
        if known:
            self._series[key].append(series)
        else:
            self._series[key] = [series]
        if self._context.is_up:
            self._begin(series, now)

    def cancel(self, question: Question, now: float, asker: Hashable) -> None:
        """Withdraw what `ask` was called for with these values; does nothing when there is no such thing."""
        key = question.name.key
        among = self._series.get(key, [])
        for series in among:
            if series.type == question.type and asker in series.askers:
                place = series.askers.index(asker)
                series.askers = series.askers[:place] + series.askers[place + 1 :]
                if not series.askers:
                    among.remove(series)
                    self._timers.disarm(series)
                break
        if not among:
            self._series.pop(key, None)

    def records(self, question: Question, now: float, *, flushed: bool = True) -> list[Record]:
        """Return the valid records that answer a question, with the TTL that is left, rounded up.

        :param flushed: also those whose place newer ones have taken, and which end within a second.
        """
        key = question.name.key
        owner = self.cache.owner(key)
        return [
            Record(
                owner,
                held.type,
                RecordClass.IN,
                -int(now - held.expires_at),
                held.rdata,
                bool(held.flags & UNIQUE),
            )
            for held in self.cache.lookup(key, RecordType.ANY, now)
            if answers_to(question.type, held.type) and (flushed or not held.flags & FLUSHED)
        ]

    def gauges(self) -> dict[str, int]:
        """Return what there is now: ``records`` and ``octets`` in the cache, ``questions`` being asked."""
        return {
            "records": len(self.cache),
            "octets": self.cache.octets,
            "questions": sum(map(len, self._series.values())),
        }

    def is_denied(self, question: Question, now: float) -> bool:
        """Whether the owner of the name has said that it has no such record (RFC 6762 §6.1)."""
        key = question.name.key
        return not self.cache.lookup(key, question.type, now) and any(
            self._denies(held, question.type) for held in self.cache.lookup(key, RecordType.NSEC, now)
        )

    def reconfirm(self, record: Record, now: float) -> bool:
        """Take the hint that a record is wrong: ask for it, and drop it when nobody confirms it within ten
        seconds (RFC 6762 §10.4).

        :returns: False when it is not in the cache.
        """
        return self._context.is_up and self._doubts.reconfirm(record, now)

    # What the link hears

    def handle_response(self, message: Message, source: Address, multicast: bool, now: float) -> None:
        """Take in a response that has passed the checks of the link (RFC 6762 §6, §11, §18)."""
        if not self._context.is_up:
            return
        if not multicast and not self._awaits(message, now):
            # RFC 6762 §6: "MUST only accept unicast responses if they answer a recently sent query".
            self.counters["unsolicited unicast responses"] += 1
            return
        series_of = self._series.get
        store = self.cache.store
        flushing: set[tuple[bytes, int]] = set()
        tally = [0] * len(_COUNTED)
        for section in (message.answers, message.authorities, message.additionals):
            for record in section:
                rtype = record.type
                if record.rclass != RecordClass.IN:
                    self.counters["records of other classes"] += 1
                    continue
                if rtype in _NO_DATA or (rtype == RecordType.SIG and record.rdata[:2] == b"\0\0"):
                    # RFC 6762 §10.2: "pseudo-RRs should never go into the Multicast DNS cache".
                    continue
                outcome, has_elders = store(record, now)
                tally[outcome] += 1
                key = record.name.key
                if has_elders and record.cache_flush and record.ttl:
                    flushing.add((key, rtype))
                among = series_of(key)
                if among is not None and outcome is not Outcome.IGNORED:
                    self._heard(among, record, outcome, source, now)
        for counter, count in zip(_COUNTED, tally, strict=True):
            if count and counter:
                self.counters[counter] += count
        for key, rtype in flushing:
            self._flush(key, rtype, now)
        if self.cache.evicted:
            for record in self.cache.evicted:
                self._report(RecordRemoved, record)
            self.cache.evicted.clear()

    def observe_query(self, message: Message, source: Address, multicast: bool, now: float) -> None:
        """Take in another host's query: it may spare us a question (RFC 6762 §7.3), or show that a record
        is wrong (§10.5)."""
        if not self._context.is_up or not multicast or source[1] != MDNS_PORT:
            # Its answers will go to that host alone, and so tell us nothing.
            return
        if message.truncated:
            # The rest of its known answers is to come (RFC 6762 §7.2), so what will be answered is not known.
            return
        seen: set[tuple[bytes, int]] = set()
        for question in message.questions:
            key, rtype = question.name.key, question.type
            if question.unicast or question.rclass not in (RecordClass.IN, RecordClass.ANY):
                continue
            if (key, rtype) in seen:
                continue
            seen.add((key, rtype))
            known = [record for record in message.answers if record.type == rtype and record.name.key == key]
            for series in self._series.get(key, ()):
                if series.type == rtype:
                    self._spare(series, known, now)
            # A probe is a question too, but it hopes for no answer.
            if not message.authorities and rtype != RecordType.ANY:
                self._doubts.observe(key, rtype, known, now)

    def was_sent(self, datagram: bytes, now: float) -> bool:
        """Whether this is a query that we have sent just now, and which we hear ourselves if it comes from
        here."""
        return self._echoes.has(datagram, now)

    # Time

    def next_wakeup(self) -> float | None:
        """Return when to call `advance`, or None while there is nothing to wait for."""
        if self._messages or self._asking:
            return self._now
        return self._timers.next_at()

    def advance(self, now: float) -> None:
        """Do what is due at ``now``, or the first part of it."""
        self._now = now
        timers = self._timers
        work = WORK
        # What is nearly due goes along with what is due, so that they share packets.
        until = now
        waiting: list[tuple[float, Series | Dispute | Observation]] = []
        while work > 0 and len(waiting) < SMALL_SET and (entry := timers.pop(until)) is not None:
            at, timer = entry
            if at > now and not (isinstance(timer, Series) and timer.not_before <= now):
                waiting.append(entry)
                continue
            work -= self._wake(timer, now)
            if self._asking:
                until = now + QUERY_SLACK
        for at, timer in waiting:
            timers.arm(timer, at)
        # While more is due at once, questions are collected, so that their packets are full.
        if self._asking and (work > 0 or len(self._asking) >= MAX_COLLECTED):
            self._messages.append(query_packets(self._asking, self._max_size))
            self._asking = []
        for _ in range(PACKETS):
            if not self._messages:
                break
            packet = next(self._messages[0], None)
            if packet is None:
                self._messages.popleft()
                continue
            self._send(packet, now)

    def set_up(self, now: float) -> None:
        """The link works again, or may be another one: forget what was heard, and ask everything anew.

        RFC 6762 §10.3; the first questions ask for unicast responses, lest all hosts answer a newcomer by
        multicast (§5.4).
        """
        self._empty()
        for among in list(self._series.values()):
            for series in among:
                self._begin(series, now)

    def set_down(self, now: float) -> None:
        """The link carries nothing: forget what was heard on it (RFC 6762 §10.3), and be silent until
        `set_up`."""
        self._empty()

    def _empty(self) -> None:
        for key, among in self._series.items():
            for held in self.cache.all_of(key, RecordType.ANY):
                if any(answers_to(series.type, held.type) for series in among):
                    self._report(RecordRemoved, self.cache.record(key, held))
            for series in among:
                series.rest()
        self.cache.clear()
        self._doubts.clear()
        self._timers.clear()
        self._messages.clear()
        self._asking.clear()

    # Timers

    def _arm(self, timer: Series, at: float) -> None:
        if at < NEVER:
            self._timers.arm(timer, at)

    def _wake(self, timer: Series | Dispute | Observation, now: float) -> int:
        """Do what a timer was armed for; return how much work it was."""
        if isinstance(timer, Series):
            return self._wake_series(timer, now)
        if isinstance(timer, Dispute):
            self._doubts.wake_dispute(timer, now)
            return 1
        return 1 + self._doubts.wake_observation(timer, now)

    def _send(self, packet: bytes, now: float) -> None:
        self._echoes.note(packet, now)
        self.counters["queries sent"] += 1
        self._outbox.multicast(packet)

    # Series

    def _is_wanted(self, key: bytes, rtype: int) -> bool:
        among = self._series.get(key)
        if among is None:
            return False
        return rtype == RecordType.NSEC or any(answers_to(series.type, rtype) for series in among)

    def first_query_at(self, now: float) -> float:
        """Return when a new series starts: at random, but together with others that start now (RFC 6762
        §5.2)."""
        least, most = FIRST_QUERY_DELAY
        if not now + least <= self._first_at <= now + most:
            self._first_at = now + self._rng.uniform(least, most)
        return self._first_at

    def _begin(self, series: Series, now: float) -> None:
        """Start a question, unless its answer is known."""
        helds = [held for held in self._helds(series) if held.expires_at > now]
        self._plan(series, helds, now)
        if any(self._is_final(series, held, now) for held in helds):
            series.is_denied = all(held.type == RecordType.NSEC for held in helds)
        else:
            series.start(self.first_query_at(now), now + FIRST_QUERY_DELAY[0])
            # RFC 6762 §5.4: only "questions that are active and ready to be sent the moment of wake from
            # sleep or interface activation".
            series.is_unicast = (
                self._context.settings.unicast_responses and now - self._context.up_since <= ACTIVATION_PERIOD
            )
        self._arm(series, min(series.ask_at, series.record_at))

    @staticmethod
    def _is_final(series: Series, held: Held, now: float) -> bool:
        """Whether a record tells all there is to know, and for some time yet (RFC 6762 §7.1)."""
        return (
            series.type != RecordType.ANY
            and held.flags & (UNIQUE | LEAVING) == UNIQUE
            and held.expires_at - now > (1 - REFRESH_POINTS[0]) * held.ttl
        )

    def _helds(self, series: Series) -> list[Held]:
        """Return the records that answer a question or deny that there is an answer, with the expired
        ones."""
        rtype = series.type
        helds = self.cache.all_of(series.key, RecordType.ANY)
        if rtype == RecordType.ANY:
            return helds
        answers = [held for held in helds if answers_to(rtype, held.type)]
        return answers or [
            held for held in helds if held.type == RecordType.NSEC and self._denies(held, rtype)
        ]

    @staticmethod
    def _denies(held: Held, rtype: int) -> bool:
        if rtype in (RecordType.ANY, RecordType.NSEC):
            return False
        data = Record(_ROOT, RecordType.NSEC, RecordClass.IN, 0, held.rdata).data
        return isinstance(data, NextSecure) and rtype not in data.types

    def _plan(self, series: Series, helds: Iterable[Held | Times], now: float) -> None:
        """Set when the first of these valid records needs attention."""
        series.record_at = min([series.attention_at(held, now) for held in helds], default=NEVER)

    def _wake_series(self, series: Series, now: float) -> int:
        helds: Sequence[Held | Times] = ()
        crowd: Crowd | None = None
        survey: Sequence[Times] | None = None
        is_due = series.ask_at < NEVER and series.not_before <= now
        looks = series.record_at <= now
        if looks:
            survey = self.cache.survey(series.key, series.type)
            if survey is None or len(survey) <= SMALL_SET:
                helds = self._expire(series, now)
            else:
                crowd = self._expire_crowd(series, survey, now)
                helds = crowd.late
            is_due = is_due or any(series.needs_refresh(held, now) for held in helds)
        if series.ask_at < NEVER and series.not_before <= now:
            series.step(now)
        if is_due:
            self._ask_now(series, now)
        if looks:
            self._plan(series, helds, now)
        if crowd is not None:
            series.record_at = max(min(series.record_at, crowd.earliest), crowd.not_before)
        self._arm(series, min(series.ask_at, series.record_at))
        return 1 + len(helds) + (0 if crowd is None else len(crowd.expired) + len(survey or ()) // 8)

    def _expire_crowd(self, series: Series, survey: Sequence[Times], now: float) -> Crowd:
        """Do what `_expire` does for the thousands of answers to a question, as far as time allows."""
        key = series.key
        crowd = look_through(survey, len(survey), now)
        gone = [held for member in crowd.expired if (held := self.cache.member(key, member)) is not None]
        if gone:
            self._remove(key, gone)
            if not self.cache.has(key, series.type):
                self._resume(series, (), self.first_query_at(now), now)
        return crowd

    def _remove(self, key: bytes, helds: Sequence[Held]) -> None:
        """Forget records, and tell those who ask for them."""
        owner = self.cache.owner(key)
        self.cache.remove(key, helds)
        for held in helds:
            self._report(RecordRemoved, _as_record(owner, held))

    def _ask_now(self, series: Series, now: float) -> None:
        is_unicast = series.is_unicast and self._context.settings.unicast_responses
        if is_unicast:
            series.unicast_at = now
        # RFC 6762 §5.4: repeated questions are QM.
        series.is_unicast = False
        series.asked_at = now
        self.counters["questions asked"] += 1
        self._asking.append(self._asked(Question(series.name, series.type, RecordClass.IN, is_unicast), now))

    def _asked(self, question: Question, now: float) -> Asked:
        """Return a question with what is to be listed: shared records that are good for more than half of
        their TTL.

        RFC 6762 §7.1; without the cache-flush bit (§10.2), and with the time that is left.
        """
        name = question.name
        survey = self.cache.survey(name.key, question.type)
        if survey is not None and len(survey) > SMALL_SET:
            return Asked(question, self._listed(name, survey, now), MAX_PACKET)
        known = [
            Record(name, held.type, RecordClass.IN, int(held.expires_at - now), held.rdata)
            for held in self.cache.all_of(name.key, question.type)
            if self._is_listed(held, now)
        ]
        return Asked.listing(question, known)

    def _listed(self, name: Name, survey: Iterable[Times], now: float) -> Iterator[Record]:
        """Yield the known answers of a crowd."""
        for times in survey:
            if self._is_listed(times, now):
                held = self.cache.member(name.key, times.key)
                if held is not None:
                    ttl = int(times.received_at + times.ttl - now)
                    yield Record(name, held.type, RecordClass.IN, ttl, held.rdata)

    @staticmethod
    def _is_listed(held: Held | Times, now: float) -> bool:
        if held.flags & (UNIQUE | LEAVING | DISPUTED):
            return False
        left = int(held.received_at + held.ttl - now)
        return left > 0 and left >= KNOWN_ANSWER_FRACTION * held.ttl

    def _expire(self, series: Series, now: float) -> list[Held]:
        """Remove what has expired of the answers to a question; return what is valid."""
        valid: list[Held] = []
        expired: list[Held] = []
        for held in self._helds(series):
            (valid if held.expires_at > now else expired).append(held)
        if expired:
            if any(held.type == RecordType.NSEC for held in expired):
                series.is_denied = False
            self._remove(series.key, expired)
            if not valid:
                # A denial may have stood behind the answers.
                valid = [held for held in self._helds(series) if held.expires_at > now]
            self._resume(series, valid, self.first_query_at(now), now)
        return valid

    def _resume(self, series: Series, valid: Iterable[Held], at: float, now: float) -> None:
        """Ask anew at ``at``, when asking had ceased with a unique answer and none is left."""
        if series.ask_at == NEVER and not any(
            held.type == RecordType.NSEC or held.flags & UNIQUE for held in valid
        ):
            series.start(at, min(at, now + FIRST_QUERY_DELAY[0]))
            self._arm(series, at)

    # Answers

    def _awaits(self, message: Message, now: float) -> bool:
        """Whether a unicast response answers a question that asked for it in the last two seconds."""
        limit = now - UNICAST_RESPONSE_PERIOD
        for record in message.answers:
            for series in self._series.get(record.name.key, ()):
                if series.unicast_at >= limit and (
                    record.type == RecordType.NSEC or answers_to(series.type, record.type)
                ):
                    return True
        return False

    def _heard(
        self, among: list[Series], record: Record, outcome: Outcome, source: Address, now: float
    ) -> None:
        """Tell those who ask for a name what became of a record, and plan what is to be done with it."""
        if outcome is Outcome.REFUSED:
            return
        if record.type == RecordType.NSEC:
            self._heard_denial(among, record, outcome, now)
        for series in among:
            if not answers_to(series.type, record.type):
                continue
            if outcome is Outcome.ADDED:
                self._events.append(RecordAdded(record, series.askers, source))
            elif outcome is Outcome.RESCUED:
                self._events.append(RecordRescued(record, series.askers, source))
            if outcome is Outcome.DOOMED:
                at = now + GOODBYE_DELAY
            else:
                series.is_denied = False
                if record.cache_flush and series.type != RecordType.ANY:
                    # RFC 6762 §5.2: "a good indication that no other answers will be forthcoming".
                    series.stop()
                at = series.refresh_at(record.ttl, now)
            if at < series.record_at:
                series.record_at = at
                self._arm(series, at)

    def _heard_denial(self, among: list[Series], record: Record, outcome: Outcome, now: float) -> None:
        data = record.data
        if outcome is Outcome.DOOMED or not isinstance(data, NextSecure):
            return
        for series in among:
            if series.type in data.types or series.type in (RecordType.ANY, RecordType.NSEC):
                continue
            if self.cache.has(series.key, series.type):
                continue
            if not series.is_denied:
                series.is_denied = True
                self._events.append(Denied(Question(series.name, series.type), series.askers))
            series.stop()
            series.record_at = min(series.record_at, series.refresh_at(record.ttl, now))
            self._arm(series, series.record_at)

    def _flush(self, key: bytes, rtype: int, now: float) -> None:
        flushed = self.cache.flush(key, rtype, now)
        among = self._series.get(key)
        if not flushed or among is None:
            return
        owner = self.cache.owner(key)
        for held in flushed:
            self._report(RecordFlushed, _as_record(owner, held))
        for series in among:
            if answers_to(series.type, rtype):
                series.record_at = min(series.record_at, now + FLUSH_DELAY)
                self._arm(series, series.record_at)

    def _report(self, change: type[RecordChange], record: Record) -> None:
        """Tell all who ask for a record."""
        for series in self._series.get(record.name.key, ()):
            if answers_to(series.type, record.type):
                self._events.append(change(record, series.askers))

    # Doubts

    def ask_once(self, name: Name, rtype: int, now: float) -> None:
        """Ask a question now, whether or not anybody wants to know (RFC 6762 §10.4)."""
        for series in self._series.get(name.key, ()):
            if series.type == rtype:
                self._ask_now(series, now)
                return
        self.counters["questions asked"] += 1
        self._asking.append(self._asked(Question(name, rtype), now))

    def drop(self, key: bytes, helds: list[Held], resume_at: float, now: float) -> None:
        """Remove records before their time; ask for them from ``resume_at`` on, where asking had ceased."""
        self._remove(key, helds)
        for series in self._series.get(key, ()):
            valid = [held for held in self._helds(series) if held.expires_at > now]
            self._resume(series, valid, resume_at, now)

    def _spare(self, series: Series, known: Iterable[Record], now: float) -> None:
        """Count another host's question as ours, if it will bring all the answers that ours would."""
        if not series.is_soon(now):
            return
        for record in known:
            held = self.cache.find(record, now)
            if held is None or not self._is_listed(held, now):
                # Its answer will be kept from us.
                return
        self.counters["questions spared"] += 1
        series.is_unicast = False
        series.asked_at = now
        series.step(now)


_ROOT: Final = Name(b"\0")


def _as_record(owner: Name, held: Held) -> Record:
    return Record(owner, held.type, RecordClass.IN, held.ttl, held.rdata, bool(held.flags & UNIQUE))
