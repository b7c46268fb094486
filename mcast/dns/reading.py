"""Reading names, and rdata with names in it, out of a datagram.

Positions are octets from the start of the datagram. Every function takes ``names``: the names of this
datagram that have been read so far. Nearly every name ends in a pointer to one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mcast.dns.codes import RecordType
from mcast.dns.names import IS_COMPILED, LOCAL, MAX_LABELS, MAX_NAME, ROOT, Name, intern_wire, interned
from mcast.dns.rdata import ANY_TAIL, LAYOUTS, POINTER, Layout
from mcast.errors import MalformedMessage

if TYPE_CHECKING:
    # A number of the machine where this is compiled, and an int otherwise.
    from mypy_extensions import i64

HEADER_SIZE: Final = 12
"""Octets of the header (RFC 1035 §4.1.1)."""

Names = dict[int, Name | None]
"""Names by the pointer that leads to them; None where a pointer leads to no name."""

_RESERVED: Final = 0x40
"""A length octet that starts neither a label nor a pointer (RFC 1035 §4.1.4)."""

_LOCAL: Final = LOCAL.wire

_STEPS: Final = range(MAX_LABELS + 1)
"""The most labels, and the pointer or zero octet after them, that a name consists of."""


def two_octets(data: bytes, start: i64) -> i64:
    """Return the number that two octets hold.

    :raises IndexError: the datagram ends within it.
    """
    number: i64 = data[start]
    return number << 8 | data[start + 1]


def record_fields(data: bytes, start: i64) -> tuple[i64, i64, i64, i64]:
    """Return the fields of a record that follow the name: type, class field, TTL, and length of the rdata.

    :raises IndexError: the datagram ends within them.
    """
    ttl = two_octets(data, start + 4) << 16 | two_octets(data, start + 6)
    return two_octets(data, start), two_octets(data, start + 2), ttl, two_octets(data, start + 8)


def read_name(data: bytes, start: i64, names: Names) -> tuple[Name, i64]:
    """Return the name at ``start``, and the position after it.

    :raises MalformedMessage: a pointer does not lead backwards, or into the header, or the name is too long.
    :raises IndexError: the datagram ends within the name.
    """
    position: i64
    if not IS_COMPILED and not names:
        # The first name of a datagram has nothing to point to. To look up its octets is faster than to read
        # them. It is safe: a name tells its own end, so that octets that are a known name are no other name.
        position = data.find(b"\0", start, start + MAX_NAME) + 1
        name = interned.get(data[start:position])
        if name is not None:
            names[start + POINTER] = name
            return name, position
    length: i64 = data[start]
    position = start + length + 1
    # One label and a pointer is what most names consist of, when they do not consist of a pointer alone.
    if 0 < length < 0x40 and data[position] >= 0xC0:
        pointer = two_octets(data, position)
        suffix = names.get(pointer) or read_suffix(data, start, pointer, names)
        wire = data[start:position] + suffix.wire
        position += 2
    else:
        wire, position = _read_labels(data, start, names)
    name = interned.get(wire)
    if name is None:
        if len(wire) > MAX_NAME:
            raise MalformedMessage("a name is too long", start)
        name = intern_wire(wire)
    names[start + POINTER] = name
    return name, position


def _read_labels(data: bytes, start: i64, names: Names) -> tuple[bytes, i64]:
    """Return the wire form, perhaps too long, of the name at ``start``, and the position after it."""
    position: i64 = start
    for _ in _STEPS:
        length: i64 = data[position]
        if not length:
            return data[start : position + 1], position + 1
        if length < 0x40:
            position += length + 1
            continue
        pointer = two_octets(data, position)
        suffix = names.get(pointer) or read_suffix(data, start, pointer, names)
        return data[start:position] + suffix.wire, position + 2
    raise MalformedMessage("a name is too long", start)


def _end_of_plain_name(data: bytes, start: i64) -> i64:
    """Return where the name at ``start`` ends when no pointer is in it; otherwise 0."""
    position: i64 = start
    limit: i64 = min(len(data), start + MAX_NAME)
    while position < limit:
        length: i64 = data[position]
        position += length + 1
        if not length:
            return position
        if length >= 0x40:
            return 0
    return 0


def read_suffix(data: bytes, start: i64, pointer: i64, names: Names) -> Name:
    """Return the name that ``pointer`` leads to, when it is met for the first time.

    :param start: where the name that ends in the pointer begins.
    :raises MalformedMessage: there is no name; or this is no pointer but a reserved label length.
    """
    target: i64 = pointer - POINTER
    if HEADER_SIZE <= target < start:
        # As in `read_name`: most often a known name without pointers stands there, and that is "local.".
        if data[target : target + len(_LOCAL)] == _LOCAL:
            names[pointer] = LOCAL
            return LOCAL
        if IS_COMPILED:
            end = _end_of_plain_name(data, target)
        else:
            end = data.find(b"\0", target, target + MAX_NAME) + 1
        known = interned.get(data[target:end]) if end else None
        if known is not None:
            names[pointer] = known
            return known
    # First forward along the pointers, then back: so each of them is followed only once in a datagram,
    # whether it leads to a name or not.
    chain: list[tuple[int, bytes]] = []
    name: Name | None = None
    fragment = start
    # A pointer leads to before the labels that it ends. So there are neither loops nor forward pointers.
    while pointer not in names and HEADER_SIZE <= pointer - POINTER < fragment:
        fragment = position = pointer - POINTER
        length = data[position]
        while 0 < length < 0x40 and position < fragment + MAX_NAME:
            position += length + 1
            length = data[position] if position < len(data) else _RESERVED
        chain.append((pointer, data[fragment:position]))
        if not length:
            name = ROOT
            break
        pointer = length << 8 | data[position + 1] if position + 1 < len(data) else 0
    else:
        name = names.get(pointer)
    for pointer, labels in reversed(chain):
        if name is not None:
            wire = labels + name.wire
            name = intern_wire(wire) if len(wire) <= MAX_NAME else None
        names[pointer] = name
    if name is None:
        raise MalformedMessage("there is no name where a label or pointer leads", start)
    return name


def _read_target(data: bytes, start: int, end: int, names: Names) -> bytes:
    """Read rdata that is one name."""
    name, position = read_name(data, start, names)
    if position != end:
        raise MalformedMessage("a name does not fill the rdata", position)
    return name.wire


def _read_service(data: bytes, start: int, end: int, names: Names) -> bytes:
    name, position = read_name(data, start + 6, names)
    if position != end:
        raise MalformedMessage("a name does not fill the rdata", position)
    return data[start : start + 6] + name.wire


def _read_ipv4(data: bytes, start: int, end: int, names: Names) -> bytes:
    if end - start != 4:
        raise MalformedMessage("an IPv4 address has not 4 octets", start)
    return data[start:end]


def _read_ipv6(data: bytes, start: int, end: int, names: Names) -> bytes:
    if end - start != 16:
        raise MalformedMessage("an IPv6 address has not 16 octets", start)
    return data[start:end]


def _read_text(data: bytes, start: int, end: int, names: Names) -> bytes:
    position = start
    while position < end:
        position += data[position] + 1
    if position != end:
        raise MalformedMessage("a string does not end within the rdata", position)
    return data[start:end]


def _read_host_info(data: bytes, start: int, end: int, names: Names) -> bytes:
    position = start + 1 + data[start]
    if position >= end or position + 1 + data[position] != end:
        raise MalformedMessage("the rdata is not two strings", start)
    return data[start:end]


def _read_next_secure(data: bytes, start: int, end: int, names: Names) -> bytes:
    # RFC 6762 §6.1: whatever the next domain name is, the rest counts.
    name, bitmaps = read_name(data, start, names)
    position = bitmaps
    last = -1
    while position < end:
        block, length = data[position], data[position + 1]
        if block <= last or not 0 < length <= 32:
            raise MalformedMessage("a type bitmap is malformed", position)
        last = block
        position += 2 + length
    if position != end:
        raise MalformedMessage("a type bitmap does not end with the rdata", position)
    return name.wire + data[bitmaps:end]


def _read_layout(layout: Layout) -> RdataReader:
    """Return the reader of rdata that has ``layout``."""

    def read(data: bytes, start: int, end: int, names: Names) -> bytes:
        position = start + layout.fixed
        for _ in range(layout.strings):
            position += 1 + data[position]
        rdata = data[start:position]
        for _ in range(layout.names):
            name, position = read_name(data, position, names)
            rdata += name.wire
        if position > end or (layout.tail != ANY_TAIL and end - position != layout.tail):
            raise MalformedMessage("the rdata has another length than its type", position)
        return rdata + data[position:end]

    return read


RdataReader = Callable[[bytes, int, int, Names], bytes]

RDATA_READERS: Final[dict[int, RdataReader]] = {
    **{int(rtype): _read_layout(layout) for rtype, layout in LAYOUTS.items()},
    int(RecordType.A): _read_ipv4,
    int(RecordType.NS): _read_target,
    int(RecordType.CNAME): _read_target,
    int(RecordType.PTR): _read_target,
    int(RecordType.DNAME): _read_target,
    int(RecordType.HINFO): _read_host_info,
    int(RecordType.TXT): _read_text,
    int(RecordType.AAAA): _read_ipv6,
    int(RecordType.SRV): _read_service,
    int(RecordType.NSEC): _read_next_secure,
}
"""What turns the rdata of a type into octets that mean the same outside of the datagram.

Called with the datagram, where the rdata starts and ends, and ``names``; raises MalformedMessage, or
IndexError where the datagram ends too early. The rdata of any other type is taken as it is.
"""
