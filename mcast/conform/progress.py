"""How far a run has come, on one line of a terminal that is written anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TextIO

from mcast.conform.scenarios import Scenario
from mcast.conform.verdicts import Finding, Verdict
from mcast.showing import shown

LOOK_INTERVAL = 1.0
"""Seconds between two lines. Our choice: a clock that people look at."""

ERASE = "\r\x1b[K"
"""To the start of the line, and nothing after it (ECMA-48 §8.3.41)."""


class LiveProgress:
    """Tells a person what is played, how much is left, and for how long.

    :param stream: where a terminal may be; elsewhere nothing is written.
    :param side_by_side: how many groups are played at once.
    :param repeat: how often everything is played.
    """

    def __init__(
        self, scenarios: Sequence[Scenario], stream: TextIO, clock: Any, side_by_side: int, repeat: int = 1
    ) -> None:
        self._plain = stream
        self._stream = stream if stream.isatty() else None
        self._clock = clock
        self._side_by_side = side_by_side
        self._left: dict[str, list[float]] = {}
        for scenario in scenarios:
            self._left.setdefault(scenario.group, []).extend([scenario.seconds] * repeat)
        self._total = len(scenarios) * repeat
        self._playing: dict[str, float] = {}
        self._bad = 0
        self._call: Any = None
        if self._stream is not None:
            self._tick()

    def began(self, scenario: Scenario) -> None:
        """A scenario is played now."""
        self._playing[scenario.name] = self._clock.seconds()

    def ended(self, scenario: Scenario, findings: Sequence[Finding]) -> None:
        """A scenario is over."""
        self._playing.pop(scenario.name, None)
        left = self._left.get(scenario.group)
        if left:
            left.pop(0)
        self._bad += sum(finding.verdict is Verdict.FAIL for finding in findings)

    @property
    def done(self) -> int:
        """How many scenarios are over."""
        return self._total - sum(map(len, self._left.values()))

    def seconds_left(self) -> float:
        """Return about how long it still takes."""
        groups = [sum(left) for left in self._left.values()]
        return max(max(groups, default=0.0), sum(groups) / self._side_by_side)

    def line(self) -> str:
        """Return the line for people."""
        minutes, seconds = divmod(int(self.seconds_left()), 60)
        playing = ", ".join(self._playing)
        bad = f", {self._bad} failed" if self._bad else ""
        return shown(f"{self.done}/{self._total}{bad}, about {minutes}:{seconds:02d} left: {playing}")

    def _tick(self) -> None:
        assert self._stream is not None
        self._stream.write(ERASE + self.line()[:78])
        self._stream.flush()
        self._call = self._clock.callLater(LOOK_INTERVAL, self._tick)

    def say(self, text: str) -> None:
        """Write a line for the person, in the place of the one that is written anew."""
        stream = self._stream or self._plain
        stream.write((ERASE if self._stream is not None else "") + shown(text) + "\n")
        stream.flush()

    def close(self) -> None:
        """Leave an empty line."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        if self._stream is not None:
            self._stream.write(ERASE)
            self._stream.flush()
