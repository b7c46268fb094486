"""Multicast group addresses: what they are, how far they reach, and how people write them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from mcast.neighbours import may_be_host
from mcast.sockets.errors import AddressError

MAX_PORT = 65535
"""The largest UDP port (RFC 768)."""

LOCAL_NETWORK_CONTROL_BLOCK = IPv4Network("224.0.0.0/24")
"""IPv4 groups that no router forwards (RFC 5771 §4)."""

ADMINISTRATIVELY_SCOPED_BLOCK = IPv4Network("239.0.0.0/8")
"""IPv4 groups whose reach is set by the administrator (RFC 5771 §10, RFC 2365)."""

SOLICITED_NODE = IPv6Network("ff02::1:ff00:0/104")
"""IPv6 groups that a host joins for each of its addresses (RFC 4291 §2.7.1)."""

SOURCE_SPECIFIC_IPV4 = IPv4Network("232.0.0.0/8")
"""IPv4 groups that exist only together with a source (RFC 4607 §1)."""


class Scope(IntEnum):
    """How far a group reaches: the scope field of an IPv6 group (RFC 7346 §2).

    IPv4 blocks are given the scope that means the same.
    """

    RESERVED_0 = 0x0
    INTERFACE_LOCAL = 0x1
    LINK_LOCAL = 0x2
    REALM_LOCAL = 0x3
    ADMIN_LOCAL = 0x4
    SITE_LOCAL = 0x5
    UNASSIGNED_6 = 0x6
    UNASSIGNED_7 = 0x7
    ORGANIZATION_LOCAL = 0x8
    UNASSIGNED_9 = 0x9
    UNASSIGNED_A = 0xA
    UNASSIGNED_B = 0xB
    UNASSIGNED_C = 0xC
    UNASSIGNED_D = 0xD
    GLOBAL = 0xE
    RESERVED_F = 0xF


@dataclass(frozen=True, slots=True)
class Group:
    """A multicast group with its UDP port, and perhaps the interface it is meant on.

    :raises TypeError: the address is no IP address object.
    :raises ValueError: the address is no multicast address, its scope is 0 (RFC 4291 §2.7: nodes do not
        originate to it), or the port is outside 1-65535.
    """

    address: IPv4Address | IPv6Address
    port: int
    zone: str = ""
    """Interface name or decimal index as written after ``%`` (RFC 4007 §11.2); empty when none was."""

    def __post_init__(self) -> None:
        if not isinstance(self.address, IPv4Address | IPv6Address):
            raise TypeError(f"{self.address!r}: no IP address object; Group.parse makes a group of text")
        if not self.address.is_multicast:
            raise ValueError(f"{self.address}: not a multicast address")
        if isinstance(self.address, IPv6Address) and _scope_field(self.address) == Scope.RESERVED_0:
            raise ValueError(
                f"{self.address}: scope 0 is reserved, nothing may be sent there (RFC 4291 §2.7)"
            )
        if not 1 <= self.port <= MAX_PORT:
            raise ValueError(f"port {self.port}: outside 1-{MAX_PORT}")
        if "%" in self.zone:
            raise ValueError(f"zone {self.zone!r}: must not contain '%'")

    @classmethod
    def parse(cls, text: str, default_port: int | None = None) -> Group:
        """Read ``224.0.0.123:7645``, ``ff02::123``, ``[ff02::123%eth0]:7645`` or ``ff02::123%eth0:7645``.

        An IPv6 address with a port stands in brackets, unless a zone divides the two.

        In ``ff02::123:7645`` the last part belongs to the address; see `port_in_address`.

        :param default_port: the port when the text has none.
        :raises TypeError: it is no text.
        :raises ValueError: with one line that names the value and what is wrong with it.
        """
        if not isinstance(text, str):
            raise TypeError(f"{text!r}: a group is read from text")
        host, port_text = _split_port(text)
        address, zone = parse_address(host)
        if port_text is None:
            if default_port is None:
                meant = port_in_address(text)
                raise ValueError(f"{_shown(text)}: no port{meant and f'; {meant}'}")
            return cls(address, default_port, zone)
        if not (port_text.isascii() and port_text.isdigit()) or len(port_text) > len(str(MAX_PORT)):
            raise ValueError(f"{_shown(text)}: port {port_text!r} is not a number from 1 to {MAX_PORT}")
        return cls(address, int(port_text), zone)

    @property
    def ipv6(self) -> bool:
        """Is this an IPv6 group?"""
        return self.address.version == 6

    @property
    def family(self) -> int:
        """The IP version: 4 or 6."""
        return self.address.version

    @property
    def flags(self) -> int:
        """The four bits 0RPT of an IPv6 group (RFC 4291 §2.7); 0 for IPv4."""
        return int(self.address) >> 116 & 0xF if self.ipv6 else 0

    @property
    def transient(self) -> bool:
        """Is the T bit set: a group not assigned by IANA, with a meaning only within its scope?"""
        return bool(self.flags & 1)

    @property
    def group_id(self) -> int:
        """What is left of the address without flags and scope: the 112 low bits, or 28 for IPv4."""
        return int(self.address) & ((1 << 112) - 1 if self.ipv6 else (1 << 28) - 1)

    @property
    def scope(self) -> Scope:
        """How far the group reaches. The reserved scope F counts as global (RFC 4291 §2.7)."""
        if isinstance(self.address, IPv6Address):
            scope = _scope_field(self.address)
            return Scope.GLOBAL if scope is Scope.RESERVED_F else scope
        if self.address in LOCAL_NETWORK_CONTROL_BLOCK:
            return Scope.LINK_LOCAL
        if self.address in ADMINISTRATIVELY_SCOPED_BLOCK:
            return Scope.ADMIN_LOCAL
        return Scope.GLOBAL

    @property
    def requires_interface(self) -> bool:
        """Does the group mean something else on each link, so that an interface must be named?

        The boundaries of scopes 1 to 3 follow the links (RFC 7346 §2), and so does 224.0.0.0/24.
        """
        return self.scope <= Scope.REALM_LOCAL

    @property
    def source_specific(self) -> bool:
        """Does the group exist only together with a source: 232.0.0.0/8, ff3x::/32 (RFC 4607 §1)?"""
        if isinstance(self.address, IPv4Address):
            return self.address in SOURCE_SPECIFIC_IPV4
        return int(self.address) >> 96 & 0xFFF0_FFFF == 0xFF30_0000

    @property
    def host(self) -> str:
        """The address as text, without zone or port, as `GroupPort.send` takes it."""
        return str(self.address)

    def with_zone(self, zone: str) -> Group:
        """Return the same group meant on another interface."""
        return Group(self.address, self.port, zone)

    def __str__(self) -> str:
        zone = f"%{self.zone}" if self.zone else ""
        return f"[{self.address}{zone}]:{self.port}" if self.ipv6 else f"{self.address}{zone}:{self.port}"


def parse_address(text: str) -> tuple[IPv4Address | IPv6Address, str]:
    """Split ``fe80::1%eth0`` into address and zone; the zone is empty when there is none (RFC 4007 §11.2).

    :raises AddressError: no IP address, an empty zone, or a second ``%``.
    """
    host, separator, zone = text.partition("%")
    if separator and (not zone or "%" in zone):
        raise AddressError(text, f"{_shown(text)}: the zone after '%' must be an interface name or index")
    try:
        return ip_address(host), zone
    except (AddressValueError, ValueError):
        raise AddressError(text, f"{_shown(text)}: not an IP address") from None


def _shown(text: str) -> str:
    """Return a person's text for an error of one line."""
    return text if text.isprintable() else repr(text)


