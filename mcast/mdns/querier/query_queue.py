"""Questions that are due, on their way into query messages with their known answers (RFC 6762 §7.1)."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from math import inf
from typing import Final

from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.mdns.constants import KNOWN_ANSWER_FRACTION, QUESTION_INTERVAL
from mcast.mdns.context import LinkContext
from mcast.mdns.querier.cache import Cache
from mcast.mdns.querier.cache_cells import LEAVING, RECONFIRMING, UNIQUE, CachedRecord, Lifetime
from mcast.mdns.querier.query_packets import RECORD_OVERHEAD, Asked, query_packets

MAX_COLLECTED = 4000
"""Questions collected before the first of them leaves. Our choice: by then they have waited for some ten
milliseconds."""

MAX_MESSAGES = 4
"""Messages made in one call of `QueryQueue.send`.

Our choice: about three milliseconds when they are full of known answers, after which the reactor should see
to others.
"""

ECHO_PERIOD = 0.5
"""For so long our own queries are recognised when they come back.

Our choice: they do so within a millisecond. Another program on this host may ask exactly the same, and it
counts as another host does when it spares us a question, half of an interval later.
"""

MAX_ECHOES = 512
"""Own queries that are remembered. Our choice: more than the longest list of known answers has packets."""


def is_known_answer(cached: CachedRecord | Lifetime, now: float) -> bool:
    """Whether a record is listed in queries: it is shared, and valid for half of its TTL yet (RFC 6762 §7.1).

    A record that is reconfirmed is not listed, or its owner would not send it.
    """
    if cached.flags & (UNIQUE | LEAVING | RECONFIRMING):
        return False
    left = int(cached.received_at + cached.ttl - now)
    return left > 0 and left >= KNOWN_ANSWER_FRACTION * cached.ttl


class QueryQueue:
    """Collects questions, and sends queries a few at a time.

    Whoever asks, a question is in no packet twice, and leaves no sooner than a second after it did so last.
    """

    __slots__ = ("_asked", "_asked_at", "_cache", "_context", "_messages", "_sent")

    def __init__(self, context: LinkContext, cache: Cache) -> None:
        self._context: Final = context
        self._cache: Final = cache
        self._asked: list[Asked] = []
        self._asked_at: Final[OrderedDict[tuple[bytes, int], float]] = OrderedDict()
        """When each question of the last second was added, the latest last.

        No plain dict: to find its first entry takes the longer the more were deleted before it, 20 ms for
        some thousand.
        """
        self._messages: Final[deque[Iterator[bytes]]] = deque()
        """Queries that are decided on, and not made yet."""
        self._sent: dict[bytes, float] = {}
        """Queries that were sent just now, and when."""

    def clear(self) -> None:
        """Ask nothing of what is collected."""
        self._asked.clear()
        self._asked_at.clear()
        self._messages.clear()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to send."""
        return not self._messages and not self._asked

    @property
    def is_collecting(self) -> bool:
        """Whether questions wait for others to share their packets."""
        return bool(self._asked)

    @property
    def is_full(self) -> bool:
        """Whether the collected questions should leave before more are added."""
        return len(self._asked) >= MAX_COLLECTED

    def free_at(self, question: Question) -> float:
        """Return when a question may be added again."""
        return self._asked_at.get((question.name.key, question.type), -inf) + QUESTION_INTERVAL

    def ask(self, question: Question, now: float) -> bool:
        """Add a question, with the known answers of now.

        :returns: False when it was asked within the last second; see `free_at`.
        """
        if now < self.free_at(question):
            self._context.counters["questions asked already"] += 1
            return False
        self._note(question, now)
        self._context.counters["questions asked"] += 1
        name = question.name
        types = None if question.type == RecordType.ANY else (question.type,)
        lifetimes = [
            lifetime for lifetime in self._cache.lifetimes(name.key, types) if is_known_answer(lifetime, now)
        ]
        size = sum([RECORD_OVERHEAD + len(lifetime.folded) for lifetime in lifetimes])
        self._asked.append(Asked(question, self._known_answers(name, lifetimes, now), size))
        return True

    def _note(self, question: Question, now: float) -> None:
        asked_at = self._asked_at
        while asked_at:
            oldest = next(iter(asked_at))
            if asked_at[oldest] + QUESTION_INTERVAL > now:
                break
            del asked_at[oldest]
        asked_at[question.name.key, question.type] = now

    def _known_answers(self, name: Name, lifetimes: Sequence[Lifetime], now: float) -> Iterator[Record]:
        """Yield records without the cache-flush bit (RFC 6762 §10.2), and with the TTL that is left."""
        for lifetime in lifetimes:
            cached = self._cache.get(name.key, lifetime.key)
            if cached is not None:
                ttl = int(lifetime.expires_at - now)
                yield Record(name, cached.type, RecordClass.IN, ttl, cached.rdata)

    def close(self) -> None:
        """Have the collected questions leave with the next messages."""
        self._messages.append(query_packets(self._asked, self._context.sizes.normal))
        self._asked = []

    def send(self, now: float) -> None:
        """Send some of the messages."""
        for _ in range(MAX_MESSAGES):
            if not self._messages:
                break
            packet = next(self._messages[0], None)
            if packet is None:
                self._messages.popleft()
                continue
            self._remember(packet, now)
            self._context.counters["queries sent"] += 1
            self._context.outbox.multicast(packet)

    def _remember(self, packet: bytes, now: float) -> None:
        if len(self._sent) >= MAX_ECHOES:
            self._sent = {old: at for old, at in self._sent.items() if now - at < ECHO_PERIOD}
            if len(self._sent) >= MAX_ECHOES:
                self._sent.clear()
        self._sent[packet] = now

    def was_sent(self, datagram: bytes, now: float) -> bool:
        """Whether a datagram is a query that was sent just now, and that comes back to us."""
        at = self._sent.get(datagram)
        return at is not None and now - at < ECHO_PERIOD
