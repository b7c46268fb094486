"""Signals of the programs that tests start."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

INHERITED = tuple(
    getattr(signal, name) for name in ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM") if hasattr(signal, name)
)
"""The signals that a shell, `nohup` or a CI runner may have set to be ignored, which a program inherits."""


@contextmanager
def default_signals() -> Iterator[None]:
    """Start programs that obey signals, even where this process was started with some ignored.

    A signal with a handler is at its default in a new program, an ignored one stays ignored. For as long as
    this lasts, what is ignored here has a handler that does nothing. For the main thread only.
    """
    ignored = [number for number in INHERITED if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, _do_nothing)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


def _do_nothing(number: int, frame: object) -> None:
    """Take a signal that this process was told to ignore."""
