"""What is to be done to its end though somebody cancels it meanwhile: what was built must be taken down."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


async def in_any_case(work: Coroutine[Any, Any, T]) -> T:
    """Await work to its end, however often this is cancelled meanwhile, and return its result.

    :raises CancelledError: after that end, when it was.
    """
    outcome: list[T | Failure] = []
    running = Deferred.fromCoroutine(work)
    running.addBoth(outcome.append)
    cancelled: CancelledError | None = None
    while not outcome:
        waiting: Deferred[None] = Deferred()
        running.addBoth(_tell, waiting)
        try:
            await waiting
        except CancelledError as error:
            cancelled = error
    (result,) = outcome
    if cancelled is not None:
        raise cancelled
    if isinstance(result, Failure):
        result.raiseException()
    return result


def _tell(_: object, waiting: Deferred[None]) -> None:
    if not waiting.called:
        waiting.callback(None)
