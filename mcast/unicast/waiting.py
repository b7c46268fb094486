"""Clients that wait for an answer of the link (RFC 8766 §5.6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from enum import Enum, auto
from typing import Final, Generic, TypeVar

WAIT_LIMIT = 6.0
"""Seconds after which a question is given up (RFC 8766 §5.6: "after six seconds")."""

MAX_QUESTIONS = 1000
"""Questions that wait for an answer. Our choice: twice what can begin on one link meanwhile."""

MAX_WAITING = 5000
"""Clients' queries that wait. Our choice: some hundred octets each."""

MAX_WAITING_OF_CLIENT = 500
"""Queries of one address that wait. Our choice: a resolver asks for many, and leaves room for nine others."""

_K = TypeVar("_K", bound=Hashable)
_W = TypeVar("_W")


class Joined(Enum):
    """What became of a query."""

    FIRST = auto()
    """The question is to be asked on the link."""
    JOINED = auto()
    """It is being asked already."""
    REFUSED = auto()
    """Too many wait."""


class _Pending(Generic[_W]):
    __slots__ = ("ends_at", "waiters")

    def __init__(self, ends_at: float) -> None:
        self.ends_at = ends_at
        self.waiters: dict[Hashable, tuple[str, _W]] = {}


class Waiting(Generic[_K, _W]):
    """Who waits for the answer to which question. Several clients wait for one question on the link.

    Sans-I/O: whoever asks on the link says when something was heard, and is told who gets the answer.
    """

    def __init__(self) -> None:
        self.counters: Final[Counter[str]] = Counter()
        """What was refused, by cause."""
        # All wait equally long: they end in the order in which they began.
        self._pending: dict[_K, _Pending[_W]] = {}
        self._of_client: Counter[str] = Counter()
        self._count = 0

    def __len__(self) -> int:
        """How many questions are waited for."""
        return len(self._pending)

    @property
    def waiting(self) -> int:
        """How many queries wait."""
        return self._count

    def join(self, key: _K, client: str, identity: Hashable, waiter: _W, now: float) -> Joined:
        """Let a query wait for the answer to a question.

        :param client: the address, which has a share of the places.
        :param identity: tells queries apart; one that a client sends again takes the place of the first.
        """
        pending = self._pending.get(key)
        if pending is not None and identity in pending.waiters:
            pending.waiters[identity] = (client, waiter)
            return Joined.JOINED
        if self._count >= MAX_WAITING:
            self.counters["clients beyond the limit"] += 1
            return Joined.REFUSED
        if self._of_client[client] >= MAX_WAITING_OF_CLIENT:
            self.counters["clients beyond their share"] += 1
            return Joined.REFUSED
        outcome = Joined.JOINED
        if pending is None:
            if len(self._pending) >= MAX_QUESTIONS:
                self.counters["questions beyond the limit"] += 1
                return Joined.REFUSED
            pending = self._pending[key] = _Pending(now + WAIT_LIMIT)
            outcome = Joined.FIRST
        pending.waiters[identity] = (client, waiter)
        self._count += 1
        self._of_client[client] += 1
        return outcome

    def answered(self, key: _K) -> list[_W]:
        """Return who is to be answered, since the link said something; the question is over."""
        pending = self._pending.pop(key, None)
        if pending is None:
            return []
        waiters = []
        for client, waiter in pending.waiters.values():
            waiters.append(waiter)
            self._count -= 1
            self._of_client[client] -= 1
            if not self._of_client[client]:
                del self._of_client[client]
        return waiters

    def __iter__(self) -> Iterator[_K]:
        return iter(tuple(self._pending))

    def expired(self, now: float) -> list[_K]:
        """Return the questions that have waited for six seconds; `answered` ends each of them."""
        keys = []
        for key, pending in self._pending.items():
            if pending.ends_at > now:
                break
            keys.append(key)
        return keys

    def next_wakeup(self) -> float | None:
        """Return when to call `expired`; None while nobody waits."""
        return next((pending.ends_at for pending in self._pending.values()), None)
