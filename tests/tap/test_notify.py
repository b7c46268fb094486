"""Tests for what the service manager is told."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

from twisted.application.service import IServiceCollection
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from mcast.tap import notify, tap


class Reactor(Clock):
    """A clock that runs when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Callable[[], object]] = []

    def callWhenRunning(self, call: Callable[[], object]) -> None:
        self.waiting.append(call)

    def run(self) -> None:
        for call in self.waiting:
            call()


class NotifyTestCase(SynchronousTestCase):
    if not hasattr(socket, "AF_UNIX"):
        skip = "no sockets with a path here"

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="mcast-notify-")
        self.addCleanup(folder.cleanup)
        self.reactor = Reactor()
        self.path = str(Path(folder.name, "socket"))
        self.listen(self.path)
        logs = ExitStack()
        self.addCleanup(logs.close)
        self.events = logs.enter_context(capturedLogs())

    def listen(self, address: str) -> None:
        """Be the manager at this address."""
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.bind(address)
        self.manager.setblocking(False)

    def told(self) -> list[bytes]:
        """Return what the manager was told since the last call."""
        told: list[bytes] = []
        while True:
            try:
                told.append(self.manager.recv(100))
            except BlockingIOError:
                return told

    def started(self, **environment: str) -> notify.ServiceManager:
        service = notify.ServiceManager(self.reactor, {"NOTIFY_SOCKET": self.path, **environment})
        service.startService()
        return service

    def warnings(self) -> list[str]:
        return [event["log_format"] for event in self.events if event["log_level"].name == "warn"]


class LifeTests(NotifyTestCase):
    def test_ready_when_the_reactor_runs(self) -> None:
        """And not before: a service that starts later may fail."""
        service = self.started()
        self.assertEqual(self.told(), [])
        self.reactor.run()
        self.assertEqual(self.told(), [b"READY=1"])
        service.stopService()
        self.assertEqual(self.told(), [b"STOPPING=1"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_stopped_before_the_reactor_runs(self) -> None:
        self.started().stopService()
        self.reactor.run()
        self.assertEqual(self.told(), [b"STOPPING=1"])

    def test_abstract_address(self) -> None:
        self.path = f"@mcast-test-{os.getpid()}"
        self.listen("\0" + self.path[1:])
        self.started()
        self.reactor.run()
        self.assertEqual(self.told(), [b"READY=1"])

    test_abstract_address.skip = None if os.path.isdir("/proc/self") else "Linux"  # type: ignore[attr-defined]


class WatchdogTests(NotifyTestCase):
    def test_twice_in_each_interval(self) -> None:
        service = self.started(WATCHDOG_USEC="30000000", WATCHDOG_PID=str(os.getpid()))
        self.reactor.run()
        self.assertEqual(self.told(), [b"READY=1", b"WATCHDOG=1"])
        self.reactor.advance(14.9)
        self.assertEqual(self.told(), [])
        self.reactor.advance(0.2)
        self.assertEqual(self.told(), [b"WATCHDOG=1"])
        self.reactor.advance(15)
        self.assertEqual(self.told(), [b"WATCHDOG=1"])
        service.stopService()
        self.reactor.advance(60)
        self.assertEqual(self.told(), [b"STOPPING=1"])

    def test_of_another_process(self) -> None:
        self.started(WATCHDOG_USEC="30000000", WATCHDOG_PID="1")
        self.reactor.run()
        self.assertEqual(self.told(), [b"READY=1"])

    def test_no_number(self) -> None:
        self.started(WATCHDOG_USEC="-3")
        self.reactor.run()
        self.assertEqual((self.told(), len(self.warnings())), ([b"READY=1"], 1))


class RefusalTests(NotifyTestCase):
    def test_nobody_listens(self) -> None:
        """It is logged once, the service goes on, and the manager is told when it is there again."""
        self.manager.close()
        os.unlink(self.path)
        self.started(WATCHDOG_USEC="30000000")
        self.reactor.run()
        self.reactor.advance(15)
        self.assertEqual(len(self.warnings()), 1)
        self.listen(self.path)
        self.reactor.advance(15)
        self.assertEqual(self.told(), [b"WATCHDOG=1"])

    def test_address_of_another_kind(self) -> None:
        self.path = "vsock:2:1234"
        self.started()
        self.reactor.run()
        self.assertEqual(len(self.warnings()), 1)

    def test_a_manager_that_does_not_read(self) -> None:
        """A full queue keeps nobody waiting."""
        self.started(WATCHDOG_USEC="2")
        self.reactor.run()
        for _ in range(2000):
            self.reactor.advance(0.000001)
        self.assertEqual(len(self.warnings()), 1)


class CommandTests(SynchronousTestCase):
    """`twist mcast` tells a manager, and without one has no service for it."""

    def children(self, environment: dict[str, str]) -> list[Any]:
        options = tap.Options()
        options.parseOptions([])
        with patch.dict(os.environ, environment):
            return list(IServiceCollection(tap.makeService(options)))

    def test_with_a_manager(self) -> None:
        """It is told of the end before anything else stops, so it is the last service."""
        self.assertIsInstance(self.children({"NOTIFY_SOCKET": "/nowhere"})[-1], notify.ServiceManager)

    def test_without(self) -> None:
        self.assertEqual(len(self.children({"NOTIFY_SOCKET": ""})), 1)
