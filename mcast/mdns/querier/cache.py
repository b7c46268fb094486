"""The records heard on one link, bounded whatever strangers send (RFC 6762 §5.2, §10)."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Final

from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.names import Name, intern_wire
from mcast.dns.records import Record
from mcast.mdns.constants import FLUSH_AGE, FLUSH_DELAY, GOODBYE_DELAY
from mcast.mdns.querier.cache_cells import (
    DISPUTED,
    FLUSHED,
    GONE,
    GOODBYE,
    LEAVING,
    UNIQUE,
    Cell,
    Crowd,
    Held,
    Times,
    capitals,
    cell_head,
    fold,
    member_key,
    member_times,
    pack_cell,
    pack_head,
    pack_member,
    pack_one,
    spell,
    unpack_cell,
    unpack_member,
)

MAX_RECORDS = 65_536
"""Records in one cache.

Our choice: five thousand hosts with a service each have about 35,000, and few links have a tenth of that.
"""

MAX_OCTETS = 24 * 1024 * 1024
"""Octets in one cache, `OVERHEAD` included. Our choice: what so many records need, with names of common
length."""

MAX_RECORDS_OF_NAME = 8192
"""Records of one name. Our choice: five thousand instances of one service type, and some more."""

OVERHEAD = 128
"""Octets that a cell takes besides its own and those of its key: two object headers and a place in a dict."""

CROWD = 8
"""A name with more records than this is kept as a crowd. Our choice: where reading all of a cell to find
one record begins to cost more than a dict."""

LARGE_CELL = 1024
"""So is one whose cell would be larger than this, in octets, since a cell is copied whenever it changes."""

QUIET_PART = 4
"""Up to one part in so many of its limits a cache lets nothing go. Our choice: what so little memory would
gain is not worth the time."""

HAND_STEP = 2
"""Names looked at for each new one, when there is room, to let go of what has expired.

Our choice: with two, the cache is gone through at least twice while it fills.
"""

VICTIM_SEARCH = 6
"""Names looked at for each new one when there is no room. Our choice: a packet may bring 700 new names and
must not take 10 ms."""

LEEWAY = 1 / 16
"""By this part a limit may be passed for records that somebody wants, while the search for a victim goes on.

