"""Tests for mcast.tap.hangup."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.tap.hangup import REST, Hangups, end_quietly, hold_hangups


class _Reactor(Clock):
    """A clock with a queue of calls from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: list[Any] = []

    def callFromThread(self, call: Any) -> None:
        self.queue.append(call)

    def turn(self, seconds: float = 0.0) -> None:
        """Run what is queued, and what is due after some time."""
        calls, self.queue = self.queue, []
        for call in calls:
            call()
        self.advance(seconds)


class InterruptTests(SynchronousTestCase):
    """SIGINT until the reactor obeys it."""

    running = False

    def setUp(self) -> None:
        self.addCleanup(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.triggers: list[Any] = []

    def addSystemEventTrigger(self, *words: Any) -> None:
        self.triggers.append(words)

    def test_ends_the_program(self) -> None:
        """As the system has it, and not by an exception that is told."""
        end_quietly(self)
        self.assertEqual(signal.getsignal(signal.SIGINT), signal.SIG_DFL)
        ((phase, event, call, *words),) = self.triggers
        call(*words)
        self.assertEqual((phase, event), ("before", "startup"))
        self.assertEqual(signal.getsignal(signal.SIGINT), signal.default_int_handler)

    def test_ignored(self) -> None:
        """What a shell has set stays."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        end_quietly(self)
        self.assertEqual((signal.getsignal(signal.SIGINT), self.triggers), (signal.SIG_IGN, []))

    def test_running(self) -> None:
        """A reactor that runs already is of another program."""
        self.running = True
        end_quietly(self)
        self.assertEqual(self.triggers, [])


class HangupTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.addCleanup(signal.signal, signal.SIGHUP, signal.getsignal(signal.SIGHUP))
        self.reactor = _Reactor()
        self.heard: list[float] = []
        self.hangups = Hangups(self.reactor, lambda: self.heard.append(self.reactor.seconds()))

    def storm(self, number: int) -> None:
        for _ in range(number):
            os.kill(os.getpid(), signal.SIGHUP)

    def test_at_once(self) -> None:
        self.hangups.start()
        self.storm(1)
        self.reactor.turn()
        self.assertEqual(self.heard, [0.0])

    def test_storm(self) -> None:
        """A thousand in ten seconds are ten readings, and one more after the last change."""
        self.hangups.start()
        for _ in range(80):
            self.storm(10)
            self.reactor.turn(REST / 8)
        self.reactor.pump([REST / 8] * 80)
        self.assertEqual(self.heard, [each * REST for each in range(11)])

    def test_stop(self) -> None:
        """Nothing is heard any more, no timer is left, and the handler is the one of before."""
        before = signal.getsignal(signal.SIGHUP)
        self.hangups.start()
        self.storm(2)
        self.reactor.turn()
        self.storm(1)
        self.hangups.stop()
        self.reactor.turn()
        self.assertEqual((self.heard, self.reactor.getDelayedCalls()), ([0.0], []))
        self.assertIs(signal.getsignal(signal.SIGHUP), before)

    def test_held_while_the_program_starts(self) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        hold_hangups()
        self.storm(1)

    def test_held_before_the_heavy_imports(self) -> None:
        """Most of the start is spent on them: it is held when the sub-command is known."""
        program = (
            "import os, signal, sys\n"
            "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
            "from mcast.tap.tap import Options\n"
            "class Finder:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            "        if name == 'mcast.tap.mdns': os.kill(os.getpid(), signal.SIGHUP)\n"
            "sys.meta_path.insert(0, Finder())\n"
            "Options().parseOptions(['mdns'])\n"
            "print('alive')\n"
        )
        self.assertEqual(os.popen(f'{sys.executable} -c "{program}"').read(), "alive\n")
