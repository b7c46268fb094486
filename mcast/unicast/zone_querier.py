"""The querier of DNS domains outside of ``local.``: asks servers, and keeps the answers right.

It has the methods that a `Follower` calls of the querier of a link, so that services are browsed and resolved
in any domain by the same code (RFC 6763 §11, RFC 8766 §3). A question is asked again at the end of the TTL of
its answer; while a server pushes its changes, it is not asked at all (RFC 8765).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Hashable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import Final

from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.names import Name
from mcast.dns.records import Identity, Record
from mcast.mdns.domains import is_multicast_name
from mcast.mdns.events import Denied, Event, RecordAdded, RecordRemoved, Types
from mcast.mdns.schedule import Timers
from mcast.unicast.replies import Answer, Verdict, ttl_of

POLL_FLOOR = 5.0
"""Seconds between two questions for the same records, at least.

Our choice: a Discovery Proxy says that its answers are good for at most 10 s (RFC 8766 §5.5.1), and 0 s would
be a flood.
"""

POLL_CEILING = 900.0
"""Seconds after which records are asked for again, whatever their TTL (RFC 8765 §6.8)."""

AFTER_TTL = 2.0
"""Seconds after the end of a TTL in which nothing is asked (RFC 8765 §6.8).

Until then the answer may be in the cache of a resolver.
"""

FAILURE_CEILING = 120.0
"""Seconds between two questions that nobody answers, at most. Our choice: what a person waits for."""

POLL_RATE = 50
"""Questions a second for all that is followed, at most: with more of them, each is asked more seldom.

Our choice: a thousand services with four questions each are then asked for every 80 s.
"""

POLL_VARIATION = 0.05
"""The part of the interval by which a question may be later, at random.

Our choice: so that questions of one answer, and clients that started together, do not stay together.
"""

MAX_AT_ONCE = 32
"""Questions that wait for their answers at a time. Our choice: some round trips' worth for one server."""

FIRST_BACKOFF = 2.0
"""Seconds until what nobody answered is asked again, doubled up to `FAILURE_CEILING`. Our choice."""

STALE_LIMIT = 60.0
"""Seconds for which records are still shown after their TTL, while no server answers.

Our choice: a server that starts anew. RFC 8767 allows resolvers days.
"""

EXTRA_LIMIT = 1.0
"""Seconds for which additional records of an answer take the place of questions.

Our choice: a follower asks for them as soon as it has heard of the answer; later they might be outdated.
"""

RECONFIRM_REST = 1.0
"""Seconds after a question in which nobody's doubt has it asked again. Our choice: as on a link."""

DOUBT_DELAY = 1.0
"""Seconds after which records that an answer lacks are asked for once more, before they are taken for gone.

Our choice: a service goes as a whole, its TXT and SRV records are asked for at different times, and a user
should see one event: meanwhile the SRV record is asked for.
"""

_EXTRA_TYPES: Final = frozenset(
    {int(RecordType.SRV), int(RecordType.TXT), int(RecordType.A), int(RecordType.AAAA)}
)
"""What servers add to answers for DNS-SD (RFC 6763 §12)."""

_ADDRESS_TYPES: Final = (int(RecordType.A), int(RecordType.AAAA))

_Key = tuple[bytes, int]


class _Poll:
    """A question that is asked again and again."""

    __slots__ = (
        "asked_at",
        "askers",
        "expires_at",
        "failures",
        "is_alias",
        "is_denied",
        "is_doubted",
        "is_outstanding",
        "is_pushed",
        "question",
        "records",
        "wake_at",
    )

    def __init__(self, question: Question, asker: Hashable) -> None:
        self.question: Final = question
        self.askers: tuple[Hashable, ...] = (asker,)
        self.records: Final[dict[Identity, Record]] = {}
        self.is_alias = False
        """Whether the name is an alias, so that its records have another one and cannot be subscribed to."""
        self.is_denied = False
        """Whether a server says that there are no records."""
        self.is_doubted = False
        """Whether the last answer lacked all records, so that it is asked once more."""
        self.is_outstanding = False
        """Whether it was asked, and not answered yet."""
        self.is_pushed = False
        """Whether a server tells each change, so that it is not asked."""
        self.failures = 0
        """How often nobody answered since the last answer."""
        self.asked_at: float | None = None
        self.expires_at: float | None = None
        """When the TTL of what is known is over; None while nothing is."""
        self.wake_at: float | None = None

    @property
    def key(self) -> _Key:
        return self.question.name.key, self.question.type


