"""Ethernet frames with UDP in them: octets to values and back (RFC 768, RFC 791, RFC 894, RFC 8200). Pure."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_IPV6 = 0x86DD
UDP = 17
FRAGMENT_HEADER = 44
"""The next header that says that a fragment header follows (RFC 8200 §4.5)."""

MAX_FRAGMENTS = 64
"""Fragments that are kept while the others of their datagram have not come. Our choice: seven datagrams of
9000 octets."""

_ETHERNET = struct.Struct("!6s6sH")
_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")
_UDP = struct.Struct("!HHHH")
_MORE_FRAGMENTS = 0x2000
_OFFSET = 0x1FFF


@dataclass(frozen=True, slots=True)
class Datagram:
    """A UDP datagram and how it went over the link."""

    source_mac: bytes
    source: str
    source_port: int
    destination: str
    destination_port: int
    data: bytes
    hop_limit: int = 255
    destination_mac: bytes = b""
    """Where it is empty, that of the group."""
    ip_size: int = 0
    """Octets of the IP packet, were it not in fragments; the encoder takes no notice of it."""
    fragments: int = 1


@dataclass(frozen=True, slots=True)
class _Packet:
    """An IP packet or a fragment of one."""

    frame: Datagram
    key: tuple[bytes, bytes, int]
    offset: int
    more: bool
    payload: bytes
    header_size: int


class FrameReader:
    """Takes UDP datagrams out of frames, and puts fragments together."""

    def __init__(self) -> None:
        self._parts: dict[tuple[bytes, bytes, int], list[_Packet]] = {}
        self.dropped = 0
        """Fragments whose others never came."""

    def read(self, frame: bytes) -> Datagram | None:
        """Return the datagram that the frame holds or completes; None for anything else."""
        try:
            packet = _read_packet(frame)
            if packet is None:
                return None
            if packet.offset or packet.more:
                return self._gather(packet)
            return _datagram(packet.frame, packet.payload, packet.header_size, 1)
        except (struct.error, ValueError, IndexError):
            return None

    def _gather(self, packet: _Packet) -> Datagram | None:
        parts = self._parts.setdefault(packet.key, [])
        parts.append(packet)
        if sum(map(len, self._parts.values())) > MAX_FRAGMENTS:
            oldest = next(iter(self._parts))
            self.dropped += len(self._parts.pop(oldest))
        parts.sort(key=lambda part: part.offset)
        payload = b""
        for part in parts:
            if part.offset != len(payload):
                return None
            payload += part.payload
        if parts[-1].more:
            return None
        self._parts.pop(packet.key, None)
        return _datagram(packet.frame, payload, packet.header_size, len(parts))


def _read_packet(frame: bytes) -> _Packet | None:
    destination_mac, source_mac, kind = _ETHERNET.unpack_from(frame)
    body = frame[_ETHERNET.size :]
    if kind == ETHERTYPE_IPV4:
        first, _, size, identifier, place, hops, protocol, _, source, destination = _IPV4.unpack_from(body)
        header = (first & 15) * 4
        if protocol != UDP or first >> 4 != 4:
            return None
        offset, more = (place & _OFFSET) * 8, bool(place & _MORE_FRAGMENTS)
        payload = body[header:size]
        addresses = str(IPv4Address(source)), str(IPv4Address(destination))
    elif kind == ETHERTYPE_IPV6:
        _, size, following, hops, source, destination = _IPV6.unpack_from(body)
        header, offset, more, identifier = _IPV6.size, 0, False, 0
        payload = body[header : header + size]
        if following == FRAGMENT_HEADER:
            following, _, place, identifier = struct.unpack_from("!BBHI", payload)
            offset, more, payload = place & ~7, bool(place & 1), payload[8:]
        if following != UDP:
            return None
        addresses = str(IPv6Address(source)), str(IPv6Address(destination))
    else:
        return None
    shell = Datagram(source_mac, addresses[0], 0, addresses[1], 0, b"", hops, destination_mac)
    return _Packet(shell, (source, destination, identifier), offset, more, payload, header)


def _datagram(shell: Datagram, payload: bytes, header: int, fragments: int) -> Datagram:
    source_port, destination_port, length, _ = _UDP.unpack_from(payload)
    return replace(
        shell,
        source_port=source_port,
        destination_port=destination_port,
        data=payload[_UDP.size : length],
        ip_size=header + len(payload),
        fragments=fragments,
    )


def group_mac(group: IPv4Address | IPv6Address) -> bytes:
    """Return the Ethernet address of a group (RFC 1112 §6.4, RFC 2464 §7)."""
    if isinstance(group, IPv4Address):
        return bytes((0x01, 0x00, 0x5E, group.packed[1] & 0x7F)) + group.packed[2:]
    return b"\x33\x33" + group.packed[12:]


def write_frame(datagram: Datagram) -> bytes:
    """Return the frame of a datagram.

    :raises ValueError: addresses of two families, a unicast destination without an Ethernet address, or more
        octets than a packet has.
    """
    source, destination = ip_address(datagram.source), ip_address(datagram.destination)
    if source.version != destination.version:
        raise ValueError(f"{source} and {destination} are of two families")
    mac = datagram.destination_mac
    if not mac:
        if not destination.is_multicast:
            raise ValueError(f"the Ethernet address of {destination} is not known")
        mac = group_mac(destination)
    size = _UDP.size + len(datagram.data)
    if size > 0xFFFF - _IPV6.size:
        raise ValueError(f"{len(datagram.data)} octets are more than a datagram has")
    pseudo = source.packed + destination.packed + struct.pack("!II", size, UDP)
    udp = _UDP.pack(datagram.source_port, datagram.destination_port, size, 0) + datagram.data
    check = checksum(pseudo + udp) or 0xFFFF
    udp = udp[:6] + check.to_bytes(2, "big") + udp[8:]
    hops = datagram.hop_limit
    if isinstance(source, IPv4Address):
        total = _IPV4.size + size
        fields = (0x45, 0, total, 0, 0x4000, hops, UDP)  # 0x4000: do not fragment
        header = _IPV4.pack(*fields, 0, source.packed, destination.packed)
        header = _IPV4.pack(*fields, checksum(header), source.packed, destination.packed)
        kind = ETHERTYPE_IPV4
    else:
        header = _IPV6.pack(6 << 28, size, UDP, hops, source.packed, destination.packed)
        kind = ETHERTYPE_IPV6
    return _ETHERNET.pack(mac, datagram.source_mac, kind) + header + udp


def checksum(octets: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    if len(octets) % 2:
        octets += b"\0"
    total = sum(_words(octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _words(octets: bytes) -> Sequence[int]:
    return struct.unpack(f"!{len(octets) // 2}H", octets)
