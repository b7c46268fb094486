"""Records as they stand in a message, octet by octet: what the decoder hides, such as compression."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from mcast.dns.codes import RecordType

_FIELDS = struct.Struct("!HHIH")
POINTER = 0xC0
"""The first octet of a compression pointer is at least this (RFC 1035 §4.1.4)."""


@dataclass(frozen=True, slots=True)
class RawRecord:
    """Where a record stands."""

    type: int
    length: int
    """Octets of its rdata."""
    rdata: bytes
    """With compression as it is."""

    @property
    def ends_in_pointer(self) -> bool:
        """Whether the name in the rdata of a PTR or SRV record ends in a compression pointer."""
        position = 6 if self.type == RecordType.SRV else 0
        while position < len(self.rdata):
            octet = self.rdata[position]
            if octet >= POINTER:
                return True
            if octet == 0:
                return False
            position += 1 + octet
        return False


def raw_records(data: bytes) -> Iterator[RawRecord]:
    """Yield the records of a message in their order; stops where it makes no sense."""
    try:
        questions, *counts = struct.unpack_from("!4H", data, 4)
        position = 12
        for _ in range(questions):
            position = _after_name(data, position) + 4
        for _ in range(sum(counts)):
            position = _after_name(data, position)
            rtype, _, _, length = _FIELDS.unpack_from(data, position)
            position += _FIELDS.size
            yield RawRecord(rtype, length, data[position : position + length])
            position += length
    except (IndexError, struct.error):
        return


def _after_name(data: bytes, position: int) -> int:
    while data[position]:
        if data[position] >= POINTER:
            return position + 2
        position += 1 + data[position]
    return position + 1
