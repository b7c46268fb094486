"""The records of a cache by name, and how much memory they take; knows no rule of RFC 6762."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from mcast.dns.codes import RecordClass
from mcast.dns.names import Name, intern_wire
from mcast.dns.records import Record
from mcast.mdns.querier.cache_cells import (
    GONE,
    UNIQUE,
    CachedRecord,
    Cell,
    LargeCell,
    Lifetime,
    cell_count,
    cell_head,
    cell_lifetimes,
    cell_types,
    fold,
    pack_cell,
    record_key,
    spell,
    unpack_cell,
    unpack_member,
)

OVERHEAD = 128
"""Octets that a cell takes besides its own and those of its key: two object headers and a place in a dict."""

SPARE = 256
"""Empty entries that do no harm. Our choice: some 40 kB, and seldom a look at all of a table."""

MAX_CELL_RECORDS = 8
"""A name with more records than this has a large cell.

Our choice: from there on, reading all of a cell to find one record costs more than a dict.
"""

MAX_CELL_OCTETS = 1024
"""A name with larger records than this, together, has a large cell. Our choice: a cell is copied whenever it
changes."""


class CacheTable:
    """The cells of a cache.

    A name or a member that loses its records keeps an empty entry, and so its one place in the order of
    eviction, until `forget_name` or `forget_member` is called when its turn has come, or until more than half
    of the entries are empty.
    """

    __slots__ = ("count", "names", "octets", "order")

    def __init__(self) -> None:
        self.names: Final[dict[bytes, Cell | LargeCell]] = {}
        """The cells by the keys of their names."""
        self.order: Final[deque[bytes]] = deque()
        """Every key of `names` once, in the order in which eviction looks at them."""
        self.count = 0
        """How many records there are, with the expired ones."""
        self.octets = 0
        """About how much memory is in use."""

    def clear(self) -> None:
        """Forget everything."""
        self.names.clear()
        self.order.clear()
        self.count = 0
        self.octets = 0

    # Reading

    def records(self, key: bytes, rtype: int) -> list[CachedRecord]:
        """Return the records of a name and type, or of all types for `RecordType.ANY`."""
        known = self.names.get(key)
        if not known:
            return []
        if isinstance(known, LargeCell):
            return known.records(rtype)
        return unpack_cell(known, rtype)

    def lifetimes(self, key: bytes, types: Sequence[int] | None) -> list[Lifetime]:
        """Return the lifetimes of the records of a name and of these types, or of all types for None."""
        known = self.names.get(key)
        if not known:
            return []
        return known.lifetimes(types) if isinstance(known, LargeCell) else cell_lifetimes(known, types)

    def get(self, key: bytes, rkey: bytes) -> CachedRecord | None:
        """Return the record of a name that has this record key."""
        known = self.names.get(key)
        if not known:
            return None
        if isinstance(known, LargeCell):
            member = known.members.get(rkey)
            return unpack_member(rkey, member) if member else None
        rtype, folded = rkey[0] << 8 | rkey[1], rkey[2:]
        for cached in unpack_cell(known):
            if cached.type == rtype and fold(rtype, cached.rdata) == folded:
                return cached
        return None

    def has(self, key: bytes, rtype: int) -> bool:
        """Whether there may be records of a name and type: a quick look that does not tell expired ones."""
        known = self.names.get(key)
        if isinstance(known, LargeCell):
            return known.count > 0
        return bool(known) and rtype in cell_types(known or GONE)

    def count_of(self, key: bytes) -> int:
        """Return how many records a name has, of whatever type, with the expired ones."""
        known = self.names.get(key)
        if not known:
            return 0
        return known.count if isinstance(known, LargeCell) else cell_count(known)

    def owner(self, key: bytes) -> Name:
        """Return a name as it was spelled when it was first heard."""
        known = self.names.get(key)
        if not known:
            return intern_wire(key)
        if isinstance(known, LargeCell):
            return intern_wire(spell(key, known.head[1:]))
        count = known[0]
        return intern_wire(spell(key, known[1 : 1 + count]) if count else key)

    # Adding and changing

    def add_name(self, key: bytes, cell: Cell) -> None:
        """Add a cell with one record, for a name that has no records."""
        if key not in self.names:
            if len(self.order) > 2 * self.count + SPARE:
                self._forget_empty_names()
            self.order.append(key)
            self.octets += len(key) + OVERHEAD
        self.names[key] = cell
        self.count += 1
        self.octets += len(cell)

    def _forget_empty_names(self) -> None:
        """Forget the names without records, whether it is their turn or not."""
        kept = [key for key in self.order if self._has_records(self.names[key])]
        left = {key: self.names[key] for key in kept}
        for key in self.order:
            if key not in left:
                self.forget_name(key)
        # Filled anew, since a dict that loses entries keeps its size.
        self.names.clear()
        self.names.update(left)
        self.order.clear()
        self.order.extend(kept)

    def _has_records(self, known: Cell | LargeCell) -> bool:
        if not isinstance(known, LargeCell):
            return bool(known)
        if not known.count:
            self._forget_empty_members(known)
        return known.count > 0

    def _forget_empty_members(self, large: LargeCell) -> None:
        for rkey in large.forget_empty():
            self.octets -= len(rkey) + OVERHEAD

    def append(self, key: bytes, cell: Cell, packed: bytes) -> None:
        """Add a record to a cell, as that holds it."""
        self.names[key] = cell + packed
        self.count += 1
        self.octets += len(packed)

    def add_member(self, large: LargeCell, rkey: bytes, cached: CachedRecord) -> None:
        """Add a record that it does not have to a large cell."""
        if rkey not in large.members:
            if len(large.order) > 2 * large.count + SPARE:
                self._forget_empty_members(large)
            large.order.append(rkey)
            self.octets += len(rkey) + OVERHEAD
        packed = large.put(rkey, cached)
        large.note_heard(rkey, cached.flags)
        large.count += 1
        self.count += 1
        self.octets += len(packed)

    def enlarge(self, key: bytes, cell: Cell, records: Sequence[CachedRecord]) -> LargeCell:
        """Put a large cell in the place of a cell with these records."""
        self.shrink(key, cell, (), len(records))
        large = LargeCell(cell_head(cell))
        self.names[key] = large
        self.octets += len(large.head)
        for cached in records:
            self.add_member(large, record_key(cached.type, cached.rdata), cached)
        return large

    def replace(self, key: bytes, changed: Iterable[CachedRecord]) -> None:
        """Change times and flags of records."""
        known = self.names[key]
        if isinstance(known, LargeCell):
            for cached in changed:
                rkey = record_key(cached.type, cached.rdata)
                known.put(rkey, cached)
            return
        by_identity = {(cached.type, cached.rdata): cached for cached in changed}
        records = [by_identity.get((cached.type, cached.rdata), cached) for cached in unpack_cell(known)]
        self.names[key] = pack_cell(cell_head(known), records)

    # Taking out

    def take(self, key: bytes, rkeys: Iterable[bytes]) -> list[CachedRecord]:
        """Take out the records with these record keys, and return those that were there."""
        known = self.names.get(key)
        if not known:
            return []
        taken: list[CachedRecord] = []
        if isinstance(known, LargeCell):
            for rkey in rkeys:
                member = known.members.get(rkey)
                if member:
                    taken.append(unpack_member(rkey, member))
                    self.empty_member(known, rkey)
            return taken
        wanted = frozenset(rkeys)
        kept: list[CachedRecord] = []
        for cached in unpack_cell(known):
            (taken if record_key(cached.type, cached.rdata) in wanted else kept).append(cached)
        self.shrink(key, known, kept, len(taken))
        return taken

    def shrink(self, key: bytes, cell: Cell, kept: Sequence[CachedRecord], taken: int) -> None:
        """Leave only some records in a cell; when there is none, its entry is empty."""
        left = pack_cell(cell_head(cell), kept) if kept else GONE
        self.names[key] = left
        self.count -= taken
        self.octets -= len(cell) - len(left)

    def empty_member(self, large: LargeCell, rkey: bytes) -> None:
        """Take out a record of a large cell, if it is there."""
        member = large.members.get(rkey)
        if member:
            large.empty(rkey)
            large.count -= 1
            self.count -= 1
            self.octets -= len(member)

    def forget_name(self, key: bytes) -> None:
        """Forget an empty entry whose key has just left the order."""
        known = self.names.pop(key)
        self.octets -= len(key) + OVERHEAD
        if isinstance(known, LargeCell):
            self.octets -= len(known.head)

    def forget_member(self, large: LargeCell, rkey: bytes) -> None:
        """Forget an empty entry of a large cell whose key has just left its order."""
        del large.members[rkey]
        self.octets -= len(rkey) + OVERHEAD


def as_record(owner: Name, cached: CachedRecord) -> Record:
    """Return a cached record with its owner name, and the TTL that it came with."""
    return Record(owner, cached.type, RecordClass.IN, cached.ttl, cached.rdata, bool(cached.flags & UNIQUE))
