"""What a caller asks a link to publish."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from mcast.dns.codes import PSEUDO_TYPES, RecordType
from mcast.dns.names import LOCAL, Name
from mcast.dns.records import Record, show_type

_REFUSED_TYPES = PSEUDO_TYPES | {RecordType.NSEC, RecordType.ANY}
"""Types that cannot be published: they describe messages, are asked for only, or are made by ourselves."""

_ZONE_TYPES = frozenset({RecordType.NS, RecordType.SOA})
"""A Multicast DNS domain is no zone: it has no name servers and no start of authority (RFC 6762 §12)."""

_TARGET_AT: dict[int, int] = {RecordType.PTR: 0, RecordType.CNAME: 0, RecordType.SRV: 6}
"""Where in the rdata of a type the name is that it points to: an SRV record has three numbers before it."""


@lru_cache(maxsize=64)
def _shared(targets: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return the same object each time: thousands of services lead to one host."""
    return targets


@dataclass(frozen=True, slots=True)
class RecordGroup:
    """Records that are claimed, updated, renamed and withdrawn as one.

    The cache-flush bit of the records does not matter: it is set and cleared as each transmission demands.

    :raises ValueError: a record cannot be published, or is listed both as shared and as unique.
    """

    unique: tuple[Record, ...] = ()
    """Records whose owner names are probed for, all types at once (RFC 6762 §8.1)."""
    shared: tuple[Record, ...] = ()
    """Records that other hosts may have beside us (RFC 6762 §2); not probed for."""
    verified: tuple[Record, ...] = ()
    """Unique records known to be ours without probing (RFC 6762 §8.1).

    Reverse mappings of our addresses, and records that a proxy took over.
    """
    # Found out once, since they are asked for at each step of a group, on each link.
    # Tuples, which many groups share: one with a set and a dictionary takes 500 octets more.
    probed_names: tuple[Name, ...] = field(init=False, compare=False, repr=False)
    """The names to be probed for."""
    verified_names: tuple[Name, ...] = field(init=False, compare=False, repr=False)
    """The names that are ours without probing."""
    targets: tuple[bytes, ...] = field(init=False, compare=False, repr=False)
    """The keys of the names that records point to and that are not owned by the group itself."""

    def __post_init__(self) -> None:
        self._check()
        # By key, of names that are equal the one that was spelled last.
        probed = {record.name.key: record.name for record in self.unique}
        verified = {record.name.key: record.name for record in self.verified if record.name.key not in probed}
        owned = {record.name.key for record in self}
        found = {
            record.rdata[_TARGET_AT[record.type] :].lower() for record in self if record.type in _TARGET_AT
        }
        object.__setattr__(self, "probed_names", tuple(probed.values()))
        object.__setattr__(self, "verified_names", tuple(verified.values()))
        object.__setattr__(self, "targets", _shared(tuple(sorted(found - owned))))

    def _check(self) -> None:
        shared = {(record.name, record.type, record.rclass) for record in self.shared}
        for record in self:
            if record.type in _REFUSED_TYPES:
                raise ValueError(f"a record of type {show_type(record.type)} cannot be published")
            if record.type in _ZONE_TYPES and record.name.is_within(LOCAL):
                raise ValueError(f"{record.name} is in no zone, so it has no {show_type(record.type)} record")
        for record in self.unique + self.verified:
            if (record.name, record.type, record.rclass) in shared:
                raise ValueError(f"{show_type(record.type)} of {record.name} is both shared and unique")

    def __iter__(self) -> Iterator[Record]:
        yield from self.unique
        yield from self.shared
        yield from self.verified
