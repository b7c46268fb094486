"""The server's end of a session of DNS Push Notifications (RFC 8765)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from mcast.dns.codes import RecordClass, RecordType, ResponseCode
from mcast.dns.names import Name
from mcast.dns.records import Identity, Record
from mcast.errors import MalformedMessage
from mcast.unicast.answer_set import AnswerSet
from mcast.unicast.dso import DSOMessage, DSOType, SessionError, retry_delay_item, write_dso
from mcast.unicast.dso_server import Granted, ServerSession
from mcast.unicast.dso_session import Ended, SessionEvent
from mcast.unicast.push import (
    Change,
    ChangeKind,
    Topic,
    read_reconfirm,
    read_subscribe,
    read_unsubscribe,
    retry_delay_of,
    write_pushes,
)

MAX_SUBSCRIPTIONS = 1000
"""Subscriptions of one session.

Our choice: a screen full of services with its SRV, TXT and address records takes some hundreds.
"""

MAX_PENDING = 20_000
"""Changes that wait for a subscriber who does not read; more end its session.

Our choice: all records of a few thousand services. What is added and removed in between is summed up, so that
only a network this large, all of it new, gets there.
"""

MAX_STALL = 60.0
"""Seconds for which a subscriber may not read while changes wait for it; then its session is aborted.

Our choice: longer than TCP needs to get over a bad moment of a wireless network.
"""

MAX_RECONFIRMS = 60
"""RECONFIRM messages of one session that are acted on within `RECONFIRM_WINDOW` seconds; others are dropped.

