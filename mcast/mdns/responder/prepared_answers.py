"""Answers kept in encoded form, found by the octets of the query."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from mcast.dns.messages import Message
from mcast.mdns.responder.record_set import RecordSet

MAX_READY = 8192
"""Queries whose answer is kept, each with at most two messages.

Our choice: several types of question for each of a thousand services. The table is emptied when it is full
and when anything published changes. So a stranger that fills it with other spellings makes us as slow as
without it, and no slower.
"""


class ReadyAnswer:
    """What a plain query gets: one question, no records. Only its ID may differ from time to time."""

    __slots__ = ("answers", "legacy", "message", "quiet_until", "unicast", "unicast_until")

    def __init__(self, message: Message) -> None:
        self.message = message
        """The query."""
        self.legacy = b""
        """The response to a legacy query, without the ID; empty before the first one."""
        self.unicast = b""
        """The response to a host that wants a unicast one at once."""
        self.answers: Sequence[RecordSet] = ()
        """Or what it gets after a random delay."""
        self.unicast_until = -inf
        """Until when these may be given (RFC 6762 §5.4).

        Afterwards the records are multicast once, and then there is a new limit.
        """
        self.quiet_until = -inf
        """Until when the same question for a multicast response changes nothing (RFC 6762 §6).

        Every answer is planned already, or was multicast within the last second.
        """


class ReadyAnswers:
    """The answers by query."""

    __slots__ = ("_answers", "get")

    def __init__(self) -> None:
        self._answers: dict[bytes, ReadyAnswer] = {}
        self.get = self._answers.get
        """Return the answer to a datagram without its ID, or None."""

    def __len__(self) -> int:
        return len(self._answers)

    def make(self, key: bytes, message: Message) -> ReadyAnswer:
        """Return the answer to a query, a new one if there is none, to be filled in by the caller.

        :param key: the datagram without its ID.
        """
        answer = self._answers.get(key)
        if answer is None:
            if len(self._answers) >= MAX_READY:
                self._answers.clear()
            answer = self._answers[key] = ReadyAnswer(message)
        return answer

    def clear(self) -> None:
        """Forget all answers, since they may be wrong now."""
        self._answers.clear()
