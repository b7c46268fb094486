"""Progress is one line on a terminal, and nothing elsewhere."""

from __future__ import annotations

import os
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from mcast.cli.progress import Progress


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class ProgressTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 0.0
        # Whatever terminal the tests are run from.
        self.patch(os, "environ", {**os.environ, "COLUMNS": "80"})

    def progress(self, stream: StringIO, total: float | None = 200.0) -> Progress:
        return Progress("reading big.pcap", total, stream, now=lambda: self.now)

    def lines(self, stream: StringIO) -> list[str]:
        return stream.getvalue().split("\r\x1b[K")[1:]

    def test_terminal(self) -> None:
        stream = Terminal()
        with self.progress(stream) as progress:
            self.now = 2.0
            progress.at(50, "1200 packets")
        self.assertEqual(
            self.lines(stream),
            ["reading big.pcap [######..................]  25 %, 6 s left 1200 packets", ""],
        )

    def test_elsewhere(self) -> None:
        stream = StringIO()
        with self.progress(stream) as progress:
            self.now = 2.0
            progress.at(50)
        self.assertEqual(stream.getvalue(), "")

    def test_short_work(self) -> None:
        stream = Terminal()
        with self.progress(stream) as progress:
            self.now = 0.4
            progress.at(50)
        self.assertEqual(stream.getvalue(), "")

    def test_not_too_often(self) -> None:
        stream = Terminal()
        progress = self.progress(stream)
        for step in range(1000):
            self.now = 1 + step / 1000
            progress.at(step)
        self.assertEqual(len(self.lines(stream)), 10)

    def test_without_an_end(self) -> None:
        stream = Terminal()
        self.now = 0.0
        progress = self.progress(stream, None)
        self.now = 7.0
        progress.at(3, "3 rounds")
        self.assertEqual(self.lines(stream), ["reading big.pcap 7 s 3 rounds"])

    def test_beyond_its_end(self) -> None:
        """A file may grow while it is read."""
        stream = Terminal()
        progress = self.progress(stream)
        self.now = 7.0
        progress.at(300)
        self.assertIn("100 %", stream.getvalue())
