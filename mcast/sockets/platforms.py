"""What differs between systems in their multicast sockets: one table of option numbers and packings.

Nothing else asks which system it runs on to set an option, so each row can be tested anywhere. The numbers
are from the systems' headers: <linux/in.h>, <linux/in6.h>, <netinet/in.h>, <netinet6/in6.h>, <ws2ipdef.h>.
"""

from __future__ import annotations

import struct
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Platform:
    """The option numbers and packings of one kind of system; None where it has no such option."""

    name: str
    inet6: int
    """AF_INET6."""
    sa_len: bool
    """Does a sockaddr begin with an octet for its length (4.4BSD)?"""
    storage_offset: int
    """Octets from the start of a group_req to its sockaddr_storage (the alignment of that structure)."""
    byte_switches: bool
    """Are IP_MULTICAST_TTL and IP_MULTICAST_LOOP one octet (4.4BSD) and not an int?"""
    mreqn: bool
    """Is an IPv4 membership an ip_mreqn with an index? Windows takes an ip_mreq with 0.0.0.index."""
    reuse_port: int | None
    """SO_REUSEPORT where sharing a port needs it; SO_REUSEADDR is always set."""
    bind_group: bool
    """May a socket bind to a group address, so that the kernel delivers nothing else?"""
    ipv4_multicast_if: int
    ipv4_multicast_ttl: int
    ipv4_multicast_loop: int
    ipv4_join: int
    ipv4_leave: int
    ipv4_join_source: int
    ipv4_leave_source: int
    ipv4_ttl: int
    ipv6_multicast_if: int
    ipv6_multicast_hops: int
    ipv6_multicast_loop: int
    ipv6_join: int
    ipv6_leave: int
    ipv6_unicast_hops: int
    ipv6_v6only: int
    join_source: int
    """MCAST_JOIN_SOURCE_GROUP (RFC 3678 §5.1)."""
    leave_source: int
    source_by_request: bool = True
    """Take MCAST_JOIN_SOURCE_GROUP for IPv4 also; else IP_ADD_SOURCE_MEMBERSHIP (RFC 3678 §4.1)."""
    ipv4_multicast_all: int | None = None
    ipv6_multicast_all: int | None = None
    ipv4_pktinfo: int | None = None
    """Asks for in_pktinfo with each datagram, and is the type it comes with."""
    ipv4_send_pktinfo: bool = False
    """Does IP_PKTINFO on sending choose the interface?"""
    ipv4_recvif: int | None = None
    ipv4_recvdstaddr: int | None = None
    ipv4_recvttl: int | None = None
    ipv4_ttl_type: int | None = None
    """The type that a received TTL comes with."""
    ipv6_recvpktinfo: int | None = None
    ipv6_pktinfo: int | None = None
    ipv6_recvhoplimit: int | None = None
    ipv6_hoplimit: int | None = None
    ipv4_unicast_if: int | None = None
    """Sets the interface for unicast: IP_UNICAST_IF or IP_BOUND_IF."""
    ipv6_unicast_if: int | None = None
    ipv4_unicast_if_swapped: bool = False
    """Is the index of IP_UNICAST_IF in network order?"""
    ipv6_unicast_if_swapped: bool = False
    ipv4_recverr: int | None = None
    """IP_RECVERR: without it Linux does not tell that the queue of an interface was full (udp(7))."""
    ipv6_recverr: int | None = None
    bind_to_index: int | None = None
    """SO_BINDTOIFINDEX."""
    group_sends: bool = False
    """May a socket bound to a group send? Linux then takes the source address from the interface, as RFC 1112
    §6.2 wants it; elsewhere it would be the group, or the system refuses."""


LINUX = Platform(
    name="Linux",
    inet6=10,
    sa_len=False,
    storage_offset=struct.calcsize("P"),  # aligned as unsigned long
    byte_switches=False,
    mreqn=True,
    # SO_REUSEADDR is enough, and SO_REUSEPORT does harm: since Linux 6.6 a multicast datagram for which one
    # socket qualifies goes to any socket of its SO_REUSEPORT group, also to one that joined elsewhere.
    reuse_port=None,
    bind_group=True,
    ipv4_multicast_if=32,
    ipv4_multicast_ttl=33,
    ipv4_multicast_loop=34,
    ipv4_join=35,
    ipv4_leave=36,
    ipv4_join_source=39,
    ipv4_leave_source=40,
    ipv4_ttl=2,
    ipv6_multicast_if=17,
    ipv6_multicast_hops=18,
    ipv6_multicast_loop=19,
    ipv6_join=20,
    ipv6_leave=21,
    ipv6_unicast_hops=16,
    ipv6_v6only=26,
    join_source=46,
    leave_source=47,
    ipv4_multicast_all=49,
    ipv6_multicast_all=29,
    ipv4_pktinfo=8,
    ipv4_send_pktinfo=True,
    ipv4_recvttl=12,
    ipv4_ttl_type=2,
    ipv6_recvpktinfo=49,
    ipv6_pktinfo=50,
    ipv6_recvhoplimit=51,
    ipv6_hoplimit=52,
    ipv4_unicast_if=50,
    ipv6_unicast_if=76,
    ipv4_unicast_if_swapped=True,
    ipv6_unicast_if_swapped=True,
    ipv4_recverr=11,
    ipv6_recverr=25,
    bind_to_index=62,
    group_sends=True,
)

