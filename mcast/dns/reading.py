"""Reading names, and rdata with names in it, out of a datagram.

Positions are octets from the start of the datagram. Every function takes ``names``, the names of this datagram that
were read already, by position: nearly every name ends in a pointer to one of them. A position where reading failed is
remembered with None, so that a datagram full of pointers to one bad name costs no more than any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mcast.dns.codes import RecordType
from mcast.dns.names import MAX_LABELS, MAX_NAME, Name, intern_wire
from mcast.dns.rdata import ANY_TAIL, LAYOUTS, Layout
from mcast.errors import MalformedMessage

HEADER_SIZE: Final = 12
"""Octets of the header (RFC 1035 §4.1.1)."""

Names = dict[int, Name | None]
"""Names by the position where they start; None where there is no name."""

_STEPS: Final = range(2 * MAX_LABELS + 1)
"""The most labels and pointers that one name may consist of.

Our choice: each pointer but the last leads to at least one label in any sensible message, so that more steps than
twice the labels of the longest name are an attack on the reader.
"""


def read_name(data: bytes, start: int, names: Names) -> tuple[Name, int]:
    """Return the name at ``start``, and the position after it.

    :raises MalformedMessage: a pointer does not lead backwards, or into the header, or the name is too long.
    :raises IndexError: the datagram ends within the name.
    """
    position = fragment = start
    prefix = b""
    end = 0
    pieces: list[tuple[int, int]] = []
    for _ in _STEPS:
        length = data[position]
        if 0 < length < 0x40:
            position += length + 1
            continue
        prefix += data[fragment:position]
        if length >= 0xC0:
            target = (length & 0x3F) << 8 | data[position + 1]
            end = end or position + 2
            suffix = names.get(target)
            if suffix is not None:
                wire = prefix + suffix.wire
                break
            # Only backwards: a pointer never leads to where its own fragment starts or beyond, so there is no loop.
            if HEADER_SIZE <= target < fragment and target not in names:
                position = fragment = target
                pieces.append((target, len(prefix)))
                continue
            reason = "a compression pointer leads nowhere"
        elif length:
            reason = "a label has a reserved length"
        else:
            end = end or position + 1
            wire = prefix + b"\0"
            break
        names[start] = None
        raise MalformedMessage(reason, position)
    else:
        names[start] = None
        raise MalformedMessage("a name has too many labels", start)
    if len(wire) > MAX_NAME:
        names[start] = None
        raise MalformedMessage("a name is too long", start)
    name = names[start] = intern_wire(wire)
    for target, cut in pieces:
        names[target] = intern_wire(wire[cut:])
    return name, end


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
    **{rtype: _read_layout(layout) for rtype, layout in LAYOUTS.items()},
    RecordType.A: _read_ipv4,
    RecordType.NS: _read_target,
    RecordType.CNAME: _read_target,
    RecordType.PTR: _read_target,
    RecordType.DNAME: _read_target,
    RecordType.HINFO: _read_host_info,
    RecordType.TXT: _read_text,
    RecordType.AAAA: _read_ipv6,
    RecordType.SRV: _read_service,
    RecordType.NSEC: _read_next_secure,
}
"""What turns the rdata of a type into octets that mean the same outside of the datagram.

Called with the datagram, where the rdata starts and ends, and ``names``; raises MalformedMessage, or IndexError where
the datagram ends too early. The rdata of any other type is taken as it is.
"""
