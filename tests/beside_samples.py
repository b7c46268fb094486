"""Tests that end in each way there is, for `tests.test_beside`; trial does not look for them here."""

from __future__ import annotations

import os

from twisted.trial.unittest import SkipTest

from tests.beside import RunBeside


class Samples(RunBeside):
    def test_success(self) -> None:
        self.assertTrue(True)

    def test_skip(self) -> None:
        raise SkipTest("not here")

    def test_failure(self) -> None:
        self.assertEqual(1, 2)

    def test_error(self) -> None:
        raise LookupError("lost")

    def test_output(self) -> None:
        """What a test prints is no outcome."""
        print("a line")


class Deadly(RunBeside):
    def test_end(self) -> None:
        os._exit(3)

    def test_never_run(self) -> None:
        self.fail("the process has ended")
