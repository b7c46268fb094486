"""The terminal of `mcast top`: keys in, lines with styles out; the one module that imports urwid."""

from __future__ import annotations

import base64
import os
import select
import shutil
import signal
import sys
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from errno import EIO
from typing import Any

import urwid
from twisted.internet.interfaces import IReadDescriptor
from urwid.display.raw import Screen
from zope.interface import implementer

from mcast.cli.top.cells import Line
from mcast.showing import shown

MAX_COPIED = 4096
"""Characters that are put on the clipboard. Our choice: no name is longer, and terminals have limits."""

_PLAIN_TERMINALS = ("dumb", "unknown", "vt52", "vt100", "vt102", "vt220")
"""Terminals without colours, beside those whose name ends in ``-m`` or ``-mono``."""

# Foreground, and settings that say the same without colours. The background is always that of the terminal,
# and of the colours only those are used that can be read on white and on black.
_STYLES: dict[str, tuple[str, str]] = {
    "row": ("default", "default"),
    "head": ("bold", "bold"),
    "sorted": ("bold,underline", "bold,underline"),
    "title": ("standout", "standout"),
    "title strong": ("bold,standout", "bold,standout"),
    "title bad": ("dark red,bold,standout", "bold,standout"),
    "tabs": ("default", "default"),
    "tab": ("bold,standout", "bold,standout"),
    "keys": ("default", "default"),
    "key": ("bold", "bold"),
    "filter": ("standout", "standout"),
    "note": ("bold", "bold"),
    "dim": ("dark cyan", "default"),
    "rule": ("dark cyan", "default"),
    "spark": ("dark cyan", "default"),
    "strong": ("bold", "bold"),
    "bad": ("dark red,bold", "bold"),
    "gone": ("dark red", "strikethrough"),
    "new0": ("dark green,bold,standout", "bold,standout"),
    "new1": ("dark green,bold", "bold"),
    "new2": ("dark green", "underline"),
    "changed0": ("dark magenta,bold,standout", "bold,standout"),
    "changed1": ("dark magenta,bold", "bold"),
    "changed2": ("dark magenta", "underline"),
    "went0": ("dark red,bold,standout", "bold,standout,strikethrough"),
    "went1": ("dark red,bold", "bold,strikethrough"),
    "went2": ("dark red", "strikethrough"),
}


def is_plain(environment: Mapping[str, str]) -> bool:
    """Tell whether no colours are to be used.

    https://no-color.org: any text in ``NO_COLOR`` asks for none.
    """
    kind = environment.get("TERM") or "dumb"
    return bool(environment.get("NO_COLOR")) or kind in _PLAIN_TERMINALS or kind.endswith(("-m", "-mono"))


def palette() -> list[tuple[str, str, str, str]]:
    """Return each style for urwid, those of a selected row among them: that is shown turned over."""
    entries = []
    for name, (color, plain) in _STYLES.items():
        entries.append((name, color, "default", plain))
        entries.append((f"{name} selected", _turned_over(color), "default", _turned_over(plain)))
    return entries


def _turned_over(setting: str) -> str:
    """Return a style turned over; one that is so already is told apart by a line under it."""
    parts = setting.split(",")
    more = ["underline"] if "standout" in parts and "underline" not in parts else []
    return ",".join([*[each for each in parts if each != "standout"], *more, "standout"])


