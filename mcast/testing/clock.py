"""A clock that stops at each thing that is due."""

from __future__ import annotations

from twisted.internet.task import Clock

START = 1000.0
"""What the clock shows at first. Our choice: not 0, which a program may take for "never"."""

MAX_CALLS = 1_000_000
"""Delayed calls in one `SteppingClock.advance`.

Our choice: some minutes of real time; more is a program that calls itself again while time stands still.
"""


class SteppingClock(Clock):
    """A `Clock` on which whatever is called sees the time that it asked for, not the end of the step."""

    def __init__(self) -> None:
        super().__init__()
        self.rightNow = START

    @property
    def next_at(self) -> float | None:
        """When the next call is due, or None."""
        return min((call.getTime() for call in self.calls), default=None)

    def advance(self, amount: float) -> None:
        """Let so many seconds pass.

        :raises RuntimeError: after `MAX_CALLS` calls.
        """
        end = self.rightNow + amount
        for _ in range(MAX_CALLS):
            # The first of those with the least time: what was asked for first comes first.
            call = min(self.calls, key=lambda each: each.getTime(), default=None)
            if call is None or call.getTime() > end:
                # A test may let a call take time, by moving the clock on; it never goes back.
                self.rightNow = max(self.rightNow, end)
                return
            self.calls.remove(call)
            self.rightNow = max(self.rightNow, call.getTime())
            call.called = 1
            call.func(*call.args, **call.kw)
        raise RuntimeError(f"more than {MAX_CALLS} calls within {amount} seconds")
