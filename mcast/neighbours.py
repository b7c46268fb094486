"""Which source addresses are those of a host, and of this link (RFC 6762 §11)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
)

SocketAddress = tuple[str, int] | tuple[str, int, int, int]
"""A socket address: ``(host, port)`` for IPv4, ``(host, port, flow information, scope id)`` for IPv6.

As the system gives it, the host of an IPv6 address carries no ``%zone``: the zone of a link-local one is its
scope id (RFC 3493 §3.3).
"""

MAX_REMEMBERED = 4096
"""Source addresses whose kind is remembered. Our choice: more than there are hosts on a link; the table is
emptied when it is full, so that forged addresses cost memory only up to here."""

THIS_NETWORK = IPv4Network("0.0.0.0/8")
"""Addresses of "this network": never those of another host (RFC 1122 §3.2.1.3, RFC 6890 §2.2.2)."""

RESERVED = IPv4Network("240.0.0.0/4")
"""Reserved addresses, the limited broadcast address among them (RFC 1112 §4, RFC 6890 §2.2.2)."""


class SourceKind(IntEnum):
    """Where a packet comes from, as far as its source address tells."""

    NO_HOST = 0
    """Not an address of one host: nothing may be sent there."""
    OFF_LINK = 1
    """Not within a network of this link."""
    ON_LINK = 2
    """Within a network of this link."""


def may_be_host(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether one host can have this address, on whatever network."""
    if address.is_multicast or address.is_unspecified:
        return False
    return not (isinstance(address, IPv4Address) and (address in RESERVED or address in THIS_NETWORK))


def broadcast_addresses(networks: Iterable[IPv4Network | IPv6Network]) -> frozenset[IPv4Address]:
    """Return the directed broadcast addresses of the IPv4 networks among these (RFC 1122 §3.2.1.3)."""
    return frozenset(
        network.broadcast_address
        for network in networks
        # A prefix of 31 or 32 bits has no broadcast address (RFC 3021 §2.1).
        if isinstance(network, IPv4Network) and network.prefixlen < 31
    )


class Neighbours:
    """The hosts of a link, told by the networks that the link has.

    :param networks: the addresses of the interface with their prefix lengths.
    :param loopback: it is the loopback interface. There is nobody but the host itself, whichever of its
        addresses it uses.
    """

    __slots__ = ("_broadcasts", "_kinds", "_loopback", "_own", "networks")

    def __init__(self, networks: Iterable[IPv4Interface | IPv6Interface], *, loopback: bool = False) -> None:
        networks = tuple(networks)
        self.networks = tuple([interface.network for interface in networks])
        self._own = frozenset([str(interface.ip) for interface in networks])
        self._loopback = loopback
        self._broadcasts = broadcast_addresses(self.networks)
        self._kinds: dict[str, SourceKind] = {}

    def classify(self, host: str) -> SourceKind:
        """Tell what kind of source ``host`` is; an IPv6 zone (``%eth0``) is ignored."""
        kind = self._kinds.get(host)
        if kind is None:
            if len(self._kinds) >= MAX_REMEMBERED:
                self._kinds.clear()
            kind = self._kinds[host] = self._find(host)
        return kind

    @property
    def remembered(self) -> int:
        """How many addresses are remembered."""
        return len(self._kinds)

    def is_own(self, host: str) -> bool:
        """Tell whether ``host`` is an address of our own host on this link; an IPv6 zone is ignored."""
        return host.partition("%")[0] in self._own

    def _find(self, host: str) -> SourceKind:
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return SourceKind.NO_HOST
        if not may_be_host(address) or address in self._broadcasts:
            return SourceKind.NO_HOST
        if self._loopback:
            return SourceKind.ON_LINK
        if address.version == 6 and address.is_link_local:
            # Never forwarded by a router (RFC 4291 §2.5.6), so it is here whatever our own prefixes are. An
            # IPv4 address counts by our networks alone, a link-local one too (RFC 6762 §11).
            return SourceKind.ON_LINK
        if any(address in network for network in self.networks):
            return SourceKind.ON_LINK
        return SourceKind.OFF_LINK

    def shares_network(self, other: Neighbours) -> bool:
        """Tell whether any network is in both."""
        return not set(self.networks).isdisjoint(other.networks)
