"""A test that has our code use what is deprecated fails (`tests/__init__.py`)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import TestResult

from twisted.trial.unittest import SynchronousTestCase

TOP = Path(__file__).resolve().parents[1]


def _warn(file: Path) -> None:
    """Warn as the interpreter does of a line in a file."""
    warnings.warn_explicit("it goes", DeprecationWarning, str(file), 1)


@contextmanager
def as_before_a_test() -> Iterator[None]:
    """Have the filters that hold where trial does not collect all warnings, as it does during a test."""
    with warnings.catch_warnings():
        warnings.filters[:] = [each for each in warnings.filters if each[0] != "always"]  # type: ignore[index]
        yield


class WarningTests(SynchronousTestCase):
    def errors(self, file: Path) -> int:
        """Return how many errors a test has that was warned of a file."""

        class Warned(SynchronousTestCase):
            def test_it(self) -> None:
                _warn(file)

        result = TestResult()
        with as_before_a_test():
            Warned("test_it").run(result)
        self.assertEqual((result.testsRun, result.failures), (1, []))
        return len(result.errors)

    def test_ours(self) -> None:
        for name in ("mcast/clock.py", "mcast/node/node.py", "tests/test_clock.py"):
            self.assertEqual(self.errors(TOP / name), 1, name)

    def test_of_others(self) -> None:
        """What another library does is theirs to mend; it is shown, and flushed here."""
        self.assertEqual(self.errors(Path("/usr/lib/python3/other.py")), 0)
        self.flushWarnings()

    def test_at_import(self) -> None:
        """The module is known there."""
        with as_before_a_test(), self.assertRaises(DeprecationWarning):
            warnings.warn_explicit("it goes", DeprecationWarning, "x.py", 1, module="mcast.clock")