Our choice: each may cause questions on the link; a person's clicks on dead services stay below one a second.
"""

RECONFIRM_WINDOW = 60.0
"""Seconds over which `MAX_RECONFIRMS` counts. Our choice: see there."""


@dataclass(frozen=True, slots=True)
class SubscribeRequested(SessionEvent):
    """A client asks for a subscription: answered by `PushServer.accept` or `PushServer.refuse`."""

    id: int
    topic: Topic


@dataclass(frozen=True, slots=True)
class Unsubscribed(SessionEvent):
    """A subscription that was accepted has ended, by the client, by us, or with the session."""

    id: int
    answers: AnswerSet


@dataclass(frozen=True, slots=True)
class ReconfirmRequested(SessionEvent):
    """A client believes that a record is stale (RFC 8765 §6.5)."""

    record: Record


@dataclass(slots=True)
class _Subscription:
    topic: Topic
    request: DSOMessage | None
    """Until it is answered."""
    answers: AnswerSet | None = None


class PushServer(ServerSession):
    """A session of a client that subscribes to records.

    Changes are noted as they come (`AnswerSet.change`) and leave with `flush`, which whoever holds the
    session calls at the end of each step. While the client does not read (`hold`) they are summed up.
    """

    requests: ClassVar[frozenset[int]] = ServerSession.requests | {DSOType.SUBSCRIBE}
    unidirectional: ClassVar[frozenset[int]] = frozenset({DSOType.UNSUBSCRIBE, DSOType.RECONFIRM})

    def __init__(
        self, now: float, granted: Granted | None = None, counters: Counter[str] | None = None
    ) -> None:
        super().__init__(now, granted, counters)
        self._subscriptions: dict[int, _Subscription] = {}
        self._ids: dict[tuple[bytes, int, int], int] = {}
        self._names: dict[bytes, list[_Subscription]] = {}
        self._pending: dict[Identity, Change] = {}
        self._held_at: float | None = None
        self._reconfirms = 0
        self._reconfirms_until = -math.inf

    # What the owner calls

    def accept(self, identifier: int, answers: AnswerSet, now: float) -> None:
        """Accept a subscription: the response, and right after it what the answer is now."""
        subscription = self._subscriptions.get(identifier)
        if subscription is None or subscription.request is None or self.is_closing:
            return
        self.respond(subscription.request, now)
        self._establish()
        subscription.request = None
        subscription.answers = answers
        answers.subscribers[self] = None
        self.counters["subscriptions accepted"] += 1
        self.note(answers.records.values(), ())
        self.flush(now)

    def refuse(self, identifier: int, rcode: int, now: float, delay: float | None = None) -> None:
        """Refuse a subscription that was asked for, or cancel one that was accepted (RFC 8490 §5.6).

        :param delay: seconds after which the client may try again; the one recommended for ``rcode``
            (RFC 8765 §6.2.2) unless it is given.
        """
        subscription = self._subscriptions.get(identifier)
        if subscription is None or self.is_closing:
            return
        self._drop(identifier)
        item = retry_delay_item(retry_delay_of(rcode) if delay is None else delay)
        self.counters["subscriptions refused"] += 1
        if subscription.request is not None:
            self.respond(subscription.request, now, [item], rcode)
        else:
            self.send(write_dso(identifier, [item], response=True, rcode=rcode), now)

    def note(self, added: Iterable[Record], removed: Iterable[Record]) -> None:
        """Remember changes of the answers; the last word on each record counts."""
        for record in removed:
            self._pending[record.identity] = Change.removing(record)
        for record in added:
            self._pending[record.identity] = Change.adding(record)

    def flush(self, now: float) -> None:
        """Push what was noted, unless the client does not read."""
        if not self._pending or self.ended is not None or self.is_closing:
            self._pending.clear()
            return
        if self._held_at is not None:
            if len(self._pending) > MAX_PENDING:
                self._too_slow()
            return
        for octets in write_pushes(self._summary()):
            self.send(octets, now)
            self.counters["push messages sent"] += 1
        self._pending.clear()

    def hold(self, now: float) -> None:
        """Push nothing until `release`: the client does not read what was sent."""
        if self._held_at is None:
            self._held_at = now

    def release(self, now: float) -> None:
        """Push what was noted meanwhile."""
        self._held_at = None
        self.flush(now)

    @property
    def topics(self) -> dict[int, Topic]:
        """The subscriptions by MESSAGE ID."""
        return {identifier: each.topic for identifier, each in self._subscriptions.items()}

    def next_timer(self) -> float | None:
        """Return when to call `due` next."""
        at = super().next_timer()
        if self._held_at is None or not self._pending or self.ended is not None or self.is_closing:
            return at
        stalled_at = self._held_at + MAX_STALL
        return stalled_at if at is None else min(at, stalled_at)

    def due(self, now: float) -> None:
        """Abort a session whose client does not do what it must, or does not read."""
        if self._held_at is not None and self._pending and now >= self._held_at + MAX_STALL:
            self._too_slow()
        super().due(now)

    # What a session builds on

    def operations(self) -> int:
        """Return how many subscriptions there are, and queries without an answer."""
        return super().operations() + len(self._subscriptions)

    def _too_slow(self) -> None:
        self.counters["slow subscribers aborted"] += 1
        self._abort("the client does not read what it subscribed to", is_fault=False)

    def _end(self, ended: Ended) -> None:
        self._drop_all()
        super()._end(ended)

    def _stopped(self) -> None:
        self._drop_all()

    def _drop_all(self) -> None:
        self._pending.clear()
        for identifier in tuple(self._subscriptions):
            self._drop(identifier)

    def _drop(self, identifier: int) -> None:
        subscription = self._subscriptions.pop(identifier)
        topic = subscription.topic
        del self._ids[topic.key]
        of_name = self._names[topic.name.key]
        of_name.remove(subscription)
        if not of_name:
            del self._names[topic.name.key]
        if subscription.answers is not None:
            subscription.answers.subscribers.pop(self, None)
            self.tell(Unsubscribed(identifier, subscription.answers))

    # Receiving

    def _receive_request(self, message: DSOMessage, now: float) -> None:
        if message.id in self._subscriptions:
            # Of a subscription, or of one that has no response yet (RFC 8490 §5.5.2, RFC 8765 §6.2.1).
            raise SessionError(f"a request under MESSAGE ID {message.id}, which is in use")
        super()._receive_request(message, now)

    def _refuse_type(self, message: DSOMessage) -> None:
        super()._refuse_type(message)
        if message.primary.type == DSOType.PUSH:
            raise SessionError("a PUSH message from a client")

    def _request(self, message: DSOMessage, now: float) -> None:
        if message.primary.type != DSOType.SUBSCRIBE:
            super()._request(message, now)
            return
        try:
            topic = read_subscribe(message)
        except MalformedMessage:
            self.counters["malformed requests"] += 1
            item = retry_delay_item(retry_delay_of(ResponseCode.FORMERR))
            self.respond(message, now, [item], ResponseCode.FORMERR)
            return
        if topic.key in self._ids:
            raise SessionError("a SUBSCRIBE that duplicates an active subscription")
        subscription = _Subscription(topic, message)
        self._subscriptions[message.id] = subscription
        self._ids[topic.key] = message.id
        self._names.setdefault(topic.name.key, []).append(subscription)
        if len(self._subscriptions) > MAX_SUBSCRIPTIONS:
            self.counters["subscriptions beyond the limit"] += 1
            self.refuse(message.id, ResponseCode.SERVFAIL, now)
            return
        self.tell(SubscribeRequested(message.id, topic))

    def _unidirectional(self, message: DSOMessage, now: float) -> None:
        if message.primary.type == DSOType.UNSUBSCRIBE:
            identifier = read_unsubscribe(message)
            subscription = self._subscriptions.get(identifier)
            # What matches nothing may have crossed our refusal (RFC 8765 §6.4.1).
            if subscription is None:
                self.counters["unsubscribe messages without a subscription"] += 1
                return
            if subscription.request is not None:
                # Each SUBSCRIBE gets one response (RFC 8765 §6.2), also one that was cancelled meanwhile.
                self.respond(subscription.request, now)
                self._establish()
            self._drop(identifier)
            return
        record = read_reconfirm(message)
        if now >= self._reconfirms_until:
            self._reconfirms_until = now + RECONFIRM_WINDOW
            self._reconfirms = 0
        self._reconfirms += 1
        if self._reconfirms > MAX_RECONFIRMS:
            self.counters["reconfirmations beyond the limit"] += 1
            return
        self.counters["reconfirmations"] += 1
        self.tell(ReconfirmRequested(record))

    # What is pushed

    def _summary(self) -> Iterator[Change]:
        """Yield what was noted in as few notifications as can be, removals first (RFC 8765 §6.3.1)."""
        removed: dict[tuple[bytes, int], dict[int, list[Change]]] = {}
        for change in self._pending.values():
            if change.kind is ChangeKind.REMOVE and self._is_followed(change):
                sets = removed.setdefault((change.name.key, change.rclass), {})
                sets.setdefault(change.type, []).append(change)
        for (key, rclass), sets in removed.items():
            yield from self._removals(key, rclass, sets)
        for change in self._pending.values():
            if change.kind is ChangeKind.ADD and self._is_followed(change):
                yield change

    def _is_followed(self, change: Change) -> bool:
        """Tell whether a subscription is left to which a change belongs."""
        following = self._names.get(change.name.key, ())
        return any(each.topic.matches(change.name, change.type, change.rclass) for each in following)

    def _removals(self, key: bytes, rclass: int, sets: dict[int, list[Change]]) -> Iterator[Change]:
        """Yield what removes these records of one name and class.

        All answers that this client follows must agree that nothing is left, since one that has just begun
        may be empty only for the moment.
        """
        answers = [each.answers for each in self._names[key] if each.answers is not None]
        name = next(iter(sets.values()))[0].name
        if len(sets) > 1:
            whole = self._whole_name(name, rclass, answers)
            if whole is not None:
                yield whole
                return
        for rtype, changes in sets.items():
            if not any(each.has(rtype, rclass) for each in answers):
                yield Change(ChangeKind.REMOVE_SET, name, rtype, rclass)
            else:
                yield from changes

    @staticmethod
    def _whole_name(name: Name, rclass: int, answers: list[AnswerSet]) -> Change | None:
        """Return what removes everything of a name, if that is what is left to say.

        Only who follows all types of the name knows that there is nothing else.
        """
        if any(each.has_class(rclass) for each in answers):
            return None
        topics = [each.topic for each in answers if each.topic.type == RecordType.ANY]
        if any(topic.rclass == RecordClass.ANY for topic in topics) and not any(
            each.records for each in answers
        ):
            return Change(ChangeKind.REMOVE_NAME, name)
        if topics:
            return Change(ChangeKind.REMOVE_CLASS, name, rclass=rclass)
        return None
