"""The records that are always sent together, and those of one name (RFC 6762 §10.2)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from math import inf
from typing import Final

from mcast.dns.names import Name
from mcast.dns.records import Identity, Record
from mcast.mdns.constants import UNICAST_TTL_FRACTION


class RecordSet:
    """Records that are always sent together: the whole of a unique RRset, or one shared record.

    RFC 6762 §10.2: "Any time a host sends a response packet containing some members of a unique RRSet, it
    MUST send the entire RRSet". Everything that is planned, sent or suppressed is therefore a set, and never
    part of one.

    :param records: not empty, all of one name, type and class.
    """

    __slots__ = (
        "has_sibling",
        "is_announced",
        "is_current",
        "multicast_at",
        "records",
        "ttl",
        "unique",
        "whole_at",
    )

    def __init__(self, records: tuple[Record, ...], unique: bool) -> None:
        self.unique = unique
        self.multicast_at = -inf
        """When a member was last multicast on this link."""
        self.whole_at = -inf
        """When the set as it is now was last multicast; ``-inf`` again when a member is new."""
        self.is_announced = False
        """Whether others have heard of the set, so that it deserves a goodbye."""
        self.has_sibling = False
        """Whether another program of our host was found to have the set too."""
        self.is_current = True
        """Whether the set is still in the zone."""
        self.replace(records)

    def replace(self, records: tuple[Record, ...]) -> None:
        """Hold these records from now on; the times stay as they are."""
        self.records = tuple([record.with_cache_flush(self.unique) for record in records])
        self.ttl = min([record.ttl for record in records])

    @property
    def identities(self) -> frozenset[Identity]:
        """What its records are; made anew for the few who ask, since it takes more memory than the set."""
        return frozenset([record.identity for record in self.records])

    def has(self, identity: Identity) -> bool:
        """Whether a record is a member, whatever its TTL."""
        return any(record.identity == identity for record in self.records)

    @property
    def slot(self) -> object:
        """Its place among the sets of its name and type: the class if it is unique, else its identity."""
        return self.records[0].rclass if self.unique else self.records[0].identity

    @property
    def type(self) -> int:
        """The type of the records."""
        return self.records[0].type

    @property
    def name(self) -> Name:
        """The owner name of the records."""
        return self.records[0].name

    @property
    def unicast_until(self) -> float:
        """Until when a question for a unicast response gets one (RFC 6762 §5.4)."""
        return self.whole_at + self.ttl * UNICAST_TTL_FRACTION

    def mark_multicast(self, now: float) -> None:
        """Remember that the whole set was multicast."""
        self.multicast_at = self.whole_at = now
        self.is_announced = True


FEW = 4
"""Sets of a name that are kept in a tuple.

Our choice: as many as the name of a host or service has; to look at each is as fast as a dict, which takes
several hundred octets more.
"""


class NameSets:
    """All sets of one name."""

    __slots__ = ("_few", "_many", "name", "negative", "shared")

    def __init__(self, name: Name) -> None:
        self.name = name
        self._few: tuple[RecordSet, ...] = ()
        self._many: dict[int, dict[object, RecordSet]] | None = None
        """By type and slot, when there were more than a few: a service type has thousands."""
        self.shared = 0
        """How many of the sets are shared."""
        self.negative: RecordSet | None = None
        """The NSEC record, made when first needed."""

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._few or self._many)

    def __iter__(self) -> Iterator[RecordSet]:
        if self._many is None:
            yield from self._few
        else:
            for of_type in self._many.values():
                yield from of_type.values()

    @property
    def types(self) -> list[int]:
        """The types that the name has."""
        return list(dict.fromkeys([one.type for one in self._few]) if self._many is None else self._many)

    def of_type(self, rtype: int) -> Collection[RecordSet]:
        """Return the sets of a type."""
        if self._many is None:
            return [one for one in self._few if one.type == rtype]
        return self._many.get(rtype, _NO_SETS).values()

    def find(self, rtype: int, slot: object) -> RecordSet | None:
        """Return the set of a type in a slot."""
        if self._many is not None:
            return self._many.get(rtype, _NO_SETS).get(slot)
        for one in self._few:
            if one.type == rtype and one.slot == slot:
                return one
        return None

    def add(self, fresh: RecordSet) -> None:
        """Add a set that is not there yet."""
        self.shared += not fresh.unique
        if self._many is None and len(self._few) < FEW:
            self._few += (fresh,)
            return
        if self._many is None:
            self._many = {}
            for one in self._few:
                self._many.setdefault(one.type, {})[one.slot] = one
            self._few = ()
        self._many.setdefault(fresh.type, {})[fresh.slot] = fresh

    def remove(self, existing: RecordSet) -> None:
        """Take a set out."""
        self.shared -= not existing.unique
        if self._many is None:
            self._few = tuple([one for one in self._few if one is not existing])
            return
        of_type = self._many[existing.type]
        del of_type[existing.slot]
        if not of_type:
            del self._many[existing.type]


_NO_SETS: Final[dict[object, RecordSet]] = {}
