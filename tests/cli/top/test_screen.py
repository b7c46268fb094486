"""`mcast top` as a person sees it: on a pseudo-terminal, read back as a screen."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys

from twisted.trial.unittest import TestCase

from tests.cli.top.pseudo_terminal import PseudoTerminal, text_until
from tests.cli.top.recordings import record

MCAST = (sys.executable, "-m", "mcast.cli")


class ScreenTestCase(TestCase):
    def terminal(self, *words: str, columns: int = 80, lines: int = 24, **environment: str) -> PseudoTerminal:
        """Play a recording, or run other words."""
        if not words:
            path = os.path.abspath(self.mktemp())
            record(path, services=8)
            words = ("top", "--replay", path, "--speed", "4")
        terminal = PseudoTerminal((*MCAST, *words), columns, lines, environment)
        self.addCleanup(terminal.close)
        return terminal

    def quit(self, terminal: PseudoTerminal) -> None:
        terminal.press("q")
        self.assertEqual(terminal.ended(), 0)


class ViewTests(ScreenTestCase):
    def test_80_by_24(self) -> None:
        """Every view and its details; nothing that came from the network acts."""
        terminal = self.terminal()
        terminal.shows("mcast top", "NAME▲", "_http._tcp", "? help", "q quit")
        self.assertIn("<script>alert(", terminal.text)
        terminal.press("/scri\r\r")
        terminal.shows("script>alert(1)</script>._http", "kitchen.local:80")
        for key, heading in (
            ("2", "PKT/S"),
            ("3", "WHAT"),
            ("4", "RULE"),
            ("5", "RESPONDER"),
            ("6", "EVENT"),
        ):
            terminal.press(key)
            terminal.shows(heading)
        terminal.press("?")
        terminal.shows("Colours and marks")
        terminal.press("?1")
        self.quit(terminal)
        self.assertNotIn(b"\x1b]0;", terminal.output)
        self.assertNotIn("\u202e".encode(), terminal.output)

    def test_no_size(self) -> None:
        """A terminal that nobody gave a size is taken for one of 80 by 24."""
        terminal = self.terminal()
        terminal.shows("q quit")
        terminal.told_size(0, 0)
        terminal.press("?")
        terminal.shows("Colours and marks")
        terminal.press("?")
        self.quit(terminal)

    def test_120_by_40(self) -> None:
        """What a wide terminal has is used: more columns, details beside the table."""
        terminal = self.terminal(columns=120, lines=40)
        terminal.shows("SINCE", " IF ")
        terminal.press("\r")
        terminal.shows("│ ")
        columns = {
            at for line in terminal.screen.buffer.values() for at in range(120) if line[at].data == "│"
        }
        self.assertEqual(len(columns), 1)
        self.quit(terminal)

    def test_60_by_15(self) -> None:
        """A terminal that is too small is told so; larger, it shows the table."""
        terminal = self.terminal(columns=60, lines=15)
        terminal.shows("mcast top needs 70×18; this terminal has 60×15")
        terminal.resize(100, 30)
        terminal.shows("NAME▲", "SINCE")
        terminal.resize(72, 20)
        terminal.until(lambda: "SINCE" not in terminal.text and "NAME▲" in terminal.text, "a narrow table")
        self.quit(terminal)

    def test_wide_names_are_aligned(self) -> None:
        terminal = self.terminal()
        terminal.shows("漢字テスト", "עברית")
        places = set()
        for number, line in enumerate(terminal.lines):
            if "_http" in line:
                cells = terminal.screen.buffer[number]
                row = "".join([cells[column].data or "" for column in range(80)])
                self.assertIn("_http", row)
                places.add(
                    next(at for at in range(80) if cells[at].data == "_" and cells[at + 1].data == "h")
                )
        self.assertEqual(len(places), 1)
        self.quit(terminal)

    def test_colours_and_none(self) -> None:
        """The same is said without colours."""
        terminal = self.terminal()
        terminal.shows("Web")
        terminal.until(lambda: b"\x1b[0;32" in terminal.output, "green for what is new")
        self.quit(terminal)
        plain = self.terminal(NO_COLOR="1")
        plain.shows("Web")
        self.quit(plain)
        colors = [*range(30, 38), *range(40, 48)]
        self.assertFalse([code for code in colors if f";{code}m".encode() in plain.output])

    def test_dumb(self) -> None:
        terminal = self.terminal(TERM="dumb")
        terminal.shows("NAME▲", "Web")
        self.quit(terminal)


class EndTests(ScreenTestCase):
    """However it ends, the terminal is as it was."""

    def check(self, terminal: PseudoTerminal) -> None:
        self.assertEqual(terminal.settings(), terminal.before)
        self.assertIn(b"\x1b[?1049l", terminal.output)
        self.assertIn(b"\x1b[?25h", terminal.output)

    def test_q(self) -> None:
        terminal = self.terminal()
        terminal.shows("Web")
        self.assertNotEqual(terminal.settings(), terminal.before)
        self.quit(terminal)
        self.check(terminal)

    def test_ctrl_c_and_term(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            terminal = self.terminal()
            terminal.shows("Web")
            if number == signal.SIGINT:
                terminal.press("\x03")
            else:
                terminal.signal(number)
            self.assertEqual(terminal.ended(), 0)
            self.check(terminal)

    def test_suspend_and_resume(self) -> None:
        terminal = self.terminal()
        terminal.shows("Web")
        terminal.press("\x1a")
        terminal.until(terminal.is_stopped, "suspended")
        terminal.until(lambda: b"\x1b[?25h" in terminal.output, "the cursor again")
        self.check(terminal)
        terminal.screen.reset()
        terminal.signal(signal.SIGCONT)
        terminal.shows("NAME▲", "Web")
        terminal.press("2")
        terminal.shows("PKT/S")
        self.quit(terminal)
        self.check(terminal)

    def test_terminal_gone(self) -> None:
        """Under nohup the end of the terminal does not end the program by itself: one line, and an end."""
        path, told = os.path.abspath(self.mktemp()), os.path.abspath(self.mktemp())
        record(path, services=8)
        shell = 'trap "" HUP; "$@" 2>"$0"; echo "status $?" >>"$0"'
        words = ("top", "--replay", path)
        terminal = PseudoTerminal(("/bin/sh", "-c", shell, told, *MCAST, *words), 80, 24)
        terminal.shows("Web")
        terminal.hang_up()
        self.assertEqual(text_until(told, "status "), "mcast top: the terminal is gone\nstatus 2\n")

    def test_damaged_recording(self) -> None:
        path = os.path.abspath(self.mktemp())
        record(path)
        with open(path, encoding="ascii") as stream:
            lines = stream.readlines()
        with open(path, "w", encoding="ascii") as stream:
            stream.writelines([*lines[:3], "nonsense\n", *lines[3:]])
        terminal = self.terminal("top", "--replay", path, "--speed", "64")
        self.assertEqual(terminal.ended(), 2)
        self.assertIn("line 4", terminal.text.replace("\n", ""))
        self.assertNotIn("Traceback", terminal.text)


class ClipboardTests(ScreenTestCase):
    def test_osc_52(self) -> None:
        terminal = self.terminal()
        terminal.shows("NAME▲")
        terminal.press("/漢\r")
        terminal.shows("漢字テスト", "/漢")
        terminal.press("c")
        terminal.shows("copied: 漢字テスト")
        copied = base64.b64encode("漢字テスト".encode())
        terminal.until(lambda: b"\x1b]52;c;" + copied + b"\x07" in terminal.output, "the clipboard")
        self.quit(terminal)


class RefusalTests(ScreenTestCase):
    """One line that names the mend."""

    def refused(self, *words: str, **environment: str) -> str:
        told = subprocess.run(
            [*MCAST, "top", *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment},
            check=False,
        )
        self.assertEqual((told.returncode, told.stdout), (2, ""))
        self.assertEqual(told.stderr.count("\n"), 1, told.stderr)
        return told.stderr

    def test_no_terminal(self) -> None:
        self.assertIn("needs a terminal", self.refused())

    def test_record_and_replay(self) -> None:
        self.assertIn("--record and --replay", self.refused("--record", "a", "--replay", "b"))

    def test_no_urwid(self) -> None:
        folder = os.path.abspath(self.mktemp())
        os.makedirs(folder)
        with open(os.path.join(folder, "urwid.py"), "w", encoding="ascii") as stream:
            stream.write("raise ImportError\n")
        path = f"{folder}:{os.getcwd()}:{os.environ.get('PYTHONPATH', '')}"
        terminal = self.terminal("top", "--replay", folder, PYTHONPATH=path)
        self.assertEqual(terminal.ended(), 2)
        self.assertIn('needs urwid: pip install "txmcast[top]"', terminal.text)

    def test_no_file(self) -> None:
        terminal = self.terminal("top", "--replay", "/nowhere/file")
        self.assertEqual(terminal.ended(), 2)
        self.assertIn("/nowhere/file: No such file", terminal.text)

    def test_pipe(self) -> None:
        """It is waited for with everything else standing still, the keys and signals that end it too."""
        path = "pipe"
        os.mkfifo(path)
        for option in ("--replay", "--record"):
            terminal = self.terminal("top", option, path, NO_COLOR="1")
            self.assertEqual(terminal.ended(), 2)
            self.assertIn("pipe: a pipe; ", terminal.text)


class StreamTests(ScreenTestCase):
    def test_recording_is_json(self) -> None:
        path = self.mktemp()
        record(path)
        with open(path, encoding="ascii") as stream:
            self.assertEqual({json.loads(line)["version"] for line in stream}, {1})
