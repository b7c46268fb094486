"""Answers kept in encoded form, found by the octets of the query."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Final

from mcast.dns.messages import Message
from mcast.mdns.constants import MDNS_PORT, SHARED_DELAY
from mcast.mdns.context import LinkContext
from mcast.mdns.responder.record_set import RecordSet
from mcast.mdns.responder.unicast_responses import UnicastResponses
from mcast.neighbours import SocketAddress
from mcast.rate_limit import WINDOW

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

    __slots__ = ("by_query",)

    def __init__(self) -> None:
        self.by_query: Final[dict[bytes, ReadyAnswer]] = {}
        """The answers by the datagrams without their IDs; the dictionary stays the same one."""

    def __len__(self) -> int:
        return len(self.by_query)

    def make(self, key: bytes, message: Message) -> ReadyAnswer:
        """Return the answer to a query, a new one if there is none, to be filled in by the caller.

        :param key: the datagram without its ID.
        """
        answer = self.by_query.get(key)
        if answer is None:
            if len(self.by_query) >= MAX_READY:
                self.by_query.clear()
            answer = self.by_query[key] = ReadyAnswer(message)
        return answer

    def clear(self) -> None:
        """Forget all answers, since they may be wrong now."""
        self.by_query.clear()


class ReadyAnswerer:
    """Answers plain queries with what is kept for them: the shortest way from a query to its answer."""

    def __init__(self, context: LinkContext, unicast: UnicastResponses) -> None:
        self._rng: Final = context.rng
        self._counters: Final = context.counters
        self._delayed: Final = unicast.delayed
        self._unicast: Final = unicast
        self._allowances: Final = unicast.allowances
        self._shares: Final = unicast.allowances.shares

    def answer_ready(
        self, ready: ReadyAnswer, datagram: bytes, source: SocketAddress, multicast: bool, now: float
    ) -> bytes | None:
        """Return the response to a query whose answer is ready, or None when it must go the long way.

        It is for the sender alone, and is empty when there is none, or none yet.

        The rules are those of `Answerer.handle`: a legacy query is always answered at once by unicast; a host
        that wants a unicast response gets it if the records were multicast within a quarter of their TTL, at
        once or, for shared records, after a random delay.
        """
        # The common case of `Allowances.of`, without the call: 0.05 µs.
        share = self._shares.get(source[0])
        ends_at = self._allowances.ends_at
        if share is None or not ends_at - WINDOW <= now < ends_at:
            share = self._allowances.of(source[0], now)
        if source[1] != MDNS_PORT:
            if not ready.legacy or not share.is_on_link:
                return None
            payload = datagram[:2] + ready.legacy
        elif now < ready.unicast_until and share.is_reached:
            payload = ready.unicast
            if not payload:
                at = now + self._rng.uniform(*SHARED_DELAY)
                is_added = ready.answers and self._delayed.add(source, ready.answers, at, datagram[2:])
                return b"" if is_added else None
        else:
            return None
        if share.answers <= 0 or share.octets <= 0:
            self._unicast.may_send(source, now)  # counts why not
            return b""
        share.answers -= 1
        share.octets -= len(payload)
        self._counters["ready answers"] += 1
        return payload

    def is_planned(self, ready: ReadyAnswer, key: bytes, source: SocketAddress, now: float) -> bool:
        """Whether this host has asked the same before, and its answer waits for its random delay.

        :param key: the datagram without its ID.
        """
        return now < ready.unicast_until and self._delayed.answers(source, key)
