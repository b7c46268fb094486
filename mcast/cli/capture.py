"""Multicast DNS packets of capture files."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import BinaryIO

import dpkt

from mcast.cli.capture_files import CutShort, Frame, read_frames
from mcast.mdns.constants import MDNS_PORT

_NULL = 0
_ETHERNET = 1
_RAW = frozenset({12, 14, 101, 228, 229})
_LOOP = 108
_LINUX_COOKED = 113
_LINUX_COOKED_2 = 276

_VLAN_TYPES = frozenset({0x8100, 0x88A8})


_KNOWN = frozenset({_NULL, _ETHERNET, _LOOP, _LINUX_COOKED, _LINUX_COOKED_2, *_RAW})


class IncompleteCapture(ValueError):
    """Not all packets of a capture could be read."""


@dataclass(frozen=True, slots=True)
class CapturedDatagram:
    """A UDP datagram from or to port 5353."""

    at: float
    """When it was captured, seconds since 1970."""
    ipv6: bool
    source: str
    source_port: int
    destination: str
    hop_limit: int
    """IP TTL or hop limit as it was on the wire where the capture was made."""
    payload: bytes
    interface: str = ""
    """Name of the interface; empty where the capture does not tell, and has but one."""


def read_capture(stream: BinaryIO) -> Iterator[CapturedDatagram]:
    """Yield the multicast DNS datagrams of a capture, in its order; every other packet is passed over.

    :raises IncompleteCapture: after all that could be read, when there is more than that.
    :raises ValueError: this is no capture file, or its packets are of a link type that we do not know.
    """
    unknown: Counter[int] = Counter()
    known = 0
    troubles = []
    try:
        for frame in read_frames(stream):
            if frame.link_type not in _KNOWN:
                unknown[frame.link_type] += 1
                continue
            known += 1
            try:
                datagram = _read_ip(frame, _ip_packet(frame.link_type, frame.data))
            except struct.error:
                # The packet is cut by the snapshot length within its link layer.
                continue
            if datagram is not None:
                yield datagram
    except CutShort as error:
        troubles.append(f"the capture is damaged or cut short: {error}; what comes before was read")
    if unknown and not known:
        raise ValueError(f"packets of link type {next(iter(unknown))} cannot be read")
    troubles += [
        f"{count} packet{'s' * (count != 1)} of link type {link_type} cannot be read"
        for link_type, count in unknown.items()
    ]
    if troubles:
        raise IncompleteCapture("; ".join(troubles))


def _ip_packet(link_type: int, frame: bytes) -> bytes:
    """Return what stands behind the header of the link layer; nothing when it is no IP packet."""
    if link_type in _RAW:
        return frame
    if link_type in (_NULL, _LOOP):
        return frame[4:]
    if link_type == _ETHERNET:
        protocol_at = 12
    elif link_type == _LINUX_COOKED:
        protocol_at = 14
    else:
        # The cooked header of version 2 begins with the protocol and is 20 octets long.
        return frame[20:] if frame[:2] in (b"\x08\x00", b"\x86\xdd") else b""
    (protocol,) = struct.unpack_from("!H", frame, protocol_at)
    while protocol in _VLAN_TYPES:
        protocol_at += 4
        (protocol,) = struct.unpack_from("!H", frame, protocol_at)
    return frame[protocol_at + 2 :] if protocol in (0x0800, 0x86DD) else b""


def _read_ip(frame: Frame, packet: bytes) -> CapturedDatagram | None:
    if not packet:
        return None
    ipv6 = packet[0] >> 4 == 6
    try:
        ip = dpkt.ip6.IP6(packet) if ipv6 else dpkt.ip.IP(packet)
    except Exception:
        # Cut by the snapshot length, or garbage, at which dpkt raises errors of many kinds (AttributeError
        # for a header of IPv6 that says it is another one).
        return None
    udp = ip.data
    # The first fragment of a larger datagram cannot be read alone, and the later ones have no ports.
    if not isinstance(udp, dpkt.udp.UDP) or udp.ulen > len(udp.data) + 8:
        return None
    if MDNS_PORT not in (udp.sport, udp.dport):
        return None
    return CapturedDatagram(
        frame.at,
        ipv6,
        str(ip_address(ip.src)),
        udp.sport,
        str(ip_address(ip.dst)),
        ip.hlim if ipv6 else ip.ttl,
        bytes(udp.data[: udp.ulen - 8]),
        frame.interface or _cooked_interface(frame),
    )


def _cooked_interface(frame: Frame) -> str:
    """Return what the cooked header says of the interface, which a capture of all of them has."""
    if frame.link_type != _LINUX_COOKED_2:
        return ""
    (index,) = struct.unpack_from("!I", frame.data, 4)
    return f"if{index}" if index else ""
