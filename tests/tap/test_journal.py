"""Logs: for the journal a line with its priority, as Twisted's options say otherwise; and one line a fact."""

from __future__ import annotations

import os
import sys
import tempfile
from io import StringIO
from typing import Any

from twisted.application.twist._options import TwistOptions
from twisted.logger import (
    ILogObserver,
    LogEvent,
    Logger,
    LogLevel,
    formatEvent,
    globalLogPublisher,
    jsonFileLogObserver,
    textFileLogObserver,
)
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from mcast import Node, Service
from mcast.tap import journal
from mcast.testing import SimulatedLan


class LineTests(SynchronousTestCase):
    """What is written for an event."""

    def lines(self, emit: Any) -> list[str]:
        stream = StringIO()
        observer = journal.journal_observer(stream)
        emit(Logger(namespace="mcast.test", observer=observer))
        return stream.getvalue().splitlines()

    def test_priorities(self) -> None:
        for level, priority in ((LogLevel.debug, 7), (LogLevel.info, 6), (LogLevel.warn, 4)):
            said = self.lines(lambda log, level=level: log.emit(level, "joined {group}", group="ff02::fb"))
            self.assertEqual(said, [f"<{priority}>joined ff02::fb"])
        self.assertEqual(self.lines(lambda log: log.error("no")), ["<3>no"])
        self.assertEqual(self.lines(lambda log: log.critical("no")), ["<2>no"])

    def test_one_line(self) -> None:
        """Whatever a value has in it, it begins no line, and so claims no priority."""
        said = self.lines(lambda log: log.info("published {name}", name="My\n<0>Web\r\x1b[2J"))
        self.assertEqual(said, [r"<6>published My\u000a<0>Web\u000d\u001b[2J"])

    def test_traceback(self) -> None:
        """Each of its lines has the priority."""

        def fail(log: Logger) -> None:
            try:
                raise ValueError("two\nlines")
            except ValueError:
                log.failure("it went wrong")

        said = self.lines(fail)
        self.assertEqual(said[0], "<2>it went wrong")
        self.assertIn("<2>builtins.ValueError: two", said)
        self.assertEqual({line[:3] for line in said}, {"<2>"})

    def test_nothing_to_say(self) -> None:
        self.assertIsNone(journal.as_lines({}))


class ChoiceTests(SynchronousTestCase):
    """Which format it is."""

    def setUp(self) -> None:
        self.file = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed at the end of the test
        self.addCleanup(self.file.close)
        status = os.fstat(self.file.fileno())
        self.patch(os, "environ", {**os.environ, journal.STREAM: f"{status.st_dev}:{status.st_ino}"})

    def chosen(self, *words: str, file: Any = None) -> Any:
        options = TwistOptions()
        options["reactorName"] = "default"
        options["logFile"] = self.file if file is None else file
        words = (*words, "mcast", "mdns")
        self.patch(sys, "argv", ["twist", *words])
        options.parseOptions(words)
        return options["fileLogObserverFactory"]

    def test_journal(self) -> None:
        self.assertIs(self.chosen(), journal.journal_observer)

    def test_as_twisted_is_told(self) -> None:
        self.assertIs(self.chosen("--log-format=json"), jsonFileLogObserver)
        self.assertIs(self.chosen("--log-format=text"), textFileLogObserver)

    def test_another_file(self) -> None:
        """A log that is sent elsewhere by an option or a shell does not get into the journal."""
        with tempfile.TemporaryFile("w+") as other:
            self.assertIs(self.chosen(file=other), jsonFileLogObserver)

    def test_no_file(self) -> None:
        self.assertIs(self.chosen(file=StringIO()), jsonFileLogObserver)

    def test_outside_of_a_unit(self) -> None:
        del os.environ[journal.STREAM]
        self.assertIs(self.chosen(), jsonFileLogObserver)

    def test_terminal(self) -> None:
        leader, follower = os.openpty()
        self.addCleanup(os.close, leader)
        with os.fdopen(follower, "w") as terminal:
            self.assertIs(self.chosen(file=terminal), textFileLogObserver)


class FactTests(SynchronousTestCase):
    """One line a fact, in every format: what a stranger or a file calls a thing begins no line."""

    def test_names_with_line_breaks(self) -> None:
        told: list[str] = []

        @implementer(ILogObserver)
        def note(event: LogEvent) -> None:
            told.append(formatEvent(event))

        globalLogPublisher.addObserver(note)
        self.addCleanup(globalLogPublisher.removeObserver, note)
        lan = SimulatedLan(seed=1)
        for label in ("first", "second"):
            host = lan.host(label)
            node = Node(lan.clock, network=host, hostname=label, rng=host.rng)
            node.startService()
            node.publish(Service("My\u2028<0>Web\u0085", "_http._tcp", 80, txt={"a": "c\nd"}))
            lan.advance(3)
        lan.advance(3)
        self.assertTrue(any("is taken by another host" in line for line in told), told)
        self.assertEqual([line for line in told if len(line.splitlines()) > 1], [])
