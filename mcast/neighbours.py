"""Which source addresses belong to the link (RFC 6762 §11)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, ip_address

MAX_REMEMBERED = 4096
"""Source addresses whose place is remembered. Our choice: more than there are hosts on a link; the table is
emptied when it is full, so that forged addresses cost memory only up to here."""


class SourceKind(IntEnum):
    """Where a packet comes from, as far as its source address tells."""

    NO_HOST = 0
    """Not an address of one host: nothing may be sent there."""
    OFF_LINK = 1
    """Not within a network of this link."""
    ON_LINK = 2
    """Within a network of this link."""


class Neighbours:
    """The networks of a link.

    :param networks: the addresses of the interface with their prefix lengths.
    """

    def __init__(self, networks: Iterable[IPv4Interface | IPv6Interface]) -> None:
        self.networks = tuple([interface.network for interface in networks])
        self._places: dict[str, SourceKind] = {}

    def classify(self, host: str) -> SourceKind:
        """Tell where ``host`` is; an IPv6 zone (``%eth0``) is ignored."""
        place = self._places.get(host)
        if place is None:
            if len(self._places) >= MAX_REMEMBERED:
                self._places.clear()
            place = self._places[host] = self._find(host)
        return place

    @property
    def remembered(self) -> int:
        """How many addresses are remembered."""
        return len(self._places)

    def _find(self, host: str) -> SourceKind:
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return SourceKind.NO_HOST
        if address.is_multicast or address.is_unspecified:
            return SourceKind.NO_HOST
        if address.version == 6 and address.is_link_local:
            # Never forwarded by a router (RFC 4291 §2.5.6), so it is here whatever our own prefixes are.
            return SourceKind.ON_LINK
        if isinstance(address, IPv4Address) and address == _BROADCAST:
            return SourceKind.NO_HOST
        for network in self.networks:
            if address.version == network.version and address in network:
                if address.version == 4 and network.prefixlen < 31 and address == network.broadcast_address:
                    return SourceKind.NO_HOST
                return SourceKind.ON_LINK
        return SourceKind.OFF_LINK

    def shares_network(self, other: Neighbours) -> bool:
        """Whether any network is in both."""
        return not set(self.networks).isdisjoint(other.networks)


_BROADCAST = IPv4Address("255.255.255.255")
