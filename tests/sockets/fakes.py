"""A reactor that reads nothing, and a socket that fails."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.task import Clock
from zope.interface import implementer


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
