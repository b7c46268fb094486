"""Who may ask, and what of the addresses on a link is of use to them (RFC 8766 §5.5.2, §9.2)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple

from mcast.unicast.usable import Realm, realm_of
from mcast.unicast.zone import IPNetwork

DEFAULT_ALLOWED: Final[tuple[IPNetwork, ...]] = (
    IPv4Network("127.0.0.0/8"),
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("100.64.0.0/10"),
    IPv4Network("169.254.0.0/16"),
    IPv6Network("::1/128"),
    IPv6Network("fc00::/7"),
    IPv6Network("fe80::/10"),
)
"""Private, shared and link-local networks, and this host.

Our choice: what is on a link is nobody's business in the rest of the world (RFC 8766 §9.2).
"""

MAX_CLIENTS = 4096
"""Addresses that are remembered. Our choice: some 500 kB; the table is emptied when it is full."""


class Client(NamedTuple):
    """What is known of a client by its address."""

    is_allowed: bool
    realm: Realm


class Clients:
    """Tells for an address whether it may ask, and for which realm it is answered.

    :param allowed: the networks whose hosts may ask.
    :param suppresses: whether unusable addresses are suppressed.
    """

    def __init__(self, allowed: Sequence[IPNetwork] = DEFAULT_ALLOWED, *, suppresses: bool = True) -> None:
        self._allowed = tuple(allowed)
        self._suppresses = suppresses
        self.known: Final[dict[str, Client]] = {}
        """Those that were looked at, for a hot loop; otherwise see `look`."""

    def look(self, host: str) -> Client:
        """Return what is known of an address."""
        client = self.known.get(host)
        if client is None:
            if len(self.known) >= MAX_CLIENTS:
                self.known.clear()
            client = self.known[host] = self._find(host)
        return client

    def _find(self, host: str) -> Client:
        try:
            address = ip_address(host.partition("%")[0])
        except ValueError:
            return Client(False, Realm.OTHER)
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        is_allowed = any(address in one for one in self._allowed if one.version == address.version)
        return Client(is_allowed, realm_of(str(address)) if self._suppresses else Realm.EVERYTHING)
