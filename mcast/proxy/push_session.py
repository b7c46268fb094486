"""A session of DNS Push on a TLS connection of the proxy (RFC 8490, RFC 8765)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from mcast.proxy.connections import Connection
from mcast.unicast.dso_session import Ended, Event, How
from mcast.unicast.push_server import PushServer

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime


class SessionOwner(Protocol):
    """What a session tells what it does not decide itself."""

    @property
    def clock(self) -> IReactorTime:
        """What time it is, and calls later."""

    def happened(self, session: PushSession, event: Event, now: float) -> None:
        """Act on an event of a session."""


class PushSession:
    """Moves the messages of one `PushServer`, arms its timer, and ends its connection."""

    _log = Logger()

    def __init__(self, owner: SessionOwner, connection: Connection, core: PushServer) -> None:
        self.core: Final = core
        self.connection: Final = connection
        self._owner = owner
        self._timer: IDelayedCall | None = None
        self._timer_at = 0.0
        self._is_working = False

    def __repr__(self) -> str:
        return f"<PushSession of {self.connection.client}>"

    @property
    def is_established(self) -> bool:
        """Whether the session decides how long the connection may be idle, or is about to end it."""
        return self.core.is_established or self.core.is_closing

    # What the connection tells

    def message_received(self, message: bytes, now: float) -> None:
        """Take in a DSO message."""
        self.step(lambda: self.core.receive(message, now), now)

    def query_received(self, message: bytes, now: float) -> bool:
        """Take note of a plain query; tell whether it is to be answered."""
        self.message_received(message, now)
        return self.core.ended is None and not self.core.is_closing

    def query_answered(self, now: float) -> None:
        """Take note that a query is answered."""
        self.step(lambda: self.core.answered(now), now)

    def held(self, now: float) -> None:
        """Push nothing for the moment."""
        self.step(lambda: self.core.hold(now), now)

    def released(self, now: float) -> None:
        """Push what was summed up meanwhile."""
        self.step(lambda: self.core.release(now), now)

    def connection_lost(self, now: float) -> None:
        """Let go of all subscriptions."""
        self.step(lambda: self.core.connection_lost(now), now)

    # What the owner does

    def step(self, call: Callable[[], object], now: float) -> None:
        """Call the core, and do what follows from it: send, tell, end, arm the timer."""
        call()
        if self._is_working:
            # Called from an event of its own, whose loop goes on with what is new.
            return
        self._is_working = True
        try:
            self._follow(now)
        finally:
            self._is_working = False
        self._arm()

    def _follow(self, now: float) -> None:
        while True:
            for message in self.core.take_outgoing():
                self.connection.send(message)
            events = self.core.take_events()
            if not events:
                return
            for event in events:
                if isinstance(event, Ended):
                    self._end(event)
                self._owner.happened(self, event, now)

    def _end(self, ended: Ended) -> None:
        level = self._log.info if ended.is_fault else self._log.debug
        level("push session of {client}: {reason}", client=self.connection.client, reason=ended.reason)
        if ended.how is How.FORCIBLY:
            self.connection.abort()
        elif ended.how is How.GRACEFULLY:
            for message in self.core.take_outgoing():
                self.connection.send(message)
            self.connection.end()

    def _arm(self) -> None:
        at = self.core.next_timer()
        if self._timer is not None:
            if at is not None and self._timer_at <= at:
                # It rings too early, which is cheaper than to set it anew for each message.
                return
            self._timer.cancel()
            self._timer = None
        if at is not None:
            self._timer_at = at
            self._timer = self._owner.clock.callLater(
                max(0.0, at - self._owner.clock.seconds()), self._ring, at
            )

    def _ring(self, at: float) -> None:
        self._timer = None
        now = max(at, self._owner.clock.seconds())
        self.step(lambda: self.core.due(now), now)
