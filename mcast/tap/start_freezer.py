"""Python's collector while thousands of services are claimed."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

INTERVAL = 0.25
"""Seconds between two looks. Our choice: in this time come as many objects as a full pass of the collector
looks at within some ten milliseconds."""

MANY = 1000
"""Names from which on it is worth it. Our choice: a full pass over these takes some thirty milliseconds."""

LIMIT = 60.0
"""Seconds after which the start is taken to be over. Our choice: ten thousand services take ten."""


class Claimable(Protocol):
    """What is published."""

    @property
    def is_claimed(self) -> bool:
        """Whether it is in use."""


class StartFreezer:
    """Keeps the collector from looking again and again at what stays, until all that is published is claimed.

    Its full passes over the objects of ten thousand services take a third of a second each, in which nobody
    is answered. `gc.freeze` takes what is there out of them. It is for a program to do so, never for a
    library. The price: what was frozen, is dropped later and has references to itself keeps its memory until
    `thaw`; that is never more than was in use at the start.

    :param published: returns what is published, claimed or not.
    """

    def __init__(self, clock: IReactorTime, published: Callable[[], tuple[Claimable, ...]]) -> None:
        self._clock = clock
        self._published = published
        self._timer: IDelayedCall | None = None
        self._until = 0.0
        self._number = -1
        self._has_frozen = False

    def start(self) -> None:
        """Begin to look."""
        self._until = self._clock.seconds() + LIMIT
        self._number = -1
        self._timer = self._clock.callLater(INTERVAL, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def thaw(self) -> None:
        """Have the collector look at everything again: much may be dropped now.

        Of few names little is, and what the program has loaded stays frozen (see `mcast.tap.tap`).
        """
        self.stop()
        if self._has_frozen:
            gc.unfreeze()

    def _look(self) -> None:
        self._timer = None
        published = self._published()
        if len(published) >= MANY:
            gc.freeze()
            self._has_frozen = True
        is_over = len(published) == self._number and all(each.is_claimed for each in published)
        self._number = len(published)
        if not is_over and self._clock.seconds() < self._until:
            self._timer = self._clock.callLater(INTERVAL, self._look)
