"""How far a long work has come: one line on a terminal that replaces itself, and nothing elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from mcast.cli.layout import terminal_columns
from mcast.showing import shown, width

PATIENCE = 0.5
"""Seconds before anything is shown. Our choice: whatever ends sooner needs no line."""

STEP = 0.1
"""Seconds between two lines. Our choice: as often as a person sees."""

BAR = 24
"""Columns of the bar. Our choice: it leaves room for words on 80."""

_ERASE = "\r\x1b[K"
"""To the begin of the line, and nothing after it (ECMA-48 §8.3.41)."""


class Progress:
    """Tells a person at a terminal how far a work has come; used with ``with``, so that its line goes.

    :param total: of what is counted, such as octets; None where it is not known.
    :param stream: where to; silent when it is no terminal.
    """

    def __init__(
        self, what: str, total: float | None, stream: TextIO, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = shown(what)
        self._total = total
        self._stream = stream
        self._now = now
        self._is_silent = not stream.isatty()
        self._began_at = now()
        self._next_at = self._began_at + PATIENCE
        self._shows = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def at(self, done: float, words: str = "") -> None:
        """Tell that some of the work is done; costs next to nothing when no line is due.

        :param words: what else to say, such as how many things were found.
        """
        if self._is_silent:
            return
        now = self._now()
        if now < self._next_at:
            return
        self._next_at = now + STEP
        self._shows = True
        line = f"{self._what} {self._share(done, now)}{' ' * bool(words)}{shown(words)}"
        columns = (terminal_columns(self._stream) or 80) - 1
        while width(line) > columns:
            line = line[:-1]
        self._stream.write(_ERASE + line)
        self._stream.flush()

    def end(self) -> None:
        """Take the line away."""
        if self._shows:
            self._stream.write(_ERASE)
            self._stream.flush()
        self._is_silent, self._shows = True, False

    def _share(self, done: float, now: float) -> str:
        passed = now - self._began_at
        if not self._total:
            return f"{passed:.0f} s"
        share = min(max(done / self._total, 0.0), 1.0)
        full = round(share * BAR)
        left = f", {passed / share - passed:.0f} s left" if share > 0 else ""
        return f"[{'#' * full}{'.' * (BAR - full)}] {100 * share:3.0f} %{left}"
