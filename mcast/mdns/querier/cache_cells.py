"""How cached records are kept: as octets, since an object for each would take several times the memory.

A `Cell` is what the cache holds of one name: the places of the capital letters in its owner name (the name
itself stands in lower case as the key), then its records one after the other. A name with many records, for
example the PTR records of a service type, has a `LargeCell` instead: there a record is found without reading
the others.

Within a name a record is known by its *record key*: its type and its folded rdata.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Final, NamedTuple
from zlib import crc32

from mcast.dns.codes import RecordType
from mcast.dns.rdata import fold_rdata
from mcast.dns.records import Record

UNIQUE: Final = 1
"""The record came with the cache-flush bit: it is of a set that only one host has (RFC 6762 §10.2)."""

GOODBYE: Final = 2
"""The record came with TTL 0 and ends within a second (RFC 6762 §10.1)."""

FLUSHED: Final = 4
"""Newer records of its set have taken its place, and it ends within a second (RFC 6762 §10.2)."""

RECONFIRMING: Final = 8
"""Somebody says that the record is wrong, and it has not been heard since (RFC 6762 §10.4)."""

CONFIRMED: Final = 16
"""Two hosts have said it."""

REPEATED: Final = 32
"""It was heard again, later than one that came on its way twice."""

REPEATED_AFTER = 0.5
"""Seconds after which a record that is said again counts as repeated.

