"""Writing names and records into a message, compressed as RFC 6762 §18.14 asks."""

from __future__ import annotations

import struct
from typing import Final

from mcast.dns.codes import CLASS_MASK, PSEUDO_TYPES, TOP_BIT, RecordType
from mcast.dns.names import Name, end_of_wire
from mcast.dns.rdata import ANY_TAIL, COMPRESSED_TYPES, LAYOUTS, POINTER, Layout, name_span
from mcast.dns.records import Record

MAX_POINTER: Final = 0x3FFF
"""The highest position that a compression pointer can tell (RFC 1035 §4.1.4)."""

_QUESTION: Final = struct.Struct("!HH").pack
_RECORD: Final = struct.Struct("!HHIH").pack
_LENGTH: Final = struct.Struct("!H").pack_into


class Writer:
    """A message that is being written: its octets, and where in them each name stands.

    Names are compared octet by octet here, so that every name keeps the case that its owner gave it.

    :param legacy: leave the targets of SRV records uncompressed (RFC 6762 §18.14, legacy unicast responses).
    :param compressed: the types in whose rdata names are compressed; in conventional DNS there are fewer.
    """

    __slots__ = ("_compressed", "_names", "buffer")

    def __init__(self, legacy: bool = False, *, compressed: frozenset[int] = COMPRESSED_TYPES) -> None:
        self.buffer: Final = bytearray(12)
        self._names: Final[dict[bytes, bytes]] = {}
        self._compressed: Final = compressed - {int(RecordType.SRV)} if legacy else compressed

    def mark(self) -> tuple[int, int]:
        """Return the present state, for `rewind`."""
        return len(self.buffer), len(self._names)

    def rewind(self, mark: tuple[int, int]) -> None:
        """Forget everything written since ``mark``."""
        size, known = mark
        del self.buffer[size:]
        names = self._names
        # A dict gives back what was put in last.
        while len(names) > known:
            names.popitem()

    def write_name(self, wire: bytes) -> None:
        """Write an uncompressed name in wire form, with a pointer for the longest known end of it.

        :raises IndexError: ``wire`` is cut short.
        :raises ValueError: there is more after its end.
        """
        buffer = self.buffer
        names = self._names
        pointer = names.get(wire)
        if pointer is not None:
            buffer += pointer
            return
        base = len(buffer)
        at = 0
        rest = wire
        while length := rest[0]:
            if base + at <= MAX_POINTER:
                names[rest] = (POINTER + base + at).to_bytes(2, "big")
            at += length + 1
            rest = wire[at:]
            pointer = names.get(rest)
            if pointer is not None:
                buffer += wire[:at]
                buffer += pointer
                return
        if len(rest) != 1:
            raise ValueError("octets after the end of a name")
        buffer += wire

    def write_question(self, name: Name, qtype: int, qclass: int, unicast: bool) -> None:
        """Write a question.

        :raises ValueError: type or class is out of range.
        """
        if not 0 <= qclass <= CLASS_MASK:
            raise ValueError(f"a class is 0 to {CLASS_MASK}, not {qclass}")
        self.write_name(name.wire)
        try:
            self.buffer.extend(_QUESTION(qtype, qclass | TOP_BIT if unicast else qclass))
        except struct.error:
            raise ValueError(f"a type is 0 to 65535, not {qtype}") from None

    def write_record(self, record: Record) -> None:
        """Write a record.

        :raises ValueError: a number is out of range, the rdata does not have the layout of its type, or it is
            a pseudo-record.
        """
        rclass = record.rclass
        if not 0 <= rclass <= CLASS_MASK:
            raise ValueError(f"a class is 0 to {CLASS_MASK}, not {rclass}")
        if record.type in PSEUDO_TYPES:
            raise ValueError("a pseudo-record is no record")
        if record.cache_flush:
            rclass |= TOP_BIT
        self.write_fields(record.name.wire, record.type, rclass, record.ttl, record.rdata)

    def write_fields(self, owner: bytes, rtype: int, class_field: int, ttl: int, rdata: bytes) -> None:
        """Write a record from the values of its fields.

        :raises ValueError: a number is out of range, or the rdata does not have the layout of its type.
        """
        buffer = self.buffer
        self.write_name(owner)
        try:
            buffer += _RECORD(rtype, class_field, ttl, len(rdata))
        except struct.error:
            raise ValueError(
                f"type {rtype}, TTL {ttl} or {len(rdata)} octets of rdata is out of range"
            ) from None
        if rtype not in self._compressed:
            buffer += rdata
            return
        start = len(buffer)
        try:
            self._write_compressed(LAYOUTS[rtype], rdata)
        except IndexError:
            raise ValueError(f"the rdata of type {rtype} is cut short") from None
        _LENGTH(buffer, start - 2, len(buffer) - start)

    def write_rdata(self, rtype: int, rdata: bytes) -> None:
        """Write rdata alone, compressed as in a record: for formats that tell its length elsewhere.

        :raises ValueError: the rdata does not have the layout of its type.
        """
        if rtype not in COMPRESSED_TYPES:
            self.buffer.extend(rdata)
            return
        try:
            self._write_compressed(LAYOUTS[rtype], rdata)
        except IndexError:
            raise ValueError(f"the rdata of type {rtype} is cut short") from None

    def _write_compressed(self, layout: Layout, rdata: bytes) -> None:
        """Write rdata with pointers for the names in it."""
        buffer = self.buffer
        if layout.names == 1 and layout.tail != ANY_TAIL:
            # PTR, SRV and most others: the name ends the rdata, so that nobody has to look where it ends.
            if layout.fixed:
                buffer += rdata[: layout.fixed]
                rdata = rdata[layout.fixed :]
            self.write_name(rdata)
            return
        at, end = name_span(layout, rdata)
        buffer += rdata[:at]
        while at < end:
            following = end_of_wire(rdata, at)
            self.write_name(rdata[at:following])
            at = following
        buffer += rdata[end:]
