"""Tests that other processes run are reported as if they had been run here."""

from __future__ import annotations

import os

from twisted.trial.reporter import TestResult
from twisted.trial.unittest import SynchronousTestCase

from tests import beside_samples as samples
from tests.beside import Crew, Outcome, RunBeside


def identities(kind: type[RunBeside], *methods: str) -> list[str]:
    return [f"tests.beside_samples.{kind.__name__}.{method}" for method in methods]


class CrewTests(SynchronousTestCase):
    """One process, and what came of the tests that it ran."""

    def setUp(self) -> None:
        folder = self.mktemp()
        os.makedirs(folder)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder)

    def outcomes(self, tests: list[str]) -> list[Outcome]:
        crew = Crew({"tests": tests}, 1)
        self.addCleanup(crew.end)
        return [crew.take(test) for test in tests]

    def test_outcomes(self) -> None:
        names = ("test_success", "test_skip", "test_failure", "test_error", "test_output")
        found = self.outcomes(identities(samples.Samples, *names))
        self.assertEqual(
            [outcome.kind for outcome in found], ["success", "skip", "failure", "error", "success"]
        )
        self.assertEqual(found[1].text, "not here")
        self.assertIn("assertEqual(1, 2)", found[2].text)
        self.assertIn("LookupError: lost", found[3].text)

    def test_process_that_ends(self) -> None:
        """Its test, and those that it had still to run, are errors."""
        found = self.outcomes(identities(samples.Deadly, "test_end", "test_never_run"))
        self.assertEqual([outcome.kind for outcome in found], ["error", "error"])
        self.assertIn("beside-0.log", found[0].text)

    def test_unknown(self) -> None:
        (found,) = self.outcomes(identities(samples.Samples, "test_nothing"))
        self.assertEqual(found.kind, "error")

    def test_once(self) -> None:
        """A test that is run again, as by ``trial --until-failure``, is run here."""
        crew = Crew({"tests": identities(samples.Samples, "test_success")}, 1)
        self.addCleanup(crew.end)
        (test,) = identities(samples.Samples, "test_success")
        self.assertTrue(crew.has(test))
        crew.take(test)
        self.assertFalse(crew.has(test))


class FakeCrew(Crew):
    """Has an outcome for every test."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def has(self, test: str) -> bool:
        return True

    def take(self, test: str) -> Outcome:
        return self.outcome


class ReportTests(SynchronousTestCase):
    """What trial is told of a test that another process has run."""

    def reported(self, kind: str, text: str = "") -> TestResult:
        self.patch(RunBeside, "crew", FakeCrew(Outcome("", kind, text)))
        result = TestResult()
        samples.Samples("test_success").run(result)
        return result

    def test_success(self) -> None:
        self.assertEqual((self.reported("success").successes, self.reported("success").testsRun), (1, 1))

    def test_skip(self) -> None:
        self.assertEqual([reason for _, reason in self.reported("skip", "why").skips], ["why"])

    def test_failure(self) -> None:
        ((_, failure),) = self.reported("failure", "1 != 2").failures
        self.assertIn("1 != 2", str(failure))

    def test_error(self) -> None:
        ((_, failure),) = self.reported("error", "LookupError: lost").errors
        self.assertIn("LookupError: lost", str(failure))
