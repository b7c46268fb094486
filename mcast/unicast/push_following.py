"""What a client follows at one server of DNS Push, over all the sessions that this takes (RFC 8765).

Whoever holds it connects when `PushFollowing.wants_connection` says so, and gives it the messages of that
connection; what came of it is told by `PushFollowing.take_events`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from mcast.dns.codes import ResponseCode
from mcast.dns.names import Name
from mcast.dns.records import Identity, Record
from mcast.unicast.dso_client import Unsupported
from mcast.unicast.dso_session import Ended, Established, Event, How
from mcast.unicast.push import Topic
from mcast.unicast.push_client import Changed, PushClient, Refused, Subscribed
from mcast.unicast.push_retry import Retry

OUTAGE = 5.0
"""Seconds without a session before whoever follows is told, and asks in another way.

Our choice: a server that restarts is back by then; a screen need not know.
"""

RESYNC_DELAY = 10.0
"""Seconds after which what a new session has not told again is gone.

Our choice: nothing marks the end of the first answer, and a proxy that has just started needs some seconds
to hear of everything on its link.
"""

MAX_FOLLOWED = 1000
"""Topics at one server (RFC 8765 §3: "MUST NOT recklessly create an excessive number").

Our choice: as many as a server of ours accepts.
"""


@dataclass(frozen=True, slots=True)
class Told:
    """The answer to a topic changed."""

    topic: Topic
    added: Sequence[Record]
    removed: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Working:
    """A topic is pushed from now on: whoever asked in another way can stop."""

    topic: Topic


@dataclass(frozen=True, slots=True)
class Failing:
    """A topic is not pushed for now: what is known of it ages from now on, and is not told any more.

    It is tried again by itself; `Working` tells when that succeeded.
    """

    topic: Topic
    reason: str
    """In one line."""
    records: Sequence[Record]
    """What was known, with the rest of its TTL; records of TTL 0 end at this moment (RFC 8765 §6.3.1)."""


FollowingEvent = Told | Working | Failing


@dataclass(slots=True)
class _Followed:
    """One topic."""

    topic: Topic
    zone: Name
    id: int | None = None
    """Of the subscription in the present session."""
    records: dict[Identity, Record] = field(default_factory=dict)
    stale: dict[Identity, float] = field(default_factory=dict)
    """What an earlier session told, and when its time to live ends."""
    is_working: bool = False
    is_failing: bool = False
    trouble: str = ""
    failing_at: float = math.inf
    resync_at: float = math.inf


class PushFollowing:
    """What is followed at one server; all of it in one session (RFC 8490 §9.3)."""

    def __init__(self, rng: Random, counters: Counter[str] | None = None) -> None:
        self.counters: Final[Counter[str]] = Counter() if counters is None else counters
        self.retry: Final = Retry(rng)
        self.session: PushClient | None = None
        self._followed: dict[tuple[bytes, int, int], _Followed] = {}
        self._by_id: dict[int, _Followed] = {}
        self._events: list[FollowingEvent] = []
        self._barred_until = -math.inf
        self._barred_zones: dict[bytes, float] = {}
        self._has_connection = False
        """Or is about to get one, or has not closed it yet: one at a time to each server."""
        self._was_established = False
        self._was_useful = False

    # What is wanted

    def follow(self, topic: Topic, zone: Name, now: float) -> None:
        """Follow a topic of a zone that the server serves.

        :raises ValueError: it is followed already, or there are `MAX_FOLLOWED`.
        """
        if topic.key in self._followed:
            raise ValueError(f"{topic.name} is followed already")
        if len(self._followed) >= MAX_FOLLOWED:
            self.counters["topics beyond the limit"] += 1
            raise ValueError(f"{MAX_FOLLOWED} names are followed already at this server")
        followed = _Followed(topic, zone, failing_at=now + OUTAGE)
        self._followed[topic.key] = followed
        if now < self.retry.connect_at and self.session is None:
            self._fail(followed, self.retry.reason, now)
        self._subscribe(followed, now)

    def unfollow(self, topic: Topic, now: float) -> None:
        """Follow a topic no more; the session is closed when it was the last."""
        followed = self._followed.pop(topic.key, None)
        if followed is None:
            return
        if followed.id is not None and self.session is not None:
            del self._by_id[followed.id]
            if self._followed:
                self.session.unsubscribe(followed.id, now)
            else:
                # One message less: the end of the session cancels it as well (RFC 8765 §6.7).
                self.session.close()
        elif not self._followed and self.session is not None:
            self.session.close()

    def reconfirm(self, record: Record, now: float) -> bool:
        """Doubt a record; tell whether there was a session to say so in."""
        if self.session is None or not self.session.is_established:
            return False
        self.session.reconfirm(record, now)
        return True

    @property
    def topics(self) -> list[Topic]:
        """What is followed."""
        return [followed.topic for followed in self._followed.values()]

    def answer(self, topic: Topic) -> list[Record]:
        """Return what is known of a topic while it is pushed."""
        followed = self._followed.get(topic.key)
        return [] if followed is None else list(followed.records.values())

    def is_working(self, topic: Topic) -> bool:
        """Tell whether a topic is pushed, short outages aside."""
        followed = self._followed.get(topic.key)
        return followed is not None and followed.is_working

    def trouble(self, topic: Topic) -> str | None:
        """Return why a topic is not pushed, in one line; None while it is, or may soon be."""
        followed = self._followed.get(topic.key)
        return followed.trouble if followed is not None and followed.is_failing else None

    # The connection

    def wants_connection(self, now: float) -> bool:
        """Tell whether it is time to connect."""
        return bool(self._followed) and not self._has_connection and now >= self._connect_at()

    def connecting(self, now: float) -> None:
        """Take notice that a connection is tried."""
        self._has_connection = True
        self.retry.began(now)
        self.counters["connections tried"] += 1

    def connection_failed(self, reason: str, now: float) -> None:
        """Take notice that there is none."""
        self._has_connection = False
        self.counters["connections failed"] += 1
        self.retry.failed(reason, now)
        for followed in self._followed.values():
            # What worked until now may work again soon.
            if not followed.is_working:
                self._fail(followed, reason, now)

    def connected(self, now: float) -> PushClient:
        """Begin a session on a new connection."""
        self._was_established = self._was_useful = False
        self.session = PushClient(now, counters=self.counters)
        self.session.establish(now)
        for followed in self._followed.values():
            self._subscribe(followed, now)
        if not self._followed:
            self.session.close()
        return self.session

    def disconnected(self, now: float, reason: str = "the connection was closed") -> None:
        """Take notice that the connection is closed, whoever did it."""
        self._has_connection = False
        if self.session is not None:
            self.session.connection_lost(now, reason)
            self.update(now)

    # Time and events

    def take_events(self) -> list[FollowingEvent]:
        """Return what happened since the last call, oldest first."""
        events, self._events = self._events, []
        return events

    def next_timer(self) -> float | None:
        """Return when to call `due` next."""
        times = [] if self.session is None else [self.session.next_timer() or math.inf]
        if self._followed and not self._has_connection:
            times.append(self._connect_at())
        for followed in self._followed.values():
            times += (followed.failing_at, followed.resync_at)
            if followed.stale:
                times.append(min(followed.stale.values()))
            if followed.id is None and self.session is not None:
                times.append(self._barred(followed))
        at = min(times, default=math.inf)
        return at if at < math.inf else None

    def due(self, now: float) -> None:
        """Do what is due: see `wants_connection` after it."""
        if self.session is not None:
            self.session.due(now)
            self.update(now)
        for followed in tuple(self._followed.values()):
            if now >= followed.failing_at:
                self._fail(followed, self.retry.reason or "the server does not answer", now)
            self._drop_stale(followed, now)
            if followed.id is None and now >= self._barred(followed):
                self._subscribe(followed, now)

    def update(self, now: float) -> None:
        """Act on what happened in the session; called after each call of it."""
        session = self.session
        if session is None:
            return
        while events := session.take_events():
            for event in events:
                self._happened(session, event, now)

    def _happened(self, session: PushClient, event: Event, now: float) -> None:
        if isinstance(event, Changed):
            self._changed(event)
        elif isinstance(event, Established):
            self._was_established = True
        elif isinstance(event, Subscribed):
            self._subscribed(event, now)
        elif isinstance(event, Refused):
            self._refused(event, now)
        elif isinstance(event, Unsupported):
            self.counters["servers without DSO"] += 1
            self.retry.unsupported(now)
            self._fail_all(self.retry.reason, now)
            session.close("the server has no DNS Stateful Operations")
        elif isinstance(event, Ended):
            self._ended(event, now)

    # What happens in the session

    def _connect_at(self) -> float:
        """Return when a connection is of use again: not before a topic may be subscribed to."""
        return max(self.retry.connect_at, min(map(self._barred, self._followed.values())))

    def _barred(self, followed: _Followed) -> float:
        """Return until when a topic must not be subscribed to (RFC 8765 §6.2.2)."""
        return max(self._barred_until, self._barred_zones.get(followed.zone.key, -math.inf))

    def _subscribe(self, followed: _Followed, now: float) -> None:
        session = self.session
        if session is None or session.ended is not None or followed.id is not None:
            return
        if now < self._barred(followed):
            self._fail(followed, "the server refused it", now)
            return
        followed.id = session.subscribe(followed.topic, now)
        self._by_id[followed.id] = followed

    def _subscribed(self, event: Subscribed, now: float) -> None:
        followed = self._by_id.get(event.id)
        if followed is None:
            return
        self._was_useful = True
        self.retry.useful()
        followed.failing_at = math.inf
        followed.is_failing = False
        if followed.stale:
            followed.resync_at = now + RESYNC_DELAY
        if not followed.is_working:
            followed.is_working = True
            self._events.append(Working(followed.topic))

    def _refused(self, event: Refused, now: float) -> None:
        followed = self._by_id.pop(event.id, None)
        self.counters["subscriptions refused by the server"] += 1
        until = now + event.retry_delay
        if event.rcode == ResponseCode.NOTAUTH and followed is not None:
            self._barred_zones[followed.zone.key] = until
        else:
            self._barred_until = max(self._barred_until, until)
        if followed is not None:
            followed.id = None
            self._fail(followed, f"the server refused it with RCODE {event.rcode}", now)

    def _changed(self, event: Changed) -> None:
        followed = self._by_id.get(event.id)
        if followed is None:
            return
        added = []
        for record in event.added:
            known = followed.records.get(record.identity)
            followed.stale.pop(record.identity, None)
            followed.records[record.identity] = record
            if known is None or known.ttl != record.ttl:
                added.append(record)
        removed = []
        for record in event.removed:
            followed.stale.pop(record.identity, None)
            if followed.records.pop(record.identity, None) is not None:
                removed.append(record)
        self._tell(followed, added, removed)

    def _ended(self, event: Ended, now: float) -> None:
        self.session = None
        self._by_id.clear()
        if event.retry_delay is not None:
            self.counters["retry delays obeyed"] += 1
        if event.how is not How.GRACEFULLY or event.retry_delay is not None:
            self.retry.ended(event, now, was_established=self._was_established, was_useful=self._was_useful)
        is_long = self.retry.connect_at > now + OUTAGE
        for followed in self._followed.values():
            if followed.id is not None:
                followed.id = None
                followed.stale = {each.identity: now + each.ttl for each in followed.records.values()}
                followed.resync_at = math.inf
            if not followed.is_failing:
                followed.failing_at = min(followed.failing_at, now + OUTAGE)
            if is_long:
                self._fail(followed, self.retry.reason, now)
            else:
                self._drop_stale(followed, now)

    def _drop_stale(self, followed: _Followed, now: float) -> None:
        """Drop what a lost session told and this one has not, and what has aged (RFC 8765 §6.3.1)."""
        if now >= followed.resync_at:
            gone = list(followed.stale)
            followed.resync_at = math.inf
        else:
            gone = [identity for identity, at in followed.stale.items() if now >= at]
        for identity in gone:
            del followed.stale[identity]
        self._tell(followed, [], [followed.records.pop(identity) for identity in gone])

    def _fail_all(self, reason: str, now: float) -> None:
        for followed in self._followed.values():
            self._fail(followed, reason, now)

    def _fail(self, followed: _Followed, reason: str, now: float) -> None:
        """Tell once that a topic is not pushed, and hand over what is known of it."""
        followed.failing_at = math.inf
        if followed.is_failing:
            return
        followed.is_failing = True
        followed.trouble = reason
        followed.is_working = False
        records = [
            each.with_ttl(max(0, int(followed.stale.get(identity, now + each.ttl) - now)))
            for identity, each in followed.records.items()
        ]
        followed.records.clear()
        followed.stale.clear()
        followed.resync_at = math.inf
        self._events.append(Failing(followed.topic, reason, records))

    def _tell(self, followed: _Followed, added: list[Record], removed: list[Record]) -> None:
        if added or removed:
            self._events.append(Told(followed.topic, added, removed))
