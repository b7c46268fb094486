"""What stands between a bench and the system: ports that are held, programs, frames of others."""

from __future__ import annotations

from collections import deque

from twisted.trial.unittest import SynchronousTestCase

from mcast.conform import links
from mcast.conform.links import HeldPorts
from mcast.conform.programs import MAX_LINES, Watcher


class HeldPortTests(SynchronousTestCase):
    """Ports that nobody reads."""

    def test_bounded(self) -> None:
        self.patch(links, "MAX_PORTS", 3)
        ports = HeldPorts()
        self.addCleanup(ports.close)
        for number in range(5):
            ports.hold("127.0.0.1", 47_100 + number)
        held = [number for number in range(5) if ports.holds("127.0.0.1", 47_100 + number)]
        self.assertEqual(held, [2, 3, 4])

    def test_once(self) -> None:
        ports = HeldPorts()
        self.addCleanup(ports.close)
        for _ in range(2):
            ports.hold("::1", 47_200)
        self.assertTrue(ports.holds("::1", 47_200))


class WatcherTests(SynchronousTestCase):
    """The last lines of a program."""

    def test_bounded(self) -> None:
        lines: deque[str] = deque(maxlen=MAX_LINES)
        watcher = Watcher(lines)
        watcher.outReceived(b"".join(b"line %d\n" % number for number in range(MAX_LINES + 9)))
        self.assertEqual((len(lines), lines[-1]), (MAX_LINES, f"line {MAX_LINES + 8}"))

    def test_a_line_in_parts(self) -> None:
        lines: deque[str] = deque(maxlen=MAX_LINES)
        watcher = Watcher(lines)
        watcher.outReceived(b"one\ntw")
        watcher.errReceived(b"o\n\xff\n")
        self.assertEqual(list(lines), ["one", "two", "\ufffd"])
