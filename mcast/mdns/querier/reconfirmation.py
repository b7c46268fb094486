"""Reconfirmation of records that may be wrong (RFC 6762 §10.4)."""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.mdns.constants import RECONFIRM_DELAYS, RECONFIRM_PERIOD, RECONFIRM_QUERIES
from mcast.mdns.querier.cache import Cache
from mcast.mdns.querier.cache_cells import RECONFIRMING, record_key
from mcast.mdns.schedule import Timers

MAX_RECONFIRMATIONS = 256
"""Questions of a name and type whose records are reconfirmed at a time.

Our choice: each costs four questions; when more names than this seem wrong, the link itself does not work.
"""

MAX_DOUBTS = 10_000
"""Records that are reconfirmed at a time.

Our choice: all instances of a type that a cache holds, and some more; a doubt takes some hundred octets.
"""

MAX_DROPS = 500
"""Records dropped in one call of `Reconfirmations.advance`; the rest waits for the next. Our choice: some
milliseconds."""

KNOWN_ANSWERS_IN_PACKET = 50
"""About how many known answers fill a packet (RFC 6762 §17). Our choice: 28 octets each."""

KNOWN_ANSWERS_DELAY = 1.0
"""How much later records of a long list are asked for first, in seconds for each packet that the list of
known answers fills; `MAX_KNOWN_ANSWERS_DELAY` at most.

Our choice: what is true of one of them is soon said of others, which then need not be listed.
"""

MAX_KNOWN_ANSWERS_DELAY = 10.0
"""Our choice: as long as it takes to decide on a record (RFC 6762 §10.4)."""

KNOWN_ANSWERS_INTERVAL = 4.0
"""Between two queries for records of one list, in seconds for each packet that the list of known answers
fills.

Our choice: the records of a list of thousands run out one by one, and each of them must not send the list.
"""

LAST_WAIT = 2.0
"""How long the last query is waited for before a record is dropped. Our choice: answers come within 120 ms,
and within 500 ms where many leave together (RFC 6762 §6, §6.4)."""


def full_packets(known: int) -> int:
    """Return about how many packets this many known answers fill."""
    return known // KNOWN_ANSWERS_IN_PACKET


class Drop(NamedTuple):
    """The decision to remove records of a name before they expire."""

    key: bytes
    """The key of the name."""
    rkeys: list[bytes]
    """The record keys."""
    rest: float | None = None
    """For how long we do not ask for them; None when a new series may begin at once."""


class Reconfirmation:
    """The records of one name and type that may be wrong, and the queries that are to show which are.

    A record is dropped when ten seconds have passed and two queries were sent since it came into doubt,
    whenever that was.
    """

    __slots__ = ("_asked", "_delays", "ask_at", "doubts", "name", "type", "wake_at")

    def __init__(self, name: Name, rtype: int, first_at: float) -> None:
        self.name: Final = name
        self.type: Final = rtype
        self.doubts: Final[dict[bytes, float]] = {}
        """When each record came into doubt, by their record keys; the oldest first."""
        self.ask_at = first_at
        """When to ask next."""
        self.wake_at: float | None = None
        """When the timer of the reconfirmation goes off, if it is armed."""
        self._delays = iter(RECONFIRM_DELAYS)
        self._asked: list[float] = []
        """When it was asked since the oldest doubt, the latest last."""

    def ask(self, known: int, now: float) -> None:
        """A query is sent: set when to send the next one.

        :param known: how many known answers go with it.
        """
        delay = next(self._delays, RECONFIRM_DELAYS[-1])
        self.ask_at = now + max(delay, full_packets(known) * KNOWN_ANSWERS_INTERVAL)
        oldest = next(iter(self.doubts.values()), now)
        self._asked = [*[at for at in self._asked if at >= oldest], now]

    def ends_at(self, since: float) -> float | None:
        """Return when a record is dropped that came into doubt then; None when that is not known yet."""
        asked = [at for at in self._asked if at >= since][:RECONFIRM_QUERIES]
        if len(asked) < RECONFIRM_QUERIES:
            return None
        return max(since + RECONFIRM_PERIOD, asked[-1] + LAST_WAIT)

    def next_at(self) -> float:
        """Return when to look again; called while there is a doubt."""
        end = self.ends_at(next(iter(self.doubts.values())))
        return self.ask_at if end is None else min(self.ask_at, end)


