"""Signals while a program starts, and SIGHUP, which has files read again, however often it comes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from mcast.clock import clock_of

REST = 1.0
"""Seconds between two readings. Our choice: who sends more signals than that sends one too many."""


def hold_hangups() -> None:
    """Have SIGHUP not end the program while it starts: its files are read in a moment anyway."""
    if not hasattr(signal, "SIGHUP") or threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def end_quietly(reactor: Any) -> None:
    """Have SIGINT end the program without a traceback while it starts; then the reactor obeys it.

    :param reactor: that has not begun to run.
    """
    if reactor.running or threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # The reactor takes the place of Python's own handler, and of no other.
        reactor.addSystemEventTrigger(
            "before", "startup", signal.signal, signal.SIGINT, signal.default_int_handler
        )


class Hangups:
    """Calls a function for SIGHUP: at once, and then once in `REST` seconds at most.

    :param heard: called from the reactor.
    """

    def __init__(self, reactor: Any, heard: Callable[[], object]) -> None:
        self._reactor = reactor
        self._clock = clock_of(reactor)
        self._heard = heard
        self._previous: Any = None
        self._is_queued = False
        self._is_wanted = False
        self._resting: IDelayedCall | None = None

    def start(self) -> None:
        """Heed the signal from now on."""
        if hasattr(signal, "SIGHUP"):
            self._previous = signal.signal(signal.SIGHUP, self._on_signal)

    def stop(self) -> None:
        """Leave it to whoever heeded it before."""
        if hasattr(signal, "SIGHUP") and self._previous is not None:
            signal.signal(signal.SIGHUP, self._previous)
            self._previous = None
        if self._resting is not None:
            self._resting.cancel()
            self._resting = None

    def _on_signal(self, number: int, frame: object) -> None:
        # From the reactor, not in the middle of whatever runs now; a storm waits there as one.
        if not self._is_queued:
            self._is_queued = True
            self._reactor.callFromThread(self._take)

    def _take(self) -> None:
        self._is_queued = False
        if self._previous is None:
            return
        if self._resting is not None:
            self._is_wanted = True
            return
        self._resting = self._clock.callLater(REST, self._rested)
        self._heard()

    def _rested(self) -> None:
        self._resting = None
        if self._is_wanted:
            self._is_wanted = False
            self._take()
