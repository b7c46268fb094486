"""What a mutant is: one behaviour of ours that is broken, and the checks that must fall for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from mcast.conform.proxy import PROXY
from mcast.conform.querier import QUERIER

Patch = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One behaviour that is broken."""

    breaks: frozenset[str]
    """The checks that must not hold."""
    follows: Mapping[str, str]
    """Checks of other groups that cannot hold then either, each with the reason; all others must hold."""
    apply: Callable[[], None]

    @property
    def all_broken(self) -> frozenset[str]:
        """All checks that must not hold."""
        return self.breaks | set(self.follows)

    @property
    def groups(self) -> list[str]:
        """The groups of these checks."""
        return sorted({check.partition(".")[0] for check in self.all_broken})

    @property
    def role(self) -> str:
        """What it is judged as; roles have groups of different names."""
        for catalogue in (QUERIER, PROXY):
            if set(self.groups) <= set(catalogue.groups):
                return catalogue.role
        return "responder"


MUTANTS: dict[str, Mutant] = {}


def mutant(
    name: str, *breaks: str, follows: Mapping[str, str] | None = None
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Add a mutant, whose decorated function breaks something.

    :param breaks: the checks that must fall, all of one group.
    :param follows: checks of other groups that fall with them, and why they must.
    """

    def add(apply: Callable[[], None]) -> Callable[[], None]:
        MUTANTS[name] = Mutant(frozenset(breaks), dict(follows or {}), apply)
        return apply

    return add


_put_back: list[Callable[[], None]] = []


def replace(owner: Any, name: str, value: object) -> None:
    """Put something else in the place of what is there.

    :raises AttributeError: nothing is there, so that the mutant would break nothing.
    """
    getattr(owner, name)
    own = vars(owner)
    if name in own:
        _put_back.append(partial(setattr, owner, name, own[name]))
    else:
        _put_back.append(partial(delattr, owner, name))
    setattr(owner, name, value)


def restore() -> int:
    """Break nothing any more, and return how much was replaced."""
    number = len(_put_back)
    while _put_back:
        _put_back.pop()()
    return number


def wrap(owner: Any, name: str, around: Callable[[Patch], Patch]) -> None:
    """Put something around a function."""
    replace(owner, name, around(getattr(owner, name)))
