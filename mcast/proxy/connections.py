"""TCP and TLS connections of clients (RFC 7766), with a place for stateful sessions (RFC 8490).

How Push takes its messages from here::

    class PushSession:                               # a StatefulSession
        def __init__(self, connection: Connection) -> None: ...
        is_established: bool
        def message_received(self, message: bytes, now: float) -> None: ...   # each DSO message
        def query_received(self, message: bytes, now: float) -> bool: ...     # a plain query; answer it?
        def query_answered(self, now: float) -> None: ...                     # its answer is about to leave
        def held(self, now: float) -> None: ...                               # the client reads nothing
        def released(self, now: float) -> None: ...                           # it reads again
        def connection_lost(self, now: float) -> None: ...                    # whoever ended it

    server.sessions = PushSession                    # before the start: a SessionMaker

The first message with opcode 6 on a TLS connection makes a session; this one and all later ones of that
opcode, requests and responses, are handed to it, and nothing else is. It answers by `Connection.send`, ends
the connection by `Connection.end` or `Connection.abort`, and has its own timers (RFC 8490 §6.4, §6.5): a
connection with an established session is not closed for being idle. Plain queries on it are answered as on
any other (RFC 8490 §5.1). Without a maker, and without TLS (RFC 8765 §5), a DSO message is answered by NOTIMP
as any unknown opcode.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import Factory
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from mcast.proxy.turns import Turns
from mcast.unicast.framing import Unframer, framed

IDLE_LIMIT = 10.0
"""Seconds without a whole message after which a connection is closed.

Our choice: RFC 7766 §6.2.3 wants "of the order of a few seconds". Octets that complete no message do not
count, so that segments of one octet hold no connection. A query that waits for the link does count.
"""

MAX_CONNECTIONS = 500
"""Connections at a time. Our choice: half the descriptors that a program usually may open."""

MAX_CONNECTIONS_OF_CLIENT = 150
"""Connections of one address. Our choice: hosts behind one translator of addresses; a third of all."""

MAX_OUTSTANDING = 100
"""Queries of one connection that wait for the link; beyond that nothing more is read until one is answered.