class ZoneQuerier:
    """Questions to DNS servers in domains outside of multicast DNS; it does no I/O.

    The owner asks what `due` returns, hands on by `answered` and `failed` what came of it, passes on what
    `events` returns, and does all of that again at `next_wakeup`.

    :param domain: additional records of names in this domain are believed.
    :param rng: chooses the time of each question within `POLL_VARIATION`.
    """

    def __init__(self, domain: Name, rng: Random) -> None:
        self.domain: Final = domain
        self.counters: Final[Counter[str]] = Counter()
        """queries, answers, failures; what was left alone, by cause."""
        self._rng: Final = rng
        self._polls: Final[dict[_Key, _Poll]] = {}
        self._timers: Final[Timers[_Poll]] = Timers()
        self._waiting: Final[deque[_Poll]] = deque()
        """What is due, while too many questions are under way."""
        self._outstanding = 0
        self._events: list[Event] = []
        self._extras: dict[_Key, list[Record]] = {}
        self._extras_until = 0.0
        self._begun: dict[_Key, Question] = {}
        self._ended: dict[_Key, Question] = {}
        self._doubted: list[Record] = []

    # What a follower calls; as `mcast.mdns.querier.querier.Querier` has it.

    def ask(self, question: Question, now: float, asker: Hashable, *, depends: bool = False) -> None:
        """Ask a question from now on, until `cancel`; what is known already is no event.

        :raises ValueError: the class is not IN.
        """
        if question.rclass != RecordClass.IN:
            raise ValueError(f"only class IN can be asked for, not {question.rclass}")
        key = (question.name.key, question.type)
        poll = self._polls.get(key)
        if poll is not None:
            poll.askers += (asker,)
            return
        if is_multicast_name(question.name):
            self.counters["names of multicast DNS"] += 1
            return
        poll = self._polls[key] = _Poll(question, asker)
        self._begun[key] = question
        extra = self._extras.get(key) if now < self._extras_until else None
        if extra:
            self.counters["additional records used"] += 1
            poll.asked_at = now
            self._keep(poll, extra, min(map(ttl_of, extra)), now)
            return
        self._timers.arm(poll, now)

    def ask_about(
        self, name: Name, types: Types, now: float, asker: Hashable, *, whole: bool = False
    ) -> tuple[list[Record], list[int]]:
        """Ask for records of some types of a name; return what is known, and which types are denied."""
        questions = [Question(name, rtype) for rtype in types]
        for question in questions:
            self.ask(question, now, asker)
        found = [record for question in questions for record in self.records(question, now, whole=whole)]
        return found, [question.type for question in questions if self.is_denied(question, now)]

    def depend(self, service: Name, now: float) -> None:
        """Do nothing: what a server tells comes along with the SRV record, or is asked for in any case."""

    def cancel(self, question: Question, now: float, asker: Hashable) -> None:
        """Withdraw what `ask` was called for with these values; do nothing if it was not called."""
        key = (question.name.key, question.type)
        poll = self._polls.get(key)
        if poll is None or asker not in poll.askers:
            return
        askers = list(poll.askers)
        askers.remove(asker)
        poll.askers = tuple(askers)
        if not askers:
            del self._polls[key]
            self._end_subscription(poll)
            self._timers.disarm(poll)
            if poll.is_outstanding:
                poll.is_outstanding = False
                self._outstanding -= 1

    def records(
        self, question: Question, now: float, *, flushed: bool = True, whole: bool = False
    ) -> list[Record]:
        """Return the records that answer a question, with the TTL that is left, or the ``whole`` one."""
        poll = self._polls.get((question.name.key, question.type))
        if poll is None:
            return []
        if whole:
            return list(poll.records.values())
        left = 0 if poll.expires_at is None else max(0, -int(now - poll.expires_at))
        return [record.with_ttl(left) for record in poll.records.values()]

    def has(self, name: Name, rtype: int) -> bool:
        """Whether there are records of a name and type."""
        poll = self._polls.get((name.key, rtype))
        return poll is not None and bool(poll.records)

    def is_confirmed(self, record: Record) -> bool:
        """Return False: there is no second host that could say the same."""
        return False

    def is_repeated(self, record: Record, since: float) -> bool:
        """Whether the record was in an answer after a moment."""
        poll = self._polls.get((record.name.key, record.type))
        return poll is not None and record.identity in poll.records and (poll.asked_at or since) > since

    def is_denied(self, question: Question, now: float) -> bool:
        """Whether a server says that there is no such record."""
        poll = self._polls.get((question.name.key, question.type))
        return poll is not None and poll.is_denied

    def reconfirm(self, record: Record, now: float) -> bool:
        """Take the hint that a record is wrong: ask for it now.

        :returns: False when nobody asks for it, or nobody has told it.
        """
        poll = self._polls.get((record.name.key, record.type))
        if poll is None or record.identity not in poll.records:
            return False
        if poll.is_pushed:
            self._doubted.append(record)
        elif not poll.is_outstanding:
            rested = now if poll.asked_at is None else max(now, poll.asked_at + RECONFIRM_REST)
            self._timers.arm(poll, rested)
        return True

    # What the owner asks

    @property
    def questions(self) -> tuple[Question, ...]:
        """Everything that is asked now."""
        return tuple([poll.question for poll in self._polls.values()])

    def gauges(self) -> dict[str, int]:
        """Return the current numbers of ``questions``, and of those that are ``pushed`` or ``waiting``."""
        return {
            "questions": len(self._polls),
            "records": sum([len(poll.records) for poll in self._polls.values()]),
            "pushed": sum([poll.is_pushed for poll in self._polls.values()]),
            "waiting": self._outstanding,
        }

    def next_wakeup(self) -> float | None:
        """Return when to call `due`; None when nothing is to be done."""
        return self._timers.next_at()

    def due(self, now: float) -> list[Question]:
        """Return what is to be asked now."""
        self._waiting.extend(self._timers.due(now))
        asked: list[Question] = []
        while self._waiting and self._outstanding < MAX_AT_ONCE:
            poll = self._waiting.popleft()
            if self._polls.get(poll.key) is not poll or poll.is_outstanding or poll.is_pushed:
                continue
            poll.is_outstanding = True
            poll.asked_at = now
            self._outstanding += 1
            self.counters["queries"] += 1
            asked.append(poll.question)
        return asked

    def events(self) -> list[Event]:
        """Return what has happened, and forget it."""
        events, self._events = self._events, []
        return events

    # What came of it

    def answered(
        self, question: Question, answer: Answer, now: float, message: Message | None = None
    ) -> None:
        """Take in the answer to a question that `due` returned.

        :param message: the whole response, for the additional records of it.
        """
        poll = self._settle(question)
        if poll is None:
            return
        if answer.verdict not in (Verdict.ANSWERED, Verdict.DENIED):
            self._failed(poll, now)
            return
        self.counters["answers"] += 1
        poll.failures = 0
        if message is not None:
            self._extras = self._additional(message)
            self._extras_until = now + EXTRA_LIMIT
        if answer.target is not None and not poll.is_alias:
            poll.is_alias, poll.is_pushed = True, False
            self._end_subscription(poll)
        if poll.is_pushed or self._doubts(poll, answer, now):
            return
        self._keep(poll, answer.records, answer.ttl, now)

    def failed(self, question: Question, now: float) -> None:
        """Take in that nobody answered a question that `due` returned."""
        poll = self._settle(question)
        if poll is not None:
            self._failed(poll, now)

    def ask_again(self, now: float) -> None:
        """Ask everything anew soon: the servers are others now, or this host may be elsewhere."""
        for poll in self._polls.values():
            if not (poll.is_outstanding or poll.is_pushed):
                poll.failures = 0
                self._timers.arm(poll, now)

    # While a server pushes

    def take_subscriptions(self) -> tuple[list[Question], list[Question]]:
        """Return which questions have begun since the last call, and which have ended."""
        begun, self._begun = self._begun, {}
        ended, self._ended = self._ended, {}
        return list(begun.values()), list(ended.values())

    def take_doubted(self) -> list[Record]:
        """Return which pushed records somebody doubts, and forget them (RFC 8765 §6.5)."""
        doubted, self._doubted = self._doubted, []
        return doubted

    def _end_subscription(self, poll: _Poll) -> None:
        if self._begun.pop(poll.key, None) is None:
            self._ended[poll.key] = poll.question

    def push_began(self, question: Question, now: float) -> None:
        """Take in that a server tells every change of the answer to a question (RFC 8765 §6.2)."""
        poll = self._polls.get((question.name.key, question.type))
        if poll is not None and not (poll.is_pushed or poll.is_alias):
            poll.is_pushed = True
            self._timers.disarm(poll)

    def pushed(self, added: Iterable[Record], removed: Iterable[Record], now: float) -> None:
        """Take in what a server has told of changes."""
        touched: dict[_Key, _Poll] = {}
        for record in added:
            poll = self._polls.get((record.name.key, record.type))
            if poll is not None and poll.is_pushed and self._is_usable(record):
                touched[poll.key] = poll
                if record.identity not in poll.records:
                    self._events.append(RecordAdded(record, poll.askers))
                poll.records[record.identity] = record
                poll.is_denied = False
        for record in removed:
            poll = self._polls.get((record.name.key, record.type))
            if poll is not None and poll.is_pushed and (old := poll.records.pop(record.identity, None)):
                touched[poll.key] = poll
                self._events.append(RecordRemoved(old, poll.askers))
        for poll in touched.values():
            poll.expires_at = now + POLL_CEILING
            if not poll.records:
                self._deny(poll)

    def push_settled(self, question: Question, records: Sequence[Record], now: float) -> None:
        """Take in which records there are at the moment, all of them."""
        poll = self._polls.get((question.name.key, question.type))
        if poll is not None and poll.is_pushed:
            self._change(poll, records)
            poll.expires_at = now + POLL_CEILING

    def push_ended(self, questions: Iterable[Question], now: float) -> None:
        """Take in that nobody tells changes any more: the questions are asked again."""
        for question in questions:
            poll = self._polls.get((question.name.key, question.type))
            if poll is not None and poll.is_pushed:
                poll.is_pushed = False
                poll.expires_at = now
                self._timers.arm(poll, now)

    # Within

    def _settle(self, question: Question) -> _Poll | None:
        poll = self._polls.get((question.name.key, question.type))
        if poll is None or not poll.is_outstanding:
            return None
        poll.is_outstanding = False
        self._outstanding -= 1
        return poll

    def _keep(self, poll: _Poll, records: Sequence[Record], ttl: int | None, now: float) -> None:
        """Have what an answer says be the current state, until it is asked for again."""
        self._change(poll, records)
        good_for = 0.0 if ttl is None else float(ttl)
        poll.expires_at = now + good_for
        floor = max(POLL_FLOOR, len(self._polls) / POLL_RATE)
        interval = max(floor, min(POLL_CEILING, good_for + AFTER_TTL))
        self._timers.rearm(poll, now + interval * (1 + self._rng.uniform(0, POLL_VARIATION)))

    def _doubts(self, poll: _Poll, answer: Answer, now: float) -> bool:
        """Whether to wait with the loss of records, and ask once more."""
        decides = poll.question.type in (RecordType.PTR, RecordType.SRV)
        poll.is_doubted = bool(poll.records and not answer.records and not decides and not poll.is_doubted)
        if poll.is_doubted:
            self._timers.rearm(poll, now + DOUBT_DELAY)
            service = self._polls.get((poll.question.name.key, int(RecordType.SRV)))
            if service is not None and not (service.is_outstanding or service.is_pushed):
                self._timers.arm(service, now)
        return poll.is_doubted

    def _failed(self, poll: _Poll, now: float) -> None:
        self.counters["failures"] += 1
        poll.failures += 1
        if poll.is_pushed:
            return
        if poll.expires_at is not None and poll.expires_at + STALE_LIMIT <= now:
            poll.expires_at = None
            poll.is_denied = False
            for identity, record in list(poll.records.items()):
                del poll.records[identity]
                self._events.append(RecordRemoved(record, poll.askers))
        interval = min(FAILURE_CEILING, FIRST_BACKOFF * 2 ** min(poll.failures - 1, 16))
        if poll.records and poll.expires_at is not None:
            # Not long after they may be shown no more.
            interval = min(interval, max(FIRST_BACKOFF, poll.expires_at + STALE_LIMIT - now))
        self._timers.rearm(poll, now + interval * (1 + self._rng.uniform(0, POLL_VARIATION)))

    def _change(self, poll: _Poll, records: Sequence[Record]) -> None:
        """Tell what is different now."""
        new = {record.identity: record for record in records if self._is_usable(record)}
        old = dict(poll.records)
        poll.records.clear()
        poll.records.update(new)
        # First what is new: a service whose SRV record is another one now was not away in between.
        for identity, record in new.items():
            if identity not in old:
                self._events.append(RecordAdded(record, poll.askers))
        for identity, record in old.items():
            if identity not in new:
                self._events.append(RecordRemoved(record, poll.askers))
        if new:
            poll.is_denied = False
        else:
            self._deny(poll)

    def _deny(self, poll: _Poll) -> None:
        if not poll.is_denied:
            poll.is_denied = True
            self._events.append(Denied(poll.question, poll.askers))

    def _is_usable(self, record: Record) -> bool:
        """Whether a record is of use elsewhere than on its own link (RFC 8766 §5.5.2)."""
        if record.type in _ADDRESS_TYPES:
            address = record.data
            if not isinstance(address, IPv4Address | IPv6Address) or (
                address.is_link_local or address.is_multicast or address.is_unspecified
            ):
                self.counters["addresses of no use"] += 1
                return False
        return True

    def _additional(self, message: Message) -> dict[_Key, list[Record]]:
        """Return the record sets that a server has added to its answer (RFC 6763 §12)."""
        extras: dict[_Key, list[Record]] = {}
        if not message.truncated:
            for record in message.additionals:
                if record.type in _EXTRA_TYPES and record.name.is_within(self.domain):
                    extras.setdefault((record.name.key, record.type), []).append(record)
        return extras
