"""A program on a pseudo-terminal, whose screen is read back as text (pyte)."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pyte

from tests.signals import INHERITED

PATIENCE = 60.0
"""Seconds to wait for what must come: a loaded machine takes its time."""


HIDE_CURSOR = b"\x1b[?25l"


def text_until(path: str, text: str) -> str:
    """Return what a file has once a text and the end of its line are in it."""
    end = time.monotonic() + PATIENCE
    while True:
        with open(path, encoding="utf-8") as stream:
            found = stream.read()
        if text in found and found.endswith("\n"):
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{text!r} is not in {path}: {found!r}")
        time.sleep(0.02)


class PseudoTerminal:
    """Runs a program on a terminal of its own.

    :param environment: what is other than here.
    """

    def __init__(
        self, command: Sequence[str], columns: int, lines: int, environment: Mapping[str, str] | None = None
    ) -> None:
        self.screen = pyte.Screen(columns, lines)
        self.output = b""
        """All that the program has written, as far as the screen shows it."""
        self.status: int | None = None
        """Its exit status, once it has ended."""
        self._stream = pyte.ByteStream(self.screen)
        self._unread: deque[bytes] = deque()
        self.began = time.monotonic()
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            self._become(command, environment or {})
        self.before = self.settings()
        """How the terminal is set before the program starts, which waits for its size."""
        self.resize(columns, lines)

    def _become(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        # The size is set by the other side, which may take a moment.
        while struct.unpack("HHHH", fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))[0] == 0:
            time.sleep(0.001)
        usual = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "TZ": "UTC"}
        unwanted = ("COLUMNS", "LINES", "NO_COLOR")
        kept = {name: value for name, value in os.environ.items() if name not in unwanted}
        # As under a shell, in a process group of its own: only one that has a parent can be suspended.
        job = os.fork()
        if job == 0:
            try:
                os.setpgid(0, 0)
                signal.signal(signal.SIGTTOU, signal.SIG_IGN)
                os.tcsetpgrp(0, os.getpid())
                # What was ignored where this was started would stay so.
                for number in (signal.SIGTTOU, *INHERITED):
                    signal.signal(number, signal.SIG_DFL)
                os.execvpe(command[0], list(command), {**kept, **usual, **environment})
            finally:
                os._exit(127)
        _, status = os.waitpid(job, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)

    @property
    def job(self) -> int:
        """The number of the program's process.

        :raises ProcessLookupError: none has the terminal; 0 would be whoever runs the tests.
        """
        number = os.tcgetpgrp(self._terminal)
        if number <= 0:
            raise ProcessLookupError("no process has the terminal")
        return number

    def __enter__(self) -> PseudoTerminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the program, if it still runs."""
        if self.status is None and not self._has_ended():
            with suppress(OSError):
                self.signal(signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._terminal)

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size; the program is told by a signal."""
        self.screen.resize(lines, columns)
        self.told_size(columns, lines)

    def told_size(self, columns: int, lines: int) -> None:
        """Tell the program another size than the screen has."""
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._terminal, keys.encode())

    def signal(self, number: int) -> None:
        """Send the program a signal."""
        os.kill(self.job, number)

    @property
    def text(self) -> str:
        """What the screen shows."""
        return "\n".join(self.screen.display)

    @property
    def lines(self) -> list[str]:
        """The lines of the screen."""
        return [str(line) for line in self.screen.display]

    def style(self, text: str) -> Any:
        """Return the first cell of the line that has a text; its attributes are colours and settings."""
        for number, line in enumerate(self.lines):
            if text in line:
                # Wide characters stand before it in no test.
                return self.screen.buffer[number][line.index(text)]
        raise AssertionError(f"{text!r} is not on the screen:\n{self.text}")

    def settings(self) -> list[Any]:
        """Return how the terminal is set: what a program must give back as it was."""
        return termios.tcgetattr(self._terminal)

    def until(self, condition: Callable[[], bool], what: str = "") -> float:
        """Read until a condition holds; return after how many seconds since the begin it did.

        :raises AssertionError: it does not come true.
        """
        end = time.monotonic() + PATIENCE
        while not condition():
            left = end - time.monotonic()
            if left <= 0 or not self._read(min(left, 0.05)):
                raise AssertionError(f"not seen: {what}\n{self.text}")
        return time.monotonic() - self.began

    def shows(self, *texts: str) -> float:
        """Read until all texts are on the screen."""
        return self.until(lambda: all(text in self.text for text in texts), repr(texts))

    def watch(self, seconds: float) -> None:
        """Read what comes within some time."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._read(left)

    def ended(self) -> int:
        """Read until the program has ended; return its exit status."""
        end = time.monotonic() + PATIENCE
        while not self._has_ended():
            if time.monotonic() > end:
                raise AssertionError(f"it still runs\n{self.text}")
            self._read(0.02)
        # What it has written may still be on its way; the end of file comes after that.
        while self._read(max(0.0, end - time.monotonic())):
            pass
        assert self.status is not None
        return self.status

    def hang_up(self) -> None:
        """Take the terminal away; a program that does not mind goes on without a parent."""
        os.close(self._terminal)
        os.waitpid(self.pid, 0)

    def is_stopped(self) -> bool:
        """Tell whether the program is suspended."""
        self._read(0.02)
        with open(f"/proc/{self.job}/stat", encoding="utf-8") as stream:
            return stream.read().rpartition(")")[2].split()[0] == "T"

    def _has_ended(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def _read(self, seconds: float) -> bool:
        """Read what comes within some time, one screen at most; tell whether more may come.

        Screens that came while nobody read are seen one by one: the next may take away what this one shows.
        """
        if not self._unread:
            ready, _, _ = select.select([self._terminal], [], [], seconds)
            if not ready:
                return not (self.status is not None)
            try:
                octets = os.read(self._terminal, 1 << 16)
            except OSError:  # EIO: the program has closed it
                return False
            # urwid hides the cursor before it draws.
            first, *more = octets.split(HIDE_CURSOR)
            self._unread.extend(each for each in (first, *[HIDE_CURSOR + one for one in more]) if each)
            if not self._unread:
                return False
        octets = self._unread.popleft()
        self.output += octets
        self._stream.feed(octets)
        return True
