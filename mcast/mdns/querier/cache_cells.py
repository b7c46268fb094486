"""How cached records are kept: as octets, since an object for each would take several times the memory.

A `Cell` is what the cache holds of one name: the places of the capital letters in its owner name (the name
itself stands in lower case as the key), then its records one after the other. The many records of one name,
as the PTR records of a service type, are a `Crowd` of members instead, in which a record is found without
reading the others.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from mcast.dns.codes import RecordType
from mcast.dns.rdata import fold_rdata

UNIQUE: Final = 1
"""The record came with the cache-flush bit: it is of a set that only one host has (RFC 6762 §10.2)."""

GOODBYE: Final = 2
"""The record came with TTL 0 and ends within a second (RFC 6762 §10.1)."""

FLUSHED: Final = 4
"""Newer records of its set have taken its place, and it ends within a second (RFC 6762 §10.2)."""

DISPUTED: Final = 8
"""Somebody says that the record is wrong, and nobody has confirmed it since (RFC 6762 §10.4)."""

LEAVING: Final = GOODBYE | FLUSHED


class Held(NamedTuple):
    """A cached record without its owner name."""

    received_at: float
    ttl: int
    """Seconds from `received_at`; never changed but by `GOODBYE` and `FLUSHED`, which begin a second anew."""
    type: int
    flags: int
    rdata: bytes

    @property
    def expires_at(self) -> float:
        """When the record ceases to be valid."""
        return self.received_at + self.ttl


Cell = bytes

_FIELDS: Final = struct.Struct("<dIHBH")
_unpack = _FIELDS.unpack_from
_pack = _FIELDS.pack
_SIZE: Final = _FIELDS.size

_MEMBER: Final = struct.Struct("<dIBB")
_unpack_member = _MEMBER.unpack_from
_pack_member = _MEMBER.pack
_MEMBER_SIZE: Final = _MEMBER.size

_FOLDED, _CAPITALS, _WHOLE = range(3)
"""How a member tells its rdata: it is the key; it is the key but for some capital letters; or it stands
there."""

SPELLED_TYPES: Final = frozenset({RecordType.PTR, RecordType.CNAME, RecordType.NS, RecordType.DNAME})
"""Types whose rdata is one name and nothing else."""


def fold(rtype: int, rdata: bytes) -> bytes:
    """Return rdata such that equal octets mean the same record."""
    if rtype in SPELLED_TYPES:
        return rdata.lower()
    if rtype == RecordType.SRV:
        return rdata[:6] + rdata[6:].lower()
    return fold_rdata(rtype, rdata)


def capitals(wire: bytes, key: bytes) -> bytes:
    """Return where ``wire`` has capital letters, one octet for each, given its lower-case form."""
    if wire == key:
        return b""
    return bytes([place for place, (one, other) in enumerate(zip(wire, key, strict=True)) if one != other])


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
    return bytes((len(places),)) + places


def pack_one(held: Held) -> bytes:
    """Return what a cell holds of one record."""
    received_at, ttl, rtype, flags, rdata = held
    return _pack(received_at, ttl, rtype, flags, len(rdata)) + rdata


def pack_cell(head: bytes, helds: Iterable[Held]) -> Cell:
    """Return a cell of a beginning and records."""
    return head + b"".join([pack_one(held) for held in helds])


def cell_head(cell: Cell) -> bytes:
    """Return the beginning of a cell."""
    return cell[: 1 + cell[0]]


def unpack_cell(cell: Cell) -> list[Held]:
    """Return the records of a cell, oldest first."""
    helds = []
    position = 1 + cell[0]
    size = len(cell)
    while position < size:
        received_at, ttl, rtype, flags, length = _unpack(cell, position)
        position += _SIZE
        helds.append(Held(received_at, ttl, rtype, flags, cell[position : position + length]))
        position += length
    return helds


def member_key(rtype: int, folded: bytes) -> bytes:
    """Return what a member of a crowd is found by."""
    return rtype.to_bytes(2, "big") + folded


def pack_member(held: Held, key: bytes) -> bytes:
    """Return what a crowd holds of a record besides its key."""
    received_at, ttl, _, flags, rdata = held
    if key.endswith(rdata) and len(key) == len(rdata) + 2:
        return _pack_member(received_at, ttl, flags, _FOLDED)
    if len(rdata) > 256:
        return _pack_member(received_at, ttl, flags, _WHOLE) + rdata
    return _pack_member(received_at, ttl, flags, _CAPITALS) + capitals(rdata, key[2:])


def unpack_member(key: bytes, member: bytes) -> Held:
    """Undo `pack_member`."""
    received_at, ttl, flags, spelling = _unpack_member(member)
    if spelling == _FOLDED:
        rdata = key[2:]
    elif spelling == _CAPITALS:
        rdata = spell(key[2:], member[_MEMBER_SIZE:])
    else:
        rdata = member[_MEMBER_SIZE:]
    return Held(received_at, ttl, key[0] << 8 | key[1], flags, rdata)


class Times(NamedTuple):
    """When a member of a crowd was heard, and how long it is good for: what a survey of all of them needs."""

    key: bytes
    """The key of the member."""
    received_at: float
    ttl: int
    flags: int


def member_times(members: Iterable[tuple[bytes, bytes]]) -> list[Times]:
    """Return the times of those members, given with their keys, that are not gone."""
    return [Times(key, *_unpack_member(member)[:3]) for key, member in members if member]


GONE: Final = b""
"""What a crowd keeps of a member that is gone until its turn in `Crowd.order` comes."""


class Crowd:
    """The records of a name that has many of them."""

    __slots__ = ("count", "head", "members", "order")

    def __init__(self, head: bytes) -> None:
        self.head: Final = head
        self.members: Final[dict[bytes, bytes]] = {}
        self.order: Final[deque[bytes]] = deque()
        """Every key of `members` once, in the order in which eviction looks at them."""
        self.count = 0
        """Members that are not gone."""

    def __iter__(self) -> Iterator[Held]:
        for key, member in self.members.items():
            if member:
                yield unpack_member(key, member)
