"""Pipes that are read: a signal ends the waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from time import monotonic, sleep

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from mcast.cli.pipes import opened, waited_for
from tests.signals import default_signals

PATIENCE = 120.0
"""Seconds for a program to start, on a machine that is ten times slower."""


class PipeTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        if os.name != "posix":
            raise SkipTest("there are no such pipes here")

    def fifo(self) -> str:
        path: str = os.path.abspath(self.mktemp())
        os.mkfifo(path)
        return path


class PipeTests(PipeTestCase):
    """In this process, which sends itself the signals."""

    def setUp(self) -> None:
        super().setUp()
        for number in (signal.SIGINT, signal.SIGTERM):
            self.addCleanup(signal.signal, number, signal.signal(number, signal.SIG_DFL))
        # A wait that no signal ends must fail, and not last for ever.
        self.addCleanup(signal.signal, signal.SIGALRM, signal.signal(signal.SIGALRM, self.waited_too_long))
        self.addCleanup(signal.alarm, 0)
        signal.alarm(int(PATIENCE))

    def waited_too_long(self, number: int, frame: object) -> None:
        self.fail(f"nothing ended the waiting within {PATIENCE:.0f} s")

    def test_nobody_writes(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            with opened(self.fifo()) as stream:
                os.kill(os.getpid(), number)
                self.assertRaises(CancelledError, stream.read, 4)
        self.assertEqual(signal.getsignal(signal.SIGTERM), signal.SIG_DFL)

    def kill_at_open(self) -> None:
        """Send ourselves a signal as soon as something is open."""
        real = os.open

        def opened_by_us(path: str, flags: int) -> int:
            descriptor = real(path, flags)
            os.kill(os.getpid(), signal.SIGTERM)
            return descriptor

        self.heard: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, _: self.heard.append(number))
        self.patch(os, "open", opened_by_us)

    def test_signal_at_once(self) -> None:
        """One that comes when the pipe has just been opened ends the waiting too."""
        path = self.fifo()
        self.kill_at_open()
        with opened(path) as stream:
            self.assertRaises(CancelledError, stream.read, 4)
        self.assertEqual(self.heard, [])

    def test_signal_while_a_file_is_opened(self) -> None:
        """It is not lost: no reading of a file waits."""
        path: str = self.mktemp()
        with open(path, "wb") as stream:
            stream.write(b"all of it")
        self.kill_at_open()
        with opened(path) as stream:
            self.assertEqual((stream.read(), self.heard), (b"all of it", [signal.SIGTERM]))

    def test_what_is_written_is_read(self) -> None:
        path = self.fifo()
        with opened(path) as stream:
            with open(path, "wb") as writer:
                writer.write(b"four and more")
            self.assertEqual(stream.read(4), b"four")
            self.assertEqual(stream.read(), b" and more")
            self.assertFalse(stream.seekable())

    def test_in_the_middle(self) -> None:
        """Of what was written nothing more is read."""
        ours, theirs = os.pipe()
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, theirs)
        os.write(theirs, b"four")
        with waited_for(ours) as stream:
            self.assertEqual(stream.read(4), b"four")
            os.kill(os.getpid(), signal.SIGTERM)
            self.assertRaises(CancelledError, stream.read, 4)

    def test_an_ignored_signal_stays_ignored(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with opened(self.fifo()):
            self.assertEqual(signal.getsignal(signal.SIGINT), signal.SIG_IGN)

    def test_a_file_is_a_file(self) -> None:
        path: str = self.mktemp()
        with open(path, "wb") as stream:
            stream.write(b"all of it")
        with opened(path) as stream:
            self.assertTrue(stream.seekable())
            self.assertEqual(stream.read(), b"all of it")

    def test_a_folder(self) -> None:
        path: str = self.mktemp()
        os.mkdir(path)
        with self.assertRaises(IsADirectoryError), opened(path):
            pass


class ProgramTests(PipeTestCase):
    """The commands that read one: SIGTERM ends them while nobody writes."""

    def ended(self, *words: str) -> tuple[int, str]:
        """Run a command that reads a FIFO; return its status and errors once a signal has ended it."""
        path = self.fifo()
        command = [sys.executable, "-m", "mcast.cli", *[path if word == "FIFO" else word for word in words]]
        with default_signals():
            program = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(program.kill)
        until = monotonic() + PATIENCE
        while monotonic() < until:
            try:
                # There is nobody to write to until it has opened it.
                self.addCleanup(os.close, os.open(path, os.O_WRONLY | os.O_NONBLOCK))
                break
            except OSError:
                sleep(0.02)
        program.terminate()
        _, errors = program.communicate(timeout=PATIENCE)
        return program.returncode, errors.replace(path, "FIFO")

    def test_dump(self) -> None:
        status, errors = self.ended("dump", "--pcap", "FIFO")
        self.assertEqual(status, 1)
        self.assertIn("no multicast DNS packet was seen in FIFO", errors)

    def test_send(self) -> None:
        self.assertEqual(self.ended("send", "--file", "FIFO", "224.0.0.251:9"), (2, ""))
