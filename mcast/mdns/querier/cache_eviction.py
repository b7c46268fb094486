"""What a cache lets go of, so that it stays within its limits whatever strangers send."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from mcast.dns.codes import RecordType
from mcast.dns.records import Record
from mcast.mdns.context import CacheLimits
from mcast.mdns.querier.cache_cells import CONFIRMED, REPEATED, LargeCell, unpack_cell, unpack_member
from mcast.mdns.querier.cache_table import MAX_CELL_RECORDS, CacheTable, as_record

QUIET_PART = 4
"""Below one part in this many of its limits a cache lets nothing go.

Our choice: the little memory that could be gained is not worth the time.
"""

STEP = 2
"""Names looked at for each new one, when there is room, to let go of what has expired.

Our choice: with two, the cache is gone through at least twice while it fills.
"""

FULL_STEP = 6
"""Names looked at for each new one when there is no room.

Our choice: a packet may bring 700 new names, and must not take 10 ms.
"""

SMALL_SHARES = 64
"""A source holds many more records of a name than another when it is one part in this many of the limit.

Our choice: a host has several services of its own.
"""

NEW_PART = 4
"""One part in this many of the records of a name gives way to newcomers, whatever is known of it.

Our choice: some thousands, so that whoever comes has seconds to be heard again.
"""

LEEWAY = 1 / 16
"""The part by which wanted records may pass a limit, while the search for others to evict goes on.

