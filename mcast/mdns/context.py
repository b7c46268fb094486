"""What the parts of one link share."""

from __future__ import annotations

from typing import NamedTuple

from mcast.mdns.constants import DEFAULT_MTU, IPV4_OVERHEAD, IPV6_OVERHEAD, MAX_PACKET


class Sizes(NamedTuple):
    """How large messages may be, in octets."""

    normal: int
    """Of any message: the MTU without the IP and UDP headers."""
    single: int
    """Of a message with one record that is larger than that."""

    @classmethod
    def of_link(cls, mtu: int, ipv6: bool) -> Sizes:
        """Return the sizes for a link; a larger MTU than 1500 is not used (RFC 6762 §17)."""
        overhead = IPV6_OVERHEAD if ipv6 else IPV4_OVERHEAD
        return cls(min(mtu, DEFAULT_MTU) - overhead, MAX_PACKET - overhead)
