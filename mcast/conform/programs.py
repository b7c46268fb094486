"""Programs of others on the reactor: run to their end, or going on until they are ended by their id."""

from __future__ import annotations

import os
import shutil
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.utils import getProcessOutputAndValue
from twisted.python.failure import Failure

from mcast.conform.verdicts import NotRunError
from mcast.conform.view import View

MAX_LINES = 5_000
"""Lines of its output that are kept of a program. Our choice: what tells why it ended, and all that a querier
shows in a scenario."""

PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
"""Where programs are looked for: Debian keeps ip and daemons where a user's own path does not reach."""


def find_program(name: str) -> str:
    """Return the path of a program.

    :raises NotRunError: it is not installed.
    """
    found = shutil.which(name, path=PATH)
    if found is None:
        raise NotRunError(f"the program {name} is not installed")
    return found


async def run_program(reactor: Any, *words: str, environment: Mapping[str, str] | None = None) -> str:
    """Run a program to its end and return its output.

    :param environment: variables beside those of this program.
    :raises NotRunError: it failed; with what it wrote.
    """
    variables = {**os.environ, "PATH": PATH, **(environment or {})}
    output, errors, status = await getProcessOutputAndValue(
        find_program(words[0]), words[1:], env=variables, reactor=reactor
    )
    if status:
        said = (errors or output).decode(errors="replace").strip()
        raise NotRunError(f"{words[0]}: {said or f'status {status}'}")
    return bytes(output).decode(errors="replace")


class Watcher(ProcessProtocol):
    """Keeps the last lines of a program, and tells its end."""

    def __init__(self, lines: deque[str]) -> None:
        self._lines = lines
        self._rest = b""
        self.ended: list[Deferred[None]] = []
        self.is_running = True
        self.status: int | None = None
        """Its exit status; None while it runs, and where a signal ended it."""

    def outReceived(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data)[-65536:].split(b"\n")
        self._lines.extend(line.decode(errors="replace") for line in whole)

    def errReceived(self, data: bytes) -> None:
        self.outReceived(data)

    def processEnded(self, reason: Failure) -> None:
        self.is_running = False
        self.status = getattr(reason.value, "exitCode", None)
        for waiting in self.ended:
            waiting.callback(None)
        self.ended.clear()


class Program:
    """A program that goes on.

    It is killed when this one is, by whatever cause.

    :param words: the command line.
    """

    def __init__(self, reactor: Any, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self.lines: deque[str] = deque(maxlen=MAX_LINES)
        self._watcher = Watcher(self.lines)
        command = [find_program("setpriv"), "--pdeathsig", "KILL", *words]
        self._process = reactor.spawnProcess(
            self._watcher, command[0], command, env={**os.environ, "PATH": PATH, **environment}
        )
        # Twisted forgets it when the program has exited, which is before its pipes are closed.
        self._pid = self._process.pid
        self._process.closeStdin()

    @property
    def is_running(self) -> bool:
        return self._watcher.is_running

    def signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.is_running:
            with suppress(ProcessExitedAlready):
                self._process.signalProcess(number)

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs, and where a signal ended it."""
        return self._watcher.status

    def signal_session(self, number: int) -> None:
        """Send a signal to a program that ``setsid`` started, and to all that it has started."""
        if self.is_running and sys.platform != "win32":
            os.killpg(self._pid, number)

    async def until_ended(self, view: View, timeout: float) -> bool:
        """Wait for its end; False when it goes on for so long."""
        if not self.is_running:
            return True
        waiting: Deferred[None] = Deferred()
        self._watcher.ended.append(waiting)
        call = view.clock.callLater(timeout, self._stop_waiting, waiting)
        await waiting
        if call.active():
            call.cancel()
        return not self.is_running

    def _stop_waiting(self, waiting: Deferred[None]) -> None:
        if waiting in self._watcher.ended:
            self._watcher.ended.remove(waiting)
            waiting.callback(None)
