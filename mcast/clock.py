"""Time as it passes, on a reactor: a clock that nobody can set.

A reactor counts time by the wall clock. When that is set back by an hour, what was to happen in a second
happens in an hour and a second; set forward, everything is over at once. Whatever measures a duration here
asks `clock_of` for its clock, and not the reactor.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import time
from collections.abc import Callable
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, Protocol
from weakref import WeakKeyDictionary, ref

from twisted.internet.base import DelayedCall, ReactorBase
from twisted.internet.interfaces import (
    IDelayedCall,
    ILoggingContext,
    IReactorFDSet,
    IReactorTime,
    IReadDescriptor,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

LOOK_INTERVAL = 1.0
"""Seconds after which a clock without a timer of its own looks at the time again.

Our choice: where the system has no such timer, a call is this late when this machine slept, or the reactor's
time was set forward.
"""

SPARE_ENTRIES = 64
"""Entries of calls that were cancelled or put off which are kept beyond one for each call.

Our choice: enough that throwing them away costs little for each.
"""


def _steady_seconds() -> Callable[[], float]:
    """Return what tells the seconds that passed, those asleep included, from some moment in the past."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    if sys.platform != "win32" and boot_time is not None:
        return partial(time.clock_gettime, boot_time)
    if sys.platform == "darwin":
        # There it counts sleep, and what time.monotonic() reads does not.
        return partial(time.clock_gettime, time.CLOCK_MONOTONIC)
    return time.monotonic


class Bell(Protocol):
    """Wakes a clock, once for each time that it was set."""

    @property
    def is_lost(self) -> bool:
        """Whether somebody else took it out of the reactor, and it rings no more."""

    def set(self, delay: float) -> None:
        """Ring once in so many seconds, and not when it was to ring before; earlier does no harm."""

    def close(self) -> None:
        """Ring no more; nothing of it is left in the reactor."""


@implementer(IReactorTime)
class SteadyClock:
    """The time of a reactor, by a clock that nobody can set and that counts sleep.

    A call that raises is logged, and the others go on. While no call waits nothing of the clock is in the
    reactor, and no descriptor is open.

    :param seconds: the time.
    :param bell: makes what calls its argument when the delay it was set to is over.
    """

    _log = Logger()

    def __init__(self, seconds: Callable[[], float], bell: Callable[[Callable[[], None]], Bell]) -> None:
        self.seconds = seconds
        """Return the time; of use in differences only."""
        self._make_bell = bell
        self._bell: Bell | None = None
        self._rings_at: float | None = None
        self._calls: set[DelayedCall] = set()
        self._entries: list[tuple[float, int, DelayedCall]] = []
        self._serial = count()
        self._watches: list[SleepWatch] = []
        self._is_running = False

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any, **kw: Any) -> IDelayedCall:
        """Call something once, in so many seconds.

        :raises ValueError: the delay is negative.
        """
        if not delay >= 0:
            raise ValueError(f"a delay of {delay} s")
        call = DelayedCall(
            self.seconds() + delay, callable, args, kw, self._cancelled, self._is_sooner, self.seconds
        )
        self._calls.add(call)
        self._enter(call)
        return call

    def getDelayedCalls(self) -> list[IDelayedCall]:
        """Return the calls that wait."""
        return list(self._calls)

    def watch_sleep(self, limit: float, woke: Callable[[float], None]) -> Callable[[], None]:
        """Tell when nothing ran for so many seconds: this machine slept, or this process was stopped.

        It is told before anything that became due meanwhile is called.

        :param woke: called with the seconds that nothing ran.
        :returns: call this to watch no more.
        """
        watch = SleepWatch(self, limit, woke)
        self._watches.append(watch)

        def stop() -> None:
            if watch in self._watches:
                self._watches.remove(watch)
                watch.stop()

        return stop

    def _enter(self, call: DelayedCall) -> None:
        heappush(self._entries, (call.getTime(), next(self._serial), call))
        if len(self._entries) > 2 * len(self._calls) + SPARE_ENTRIES:
            self._entries = [(each.getTime(), next(self._serial), each) for each in self._calls]
            heapify(self._entries)
        self._arm()

    def _is_sooner(self, call: DelayedCall) -> None:
        self._enter(call)  # what was entered for it before finds it called

    def _cancelled(self, call: DelayedCall) -> None:
        self._calls.discard(call)
        self._arm()

    def _arm(self) -> None:
        """Set the bell to the earliest call, unless it rings before that anyhow."""
        if self._is_running:
            return
        if not self._calls:
            self._entries.clear()
            self._rings_at = None
            if self._bell is not None:
                self._bell.close()
                self._bell = None
            return
        if self._bell is not None and self._bell.is_lost:
            self._bell = self._rings_at = None
        at = self._entries[0][0]
        if self._rings_at is not None and self._rings_at <= at:
            return
        if self._bell is None:
            self._bell = self._make_bell(self._ring)
        self._rings_at = at
        self._bell.set(max(0.0, at - self.seconds()))

    def _ring(self) -> None:
        """Call what is due."""
        self._rings_at = None
        self._is_running = True
        try:
            now = self.seconds()
            for watch in tuple(self._watches):
                self._call(watch.look, now)
            for call in self._take_due(now):
                # Those before it may have cancelled it or put it off.
                if call not in self._calls:
                    continue
                if call.getTime() > now:
                    self._enter(call)
                    continue
                self._calls.remove(call)
                call.called = 1
                self._call(call.func, *call.args, **call.kw)
        finally:
            self._is_running = False
            self._arm()

    def _take_due(self, now: float) -> list[DelayedCall]:
        due: dict[DelayedCall, None] = {}
        while self._entries and self._entries[0][0] <= now:
            due[heappop(self._entries)[2]] = None
        return list(due)

    def _call(self, function: Callable[..., Any], *args: Any, **kw: Any) -> None:
        try:
            function(*args, **kw)
        except Exception:
            self._log.failure("{function!r}, called at its time, failed", function=function)


