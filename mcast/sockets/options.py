"""The socket options of multicast, and the only place that sets them.

What differs between systems comes from a row of the table in `platforms`. Every method raises OSError as
the system says it.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address

from mcast.sockets.platforms import PLATFORM, Platform

__all__ = ["MAX_HOPS", "PLATFORM", "AncillaryData", "Options", "check_hops", "read_stamp", "stamp_arrivals"]

Address = IPv4Address | IPv6Address
AncillaryData = list[tuple[int, int, bytes]]

MAX_HOPS = 255
"""The largest TTL or hop limit: the field has eight bits (RFC 791 §3.1, RFC 8200 §3)."""

IPPROTO_IP = 0
IPPROTO_IPV6 = 41

_STORAGE_SIZE = 128
"""Octets of a sockaddr_storage on every system of the table (RFC 3493 §3.10 leaves it open)."""


class Options:
    """The options of one socket.

    :param sock: a UDP socket, AF_INET or AF_INET6.
    :param platform: the row to follow; tests give another than this system's.
    """

    def __init__(self, sock: socket.socket, *, ipv6: bool, platform: Platform = PLATFORM) -> None:
        self._sock = sock
        self._ipv6 = ipv6
        self._platform = platform

    @property
    def binds_groups(self) -> bool:
        """May this system bind a socket to a group address?"""
        return self._platform.bind_group

    @property
    def group_sends(self) -> bool:
        """May a socket bound to a group send on this system?"""
        return self._platform.group_sends

    @property
    def sends_ipv4_by_interface(self) -> bool:
        """Can this system be told the interface of an IPv4 datagram with that datagram?"""
        return self._platform.ipv4_send_pktinfo

    # Sharing and reception

    def share_port(self) -> None:
        """Let other sockets that share it too bind the same port (RFC 6762 §15.1)."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self._platform.reuse_port is not None:
            self._sock.setsockopt(socket.SOL_SOCKET, self._platform.reuse_port, 1)

    def keep_port(self) -> None:
        """Undo `share_port`: sockets that are bound stay, and no other is let in."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        if self._platform.reuse_port is not None:
            self._sock.setsockopt(socket.SOL_SOCKET, self._platform.reuse_port, 0)

    def set_v6only(self) -> None:
        """Keep IPv4 away from an IPv6 socket (RFC 3493 §5.3)."""
        self._sock.setsockopt(IPPROTO_IPV6, self._platform.ipv6_v6only, 1)

    def receive_only_joined(self) -> None:
        """Refuse groups that only other sockets joined; Linux delivers them too otherwise."""
        level, option = self._of(self._platform.ipv4_multicast_all, self._platform.ipv6_multicast_all)
        if option is not None:
            self._sock.setsockopt(level, option, 0)

    def set_receive_buffer(self, size: int) -> None:
        """Ask for a receive buffer of ``size`` octets; the system may give less."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    def set_send_buffer(self, size: int) -> None:
        """Ask for a send buffer of ``size`` octets; the system may give less."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    def report_full(self) -> None:
        """Have a send fail with ENOBUFS when the queue of the interface is full.

        Linux drops the datagram silently otherwise. For sockets that send to groups only: what unicast meets
        would be reported too, as later errors.
        """
        level, option = self._of(self._platform.ipv4_recverr, self._platform.ipv6_recverr)
        if option is not None:
            self._sock.setsockopt(level, option, 1)

    def set_broadcast(self, enabled: bool) -> None:
        """Allow sending to broadcast addresses."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, int(enabled))

    def bind_to_interface(self, interface: int) -> bool:
        """Receive from and send by one interface only; False where the system cannot or may not."""
        if self._platform.bind_to_index is None:
            return False
        try:
            self._sock.setsockopt(socket.SOL_SOCKET, self._platform.bind_to_index, interface)
        except OSError:
            return False
        return True

    # Membership

    def join(self, group: Address, interface: int, source: Address | None = None) -> None:
        """Join a group on the interface with this index; 0 lets the system choose one.

        :param source: receive from this source only (RFC 4607); may be repeated with other sources.
        """
        self._membership(True, group, interface, source)

    def leave(self, group: Address, interface: int, source: Address | None = None) -> None:
        """Undo one `join`, with the same arguments."""
        self._membership(False, group, interface, source)

    def _membership(self, joining: bool, group: Address, interface: int, source: Address | None) -> None:
        row = self._platform
        if source is None:
            level, option = self._of(
                row.ipv4_join if joining else row.ipv4_leave, row.ipv6_join if joining else row.ipv6_leave
            )
            self._sock.setsockopt(level, option, pack_membership(row, group, interface))
        elif self._ipv6 or row.source_by_request:
            level, _ = self._of(0, 0)
            option = row.join_source if joining else row.leave_source
            self._sock.setsockopt(level, option, pack_group_source(row, group, interface, source))
        else:
            option = row.ipv4_join_source if joining else row.ipv4_leave_source
            packed = group.packed + source.packed + struct.pack("!I", interface)
            self._sock.setsockopt(IPPROTO_IP, option, packed)

    # Sending

    def set_outgoing(self, interface: int, source: IPv4Address | None = None) -> None:
        """Send multicast by the interface with this index; 0 lets the system choose.

        :param source: send IPv4 multicast from this address, where the socket is bound to none.
        """
        row = self._platform
        if self._ipv6:
            self._sock.setsockopt(IPPROTO_IPV6, row.ipv6_multicast_if, interface)
        else:
            from_address = bytes(4) if source is None else source.packed
            packed = struct.pack("@4s4si", bytes(4), from_address, interface)
            if not row.mreqn:
                packed = struct.pack("!I", interface)
            self._sock.setsockopt(IPPROTO_IP, row.ipv4_multicast_if, packed)

    def set_unicast_outgoing(self, interface: int) -> bool:
        """Send unicast by the interface with this index; False where the system cannot."""
        row = self._platform
        level, option = self._of(row.ipv4_unicast_if, row.ipv6_unicast_if)
        if option is None:
            return False
        swapped = row.ipv6_unicast_if_swapped if self._ipv6 else row.ipv4_unicast_if_swapped
        self._sock.setsockopt(level, option, struct.pack("!I" if swapped else "=I", interface))
        return True

    def set_hop_limit(self, hops: int) -> None:
        """Set TTL or hop limit of multicast (RFC 1112 §6.1, RFC 3493 §5.2).

        :raises ValueError: outside 0-255.
        """
        check_hops(hops)
        row = self._platform
        if self._ipv6:
            self._sock.setsockopt(IPPROTO_IPV6, row.ipv6_multicast_hops, hops)
        else:
            self._set_switch(row.ipv4_multicast_ttl, hops)

    def set_unicast_hop_limit(self, hops: int) -> None:
        """Set TTL or hop limit of unicast, which the multicast option does not cover.

        :raises ValueError: outside 0-255.
        """
        check_hops(hops)
        level, option = self._of(self._platform.ipv4_ttl, self._platform.ipv6_unicast_hops)
        self._sock.setsockopt(level, option, hops)

    def set_loopback(self, enabled: bool) -> None:
        """Let members on this host hear what we send to a group, on by default (RFC 1112 §6.1)."""
        row = self._platform
        if self._ipv6:
            self._sock.setsockopt(IPPROTO_IPV6, row.ipv6_multicast_loop, int(enabled))
        else:
            self._set_switch(row.ipv4_multicast_loop, int(enabled))

    def _set_switch(self, option: int, value: int) -> None:
        self._sock.setsockopt(IPPROTO_IP, option, bytes((value,)) if self._platform.byte_switches else value)

    # Ancillary data

    def receive_arrival(self, *, hops: bool = True) -> None:
        """Ask that arrival interface and destination come with each datagram (RFC 3542 §6).

        :param hops: and its hop limit.
        """
        row = self._platform
        wanted: tuple[int | None, ...] = (
            (row.ipv6_recvpktinfo,)
            if self._ipv6
            else (row.ipv4_pktinfo, row.ipv4_recvif, row.ipv4_recvdstaddr)
        )
        if hops:
            wanted += (row.ipv6_recvhoplimit if self._ipv6 else row.ipv4_recvttl,)
        level, _ = self._of(0, 0)
        for option in wanted:
            if option is not None:
                self._sock.setsockopt(level, option, 1)

    def read_arrival(self, ancillary: Sequence[tuple[int, int, bytes]]) -> tuple[int, str | None, int | None]:
        """Return interface index (0: not told), destination and hop limit from recvmsg's ancillary data."""
        read = _read_arrival_ipv6 if self._ipv6 else _read_arrival_ipv4
        return read(self._platform, ancillary)

    def outgoing_ancillary(self, interface: int, source: Address | None = None) -> AncillaryData | None:
        """Return what sendmsg needs to send one datagram by an interface; None where it cannot be told so.

        :param source: the address to send from. One the socket is bound to would not count otherwise.
        """
        row = self._platform
        if self._ipv6:
            if row.ipv6_pktinfo is None:
                return None
            from_address = bytes(16) if source is None else source.packed
            return [(IPPROTO_IPV6, row.ipv6_pktinfo, struct.pack("@16sI", from_address, interface))]
        if row.ipv4_pktinfo is None or not row.ipv4_send_pktinfo:
            return None
        from_address = bytes(4) if source is None else source.packed
        return [(IPPROTO_IP, row.ipv4_pktinfo, struct.pack("@I4s4s", interface, from_address, bytes(4)))]

    def _of(self, ipv4: int | None, ipv6: int | None) -> tuple[int, int]:
        # The option may be None; callers for which that can be so ask.
        return (IPPROTO_IPV6, ipv6) if self._ipv6 else (IPPROTO_IP, ipv4)  # type: ignore[return-value]


