"""The end of a wait for answers: what has arrived by then is read first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from mcast.clock import clock_of

LAST_LOOK = 0.1
"""Seconds after the wait in which what arrived before its end, and was not read yet, is still taken. Our
choice: a busy program reads late; the answers were in time."""


class LastLook:
    """Lets the reactor read once more, for as long as there was something to read, and then calls ``end``.

    A reactor that was kept from running calls what is due before it reads what has come meanwhile.
    """

    def __init__(self, reactor: Any, end: Callable[[], object]) -> None:
        self.read = 0
        """Datagrams read so far, counted by who reads them."""
        self._reactor = reactor
        self._end = end
        self._call: IDelayedCall | None = None

    def begin(self) -> None:
        """Look, now that the wait is over."""
        self._look(-1, clock_of(self._reactor).seconds() + LAST_LOOK)

    def cancel(self) -> None:
        """Look no more, and do not call ``end``."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _look(self, before: int, until: float) -> None:
        self._call = None
        if self.read == before or clock_of(self._reactor).seconds() >= until:
            self._end()
        else:
            self._call = self._reactor.callLater(0, self._look, self.read, until)