Our choice: as many as a busy resolver has at a time.
"""

MAX_UNSENT = 1_000_000
"""Octets that a client leaves unread before the connection is aborted. Our choice: fifteen full messages."""

DSO_OPCODE: Final = 6
"""RFC 8490 §5.1."""


class StatefulSession(Protocol):
    """What a DSO session on a connection is told; see the module."""

    @property
    def is_established(self) -> bool:
        """Whether the session decides how long the connection may be idle (RFC 8490 §5.2)."""

    def message_received(self, message: bytes, now: float) -> None:
        """Take in a DSO message, without its length."""

    def query_received(self, message: bytes, now: float) -> bool:
        """Take note of a plain query (RFC 8490 §6.3); return whether it is to be answered."""

    def query_answered(self, now: float) -> None:
        """Take note that a query that was received is answered, or never will be."""

    def held(self, now: float) -> None:
        """Take note that the client does not read what it was sent."""

    def released(self, now: float) -> None:
        """Take note that it reads again."""

    def connection_lost(self, now: float) -> None:
        """Take note that the connection is gone."""


class Answering(Protocol):
    """What answers the plain queries."""

    def answer(
        self, message: bytes, client: str, reply: Callable[[bytes], object], *, stream: bool
    ) -> bytes | None:
        """Return the answer to a message, or None when it comes later by ``reply``, or not at all."""


@implementer(IPushProducer, IHalfCloseableProtocol)
class Connection(TwistedProtocol):
    """One connection of a client; see the module."""

    def __init__(self, server: ConnectionServer, client: str, *, is_secure: bool) -> None:
        self.client: Final = client
        """The address of the client."""
        self.is_secure: Final = is_secure
        """Whether it is a TLS connection."""
        self.session: StatefulSession | None = None
        self.outstanding = 0
        """Queries that wait for their answers."""
        self.active_at = server.clock.seconds()
        """When the last whole message came."""
        self._server = server
        self._unframer = Unframer()
        self._messages: deque[bytes] = deque()
        self._unsent = 0
        self._is_backed_up = False
        self._is_half_closed = False
        self._is_over = False

    def __repr__(self) -> str:
        return f"<Connection of {self.client}{' by TLS' if self.is_secure else ''}>"

    @property
    def has_session(self) -> bool:
        """Whether a session decides when the connection is to be closed."""
        return self.session is not None and self.session.is_established

    # What a session does

    def send(self, message: bytes) -> None:
        """Send a message, after its length, in one piece (RFC 7766 §8).

        A client that does not read what it is sent loses its connection at `MAX_UNSENT`.

        :raises ValueError: it is longer than 65535 octets.
        """
        if self._is_over:
            return
        data = framed(message)
        if self._is_backed_up:
            self._unsent += len(data)
            if self._unsent > MAX_UNSENT:
                self._server.counters["connections that read nothing"] += 1
                self.abort()
                return
        assert self.transport is not None
        self.transport.write(data)

    def end(self) -> None:
        """Close the connection when all has been sent."""
        self._is_over = True
        if self.transport is not None:
            self.transport.loseConnection()

    def abort(self) -> None:
        """Close the connection at once, with a reset (RFC 8490 §5.3)."""
        self._is_over = True
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]  # of ITCPTransport

    # What Twisted calls

    def connectionMade(self) -> None:
        """Refuse it when there are too many; otherwise listen to the client."""
        assert self.transport is not None
        self.transport.registerProducer(self, True)  # type: ignore[attr-defined]  # of IConsumer
        if not self._server.admit(self):
            self.abort()

    def dataReceived(self, data: bytes) -> None:
        """Take in what came; what is left after a turn waits for the next."""
        if self._is_over:
            return
        messages = self._unframer.feed(data)
        if messages:
            self.active_at = self._server.clock.seconds()
            self._messages.extend(messages)
            self._server.turns.offer(self)
            self._pace()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Forget what waits, and tell the session."""
        self._is_over = True
        self._messages.clear()
        self._server.turns.leave(self)
        self._server.forget(self)
        session, self.session = self.session, None
        if session is not None:
            session.connection_lost(self._server.clock.seconds())

    def readConnectionLost(self) -> None:
        """Answer what has been asked, and close: the client asks no more, and may still read.

        Of a connection by TLS we learn of the end of both directions only.
        """
        self._is_half_closed = True
        self._end_when_done()

    def writeConnectionLost(self) -> None:
        """Do nothing: the connection ends by itself."""

    def _end_when_done(self) -> None:
        if self._is_half_closed and not (self._is_over or self.outstanding or self._messages):
            self.end()

    def pauseProducing(self) -> None:
        """Read no more queries: the client does not read our answers."""
        self._is_backed_up = True
        self._unsent = 0
        if self.session is not None:
            self.session.held(self._server.clock.seconds())
        self._pace()

    def resumeProducing(self) -> None:
        """Go on: what was to be sent is sent."""
        self._is_backed_up = False
        if self.session is not None:
            self.session.released(self._server.clock.seconds())
        self._pace()
        if self.has_work:
            self._server.turns.offer(self)

    def stopProducing(self) -> None:
        """Nothing is produced without a query."""

    # Messages

    @property
    def has_work(self) -> bool:
        """Whether messages are left that can be dealt with now."""
        return bool(self._messages) and not self._is_over and not self._must_wait

    def work(self, limit: int) -> int:
        """Deal with messages that have come (called by `Turns`)."""
        done = 0
        while done < limit and self.has_work:
            done += 1
            self._receive(self._messages.popleft())
        self._pace()
        self._end_when_done()
        return done

    @property
    def _must_wait(self) -> bool:
        return self._is_backed_up or self.outstanding >= MAX_OUTSTANDING

    def _pace(self) -> None:
        """Read from the client, or leave what it sends in the buffers of the system."""
        if self._is_over or self._is_half_closed or self.transport is None:
            return
        if self._messages or self._must_wait:
            self.transport.pauseProducing()  # type: ignore[attr-defined]  # of ITCPTransport
        else:
            self.transport.resumeProducing()  # type: ignore[attr-defined]  # of ITCPTransport

    def _receive(self, message: bytes) -> None:
        now = self._server.clock.seconds()
        if self._server.sessions is not None and self.is_secure and _is_dso(message):
            if self.session is None:
                self.session = self._server.sessions(self)
            self.session.message_received(message, now)
            return
        if self.session is not None and not self.session.query_received(message, now):
            return
        self.outstanding += 1
        answer = self._server.answering.answer(message, self.client, self._answered, stream=True)
        if answer is not None:
            self._respond(answer)

    def _answered(self, answer: bytes) -> None:
        """Send an answer that came later; go on with what waited for it."""
        was_waiting = self._must_wait
        self._respond(answer)
        self._end_when_done()
        if was_waiting and not self._is_over:
            # Not at once: the link may answer many queries in one moment.
            self._server.turns.enqueue(self)

    def _respond(self, answer: bytes) -> None:
        self.outstanding -= 1
        if self.session is not None:
            self.session.query_answered(self._server.clock.seconds())
        if not answer or self._is_over:
            return
        self.active_at = self._server.clock.seconds()
        self.send(answer)


