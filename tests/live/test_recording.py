"""`mcast.live.recording` and `documents`: files that are whole, cut short, or none."""

from __future__ import annotations

import mcast.live.recording as recording_module
from mcast.live.documents import apply_delta, empty_snapshot
from mcast.live.recording import encode_line, read_recording
from tests.live.model_lab import ModelTestCase, found

SNAPSHOT = encode_line(empty_snapshot())


class RecordingTests(ModelTestCase):
    """One document a line."""

    def recorded(self) -> list[str]:
        lines = [encode_line(self.model.snapshot)]
        for name in ("a", "b"):
            self.add(found(name))
            self.commit(1.0)
            lines.append(encode_line(self.deltas[-1]))
        return lines

    def test_played(self) -> None:
        states = [len(state["services"]) for state in read_recording(self.recorded())]
        self.assertEqual(states, [0, 1, 2])

    def test_aside(self) -> None:
        """What a program has written beside the model is passed over."""
        lines = self.recorded()
        lines.insert(1, '{"version":1,"aside":"packets","packets":[]}\n')
        self.assertEqual([len(state["services"]) for state in read_recording(lines)], [0, 1, 2])

    def test_cut_short(self) -> None:
        lines = self.recorded()
        lines[-1] = lines[-1][:20]
        self.assertEqual(len([*read_recording(lines)]), 2)

    def test_a_gap(self) -> None:
        lines = self.recorded()
        del lines[1]
        error = self.assertRaises(ValueError, list, read_recording(lines))
        self.assertEqual(str(error), "line 2: delta 2 does not follow snapshot 0")

    def test_no_recording(self) -> None:
        for line in ("{}\n", "nonsense\n", "[" * 100_000 + "\n", '{"version": 1, "seq": 4}\n', "1\n"):
            error = self.assertRaises(ValueError, list, read_recording([line]))
            self.assertTrue(str(error).startswith("line 1: "), error)

    def test_a_very_long_line(self) -> None:
        self.patch(recording_module, "LINE_LIMIT", 10)
        error = self.assertRaises(ValueError, list, read_recording([SNAPSHOT]))
        self.assertEqual(str(error), "line 1: more than 10 characters")

    def test_a_malformed_delta(self) -> None:
        bad = '{"version":1,"seq":1,"now":0,"time":0,"set":{"nowhere":{"a":{}}}}\n'
        error = self.assertRaises(ValueError, list, read_recording([SNAPSHOT, bad]))
        self.assertEqual(str(error), "line 2: not in the format of a recording")

    def test_another_version(self) -> None:
        error = self.assertRaises(
            ValueError, list, read_recording([SNAPSHOT.replace('"version":1', '"version":9')])
        )
        self.assertEqual(str(error), "line 1: version 9 of the format; this program reads 1")
        self.assertRaises(ValueError, apply_delta, empty_snapshot(), {"version": 9})
