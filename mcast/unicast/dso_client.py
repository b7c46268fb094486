"""The client's end of a DSO session (RFC 8490)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from mcast.dns.codes import ResponseCode
from mcast.unicast.dso import (
    LEAST_KEEPALIVE,
    PADDED_REQUEST,
    RECOMMENDED_KEEPALIVE,
    DSOMessage,
    DSOType,
    Header,
    Item,
    SessionError,
    Timeouts,
    has_tcp_keepalive,
    read_retry_delay,
    write_dso,
)
from mcast.unicast.dso_session import Session, SessionEvent

RESPONSE_TIMEOUT = 30.0
"""Seconds that a client waits for a response (RFC 8490 §5.1, for the one that establishes the session).

Our choice: for later ones as well, since a server that does not answer is in no known state either.
"""

WANTED = Timeouts(inactivity=15.0, keepalive=RECOMMENDED_KEEPALIVE)
"""What a client asks for.

Our choice: nothing is kept open for later, so that the default inactivity timeout does.
"""

HIGHEST_ID = 0xFFFF
"""The highest MESSAGE ID; 0 is none (RFC 8490 §5.4.1)."""


@dataclass(frozen=True, slots=True)
class Unsupported(SessionEvent):
    """The server has no DNS Stateful Operations: no further DSO message may be sent (RFC 8490 §5.1.1)."""

    rcode: int


@dataclass(slots=True)
class _Waiting:
    """A request without a response."""

    kind: int
    sent_at: float


class ClientSession(Session):
    """The client's end: it establishes the session, keeps it alive, and closes it when it is done.

    :param wanted: the timeouts to ask for; the server decides.
    """

    unidirectional: ClassVar[frozenset[int]] = frozenset({DSOType.KEEPALIVE, DSOType.RETRY_DELAY})

    def __init__(self, now: float, wanted: Timeouts = WANTED, counters: Counter[str] | None = None) -> None:
        super().__init__(now, counters)
        self.wanted = wanted
        self._waiting: dict[int, _Waiting] = {}
        self._queries: dict[int, float] = {}
        self._last_id = 0
        self._is_refused = False
        self._held_back: list[bytes] = []

    # What the owner calls

    def establish(self, now: float) -> None:
        """Ask for a session with the wanted timeouts; further requests need not wait for the answer."""
        self.request([self.wanted.item()], now)

    def request(self, items: Iterable[Item], now: float) -> int:
        """Send a request, and return its MESSAGE ID.

        :raises ValueError: the session is over, or the server does not speak DSO.
        """
        self._check_open()
        items = list(items)
        identifier = self._free_id()
        kind = items[0].type
        self._waiting[identifier] = _Waiting(kind, now)
        # Padded so that a listener does not learn the length of a name (RFC 8490 §7.3).
        octets = write_dso(identifier, items, block=PADDED_REQUEST)
        self.send(octets, now, keepalive=kind == DSOType.KEEPALIVE)
        return identifier

    def notify(self, items: Iterable[Item], now: float) -> None:
        """Send a unidirectional message; it is held back until there is a session (RFC 8490 §5.1).

        :raises ValueError: as `request`.
        """
        self._check_open()
        octets = write_dso(0, items, block=PADDED_REQUEST)
        if self.is_established:
            self.send(octets, now)
        else:
            self._held_back.append(octets)

    def query(self, octets: bytes, now: float) -> None:
        """Send a conventional query within the session; the response is told as an `OtherMessage`.

        :raises ValueError: the session is over, or the query has an edns-tcp-keepalive option, which none may
            have once a client has asked for a session (RFC 8490 §7.1.2).
        """
        if self.ended is not None:
            raise ValueError("the session is over")
        if has_tcp_keepalive(octets):
            raise ValueError("a query within a session has no edns-tcp-keepalive option")
        self._queries[int.from_bytes(octets[:2], "big")] = now
        self.send(octets, now)

    def close(self, reason: str = "no longer needed") -> None:
        """Close the session gracefully, with all that runs in it."""
        self.finish(reason)

    def next_timer(self) -> float | None:
        """Return when to call `due` next."""
        if self.ended is not None:
            return None
        times = [waiting.sent_at + RESPONSE_TIMEOUT for waiting in self._first_waiting()]
        if self.is_established:
            times += (self.inactive_at(), self._message_at + self.timeouts.keepalive)
        at = min(times, default=math.inf)
        return at if at < math.inf else None

    def due(self, now: float) -> None:
        """Close what is inactive, keep alive what is not, give up a server that does not answer."""
        if self.ended is not None:
            return
        if any(now >= waiting.sent_at + RESPONSE_TIMEOUT for waiting in self._first_waiting()):
            # The server is in no known state (RFC 8490 §5.1.1).
            self._abort(f"no response within {RESPONSE_TIMEOUT:g} seconds", is_fault=not self.is_established)
        elif self.is_established and now >= self.inactive_at():
            self.finish("inactive")
        elif self.is_established and now >= self._message_at + self.timeouts.keepalive:
            self.establish(now)

    # What the operations build on

    def operations(self) -> int:
        """Return how many requests and queries have no response; Keepalives do not count."""
        waiting = sum(each.kind != DSOType.KEEPALIVE for each in self._waiting.values())
        return waiting + len(self._queries)

    def is_taken(self, identifier: int) -> bool:
        """Tell whether a MESSAGE ID is in use (RFC 8490 §5.4.1)."""
        return identifier in self._waiting

    def _check_open(self) -> None:
        if self.ended is not None:
            raise ValueError("the session is over")
        if self._is_refused:
            raise ValueError("the server does not support DNS Stateful Operations")

    def _free_id(self) -> int:
        for _ in range(HIGHEST_ID):
            self._last_id = self._last_id % HIGHEST_ID + 1
            if not self.is_taken(self._last_id):
                return self._last_id
        raise ValueError("every MESSAGE ID is in use")

    def _first_waiting(self) -> Iterable[_Waiting]:
        """Return the request that has waited longest, if any: they are kept in the order of sending."""
        return [next(iter(self._waiting.values()))] if self._waiting else []

    # Receiving

    def _receive_dso(self, octets: bytes, header: Header, now: float, early: bool) -> None:
        if early:
            raise SessionError("a DSO message of the server in early data")
        super()._receive_dso(octets, header, now, early)

    def _refuse_type(self, message: DSOMessage) -> None:
        if message.primary.type == DSOType.SUBSCRIBE:
            raise SessionError("a SUBSCRIBE request from a server")

    def _unidirectional(self, message: DSOMessage, now: float) -> None:
        if not self.is_established:
            raise SessionError("a unidirectional message before the session is established")
        if message.primary.type == DSOType.KEEPALIVE:
            self._set_timeouts(message.primary)
        elif message.primary.type == DSOType.RETRY_DELAY:
            delay = read_retry_delay(message.primary)
            self.finish("the server ended the session", retry_delay=delay, rcode=message.rcode)

    def _set_timeouts(self, item: Item) -> None:
        timeouts = Timeouts.read(item)
        if timeouts.keepalive < LEAST_KEEPALIVE:
            raise SessionError(f"a keepalive interval of {timeouts.keepalive:g} seconds")
        self.timeouts = timeouts

    def _response(self, message: DSOMessage, now: float) -> None:
        waiting = self._waiting.pop(message.id, None)
        if waiting is None:
            self._unasked(message, now)
            return
        if waiting.kind != DSOType.KEEPALIVE:
            self._active_at = now
        if message.rcode == ResponseCode.NOERROR:
            if waiting.kind == DSOType.KEEPALIVE:
                self._keepalive_response(message)
            if not self.is_established:
                self._establish()
                for octets in self._held_back:
                    self.send(octets, now)
                self._held_back.clear()
        elif not self.is_established and message.rcode != ResponseCode.DSOTYPENI:
            self._refused(message.rcode)
            return
        elif waiting.kind == DSOType.KEEPALIVE and message.rcode == ResponseCode.DSOTYPENI:
            raise SessionError("a server that does not know Keepalive")
        self._answered(waiting.kind, message, now)

    def _keepalive_response(self, message: DSOMessage) -> None:
        found = [item for item in message.items if item.type == DSOType.KEEPALIVE]
        if len(found) != 1 or message.items[0] is not found[0]:
            raise SessionError("a response to a Keepalive without exactly one Keepalive TLV in front")
        self._set_timeouts(found[0])

    def _refused(self, rcode: int) -> None:
        """Take notice that there is no DSO; what was sent beside the first request gets no better answer."""
        if not self._is_refused:
            self._is_refused = True
            self._held_back.clear()
            self.tell(Unsupported(rcode))

    def _unasked(self, message: DSOMessage, now: float) -> None:
        """Act on a response to a request that waits for none."""
        if not self._is_refused:
            raise SessionError(f"a response to MESSAGE ID {message.id}, which is not in use")

    def _answered(self, kind: int, message: DSOMessage, now: float) -> None:
        """Act on the response to a request other than what the session itself does with it."""

    def _other(self, octets: bytes, header: Header, now: float) -> None:
        if not header.is_response:
            self.counters["queries from a server"] += 1
            return
        self._queries.pop(header.id, None)
        super()._other(octets, header, now)
