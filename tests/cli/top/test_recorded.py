"""Recordings of `mcast top`: what was seen is what is played, and nothing in a file breaks the program."""

from __future__ import annotations

import json
import random
from io import BytesIO, StringIO

from twisted.trial.unittest import SynchronousTestCase

from mcast.cli.top import recorded
from mcast.cli.top.data import Data
from mcast.cli.top.looking import Actions, Playing
from mcast.cli.top.packets import Packet
from mcast.cli.top.program import Program
from mcast.cli.top.recorded import Player, Recorder, read_lines
from mcast.live.documents import empty_snapshot
from mcast.live.recording import DAMAGE, read_recording
from tests.cli.top.recordings import record
from tests.cli.top.test_program import answered


class RecordedTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        path: str = self.mktemp()
        record(path)
        with open(path, encoding="ascii") as stream:
            self.lines = stream.readlines()
        self.data = Data()
        self.playing = Playing()

    def player(self, lines: list[str] | None = None) -> Player:
        return Player(self.lines if lines is None else lines, self.data, self.playing)


class PlayerTests(RecordedTestCase):
    def test_to_the_end(self) -> None:
        player = self.player()
        self.assertEqual(len(self.data.state["services"]), 6)
        self.assertEqual(player.wait, 1.0)
        steps = 0
        while not self.playing.ended:
            player.play()
            steps += 1
        self.assertEqual(steps, 10)
        self.assertIsNone(player.wait)
        self.assertEqual([each["kind"] for each in self.data.packets][:2], ["response", "query"])
        self.assertEqual(sum(1 for each in self.data.state["services"].values() if each["gone"]), 1)

    def test_groups(self) -> None:
        stream = StringIO()
        Recorder(stream).groups({"a": answered()})
        player = self.player([self.lines[0], stream.getvalue(), self.lines[2]])
        player.play()
        self.assertEqual(self.data.groups["a"], answered())

    def test_readers_of_the_model(self) -> None:
        """They read the same file."""
        self.assertEqual(len([*read_recording(self.lines)]), 11)

    def test_cut_short(self) -> None:
        player = self.player([*self.lines[:3], self.lines[3][:-10]])
        player.play()
        self.assertTrue(self.playing.ended)

    def test_empty(self) -> None:
        self.assertRaises(ValueError, self.player, [])

    def test_no_recording(self) -> None:
        error = self.assertRaises(ValueError, self.player, ["hello\n"])
        self.assertTrue(str(error).startswith("line 1: "), error)

    def test_a_long_silence_is_not_waited_for(self) -> None:
        later = {"version": 1, "seq": 1, "now": 1e9, "time": None}
        player = self.player([json.dumps(empty_snapshot()) + "\n", json.dumps(later) + "\n"])
        self.assertEqual(player.wait, recorded.MAX_WAIT)


class HostileTests(RecordedTestCase):
    """A file may come from anybody: it is played, or refused in one line."""

    def test_bad_packets_and_groups(self) -> None:
        for aside in (
            {"aside": "packets", "packets": [[1, 2]]},
            {"aside": "packets", "packets": [[1, "eth0", "1.2.3.4", 5353, "%%%"]]},
            {"aside": "packets", "packets": [["x", "eth0", "1.2.3.4", 5353, ""]]},
            {"aside": "groups", "groups": {"a": 5}},
            {"aside": "groups", "groups": {"a": {"loss": "x"}}},
        ):
            lines = [self.lines[0], json.dumps({"version": 1, **aside}) + "\n", self.lines[2]]
            self.assertRaises(ValueError, self.player(lines).play)

    def test_damaged_lines(self) -> None:
        """Whatever an octet is changed to, the end is one of the errors that the command tells in a line."""
        rng = random.Random(7)
        program = Program(self.data, Actions(lambda: None, lambda text: None), playing=self.playing)
        for _ in range(150):
            lines = list(self.lines)
            number = rng.randrange(len(lines))
            place = rng.randrange(len(lines[number]) - 1)
            octet = rng.choice('0"x{}[],:-')
            lines[number] = lines[number][:place] + octet + lines[number][place + 1 :]
            try:
                player = self.player(lines)
                while not self.playing.ended:
                    player.play()
                for key in "1234566":
                    program.key(key)
                    program.draw(100, 30, 0.0)
            except DAMAGE:
                pass
            self.playing.ended = False

    def test_numbers_that_are_none(self) -> None:
        """Python reads NaN and Infinity, and makes infinity of 1e400; a whole number may have 400 digits."""
        program = Program(self.data, Actions(lambda: None, lambda text: None), playing=self.playing)
        for number in ("NaN", "Infinity", "-Infinity"):
            line = self.lines[0].replace('"now":', f'"now":{number},"then":', 1)
            self.assertRaises(ValueError, self.player, [line])
        for number in ("1e400", "-1e400", "9" * 400, "1e308"):
            for place in (0, 2):
                lines = list(self.lines)
                lines[place] = lines[place].replace('"now":', f'"now":{number},"then":', 1)
                try:
                    player = self.player(lines)
                    for _ in range(len(lines)):
                        player.wait  # noqa: B018
                        program.draw(100, 30, 0.0)
                        player.play()
                except DAMAGE:
                    pass

    def test_a_line_without_an_end(self) -> None:
        """No more is read than a line may have, as of /dev/zero."""
        self.patch(recorded, "LINE_LIMIT", 100)
        stream = BytesIO(b"\0" * 100000)
        error = self.assertRaises(ValueError, list, read_lines(stream))
        self.assertEqual(str(error), "line 1: more than 100 characters")
        self.assertEqual(stream.tell(), 101)
        lines = [*read_lines(BytesIO(b"a\n" + b"b" * 99 + b"\nc"))]
        self.assertEqual(lines, ["a\n", "b" * 99 + "\n", "c"])

    def test_characters_that_act(self) -> None:
        """A packet of a file is shown as one of the network is."""
        packet = Packet.from_json(1, [1.0, "\x1b[2J", "\x1b[2J", 5353, ""])
        self.assertEqual(packet["source"], "\\u001b[2J")


class RecorderTests(RecordedTestCase):
    def test_full(self) -> None:
        self.patch(recorded, "MAX_RECORDING", 1000)
        stream = StringIO()
        recorder = Recorder(stream)
        for _ in range(100):
            recorder.document(empty_snapshot())
        self.assertTrue(recorder.is_full)
        self.assertLess(len(stream.getvalue()), 1500)
