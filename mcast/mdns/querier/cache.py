"""The records heard on one link (RFC 6762 §5.2, §10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from typing import Final

from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.mdns.constants import FLUSH_AGE, FLUSH_DELAY, GOODBYE_DELAY
from mcast.mdns.context import CacheLimits
from mcast.mdns.querier.cache_cells import (
    CONFIRMED,
    FLUSHED,
    GOODBYE,
    LEAVING,
    MAX_FLUSHED,
    NO_SOURCE,
    RECONFIRMING,
    RECORD_OVERHEAD,
    REPEATED,
    REPEATED_AFTER,
    UNIQUE,
    CachedRecord,
    Cell,
    LargeCell,
    Lifetime,
    Times,
    capitals,
    cell_count,
    find_entry,
    member_times,
    pack_head,
    pack_new,
    record_key,
    unpack_cell,
    with_times,
)
from mcast.mdns.querier.cache_eviction import Eviction
from mcast.mdns.querier.cache_table import MAX_CELL_OCTETS, MAX_CELL_RECORDS, CacheTable


class Outcome(IntEnum):
    """What became of a record that was heard."""

    IGNORED = 0
    """It is a goodbye, for a record that is not in the cache or is leaving it already."""
    ADDED = 1
    REFRESHED = 2
    """It was there."""
    RESCUED = 3
    """It was there, and about to leave (RFC 6762 §10.1)."""
    DOOMED = 4
    """It is a goodbye, for a record that was there."""
    REFUSED = 5
    """There is no room for it."""
    RETIMED = 6
    """It was there, and its time to live is another one now."""


# Looked up once: the members of an enumeration are found slowly.
_IGNORED: Final = Outcome.IGNORED
_ADDED: Final = Outcome.ADDED
_REFRESHED: Final = Outcome.REFRESHED


class Cache:
    """Records by owner name; expired ones are never given out.

    Nothing here has a timer. An expired record that somebody wants stays until the querier takes it out; one
    that nobody wants is let go in passing, when room is needed (see `Eviction`).

    :param is_wanted: whether anybody asks for records of this name (its key) and type now.
    :param waits: whether records of this name have been heard that are not in the cache yet.
    """

    def __init__(
        self,
        is_wanted: Callable[[bytes, int], bool],
        counters: Counter[str],
        limits: CacheLimits,
        waits: Callable[[bytes], bool] = lambda key: False,
    ) -> None:
        self._table: Final = CacheTable()
        self.names: Final = self._table.names
        """The records of each name by its key, or what is left of a name without records."""
        self._eviction: Final = Eviction(self._table, limits, is_wanted, waits, counters)
        self._make_room: Final = self._eviction.make_room
        self.evicted: Final = self._eviction.evicted
        """Wanted records that had to go, to be reported and cleared by the querier."""

    def __len__(self) -> int:
        """How many records there are, with those that have expired and were not let go yet."""
        return self._table.count

    @property
    def octets(self) -> int:
        """About how much memory is in use."""
        return self._table.octets

    def clear(self) -> None:
        """Forget everything."""
        self._table.clear()
        self.evicted.clear()

    # Storing

    def store(self, record: Record, now: float, source: int = NO_SOURCE) -> tuple[Outcome, bool]:
        """Take in a record of a response.

        :param source: the `source_mark` of the host that said it.

        :returns: what became of it, and whether there are older records in its set that its cache-flush bit
            may end (see `flush`).
        """
        key = record.name.key
        known = self.names.get(key)
        if known:
            if isinstance(known, LargeCell):
                return self._store_in_large_cell(key, known, record, source, now), True
            return self._store_in_cell(key, known, record, source, now)
        if not record.ttl:
            return _IGNORED, False
        cell = pack_head(capitals(record.name.wire, key)) + pack_new(record, source, now)
        self._table.add_name(key, cell)
        if not self._make_room(key, record.type, now):
            self._table.take(key, [record_key(record.type, record.rdata)])
            return Outcome.REFUSED, False
        return _ADDED, False

    def _store_in_cell(
        self, key: bytes, cell: Cell, record: Record, source: int, now: float
    ) -> tuple[Outcome, bool]:
        found, times, has_elders = find_entry(cell, record.type, record.rdata, now - FLUSH_AGE)
        if found:
            outcome, times = _renewed(times, record, source, now)
            if outcome is not _IGNORED:
                self.names[key] = with_times(cell, found, times)
            return outcome, has_elders
        if not record.ttl:
            return _IGNORED, False
        return self._append(key, cell, record, source, now), has_elders

    def _append(self, key: bytes, cell: Cell, record: Record, source: int, now: float) -> Outcome:
        """Add a record that a cell does not have."""
        rtype, rdata = record.type, record.rdata
        size = len(cell) + len(rdata)
        # A cell with so many records has so many octets, too: they are seldom counted.
        if size > MAX_CELL_OCTETS or (
            size > MAX_CELL_RECORDS * RECORD_OVERHEAD and cell_count(cell) >= MAX_CELL_RECORDS
        ):
            large = self._table.enlarge(key, cell, unpack_cell(cell))
            return self._store_in_large_cell(key, large, record, source, now)
        self._table.append(key, cell, pack_new(record, source, now))
        if not self._make_room(key, rtype, now):
            # The cell may be another one than before: eviction may have looked at it.
            self._table.take(key, [record_key(rtype, rdata)])
            return Outcome.REFUSED
        return _ADDED

    def _store_in_large_cell(
        self, key: bytes, large: LargeCell, record: Record, source: int, now: float
    ) -> Outcome:
        rtype = record.type
        rkey = record_key(rtype, record.rdata)
        member = large.members.get(rkey)
        if member:
            outcome, times = _renewed(member_times(member), record, source, now)
            if outcome is not _IGNORED:
                large.set_times(rkey, times)
            return outcome
        if not record.ttl:
            return _IGNORED
        self._eviction.make_room_in(key, large, source, now)
        cached = CachedRecord(now, record.ttl, rtype, int(record.cache_flush), source, record.rdata)
        self._table.add_member(large, rkey, cached)
        self._eviction.note_new(large, rkey)
        if not self._make_room(key, rtype, now):
            self._table.empty_member(large, rkey)
            return Outcome.REFUSED
        return _ADDED

    def flush(self, key: bytes, rtype: int, heard_at: float, now: float) -> tuple[list[CachedRecord], bool]:
        """Let the records of a set that are older than a second end in a second (RFC 6762 §10.2).

        Called when the whole datagram with the newer ones has been stored, so that what it repeats is not
        flushed.

        :param heard_at: when the datagram came.
        :returns: those that are newly flushed, and whether there are more: then it is to be called again.
        """
        limit = heard_at - FLUSH_AGE
        flushed = []
        changed = []
        known = self.names.get(key)
        if isinstance(known, LargeCell):
            records = known.take_flushable(rtype, limit)
        else:
            records = self._table.records(key, rtype)
        for cached in records:
            if cached.flags & FLUSHED or cached.expires_at <= now:
                continue
            flags = cached.flags | FLUSHED
            if cached.flags & GOODBYE:
                # The goodbye keeps its time, but now it is known what has taken the place of the record.
                changed.append(cached._replace(flags=flags))
            elif cached.received_at < limit:
                changed.append(cached._replace(received_at=now, ttl=int(FLUSH_DELAY), flags=flags))
            else:
                continue
            flushed.append(cached)
        if changed:
            self._table.replace(key, changed)
        return flushed, len(records) >= MAX_FLUSHED

    def mark_reconfirming(self, key: bytes, rkeys: Iterable[bytes]) -> None:
        """Mark records as reconfirmed, until they are heard again (RFC 6762 §10.4)."""
        found = [cached for rkey in rkeys if (cached := self._table.get(key, rkey)) is not None]
        if found:
            marked = [cached._replace(flags=cached.flags | RECONFIRMING) for cached in found]
            self._table.replace(key, marked)

    def take(self, key: bytes, rkeys: Iterable[bytes]) -> list[CachedRecord]:
        """Take out the records of a name with these record keys, and return those that were there."""
        return self._table.take(key, rkeys)

    # Looking up

    def records(self, key: bytes, rtype: int) -> list[CachedRecord]:
        """Return the records of a name and type, or of all types for `RecordType.ANY`, valid or not."""
        return self._table.records(key, rtype)

    def lookup(self, key: bytes, rtype: int, now: float) -> list[CachedRecord]:
        """Return the valid records of a name and type, or of all types for `RecordType.ANY`."""
        return [cached for cached in self._table.records(key, rtype) if cached.expires_at > now]

    def lifetimes(self, key: bytes, types: Sequence[int] | None = None) -> list[Lifetime]:
        """Return the lifetimes of the records of a name and of some types, with the expired ones.

        :param types: None for all types.
        """
        return self._table.lifetimes(key, types)

    def get(self, key: bytes, rkey: bytes) -> CachedRecord | None:
        """Return the record of a name that has this record key, also when it has expired."""
        return self._table.get(key, rkey)

    def find(self, record: Record, now: float) -> CachedRecord | None:
        """Return the valid record that is the same but for its TTL and its cache-flush bit."""
        cached = self._table.get(record.name.key, record_key(record.type, record.rdata))
        return cached if cached is not None and cached.expires_at > now else None

    def has(self, key: bytes, rtype: int) -> bool:
        """Whether there may be records of a name and type: a quick look that does not tell expired ones."""
        return self._table.has(key, rtype)

    def count_of(self, key: bytes) -> int:
        """Return how many records a name has, of whatever type, with the expired ones."""
        return self._table.count_of(key)

    def owner(self, key: bytes) -> Name:
        """Return a name as it was spelled when it was first heard."""
        return self._table.owner(key)


def _renewed(times: Times, record: Record, source: int, now: float) -> tuple[Outcome, Times]:
    """Return what becomes of a cached record when it is heard again, and its times from then on."""
    received_at, ttl, flags, said_by = times
    leaving = flags & LEAVING
    if not record.ttl:
        if leaving or received_at + ttl <= now:
            return _IGNORED, times
        # RFC 6762 §10.1: "record a TTL of 1 and then delete the record one second later".
        return Outcome.DOOMED, (now, int(GOODBYE_DELAY), flags | GOODBYE, said_by)
    renewed = (UNIQUE if record.cache_flush else 0) | (flags & (CONFIRMED | REPEATED))
    if now >= received_at + REPEATED_AFTER:
        renewed |= REPEATED
    if source != said_by and source != NO_SOURCE and said_by != NO_SOURCE:
        renewed |= CONFIRMED
    after = (now, record.ttl, renewed, source)
    if leaving:
        return Outcome.RESCUED, after
    return (_REFRESHED if ttl == record.ttl else Outcome.RETIMED), after
