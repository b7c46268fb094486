"""Reading from a pipe or a terminal while the reactor stands still: a signal ends it all the same."""

from __future__ import annotations

import io
import os
import select
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import BinaryIO, cast

from twisted.internet.defer import CancelledError

LOOK_INTERVAL = 0.1
"""Seconds after which it is looked whether a signal came. Our choice: Ctrl-C seems to act at once."""


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Open a file for the body; a pipe is not waited for, neither here nor in `read`, once a signal came.

    :raises OSError: it cannot be opened.
    :raises CancelledError: out of `read`: SIGINT or SIGTERM came.
    """
    if sys.platform == "win32":
        with open(path, "rb") as file:
            yield file
        return
    with ExitStack() as stack:
        # Before it is open: who sees that we have a pipe open may send us a signal at once.
        with _noted() as came:
            # Not waiting for one who writes to a pipe.
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            stream = stack.enter_context(open(descriptor, "rb"))
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                raise IsADirectoryError(21, "Is a directory", path)
            if not stat.S_ISREG(mode):
                yield _pipe(descriptor, came)
                return
        for number in came:
            signal.raise_signal(number)
        yield stream


@contextmanager
def standard_input() -> Iterator[BinaryIO]:
    """Read standard input in the body, with the same exception."""
    if sys.platform == "win32":
        yield sys.stdin.buffer
        return
    with waited_for(sys.stdin.fileno()) as stream:
        yield stream


@contextmanager
def waited_for(descriptor: int) -> Iterator[BinaryIO]:
    """Read a descriptor in the body; SIGINT and SIGTERM end a `read` with `CancelledError`.

    The reactor would hear a signal only after it. One that is ignored goes on being ignored.
    """
    with _noted() as came:
        yield _pipe(descriptor, came)


def _pipe(descriptor: int, came: list[int]) -> BinaryIO:
    # `BufferedReader` is one in all but the declared class.
    return cast(BinaryIO, io.BufferedReader(_Pipe(descriptor, came)))


@contextmanager
def _noted() -> Iterator[list[int]]:
    """Note each SIGINT and SIGTERM in the body in the list."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    watched = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in watched:
        signal.signal(number, note)
    try:
        yield came
    finally:
        for number in watched:
            signal.signal(number, before[number])


class _Pipe(io.RawIOBase):
    """A descriptor that stays open, and is read when there is something in it.

    :param came: the signals so far.
    """

    def __init__(self, descriptor: int, came: list[int]) -> None:
        self._descriptor = descriptor
        self._came = came

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read some octets; none when nobody will write any more."""
        while not self._came:
            # A pipe that nobody writes to yet is not ready; a `read` would say that it ended.
            if select.select([self._descriptor], [], [], LOOK_INTERVAL)[0]:
                octets = os.read(self._descriptor, len(buffer))
                buffer[: len(octets)] = octets
                return len(octets)
        raise CancelledError()
