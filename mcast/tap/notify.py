"""Tells the service manager that a program is ready, alive and stopping: see sd_notify(3)."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from mcast.clock import clock_of

SOCKET = "NOTIFY_SOCKET"
"""Variable of the environment with the address of the manager's socket."""


class ServiceManager(Service):
    """Tells the service manager what it asked for: that we are ready, at its interval alive, and stopping.

    A program whose reactor hangs says nothing, and is started anew.

    :param environment: the variables that the manager sets, of which `SOCKET` must be there.
    """

    _log = Logger()

    def __init__(self, reactor: Any, environment: Mapping[str, str]) -> None:
        self._reactor = reactor
        self._clock = clock_of(reactor)
        self._address = environment[SOCKET]
        self._interval = self._asked_interval(environment)
        self._timer: IDelayedCall | None = None
        self._is_refused = False

    def startService(self) -> None:
        """Say that we are ready as soon as the reactor runs: all services have started then."""
        super().startService()
        self._reactor.callWhenRunning(self._on_running)

    def stopService(self) -> None:
        """Say that we are stopping."""
        super().stopService()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._tell("STOPPING=1")

    def _on_running(self) -> None:
        if not self.running:
            return
        self._tell("READY=1")
        if self._interval:
            self._alive()

    def _alive(self) -> None:
        # Half of the interval, as sd_watchdog_enabled(3) recommends.
        self._timer = self._clock.callLater(self._interval / 2, self._alive)
        self._tell("WATCHDOG=1")

    def _asked_interval(self, environment: Mapping[str, str]) -> float:
        """Return the seconds after which silence counts as a failure; 0 when nobody watches."""
        if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
            return 0  # a parent of ours is watched
        text = environment.get("WATCHDOG_USEC", "0")
        if not (text.isascii() and text.isdecimal()):
            self._log.warn("WATCHDOG_USEC={text!r} is no number: the watchdog is not served", text=text)
            return 0
        return int(text) / 1_000_000

    def _tell(self, state: str) -> None:
        try:
            _send(self._address, state.encode())
        except OSError as problem:
            if not self._is_refused:
                self._log.warn(
                    "the service manager cannot be told {state} at {address!r}: {problem}",
                    state=state,
                    address=self._address,
                    problem=str(problem),
                )
            self._is_refused = True
        else:
            self._is_refused = False


def _send(address: str, data: bytes) -> None:
    if sys.platform == "win32" or address[:1] not in ("/", "@"):
        raise OSError("neither a path nor an abstract name")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)  # the reactor waits for nobody, and a full queue is told as any error
        sock.sendto(data, "\0" + address[1:] if address[0] == "@" else address)
