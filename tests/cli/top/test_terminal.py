"""What urwid is given."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from unittest import skipUnless

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.cli.top.terminal import canvas_of, is_plain, palette, signal_setter
from mcast.cli.top.views import VIEWS
from mcast.showing import shown

PIECES = st.lists(st.tuples(st.sampled_from(["row", "bad", "dim"]), st.text(max_size=20)), max_size=6)


class CanvasTests(SynchronousTestCase):
    @settings(deadline=None, max_examples=200)
    @given(PIECES, st.integers(1, 60))
    def test_any_text(self, line: list[tuple[str, str]], columns: int) -> None:
        """Every line fills the terminal exactly, by the count of the library that draws it."""
        import urwid

        urwid.set_encoding("utf-8")
        canvas = canvas_of([line], columns)
        ((*row,),) = [list(each) for each in canvas.content()]
        text = b"".join([octets for _, _, octets in row])
        self.assertEqual(urwid.calc_width(text.decode(), 0, len(text.decode())), columns)
        self.assertTrue(text.decode().isprintable() or shown(text.decode()) == text.decode())


class PlainTests(SynchronousTestCase):
    def test_colours(self) -> None:
        plain = [
            {"TERM": "dumb"},
            {"TERM": ""},
            {"TERM": "xterm-mono"},
            {"TERM": "vt100"},
            {"TERM": "xterm", "NO_COLOR": "1"},
            {},
        ]
        self.assertTrue(all(is_plain(each) for each in plain))
        self.assertFalse(
            any(is_plain(each) for each in ({"TERM": "xterm-256color"}, {"TERM": "linux", "NO_COLOR": ""}))
        )


class SuspendTests(SynchronousTestCase):
    def test_in_a_turn_of_its_own(self) -> None:
        """The signal may come amid a write to the terminal, which must end first."""
        turns: list[Callable[[], object]] = []
        suspended: list[int] = []
        set_handler = signal_setter(turns.append)
        before = set_handler(signal.SIGTSTP, lambda number, frame: suspended.append(number))
        self.addCleanup(signal.signal, signal.SIGTSTP, before)
        signal.raise_signal(signal.SIGTSTP)
        self.assertEqual(suspended, [])
        turns.pop()()
        self.assertEqual(suspended, [signal.SIGTSTP])

    def test_other_signals_and_defaults(self) -> None:
        set_handler = signal_setter(lambda callback: self.fail("a turn"))
        for number in (signal.SIGTSTP, signal.SIGWINCH):
            before = set_handler(number, signal.SIG_IGN)
            self.addCleanup(signal.signal, number, before)
            self.assertIs(signal.getsignal(number), signal.SIG_IGN)


class PaletteTests(SynchronousTestCase):
    def test_readable_on_white_and_on_black(self) -> None:
        """No bright colour, none that is white or black, and the background is the terminal's."""
        allowed = {"default", "dark red", "dark green", "dark magenta", "dark cyan"}
        settings_ = {"bold", "underline", "standout", "strikethrough"}
        for name, color, background, plain in palette():
            self.assertLessEqual(set(color.split(",")), allowed | settings_, name)
            self.assertLessEqual(set(plain.split(",")), {"default"} | settings_, name)
            self.assertEqual(background, "default")

    def test_every_style_is_there(self) -> None:
        names = {name for name, *_ in palette()}
        steps = {f"{kind}{step}" for kind in ("new", "changed", "went") for step in range(3)}
        self.assertLessEqual(
            {*steps, *(f"{each} selected" for each in (*steps, "row", "gone", "bad"))}, names
        )


class ViewTests(SynchronousTestCase):
    def test_fit_the_smallest_terminal(self) -> None:
        """The columns that never go have room on 70."""
        for view in VIEWS:
            kept = [column.least + 1 for column in view.columns if not column.rank]
            self.assertLessEqual(sum(kept), 69, view.name)


@skipUnless(sys.platform == "linux", "pseudo-terminals of Linux")
class NothingElseTests(SynchronousTestCase):
    def test_program_does_not_import_urwid(self) -> None:
        """Only the terminal does: the program is tested, and said to need it, without."""
        import subprocess

        code = "import sys, mcast.cli.top.program, mcast.cli.top.command; print('urwid' in sys.modules)"
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        self.assertEqual(told.stdout, "False\n")