class Terminal:
    """Draws screens and hears keys.

    :param draw: returns the lines of a screen of so many columns and lines.
    :param key: called with each key, as urwid names it.
    :param failed: called with what goes wrong, such as the terminal that is gone.
    """

    def __init__(
        self,
        reactor: Any,
        draw: Callable[[int, int], list[Line]],
        key: Callable[[str], object],
        failed: Callable[[BaseException], object],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._draw = draw
        self._key = key
        self._failed = failed
        self._screen: Any = Screen(bracketed_paste_mode=False, focus_reporting=False)
        self._screen.set_terminal_properties(colors=1 if is_plain(environment) else 16)
        for name, color, background, plain in palette():
            self._screen.register_palette_entry(name, color, background, plain)
        self._loop = _Loop(reactor, failed)
        self._screen.signal_handler_setter = signal_setter(self._loop.soon)

    def start(self) -> None:
        """Take the terminal."""
        self._screen.start()
        urwid.connect_signal(self._screen, urwid.display.common.INPUT_DESCRIPTORS_CHANGED, self._hook)
        self._hook()
        self.draw()

    def stop(self) -> None:
        """Give the terminal back as it was."""
        if self._screen.started:
            self._screen.unhook_event_loop(self._loop)
            urwid.disconnect_signal(self._screen, urwid.display.common.INPUT_DESCRIPTORS_CHANGED, self._hook)
            # One that is gone is not set back; the error of termios, which is not everywhere, is no OSError.
            with suppress(Exception):
                self._screen.stop()
            try:
                sys.stdout.flush()
            except OSError:
                # What is left in the buffer can go nowhere, and must not fail again when Python ends.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        self._loop.close()

    def draw(self) -> None:
        """Draw the screen; what is the same as before is not sent."""
        if not self._screen.started:
            return
        with _described():
            _see_that_it_is_there(sys.stdin.fileno())
            columns, lines = self._size()
            canvas = canvas_of(self._draw(columns, lines), columns)
            self._screen.draw_screen((columns, lines), canvas)

    def _size(self) -> tuple[int, int]:
        columns, lines = self._screen.get_cols_rows()
        if columns and lines:
            return columns, lines
        # A terminal that nobody gave a size, as under script(1), says 0; then it is that of the environment.
        told = shutil.get_terminal_size()
        # Before Python 3.11 that is 0, too.
        return told.columns or 80, told.lines or 24

    def redraw(self) -> None:
        """Draw everything, whatever the terminal shows."""
        self._screen.clear()
        self.draw()

    def copy(self, text: str) -> None:
        """Put a text on the clipboard, by the terminal that the person sits at (OSC 52 of xterm)."""
        octets = base64.b64encode(text[:MAX_COPIED].encode("utf-8", "replace")).decode("ascii")
        self._screen.write(f"\x1b]52;c;{octets}\x07")
        self._screen.flush()

    def _hook(self) -> None:
        self._screen.unhook_event_loop(self._loop)
        self._screen.hook_event_loop(self._loop, self._heard)

    def _heard(self, keys: list[Any], codes: list[int]) -> None:
        for key in keys:
            if isinstance(key, str) and key != "window resize":
                self._key(key)
        self.draw()


def signal_setter(soon: Callable[[Callable[[], object]], object]) -> Any:
    """Return a `signal.signal` that has the terminal suspended in a turn of the reactor of its own.

    Before 4.0 urwid gives the terminal back in the midst of whatever the signal interrupts; where that is a
    write to the terminal, the second one fails.
    """

    def set_handler(number: int, handler: Any) -> Any:
        if sys.platform == "win32" or number != signal.SIGTSTP or not callable(handler):
            return signal.signal(number, handler)
        return signal.signal(number, lambda number, _: soon(lambda: handler(number, None)))

    return set_handler


@contextmanager
def _described() -> Iterator[None]:
    """Say of a terminal that was closed, as a window is, that it is gone: to read it and to write it fail."""
    try:
        yield
    except _INPUT_CLOSED:
        raise OSError(_GONE) from None
    except OSError as error:
        if error.errno != EIO:
            raise
        raise OSError(_GONE) from None


_GONE = "the terminal is gone"
_INPUT_CLOSED: type[Exception] = getattr(urwid.display.common, "InputClosedError", EOFError)  # since 4.0


def canvas_of(lines: list[Line], columns: int) -> Any:
    """Return lines as urwid draws them, each exactly as wide as the terminal by urwid's count."""
    texts: list[bytes] = []
    attributes: list[list[tuple[Hashable, int]]] = []
    for line in lines:
        text, runs, left = b"", [], columns
        for style, part in line:
            # Whatever it is made of, a recording among it: no character acts on the terminal.
            octets, taken = _encoded(shown(part), left)
            text += octets
            # Lengths of runs are octets in a canvas, and columns on the screen.
            runs.append((style, len(octets)))
            left -= taken
        if left:
            text += b" " * left
            runs.append((runs[-1][0] if runs else "row", left))
        texts.append(text)
        attributes.append([run for run in runs if run[1]])
    return urwid.TextCanvas(texts, attributes, maxcol=columns, check_width=False)


def _encoded(text: str, room: int) -> tuple[bytes, int]:
    """Return text in the encoding of the terminal, and its columns."""
    if text.isascii():
        octets = text[:room].encode("ascii")
        return octets, len(octets)
    columns = urwid.calc_width(text, 0, len(text))
    if columns > room:
        # urwid takes a character for wider than we do: better a short line than a broken one.
        end, columns = urwid.calc_text_pos(text, 0, len(text), room)
        text = text[:end]
    octets, _ = urwid.apply_target_encoding(text)
    return octets, columns


class _Loop:
    """As much of an event loop as a screen of urwid needs, on the reactor."""

    def __init__(self, reactor: Any, failed: Callable[[BaseException], object]) -> None:
        self._reactor = reactor
        self._failed = failed
        self._readers: dict[int, _Reader] = {}
        self._alarms: dict[Any, None] = {}

    def watch_file(self, fd: int, callback: Callable[[], object]) -> int:
        def read() -> None:
            # Before 4.0 urwid reads the end of a terminal again and again, and does not come back.
            _see_that_it_is_there(fd)
            callback()

        self.remove_watch_file(fd)
        reader = self._readers[fd] = _Reader(fd, self._guarded(read))
        self._reactor.addReader(reader)
        return fd

    def remove_watch_file(self, fd: int) -> bool:
        reader = self._readers.pop(fd, None)
        if reader is None:
            return False
        self._reactor.removeReader(reader)
        return True

    def alarm(self, seconds: float, callback: Callable[[], object]) -> Any:
        from mcast.clock import clock_of

        call = clock_of(self._reactor).callLater(seconds, self._guarded(callback))
        self._alarms[call] = None
        return call

    def remove_alarm(self, call: Any) -> bool:
        self._alarms.pop(call, None)
        if not call.active():
            return False
        call.cancel()
        return True

    def soon(self, callback: Callable[[], object]) -> None:
        """Call this in a turn of the reactor; to be called from a signal handler, too."""
        self._reactor.callFromThread(self._guarded(callback))

    def close(self) -> None:
        for fd in tuple(self._readers):
            self.remove_watch_file(fd)
        for call in tuple(self._alarms):
            self.remove_alarm(call)

    def _guarded(self, callback: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            try:
                with _described():
                    callback()
            except Exception as error:
                self._failed(error)

        return run


def _see_that_it_is_there(fd: int) -> None:
    """Raise OSError when the other side of a terminal is closed."""
    if sys.platform == "win32":
        return  # it has no poll
    poll = select.poll()
    poll.register(fd, 0)
    if any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0)):
        raise OSError(EIO, os.strerror(EIO))


@implementer(IReadDescriptor)
class _Reader:
    """A descriptor of the terminal."""

    def __init__(self, fd: int, callback: Callable[[], None]) -> None:
        self._fd = fd
        self.doRead = callback

    def fileno(self) -> int:
        return self._fd

    def logPrefix(self) -> str:
        return "terminal"

    def connectionLost(self, reason: Any) -> None:
        pass
