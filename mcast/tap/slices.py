"""Long work that leaves the reactor to others: a little of it in each turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

SLICE = 0.005
"""Seconds of work in one turn of the reactor.

Our choice: far less than a querier notices, and some dozens of services; the turns between cost little.
"""


class Slices:
    """Jobs that are done one after the other, in slices between which the reactor does its other work.

    A job is an iterator that is taken a step further again and again. Its first step may well be to find out
    what is to be done: no other job of these is half done then.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._jobs: deque[Iterator[None]] = deque()
        self._next: IDelayedCall | None = None

    def add(self, job: Iterator[None]) -> None:
        """Have a job done after the others; `work` begins."""
        self._jobs.append(job)

    def work(self) -> None:
        """Do a slice now, unless one is coming anyway, and all that is left in later turns."""
        if self._next is None:
            self._work()

    def pause(self) -> None:
        """Do nothing until `work` is called; what was begun is finished then."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _work(self) -> None:
        self._next = None
        until = self._clock.seconds() + SLICE
        while self._jobs:
            if not self._step(self._jobs[0]):
                self._jobs.popleft()
            # Also after a job's end: of thousands of short ones, each counts.
            if self._jobs and self._clock.seconds() >= until:
                self._next = self._clock.callLater(0, self._work)
                return

    def _step(self, job: Iterator[None]) -> bool:
        """Take a job one step further; False when it is done."""
        try:
            next(job)
        except StopIteration:
            return False
        except Exception:
            # A mistake in one file's job keeps no other file from being followed.
            self._log.failure("a job failed")
            return False
        return True
