"""Who works next: connections that have messages take turns, so that a flood by some leaves time for all."""

from __future__ import annotations

from typing import Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

TURN = 50
"""Messages of all connections together that are dealt with before others, such as queries by UDP, have their
turn. Our choice: some milliseconds."""

TURN_TIME = 0.02
"""Seconds after which a turn ends with fewer. Our choice: a message of 64 KiB takes as much."""

SHARE = 5
"""Messages of one connection in a row, when others wait. Our choice: more than one query and its fellows."""


class Worker(Protocol):
    """What has messages to deal with."""

    def work(self, limit: int) -> int:
        """Deal with so many messages at most; return with how many it did."""

    @property
    def has_work(self) -> bool:
        """Whether messages are left that can be dealt with now."""


class Turns:
    """Has workers work one after the other, each for a share, a turn for all of them at a time."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock: Final = clock
        self._waiting: dict[Worker, None] = {}
        self._timer: IDelayedCall | None = None

    def offer(self, worker: Worker) -> None:
        """Have a worker work: at once when nobody waits, in its turn otherwise."""
        if worker in self._waiting:
            return
        if not self._waiting:
            worker.work(TURN)
            if not worker.has_work:
                return
        self.enqueue(worker)

    def enqueue(self, worker: Worker) -> None:
        """Have a worker work in its turn."""
        self._waiting.setdefault(worker)
        if self._timer is None:
            self._timer = self._clock.callLater(0, self._go)

    def leave(self, worker: Worker) -> None:
        """Have it work no more."""
        self._waiting.pop(worker, None)
        if not self._waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go(self) -> None:
        self._timer = None
        ends_at = self._clock.seconds() + TURN_TIME
        left = TURN
        waiting = self._waiting
        while waiting and left > 0 and self._clock.seconds() <= ends_at:
            worker = next(iter(waiting))
            # Behind the others; first, since it may leave while it works.
            del waiting[worker]
            waiting[worker] = None
            left -= max(1, worker.work(min(left, SHARE)))
            if not worker.has_work:
                waiting.pop(worker, None)
        if waiting and self._timer is None:
            self._timer = self._clock.callLater(0, self._go)
