"""The end of a wait for answers: what has arrived by then is read first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from mcast.clock import clock_of

LAST_LOOK = 0.1
"""Seconds after the wait in which what arrived before its end, and was not read yet, is still taken. Our
choice: a busy program reads late; the answers were in time."""

LEAST_TURNS = 4
"""Turns of the reactor in which it is still taken, however long they last. Our choice: the first one reads a
datagram from each socket, each of the others a hundred or so; the program may stand still in any of them."""


class LastLook:
    """Lets the reactor read once more, for as long as there was something to read, and then calls ``end``.

    A reactor that was kept from running calls what is due before it reads what has come meanwhile.

    :param read: tells what is another value when more was read, such as a count of datagrams.
    """

    def __init__(self, reactor: Any, end: Callable[[], object], read: Callable[[], object]) -> None:
        self._reactor = reactor
        self._clock = clock_of(reactor)
        self._end = end
        self._read = read
        self._call: IDelayedCall | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether ``end`` is still to be called."""
        return self._call is not None

    def end_in(self, seconds: float) -> None:
        """Look in so many seconds, whatever was said before."""
        self.cancel()
        self._call = self._clock.callLater(seconds, self._time_is_up)

    def begin(self) -> None:
        """Look, now that the wait is over."""
        self.cancel()
        # This turn of the reactor may have read already: only the next one is a whole one.
        self._call = self._reactor.callLater(0, self._look, None, 0, self._clock.seconds() + LAST_LOOK)

    def cancel(self) -> None:
        """Look no more, and do not call ``end``."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _time_is_up(self) -> None:
        self._call = None
        self.begin()

    def _look(self, before: object, turns: int, until: float) -> None:
        self._call = None
        read = self._read()
        if read == before or (turns >= LEAST_TURNS and self._clock.seconds() >= until):
            self._end()
        else:
            self._call = self._reactor.callLater(0, self._look, read, turns + 1, until)
