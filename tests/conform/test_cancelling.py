"""`mcast.conform.cancelling`."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from mcast.conform.cancelling import in_any_case


class InAnyCaseTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.step: Deferred[int] = Deferred()
        self.ended: list[int] = []

        async def work() -> int:
            result = await self.step
            self.ended.append(result)
            return result

        self.running = Deferred.fromCoroutine(in_any_case(work()))

    def test_result(self) -> None:
        self.step.callback(3)
        self.assertEqual(self.successResultOf(self.running), 3)

    def test_error(self) -> None:
        self.step.errback(ZeroDivisionError())
        self.failureResultOf(self.running, ZeroDivisionError)

    def test_cancelled_twice(self) -> None:
        """The work goes on, and the cancellation is told at its end."""
        for _ in range(2):
            self.running.cancel()
            self.assertNoResult(self.running)
        self.step.callback(3)
        self.failureResultOf(self.running, CancelledError)
        self.assertEqual(self.ended, [3])

    def test_cancelled_and_failed(self) -> None:
        self.running.cancel()
        self.step.errback(ZeroDivisionError())
        self.failureResultOf(self.running, CancelledError)