class SleepWatch:
    """Looks whether its clock was looked at in good time."""

    def __init__(self, clock: SteadyClock, limit: float, woke: Callable[[float], None]) -> None:
        self._clock = clock
        self._limit = limit
        self._woke = woke
        self._looked_at = clock.seconds()
        self._timer: IDelayedCall
        self._wait()

    def look(self, now: float) -> None:
        """Take note that the program runs."""
        asleep, self._looked_at = now - self._looked_at, now
        if asleep > self._limit:
            self._woke(asleep)

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _wait(self) -> None:
        # So a sleep longer than the limit is always noticed, and one of less than half of it never.
        self._timer = self._clock.callLater(self._limit / 2, self._wait)


@implementer(IReadDescriptor, ILoggingContext)
class TimerDescriptor:
    """A timer of the Linux kernel that counts sleep, as a descriptor in the reactor: see timerfd_create(2).

    :raises OSError: the system has none, or no descriptor is free.
    """

    def __init__(self, reactor: IReactorFDSet, ring: Callable[[], None]) -> None:
        self._reactor = reactor
        self._ring = ring
        # os.timerfd_create came with Python 3.13.
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._create()
        try:
            reactor.addReader(self)
        except BaseException:
            self._close()
            raise

    def _create(self) -> int:
        if sys.platform != "linux":
            raise NotImplementedError("timer descriptors are Linux's")
        return self._checked(self._libc.timerfd_create(time.CLOCK_BOOTTIME, os.O_NONBLOCK | os.O_CLOEXEC))

    @property
    def is_lost(self) -> bool:
        return self._fd < 0

    def set(self, delay: float) -> None:
        seconds, part = divmod(max(1, int(delay * 1e9)), 1_000_000_000)  # 0 would be never
        setting = struct.pack("@qqqq", 0, 0, seconds, part)
        self._checked(self._libc.timerfd_settime(self._fd, 0, setting, None))

    def close(self) -> None:
        if self._fd >= 0:
            self._reactor.removeReader(self)
            self._close()

    def fileno(self) -> int:
        """Return the descriptor, -1 when closed."""
        return self._fd

    def logPrefix(self) -> str:
        return "clock"

    def doRead(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:  # it was set anew since it rang
            return
        self._ring()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Close: the reactor shuts down."""
        self._close()

    def _close(self) -> None:
        descriptor, self._fd = self._fd, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _checked(self, result: int) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        return result


class LookingBell:
    """Rings by calls of the reactor, which a change of its time may put off: it looks often."""

    def __init__(self, reactor: IReactorTime, ring: Callable[[], None]) -> None:
        self._reactor = reactor
        self._ring = ring
        self._call: IDelayedCall | None = None

    @property
    def is_lost(self) -> bool:
        return self._call is not None and not self._call.active()

    def set(self, delay: float) -> None:
        self.close()
        self._call = self._reactor.callLater(min(delay, LOOK_INTERVAL), self._look)

    def close(self) -> None:
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def _look(self) -> None:
        self._call = None
        self._ring()


def _bell_of(reactor: Any, ring: Callable[[], None]) -> Bell:
    if sys.platform == "linux" and IReactorFDSet.providedBy(reactor):
        try:
            return TimerDescriptor(reactor, ring)
        except (OSError, AttributeError):
            pass  # no descriptor is free, or the C library does not know it
    return LookingBell(reactor, ring)


_clocks: WeakKeyDictionary[Any, ref[SteadyClock]] = WeakKeyDictionary()


def clock_of(reactor: Any) -> Any:
    """Return what measures durations and calls later on a reactor.

    What is no real reactor, such as a `twisted.internet.task.Clock`, is its own clock.
    """
    if not isinstance(reactor, ReactorBase):
        return reactor
    known = _clocks.get(reactor)
    clock = None if known is None else known()
    if clock is None:
        clock = SteadyClock(_steady_seconds(), partial(_bell_of, reactor))
        _clocks[reactor] = ref(clock)
    return clock


def watch_sleep(clock: Any, limit: float, woke: Callable[[float], None]) -> Callable[[], None]:
    """Watch for sleep as `SteadyClock.watch_sleep` does; a clock of another kind never sleeps."""
    if isinstance(clock, SteadyClock):
        return clock.watch_sleep(limit, woke)
    return lambda: None