def check_hops(hops: int) -> None:
    """Refuse what is no TTL or hop limit.

    :raises ValueError: outside 0-255.
    """
    if not 0 <= hops <= MAX_HOPS:
        raise ValueError(f"TTL {hops}: outside 0-{MAX_HOPS}")


def pack_membership(row: Platform, group: Address, interface: int) -> bytes:
    """Return the ip_mreqn, ip_mreq or ipv6_mreq of an any-source membership (RFC 3493 §5.2)."""
    if isinstance(group, IPv6Address):
        return struct.pack("@16sI", group.packed, interface)
    if row.mreqn:
        return struct.pack("@4s4si", group.packed, bytes(4), interface)
    # Windows: an interface address in 0.0.0.0/8 is an index.
    return struct.pack("!4sI", group.packed, interface)


def pack_group_source(row: Platform, group: Address, interface: int, source: Address) -> bytes:
    """Return the struct group_source_req for a group, a source and an interface index (RFC 3678 §5.1)."""
    head = struct.pack("@I", interface).ljust(row.storage_offset, b"\0")
    return head + _pack_storage(row, group) + _pack_storage(row, source)


def _pack_storage(row: Platform, address: Address) -> bytes:
    if isinstance(address, IPv6Address):
        # sin6_port, sin6_flowinfo, sin6_addr, sin6_scope_id
        family, rest = row.inet6, struct.pack("=HI16sI", 0, 0, address.packed, 0)
    else:
        family, rest = (
            int(socket.AF_INET),
            struct.pack("=H4s8x", 0, address.packed),
        )  # sin_port, sin_addr, sin_zero
    head = struct.pack("=BB", 2 + len(rest), family) if row.sa_len else struct.pack("=H", family)
    return (head + rest).ljust(_STORAGE_SIZE, b"\0")


