"""How a port for multicast is opened: what it is bound to, and what it is set to."""

from __future__ import annotations

from dataclasses import dataclass

from mcast.sockets.group import MAX_PORT, Group
from mcast.sockets.options import check_hops

MAX_DATAGRAM = 65535
"""Octets of the largest datagram read whole by default; UDP over IPv4 carries 65507 (RFC 768, RFC 791)."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What a port is bound to.

    :raises ValueError: a port out of range.
    """

    port: int
    """UDP port; 0 lets the system choose."""
    ipv6: bool
    address: str = ""
    """The local address; "" for all of the family."""
    group: Group | None = None
    """Bind to this group's address instead, so that nothing else is received. What is sent comes from the
    group's port by a second socket, and never from the group's address (RFC 1112 §6.2)."""
    pinned: int = 0
    """Index of the only interface that the port is used with; 0 for all. Arrivals then need no ancillary data
    from the system, and what is sent leaves there."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= MAX_PORT:
            raise ValueError(f"port {self.port}: outside 0-{MAX_PORT}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortSettings:
    """What a port for multicast is set to.

    :raises ValueError: a hop limit outside 0-255, or a size below 1.
    """

    hop_limit: int = 1
    """TTL or hop limit of multicast sent, 0-255 (RFC 1112 §6.1)."""
    unicast_hop_limit: int | None = None
    """TTL or hop limit of unicast sent, 0-255; None for the system's default."""
    loopback: bool = True
    """Do members on this host hear what is sent to a group?"""
    max_packet_size: int = MAX_DATAGRAM
    """Octets; longer datagrams are counted and not delivered."""
    receive_buffer: int | None = None
    """Octets of receive buffer asked for, of which the system may grant less; None for its default."""
    arrivals: bool | None = None
    """Is the system asked how each datagram arrived, which takes a good part of the receive rate? None for
    "where it is not known otherwise"."""
    hop_limits: bool = True
    """Where it is asked that, does it tell hop limits, too? They take a tenth of a microsecond each."""
    shared: bool = True
    """May other sockets bind the same port?"""
    sends_apart: bool = False
    """Is what a port of a group sends sent from another port than the group's, which the system chooses? Two
    programs on one host can then be told apart."""
    reports_full: bool = False
    """Does a send fail that finds the queue of the interface full? Linux drops the datagram silently
    otherwise. For ports that send to groups only."""

    def __post_init__(self) -> None:
        check_hops(self.hop_limit)
        if self.unicast_hop_limit is not None:
            check_hops(self.unicast_hop_limit)
        if self.max_packet_size < 1:
            raise ValueError(f"max_packet_size {self.max_packet_size}: below 1")


DEFAULT_SETTINGS = PortSettings()
