"""`mcast.node.state`: names that are remembered."""

from __future__ import annotations

from pathlib import Path

from twisted.logger import LogLevel, capturedLogs

import mcast.node.state as state_module
from mcast.node.state import StateFile
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
