"""A reactor that reads nothing, and a socket that fails."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.task import Clock
from zope.interface import implementer

from tests.network.lan import wait_until

SO_MEMINFO = 55
"""Option of a Linux socket: what its buffers hold, first of all that for receiving."""


@contextmanager
def arriving(receiver: socket.socket) -> Iterator[None]:
    """Send one datagram to a socket in the body; return when it is there.

    Linux hands it over before the sender goes on, but not while a CPU is busy with other packets.
    """
    before = _held(receiver)
    yield
    if sys.platform == "linux":
        wait_until(lambda: _held(receiver) > before, "the datagram")


def _held(receiver: socket.socket) -> int:
    """Return how many octets of memory a socket has taken for what nobody has read."""
    if sys.platform != "linux":
        return 0
    held: tuple[int] = struct.unpack_from("@I", receiver.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36))
    return held[0]


@implementer(IReactorFDSet)
class FakeReactor(Clock):
    """A clock that keeps readers and never reads."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        if reader not in self.readers:
            self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        if reader in self.readers:
            self.readers.remove(reader)

    def addWriter(self, writer: Any) -> None:
        raise NotImplementedError

    def removeWriter(self, writer: Any) -> None:
        raise NotImplementedError

    def removeAll(self) -> list[Any]:
        readers, self.readers = self.readers, []
        return readers

    def getReaders(self) -> list[Any]:
        return self.readers

    def getWriters(self) -> list[Any]:
        return []


class FailingSocket:
    """A socket of which a method can be made to fail."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._method = ""
        self._problems: list[OSError] = []

    def fail_next(self, method: str, *problems: OSError) -> None:
        """Let the next calls of this method fail, each with the next of these errors."""
        self._method, self._problems = method, list(problems)

    def __getattr__(self, name: str) -> Any:
        return self._fail if name == self._method and self._problems else getattr(self._sock, name)

    def _fail(self, *_: object) -> None:
        raise self._problems.pop(0)
