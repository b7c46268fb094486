"""Names that a bridge could not have where it publishes: how often it lost each, and when it tries again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mcast.dns.names import Name

ATTEMPTS = 3
"""Losses of a name, each within `COUNTED` of the last, after which the next one is taken (RFC 6762 §9).

Our choice: two bridges that hear of the same packets know the same after some seconds.
"""

COUNTED = 60.0
"""Seconds. Our choice: a device that gets a new address now and then keeps its name for ever."""

PAUSE = (1.0, 3.0)
"""Seconds, chosen at random, from the loss of a name until it is tried again.

Our choice: what a device announces it announces again after one second (RFC 6762 §8.3), and two bridges that
lose at the same time do not try at the same time.
"""


@dataclass(slots=True)
class _Loss:
    """What is known of a name that was lost."""

    at: float
    count: int = 0
    call: IDelayedCall | None = None
    """When it is tried again."""
    is_left: bool = False
    """Whether another bridge has it, and nothing is done until that one is gone."""
    was_left: bool = False
    """Whether it has been left to another bridge before."""


class LostNames:
    """The names that were lost, each until its service is gone.

    There are never more of them than services are found, whose number the browser limits.
    """

    def __init__(self, clock: IReactorTime, rng: Random) -> None:
        self._clock = clock
        self._rng = rng
        self._losses: dict[Name, _Loss] = {}

    def were_enough(self, name: Name) -> bool:
        """Whether a name was lost so often that another one is to be taken."""
        loss = self._losses.get(name)
        return loss is not None and loss.count >= ATTEMPTS

    def is_waiting(self, name: Name) -> bool:
        """Whether a name is not to be published yet."""
        loss = self._losses.get(name)
        return loss is not None and (loss.call is not None or loss.is_left)

    def is_left(self, name: Name) -> bool:
        """Whether a name is left to another bridge."""
        loss = self._losses.get(name)
        return loss is not None and loss.is_left

    def add(self, name: Name, again: Callable[[], None]) -> None:
        """Count a loss, and call ``again`` after the pause."""
        now = self._clock.seconds()
        loss = self._losses.setdefault(name, _Loss(now))
        if now - loss.at > COUNTED:
            loss.count = 0
        loss.count += 1
        loss.at = now
        self.pause(name, again)

    def pause(self, name: Name, again: Callable[[], None]) -> None:
        """Call ``again`` after the pause."""
        loss = self._losses[name]
        loss.is_left = False
        if loss.call is not None:
            loss.call.cancel()

        def end() -> None:
            loss.call = None
            again()

        loss.call = self._clock.callLater(self._rng.uniform(*PAUSE), end)

    def leave(self, name: Name) -> bool:
        """Leave a name to another bridge; return whether that is new."""
        loss = self._losses[name]
        is_new = not loss.was_left
        loss.is_left = loss.was_left = True
        return is_new

    def give_up(self, name: Name) -> None:
        """Have the next name taken, however seldom this one was lost."""
        self._losses[name].count = ATTEMPTS

    def forget(self, name: Name) -> None:
        """Forget a name, as its service is gone."""
        loss = self._losses.pop(name, None)
        if loss is not None and loss.call is not None:
            loss.call.cancel()

    def forget_all(self) -> None:
        """Forget all names."""
        for name in tuple(self._losses):
            self.forget(name)
