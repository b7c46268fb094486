"""What stands between a bench and the system: ports that are held, programs, frames of others."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections import deque
from pathlib import Path
from typing import cast

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from mcast.conform import links, namespaces
from mcast.conform.links import HeldPorts
from mcast.conform.programs import MAX_LINES, Watcher
from mcast.conform.verdicts import NotRunError
from mcast.sockets.packets import IS_UP, PacketView, interface_flags


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


class PriorityTests(SynchronousTestCase):
    """A lab goes first, also where Linux shares processors out between sessions."""

    def setUp(self) -> None:
        self.file = Path(self.mktemp())
        self.patch(namespaces, "AUTOGROUP", self.file)
        self.patch(namespaces, "PRIORITY", 0)  # of this process

    def test_given_back(self) -> None:
        self.file.write_text("/autogroup-17 nice 3\n", encoding="ascii")
        with namespaces.going_first():
            self.assertEqual(self.file.read_text(encoding="ascii"), "0")
        self.assertEqual(self.file.read_text(encoding="ascii"), "3")

    def test_another_lab(self) -> None:
        """What another lab of the session has set is not kept when that lab has given it back."""
        self.file.write_text("/autogroup-17 nice 0\n", encoding="ascii")
        with namespaces.going_first():
            self.file.write_text("3", encoding="ascii")
        self.assertEqual(self.file.read_text(encoding="ascii"), "3")

    def test_none(self) -> None:
        with namespaces.going_first():
            pass
        self.assertFalse(self.file.exists())


class NamespaceTests(SynchronousTestCase):
    """A lab is built by root only, and who is not is told so in one line."""

    def test_no_root(self) -> None:
        if sys.platform != "linux":
            raise SkipTest("namespaces are Linux's")
        self.patch(os, "geteuid", lambda: 1000)
        with self.assertRaisesRegex(NotRunError, "^the lab .* need root: run it with sudo$"):
            namespaces.require_namespaces()


class MissedTests(SynchronousTestCase):
    """Frames that the kernel could not keep for us are counted, though it begins anew each time."""

    def test_counted(self) -> None:
        dropped = iter((0, 3, 0, 2))

        class Kernel:
            def fileno(self) -> int:
                return 3

            def getsockopt(self, level: int, option: int, size: int) -> bytes:
                return struct.pack("@II", 100, next(dropped))

        view = PacketView.__new__(PacketView)
        view._socket, view._missed = cast("socket.socket", Kernel()), 0
        self.assertEqual([view.missed for _ in range(4)], [0, 3, 3, 5])


class FlagTests(SynchronousTestCase):
    """Whether an interface is there, as the system tells."""

    def setUp(self) -> None:
        if sys.platform != "linux":
            raise SkipTest("whole frames are seen on Linux only")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)

    def test_up(self) -> None:
        flags = interface_flags(self.socket, "lo")
        assert flags is not None
        self.assertTrue(flags & IS_UP)

    def test_gone(self) -> None:
        self.assertIsNone(interface_flags(self.socket, "none-such0"))
