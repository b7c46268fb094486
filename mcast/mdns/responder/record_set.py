"""The records that are always sent together, and those of one name (RFC 6762 §10.2)."""

from __future__ import annotations

from math import inf

from mcast.dns.names import Name
from mcast.dns.records import Record
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
        "identities",
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
        self.identities = frozenset([record.identity for record in records])
        self.ttl = min([record.ttl for record in records])

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


class NameSets:
    """All sets of one name."""

    __slots__ = ("name", "negative", "shared", "types")

    def __init__(self, name: Name) -> None:
        self.name = name
        self.types: dict[int, dict[object, RecordSet]] = {}
        """By type, then by class when unique and by identity when shared."""
        self.shared = 0
        """How many of the sets are shared."""
        self.negative: RecordSet | None = None
        """The NSEC record, made when first needed."""
