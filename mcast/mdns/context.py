"""What the parts of one link share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple, Protocol

from mcast.dns.records import Record
from mcast.mdns.constants import (
    ANNOUNCEMENTS,
    DEFAULT_MTU,
    IPV4_OVERHEAD,
    IPV6_OVERHEAD,
    MAX_ANNOUNCEMENTS,
    MAX_PACKET,
)
from mcast.mdns.events import EventLog
from mcast.mdns.outbox import Outbox
from mcast.mdns.schedule import Schedule
from mcast.neighbours import Neighbours
from mcast.rate_limit import MAX_RATE

MAX_CACHE_RECORDS = 65_536
"""Records in one cache.

Our choice: five thousand hosts with a service each have about 35,000, and few links have a tenth of that.
"""

MAX_CACHE_OCTETS = 24 * 1024 * 1024
"""Octets in one cache, with what the tables take.

Our choice: what `MAX_CACHE_RECORDS` need, with names of common length.
"""

MAX_CACHE_RECORDS_OF_NAME = 8192
"""Records of one name. Our choice: five thousand instances of one service type, and some more."""


@dataclass(frozen=True, slots=True)
class CacheLimits:
    """How much the cache of a link may hold."""

    records: int = MAX_CACHE_RECORDS
    octets: int = MAX_CACHE_OCTETS
    records_of_name: int = MAX_CACHE_RECORDS_OF_NAME


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSettings:
    """What a link is told when it is made, and what never changes.

    :raises ValueError: ``announcements`` is out of range.
    """

    ipv6: bool
    """The address family of the link."""
    mtu: int = DEFAULT_MTU
    """Octets of an IP packet on this interface; no more than 1500 of them are used (RFC 6762 §17)."""
    unicast_responses: bool = True
    """Whether questions may ask for unicast responses at first; see `Link.unicast_responses`.

    False when another program on the host holds port 5353 too and would get them (RFC 6762 §15.1).
    """
    own_port: bool = False
    """Whether questions leave from another port than 5353, and nothing is published.

    All answers come by unicast then, to a question that does not say so (RFC 6762 §5.1, §6.7).
    """
    max_rate: int = MAX_RATE
    """Unicast answers a second to one source; 0 for no limit."""
    announcements: int = ANNOUNCEMENTS
    """How often new records are announced, 2 to 8 times (RFC 6762 §8.3)."""
    cache: CacheLimits = CacheLimits()
    """How much is remembered of what other hosts say."""

    def __post_init__(self) -> None:
        if not ANNOUNCEMENTS <= self.announcements <= MAX_ANNOUNCEMENTS:
            raise ValueError(
                f"announcements must be {ANNOUNCEMENTS} to {MAX_ANNOUNCEMENTS}, not {self.announcements}"
            )

    @property
    def sizes(self) -> Sizes:
        """How large messages may be."""
        return Sizes.of_link(self.mtu, self.ipv6)


class OtherLinks(Protocol):
    """The other links of this host: their records are no conflict on this one (RFC 6762 §14)."""

    def holds(self, record: Record) -> bool:
        """Whether a record is ours on another link, claimed or still being probed for."""

    def has_whole(self, records: Sequence[Record]) -> bool:
        """Whether these records are all that another link has of their name, type and class."""


class NoOtherLinks:
    """The host has one link only."""

    def holds(self, record: Record) -> bool:
        """No record is ours elsewhere."""
        return False

    def has_whole(self, records: Sequence[Record]) -> bool:
        """No set of records is ours elsewhere."""
        return False


class LinkContext:
    """What the two halves of a link and their parts share.

    :param rng: chooses every random delay.
    :param now: when the link came up.
    """

    __slots__ = (
        "counters",
        "events",
        "is_up",
        "neighbours",
        "others",
        "outbox",
        "rng",
        "schedule",
        "settings",
        "sizes",
        "unicast_responses",
        "up_since",
    )

    def __init__(
        self,
        settings: LinkSettings,
        neighbours: Neighbours,
        rng: Random,
        now: float,
        others: OtherLinks | None = None,
    ) -> None:
        self.settings: Final = settings
        self.sizes: Final = settings.sizes
        self.rng: Final = rng
        self.others: Final[OtherLinks] = others or NoOtherLinks()
        self.outbox: Final = Outbox()
        """What is to be sent, oldest first."""
        self.events: Final = EventLog()
        """What the owner of the link should know, oldest first."""
        self.schedule: Final = Schedule()
        """When the parts of the link are to be woken."""
        self.counters: Final[Counter[str]] = Counter()
        """What happened so far, above all what was dropped and why."""
        self.unicast_responses = settings.unicast_responses
        """Whether questions may ask for unicast responses now: another program may have come or gone."""
        self.neighbours = neighbours
        """Replaced when the addresses of the interface change."""
        self.is_up = True
        """Whether the link carries packets, as far as its owner told."""
        self.up_since = now
        """When it began to."""
