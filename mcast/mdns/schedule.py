"""When a link wants to be called again: one schedule, and the timers behind it."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

Wake = Callable[[float], None]
"""Does what is due at the time that it is called with."""


class Schedule:
    """The wake-ups of all parts of one link."""

    __slots__ = ("_parts", "is_behind")

    def __init__(self) -> None:
        self.is_behind = False
        """Whether the last `advance` has left work that is due: a part does some at a time, and no more."""
        self._parts: Final[list[tuple[Callable[[], float | None], Wake]]] = []

    def add(self, next_at: Callable[[], float | None], wake: Wake) -> None:
        """Have a part woken when it is due, after the parts that were added before it.

        :param next_at: tells when the part is due; None while it waits for nothing.
        """
        self._parts.append((next_at, wake))

    def next_at(self) -> float | None:
        """Return when to call `advance`, or None while nothing waits."""
        earliest: float | None = None
        for next_at, _ in self._parts:
            at = next_at()
            if at is not None and (earliest is None or at < earliest):
                earliest = at
        return earliest

    def advance(self, now: float) -> None:
        """Wake every part that is due; too early or too often does no harm.

        What a part makes due for a later one is done in the same call. A part that has more to do than what
        takes some milliseconds leaves the rest for the next call, and is due still.
        """
        is_woken = False
        for next_at, wake in self._parts:
            at = next_at()
            if at is not None and at <= now:
                is_woken = True
                wake(now)
        self.is_behind = is_woken and self._is_due(now)

    def _is_due(self, now: float) -> bool:
        at = self.next_at()
        return at is not None and at <= now


class Timer(Protocol):
    """What can be armed."""

    wake_at: float | None
    """When it goes off, if it is armed; set by `Timers` alone."""


_T = TypeVar("_T", bound=Timer)


class Timers(Generic[_T]):
    """The timers of one part, in the order in which they go off."""

    __slots__ = ("_armed", "_heap", "_serial")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, _T]] = []
        """An entry is out of date when its time is no longer the ``wake_at`` of the timer."""
        self._armed = 0
        self._serial = 0

    def __len__(self) -> int:
        """How many entries there are, with those that are out of date."""
        return len(self._heap)

    def arm(self, timer: _T, at: float) -> None:
        """Wake a timer at ``at``, or earlier when it is armed for earlier."""
        wake_at = timer.wake_at
        if wake_at is not None and wake_at <= at:
            return
        if wake_at is None:
            self._armed += 1
        timer.wake_at = at
        self._push(at, timer)
        if len(self._heap) > 2 * self._armed + 256:
            # More than half is out of date.
            self._heap = [entry for entry in self._heap if entry[2].wake_at == entry[0]]
            heapq.heapify(self._heap)

    def rearm(self, timer: _T, at: float) -> None:
        """Wake a timer at ``at``, whatever it is armed for."""
        self.disarm(timer)
        self.arm(timer, at)

    def disarm(self, timer: _T) -> None:
        """Do not wake a timer."""
        if timer.wake_at is not None:
            timer.wake_at = None
            self._armed -= 1

    def next_at(self) -> float | None:
        """Return when the first timer goes off, or None when none is armed."""
        heap = self._heap
        while heap and heap[0][2].wake_at != heap[0][0]:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def pop(self, until: float) -> tuple[float, _T] | None:
        """Disarm and return the first timer, with its time, if that is not after ``until``."""
        at = self.next_at()
        if at is None or at > until:
            return None
        timer = heapq.heappop(self._heap)[2]
        self.disarm(timer)
        return at, timer

    def due(self, now: float, limit: int | None = None) -> list[_T]:
        """Disarm and return the timers that go off until ``now``, the first one first.

        :param limit: return so many at most.
        """
        heap = self._heap
        found: list[_T] = []
        while heap and heap[0][0] <= now and len(found) != limit:
            at, _, timer = heapq.heappop(heap)
            if timer.wake_at == at:
                timer.wake_at = None
                found.append(timer)
        self._armed -= len(found)
        return found

    def clear(self) -> None:
        """Forget all timers; they are no longer armed."""
        for _, _, timer in self._heap:
            timer.wake_at = None
        self._heap.clear()
        self._armed = 0

    def _push(self, at: float, timer: _T) -> None:
        self._serial += 1
        heapq.heappush(self._heap, (at, self._serial, timer))
