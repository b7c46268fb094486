"""The server's end of a DSO session (RFC 8490)."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from mcast.dns.codes import ResponseCode
from mcast.errors import MalformedMessage
from mcast.unicast.dso import (
    LEAST_KEEPALIVE,
    PADDED_RESPONSE,
    RECOMMENDED_KEEPALIVE,
    DSOMessage,
    DSOType,
    Header,
    SessionError,
    Timeouts,
    retry_delay_item,
    write_dso,
)
from mcast.unicast.dso_session import Session

CLOSE_GRACE = 5.0
"""Seconds that a client has to close a connection after it was told to (RFC 8490 §6.6.1), and the least that
it has when it is inactive (RFC 8490 §6.4.1)."""

DELINQUENT_FACTOR = 2.0
"""How many times a timeout may pass before the server aborts the session (RFC 8490 §6.4.1, §6.5.1)."""

GRACE_PART = 0.25
"""The part of a timeout that was abruptly reduced which the client gets in addition (RFC 8490 §7.1.1)."""

MAX_INACTIVITY = 60.0
"""Seconds of inactivity timeout that a server grants.

Our choice: a client that comes back within a minute saves a TLS handshake; an idle connection costs some
dozens of kilobytes.
"""

MAX_MESSAGES = 5000
"""Messages of one client within `MESSAGE_WINDOW` seconds; more end the session, with a retry delay.

