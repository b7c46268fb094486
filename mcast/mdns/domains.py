"""Which names belong to Multicast DNS (RFC 6762 §3, §4, §22.1)."""

from __future__ import annotations

from typing import Final

from mcast.dns.names import LOCAL, Name

MULTICAST_DOMAINS: Final = (
    LOCAL,
    Name.parse("254.169.in-addr.arpa"),
    Name.parse("8.e.f.ip6.arpa"),
    Name.parse("9.e.f.ip6.arpa"),
    Name.parse("a.e.f.ip6.arpa"),
    Name.parse("b.e.f.ip6.arpa"),
)
"""``local.``, and the reverse mappings of the link-local addresses 169.254/16 and fe80::/10."""


def is_multicast_name(name: Name) -> bool:
    """Whether a name is looked up by multicast, and never at the configured DNS servers (RFC 6762 §22.1)."""
    # Nearly every name that is asked for is in local.
    return name.is_within(LOCAL) or any(name.is_within(domain) for domain in MULTICAST_DOMAINS)
