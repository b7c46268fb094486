"""Scenarios as data: what a role is judged by, in groups."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mcast.conform.bench import Bench
from mcast.conform.subjects import Action
from mcast.conform.verdicts import Check, Judge

Play = Callable[[Bench, Judge], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One exchange with a subject, and the checks that it decides."""

    name: str
    """Its group and its own word: ``probing/claim``."""
    checks: tuple[Check, ...]
    play: Play
    sends: str
    """What we send or have the subject do, for people."""
    seconds: float
    """About how long it takes, for the time that is left."""
    needs: frozenset[Action]

    @property
    def group(self) -> str:
        return self.name.partition("/")[0]


class Catalogue:
    """The scenarios of a role.

    :param role: what is judged: ``responder`` or ``querier``.
    :param groups: what each group is about, in one line, in the order of a report.
    """

    def __init__(self, role: str, groups: Mapping[str, str]) -> None:
        self.role = role
        self.groups = dict(groups)
        self._scenarios: list[Scenario] = []

    @property
    def scenarios(self) -> list[Scenario]:
        """All of them, by groups, and in a group in the order in which they were added."""
        order = list(self.groups)
        return sorted(self._scenarios, key=lambda each: order.index(each.group))

    def scenario(
        self, name: str, *checks: Check, sends: str, seconds: float, needs: Iterable[Action] = ()
    ) -> Callable[[Play], Play]:
        """Add the scenario that the decorated function plays."""

        def add(play: Play) -> Play:
            self._scenarios.append(Scenario(name, checks, play, sends, seconds, frozenset(needs)))
            return play

        return add

    def chosen(self, only: Iterable[str]) -> list[Scenario]:
        """Return the scenarios that words choose: groups, scenarios or checks; all for no word.

        :raises ValueError: a word that is none of these.
        """
        words = list(only)
        if not words:
            return self.scenarios
        found = []
        for word in words:
            these = [
                each
                for each in self.scenarios
                if word in (each.group, each.name) or any(word == check.id for check in each.checks)
            ]
            if not these:
                raise ValueError(f"{word}: no group, scenario or check of this name; --list shows them")
            found += these
        return [each for each in self.scenarios if each in found]
