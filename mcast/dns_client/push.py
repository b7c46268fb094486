"""Subscriptions to records of DNS zones, by DNS Push over TLS (RFC 8765).

::

    pushes = PushConnections(reactor, resolve)
    cancel = pushes.subscribe(PushTarget("proxy.example.com", 853, zone), topic, changed, state)
    …
    cancel()
    await pushes.close()

All subscriptions at one server share a connection (RFC 8490 §9.3), and those to one topic share one there.
Servers are found by `mcast.unicast.push_discovery`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from random import Random, SystemRandom
from typing import Any, Final, NamedTuple, Protocol

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from mcast.clock import clock_of
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.dns_client.push_stream import PushStream, Resolve, TLSConnector
from mcast.unicast.dso_session import How
from mcast.unicast.push import Topic
from mcast.unicast.push_client import PushClient
from mcast.unicast.push_following import Failing, FollowingEvent, PushFollowing, Told, Working


class PushTarget(NamedTuple):
    """A server of DNS Push, and the zone for which it was found."""

    host: str
    """The name that its certificate must have, without a final dot."""
    port: int
    zone: Name

    @property
    def key(self) -> tuple[str, int]:
        """What tells servers apart: name and port, never an address (RFC 8490 §9.1)."""
        return self.host.lower(), self.port


Changed = Callable[[Sequence[Record], Sequence[Record]], object]
"""Called with what was added and what was removed. A record that is added again has another TTL now."""

State = Callable[[str | None], object]
"""Called with None when a topic is pushed from now on, and with the reason when it is not: then its records
are not told any more, and whoever needs them polls (RFC 8765 §6.8) until it is called with None again."""


class Connect(Protocol):
    """What opens a connection; see `TLSConnector`."""

    def connect(
        self, host: str, port: int, ready: Callable[[PushStream], None], failed: Callable[[str], None]
    ) -> Coroutine[Any, Any, None]:
        """Connect to a server."""


@dataclass(eq=False, slots=True)
class _Listener:
    """One subscription of a caller."""

    topic: Topic
    changed: Changed
    state: State
    is_cancelled: bool = False


class PushConnections:
    """The connections to all servers of DNS Push.

    :param resolve: finds the addresses of a server's host name.
    :param authorities: a file of certificates of those who may vouch for servers; the system's by default.
    :param rng: spreads attempts to connect.
    :param connect: opens connections; for tests.
    :raises ValueError: the file cannot be used.
    """

    def __init__(
        self,
        reactor: Any,
        resolve: Resolve,
        authorities: str | None = None,
        rng: Random | None = None,
        *,
        connect: Connect | None = None,
    ) -> None:
        self.reactor: Final = reactor
        self.connector: Final = connect or TLSConnector(reactor, resolve, authorities)
        self.rng: Final = SystemRandom() if rng is None else rng
        self.counters: Final[Counter[str]] = Counter()
        """What happened, by cause: connections, sessions, refusals, what was skipped."""
        self._servers: dict[tuple[str, int], _Server] = {}
        self._closing: set[_Server] = set()
        self._closed: Deferred[None] | None = None

    def subscribe(
        self, target: PushTarget, topic: Topic, changed: Changed, state: State
    ) -> Callable[[], None]:
        """Follow a topic at a server until what is returned is called.

        Nothing is called before this has returned.

        :raises ValueError: there are too many topics at this server already, or all is closed.
        """
        if self._closed is not None:
            raise ValueError("the connections are closed")
        server = self._servers.get(target.key)
        if server is None:
            server = self._servers[target.key] = _Server(self, target)
        listener = _Listener(topic, changed, state)
        server.add(listener, target.zone)
        return lambda: server.remove(listener)

    def reconfirm(self, target: PushTarget, record: Record) -> bool:
        """Tell a server that a record seems to be stale (RFC 8765 §6.5); False without a session."""
        server = self._servers.get(target.key)
        return server is not None and server.reconfirm(record)

    def statistics(self) -> dict[str, Any]:
        """Return how many servers and topics there are now, and what has happened, by name."""
        return {
            "servers": len(self._servers),
            "topics": sum(server.topic_count for server in self._servers.values()),
            "sessions": sum(server.is_connected for server in self._servers.values()),
            **self.counters,
        }

    def close(self) -> Deferred[None]:
        """Cancel everything, and close all connections; fires when they are closed."""
        if self._closed is None:
            self._closed = Deferred()
            for server in tuple(self._servers.values()):
                server.remove_all()
            self._done()
        return self._closed

    def forget(self, server: _Server) -> None:
        """Keep a server no longer than its connection, when nobody follows anything there (called by it)."""
        if self._servers.get(server.target.key) is server:
            del self._servers[server.target.key]
        self._closing.add(server)

    def gone(self, server: _Server) -> None:
        """Take notice that a server without followers has no connection any more (called by it)."""
        self._closing.discard(server)
        self._done()

    def _done(self) -> None:
        if self._closed is not None and not self._closing and not self._closed.called:
            self._closed.callback(None)


class _Server:
    """One server: its following, its connection, and who listens."""

    _log = Logger()

    def __init__(self, pool: PushConnections, target: PushTarget) -> None:
        self.target: Final = target
        self._pool: Final = pool
        self._clock: Final = clock_of(pool.reactor)
        self._following: Final = PushFollowing(pool.rng, pool.counters)
        self._listeners: dict[tuple[bytes, int, int], list[_Listener]] = {}
        self._stream: PushStream | None = None
        self._session: PushClient | None = None
        self._is_opening = False
        self._timer: IDelayedCall | None = None
        self._soon: IDelayedCall | None = None
        self._new: list[_Listener] = []
        self._is_stepping = False
        self._is_over = False

    def __repr__(self) -> str:
        return f"<DNS Push at {self.target.host}:{self.target.port}>"

    @property
    def topic_count(self) -> int:
        """How many topics are followed."""
        return len(self._listeners)

    @property
    def is_connected(self) -> bool:
        """Whether there is a session."""
        return self._session is not None and self._session.is_established

    # What callers do

    def add(self, listener: _Listener, zone: Name) -> None:
        """Follow a topic for one more listener."""
        of_topic = self._listeners.get(listener.topic.key)
        if of_topic is None:
            self._following.follow(listener.topic, zone, self._clock.seconds())
            self._listeners[listener.topic.key] = [listener]
        else:
            of_topic.append(listener)
            self._new.append(listener)
        if self._soon is None:
            # After the call: a caller is not told anything before it holds what cancels it.
            self._soon = self._clock.callLater(0, self._begin)

    def remove(self, listener: _Listener) -> None:
        """Follow its topic no more, unless another listener does."""
        of_topic = self._listeners.get(listener.topic.key, [])
        if listener not in of_topic:
            return
        of_topic.remove(listener)
        listener.is_cancelled = True
        if listener in self._new:
            self._new.remove(listener)
        if of_topic:
            return
        del self._listeners[listener.topic.key]
        now = self._clock.seconds()
        self._following.unfollow(listener.topic, now)
        self._step(now)

    def remove_all(self) -> None:
        """Let go of all listeners."""
        for of_topic in tuple(self._listeners.values()):
            for listener in tuple(of_topic):
                self.remove(listener)

    def reconfirm(self, record: Record) -> bool:
        """Doubt a record."""
        now = self._clock.seconds()
        said = self._following.reconfirm(record, now)
        self._step(now)
        return said

    # What the connection tells

    def received(self, messages: list[bytes]) -> None:
        """Take messages of the server."""
        now = self._clock.seconds()
        for message in messages:
            if self._session is not None:
                self._session.receive(message, now)
        self._step(now)

    def lost(self, reason: str) -> None:
        """Take notice that the connection is closed."""
        now = self._clock.seconds()
        self._stream = None
        self._following.disconnected(now, reason)
        self._step(now)

    # Steps

    def _begin(self) -> None:
        self._soon = None
        new, self._new = self._new, []
        for listener in new:
            trouble = self._following.trouble(listener.topic)
            if trouble is not None:
                self._call(listener, listener.state, trouble)
            elif self._following.is_working(listener.topic):
                self._call(listener, listener.state, None)
                records = self._following.answer(listener.topic)
                if records:
                    self._call(listener, listener.changed, records, ())
        self._step(self._clock.seconds())

    def _step(self, now: float) -> None:
        """Do all that is to be done now; then wait."""
        if self._is_stepping:
            return
        self._is_stepping = True
        try:
            while True:
                self._following.update(now)
                self._move(now)
                events = self._following.take_events()
                if not events:
                    break
                for event in events:
                    self._tell(event)
        finally:
            self._is_stepping = False
        self._arm()

    def _move(self, now: float) -> None:
        """Send, close and connect."""
        session, stream = self._session, self._stream
        if session is not None:
            if stream is not None:
                stream.send(session.take_outgoing())
            if session.ended is not None:
                self._session = None
                self._log.debug(
                    "DNS Push at {host}: {reason}", host=self.target.host, reason=session.ended.reason
                )
                if stream is not None:
                    (stream.abort if session.ended.how is How.FORCIBLY else stream.close)()
        if self._following.wants_connection(now):
            self._following.connecting(now)
            self._is_opening = True
            target = self.target
            ensureDeferred(
                self._pool.connector.connect(target.host, target.port, self._ready, self._failed)
            ).addErrback(self._broken)
        if not self._listeners and not self._is_over:
            self._is_over = True
            self._pool.forget(self)
        if self._is_over and self._stream is None and not self._is_opening:
            self._pool.gone(self)

    def _ready(self, stream: PushStream) -> None:
        now = self._clock.seconds()
        self._is_opening = False
        stream.owner = self
        self._stream = stream
        if not self._listeners:
            stream.close()
            return
        self._session = self._following.connected(now)
        self._step(now)

    def _failed(self, reason: str) -> None:
        now = self._clock.seconds()
        self._log.debug("DNS Push at {host}: {reason}", host=self.target.host, reason=reason)
        self._is_opening = False
        self._following.connection_failed(reason, now)
        self._step(now)

    def _broken(self, failure: Any) -> None:
        self._log.failure("a connection to {host}", failure, host=self.target.host)
        self._failed("it could not be connected to")

    def _tell(self, event: FollowingEvent) -> None:
        for listener in tuple(self._listeners.get(event.topic.key, ())):
            if listener in self._new:
                continue
            match event:
                case Told(_, added, removed):
                    self._call(listener, listener.changed, added, removed)
                case Working():
                    self._call(listener, listener.state, None)
                case Failing(_, reason, _):
                    self._call(listener, listener.state, reason)

    def _call(self, listener: _Listener, function: Callable[..., object], *arguments: object) -> None:
        if listener.is_cancelled:
            return
        try:
            function(*arguments)
        except Exception:
            self._log.failure("a listener of DNS Push")

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = None if self._is_over else self._following.next_timer()
        if at is not None:
            self._timer = self._clock.callLater(max(0.0, at - self._clock.seconds()), self._ring, at)

    def _ring(self, at: float) -> None:
        self._timer = None
        now = max(at, self._clock.seconds())
        self._following.due(now)
        self._step(now)
