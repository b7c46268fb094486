"""A person at the terminal, who is asked to do what no hook does."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from zope.interface import implementer

SKIP = "s"
"""What a person types to skip a step."""

MAX_LINE = 4096
"""Octets that are read of what a person types: what a terminal holds of one line."""


class Person:
    """Somebody who reads what is said, and presses Enter.

    :param say: writes a line.
    :param descriptor: the terminal that Enter is pressed on.
    """

    def __init__(self, reactor: Any, say: Callable[[str], None], descriptor: int) -> None:
        self._reactor = reactor
        self._say = say
        self._descriptor = descriptor

    def asked(self, text: str) -> Deferred[bool]:
        """Ask for something; fires with whether it was done, when Enter is pressed.

        Packets are seen meanwhile. What was typed before the question is no answer to it.

        :returns: fires with False for "s" and Enter, and where the terminal has ended.
        """
        # Before it is asked, or a quick answer would be lost.
        _forget_what_was_typed(self._descriptor)
        self._say(f"Please {text}, then press Enter ({SKIP} and Enter: skip it).")
        pressed: Deferred[bool] = Deferred(lambda _: self._reactor.removeReader(line))
        line = Line(self._descriptor, lambda typed: self._typed(line, pressed, typed))
        self._reactor.addReader(line)
        return pressed

    def _typed(self, line: Line, pressed: Deferred[bool], typed: bytes) -> None:
        self._reactor.removeReader(line)
        pressed.callback(bool(typed) and typed.strip().lower() != SKIP.encode())


@implementer(IReadDescriptor)
class Line:
    """A line that is typed on a terminal."""

    def __init__(self, descriptor: int, typed: Callable[[bytes], None]) -> None:
        self._descriptor = descriptor
        self._typed = typed

    def fileno(self) -> int:
        return self._descriptor

    def logPrefix(self) -> str:
        return "terminal"

    def doRead(self) -> None:
        data = b""
        with suppress(OSError):  # the terminal is gone
            data = os.read(self._descriptor, MAX_LINE)
        self._typed(data)

    def connectionLost(self, reason: object = None) -> None:
        """Nothing is held."""


def _forget_what_was_typed(descriptor: int) -> None:
    if sys.platform != "win32":
        import termios

        with suppress(termios.error):
            termios.tcflush(descriptor, termios.TCIFLUSH)
