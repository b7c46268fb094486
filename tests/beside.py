"""Tests that mostly wait, run by other processes beside the rest.

The tests with real packets wait for what the RFCs prescribe, and one core can run several at a time. To
trial a `RunBeside` is an ordinary test case: it has its place in the output, and can be run alone. When the
first of them is due, all that trial was asked for are handed, class by class, to a few processes; each test
then waits, in its turn, for its outcome. One class alone is run as any other test.

``MCAST_TEST_JOBS`` is the number of processes; with 1, all tests run in the one that trial started, as a
debugger needs it. What the processes print goes to ``beside-N.log`` in trial's temporary directory.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from twisted.python.failure import Failure
from twisted.python.reflect import namedAny
from twisted.trial.itrial import IReporter
from twisted.trial.reporter import TestResult
from twisted.trial.unittest import SynchronousTestCase

from tests.signals import default_signals

JOBS = int(os.environ.get("MCAST_TEST_JOBS", "0")) or 3 * min(os.cpu_count() or 1, 4)
"""Our choice: three for each core, since most of their time is waiting."""

REPOSITORY = Path(__file__).resolve().parents[1]

END_TIMEOUT = 60.0
"""Our choice: seconds that a process is given to take down its network when it has nothing left to do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a test ended."""

    test: str
    """The test's id."""
    kind: str
    """``success``, ``skip``, ``failure`` or ``error``."""
    text: str = ""
    """The reason of a skip; the traceback of what went wrong."""


class BesideError(Exception):
    """A test raised something in another process; the text is its traceback there."""


class RunBeside(SynchronousTestCase):
    """A test case whose tests other processes may run.

    All tests of a class are run by the same process, one after the other.
    """

    beside_group: ClassVar[str] = ""
    """Classes with the same one are run by the same process, as if they were one class."""

    _planned: ClassVar[dict[str, list[str]]] = {}
    """The ids of the tests that trial has made and not begun to run, by class or group."""
    crew: ClassVar[Crew | None] = None
    _may_help: ClassVar[bool] = JOBS > 1
    """Whether processes may be started: not in one of them."""

    def __init__(self, methodName: str = "runTest") -> None:
        super().__init__(methodName)
        kind = type(self)
        group = self.beside_group or f"{kind.__module__}.{kind.__qualname__}"
        self._planned.setdefault(group, []).append(self.id())

    def run(self, result: Any) -> None:  # type: ignore[override]  # trial returns nothing
        reporter = IReporter(result, None)
        crew = self._find_crew()
        if reporter is None or crew is None or not crew.has(self.id()):
            super().run(result)
            return
        reporter.startTest(self)
        outcome = crew.take(self.id())
        if outcome.kind == "success":
            reporter.addSuccess(self)
        elif outcome.kind == "skip":
            reporter.addSkip(self, outcome.text)
        elif outcome.kind == "failure":
            reporter.addFailure(self, Failure(self.failureException(outcome.text)))
        else:
            reporter.addError(self, Failure(BesideError(outcome.text)))
        reporter.stopTest(self)

    @classmethod
    def _find_crew(cls) -> Crew | None:
        if RunBeside._may_help and RunBeside.crew is None:
            if len(cls._planned) > 1:
                RunBeside.crew = Crew(cls._planned, min(JOBS, len(cls._planned)))
            cls._planned.clear()
        return RunBeside.crew


