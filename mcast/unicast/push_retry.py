"""When a server of DNS Push may be connected to again (RFC 8490 §6.6.3)."""

from __future__ import annotations

import math
from random import Random

from mcast.unicast.dso_session import Ended, How

UNSUPPORTED_DELAY = 3600.0
"""Seconds for which DSO is not tried with a server that has none, or a broken one (RFC 8490 §6.6.3.3)."""

FIRST_BACK_OFF = 1.0
"""Seconds after the first connection that failed. Our choice: a restart takes about as long."""

MAX_BACK_OFF = 300.0
"""Seconds between two attempts to connect at most.

Our choice: five minutes of polling are no harm, and 288 attempts a day no load.
"""

LEAST_INTERVAL = 1.0
"""Seconds between the beginnings of two connections, however the first one ended.

Our choice: RFC 8490 §6.6.3.2 lets a client connect again at once; a server that drops each connection after
some work must not make it do nothing else.
"""


class Retry:
    """What is remembered of one server, by host name and port (RFC 8490 §9.1).

    :param rng: spreads the attempts of our own back-off; a delay that the server told is kept to as it is.
    """

    def __init__(self, rng: Random) -> None:
        self.connect_at = -math.inf
        """Before this time there is no attempt to connect."""
        self.reason = ""
        """Why there is none, in one line."""
        self._rng = rng
        self._failures = 0
        self._idle_sessions = 0
        self._began_at = -math.inf

    def began(self, now: float) -> None:
        """Take notice that a connection is tried."""
        self._began_at = now

    def failed(self, reason: str, now: float) -> None:
        """Take notice that there was no connection: each time it takes twice as long to the next attempt."""
        delay = min(FIRST_BACK_OFF * 2.0**self._failures, MAX_BACK_OFF)
        self._failures = min(self._failures + 1, 16)
        self._wait(delay * self._rng.uniform(0.75, 1.0), reason, now)

    def useful(self) -> None:
        """Take notice that a subscription was accepted."""
        self._failures = 0
        self._idle_sessions = 0

    def unsupported(self, now: float) -> None:
        """Take notice that the server has no DNS Stateful Operations."""
        self._wait(UNSUPPORTED_DELAY, "the server has no DNS Stateful Operations", now)

    def ended(self, ended: Ended, now: float, *, was_established: bool, was_useful: bool) -> None:
        """Take notice that a session ended.

        :param was_useful: whether it had done what it was made for.
        """
        if ended.retry_delay is not None:
            self._wait(ended.retry_delay, "the server asked to come back later", now)
        elif ended.how is How.FORCIBLY:
            # The server broke the protocol, or is in no known state (RFC 8490 §6.6.3.1).
            self._wait(UNSUPPORTED_DELAY, ended.reason, now)
        elif ended.how is How.LOST:
            if not was_established:
                # Dropped instead of an answer (RFC 8490 §5.1.1).
                self._wait(UNSUPPORTED_DELAY, "the server dropped the connection", now)
            elif was_useful:
                self._wait(0.0, ended.reason, now)
            else:
                self._idle_sessions += 1
                again = 0.0 if self._idle_sessions < 2 else UNSUPPORTED_DELAY
                self._wait(again, "the server dropped the connection", now)

    def _wait(self, delay: float, reason: str, now: float) -> None:
        self.connect_at = max(now + delay, self._began_at + LEAST_INTERVAL)
        self.reason = reason
