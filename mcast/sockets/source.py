"""The sources of a source-specific membership."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from mcast.sockets.group import Group, parse_address


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
    if origin.is_multicast or origin.is_unspecified:
        raise ValueError(f"source {source}: not an address that a host can have")
    return origin
