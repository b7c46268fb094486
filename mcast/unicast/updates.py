"""Messages of DNS Update: prerequisites, changes, and what a server answers (RFC 2136)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from mcast.dns.codes import OPCODE_SHIFT, Opcode, RecordClass, RecordType
from mcast.dns.messages import Message
from mcast.dns.names import Name
from mcast.dns.records import Record

MAX_UPDATE = 0xFFFF
"""Octets of an update: what the length field of DNS over TCP can say (RFC 7766 §8)."""

_HEADER: Final = struct.Struct("!6H")
_RECORD: Final = struct.Struct("!HHIH")


class UpdateCode(IntEnum):
    """RCODE values of a response to an update (RFC 2136 §2.2)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    YXDOMAIN = 6
    YXRRSET = 7
    NXRRSET = 8
    NOTAUTH = 9
    NOTZONE = 10


PREREQUISITE_CODES: Final = frozenset(
    {UpdateCode.NXDOMAIN, UpdateCode.YXDOMAIN, UpdateCode.YXRRSET, UpdateCode.NXRRSET}
)
"""What says that a prerequisite does not hold, so that nothing was changed (RFC 2136 §3.2)."""

_MEANINGS: Final = {
    UpdateCode.FORMERR: "it does not understand the update (FORMERR)",
    UpdateCode.SERVFAIL: "it failed, and its log says why: often it cannot write the zone (SERVFAIL)",
    UpdateCode.NOTIMP: "it takes no updates at all (NOTIMP)",
    UpdateCode.REFUSED: "it refuses the update; the zone must allow it with this key, unfrozen (REFUSED)",
    UpdateCode.NOTAUTH: "it is not a server of this zone, or wants a key (NOTAUTH)",
    UpdateCode.NOTZONE: "a name of the update is outside of the zone (NOTZONE)",
}


def meaning_of(code: int) -> str:
    """Return in plain words what a server means by an RCODE other than NOERROR."""
    try:
        known = UpdateCode(code)
    except ValueError:
        return f"it answers with the unknown code {code}"
    return _MEANINGS.get(known, f"a condition of the update does not hold ({known.name})")


@dataclass(frozen=True, slots=True)
class Update:
    """What a server is asked to change in a zone, all of it or nothing (RFC 2136 §3.4)."""

    zone: Name
    prerequisites: tuple[Record, ...]
    """Made by `name_is_free`, `records_are` and the like; all must hold, or nothing is changed."""
    changes: tuple[Record, ...]
    """Records to add, as they are, and what `without_name` and the like make; done in order."""


# Prerequisites (RFC 2136 §2.4)


def name_is_free(name: Name) -> Record:
    """Return the prerequisite that nothing has this name (RFC 2136 §2.4.5)."""
    return Record(name, RecordType.ANY, RecordClass.NONE, 0, b"")


def set_is_absent(name: Name, rtype: int) -> Record:
    """Return the prerequisite that a name has no record of a type (RFC 2136 §2.4.3)."""
    return Record(name, rtype, RecordClass.NONE, 0, b"")


def records_are(records: Iterable[Record]) -> tuple[Record, ...]:
    """Return the prerequisites that record sets are exactly these, whatever their TTL (RFC 2136 §2.4.2)."""
    return tuple(Record(one.name, one.type, RecordClass.IN, 0, one.rdata) for one in records)


# Changes (RFC 2136 §2.5)


def without_name(name: Name) -> Record:
    """Return the change that deletes all records of a name (RFC 2136 §2.5.3)."""
    return Record(name, RecordType.ANY, RecordClass.ANY, 0, b"")


def without_set(name: Name, rtype: int) -> Record:
    """Return the change that deletes the records of a name and type (RFC 2136 §2.5.2)."""
    return Record(name, rtype, RecordClass.ANY, 0, b"")


def without(record: Record) -> Record:
    """Return the change that deletes one record of a set (RFC 2136 §2.5.4)."""
    return Record(record.name, record.type, RecordClass.NONE, 0, record.rdata)


# Octets


def encode_update(update: Update, identifier: int) -> bytes:
    """Return the octets of an update (RFC 2136 §2).

    Nothing is compressed: an SRV target must not be (RFC 2782), and the rest saves octets that TCP has.

    :raises ValueError: it is larger than a message can be.
    """
    octets = bytearray(
        _HEADER.pack(
            identifier,
            Opcode.UPDATE << OPCODE_SHIFT,
            1,
            len(update.prerequisites),
            len(update.changes),
            0,
        )
    )
    octets += update.zone.wire
    octets += struct.pack("!HH", RecordType.SOA, RecordClass.IN)
    for record in (*update.prerequisites, *update.changes):
        octets += record.name.wire
        octets += _RECORD.pack(record.type, record.rclass, record.ttl, len(record.rdata))
        octets += record.rdata
    if len(octets) > MAX_UPDATE:
        raise ValueError(f"an update of {len(octets)} octets; a message has {MAX_UPDATE} at most")
    return bytes(octets)


def encode_question(name: Name, rtype: int, identifier: int) -> bytes:
    """Return the octets of a question to a server that has the zone itself: no recursion is wanted."""
    header = _HEADER.pack(identifier, 0, 1, 0, 0, 0)
    return header + name.wire + struct.pack("!HH", rtype, RecordClass.IN)


def zone_in(reply: Message, domain: Name) -> Name | None:
    """Return the zone that a domain lies in, from a server's answer to a question for its SOA record.

    The SOA stands in the answer when the domain is the top of a zone, and otherwise in the authority section
    of the negative answer (RFC 2308 §3). None when there is none that can be right.
    """
    for record in (*reply.answers, *reply.authorities):
        if record.type == RecordType.SOA and domain.is_within(record.name):
            return record.name
    return None
