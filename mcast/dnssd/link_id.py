"""The links on which something was learned (RFC 6762 §14)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class LinkId:
    """A link: one interface and one address family.

    Its identity is the index of the interface and the family. A name may be given to another interface.
    """

    interface: str = field(compare=False)
    """The name of the interface, which is also the zone of link-local addresses."""
    index: int
    ipv6: bool

    def __hash__(self) -> int:
        # Ten times for each service that comes: the hash that a dataclass has makes a tuple first.
        return self.index << 1 | self.ipv6

    def __str__(self) -> str:
        return f"{self.interface}/{'IPv6' if self.ipv6 else 'IPv4'}"


BEYOND = LinkId("", 0, False)
"""No link, and the only one that is none: where DNS servers tell of a domain outside of multicast DNS."""


def interfaces_of(links: Sequence[LinkId]) -> tuple[str, ...]:
    """Return the names of the interfaces of these links, each once and in order."""
    if len(links) == 1:
        # Nearly always, and asked for several times for each service that comes.
        return () if links[0] is BEYOND else _alone(links[0].interface)
    return tuple(sorted({link.interface for link in links if link is not BEYOND}))


@lru_cache(maxsize=64)
def _alone(interface: str) -> tuple[str, ...]:
    """Return one interface as `interfaces_of` does: the same object for thousands of services."""
    return (interface,)
