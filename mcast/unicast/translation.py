"""Names and records between a zone and the link behind it (RFC 8766 §5.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mcast.dns.codes import RecordType
from mcast.dns.names import LOCAL, Name, end_of_wire
from mcast.dns.rdata import LAYOUTS, name_span
from mcast.dns.records import Record
from mcast.unicast.zone import Delegation, ZoneKind

NewApex = Callable[[Name], Name]
"""Tells for a name in rdata which domain it is moved to."""

HOST_TARGETS: Final = frozenset(
    int(rtype)
    for rtype in (
        RecordType.SRV,
        RecordType.MX,
        RecordType.AFSDB,
        RecordType.RT,
        RecordType.KX,
        RecordType.SVCB,
        RecordType.HTTPS,
    )
)
"""Types whose rdata names a host, and nothing else (RFC 8766 §5.5: "a field that is used exclusively")."""

NOT_FORWARDED: Final = frozenset(
    int(rtype)
    for rtype in (
        RecordType.NSEC,
        RecordType.SOA,
        RecordType.NS,
        RecordType.DS,
        RecordType.SIG,
        RecordType.NXT,
        RecordType.RRSIG,
        RecordType.DNSKEY,
        RecordType.CDS,
        RecordType.CDNSKEY,
    )
)
"""Types that never pass from a link into a zone.

NSEC records of the link "MUST NOT be forwarded unmodified" (RFC 8766 §5.5.3), there are no delegations below
the apex (§6.3), and what is signed for a link is not signed for the zone.
"""


def link_name(delegation: Delegation, name: Name) -> Name:
    """Return what a name of a zone is called on its link (RFC 8766 §5.5).

    Its last labels, those of the zone, become ``local.``; a reverse name stays as it is (§5.4).

    :raises ValueError: the name is not in the zone, or is too long as one in ``local.``.
    """
    if delegation.kind is ZoneKind.REVERSE:
        return name
    labels = name.labels
    if not name.is_within(delegation.apex):
        raise ValueError(f"{name} is not in {delegation.apex}")
    return Name.from_labels((*labels[: len(labels) - delegation.depth], *LOCAL.labels))


def zone_record(delegation: Delegation, record: Record) -> Record | None:
    """Return a record of the link as it is in a zone, with its TTL unmodified.

    :returns: None when it has no place there (`NOT_FORWARDED`), or a name in it is too long.
    """
    if record.type in NOT_FORWARDED:
        return None
    try:
        owner = record.name
        if owner.is_within(LOCAL):
            owner = _moved(owner, LOCAL, delegation.apex)
        rdata = _moved_rdata(record, LOCAL, lambda target: _apex_of(delegation, record, target))
    except ValueError:
        return None
    return Record(owner, record.type, record.rclass, record.ttl, rdata)


def link_record(delegation: Delegation, record: Record) -> Record | None:
    """Return a record of a zone as it is on the link: the inverse of `zone_record`.

    :returns: None when a name in it cannot be one of the link.
    """
    apexes = sorted({delegation.zone.name, delegation.zone.host_apex}, key=lambda apex: -len(apex.wire))
    try:
        owner = link_name(delegation, record.name)
        rdata = record.rdata
        for apex in apexes:
            moved = Record(owner, record.type, record.rclass, record.ttl, rdata)
            rdata = _moved_rdata(moved, apex, lambda _: LOCAL)
    except ValueError:
        return None
    return Record(owner, record.type, record.rclass, record.ttl, rdata)


def _apex_of(delegation: Delegation, record: Record, target: Name) -> Name:
    """Return the zone that a name in rdata is moved to (RFC 8766 §5.5)."""
    if delegation.kind is ZoneKind.HOSTS:
        return delegation.apex
    if delegation.kind is ZoneKind.REVERSE or record.type in HOST_TARGETS:
        return delegation.zone.host_apex
    # The target of an alias is what the alias is: a host, unless its name has the labels of a service.
    if record.type == RecordType.CNAME and not any(label[:1] == b"_" for label in target.labels):
        return delegation.zone.host_apex
    return delegation.zone.name


def _moved(name: Name, old: Name, new: Name) -> Name:
    labels = name.labels
    return Name.from_labels((*labels[: len(labels) - len(old.labels)], *new.labels))


def _moved_rdata(record: Record, old: Name, new_of: NewApex) -> bytes:
    """Return rdata whose names in one domain are moved to another.

    :raises ValueError: the rdata does not have the layout of its type, or a name becomes too long.
    """
    layout = LAYOUTS.get(record.type)
    rdata = record.rdata
    if layout is None:
        return rdata
    start, end = name_span(layout, rdata)
    moved = bytearray(rdata[:start])
    position = start
    while position < end:
        following = end_of_wire(rdata, position)
        name = Name.from_wire(rdata[position:following])
        moved += (_moved(name, old, new_of(name)) if name.is_within(old) else name).wire
        position = following
    return bytes(moved + rdata[end:])