MACOS = Platform(
    name="macOS",
    inet6=30,
    sa_len=True,
    storage_offset=4,  # <netinet/in.h> packs the group requests to 4
    byte_switches=True,
    mreqn=True,
    reuse_port=0x200,
    bind_group=True,
    ipv4_multicast_if=9,
    ipv4_multicast_ttl=10,
    ipv4_multicast_loop=11,
    ipv4_join=12,
    ipv4_leave=13,
    ipv4_join_source=70,
    ipv4_leave_source=71,
    ipv4_ttl=4,
    ipv6_multicast_if=9,
    ipv6_multicast_hops=10,
    ipv6_multicast_loop=11,
    ipv6_join=12,
    ipv6_leave=13,
    ipv6_unicast_hops=4,
    ipv6_v6only=27,
    join_source=82,
    leave_source=83,
    ipv4_pktinfo=26,
    ipv4_recvttl=24,
    ipv4_ttl_type=24,
    ipv6_recvpktinfo=61,
    ipv6_pktinfo=46,
    ipv6_recvhoplimit=37,
    ipv6_hoplimit=47,
    ipv4_unicast_if=25,
    ipv6_unicast_if=125,
)

BSD = Platform(
    name="BSD",
    inet6=28,
    sa_len=True,
    storage_offset=8,  # sockaddr_storage is aligned as int64_t
    byte_switches=True,
    mreqn=True,
    reuse_port=0x200,
    bind_group=True,
    ipv4_multicast_if=9,
    ipv4_multicast_ttl=10,
    ipv4_multicast_loop=11,
    ipv4_join=12,
    ipv4_leave=13,
    ipv4_join_source=70,
    ipv4_leave_source=71,
    ipv4_ttl=4,
    ipv6_multicast_if=9,
    ipv6_multicast_hops=10,
    ipv6_multicast_loop=11,
    ipv6_join=12,
    ipv6_leave=13,
    ipv6_unicast_hops=4,
    ipv6_v6only=27,
    join_source=82,
    leave_source=83,
    ipv4_recvif=20,
    ipv4_recvdstaddr=7,
    ipv4_recvttl=65,
    ipv4_ttl_type=65,
    ipv6_recvpktinfo=36,
    ipv6_pktinfo=46,
    ipv6_recvhoplimit=37,
    ipv6_hoplimit=47,
)

WINDOWS = Platform(
    name="Windows",
    inet6=23,
    sa_len=False,
    storage_offset=8,
    byte_switches=False,
    mreqn=False,
    reuse_port=None,
    bind_group=False,
    ipv4_multicast_if=9,
    ipv4_multicast_ttl=10,
    ipv4_multicast_loop=11,
    ipv4_join=12,
    ipv4_leave=13,
    ipv4_join_source=15,
    ipv4_leave_source=16,
    ipv4_ttl=4,
    ipv6_multicast_if=9,
    ipv6_multicast_hops=10,
    ipv6_multicast_loop=11,
    ipv6_join=12,
    ipv6_leave=13,
    ipv6_unicast_hops=4,
    ipv6_v6only=27,
    join_source=45,
    leave_source=46,
    source_by_request=False,
    ipv4_pktinfo=19,
    ipv4_ttl_type=21,
    ipv4_recvttl=21,
    ipv6_recvpktinfo=19,
    ipv6_pktinfo=19,
    ipv6_recvhoplimit=21,
    ipv6_hoplimit=21,
    ipv4_unicast_if=31,
    ipv6_unicast_if=31,
    ipv4_unicast_if_swapped=True,
)


def platform_row(system: str) -> Platform:
    """Return the row for a value of `sys.platform`; an unknown system is taken for a BSD."""
    if system == "linux":
        return LINUX
    if system == "darwin":
        return MACOS
    if system == "win32":
        return WINDOWS
    return BSD


PLATFORM = platform_row(sys.platform)
"""The row of this system."""
