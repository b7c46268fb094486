"""Writing names and records into a message, compressed as RFC 6762 §18.14 asks."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from mcast.dns.codes import CLASS_MASK, PSEUDO_TYPES, TOP_BIT, RecordType
from mcast.dns.names import Name, end_of_wire
from mcast.dns.rdata import ANY_TAIL, COMPRESSED_TYPES, LAYOUTS, POINTER, Layout, name_span
from mcast.dns.records import Record

MAX_POINTER: Final = 0x3FFF
"""The highest position that a compression pointer can tell (RFC 1035 §4.1.4)."""

_QUESTION: Final = struct.Struct("!HH").pack
_RECORD: Final = struct.Struct("!HHIH").pack
_POINTED_RECORD: Final = struct.Struct("!HHHIH").pack
_POINTER: Final = struct.Struct("!H").pack
_LENGTH: Final = struct.Struct("!H").pack_into
_NO_HEADER: Final = bytes(12)

_OTHER: Final = -1
"""Of a type whose rdata does not end with its one name."""

Compression = dict[int, int]
"""The types in whose rdata names are compressed, each with the octets before the name, or `_OTHER`."""


def compression(types: Iterable[int]) -> Compression:
    """Return what `Writer` wants to know of the types in whose rdata it is to compress names."""
    layouts = {int(rtype): LAYOUTS[rtype] for rtype in types}
    return {
        rtype: layout.fixed if (layout.strings, layout.names, layout.tail) == (0, 1, 0) else _OTHER
        for rtype, layout in layouts.items()
    }


_COMPRESSED: Final = compression(COMPRESSED_TYPES)
_LEGACY: Final = compression(COMPRESSED_TYPES - {RecordType.SRV})


class Writer:
    """A message that is being written: its octets, and where in them each name stands.

    Names are compared octet by octet here, so that every name keeps the case that its owner gave it.

    :param legacy: leave the targets of SRV records uncompressed (RFC 6762 §18.14, legacy unicast responses).
    :param compressed: what `compression` says of the types in whose rdata names are compressed; in
        conventional DNS there are fewer.
    :param header: the first octets; whoever leaves them out writes them into ``buffer`` later.
    """

    __slots__ = ("_compressed", "_names", "buffer")

    def __init__(
        self, legacy: bool = False, *, compressed: Compression = _COMPRESSED, header: bytes = _NO_HEADER
    ) -> None:
        self.buffer: Final = bytearray(header)
        # The pointer to each name.
        self._names: Final[dict[bytes, int]] = {}
        self._compressed: Final = _LEGACY if legacy else compressed

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
        # The first name of a message has nothing to point to.
        is_first = not names
        pointer = None if is_first else names.get(wire)
        if pointer is not None:
            buffer += _POINTER(pointer)
            return
        base = len(buffer)
        at = 0
        rest = wire
        while length := rest[0]:
            if base + at <= MAX_POINTER:
                names[rest] = base + at + POINTER
            at += length + 1
            rest = wire[at:]
            pointer = None if is_first else names.get(rest)
            if pointer is not None:
                buffer += wire[:at]
                buffer += _POINTER(pointer)
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
            buffer = self.buffer
            buffer += _QUESTION(qtype, qclass | TOP_BIT if unicast else qclass)
        except struct.error:
            raise ValueError(f"a type is 0 to 65535, not {qtype}") from None

    def write_record(self, record: Record) -> None:
        """Write a record.

        :raises ValueError: a number is out of range, the rdata does not have the layout of its type, or it is
            a pseudo-record.
        """
        rtype = record.type
        rclass = record.rclass
        if not 0 <= rclass <= CLASS_MASK:
            raise ValueError(f"a class is 0 to {CLASS_MASK}, not {rclass}")
        if rtype in PSEUDO_TYPES:
            raise ValueError("a pseudo-record is no record")
        if record.cache_flush:
            rclass |= TOP_BIT
        self.write_fields(record.name.wire, rtype, rclass, record.ttl, record.rdata)

    def write_fields(self, owner: bytes, rtype: int, class_field: int, ttl: int, rdata: bytes) -> None:
        """Write a record from the values of its fields.

        :raises ValueError: a number is out of range, or the rdata does not have the layout of its type.
        """
        buffer = self.buffer
        names = self._names
        # To find pointers before anything is written spares a quarter of the time: the length is known then,
        # and all numbers are packed at once.
        owner_pointer = names.get(owner)
        if owner_pointer is None:
            self.write_name(owner)
        fixed = self._compressed.get(rtype)
        pointer = None
        label = 0
        length = len(rdata)
        try:
            if fixed is not None and fixed != _OTHER:
                target = rdata[fixed:] if fixed else rdata
                pointer = names.get(target)
                if pointer is None:
                    label = target[0] + 1
                    # The root has nothing after it, and so no pointer.
                    pointer = names.get(target[label:]) if label > 1 else None
                length = fixed + label + 2
            if owner_pointer is None:
                buffer += _RECORD(rtype, class_field, ttl, length)
            else:
                buffer += _POINTED_RECORD(owner_pointer, rtype, class_field, ttl, length)
            if fixed is None:
                buffer += rdata
                return
            start = len(buffer)
            if pointer is None:
                self._write_compressed(LAYOUTS[rtype], rdata)
                _LENGTH(buffer, start - 2, len(buffer) - start)
                return
        except IndexError:
            raise ValueError(f"the rdata of type {rtype} is cut short") from None
        except struct.error:
            raise ValueError(
                f"type {rtype}, TTL {ttl} or {len(rdata)} octets of rdata is out of range"
            ) from None
        if label and start + fixed <= MAX_POINTER:
            names[target] = start + fixed + POINTER
        buffer += rdata[: fixed + label]
        buffer += _POINTER(pointer)

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
