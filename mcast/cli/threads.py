"""Threads that a command does not wait for at its end, for look-ups by the system's resolver."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

from twisted.python.failure import Failure

MAX_THREADS = 10
"""Look-ups at a time; others wait. Our choice: as many as the thread pool of a reactor has."""


class DaemonThreads:
    """The part of a Twisted thread pool that `GAIResolver` uses.

    A reactor waits for the threads of its own pool when it stops: with a DNS server that does not answer, up
    to ten seconds after a command has printed everything.
    """

    def __init__(self) -> None:
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._count = 0

    def callInThreadWithCallback(
        self, onResult: Callable[[bool, Any], object], func: Callable[..., Any], *args: Any, **kw: Any
    ) -> None:
        """Call a function in a thread, and there what takes its result."""

        def work() -> None:
            try:
                result = func(*args, **kw)
            except BaseException:
                onResult(False, Failure())
            else:
                onResult(True, result)

        self._work.put(work)
        if self._count < MAX_THREADS:
            self._count += 1
            Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            self._work.get()()
