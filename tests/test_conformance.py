"""The table of requirements and the tests know each other; ``docs/conformance.py`` makes a page of it."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

SCRIPT = Path(__file__).resolve().parent.parent / "docs" / "conformance.py"


@cache
def conformance() -> Any:
    """Return what the script, imported from its place, has read: ``docs`` is no package."""
    spec = importlib.util.spec_from_file_location("conformance", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Conformance()


class TableTests(SynchronousTestCase):
    """No requirement is without a test or a reason, and no test names one that does not exist."""

    def setUp(self) -> None:
        self.conformance = conformance()

    def test_nothing_is_open(self) -> None:
        self.assertEqual([row["id"] for row in self.conformance.open], [])

    def test_nothing_unknown_is_named(self) -> None:
        self.assertEqual(self.conformance.unknown, [])

    def test_what_is_waived_is_not_shown(self) -> None:
        self.assertEqual(self.conformance.waived.keys() & self.conformance.shown.keys(), set())

    def test_the_page_has_a_line_for_each(self) -> None:
        lines = self.conformance.page().splitlines()
        named = {line.split("|")[1].strip() for line in lines if line.startswith("|")}
        self.assertEqual({row["id"] for row in self.conformance.rows} - named, set())
