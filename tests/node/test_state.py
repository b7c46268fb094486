"""Tests for mcast.node.state."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

from twisted.logger import LogLevel, capturedLogs

import mcast.node.state as state_module
from mcast.node.state import WRITE_DELAY, StateFile
from tests.node.node_lab import NodeTestCase


class StateFileTests(NodeTestCase):
    """`mcast.node.state`."""

    def setUp(self) -> None:
        super().setUp()
        self.path = Path(self.mktemp())

    def test_remembers(self) -> None:
        """M-9-6: in a file."""
        StateFile(self.path)["host kitchen"] = "kitchen-2"
        self.assertEqual(dict(StateFile(self.path)), {"host kitchen": "kitchen-2"})

    def test_many_are_written_together(self) -> None:
        """With a clock, a while after the first of them; `save` does not wait."""
        state = StateFile(self.path, self.lan.clock)
        for number in range(1000):
            state[f"host {number}"] = "kitchen"
        self.assertFalse(self.path.exists())
        self.lan.advance(WRITE_DELAY)
        self.assertEqual(len(StateFile(self.path)), 1000)
        state["host more"] = "kitchen"
        state.save()
        state.save()
        self.assertEqual(len(StateFile(self.path)), 1001)
        self.assertEqual(self.lan.clock.getDelayedCalls(), [])

    def test_forgets(self) -> None:
        state = StateFile(self.path)
        state["a"] = "b"
        del state["a"]
        self.assertEqual(len(StateFile(self.path)), 0)

    def test_broken_file(self) -> None:
        self.path.write_text("{")
        with capturedLogs() as events:
            self.assertEqual(dict(StateFile(self.path)), {})
        self.assertEqual([event["log_level"] for event in events], [LogLevel.warn])

    def test_unwritable(self) -> None:
        with capturedLogs() as events:
            StateFile(self.path / "nowhere" / "state")["a"] = "b"
        self.assertEqual([event["log_level"] for event in events], [LogLevel.warn])

    def test_is_bounded(self) -> None:
        self.patch(state_module, "MAX_REMEMBERED", 2)
        state = StateFile(self.path)
        for key in "abc":
            state[key] = key
        self.assertEqual(list(state), ["b", "c"])


class HostileStateTests(NodeTestCase):
    """The file is checked like any input, and written where nobody can lead it astray."""

    def setUp(self) -> None:
        super().setUp()
        self.path = Path(self.mktemp()).absolute()
        self.bad = self.path.with_name(self.path.name + ".bad")

    def warnings(self) -> list[str]:
        """Read the file, which has nothing to remember, and return the lines of the log."""
        with capturedLogs() as events:
            self.assertEqual(dict(StateFile(self.path)), {})
        self.assertEqual({event["log_level"] for event in events}, {LogLevel.warn} if events else set())
        return [event["log_format"] for event in events]

    def test_nonsense_is_kept_aside_with_one_line(self) -> None:
        for text in (
            '{"host kitchen": ""}',
            json.dumps({"host kitchen": "x" * 64}),
            '{"host kitchen": "a.b"}',
            '{"host kitchen": "\\ud800"}',
            '{"\\ud800": "kitchen"}',
            '{"service Web._http._tcp.local.": "a\\u0007"}',
            '{"host kitchen": 7}',
            json.dumps({"x" * 2000: "kitchen"}),
            "[]",
            "{",
            "[" * 100_000,
            "9" * 10_000,
            "",
        ):
            with self.subTest(text=text[:40]):
                self.path.write_text(text)
                (line,) = self.warnings()
                self.assertIn("makes no sense", line)
                self.assertEqual(self.bad.read_text(), text)
                self.assertFalse(self.path.exists())

    def test_octets_that_are_no_text(self) -> None:
        self.path.write_bytes(b"\xff\x00")
        self.assertEqual(len(self.warnings()), 1)

    def test_large(self) -> None:
        self.path.write_bytes(b" " * (state_module.SIZE_LIMIT + 1))
        self.assertEqual(len(self.warnings()), 1)

    def test_fifo_is_not_waited_for_and_stays(self) -> None:
        os.mkfifo(self.path)
        (line,) = self.warnings()
        self.assertIn("not remembered", line)
        StateFile(self.path)["a"] = "b"
        self.assertTrue(stat.S_ISFIFO(self.path.stat().st_mode))

    def test_folder(self) -> None:
        self.path.mkdir()
        self.assertEqual(len(self.warnings()), 1)

    def test_no_folder_is_said_at_the_start(self) -> None:
        with capturedLogs() as events:
            StateFile(self.path / "nowhere" / "state")
        (event,) = events
        self.assertEqual(event["cause"], "No such file or directory")

    def test_folder_that_cannot_be_written_is_said_at_the_start(self) -> None:
        """Also where there is a file from better days, which is read."""
        StateFile(self.path)["a"] = "b"
        real = os.open

        def refuse(path: str | Path, flags: int, mode: int = 0o777) -> int:
            if flags & os.O_CREAT:
                raise PermissionError(errno.EACCES, "Permission denied")
            return real(path, flags, mode)

        self.patch(os, "open", refuse)
        with capturedLogs() as events:
            self.assertEqual(dict(StateFile(self.path)), {"a": "b"})
        self.assertEqual([event["cause"] for event in events], ["Permission denied"])

    def test_start_leaves_nothing_behind(self) -> None:
        self.assertEqual(self.warnings(), [])
        self.assertEqual(list(self.path.parent.glob(self.path.name + "*")), [])

    def test_link_beside_is_not_followed(self) -> None:
        elsewhere = Path(self.mktemp())
        elsewhere.write_text("precious")
        self.path.with_name(self.path.name + ".new").symlink_to(elsewhere.absolute())
        StateFile(self.path)["a"] = "b"
        self.assertEqual(elsewhere.read_text(), "precious")
        self.assertEqual(dict(StateFile(self.path)), {"a": "b"})

    def test_mode(self) -> None:
        """Nobody else reads which names are fought for, whatever the umask."""
        before = os.umask(0)
        try:
            StateFile(self.path)["a"] = "b"
        finally:
            os.umask(before)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    def test_disk_full(self) -> None:
        """What was remembered stays, and it is told once."""
        state = StateFile(self.path)
        state["a"] = "b"

        def refuse(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        self.patch(os, "fsync", refuse)
        with capturedLogs() as events:
            state["c"] = "d"
            state["e"] = "f"
        self.assertEqual([event["cause"] for event in events], ["No space left on device"])
        self.assertEqual(json.loads(self.path.read_text()), {"a": "b"})
        self.assertEqual(
            [each.name for each in self.path.parent.glob(self.path.name + "*")], [self.path.name]
        )

    def test_mapping_of_a_program(self) -> None:
        """A name that is none is not believed from a mapping that a caller made either."""
        for name in ("", "x" * 64, "\ud800", 7):
            with self.subTest(name=name):
                node = self.node("kitchen", state={"host kitchen": name})
                self.assertEqual(node.hostname, "kitchen")