def _scope_field(address: IPv6Address) -> Scope:
    return Scope(int(address) >> 112 & 0xF)


def _split_port(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError(f"{_shown(text)}: expected [ADDRESS] or [ADDRESS]:PORT")
        if ":" not in host:
            raise ValueError(f"{_shown(text)}: only an IPv6 address stands in brackets")
        return host, rest[1:] if rest else None
    # Without brackets the last colon of an IPv6 address is part of it; a zone ends the address.
    address, separator, zone = text.partition("%")
    if separator:
        zone, colon, port = zone.partition(":")
        return f"{address}%{zone}", port if colon else None
    if text.count(":") == 1:
        address, _, port = text.partition(":")
        return address, port
    return text, None


def port_in_address(text: str) -> str:
    """Return what to write in place of an IPv6 group whose last part looks like a port, or nothing.

    Our choice: four or five decimal digits, before which the address could end, are mostly meant as a port.
    The solicited-node groups end in any digits (RFC 4291 §2.7.1), and nobody gives them a port.
    """
    start, _, last = text.rpartition(":")
    if "%" in text:
        # A zone ends the address, and a port may follow it.
        return ""
    try:
        if not (last.isascii() and last.isdigit() and len(last) >= 4) or IPv6Address(text) in SOLICITED_NODE:
            return ""
        IPv6Address(start)
    except ValueError:
        return ""
    return f"if {last} is a port, write [{start}]:{last}; if it is part of the address, [{text}]"


def check_source(group: Group, source: str | None) -> IPv4Address | IPv6Address | None:
    """Return the source as an address, or None for any source.

    :raises ValueError: a source of the other family or none where the group needs one (RFC 4604 §2.2).
    """
    if source is None:
        if group.source_specific:
            raise ValueError(f"{group.host}: a source-specific group needs a source (RFC 4607)")
        return None
    origin, _ = parse_address(source)
    if origin.version != group.family:
        raise ValueError(f"source {source}: not of the family of group {group.host} (IPv{group.family})")
    if not may_be_host(origin):
        raise ValueError(f"source {source}: not an address that a host can have")
    return origin