class ConnectionServer(Factory):
    """Makes a `Connection` for each client, and closes those that hold more than their share.

    :param answering: answers the plain queries. Its ``reply`` is called once for each query that it does not
        answer at once, with no octets when there is nothing to say.
    """

    noisy = False

    def __init__(self, clock: IReactorTime, answering: Answering) -> None:
        self.clock: Final = clock
        self.answering: Final = answering
        self.sessions: SessionMaker | None = None
        """Makes a session for the first DSO message of a TLS connection."""
        self.counters: Final[Counter[str]] = Counter()
        """What was refused or closed, by cause."""
        self.turns: Final = Turns(clock)
        """Who works next."""
        self._connections: dict[Connection, None] = {}
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._connections)

    def secured(self) -> SecureFactory:
        """Return the factory of the TLS port, whose connections are counted here with the others."""
        return SecureFactory(self)

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        """Return the protocol of a plain connection."""
        return Connection(self, _host(addr), is_secure=False)

    def admit(self, connection: Connection) -> bool:
        """Count a connection, or say that there are too many (called by it)."""
        of_client = sum(each.client == connection.client for each in self._connections)
        if of_client >= MAX_CONNECTIONS_OF_CLIENT:
            self.counters["connections beyond the limit of a client"] += 1
            return False
        if len(self._connections) >= MAX_CONNECTIONS and not self._make_room():
            self.counters["connections beyond the limit"] += 1
            return False
        self.counters["connections"] += 1
        self._connections[connection] = None
        if self._timer is None:
            self._timer = self.clock.callLater(IDLE_LIMIT, self._close_idle)
        return True

    def forget(self, connection: Connection) -> None:
        """Count a connection no more (called by it)."""
        self._connections.pop(connection, None)
        if not self._connections and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def end(self) -> None:
        """Close all connections; sessions have ended theirs before."""
        for connection in tuple(self._connections):
            connection.end()

    def abort(self) -> None:
        """Close all connections at once."""
        for connection in tuple(self._connections):
            connection.abort()

    def _make_room(self) -> bool:
        """Close the connection that was idle for the longest time, when there is one (RFC 7766 §6.2.3)."""
        idle = [one for one in self._connections if not one.has_session and not one.outstanding]
        if not idle:
            return False
        oldest = min(idle, key=lambda one: one.active_at)
        self.counters["idle connections closed for others"] += 1
        self.forget(oldest)
        oldest.abort()
        return True

    def _close_idle(self) -> None:
        self._timer = None
        now = self.clock.seconds()
        next_at = now + IDLE_LIMIT
        for connection in tuple(self._connections):
            if connection.has_session or connection.outstanding:
                continue
            ends_at = connection.active_at + IDLE_LIMIT
            if ends_at <= now:
                self.counters["idle connections closed"] += 1
                self.forget(connection)
                connection.abort()
            else:
                next_at = min(next_at, ends_at)
        if self._connections:
            self._timer = self.clock.callLater(next_at - now, self._close_idle)


class SecureFactory(Factory):
    """Makes the connections of the TLS port."""

    noisy = False

    def __init__(self, server: ConnectionServer) -> None:
        self._server = server

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        """Return the protocol of a TLS connection."""
        return Connection(self._server, _host(addr), is_secure=True)


SessionMaker = Callable[[Connection], StatefulSession]
"""Makes the session of a connection, when its first DSO message has come."""


def _is_dso(message: bytes) -> bool:
    return len(message) > 2 and message[2] >> 3 & 0xF == DSO_OPCODE


def _host(addr: Any) -> str:
    return str(getattr(addr, "host", ""))