Our choice: a client that comes back subscribes to all that it may within a few of them; 500 a second for
longer than that is a flood.
"""

MESSAGE_WINDOW = 10.0
"""Seconds over which `MAX_MESSAGES` counts. Our choice: longer than a burst of subscriptions."""

FLOOD_DELAY = 300.0
"""Seconds for which a client that floods is told to stay away (RFC 8490 §6.6.2). Our choice: as RFC 8765
§6.2.2 recommends for defective clients."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The timeouts that a server grants: what a client asks for, within these bounds.

    :raises ValueError: a bound is out of range.
    """

    inactivity: float = MAX_INACTIVITY
    """The most seconds of inactivity."""
    keepalive: float = RECOMMENDED_KEEPALIVE
    """The most seconds between two messages."""
    least_keepalive: float = LEAST_KEEPALIVE
    """The fewest seconds between two messages that a client may ask for."""

    def __post_init__(self) -> None:
        if not LEAST_KEEPALIVE <= self.least_keepalive <= self.keepalive:
            raise ValueError(f"a keepalive interval has at least {LEAST_KEEPALIVE:g} seconds")
        if self.inactivity < 0:
            raise ValueError("an inactivity timeout is not negative")

    def grant(self, wanted: Timeouts) -> Timeouts:
        """Return what a client that asks for ``wanted`` gets."""
        return Timeouts(
            min(wanted.inactivity, self.inactivity),
            min(max(wanted.keepalive, self.least_keepalive), self.keepalive),
        )


class ServerSession(Session):
    """The server's end: it grants timeouts, answers, and aborts what is delinquent.

    :param granted: the bounds of what it grants.
    """

    requests: ClassVar[frozenset[int]] = frozenset({DSOType.KEEPALIVE})

    response_block = PADDED_RESPONSE

    def __init__(
        self, now: float, granted: Granted | None = None, counters: Counter[str] | None = None
    ) -> None:
        super().__init__(now, counters)
        self._granted = granted or Granted()
        self._queries = 0
        self._grace_until = -math.inf
        self._closing_at: float | None = None
        self._window_ends_at = -math.inf
        self._in_window = 0

    # What the owner calls

    def receive(self, octets: bytes, now: float, *, early: bool = False) -> None:
        """Take a message of the client."""
        if self._closing_at is not None:
            # Sent before the client heard that the session ends: no answer (RFC 8490 §6.6.1.1).
            self.counters["messages after a retry delay"] += 1
            return
        if now >= self._window_ends_at:
            self._window_ends_at = now + MESSAGE_WINDOW
            self._in_window = 0
        self._in_window += 1
        if self._in_window > MAX_MESSAGES:
            self.counters["sessions ended for a flood"] += 1
            if self.is_established:
                self.shut_down(FLOOD_DELAY, now, ResponseCode.REFUSED)
            else:
                self._abort("a flood of messages")
            return
        super().receive(octets, now, early=early)

    def answer(self, octets: bytes | None, now: float) -> None:
        """Send the response to a query that was told as `OtherMessage`; None when it gets none."""
        self.answered(now)
        if octets is not None and self.ended is None and self._closing_at is None:
            self.send(octets, now)

    def answered(self, now: float) -> None:
        """Take note that a query was answered by others, or never will be."""
        self._queries = max(0, self._queries - 1)
        self.touch(now)

    def set_timeouts(self, timeouts: Timeouts, now: float) -> None:
        """Tell the client other timeouts, which it must take (RFC 8490 §7.1).

        :raises ValueError: the keepalive interval is below ten seconds, or there is no session.
        """
        self._check_established()
        if timeouts.keepalive < LEAST_KEEPALIVE:
            raise ValueError(f"a keepalive interval has at least {LEAST_KEEPALIVE:g} seconds")
        self._take_timeouts(timeouts, now)
        self.send(write_dso(0, [timeouts.item()]), now, keepalive=True)

    def shut_down(self, delay: float, now: float, rcode: int = ResponseCode.NOERROR) -> None:
        """End the session: tell the client to close it and to stay away for ``delay`` seconds.

        Nothing is sent after that, and what still comes is ignored (RFC 8490 §6.6.1). Where there is no
        session the connection is closed at once, since nothing may be said (RFC 8490 §5.1).
        """
        if self.ended is not None or self._closing_at is not None:
            return
        if not self.is_established:
            self.finish("the server ends")
            return
        self.send(write_dso(0, [retry_delay_item(delay)], rcode=rcode), now)
        self.counters["retry delays sent"] += 1
        self._closing_at = now + CLOSE_GRACE
        self._stopped()

    @property
    def is_closing(self) -> bool:
        """Whether the client was told to close, so that nothing more may be sent."""
        return self._closing_at is not None

    def next_timer(self) -> float | None:
        """Return when to call `due` next."""
        if self.ended is not None or not (self.is_established or self.is_closing):
            # Until there is a session the timeouts are those of DNS over TCP (RFC 8490 §5), which whoever
            # holds the connection knows.
            return None
        if self._closing_at is not None:
            return self._closing_at
        at = min(self._inactive_until(), self._message_at + DELINQUENT_FACTOR * self.timeouts.keepalive)
        return at if at < math.inf else None

    def due(self, now: float) -> None:
        """Abort a session whose client does not do what it must."""
        at = self.next_timer()
        if at is None or now < at:
            return
        if self._closing_at is not None:
            self._abort("the client did not close the session", is_fault=False)
        elif now >= self._inactive_until():
            self.counters["inactive sessions aborted"] += 1
            self._abort("the client left an inactive session open")
        else:
            self.counters["silent sessions aborted"] += 1
            self._abort("the client sent no keepalive")

    # What the operations build on

    def operations(self) -> int:
        """Return how many queries have no answer yet."""
        return self._queries

    def _stopped(self) -> None:
        """Take notice that nothing more may be sent, though the connection still stands."""

    def _check_established(self) -> None:
        if not self.is_established or self.is_closing:
            raise ValueError("there is no session")

    def _inactive_until(self) -> float:
        """Return when the client is delinquent for leaving an inactive session open (RFC 8490 §6.4.1)."""
        if self.operations():
            return math.inf
        allowed = max(CLOSE_GRACE, DELINQUENT_FACTOR * self.timeouts.inactivity)
        return max(self._active_at + allowed, self._grace_until)

    def _take_timeouts(self, timeouts: Timeouts, now: float) -> None:
        self.timeouts = timeouts
        self._grace_until = -math.inf
        if self._inactive_until() <= now:
            # Reduced abruptly: the client gets time to close (RFC 8490 §7.1.1).
            self._grace_until = now + max(CLOSE_GRACE, GRACE_PART * timeouts.inactivity)

    # Receiving

    def _receive_unidirectional(self, message: DSOMessage, now: float) -> None:
        if message.primary.type == DSOType.RETRY_DELAY:
            raise SessionError("a Retry Delay from a client")
        if not self.is_established:
            raise SessionError("a unidirectional message before the session is established")
        super()._receive_unidirectional(message, now)

    def _refuse_type(self, message: DSOMessage) -> None:
        if message.primary.type == DSOType.RETRY_DELAY:
            raise SessionError("a Retry Delay from a client")

    def _request(self, message: DSOMessage, now: float) -> None:
        if message.primary.type != DSOType.KEEPALIVE:
            return
        try:
            wanted = Timeouts.read(message.primary)
        except MalformedMessage:
            self.counters["malformed requests"] += 1
            self.respond(message, now, rcode=ResponseCode.FORMERR)
            return
        timeouts = self._granted.grant(wanted)
        self._take_timeouts(timeouts, now)
        self.respond(message, now, [timeouts.item()])
        self._establish()

    def _response(self, message: DSOMessage, now: float) -> None:
        # A server sends no requests, so that every response is to nothing (RFC 8490 §5.5.2).
        raise SessionError(f"a response to MESSAGE ID {message.id}, which is not in use")

    def _other(self, octets: bytes, header: Header, now: float) -> None:
        if header.is_response:
            self.counters["responses from a client"] += 1
            return
        self._queries += 1
        super()._other(octets, header, now)
