"""Answers kept in encoded form, found by the octets of the query."""

from __future__ import annotations

from math import inf

MAX_READY = 8192
"""Queries whose answer is kept.

Our choice: several types of question for each of a thousand services. The table is emptied when it is full
and when anything published changes, so that a stranger who fills it with other spellings makes us as slow as
without it, and no slower.
"""


class ReadyAnswer:
    """The responses to one query, whose ID is the only thing that may differ."""

    __slots__ = ("legacy", "unicast", "unicast_until")

    def __init__(self, legacy: bytes) -> None:
        self.legacy = legacy
        """The response to a simple resolver, without the ID."""
        self.unicast = b""
        """The response to a question for a unicast response."""
        self.unicast_until = -inf
        """Until when that may be given (RFC 6762 §5.4). When it is over, the records are multicast once, and
        then there is a new limit."""


class ReadyAnswers:
    """The answers by query."""

    __slots__ = ("_answers", "get")

    def __init__(self) -> None:
        self._answers: dict[bytes, ReadyAnswer] = {}
        self.get = self._answers.get
        """Return the answer to a datagram without its ID, or None."""

    def __len__(self) -> int:
        return len(self._answers)

    def put(self, key: bytes, answer: ReadyAnswer) -> None:
        """Keep an answer."""
        if len(self._answers) >= MAX_READY:
            self._answers.clear()
        self._answers[key] = answer

    def clear(self) -> None:
        """Forget all answers, since they may be wrong now."""
        self._answers.clear()
