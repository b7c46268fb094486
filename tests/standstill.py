"""A process that gets no processor for a while, on a simulated network."""

from __future__ import annotations

from collections.abc import Callable

from mcast.testing import SimulatedLan


def stand_still(lan: SimulatedLan, after: float, seconds: float, arrives: Callable[[], object]) -> None:
    """Let time pass, and nothing run for some of it; what is due then runs before anything is read.

    :param after: seconds until everything stands still.
    :param seconds: how long it does.
    :param arrives: puts on the link what arrives meanwhile, and is read afterwards.
    """
    lan.advance(after)
    lan.link().delay = 0.0
    lan.clock.rightNow += seconds
    lan.clock.callLater(0, arrives)
    lan.advance(0)
