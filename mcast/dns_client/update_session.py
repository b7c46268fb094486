"""Requests to one server by TCP, signed where there is a key (RFC 7766, RFC 8945)."""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory
from twisted.protocols.basic import Int16StringReceiver
from twisted.python.failure import Failure

from mcast.clock import clock_of
from mcast.dns.messages import Message, decode
from mcast.dns_client.update_server import UpdateServer
from mcast.errors import MalformedMessage, McastError
from mcast.showing import one_line
from mcast.unicast.claims import Request
from mcast.unicast.tsig import FUDGE, Fault, NotAuthentic, TsigError, UpdateKey, check, sign
from mcast.unicast.updates import Update, encode_question, encode_update, meaning_of

REPLY_LIMIT = 10.0
"""Seconds in which a server connects, or answers.

Our choice: one that writes each update to a slow disk takes tenths of a second.
"""

IDLE_LIMIT = 5.0
"""Seconds that a connection is kept for a further request.

Our choice: the requests of a start follow each other at once, and a server has few connections to give
(RFC 7766 §6.2.3).
"""

MAX_STRAY = 8
"""Messages that answer nothing we asked, after which a connection is closed.

Our choice: a sane server sends none.
"""


class ServerFailed(McastError):
    """A server gave no answer, or none that can be believed; one line says why."""


