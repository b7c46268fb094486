"""How much work something is, in a unit that is the same on a slow machine, a busy one and a quick one."""

from __future__ import annotations

import gc
from collections.abc import Callable
from math import inf
from time import thread_time

TRIES = 5
"""Calls that are counted, one after the other, until one is below the limit."""


def effort(call: Callable[[], object]) -> float:
    """Return how many times the work of `piece` a call is: a piece takes about 5 ms on a machine of 2023.

    Counted is the processor time of this thread, without what the collector of garbage does meanwhile for all
    that the test run has made so far. A piece is done before and after, and the slower one counts.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        before = _spent(piece)
        taken = _spent(call)
        return taken / max(before, _spent(piece))
    finally:
        if was_enabled:
            gc.enable()


def least_effort(prepared: Callable[[], Callable[[], object]], limit: float) -> float:
    """Return the effort of a call that is prepared anew each time: the first below a limit, or the least.

    What is added to it, as where a machine counts for ours the time that it takes for others, is no work of
    ours; nothing makes it less.
    """
    taken = inf
    for _ in range(TRIES):
        taken = min(taken, effort(prepared()))
        if taken < limit:
            break
    return taken


def piece() -> None:
    """Do what our programs mostly do: make small objects, call, look up in dictionaries."""
    known: dict[tuple[int, bytes], int] = {}
    for number in range(10_000):
        key = (number % 1000, b"%d" % number)
        known[key] = known.get(key, 0) + len(key[1])


def _spent(call: Callable[[], object]) -> float:
    began = thread_time()
    call()
    return thread_time() - began
