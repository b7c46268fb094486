"""docs/security.md has every limit of the code, and what it says of them is so."""

from __future__ import annotations

import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase

TOP = Path(__file__).resolve().parent.parent

UNTESTED = 0
"""Limits without a test of their own: to become fewer, never more."""


@cache
def table() -> Any:
    """Return the script that makes the table, imported from its place."""
    spec = importlib.util.spec_from_file_location("limits", TOP / "docs" / "limits.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["limits"] = module
    spec.loader.exec_module(module)
    return module


class LimitTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.rows: dict[str, dict[str, str]] = table().rows()
        self.names = [limit.name for limit in table().limits()]

    def test_each_has_a_row(self) -> None:
        """If not, run ``python docs/limits.py``, and fill in its counter, if something is lost, and test."""
        self.assertEqual(set(self.names) - self.rows.keys(), set())

    def test_each_row_has_a_limit(self) -> None:
        self.assertEqual(self.rows.keys() - set(self.names), set())

    def test_each_has_a_reason(self) -> None:
        self.assertEqual([limit.name for limit in table().limits() if limit.reason == "—"], [])

    def test_the_page_is_up_to_date(self) -> None:
        """If not, run ``python docs/limits.py``."""
        text = table().PAGE.read_text(encoding="utf-8")
        self.assertEqual(table().page(text), text)

    def test_tests_are_there(self) -> None:
        for name in {row["test"] for row in self.rows.values()} - {""}:
            self.assertTrue(callable(namedAny(name)), name)

    def test_few_are_without(self) -> None:
        self.assertLessEqual(sum(not row["test"] for row in self.rows.values()), UNTESTED)

    def test_counters_are_there(self) -> None:
        code = "".join([path.read_text(encoding="utf-8") for path in (TOP / "mcast").rglob("*.py")])
        counters = {row["counter"] for row in self.rows.values()} - {""}
        self.assertEqual([name for name in counters if f'"{name}"' not in code], [])


class PageTests(SynchronousTestCase):
    """What the pages name is there."""

    def test_names_of_tests(self) -> None:
        for page in ("security.md", "reliability.md"):
            text = (TOP / "docs" / page).read_text(encoding="utf-8")
            for name in set(re.findall(r"`(tests\.[\w.]+)`", text)):
                self.assertIsNotNone(namedAny(name), name)
