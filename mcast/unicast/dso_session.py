"""What both ends of a DSO session have in common: messages in and out, the two timers, how it ends.

Whoever holds a session gives it whole messages and ``now``, writes what lies in `Session.outbox`, acts on
`Session.take_events`, and calls `Session.due` at `Session.next_timer`. An `Ended` is the last event.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Final

from mcast.dns.codes import Opcode, ResponseCode
from mcast.errors import MalformedMessage
from mcast.unicast.dso import (
    PERMITTED_EARLY,
    DSOMessage,
    DSOType,
    Header,
    Item,
    SessionError,
    Timeouts,
    has_tcp_keepalive,
    read_dso,
    read_header,
    write_dso,
)


class How(Enum):
    """How the connection under a session is to be closed (RFC 8490 §5.3)."""

    GRACEFULLY = "close gracefully"
    """TLS close_notify and TCP FIN, so that nothing is lost."""
    FORCIBLY = "forcibly abort"
    """TCP RST."""
    LOST = "lost"
    """It is closed already: the other end closed it, or the network did."""


@dataclass(frozen=True, slots=True)
class Established:
    """The session is established: both ends may begin operations (RFC 8490 §5.1.2)."""


@dataclass(frozen=True, slots=True)
class OtherMessage:
    """A DNS message that is no DSO message; a query of the client is answered by `ServerSession.answer`."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over, and nothing more comes from it."""

    how: How
    reason: str
    """For the log; in one line."""
    is_fault: bool = False
    """Whether the other end broke the protocol."""
    retry_delay: float | None = None
    """Seconds within which the client may not connect to this server again; None when it did not say."""
    rcode: int = ResponseCode.NOERROR
    """With a retry delay: why the server ended the session (RFC 8490 §7.2.1)."""


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """The base of the events of the operations that run in sessions."""


Event = Established | OtherMessage | Ended | SessionEvent


