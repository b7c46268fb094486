"""Reading frames from capture files: pcap, and pcapng with interfaces of any number and kinds.

See draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_BLOCK = 1 << 24
"""Octets of a frame or block. Our choice: 64 times what tcpdump captures of a frame at most."""

_PCAP_MAGIC = {
    b"\xa1\xb2\xc3\xd4": (">", 10**6),
    b"\xd4\xc3\xb2\xa1": ("<", 10**6),
    b"\xa1\xb2\x3c\x4d": (">", 10**9),
    b"\x4d\x3c\xb2\xa1": ("<", 10**9),
}
"""Order of octets, and parts of a second, by how a pcap file begins."""

_SECTION = b"\x0a\x0d\x0d\x0a"
_BYTE_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 1, 2, 3, 6
_NAME, _RESOLUTION, _OFFSET = 2, 9, 14


class CutShort(ValueError):
    """A capture ends, or makes no sense any more, in the middle; what came before has been read."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What was captured on a link."""

    at: float
    """Seconds since 1970; 0 where the file does not tell."""
    link_type: int
    interface: str
    """Its name; empty where the file does not tell, and has but one."""
    data: bytes


@dataclass(frozen=True, slots=True)
class _Interface:
    link_type: int
    snap_length: int
    name: str
    parts: int = 10**6
    """Parts of a second that times are counted in."""
    offset: int = 0
    """Seconds to add to each time."""


def read_frames(stream: BinaryIO) -> Iterator[Frame]:
    """Yield the frames of a capture, in its order.

    :raises CutShort: after all that could be read.
    :raises ValueError: this is no capture file.
    """
    magic = stream.read(4)
    if magic in _PCAP_MAGIC:
        return _read_pcap(stream, *_PCAP_MAGIC[magic])
    if magic == _SECTION:
        return _read_pcapng(stream)
    raise ValueError("not a pcap or pcapng file")


def _read_pcap(stream: BinaryIO, order: str, parts: int) -> Iterator[Frame]:
    head = stream.read(20)
    if len(head) < 20:
        raise ValueError("not a pcap or pcapng file: it ends in its first line")
    # The upper bits tell of a checksum at the end of each frame.
    link_type = struct.unpack(f"{order}HHiIII", head)[-1] & 0xFFFF
    while head := stream.read(16):
        if len(head) < 16:
            raise CutShort("it ends in the middle of a packet")
        seconds, fraction, size, _ = struct.unpack(f"{order}IIII", head)
        yield Frame(seconds + fraction / parts, link_type, "", _exactly(stream, size))


def _read_pcapng(stream: BinaryIO) -> Iterator[Frame]:
    order = "<"
    interfaces: list[_Interface] = []
    kind = _SECTION
    while kind:
        if len(kind) < 4:
            raise CutShort("it ends in the middle of a block")
        if kind == _SECTION:
            size = _exactly(stream, 4)
            order = _BYTE_ORDERS.get(_exactly(stream, 4), "")
            if not order:
                raise CutShort("a section of it has no order of octets")
            interfaces = []
            body = _rest_of_block(stream, order, size, begun=12)
        else:
            body = _rest_of_block(stream, order, _exactly(stream, 4), begun=8)
        try:
            (number,) = struct.unpack(f"{order}I", kind)
            if kind == _SECTION:
                pass
            elif number == _INTERFACE:
                interfaces.append(_read_interface(order, body, len(interfaces)))
            elif number in (_OLD_PACKET, _SIMPLE_PACKET, _PACKET):
                yield _read_packet(order, number, body, interfaces)
        except (struct.error, IndexError):
            raise CutShort("a block of it makes no sense") from None
        kind = stream.read(4)


def _rest_of_block(stream: BinaryIO, order: str, size_octets: bytes, begun: int) -> bytes:
    """Return what a block holds, without its length at both ends."""
    (size,) = struct.unpack(f"{order}I", size_octets)
    if size < begun + 4:
        raise CutShort("a block of it makes no sense")
    body = _exactly(stream, size - begun)
    if body[-4:] != size_octets:
        raise CutShort("a block of it makes no sense")
    return body[:-4]


def _exactly(stream: BinaryIO, size: int) -> bytes:
    if size > MAX_BLOCK:
        raise CutShort(f"a packet of it has {size} octets")
    octets = stream.read(size)
    if len(octets) < size:
        raise CutShort("it ends in the middle of a packet")
    return octets


def _read_interface(order: str, body: bytes, number: int) -> _Interface:
    link_type, _, snap_length = struct.unpack_from(f"{order}HHI", body)
    options = dict(_read_options(order, body[8:]))
    name = options.get(_NAME, b"").rstrip(b"\0").decode("utf-8", "backslashreplace")
    resolution = options.get(_RESOLUTION, b"\x06")[0]
    base = 2 if resolution & 0x80 else 10
    (offset,) = struct.unpack(f"{order}q", options.get(_OFFSET, bytes(8)))
    # The first one needs no name: most captures have no other.
    name = name or (f"#{number}" if number else "")
    return _Interface(link_type, snap_length, name, base ** (resolution & 0x7F), offset)


def _read_options(order: str, octets: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(octets):
        code, size = struct.unpack_from(f"{order}HH", octets, at)
        if not code:
            return
        yield code, octets[at + 4 : at + 4 + size]
        at += 4 + size + -size % 4


def _read_packet(order: str, kind: int, body: bytes, interfaces: list[_Interface]) -> Frame:
    if kind == _SIMPLE_PACKET:
        interface = interfaces[0]
        (size,) = struct.unpack_from(f"{order}I", body)
        size = min(size, interface.snap_length or size)
        return Frame(0.0, interface.link_type, interface.name, body[4 : 4 + size])
    if kind == _PACKET:
        place, high, low, size, _ = struct.unpack_from(f"{order}IIIII", body)
    else:
        place, _, high, low, size, _ = struct.unpack_from(f"{order}HHIIII", body)
    interface = interfaces[place]
    at = (high << 32 | low) / interface.parts + interface.offset
    return Frame(at, interface.link_type, interface.name, body[20 : 20 + size])