class Reconfirmations:
    """Decides which records are asked for, and dropped when nobody sends them.

    However many records of a name and type are in doubt, one question asks for all of them.
    """

    __slots__ = ("_cache", "_counters", "_doubts", "_running", "timers")

    def __init__(self, cache: Cache, counters: Counter[str]) -> None:
        self.timers: Final[Timers[Reconfirmation]] = Timers()
        """Tell when to call `advance`."""
        self._cache: Final = cache
        self._counters: Final = counters
        self._running: Final[dict[tuple[bytes, int], Reconfirmation]] = {}
        self._doubts = 0

    def clear(self) -> None:
        """Forget all of them."""
        self._running.clear()
        self.timers.clear()
        self._doubts = 0

    def begin(self, record: Record, first_at: float, now: float) -> bool:
        """Take the hint that a record is wrong.

        :param first_at: when to ask for it first.
        :returns: whether it is reconfirmed: not when it is unknown, or when too many others are.
        """
        cached = self._cache.find(record, now)
        if cached is None:
            return False
        key, rkey = record.name.key, record_key(record.type, record.rdata)
        running = self._running.get((key, record.type))
        if running is not None and rkey in running.doubts and cached.flags & RECONFIRMING:
            return True
        if self._doubts >= MAX_DOUBTS or (running is None and len(self._running) >= MAX_RECONFIRMATIONS):
            self._counters["reconfirmations refused"] += 1
            return False
        if running is None:
            known = full_packets(self._cache.count_of(key))
            delay = min(known * KNOWN_ANSWERS_DELAY, MAX_KNOWN_ANSWERS_DELAY)
            running = Reconfirmation(record.name, record.type, first_at + delay)
            self._running[key, record.type] = running
        self._cache.mark_reconfirming(key, [rkey])
        # A doubt that was dispelled meanwhile begins anew, as the youngest.
        self._doubts += running.doubts.pop(rkey, None) is None
        running.doubts[rkey] = now
        self.timers.arm(running, running.next_at())
        return True

    def advance(self, now: float) -> tuple[list[Question], list[Drop]]:
        """Return the questions to be asked at ``now``, and what is to be dropped since nobody sent it."""
        questions: list[Question] = []
        drops: list[Drop] = []
        room = MAX_DROPS
        for woken in self.timers.due(now):
            key = woken.name.key
            failed = self._failed(woken, room, now)
            if failed:
                room -= len(failed)
                self._counters["records flushed after reconfirmation"] += len(failed)
                drops.append(Drop(key, failed))
            if not woken.doubts:
                del self._running[key, woken.type]
                continue
            if woken.ask_at <= now:
                questions.append(Question(woken.name, woken.type))
                woken.ask(self._cache.count_of(key) - len(woken.doubts), now)
            self.timers.arm(woken, max(woken.next_at(), now))
        return questions, drops

    def _failed(self, woken: Reconfirmation, room: int, now: float) -> list[bytes]:
        """Take out the doubts that are settled; return the record keys of those that were right."""
        lifetimes = {one.key: one for one in self._cache.lifetimes(woken.name.key, (woken.type,))}
        failed: list[bytes] = []
        for rkey, since in list(woken.doubts.items()):
            lifetime = lifetimes.get(rkey)
            if lifetime is not None and lifetime.expires_at > now and lifetime.flags & RECONFIRMING:
                end = woken.ends_at(since)
                if end is None or end > now or len(failed) >= room:
                    continue
                failed.append(rkey)
            # Otherwise it was heard again, or it expired.
            del woken.doubts[rkey]
            self._doubts -= 1
        return failed