Our choice: the search has passed over all wanted records before this many have been added.
"""


class Eviction:
    """Makes room in a cache, a few names at a time.

    When a limit is reached, the records that were heard first go first, wanted ones after all others. Within
    a large cell a PTR record goes before others when nothing is known of the name it points to: a
    stranger's invented service instances thus displace each other. Of several that may go, the one of the
    source that holds most goes; and one about which more is known too, when that source holds many more than
    the new one. What a second host confirms stays. When nothing better can be found within a large cell, the
    oldest of its newest part goes that was not heard again. In a full cache, the new record is refused.

    :param is_wanted: whether anybody asks for records of this name (its key) and type now.
    :param waits: whether records of this name have been heard that are not in the cache yet.
    """

    def __init__(
        self,
        table: CacheTable,
        limits: CacheLimits,
        is_wanted: Callable[[bytes, int], bool],
        waits: Callable[[bytes], bool],
        counters: Counter[str],
    ) -> None:
        self.evicted: Final[list[Record]] = []
        """Wanted records that had to go, to be reported and cleared by the querier."""
        self._table: Final = table
        self._limits: Final = limits
        self._is_wanted: Final = is_wanted
        self._waits: Final = waits
        self._counters: Final = counters
        self._quiet_records: Final = limits.records // QUIET_PART
        self._quiet_octets: Final = limits.octets // QUIET_PART

    def make_room(self, key: bytes, rtype: int, now: float) -> bool:
        """Look at the next names in turn after a record was added; return False when it must go again."""
        table = self._table
        if table.count < self._quiet_records and table.octets < self._quiet_octets:
            return True
        is_full = self._is_full()
        for _ in range(FULL_STEP if is_full else STEP):
            if not table.order:
                break
            self._look_at(table.order.popleft(), now, is_full)
            if is_full:
                is_full = self._is_full()
                if not is_full:
                    return True
        if not is_full or (not self._is_full(1 + LEEWAY) and self._is_wanted(key, rtype)):
            return True
        self._counters["records refused, cache full"] += 1
        return False

    def make_room_in(self, key: bytes, large: LargeCell, source: int, now: float) -> None:
        """Make room for one more record of a name.

        :param source: the mark of the host that says it.
        """
        if large.count >= self._limits.records_of_name and not self._displace(key, large, source, now):
            self._displace_new(key, large)

    def note_new(self, large: LargeCell, rkey: bytes) -> None:
        """Take note that a record is the newest of its name."""
        limit = self._limits.records_of_name
        part = max(1, limit // NEW_PART)
        if large.count > limit - part:
            large.newest.append(rkey)
            if len(large.newest) > part:
                large.newest.popleft()

    def _is_full(self, leeway: float = 1.0) -> bool:
        limits, table = self._limits, self._table
        return table.count > limits.records * leeway or table.octets > limits.octets * leeway

    def _look_at(self, key: bytes, now: float, evict: bool) -> None:
        """Let go of the unwanted records of a name that have expired, or of all unwanted ones."""
        table = self._table
        known = table.names[key]
        if isinstance(known, LargeCell):
            self._look_at_members(key, known, now, evict)
            return
        if not known:
            table.forget_name(key)
            return
        records = unpack_cell(known)
        kept = [
            cached
            for cached in records
            if self._is_wanted(key, cached.type) or (cached.expires_at > now and not evict)
        ]
        if len(kept) < len(records):
            if evict:
                self._counters["records evicted"] += len(records) - len(kept)
            table.shrink(key, known, kept, len(records) - len(kept))
        if kept:
            table.order.append(key)
        else:
            table.forget_name(key)

    def _look_at_members(self, key: bytes, large: LargeCell, now: float, evict: bool) -> None:
        # As many members as a cell has at most: a large cell must not take longer than others.
        for _ in range(min(MAX_CELL_RECORDS, len(large.order))):
            rkey = large.order.popleft()
            member = large.members[rkey]
            if member:
                cached = unpack_member(rkey, member)
                if self._is_wanted(key, cached.type) or (cached.expires_at > now and not evict):
                    large.order.append(rkey)
                    continue
                if evict:
                    self._counters["records evicted"] += 1
                self._table.empty_member(large, rkey)
            self._table.forget_member(large, rkey)
        if large.members:
            self._table.order.append(key)
        else:
            self._table.forget_name(key)

    def _displace(self, key: bytes, large: LargeCell, source: int, now: float) -> bool:
        """Evict one of the next members in turn; return False when all of them should stay."""
        table = self._table
        least: tuple[bool, int, bytes] | None = None
        for _ in range(min(MAX_CELL_RECORDS, len(large.order))):
            rkey = large.order.popleft()
            member = large.members[rkey]
            if not member:
                table.forget_member(large, rkey)
                continue
            large.order.append(rkey)
            cached = unpack_member(rkey, member)
            if cached.expires_at <= now or not self._is_wanted(key, cached.type):
                self._evict_member(key, large, rkey, cached.type)
                return True
            if cached.flags & CONFIRMED:
                continue
            held = large.held[cached.source]
            # The record key of a PTR record ends with the key of the name it points to.
            is_answered = (
                cached.type != RecordType.PTR or bool(table.names.get(rkey[2:])) or self._waits(rkey[2:])
            )
            if (
                is_answered
                and held <= large.held.get(source, 0) + self._limits.records_of_name // SMALL_SHARES
            ):
                continue
            if least is None or (is_answered, -held) < least[:2]:
                least = is_answered, -held, rkey
        if least is None:
            return False
        self._evict_member(key, large, least[2], least[2][0] << 8 | least[2][1])
        return True

    def _displace_new(self, key: bytes, large: LargeCell) -> None:
        """Evict the oldest of the newest members, or the next that was heard once only."""
        last: bytes | None = None
        for _ in range(min(MAX_CELL_RECORDS, len(large.newest))):
            rkey = large.newest.popleft()
            member = large.members.get(rkey)
            if not member:
                continue
            last = rkey
            if not unpack_member(rkey, member).flags & (CONFIRMED | REPEATED):
                break
        if last is None:
            last = next(rkey for rkey in large.order if large.members[rkey])
        self._counters["records displaced, name full"] += 1
        self._evict_member(key, large, last, last[0] << 8 | last[1])

    def _evict_member(self, key: bytes, large: LargeCell, rkey: bytes, rtype: int) -> None:
        """Let go of a member that is somewhere in the order."""
        if self._is_wanted(key, rtype):
            cached = unpack_member(rkey, large.members[rkey])
            self.evicted.append(as_record(self._table.owner(key), cached))
        self._counters["records evicted"] += 1
        self._table.empty_member(large, rkey)