Our choice: the search passes over all wanted records in less than so many steps.
"""


class Outcome(IntEnum):
    """What became of a record that was heard."""

    IGNORED = 0
    """A goodbye for what we do not have or know to be leaving."""
    ADDED = 1
    REFRESHED = 2
    """It was there."""
    RESCUED = 3
    """It was there, and about to leave (RFC 6762 §10.1)."""
    DOOMED = 4
    """A goodbye for what was there."""
    REFUSED = 5
    """There is no room for it."""


class Cache:
    """Records by owner name; expired ones are never given out.

    Nothing here has a timer. An expired record that somebody wants stays until its owner removes it;
    one that nobody wants is let go in passing, when there is need of room.

    Eviction, when a limit is reached: the records heard first go first, those that somebody wants after all
    others. Within a crowded name a PTR record goes before others when nothing is known of the name it
    points to: so strangers who invent service instances displace their own inventions. What was wanted and
    is evicted all the same is put into `evicted`. When nothing better can be found, the new record is
    refused.

    :param is_wanted: whether anybody asks for records of this name (its key) and type now.
    """

    def __init__(
        self,
        is_wanted: Callable[[bytes, int], bool],
        counters: Counter[str],
        *,
        max_records: int = MAX_RECORDS,
        max_octets: int = MAX_OCTETS,
        max_records_of_name: int = MAX_RECORDS_OF_NAME,
    ) -> None:
        self.evicted: list[Record] = []
        """Wanted records that had to go, for the owner to report and clear."""
        self.octets = 0
        """About how much memory is in use."""
        self._is_wanted: Final = is_wanted
        self._counters: Final = counters
        self._max_records: Final = max_records
        self._max_octets: Final = max_octets
        self._max_records_of_name: Final = max_records_of_name
        self._quiet_records: Final = max_records // QUIET_PART
        self._quiet_octets: Final = max_octets // QUIET_PART
        self._names: Final[dict[bytes, Cell | Crowd]] = {}
        self._order: Final[deque[bytes]] = deque()
        """Every key of `_names` once, in the order in which the hand looks at them."""
        self._count = 0

    def __len__(self) -> int:
        """How many records there are, with those that have expired and were not let go yet."""
        return self._count

    def store(self, record: Record, now: float) -> tuple[Outcome, bool]:
        """Take in a record of a response.

        :returns: what became of it, and whether there are older records in its set that its cache-flush bit
            may end (see `flush`).
        """
        key = record.name.key
        known = self._names.get(key)
        if not known:
            if not record.ttl:
                return Outcome.IGNORED, False
            held = Held(now, record.ttl, record.type, int(record.cache_flush), record.rdata)
            cell = pack_head(capitals(record.name.wire, key)) + pack_one(held)
            self._names[key] = cell
            self._count += 1
            self.octets += len(cell)
            if known is None:
                self._order.append(key)
                self.octets += len(key) + OVERHEAD
            if not self._make_room(now, self._is_wanted(key, record.type)):
                self._drop_name(key)
                return Outcome.REFUSED, False
            return Outcome.ADDED, False
        if isinstance(known, Crowd):
            return self._store_member(key, known, record, now), True
        return self._store_in_cell(key, known, record, now)

    def _store_in_cell(self, key: bytes, cell: Cell, record: Record, now: float) -> tuple[Outcome, bool]:
        rtype, rdata = record.type, record.rdata
        helds = unpack_cell(cell)
        has_elders = False
        found = -1
        for place, held in enumerate(helds):
            if held.type != rtype:
                continue
            if held.rdata == rdata or (
                len(held.rdata) == len(rdata) and fold(rtype, held.rdata) == fold(rtype, rdata)
            ):
                found = place
            elif held.received_at < now - FLUSH_AGE or held.flags & GOODBYE:
                has_elders = True
        if found >= 0:
            outcome, helds[found] = _renewed(helds[found], record, now)
            if outcome != Outcome.IGNORED:
                # Times and flags have a fixed size, so the cell keeps its length.
                self._names[key] = pack_cell(cell_head(cell), helds)
            return outcome, has_elders
        if not record.ttl:
            return Outcome.IGNORED, False
        held = Held(now, record.ttl, rtype, int(record.cache_flush), rdata)
        if len(helds) >= CROWD or len(cell) + len(rdata) > LARGE_CELL:
            return self._store_member(key, self._make_crowd(key, cell, helds), record, now), has_elders
        added = pack_one(held)
        self._names[key] = cell + added
        self._count += 1
        self.octets += len(added)
        if not self._make_room(now, self._is_wanted(key, rtype)):
            # Put back: the cell is the one from before, unless the hand has just been at it.
            self._discard(key, [held])
            return Outcome.REFUSED, False
        return Outcome.ADDED, has_elders

    def _store_member(self, key: bytes, crowd: Crowd, record: Record, now: float) -> Outcome:
        rtype = record.type
        folded = fold(rtype, record.rdata)
        mkey = member_key(rtype, folded)
        member = crowd.members.get(mkey)
        if member:
            outcome, held = _renewed(unpack_member(mkey, member), record, now)
            if outcome != Outcome.IGNORED:
                crowd.members[mkey] = pack_member(held, mkey)
            return outcome
        if not record.ttl:
            return Outcome.IGNORED
        if crowd.count >= self._max_records_of_name and not self._displace(key, crowd, now):
            self._counters["records refused, name full"] += 1
            return Outcome.REFUSED
        self._add_member(
            crowd, mkey, Held(now, record.ttl, rtype, int(record.cache_flush), record.rdata), member is None
        )
        if not self._make_room(now, self._is_wanted(key, rtype)):
            self._drop_member(crowd, mkey)
            return Outcome.REFUSED
        return Outcome.ADDED

    def _add_member(self, crowd: Crowd, mkey: bytes, held: Held, is_new: bool) -> None:
        crowd.members[mkey] = packed = pack_member(held, mkey)
        if is_new:
            crowd.order.append(mkey)
        crowd.count += 1
        self._count += 1
        self.octets += len(mkey) + len(packed) + OVERHEAD

    def _make_crowd(self, key: bytes, cell: Cell, helds: Iterable[Held]) -> Crowd:
        self._drop_name(key)
        crowd = Crowd(cell_head(cell))
        self._names[key] = crowd
        self.octets += len(crowd.head)
        for held in helds:
            mkey = member_key(held.type, fold(held.type, held.rdata))
            self._add_member(crowd, mkey, held, True)
        return crowd

    def flush(self, key: bytes, rtype: int, now: float) -> list[Held]:
        """Let the records of a set that are older than a second end in a second (RFC 6762 §10.2).

        Called when the whole datagram with the newer ones has been stored, so that what it repeats is not
        flushed.

        :returns: those that are newly flushed.
        """
        limit = now - FLUSH_AGE
        flushed = []
        changed = []
        for held in self._of_type(key, rtype):
            if held.flags & FLUSHED or held.expires_at <= now:
                continue
            if held.flags & GOODBYE:
                # The goodbye keeps its time, but now it is known what has taken the place of the record.
                changed.append(held._replace(flags=held.flags | FLUSHED))
            elif held.received_at < limit:
                flags = held.flags | FLUSHED
                changed.append(held._replace(received_at=now, ttl=int(FLUSH_DELAY), flags=flags))
            else:
                continue
            flushed.append(held)
        if changed:
            self._replace(key, changed)
        return flushed

    def lookup(self, key: bytes, rtype: int, now: float) -> list[Held]:
        """Return the valid records of a name and type, or of all types for `RecordType.ANY`."""
        return [held for held in self._of_type(key, rtype) if held.received_at + held.ttl > now]

    def survey(self, key: bytes, rtype: int) -> list[Times] | None:
        """Return the times of the records of a crowded name and type; None when the name is not crowded.

        For those who look at thousands of records at once: this is several times as fast as `all_of`.
        """
        known = self._names.get(key)
        if not isinstance(known, Crowd):
            return None
        if rtype == RecordType.ANY:
            return member_times(known.members.items())
        prefix = rtype.to_bytes(2, "big")
        return member_times([entry for entry in known.members.items() if entry[0][:2] == prefix])

    def member(self, key: bytes, member: bytes) -> Held | None:
        """Return a record that a survey has told of, if it is still there."""
        known = self._names.get(key)
        if not isinstance(known, Crowd):
            return None
        packed = known.members.get(member)
        return unpack_member(member, packed) if packed else None

    def has(self, key: bytes, rtype: int) -> bool:
        """Whether there may be records of a name and type: a quick look that does not see which have
        expired."""
        known = self._names.get(key)
        if isinstance(known, Crowd):
            return known.count > 0
        return bool(known) and any(held.type == rtype for held in unpack_cell(known or GONE))

    def find(self, record: Record, now: float) -> Held | None:
        """Return what is held of a record that is the same but for TTL and cache-flush bit, if it is
        valid."""
        rtype = record.type
        folded = fold(rtype, record.rdata)
        known = self._names.get(record.name.key)
        if isinstance(known, Crowd):
            mkey = member_key(rtype, folded)
            member = known.members.get(mkey)
            held = unpack_member(mkey, member) if member else None
            return held if held is not None and held.expires_at > now else None
        for held in self._of_type(record.name.key, rtype):
            if fold(rtype, held.rdata) == folded:
                return held if held.expires_at > now else None
        return None

    def owner(self, key: bytes) -> Name:
        """Return a name as it was spelled when it was first heard."""
        known = self._names.get(key)
        if not known:
            return intern_wire(key)
        head = known.head if isinstance(known, Crowd) else cell_head(known)
        return intern_wire(spell(key, head[1:]))

    def record(self, key: bytes, held: Held) -> Record:
        """Return a held record with its owner name, and the TTL it came with."""
        return Record(
            self.owner(key), held.type, RecordClass.IN, held.ttl, held.rdata, bool(held.flags & UNIQUE)
        )

    def dispute(self, key: bytes, held: Held) -> None:
        """Mark a record as in doubt until it is heard again (RFC 6762 §10.4)."""
        self._replace(key, [held._replace(flags=held.flags | DISPUTED)])

    def remove(self, key: bytes, helds: Iterable[Held]) -> None:
        """Forget records, as `lookup` gave them."""
        self._discard(key, helds)

    def clear(self) -> None:
        """Forget everything."""
        self._names.clear()
        self._order.clear()
        self.evicted.clear()
        self._count = 0
        self.octets = 0

    def all_of(self, key: bytes, rtype: int) -> list[Held]:
        """Return the records of a name and type, or of all types for `RecordType.ANY`, with the expired
        ones."""
        return self._of_type(key, rtype)

    def _of_type(self, key: bytes, rtype: int) -> list[Held]:
        known = self._names.get(key)
        if not known:
            return []
        if isinstance(known, Crowd):
            wanted = None if rtype == RecordType.ANY else rtype.to_bytes(2, "big")
            return [
                unpack_member(mkey, member)
                for mkey, member in known.members.items()
                if member and (wanted is None or mkey[:2] == wanted)
            ]
        helds = unpack_cell(known)
        if rtype == RecordType.ANY:
            return helds
        return [held for held in helds if held.type == rtype]

    def _replace(self, key: bytes, changed: Iterable[Held]) -> None:
        """Change times and flags of records."""
        known = self._names[key]
        if isinstance(known, Crowd):
            for held in changed:
                mkey = member_key(held.type, fold(held.type, held.rdata))
                known.members[mkey] = pack_member(held, mkey)
            return
        by_identity = {(held.type, held.rdata): held for held in changed}
        helds = [by_identity.get((held.type, held.rdata), held) for held in unpack_cell(known)]
        self._names[key] = pack_cell(cell_head(known), helds)

    def _discard(self, key: bytes, gone: Iterable[Held]) -> None:
        """Forget records; the name itself stays, so that it has its one place in the order."""
        known = self._names.get(key)
        if not known:
            return
        if isinstance(known, Crowd):
            for held in gone:
                self._drop_member(known, member_key(held.type, fold(held.type, held.rdata)))
            return
        identities = {(held.type, held.rdata) for held in gone}
        helds = unpack_cell(known)
        kept = [held for held in helds if (held.type, held.rdata) not in identities]
        cell = pack_cell(cell_head(known), kept) if kept else GONE
        self._names[key] = cell
        self._count -= len(helds) - len(kept)
        self.octets -= len(known) - len(cell)

    def _drop_member(self, crowd: Crowd, mkey: bytes) -> None:
        member = crowd.members.get(mkey)
        if member:
            crowd.members[mkey] = GONE
            crowd.count -= 1
            self._count -= 1
            self.octets -= len(member)

    def _drop_name(self, key: bytes) -> None:
        """Empty a name but for its place in the order, where the hand takes it out."""
        known = self._names[key]
        if isinstance(known, Crowd):
            for mkey in known.members:
                self._drop_member(known, mkey)
            return
        self._count -= len(unpack_cell(known))
        self.octets -= len(known)
        self._names[key] = GONE
        # What is left is its key and its place, for which the overhead stays counted.

    def _make_room(self, now: float, for_wanted: bool) -> bool:
        """Look at the next names in turn, and make room if there is none; return False when there is still
        none."""
        if self._count < self._quiet_records and self.octets < self._quiet_octets:
            return True
        is_full = self._count > self._max_records or self.octets > self._max_octets
        for _ in range(VICTIM_SEARCH if is_full else HAND_STEP):
            if not self._order:
                break
            self._look_at(self._order.popleft(), now, is_full)
            if is_full:
                is_full = self._count > self._max_records or self.octets > self._max_octets
                if not is_full:
                    return True
        if not is_full:
            return True
        if for_wanted and (
            self._count <= self._max_records * (1 + LEEWAY) and self.octets <= self._max_octets * (1 + LEEWAY)
        ):
            return True
        self._counters["records refused, cache full"] += 1
        return False

    def _look_at(self, key: bytes, now: float, evict: bool) -> None:
        """Let go of what has expired in a name and nobody wants, or of all that nobody wants."""
        known = self._names[key]
        if isinstance(known, Crowd):
            self._look_at_crowd(key, known, now, evict)
            return
        if not known:
            del self._names[key]
            self.octets -= len(key) + OVERHEAD
            return
        helds = unpack_cell(known)
        kept = [
            held
            for held in helds
            if self._is_wanted(key, held.type) or (held.received_at + held.ttl > now and not evict)
        ]
        if len(kept) == len(helds):
            self._order.append(key)
            return
        if evict:
            self._counters["records evicted"] += len(helds) - len(kept)
        self._count -= len(helds) - len(kept)
        if kept:
            cell = pack_cell(cell_head(known), kept)
            self._names[key] = cell
            self.octets -= len(known) - len(cell)
            self._order.append(key)
        else:
            del self._names[key]
            self.octets -= len(key) + len(known) + OVERHEAD

    def _look_at_crowd(self, key: bytes, crowd: Crowd, now: float, evict: bool) -> None:
        # As many members as there are names in a step: a crowd must not take longer than a cell.
        for _ in range(min(CROWD, len(crowd.order))):
            mkey = crowd.order.popleft()
            member = crowd.members[mkey]
            if member:
                held = unpack_member(mkey, member)
                if self._is_wanted(key, held.type) or (held.expires_at > now and not evict):
                    crowd.order.append(mkey)
                    continue
                if evict:
                    self._counters["records evicted"] += 1
                self._drop_member(crowd, mkey)
            self._forget_member(crowd, mkey)
        if crowd.members:
            self._order.append(key)
        else:
            del self._names[key]
            self.octets -= len(key) + len(crowd.head) + OVERHEAD

    def _forget_member(self, crowd: Crowd, mkey: bytes) -> None:
        """Take out a member that is gone and has just left the order."""
        del crowd.members[mkey]
        self.octets -= len(mkey) + OVERHEAD

    def _displace(self, key: bytes, crowd: Crowd, now: float) -> bool:
        """Make room in a crowd that has reached its limit; return False when none was found."""
        for _ in range(min(CROWD, len(crowd.order))):
            mkey = crowd.order.popleft()
            member = crowd.members[mkey]
            if not member:
                self._forget_member(crowd, mkey)
                continue
            held = unpack_member(mkey, member)
            is_wanted = self._is_wanted(key, held.type)
            # A PTR record is folded to the key of the name it points to.
            is_answered = held.type != RecordType.PTR or bool(self._names.get(mkey[2:]))
            if is_wanted and is_answered and held.expires_at > now:
                crowd.order.append(mkey)
                continue
            if is_wanted:
                self.evicted.append(self.record(key, held))
            self._counters["records evicted"] += 1
            self._drop_member(crowd, mkey)
            self._forget_member(crowd, mkey)
            return True
        return False


def _renewed(held: Held, record: Record, now: float) -> tuple[Outcome, Held]:
    """Return what becomes of a held record when it is heard again."""
    leaving = held.flags & LEAVING
    if not record.ttl:
        if leaving or held.expires_at <= now:
            return Outcome.IGNORED, held
        # RFC 6762 §10.1: "record a TTL of 1 and then delete the record one second later".
        return Outcome.DOOMED, held._replace(
            received_at=now, ttl=int(GOODBYE_DELAY), flags=held.flags | GOODBYE
        )
    renewed = Held(now, record.ttl, held.type, int(record.cache_flush), held.rdata)
    return (Outcome.RESCUED if leaving else Outcome.REFRESHED), renewed
