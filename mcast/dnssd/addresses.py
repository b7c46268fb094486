"""The addresses of a host as its links tell them, and how long to wait for more of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from mcast.dns.codes import RecordType
from mcast.dnssd.found import FoundAddress
from mcast.dnssd.link_id import BEYOND, LinkId
from mcast.mdns.events import RecordChange, RecordFlushed, RecordRemoved

FAMILY_DELAY = 0.25
"""How long a host of which an address is known is waited for, to tell those of the other family or interface.

Our choice: links begin to ask up to 100 ms apart, and answers wait up to 120 ms (RFC 6762 §5.2, §6).
"""

SIZES: Final = {int(RecordType.A): 4, int(RecordType.AAAA): 16}
"""Octets of an address, by the type of its record."""

ADDRESS_TYPES: Final = tuple(SIZES)

_LEFT: Final = (RecordFlushed, RecordRemoved)
"""Made once: a union for each record would take half of the time."""

Seen = tuple[tuple[LinkId, bytes], ...]
"""The rdata of records and the link on which each was seen, the newest last.

A tuple, since most of them have one entry for as long as they are there.
"""


def take_in(seen: Seen, link: LinkId, change: RecordChange) -> Seen:
    """Return what has been seen after what happened to a record."""
    rdata = change.record.rdata
    if not seen and not isinstance(change, _LEFT):
        return ((link, rdata),)
    if isinstance(change, RecordFlushed):
        # The host has said on this interface that the record is no longer true. What it said by the other
        # family is as old, and is about to be corrected too. A user who saw both would see one change twice.
        index = link.index
        return tuple([entry for entry in seen if entry[1] != rdata or entry[0].index != index])
    entry = (link, rdata)
    others = tuple([one for one in seen if one != entry])
    return others if isinstance(change, RecordRemoved) else (*others, entry)


def without(seen: Seen, link: LinkId) -> Seen:
    """Return what has been seen on other links."""
    return tuple([entry for entry in seen if entry[0] != link])


_last_denied: Final[dict[int, tuple[tuple[LinkId, int], ...]]] = {}
"""What `_alone` returned last for each type of address."""


def _alone(link: LinkId, rtype: int) -> tuple[tuple[LinkId, int], ...]:
    """Return that a type is denied on a link: the same object for thousands of hosts."""
    last = _last_denied.get(rtype)
    if last is None or last[0][0] is not link:
        last = _last_denied[rtype] = ((link, rtype),)
    return last


class HostAddresses:
    """The addresses of one host name.

    A host may send A records by IPv4 and AAAA records by IPv6 alone, say on each link what it has, or deny
    that there is the other family (RFC 6762 §6.1, §20). Whoever looks for addresses waits as this says.

    :param types: the types of the addresses that are looked for.
    """

    __slots__ = ("_denied", "_heard_at", "_seen", "_types", "_view", "_viewed", "elsewhere")

    def __init__(self, types: Sequence[int] = ADDRESS_TYPES) -> None:
        self._types: Final = types
        self._seen: Seen = ()
        self._denied: tuple[tuple[LinkId, int], ...] = ()
        self._heard_at: float | None = None
        """When the first address that is still known was heard, or else the first denial."""
        self.elsewhere: Collection[bytes] | None = None
        """What the system's resolver knows of a host that is not multicast DNS's; None until it was asked."""
        self._view: tuple[FoundAddress, ...] | None = None
        """What `found` returned last, while that is true."""
        self._viewed: tuple[str, ...] | None = None
        """The interfaces that it was called with."""

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._seen or self.elsewhere)

    def hear(self, link: LinkId, change: RecordChange, now: float) -> None:
        """Take in what happened to an address record."""
        were_known = bool(self._seen)
        self._seen = take_in(self._seen, link, change)
        if self._denied:
            self._allow(link, (change.record.type,))
        if bool(self._seen) is not were_known:
            self._heard_at = None if were_known else now
        self._view = None

    def _allow(self, link: LinkId, types: Sequence[int]) -> None:
        """Take back that there are no addresses of some types, as was said on a link."""
        self._denied = tuple([one for one in self._denied if one[0] != link or one[1] not in types])

    def deny(self, link: LinkId, rtype: int, now: float) -> None:
        """Take in that the host has no addresses of a type, as it says on a link."""
        if not self._denied:
            self._denied = _alone(link, rtype)
        elif (link, rtype) not in self._denied:
            self._denied += ((link, rtype),)
        if self._heard_at is None:
            self._heard_at = now

    def learn(self, addresses: Collection[bytes]) -> None:
        """Take in what the system's resolver says."""
        self.elsewhere = addresses
        self._view = None

    def forget(self, link: LinkId) -> None:
        """Forget what was learned on a link."""
        self._seen = without(self._seen, link)
        self._allow(link, self._types)
        if not self._seen and not self._denied:
            self._heard_at = None
        self._view = None

    def found(self, interfaces: tuple[str, ...] | None = None) -> tuple[FoundAddress, ...]:
        """Return the addresses, ordered by interface, IPv4 first.

        A name belongs to a host on one link only (RFC 6762 §3): on another interface, it may be another
        host's.

        :param interfaces: only those on these interfaces; None for all.
        """
        if self._view is not None and self._viewed == interfaces:
            return self._view
        if interfaces != () and self._is_simple(interfaces):
            link, rdata = self._seen[0]
            found: tuple[FoundAddress, ...] = (FoundAddress.from_rdata(rdata, link.interface),)
        else:
            sizes = [SIZES[rtype] for rtype in self._types]
            distinct = {
                (link.interface, len(rdata), rdata)
                for link, rdata in self._seen
                if interfaces is None or link is BEYOND or link.interface in interfaces
            }
            distinct |= {("", len(rdata), rdata) for rdata in self.elsewhere or () if len(rdata) in sizes}
            found = tuple([FoundAddress.from_rdata(rdata, where) for where, _, rdata in sorted(distinct)])
        self._view, self._viewed = found, interfaces
        return found

    def _is_simple(self, interfaces: Iterable[str] | None) -> bool:
        """Whether there is one address and one link at most, as with nearly all hosts.

        All that is asked then is answered in a tenth of the time.
        """
        seen = self._seen
        if len(seen) != 1 or self.elsewhere is not None:
            return False
        link = seen[0][0]
        for interface in interfaces or ():
            if interface != link.interface:
                return False
        for where, _ in self._denied:
            if where is not link:
                return False
        return link is not BEYOND

    def is_complete(self, interfaces: Iterable[str] = ()) -> bool:
        """Whether no more are to be expected; there may be none at all.

        That is so when on each interface both families are known, or denied on the link that tells of the
        other.

        :param interfaces: those on which the host is known to be, besides those where it told an address.
        """
        if self.elsewhere is not None:
            return True
        if self._is_simple(interfaces):
            link, rdata = self._seen[0]
            size = len(rdata)
            # A loop takes half of the time of a comprehension, for two types and each service that comes.
            for rtype in self._types:
                if SIZES[rtype] != size and (link, rtype) not in self._denied:
                    return False
            return True
        where = {link.interface for link, _ in self._seen}
        if not where:
            return any(self._is_told_on(link) for link, _ in self._denied)
        return all(self._is_complete_on(interface) for interface in where.union(interfaces))

    def _is_complete_on(self, interface: str) -> bool:
        known = {len(rdata) for link, rdata in self._seen if link.interface == interface}
        if all(SIZES[rtype] in known for rtype in self._types):
            return True
        links = {link for link, _ in self._seen} | {link for link, _ in self._denied}
        return any(self._is_told_on(link) for link in links if link.interface == interface)

    def _is_told_on(self, link: LinkId) -> bool:
        """Whether each family is known or denied on a link."""
        known = {len(rdata) for where, rdata in self._seen if where == link}
        return all(SIZES[rtype] in known or (link, rtype) in self._denied for rtype in self._types)

    def settles_at(self, interfaces: Iterable[str] = ()) -> float | None:
        """Return when to wait no longer for more, perhaps in the past; None while nothing is known.

        :param interfaces: as for `is_complete`.
        """
        if self.elsewhere is not None:
            return 0.0
        if self._heard_at is None:
            return None
        if self._seen and self.is_complete(interfaces):
            return self._heard_at
        return self._heard_at + FAMILY_DELAY