class Session:
    """One end of a DSO session; `ClientSession` and `ServerSession` are the two.

    :param now: when the connection was established.
    :param counters: counts what happens here and in other sessions of the same owner.
    """

    requests: ClassVar[frozenset[int]] = frozenset()
    """The types that the other end may begin a request with."""
    unidirectional: ClassVar[frozenset[int]] = frozenset()
    """The types that the other end may begin a unidirectional message with."""

    def __init__(self, now: float, counters: Counter[str] | None = None) -> None:
        self.counters: Final[Counter[str]] = Counter() if counters is None else counters
        self.outbox: list[bytes] = []
        """Messages to send, without their frame; whoever sends them takes them out."""
        self.is_established = False
        self.ended: Ended | None = None
        self.timeouts = Timeouts()
        self._events: list[Event] = []
        self._message_at = now
        self._active_at = now

    # What the owner calls

    def receive(self, octets: bytes, now: float, *, early: bool = False) -> None:
        """Take a message of the other end.

        :param early: it came as TLS early data (RFC 8490 §5.1).
        """
        if self.ended is not None:
            return
        try:
            header = read_header(octets)
            if header.opcode == Opcode.DSO:
                self._receive_dso(octets, header, now, early)
            else:
                self._receive_other(octets, header, now)
        except SessionError as error:
            self._abort(str(error))
        except MalformedMessage as error:
            self._abort(error.reason)

    def connection_lost(self, now: float, reason: str = "the connection was closed") -> None:
        """Take notice that there is no connection any more."""
        self._end(Ended(How.LOST, reason))

    def take_events(self) -> list[Event]:
        """Return what happened since the last call, oldest first."""
        events, self._events = self._events, []
        return events

    def take_outgoing(self) -> list[bytes]:
        """Return the messages to send, and forget them."""
        messages, self.outbox = self.outbox, []
        return messages

    def next_timer(self) -> float | None:
        """Return when to call `due` next; None while nothing is waited for."""
        raise NotImplementedError

    def due(self, now: float) -> None:
        """Do what is due at ``now``."""
        raise NotImplementedError

    # What the two ends and their operations build on

    def operations(self) -> int:
        """Return how many operations are in progress: with any, the session is active (RFC 8490 §6.3)."""
        raise NotImplementedError

    def inactive_at(self) -> float:
        """Return when the inactivity timer would reach its timeout; infinite while an operation runs."""
        return math.inf if self.operations() else self._active_at + self.timeouts.inactivity

    def touch(self, now: float) -> None:
        """Reset both timers: a message that is no Keepalive was sent or received (RFC 8490 §6.3)."""
        self._message_at = self._active_at = now

    def send(self, octets: bytes, now: float, *, keepalive: bool = False) -> None:
        """Send a message; one that is a Keepalive resets only the keepalive timer (RFC 8490 §6.3)."""
        self.outbox.append(octets)
        self._message_at = now
        if not keepalive:
            self._active_at = now

    def tell(self, event: Event) -> None:
        """Add an event."""
        self._events.append(event)

    def respond(
        self, message: DSOMessage, now: float, items: Iterable[Item] = (), rcode: int = ResponseCode.NOERROR
    ) -> None:
        """Answer a request; what asks in padding is answered in padding (RFC 8490 §7.3)."""
        block = self.response_block if message.find(DSOType.ENCRYPTION_PADDING) else 0
        octets = write_dso(message.id, items, response=True, rcode=rcode, block=block)
        self.send(octets, now, keepalive=message.primary.type == DSOType.KEEPALIVE)

    response_block = 1
    """Octets of which a padded response is a multiple."""

    def finish(self, reason: str, *, retry_delay: float | None = None, rcode: int = 0) -> None:
        """Close the connection gracefully."""
        self._end(Ended(How.GRACEFULLY, reason, retry_delay=retry_delay, rcode=rcode))

    def _abort(self, reason: str, *, is_fault: bool = True) -> None:
        # What was to be sent is lost with the connection, and is not sent first.
        self.outbox.clear()
        self._end(Ended(How.FORCIBLY, reason, is_fault))

    def _end(self, ended: Ended) -> None:
        if self.ended is None:
            self.ended = ended
            self.is_established = False
            self.counters[f"sessions ended: {ended.how.value}"] += 1
            self.tell(ended)

    def _establish(self) -> None:
        if not self.is_established:
            self.is_established = True
            self.counters["sessions established"] += 1
            self.tell(Established())

    # Receiving

    def _receive_dso(self, octets: bytes, header: Header, now: float, early: bool) -> None:
        try:
            message = read_dso(octets)
        except MalformedMessage as error:
            self._receive_malformed(header, error, now)
            return
        if message.is_response:
            if not message.id:
                raise SessionError("a response with MESSAGE ID 0")
            self._message_at = now
            self._response(message, now)
            return
        if early and (message.primary.type not in PERMITTED_EARLY or not message.id):
            raise SessionError(f"a message of type {message.primary.type} in early data")
        self._message_at = now
        if message.primary.type != DSOType.KEEPALIVE:
            self._active_at = now
        if message.id:
            self._receive_request(message, now)
        else:
            self._receive_unidirectional(message, now)

    def _receive_malformed(self, header: Header, error: MalformedMessage, now: float) -> None:
        """Answer FORMERR where an answer is allowed; whatever else is malformed ends the session."""
        if header.is_response or not header.id:
            raise SessionError(f"malformed: {error.reason}")
        self.counters["malformed requests"] += 1
        self.touch(now)
        self.send(write_dso(header.id, (), response=True, rcode=ResponseCode.FORMERR), now)

    def _receive_request(self, message: DSOMessage, now: float) -> None:
        kind = message.primary.type
        if kind in self.unidirectional:
            raise SessionError(f"a unidirectional message of type {kind} with a MESSAGE ID")
        if kind in self.requests:
            self._request(message, now)
            return
        self._refuse_type(message)
        self.counters["requests of unknown type"] += 1
        self.respond(message, now, rcode=ResponseCode.DSOTYPENI)

    def _receive_unidirectional(self, message: DSOMessage, now: float) -> None:
        kind = message.primary.type
        if kind in self.requests:
            raise SessionError(f"a request of type {kind} with MESSAGE ID 0")
        if kind not in self.unidirectional:
            raise SessionError(f"a unidirectional message of unexpected type {kind}")
        self._unidirectional(message, now)

    def _refuse_type(self, message: DSOMessage) -> None:
        """Raise SessionError for a request of a type that this end may never be sent."""

    def _request(self, message: DSOMessage, now: float) -> None:
        """Act on a request of one of `requests`."""

    def _unidirectional(self, message: DSOMessage, now: float) -> None:
        """Act on a message of one of `unidirectional`."""

    def _response(self, message: DSOMessage, now: float) -> None:
        """Act on a response."""
        raise NotImplementedError

    def _receive_other(self, octets: bytes, header: Header, now: float) -> None:
        if self.is_established and has_tcp_keepalive(octets):
            raise SessionError("an edns-tcp-keepalive option within a DSO session")
        self.touch(now)
        self._other(octets, header, now)

    def _other(self, octets: bytes, header: Header, now: float) -> None:
        """Act on a DNS message that is no DSO message."""
        self.tell(OtherMessage(octets))
