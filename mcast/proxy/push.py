"""DNS Push Notifications of the proxy: sessions on one side, watches of the link on the other (RFC 8765)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mcast.dns.codes import ResponseCode
from mcast.dns.messages import Question
from mcast.dns.records import Record
from mcast.proxy.connections import Connection
from mcast.proxy.push_session import PushSession
from mcast.proxy.watching import NotWatched
from mcast.unicast.answer_set import AnswerSet
from mcast.unicast.dso_server import Granted
from mcast.unicast.dso_session import Ended, Established, Event
from mcast.unicast.push import Topic
from mcast.unicast.push_server import (
    PushServer,
    ReconfirmRequested,
    SubscribeRequested,
    Unsubscribed,
)
from mcast.unicast.usable import Realm

MAX_SESSIONS = 400
"""Sessions at a time; a client beyond that is told to come back later.

Our choice: below the connections that the proxy has, so that plain queries by TLS still find one.
"""

OVERLOAD_DELAY = 60.0
"""Seconds that a client for whom there is no session is told to wait, give or take half of it.

RFC 8765 §6.2.2 recommends one minute for SERVFAIL; at random, so that they do not all come back at once (RFC
8490 §6.6.1).
"""

RESTART_DELAY = 1.0
"""Seconds after which the first client may come back when the proxy stops. Our choice: a restart is short."""

RESTART_STEP = 0.1
"""Seconds between one client and the next then: ten clients a second (RFC 8490 §6.6.1.1)."""

_RCODES: Final = {"zone": ResponseCode.NOTAUTH, "class": ResponseCode.NOTAUTH}
"""What a client is told when a question cannot be watched, by the reason; SERVFAIL otherwise."""


class Following(Protocol):
    """One question that is followed."""

    def stop(self) -> None:
        """Follow it no more."""


class Watching(Protocol):
    """Where the records come from; see `mcast.proxy.watching.Watches`."""

    def start(
        self,
        question: Question,
        changed: Callable[[Sequence[Record], Sequence[Record]], object],
        realm: Realm = ...,
        client: str = ...,
    ) -> Following:
        """Follow the records that answer a question."""

    def reconfirm(self, record: Record) -> bool:
        """Ask on the link for a record that may be wrong."""


class KnownClient(Protocol):
    """What is known of a client by its address."""

    @property
    def is_allowed(self) -> bool:
        """Whether it may ask at all."""

    @property
    def realm(self) -> Realm:
        """Which addresses are of use to it."""


@dataclass(slots=True)
class _Followed:
    """One answer, and the watch that keeps it up to date."""

    answers: AnswerSet
    watch: Following | None = None


_Key = tuple[tuple[bytes, int, int], Realm]


class Push:
    """All sessions of DNS Push of a proxy.

    Sessions that subscribe to the same question share one watch, and so one question on the link.

    :param watches: what follows records on the links.
    :param look: tells what is known of a client by its address.
    :param rng: spreads the retry delays.
    :param granted: the bounds of the timeouts that are granted.
    """

    def __init__(
        self,
        clock: IReactorTime,
        watches: Watching,
        look: Callable[[str], KnownClient],
        rng: Random,
        granted: Granted | None = None,
    ) -> None:
        self.clock: Final = clock
        self.counters: Final[Counter[str]] = Counter()
        """What happened in sessions, by cause."""
        self._watches = watches
        self._look = look
        self._rng = rng
        self._granted = granted
        self._sessions: dict[PushServer, PushSession] = {}
        self._surplus: set[PushServer] = set()
        self._followed: dict[_Key, _Followed] = {}
        self._keys: dict[AnswerSet, _Key] = {}
        self._dirty: dict[PushServer, None] = {}
        self._flush: IDelayedCall | None = None
        self._stopped: Deferred[None] | None = None

    def session(self, connection: Connection) -> PushSession:
        """Make the session of a connection, whose first DSO message has come."""
        core = PushServer(self.clock.seconds(), self._granted, self.counters)
        session = PushSession(self, connection, core)
        if len(self._sessions) >= MAX_SESSIONS:
            self._surplus.add(core)
        self._sessions[core] = session
        return session

    def statistics(self) -> dict[str, Any]:
        """Return how much there is of each thing now, and what has happened, by name."""
        subscriptions = sum(len(followed.answers.subscribers) for followed in self._followed.values())
        return {
            "sessions": len(self._sessions),
            "subscriptions": subscriptions,
            "answers followed": len(self._followed),
            **self.counters,
        }

    def stop(self) -> Deferred[None]:
        """End all sessions, and tell each client when it may come back (RFC 8490 §6.6.1).

        :returns: fires when they have closed their connections, or were cut off five seconds later.
        """
        if self._stopped is None:
            self._stopped = Deferred()
            now = self.clock.seconds()
            delay = RESTART_DELAY
            for session in tuple(self._sessions.values()):
                self._shut_down(session, delay, ResponseCode.NOERROR, now)
                delay += RESTART_STEP
            self._done()
        return self._stopped

    # What happens in sessions

    def happened(self, session: PushSession, event: Event, now: float) -> None:
        """Act on an event of a session."""
        if isinstance(event, SubscribeRequested):
            self._subscribe(session, event.id, event.topic, now)
        elif isinstance(event, Unsubscribed):
            self._leave(event.answers)
        elif isinstance(event, ReconfirmRequested):
            if not self._watches.reconfirm(event.record):
                self.counters["reconfirmations of unknown records"] += 1
        elif isinstance(event, Established):
            if self._is_full(session):
                self.counters["sessions beyond the limit"] += 1
                self._shut_down(session, self._overload_delay(), ResponseCode.SERVFAIL, now)
        elif isinstance(event, Ended):
            self._sessions.pop(session.core, None)
            self._surplus.discard(session.core)
            self._dirty.pop(session.core, None)
            self._done()

    def _is_full(self, session: PushSession) -> bool:
        """Tell whether there was no room for a session when it came, or we stop."""
        return session.core in self._surplus or self._stopped is not None

    def _overload_delay(self) -> float:
        return self._rng.uniform(0.5, 1.5) * OVERLOAD_DELAY

    def _subscribe(self, session: PushSession, identifier: int, topic: Topic, now: float) -> None:
        client = self._look(session.connection.client)
        if not client.is_allowed:
            self.counters["clients that may not subscribe"] += 1
            session.core.refuse(identifier, ResponseCode.REFUSED, now)
            return
        if self._is_full(session):
            session.core.refuse(identifier, ResponseCode.SERVFAIL, now, self._overload_delay())
            return
        key = (topic.key, client.realm)
        followed = self._followed.get(key)
        if followed is None:
            followed = _Followed(AnswerSet(topic))
            answers = followed.answers
            try:
                followed.watch = self._watches.start(
                    Question(topic.name, topic.type, topic.rclass),
                    lambda added, removed: self._changed(answers, added, removed),
                    client.realm,
                    session.connection.client,
                )
            except NotWatched as error:
                session.core.refuse(identifier, _RCODES.get(error.why, ResponseCode.SERVFAIL), now)
                return
            self._followed[key] = followed
            self._keys[answers] = key
        session.core.accept(identifier, followed.answers, now)

    def _leave(self, answers: AnswerSet) -> None:
        """Follow an answer no more when nobody subscribes to it."""
        if answers.subscribers:
            return
        key = self._keys.pop(answers, None)
        if key is not None:
            followed = self._followed.pop(key)
            assert followed.watch is not None
            followed.watch.stop()

    def _changed(self, answers: AnswerSet, added: Sequence[Record], removed: Sequence[Record]) -> None:
        if not answers.change(added, removed):
            return
        for subscriber in answers.subscribers:
            assert isinstance(subscriber, PushServer)
            self._dirty[subscriber] = None
        if self._dirty and self._flush is None:
            # Other answers may change in this moment as well: a client is told all in one message.
            self._flush = self.clock.callLater(0, self._push)

    def _push(self) -> None:
        self._flush = None
        dirty, self._dirty = self._dirty, {}
        now = self.clock.seconds()
        for core in dirty:
            session = self._sessions.get(core)
            if session is not None:
                session.step(lambda core=core: core.flush(now), now)  # type: ignore[misc]

    # The end

    @staticmethod
    def _shut_down(session: PushSession, delay: float, rcode: int, now: float) -> None:
        session.step(lambda: session.core.shut_down(delay, now, rcode), now)

    def _done(self) -> None:
        if self._stopped is not None and not self._sessions and not self._stopped.called:
            if self._flush is not None:
                self._flush.cancel()
                self._flush = None
            self._stopped.callback(None)