class UpdateSession:
    """Asks one server, one request at a time.

    :param rng: draws the IDs of messages.
    :param time_of_day: seconds since 1970, which signatures need.
    """

    def __init__(
        self, reactor: Any, server: UpdateServer, rng: Random, time_of_day: Callable[[], float]
    ) -> None:
        self._reactor = reactor
        self._clock = clock_of(reactor)
        self._server = server
        self._rng = rng
        self._time_of_day = time_of_day
        self._connection: _Connection | None = None
        self._idle: IDelayedCall | None = None
        self._is_renewed = False
        """Whether the connection was given up by ourselves."""

    async def ask(self, request: Request) -> Message:
        """Return the answer to a request.

        :raises ServerFailed: there is none.
        """
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        try:
            return await self._ask(request)
        except ServerFailed:
            self.close()
            raise
        finally:
            if self._connection is not None:
                self._idle = self._clock.callLater(IDLE_LIMIT, self._on_idle)

    def close(self) -> None:
        """Close the connection."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def renew(self) -> None:
        """Use another connection from now on, for what is asked already as well.

        For a host whose addresses have changed: a connection from one that it has no more waits in vain.
        """
        if self._connection is not None:
            self._is_renewed = True
            self._connection.abort()

    def _on_idle(self) -> None:
        self._idle = None
        self.close()

    async def _ask(self, request: Request) -> Message:
        identifier = self._rng.randrange(0x10000)
        try:
            if isinstance(request, Update):
                wire = encode_update(request, identifier)
            else:
                wire = encode_question(request.name, request.type, identifier)
        except ValueError as error:
            raise ServerFailed(str(error)) from None
        key, mac = self._server.key, b""
        if key is not None:
            wire, mac = _signed(wire, key, self._now())
        reply = await self._exchange(wire)
        return _believed(reply, identifier, key, self._now(), mac)

    def _now(self) -> int:
        return int(self._time_of_day())

    async def _exchange(self, wire: bytes) -> bytes:
        """Send a message and return its answer, by the connection that is there, or else by a new one."""
        is_old = True
        try:
            while True:
                if self._connection is None or self._connection.is_lost:
                    is_old = self._is_renewed = False
                    self._connection = await self._connect()
                try:
                    return await self._connection.ask(wire)
                except ConnectionClosed:
                    # The server may close one that was idle at any time (RFC 7766 §6.2.3). An update that was
                    # done all the same is found done by the next one: its prerequisites see the marker.
                    if not is_old and not self._is_renewed:
                        raise
                    self._connection = None
        except (ConnectError, ConnectionClosed, OSError) as error:
            raise ServerFailed(f"it cannot be reached: {_cause(error)}") from None
        except (TimeoutError, CancelledError):
            raise ServerFailed(f"no answer by TCP within {REPLY_LIMIT:.0f} s") from None

    async def _connect(self) -> _Connection:
        # Imported late: it loads TLS, which most programs do not use.
        from twisted.internet.endpoints import HostnameEndpoint

        endpoint = HostnameEndpoint(self._reactor, self._server.host, self._server.port, timeout=REPLY_LIMIT)
        factory = Factory.forProtocol(lambda: _Connection(self._clock))
        factory.noisy = False
        made = await endpoint.connect(factory)
        assert isinstance(made, _Connection)
        return made


def _signed(wire: bytes, key: UpdateKey, now: int) -> tuple[bytes, bytes]:
    signed = sign(wire, key, now)
    return signed.wire, signed.mac


def _believed(wire: bytes, identifier: int, key: UpdateKey | None, now: int, mac: bytes) -> Message:
    """Return the message of an answer that is to this request, and from the server.

    :raises ServerFailed: it is not, or says that our signature is not good.
    """
    try:
        reply = decode(wire)
    except MalformedMessage as error:
        raise ServerFailed(f"its answer is malformed: {error}") from None
    if reply.id != identifier or not reply.is_response:
        raise ServerFailed("its answer is to another question")
    if key is None:
        return reply
    try:
        verdict = check(wire, key, now, mac)
    except NotAuthentic as error:
        if error.fault is Fault.UNSIGNED and reply.rcode:
            # It may be forged, and is believed only as far as that nothing was done.
            raise ServerFailed(f"{meaning_of(reply.rcode)}; the answer is not signed") from None
        raise ServerFailed(f"its answer cannot be believed: {error.fault.value}") from None
    if verdict.error:
        raise ServerFailed(_signature_refused(verdict.error, key, now, verdict.server_time))
    return reply


def _signature_refused(error: int, key: UpdateKey, now: int, server_time: int | None) -> str:
    """Return in plain words why a server does not take our signature."""
    name = str(key.name).rstrip(".")
    if error == TsigError.BADKEY:
        return f"it does not know the key {name}, or not with {key.algorithm} (BADKEY)"
    if error == TsigError.BADSIG:
        return f"it has another secret for the key {name} (BADSIG)"
    if error == TsigError.BADTIME:
        apart = "" if server_time is None else f" by {_duration(abs(server_time - now))}"
        return f"its clock and ours differ{apart}, and {FUDGE // 60} minutes are allowed (BADTIME)"
    return f"it refuses the signature with the key {name}: error {error}"


def _duration(seconds: int) -> str:
    if seconds >= 7200:
        return f"about {round(seconds / 3600)} hours"
    return f"about {round(seconds / 60)} minutes"


def _cause(error: BaseException) -> str:
    """Return the cause of a failed connection as the system says it, without the wrapping of Twisted."""
    number = getattr(error, "osError", None)
    text = os.strerror(number) if isinstance(number, int) else one_line(error).rstrip(".")
    return text[:1].lower() + text[1:]


class _Connection(Int16StringReceiver):
    """A connection on which each message has its length before it (RFC 7766 §8)."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._waiting: Deferred[bytes] | None = None
        self._id = b""
        self._stray = 0
        self.is_lost = False

    def ask(self, wire: bytes) -> Deferred[bytes]:
        """Send a message; fires with the one that has the same ID."""
        waiting: Deferred[bytes] = Deferred()
        self._waiting, self._id = waiting, wire[:2]
        waiting.addTimeout(REPLY_LIMIT, self._clock)
        self.sendString(wire)
        return waiting

    def abort(self) -> None:
        """Close at once."""
        if not self.is_lost and self.transport is not None:
            # Not `loseConnection`, which waits until all is written: perhaps nobody reads it.
            self.transport.abortConnection()  # type: ignore[attr-defined]  # of ITCPTransport

    def stringReceived(self, string: bytes) -> None:
        waiting = self._waiting
        if waiting is None or string[:2] != self._id:
            self._stray += 1
            if self._stray > MAX_STRAY and self.transport is not None:
                self.transport.loseConnection()
            return
        self._waiting = None
        waiting.callback(string)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.is_lost = True
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.called:
            waiting.errback(reason)
