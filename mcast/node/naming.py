"""Which name an item takes when the one it wants is taken (RFC 6762 §9)."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from mcast.dns.names import Name
from mcast.node.items import Item

ORDERLY_LOSSES = 2
"""Names lost in a row after which the next number is tried; later ones are chosen at random.

Our choice: people expect "printer-2" and "printer-3", and three of a name are seldom there at once. Of thirty
hosts that start together, each with the next number, twenty-nine would lose every round.
"""

CHOICES = 100
"""Numbers among which the first random one is chosen; after each further loss ten times as many.

Our choice: of some dozens of hosts most find one of their own at once, and the number is short.
"""

MAX_CHOICES = 10**8
"""Where that ends. Our choice: the number still has nine digits at most, which is what we take for one."""

MAX_TRIES = 16
"""Numbers tried at a time without regard to the network.

Our choice: a program that publishes a dozen services of one name gets them numbered in order; with hundreds
each would look at all numbers before its own.
"""

MAX_TAKEN = 1024
"""Names remembered as those of other hosts; the oldest is forgotten for a new one.

Our choice: far more than contests that one host goes through; what is forgotten costs one probe to learn.
"""


class NameChooser:
    """Chooses names, and remembers those that turned out to be taken.

    :param rng: draws the numbers.
    :param is_taken: whether an item of ours has a name, or another host was heard to want it.
    """

    def __init__(self, rng: Random, is_taken: Callable[[Name], bool]) -> None:
        self._rng: Final = rng
        self._is_taken: Final = is_taken
        self._taken: Final[dict[Name, None]] = {}

    def note_taken(self, name: Name) -> None:
        """Remember that another host has a name."""
        self._taken.pop(name, None)
        self._taken[name] = None
        if len(self._taken) > MAX_TAKEN:
            del self._taken[next(iter(self._taken))]

    def take_another(self, item: Item) -> None:
        """Give an item a name that nobody is known to have.

        :param item: its ``losses`` tell how many names it has lost in a row.
        """
        if item.losses <= ORDERLY_LOSSES:
            for _ in range(MAX_TRIES):
                item.take(item.next_label())
                if self._is_free(item):
                    return
        choices = CHOICES * 10 ** max(0, item.losses - ORDERLY_LOSSES - 1)
        while True:
            choices = min(choices, MAX_CHOICES)
            for _ in range(MAX_TRIES):
                item.take(item.numbered_label(self._rng.randrange(2, 2 + choices)))
                if self._is_free(item):
                    return
            choices *= 10

    def _is_free(self, item: Item) -> bool:
        return item.full_name not in self._taken and not self._is_taken(item.full_name)