def _read_arrival_ipv4(
    row: Platform, ancillary: Sequence[tuple[int, int, bytes]]
) -> tuple[int, str | None, int | None]:
    interface, destination, hops = 0, None, None
    for level, kind, data in ancillary:
        if level != IPPROTO_IP:
            continue
        if kind == row.ipv4_pktinfo and len(data) >= 12:
            interface = int.from_bytes(data[:4], sys.byteorder)
            destination = socket.inet_ntoa(data[8:12])
        elif kind == row.ipv4_ttl_type and data:
            hops = data[0] if len(data) < 4 else int.from_bytes(data[:4], sys.byteorder)
        elif kind == row.ipv4_recvif and len(data) >= 4:
            interface = int.from_bytes(data[2:4], sys.byteorder)  # sockaddr_dl.sdl_index
        elif kind == row.ipv4_recvdstaddr and len(data) >= 4:
            destination = socket.inet_ntoa(data[:4])
    return interface, destination, hops


def _read_arrival_ipv6(
    row: Platform, ancillary: Sequence[tuple[int, int, bytes]]
) -> tuple[int, str | None, int | None]:
    interface, destination, hops = 0, None, None
    for level, kind, data in ancillary:
        if level != IPPROTO_IPV6:
            continue
        if kind == row.ipv6_pktinfo and len(data) >= 20:
            interface = int.from_bytes(data[16:20], sys.byteorder)
            destination = socket.inet_ntop(socket.AF_INET6, data[:16])
        elif kind == row.ipv6_hoplimit and len(data) >= 4:
            hops = int.from_bytes(data[:4], sys.byteorder)
    return interface, destination, hops


SO_TIMESTAMPNS = 35
"""Of <asm-generic/socket.h>: the option, and the type of the control message with a struct timespec."""

_TIMESPEC = struct.Struct("@ll")


def stamp_arrivals(sock: socket.socket) -> None:
    """Have the kernel tell when it saw each packet, by the wall clock; Linux only."""
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


def read_stamp(ancillary: Sequence[tuple[int, int, bytes]]) -> float | None:
    """Return the wall time at which the kernel saw a packet; None where it did not tell."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) >= _TIMESPEC.size:
            seconds, part = _TIMESPEC.unpack_from(data)
            return float(seconds) + float(part) / 1e9
    return None


def set_receive_buffer(sock: socket.socket, size: int) -> None:
    """Ask for a receive buffer of ``size`` octets, for a socket of any family."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
