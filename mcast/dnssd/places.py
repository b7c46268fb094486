"""Where on the network something was learned (RFC 6762 §14)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class LinkId:
    """A link: an interface and an address family."""

    interface: str
    """The name of the interface, which is also the zone of link-local addresses."""
    index: int
    ipv6: bool

    def __str__(self) -> str:
        return f"{self.interface}/{'IPv6' if self.ipv6 else 'IPv4'}"


def interfaces_of(links: Iterable[LinkId]) -> tuple[str, ...]:
    """Return the names of the interfaces of these links, each once and in order."""
    return tuple(sorted({link.interface for link in links}))


class FoundAddress(NamedTuple):
    """An address, and the interface by which it is reached.

    A link-local IPv6 address has that interface as its zone: without it, it leads nowhere (RFC 4007 §6).
    """

    address: IPv4Address | IPv6Address
    interface: str

    @classmethod
    def from_rdata(cls, rdata: bytes, interface: str) -> FoundAddress:
        """Read the rdata of an A or AAAA record.

        :raises ValueError: it has neither 4 nor 16 octets.
        """
        if len(rdata) == 4:
            return cls(IPv4Address(rdata), interface)
        address = IPv6Address(rdata)
        if address.is_link_local:
            address = IPv6Address(f"{address}%{interface}")
        return cls(address, interface)
