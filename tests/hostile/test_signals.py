"""Signals at random moments."""

from __future__ import annotations

import signal
import time
from random import Random
from typing import ClassVar

from tests.hostile.lab import HostileTestCase, promised

ENDING = (signal.SIGTERM, signal.SIGINT)
OTHERS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGCONT, signal.SIGPIPE, signal.SIGWINCH)


class SignalTests(HostileTestCase):
    """From the first line of its log on, it obeys and never tells of an exception."""

    rounds: ClassVar[int] = 8

    def test_at_random(self) -> None:
        rng = Random(6762)
        for _ in range(self.rounds):
            program = self.responder("--hostname", "kitchen", "--service", "Web:_http._tcp:80")
            program.wait_for("joined")
            for _ in range(rng.randrange(6)):
                time.sleep(rng.random() * 0.3)
                program.send_signal(rng.choice(OTHERS))
            time.sleep(rng.random())
            program.send_signal(rng.choice(ENDING))
            status = program.wait(promised(5.0, 60.0))
            self.assertIn(status, (0, -signal.SIGTERM, -signal.SIGINT), program.output)
            self.assertNotIn("Traceback", program.output)

    def test_storm_of_hangups(self) -> None:
        """A thousand SIGHUP cost a few lines, and nobody an answer."""
        program = self.kitchen()
        before = len(program.lines)
        for _ in range(1000):
            program.send_signal(signal.SIGHUP)
        self.wait_for_answer()
        self.assertLess(len(program.lines) - before, 20)
        self.assert_well(program)
        self.assert_ends(program)
