"""The threads of a command's look-ups."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mcast.cli.threads import MAX_THREADS, DaemonThreads


class DaemonThreadsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.threads = DaemonThreads()
        self.results: SimpleQueue[tuple[bool, Any]] = SimpleQueue()

    def call(self, work: Any, *arguments: Any) -> None:
        self.threads.callInThreadWithCallback(
            lambda success, result: self.results.put((success, result)), work, *arguments
        )

    def test_result(self) -> None:
        self.call(divmod, 7, 2)
        self.assertEqual(self.results.get(timeout=60), (True, (3, 1)))

    def test_failure(self) -> None:
        self.call(divmod, 7, 0)
        success, failure = self.results.get(timeout=60)
        self.assertFalse(success)
        self.assertTrue(failure.check(ZeroDivisionError))

    def test_program_does_not_wait_for_them(self) -> None:
        self.call(threading.current_thread)
        self.assertTrue(self.results.get(timeout=60)[1].daemon)

    def test_number_is_bounded(self) -> None:
        go = threading.Event()
        self.addCleanup(go.set)
        before = set(threading.enumerate())
        for _ in range(3 * MAX_THREADS):
            self.call(go.wait)
        self.assertEqual(len(set(threading.enumerate()) - before), MAX_THREADS)
        go.set()
        self.assertEqual([self.results.get(timeout=60)[0] for _ in range(3 * MAX_THREADS)], [True] * 30)