class Crew:
    """Processes that run classes of tests, and what came of these.

    :param classes: the ids of tests, by class.
    """

    def __init__(self, classes: dict[str, list[str]], size: int) -> None:
        self._waiting = deque(list(tests) for tests in classes.values())
        self._pending = {test for tests in classes.values() for test in tests}
        self._outcomes: dict[str, Outcome] = {}
        self._changed = threading.Condition()
        with default_signals():
            helpers = [_Helper(number) for number in range(size)]
        self._threads = [
            threading.Thread(target=self._work, args=(helper,), daemon=True) for helper in helpers
        ]
        for thread in self._threads:
            thread.start()
        atexit.register(self.end)

    def has(self, test: str) -> bool:
        """Tell whether the outcome of a test is here or will be; each is there once."""
        with self._changed:
            return test in self._pending

    def take(self, test: str) -> Outcome:
        """Wait for the outcome of a test, and return it."""
        with self._changed:
            while test not in self._outcomes:
                self._changed.wait()
            self._pending.remove(test)
            return self._outcomes.pop(test)

    def _work(self, helper: _Helper) -> None:
        """Give a process one class after the other; called in a thread for each process."""
        while True:
            with self._changed:
                if not self._waiting:
                    break
                tests = self._waiting.popleft()
            left = set(tests)
            for outcome in helper.run(tests):
                left.discard(outcome.test)
                self._add(outcome)
            for test in left:
                self._add(Outcome(test, "error", f"the process that ran it ended; {helper.last_words}"))
        helper.end()

    def _add(self, outcome: Outcome) -> None:
        with self._changed:
            self._outcomes[outcome.test] = outcome
            self._changed.notify_all()

    def end(self) -> None:
        """Begin no class any more, and wait until the processes have taken down what they built."""
        with self._changed:
            self._waiting.clear()
        for thread in self._threads:
            thread.join(END_TIMEOUT)


class _Helper:
    """One process that runs tests."""

    def __init__(self, number: int) -> None:
        folder = Path.cwd() / f"beside-{number}"
        folder.mkdir(exist_ok=True)
        self.log = folder.with_suffix(".log")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from tests.beside import serve; serve()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *filter(None, sys.path)])},
            )

    @property
    def last_words(self) -> str:
        """Where its log is, and the end of it: of a CI run nothing else is left."""
        return f"see {self.log}:\n{self.log.read_text(errors='replace')[-2000:]}"

    def run(self, tests: list[str]) -> Iterator[Outcome]:
        """Run tests and yield their outcomes; those after the end of the process are missing."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):  # it has ended, and says no more
            self._process.stdin.write(json.dumps(tests) + "\n")
            self._process.stdin.flush()
            for _ in tests:
                yield Outcome(**json.loads(self._process.stdout.readline()))

    def end(self) -> None:
        """Let the process end, which takes down its networks first."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Recorder(TestResult):
    """Keeps what is reported of one test."""

    def __init__(self) -> None:
        super().__init__()
        self.kind = "success"
        self.texts: list[str] = []

    def _worse(self, kind: str, text: str) -> None:
        # A test may fail and then have an error in a cleanup: both are told, and the first names the kind.
        if self.kind in ("success", "skip"):
            self.kind = kind
        self.texts.append(text)

    def addSkip(self, test: Any, reason: str) -> None:
        self._worse("skip", reason)

    def addFailure(self, test: Any, fail: Any) -> None:
        self._worse("failure", _traceback(fail))

    def addError(self, test: Any, error: Any) -> None:
        self._worse("error", _traceback(error))


def _traceback(problem: Any) -> str:
    failure = problem if isinstance(problem, Failure) else Failure(problem[1], problem[0], problem[2])
    return f"\n{failure.getTraceback()}"


def _run_one(test: str) -> Outcome:
    recorder = _Recorder()
    owner, _, method = test.rpartition(".")
    try:
        namedAny(owner)(method).run(recorder)
    except Exception:
        recorder.addError(None, Failure())
    return Outcome(test, recorder.kind, "\n".join(recorder.texts))


def serve() -> None:
    """Run the tests that each line of standard input names, and write a line about each."""
    RunBeside._may_help = False
    # The programs that tests start shall not read our commands, nor write among our outcomes.
    commands, outcomes = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    for line in commands:
        for test in json.loads(line):
            outcomes.write(json.dumps(asdict(_run_one(test))) + "\n")
            outcomes.flush()
