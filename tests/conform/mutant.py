"""What a mutant is: one behaviour of ours that is broken, and the checks that must fall for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mcast.conform.querier import QUERIER


@dataclass(frozen=True, slots=True)
class Mutant:
    """One behaviour that is broken."""

    breaks: frozenset[str]
    """The checks that must not hold; all others must."""
    apply: Callable[[], None]

    @property
    def groups(self) -> list[str]:
        """The groups of these checks."""
        return sorted({check.partition(".")[0] for check in self.breaks})

    @property
    def role(self) -> str:
        """What it is judged as; the two roles have groups of different names."""
        return "querier" if set(self.groups) <= set(QUERIER.groups) else "responder"


MUTANTS: dict[str, Mutant] = {}


def mutant(name: str, *breaks: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Add a mutant, whose decorated function breaks something."""

    def add(apply: Callable[[], None]) -> Callable[[], None]:
        MUTANTS[name] = Mutant(frozenset(breaks), apply)
        return apply

    return add


def replace(owner: Any, name: str, value: object) -> None:
    """Put something else in the place of what is there.

    :raises AttributeError: nothing is there, so that the mutant would break nothing.
    """
    getattr(owner, name)
    setattr(owner, name, value)
