"""How octets travel to DNS servers: UDP from a fresh port for each query, TCP over connections that stay."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.error import TimeoutError as TimedOut
from twisted.internet.interfaces import IDelayedCall, IReactorUDP
from twisted.internet.protocol import DatagramProtocol
from twisted.protocols.basic import Int16StringReceiver
from twisted.python.failure import Failure

from mcast.clock import clock_of
from mcast.neighbours import SocketAddress
from mcast.showing import one_line
from mcast.unicast.servers import ServerAddress

CONNECT_TIMEOUT = 4.0
"""Seconds that a TCP connection may take to be made. Our choice: a lost SYN is repeated after 1 and 3 s."""

IDLE_TIMEOUT = 10.0
"""Seconds after which a connection without a query is closed.

RFC 7766 §6.2.3 wants "of the order of a few seconds"; the questions of a zone are repeated after some.
"""

MAX_PIPELINED = 100
"""Queries that wait for their answers on one connection. Our choice: what BIND serves at a time."""

_TRIES = 2
"""Connections by which one query is sent: a server may close an idle one as we use it (RFC 7766 §6.2.4)."""

MAX_DATAGRAM = 8192
"""Octets of a datagram that are read (Twisted's own number); we say that we take `PAYLOAD_SIZE`."""

Heard = Callable[[bytes], object]
"""Takes the octets that came from a server."""

Failed = Callable[[str], object]
"""Takes why nothing can come, in words for people."""


class DatagramExchange(DatagramProtocol):
    """One UDP port that is connected to one server, so that nobody else's datagrams arrive (RFC 5452 §9.2).

    Each is opened for one query, so that the system chooses its number at random (RFC 5452 §9.2).
    """

    noisy = False

    def __init__(self, server: ServerAddress, heard: Heard, failed: Failed) -> None:
        self._server: Final = server
        self._heard: Heard | None = heard
        self._failed: Final = failed
        self._port: Any = None

    def open(self, reactor: Any) -> None:
        """Open the port.

        :raises OSError: the system refuses it, or knows no way to the server.
        """
        if not IReactorUDP.providedBy(reactor):
            raise OSError("this reactor has no UDP")
        self._port = reactor.listenUDP(0, self, "::" if self._server.ipv6 else "", MAX_DATAGRAM)

    def startProtocol(self) -> None:
        assert self.transport is not None
        self.transport.connect(self._server.host, self._server.port)

    def send(self, payload: bytes) -> None:
        """Send a query.

        :raises OSError: there is no way to the server.
        """
        if self.transport is None:
            return
        self.transport.write(payload, (self._server.host, self._server.port))

    def datagramReceived(self, datagram: bytes, addr: SocketAddress) -> None:
        if self._heard is not None:
            self._heard(datagram)

    def connectionRefused(self) -> None:
        """Take in that nobody listens there (ICMP port unreachable)."""
        if self._heard is not None:
            self._failed("nobody listens on its UDP port")

    def stopProtocol(self) -> None:
        # With epoll and poll, Twisted takes that ICMP message for the end of the port, and tells just this.
        self.connectionRefused()

    def close(self) -> None:
        """Close the port; may be called twice."""
        self._heard = None
        port, self._port = self._port, None
        if port is not None:
            port.stopListening()


class _Query:
    """A query that goes by TCP."""

    __slots__ = ("failed", "heard", "is_over", "payload", "tries")

    def __init__(self, payload: bytes, heard: Heard, failed: Failed) -> None:
        self.payload: Final = payload
        self.heard: Final = heard
        self.failed: Final = failed
        self.tries = 0
        self.is_over = False


class _Connection(Int16StringReceiver):
    """A TCP connection to a server; queries are pipelined, and answered in any order (RFC 7766 §7)."""

    MAX_LENGTH = 0xFFFF

    def __init__(self, owner: ServerStreams, rng: Random) -> None:
        self._owner = owner
        self._rng = rng
        self.pending: dict[int, _Query] = {}
        """By the ID on this connection, each of which differs (RFC 7766 §6.2.1.1)."""

    def send(self, query: _Query) -> None:
        """Send a query under an ID of this connection."""
        assert self.transport is not None
        number = self._rng.randrange(0x10000)
        while number in self.pending:
            number = (number + 1) & 0xFFFF
        self.pending[number] = query
        query.tries += 1
        self.sendString(number.to_bytes(2, "big") + query.payload[2:])

    def stringReceived(self, string: bytes) -> None:
        query = self.pending.pop(int.from_bytes(string[:2], "big"), None) if len(string) >= 12 else None
        if query is not None and not query.is_over:
            query.is_over = True
            query.heard(query.payload[:2] + string[2:])
        self._owner.answered(self)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._owner.lost(self, reason)

    def abandon(self) -> None:
        """Close the connection."""
        if self.transport is not None:
            self.transport.loseConnection()


class ServerStreams:
    """The TCP connection to one server, made when it is needed, kept while it is used (RFC 7766 §6.2).

    :param gone: called when there is no connection any more, and nothing waits.
    """

    def __init__(self, reactor: Any, server: ServerAddress, rng: Random, gone: Callable[[], object]) -> None:
        self._reactor: Final = reactor
        self._clock: Final = clock_of(reactor)
        self._server: Final = server
        self._rng: Final = rng
        self._gone: Final = gone
        self._waiting: Final[deque[_Query]] = deque()
        self._connection: _Connection | None = None
        self._connecting: Deferred[Any] | None = None
        self._idle: IDelayedCall | None = None

    def send(self, query: bytes, heard: Heard, failed: Failed) -> Callable[[], None]:
        """Send a query; return what to call when nobody wants its answer any more."""
        one = _Query(query, heard, failed)
        self._waiting.append(one)
        self._advance()

        def cancel() -> None:
            one.is_over = True

        return cancel

    def close(self) -> None:
        """Close the connection; whoever waits is told nothing."""
        self._stop_idling()
        self._waiting.clear()
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.pending.clear()
            connection.abandon()

    def answered(self, connection: _Connection) -> None:
        """Take in that a query was answered."""
        if connection is self._connection:
            self._advance()

    def lost(self, connection: _Connection, reason: Failure | None) -> None:
        """Take in that a connection has ended: what was not answered is asked on another one."""
        if connection is not self._connection:
            return
        self._connection = None
        self._stop_idling()
        self._again([*connection.pending.values()], "it closed the connection without an answer")
        connection.pending.clear()
        self._advance()

    def _again(self, queries: list[_Query], reason: str) -> None:
        for query in queries:
            if query.is_over:
                continue
            if query.tries < _TRIES:
                self._waiting.append(query)
            else:
                query.is_over = True
                query.failed(f"by TCP: {reason}")

    def _advance(self) -> None:
        while self._waiting and self._waiting[0].is_over:
            self._waiting.popleft()
        connection = self._connection
        if connection is None:
            if not self._waiting:
                if self._connecting is None:
                    self._gone()
            elif self._connecting is None:
                self._connect()
            return
        while self._waiting and len(connection.pending) < MAX_PIPELINED:
            query = self._waiting.popleft()
            if not query.is_over:
                connection.send(query)
        self._stop_idling()
        # A query that is never answered keeps a connection no longer than its answer is waited for.
        self._idle = self._clock.callLater(IDLE_TIMEOUT, self._idled)

    def _connect(self) -> None:
        # Imported late: with it comes TLS, and most who look in local. never ask a server.
        from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, connectProtocol

        endpoint = TCP6ClientEndpoint if self._server.ipv6 else TCP4ClientEndpoint
        connected = connectProtocol(
            endpoint(self._reactor, self._server.host, self._server.port, timeout=CONNECT_TIMEOUT),
            _Connection(self, self._rng),
        )
        self._connecting = connected
        connected.addCallbacks(self._connected, self._refused)

    def _connected(self, connection: _Connection) -> None:
        if self._connecting is None:
            connection.abandon()
            return
        self._connecting = None
        self._connection = connection
        self._advance()

    def _refused(self, reason: Failure) -> None:
        if self._connecting is None:
            return
        self._connecting = None
        queries = list(self._waiting)
        self._waiting.clear()
        for query in queries:
            if not query.is_over:
                query.is_over = True
                query.failed(f"by TCP: {_cause(reason)}")
        self._advance()

    def _idled(self) -> None:
        self._idle = None
        connection = self._connection
        if connection is not None:
            connection.abandon()

    def _stop_idling(self) -> None:
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.cancel()


def _cause(reason: Failure) -> str:
    assert reason.value is not None
    if reason.check(Refused):
        return "nobody listens on its TCP port"
    if reason.check(TimedOut):
        return f"no connection within {CONNECT_TIMEOUT:g} s"
    return one_line(reason.value).rstrip(".")