Our choice: announcements are a second apart (RFC 6762 §8.3); one that came on its way twice counts once.
"""

LEAVING: Final = GOODBYE | FLUSHED
"""Set when the record ends within a second."""


NO_SOURCE: Final = 0
"""In place of a `source_mark` where nobody is known to have said a record."""


def source_mark(host: str) -> int:
    """Return a number of 16 bits that stands for the address of a host, without its zone.

    The cache keeps it for each record. Two hosts may have the same, one pair in 65,535: then the queries of
    one tell nothing about records of the other. That does no harm, and whoever brings it about on purpose
    could forge the address as well.
    """
    return crc32(host.partition("%")[0].encode()) % 0xFFFF + 1


class CachedRecord(NamedTuple):
    """A cached record without its owner name."""

    received_at: float
    ttl: int
    """Seconds from `received_at`; changed only by a goodbye or a flush, after which one second is left."""
    type: int
    flags: int
    source: int
    """Who said it last; see `source_mark`."""
    rdata: bytes

    @property
    def expires_at(self) -> float:
        """When the record ceases to be valid."""
        return self.received_at + self.ttl


Cell = bytes

_FIELDS: Final = struct.Struct("<dIHBHH")
_unpack = _FIELDS.unpack_from
_pack = _FIELDS.pack
_SIZE: Final = _FIELDS.size

RECORD_OVERHEAD: Final = _SIZE
"""Octets that a record takes in a cell besides its rdata."""

_MEMBER: Final = struct.Struct("<dIBHB")
_unpack_member = _MEMBER.unpack_from
_pack_member = _MEMBER.pack
_MEMBER_SIZE: Final = _MEMBER.size
_unpack_lifetime = struct.Struct("<dIBH").unpack_from
"""The same without where the rdata is."""

_new = tuple.__new__
"""Makes a named tuple in half of the time, where thousands are made."""

_FOLDED, _CAPITALS, _WHOLE = range(3)
"""Where the rdata of a member is: in its key; in its key but for some capital letters; in the member."""

# The members of an enumeration are slower to compare.
_ANY: Final = int(RecordType.ANY)
_SRV: Final = int(RecordType.SRV)

_NO_CAPITALS: Final = b"\0"
"""The beginning of a cell of a name in lower case."""

SPELLED_TYPES: Final[frozenset[int]] = frozenset(
    map(int, (RecordType.PTR, RecordType.CNAME, RecordType.NS, RecordType.DNAME))
)
"""Types whose rdata is one name and nothing else."""


def fold(rtype: int, rdata: bytes) -> bytes:
    """Return rdata such that equal octets mean the same record."""
    if rtype in SPELLED_TYPES:
        return rdata.lower()
    if rtype == _SRV:
        return rdata[:6] + rdata[6:].lower()
    return fold_rdata(rtype, rdata)


_CAPITALS_MARKED: Final = bytes(0x41 <= octet <= 0x5A for octet in range(256))


def capitals(wire: bytes, key: bytes) -> bytes:
    """Return where ``wire`` has capital letters, one octet for each, given its lower-case form."""
    if wire == key:
        return b""
    # Found by C: most names have one or two.
    marks = wire.translate(_CAPITALS_MARKED)
    places = []
    place = marks.find(1)
    while place >= 0:
        # Not all of rdata is names: what is no letter of one is the same in both.
        if wire[place] != key[place]:
            places.append(place)
        place = marks.find(1, place + 1)
    return bytes(places)


def spell(key: bytes, places: bytes) -> bytes:
    """Undo `capitals`."""
    if not places:
        return key
    wire = bytearray(key)
    for place in places:
        wire[place] -= 0x20
    return bytes(wire)


def pack_head(places: bytes) -> bytes:
    """Return the beginning of a cell: where the owner name has capital letters."""
    return bytes((len(places),)) + places if places else _NO_CAPITALS


def pack_one(cached: CachedRecord) -> bytes:
    """Return what a cell holds of one record."""
    received_at, ttl, rtype, flags, source, rdata = cached
    return _pack(received_at, ttl, rtype, flags, source, len(rdata)) + rdata


def pack_new(record: Record, source: int, now: float) -> bytes:
    """Return what a cell holds of a record that was heard just now."""
    rdata = record.rdata
    return (
        _pack(now, record.ttl, record.type, UNIQUE if record.cache_flush else 0, source, len(rdata)) + rdata
    )


def pack_cell(head: bytes, records: Iterable[CachedRecord]) -> Cell:
    """Return a cell of a beginning and records."""
    return head + b"".join([pack_one(cached) for cached in records])


def cell_head(cell: Cell) -> bytes:
    """Return the beginning of a cell."""
    return cell[: 1 + cell[0]]


def unpack_cell(cell: Cell, wanted: int = RecordType.ANY) -> list[CachedRecord]:
    """Return the records of a type in a cell, or of all types, oldest first."""
    records = []
    takes_all = wanted == _ANY
    position = 1 + cell[0]
    size = len(cell)
    while position < size:
        received_at, ttl, rtype, flags, source, length = _unpack(cell, position)
        position += _SIZE
        end = position + length
        if takes_all or rtype == wanted:
            records.append(_new(CachedRecord, (received_at, ttl, rtype, flags, source, cell[position:end])))
        position = end
    return records


Times = tuple[float, int, int, int]
"""Of a cached record, what changes when it is heard again: `received_at`, `ttl`, `flags` and `source`."""


def find_entry(cell: Cell, rtype: int, rdata: bytes, elder_before: float) -> tuple[int, Times, bool]:
    """Look for a record in a cell; runs for each record that is heard, and makes nothing of the others.

    :param elder_before: members of its set that were heard before this, or have said goodbye, are elders.
    :returns: its place, 0 where it is not in the cell; its times; and whether there are elders.
    """
    length = len(rdata)
    found = 0
    times: Times = (0.0, 0, 0, 0)
    elders = 0
    near: list[int] = []
    position = 1 + cell[0]
    size = len(cell)
    while position < size:
        received_at, ttl, other, flags, source, held = _unpack(cell, position)
        end = position + _SIZE + held
        if other == rtype:
            if held == length and not found and cell[position + _SIZE : end] == rdata:
                found = position
                times = received_at, ttl, flags, source
                position = end
                continue
            if held == length:
                near.append(position)
            if received_at < elder_before or flags & GOODBYE:
                elders += 1
        position = end
    if found or not near:
        return found, times, elders > 0
    # Perhaps it is there in other case: looked for last, since to fold all of them takes much longer.
    folded = fold(rtype, rdata)
    for position in near:
        start = position + _SIZE
        if fold(rtype, cell[start : start + length]) == folded:
            received_at, ttl, _, flags, source, _ = _unpack(cell, position)
            elders -= received_at < elder_before or bool(flags & GOODBYE)
            return position, (received_at, ttl, flags, source), elders > 0
    return 0, times, elders > 0


def with_times(cell: Cell, place: int, times: Times) -> Cell:
    """Return a cell in which the record at a place has other times."""
    received_at, ttl, flags, source = times
    _, _, rtype, _, _, length = _unpack(cell, place)
    packed = _pack(received_at, ttl, rtype, flags, source, length)
    return cell[:place] + packed + cell[place + _SIZE :]


def cell_count(cell: Cell) -> int:
    """Return how many records a cell has."""
    return len(cell_types(cell))


def cell_types(cell: Cell) -> list[int]:
    """Return the type of each record of a cell."""
    types = []
    position = 1 + cell[0]
    size = len(cell)
    while position < size:
        _, _, rtype, _, _, length = _unpack(cell, position)
        types.append(rtype)
        position += _SIZE + length
    return types


def record_key(rtype: int, rdata: bytes) -> bytes:
    """Return what a record is known by within its name, in whatever case its rdata is."""
    return rtype.to_bytes(2, "big") + fold(rtype, rdata)


def pack_member(cached: CachedRecord, key: bytes) -> bytes:
    """Return what a large cell holds of a record besides its record key."""
    received_at, ttl, _, flags, source, rdata = cached
    if key.endswith(rdata) and len(key) == len(rdata) + 2:
        return _pack_member(received_at, ttl, flags, source, _FOLDED)
    if len(rdata) > 256:
        return _pack_member(received_at, ttl, flags, source, _WHOLE) + rdata
    return _pack_member(received_at, ttl, flags, source, _CAPITALS) + capitals(rdata, key[2:])


def member_times(member: bytes) -> Times:
    """Return the times of a record in a large cell."""
    received_at, ttl, flags, source, _ = _unpack_member(member)
    return received_at, ttl, flags, source


def unpack_member(key: bytes, member: bytes) -> CachedRecord:
    """Undo `pack_member`."""
    received_at, ttl, flags, source, spelling = _unpack_member(member)
    if spelling == _FOLDED:
        rdata = key[2:]
    elif spelling == _CAPITALS:
        rdata = spell(key[2:], member[_MEMBER_SIZE:])
    else:
        rdata = member[_MEMBER_SIZE:]
    return CachedRecord(received_at, ttl, key[0] << 8 | key[1], flags, source, rdata)


class Lifetime(NamedTuple):
    """When a cached record was heard, and how long it is valid: all that cache maintenance looks at."""

    key: bytes
    """The record key."""
    received_at: float
    ttl: int
    flags: int
    source: int
    """Who said it last; see `source_mark`."""

    @property
    def type(self) -> int:
        """The type of the record."""
        return self.key[0] << 8 | self.key[1]

    @property
    def folded(self) -> bytes:
        """The rdata of the record, folded; as long as it was heard."""
        return self.key[2:]

    @property
    def expires_at(self) -> float:
        """When the record ceases to be valid."""
        return self.received_at + self.ttl


def lifetime_of(cached: CachedRecord) -> Lifetime:
    """Return the lifetime of a record."""
    received_at, ttl, rtype, flags, source, rdata = cached
    return Lifetime(record_key(rtype, rdata), received_at, ttl, flags, source)


def cell_lifetimes(cell: Cell, types: Sequence[int] | None) -> list[Lifetime]:
    """Return the lifetimes of the records of these types in a cell; None stands for all types."""
    return [lifetime_of(one) for one in unpack_cell(cell) if types is None or one.type in types]


GONE: Final = b""
"""What remains of a cell or a member without records, until its turn in the order of eviction comes."""


MAX_FLUSHED = 1000
"""Records of a name that are flushed in one go. Our choice: some milliseconds of work."""


class Unflushed(NamedTuple):
    """The keys of records of one type that no flush has looked at since they were heard."""

    heard: dict[bytes, None]
    """The one that was heard first is the first."""
    leaving: dict[bytes, None]
    """Those that a goodbye was said to."""

    def forget(self, key: bytes) -> None:
        """Forget one, if it is there."""
        self.heard.pop(key, None)
        self.leaving.pop(key, None)


class LargeCell:
    """The records of a name that has many of them."""

    __slots__ = ("_unflushed", "count", "head", "held", "members", "newest", "order")

    def __init__(self, head: bytes) -> None:
        self.head: Final = head
        self.members: Final[dict[bytes, bytes]] = {}
        """Packed records by their record keys."""
        self.order: Final[deque[bytes]] = deque()
        """Every key of `members` once, in the order in which eviction looks at them."""
        self.newest: Final[deque[bytes]] = deque()
        """The keys of those that came last, when there was little room; some may have gone since."""
        self.count = 0
        """Members that are not gone."""
        self.held: Final[dict[int, int]] = {}
        """How many of them each source said last, by its mark."""
        self._unflushed: dict[int, Unflushed] | None = None
        """By type; made at the first flush, which most large cells never see."""

    def put(self, key: bytes, cached: CachedRecord) -> bytes:
        """Set a member, and return it packed."""
        self._let_go(key)
        self.members[key] = packed = pack_member(cached, key)
        self.held[cached.source] = self.held.get(cached.source, 0) + 1
        return packed

    def set_times(self, key: bytes, times: Times) -> None:
        """Change the times of a member."""
        received_at, ttl, flags, source = times
        member = self.members[key]
        _, _, _, said_by, spelling = _unpack_member(member)
        if source != said_by:
            self._let_go(key)
            self.held[source] = self.held.get(source, 0) + 1
        packed = _pack_member(received_at, ttl, flags, source, spelling)
        self.members[key] = packed + member[_MEMBER_SIZE:]
        self.note_heard(key, flags)

    def note_heard(self, key: bytes, flags: int) -> None:
        """Take note that a member was heard last of all."""
        if self._unflushed is not None:
            of_type = self._unflushed.setdefault(key[0] << 8 | key[1], Unflushed({}, {}))
            of_type.forget(key)
            (of_type.leaving if flags & GOODBYE else of_type.heard)[key] = None

    def take_flushable(self, rtype: int, limit: float) -> list[CachedRecord]:
        """Return the records of a type that were heard before a time, or that a goodbye was said to.

        Each is returned once, until it is heard again: a stranger may flush a set of thousands with each of
        his packets. The first call looks at all of the cell; none returns more than `MAX_FLUSHED`.
        """
        if self._unflushed is None:
            self._unflushed = {}
            members = [(_unpack_member(member), key) for key, member in self.members.items() if member]
            for (_, _, flags, _, _), key in sorted(members):
                self.note_heard(key, flags)
        of_type = self._unflushed.get(rtype)
        if of_type is None:
            return []
        taken = []
        for key in islice(chain(of_type.leaving, of_type.heard), MAX_FLUSHED):
            if _unpack_member(self.members[key])[0] >= limit and key not in of_type.leaving:
                break
            taken.append(key)
        for key in taken:
            of_type.forget(key)
        return [unpack_member(key, self.members[key]) for key in taken]

    def empty(self, key: bytes) -> None:
        """Leave an empty entry in the place of a member."""
        self._let_go(key)
        if self._unflushed is not None and (of_type := self._unflushed.get(key[0] << 8 | key[1])):
            of_type.forget(key)
        self.members[key] = GONE

    def forget_empty(self) -> list[bytes]:
        """Forget all empty entries, and return their keys."""
        left = {key: member for key, member in self.members.items() if member}
        gone = [key for key in self.order if key not in left]
        kept = [key for key in self.order if key in left]
        # Filled anew, since a dict that loses entries keeps its size.
        self.members.clear()
        self.members.update(left)
        self.order.clear()
        self.order.extend(kept)
        return gone

    def _let_go(self, key: bytes) -> None:
        member = self.members.get(key)
        if member:
            source = _unpack_member(member)[3]
            self.held[source] -= 1
            if not self.held[source]:
                del self.held[source]

    def lifetimes(self, types: Sequence[int] | None) -> list[Lifetime]:
        """Return the lifetimes of the records of these types; None stands for all types.

        For cache maintenance, which looks at thousands of records at once: this is several times as fast as
        to unpack them.
        """
        members = self.members.items()
        if types is None:
            return [_new(Lifetime, (key, *_unpack_lifetime(member))) for key, member in members if member]
        prefixes = frozenset([rtype.to_bytes(2, "big") for rtype in types])
        return [
            _new(Lifetime, (key, *_unpack_lifetime(member)))
            for key, member in members
            if member and key[:2] in prefixes
        ]

    def records(self, rtype: int) -> list[CachedRecord]:
        """Return the records of a type, or of all types for `RecordType.ANY`."""
        prefix = b"" if rtype == RecordType.ANY else rtype.to_bytes(2, "big")
        return [
            unpack_member(key, member)
            for key, member in self.members.items()
            if member and key.startswith(prefix)
        ]
