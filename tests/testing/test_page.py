"""The examples of docs/testing.md run as they stand there."""

from __future__ import annotations

import re
import unittest
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mcast.testing import SimulatedLan

PAGE = Path(__file__).resolve().parents[2] / "docs" / "testing.md"


class PageTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)

    def test_test_case(self) -> None:
        names: dict[str, Any] = {"__name__": "example"}
        exec(self.blocks[0], names)
        outcome = unittest.TestResult()
        names["DiscoveryTests"]("test_found_and_gone").run(outcome)
        self.assertEqual((outcome.testsRun, outcome.errors, outcome.failures), (1, [], []))

    def test_quiet_day(self) -> None:
        exec(self.blocks[1], {"lan": SimulatedLan()})
