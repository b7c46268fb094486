"""`mcast.conform.programs`: a program that has exited while something that it started holds its pipes."""

from __future__ import annotations

import os
import signal
from typing import Any

from twisted.internet.error import ProcessExitedAlready
from twisted.trial.unittest import SynchronousTestCase

from mcast.conform import programs


class FakeProcess:
    """What `spawnProcess` returns; ``pid`` goes when the program exits."""

    pid: int | None = 4711

    def closeStdin(self) -> None:
        pass

    def signalProcess(self, number: int) -> None:
        raise ProcessExitedAlready


class FakeReactor:
    """Starts one program."""

    def __init__(self) -> None:
        self.process = FakeProcess()

    def spawnProcess(self, *words: Any, **more: Any) -> FakeProcess:
        return self.process


class ExitedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(programs, "find_program", lambda name: name)
        reactor = FakeReactor()
        self.program = programs.Program(reactor, ["true"], {})
        reactor.process.pid = None

    def test_signal(self) -> None:
        self.program.signal(signal.SIGTERM)

    def test_signal_to_its_session(self) -> None:
        """What it has started is still there, under the number that it had."""
        sent: list[tuple[int, int]] = []
        self.patch(os, "killpg", lambda *words: sent.append(words))
        self.program.signal_session(signal.SIGTERM)
        self.assertEqual(sent, [(4711, signal.SIGTERM)])
