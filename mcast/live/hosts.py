"""The hosts: who sent packets, and who has a name and addresses."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

from mcast.live.documents import Document
from mcast.live.events import EventLog
from mcast.live.limits import HOST_LIMIT, MAX_ADDRESSES, MAX_HOSTS
from mcast.live.publishing import Published
from mcast.live.rates import Rate
from mcast.live.texts import text_of

FLOOD_RATE = 50.0
"""Packets a second of one host that are a flood; half of it ends it. Our choice: far above any device."""

SILENCE_LIMIT = 4500.0
"""Seconds without a packet after which a host that has services is silent.

Our choice: by then all that it said has run out (75 minutes, RFC 6762 §10).
"""

MISSED_LIMIT = 3
"""Questions in a row without an answer after which a host is silent. Our choice: one may be lost."""


class RoundTrips:
    """How long a host took to answer questions."""

    __slots__ = ("asked", "best", "last", "lost", "mean", "missed")

    def __init__(self) -> None:
        self.asked = self.lost = self.missed = 0
        self.last: float | None = None
        self.best: float | None = None
        self.mean: float | None = None

    def add(self, seconds: float | None) -> None:
        """Take in an answer; None when none came in time."""
        self.asked += 1
        if seconds is None:
            self.lost += 1
            self.missed += 1
            return
        self.missed = 0
        self.last = seconds
        self.best = seconds if self.best is None else min(self.best, seconds)
        # An eighth of each new one, as TCP smooths it (RFC 6298 §2).
        self.mean = seconds if self.mean is None else self.mean + (seconds - self.mean) / 8

    def as_json(self) -> Document:
        """Return the fields; times in seconds."""
        times = {name: getattr(self, name) for name in ("last", "best", "mean")}
        rounded = {name: None if value is None else round(value, 6) for name, value in times.items()}
        return {**rounded, "asked": self.asked, "lost": self.lost, "missed": self.missed}


class Host:
    """One host."""

    __slots__ = (
        *(
            "addresses",
            "breaches",
            "first",
            "formerly",
            "id",
            "is_flooding",
            "is_self",
            "is_silent",
            "last",
            "links",
        ),
        *("mac", "names", "octets", "packets", "questions", "rate", "records", "round_trips", "services"),
        *("sources", "vendor"),
    )

    def __init__(self, identifier: str, now: float) -> None:
        self.id = identifier
        self.names: dict[str, set[str]] = {}
        """Each with the addresses that it is said to have."""
        self.addresses: dict[str, None] = {}
        self.sources: dict[str, None] = {}
        """The addresses among these from which packets came."""
        self.links: dict[str, None] = {}
        """The links on which it was heard, in the order that it was."""
        self.formerly: list[str] = []
        """The identifiers of hosts that were found to be this one, the latest last."""
        self.mac: str | None = None
        self.vendor: str | None = None
        self.first = now
        self.last: float | None = None
        """When a packet came from it; None for a host that is only spoken of."""
        self.packets = self.octets = self.records = self.questions = self.breaches = 0
        self.services: set[str] = set()
        """The identifiers of those that are on it now."""
        self.rate = Rate(int(now))
        self.round_trips: RoundTrips | None = None
        self.is_self = False
        self.is_flooding = False
        self.is_silent = False

    @property
    def label(self) -> str:
        """What people call it."""
        return next(iter(self.names), None) or next(iter(self.addresses), None) or self.id

    def as_json(self, now: float) -> Document:
        """Return the entry of the snapshot."""
        return {
            "name": next(iter(self.names), None),
            "names": list(self.names),
            "addresses": list(self.addresses),
            "links": list(self.links),
            "mac": self.mac,
            "vendor": self.vendor,
            "self": self.is_self,
            "formerly": list(self.formerly),
            "first": round(self.first, 3),
            "last": None if self.last is None else round(self.last, 3),
            "packets": self.packets,
            "octets": self.octets,
            "rate": self.rate.rate(int(now)),
            "records": self.records,
            "questions": self.questions,
            "breaches": self.breaches,
            "services": len(self.services),
            "flooding": self.is_flooding,
            "silent": self.is_silent,
            "rtt": None if self.round_trips is None else self.round_trips.as_json(),
        }


class Hosts:
    """The table of hosts, found by address and by name.

    An address and a name are of the same host when the host says so in an address record. Where two hosts
    turn out to be one, the one that was known first stays.
    """

    def __init__(self, published: Published, events: EventLog) -> None:
        self.displaced = 0
        """How many were forgotten to make place."""
        self.merged: list[Callable[[Host, Host], None]] = []
        """Are called with two hosts that were found to be one: the one that goes, the one that stays."""
        self._published = published
        self._events = events
        self._number = 0
        # In the order in which they were heard last.
        self._hosts: OrderedDict[str, Host] = OrderedDict()
        self._by_address: dict[str, Host] = {}
        self._by_name: dict[str, Host] = {}
        self._active: dict[str, Host] = {}

    def __len__(self) -> int:
        return len(self._hosts)

    def __iter__(self) -> Iterator[Host]:
        return iter(tuple(self._hosts.values()))

    def get(self, identifier: str) -> Host | None:
        """Return the host of an identifier."""
        return self._hosts.get(identifier)

    def at(self, address: str) -> Host | None:
        """Return the host that has an address."""
        return self._by_address.get(address)

    def named(self, name: str) -> Host | None:
        """Return the host that has a name, in any case of its letters."""
        return self._by_name.get(name.lower())

    def heard(self, address: str, link: str, octets: int, now: float) -> Host:
        """Return the host that sent a packet, which is counted."""
        host = self._by_address.get(address)
        if host is None:
            host = self._new(now)
            self._add_address(host, address)
            self._events.add(now, "came", "host", host.id, (host.label, f"heard on {link}"))
        if link not in host.links and len(host.links) < MAX_ADDRESSES:
            host.links[link] = None
            self._published.changed("hosts", host)
        if host.is_silent:
            host.is_silent = False
            self._published.changed("hosts", host)
            self._events.add(now, "came", "host", host.id, (host.label, "heard again"))
        host.sources[address] = None
        host.last = now
        host.packets += 1
        host.octets += octets
        host.rate.add(int(now), octets)
        self._hosts.move_to_end(host.id)
        self._active[host.id] = host
        self._published.counted("hosts", host)
        return host

    def has(self, name: str, address: str, now: float) -> Host:
        """Take in that the host of a name has an address."""
        by_name, by_address = self._by_name.get(name.lower()), self._by_address.get(address)
        if by_name is not None and by_name is by_address and _knows(by_name, name, address):
            return by_name
        if by_name is None:
            host = self._new(now) if by_address is None else by_address
        elif by_address is None or by_name is by_address:
            host = by_name
        elif _may_be_one(by_name, by_address):
            host = self._merged(by_name, by_address)
        else:
            # The name was given up by one, and taken by the other.
            self._drop_name(by_name, name)
            self._published.changed("hosts", by_name)
            host = by_address
        before, had_name = host.label, bool(host.names)
        self._add_address(host, address)
        self._add_name(host, name).add(address)
        self._published.changed("hosts", host)
        if not had_name and by_address is None:
            self._events.add(now, "came", "host", host.id, (host.label, f"has {address}"))
        elif had_name and host.label != before:
            self._events.add(now, "renamed", "host", host.id, (host.label, f"was {before}"))
        return host

    def has_no_more(self, name: str, address: str, now: float) -> None:
        """Take in that the host of a name has an address no more: a goodbye."""
        host = self._by_name.get(name.lower())
        if host is None or self._by_address.get(address) is not host:
            return
        before = host.label
        claimed = next((said for each, said in host.names.items() if each.lower() == name.lower()), set())
        claimed.discard(address)
        if not claimed:
            if len(host.names) == 1:
                # It says goodbye altogether; what it is called is still good to know.
                return
            self._drop_name(host, name)
        elif not any(address in said for said in host.names.values()):
            del self._by_address[address]
            del host.addresses[address]
            host.sources.pop(address, None)
        self._published.changed("hosts", host)
        if host.label != before:
            self._events.add(now, "renamed", "host", host.id, (host.label, f"was {before}"))

    def neighbour(self, address: str, mac: str, vendor: str | None) -> None:
        """Take in what the neighbour table tells of an address; another MAC is another host."""
        host = self._by_address.get(address)
        if host is None or (host.mac == mac and host.vendor == vendor):
            return
        if host.mac is not None and host.mac != mac and len(host.addresses) > 1:
            now = host.first if host.last is None else host.last
            was_source = host.sources.pop(address, "no") is None
            del host.addresses[address]
            for said in host.names.values():
                said.discard(address)
            self._published.changed("hosts", host)
            host = self._new(now)
            self._add_address(host, address)
            if was_source:
                host.sources[address] = None
        host.mac, host.vendor = text_of(mac), None if vendor is None else text_of(vendor)
        self._published.changed("hosts", host)
        # A wireless repeater lends its MAC to all behind it: only two halves of one host are joined.
        others = [each for each in self._hosts.values() if each.mac == host.mac and each is not host]
        is_half = len(others) == 1 and not (host.names and others[0].names)
        if is_half and host.links.keys().isdisjoint(others[0].links):
            self._merged(others[0], host)

    def is_self(self, address: str) -> None:
        """Take in that the host of an address is the one that watches."""
        host = self._by_address.get(address)
        if host is None or host.is_self:
            return
        host.is_self = True
        self._published.changed("hosts", host)
        for other in self:
            if other.is_self and other is not host:
                self._merged(other, host)
                return

    def round_trip(self, host: Host, seconds: float | None, now: float) -> None:
        """Take in how long a host took to answer; None when it did not."""
        if host.round_trips is None:
            host.round_trips = RoundTrips()
        host.round_trips.add(seconds)
        self._published.counted("hosts", host)
        if seconds is None and host.round_trips.missed == MISSED_LIMIT and not host.is_silent:
            host.is_silent = True
            self._published.changed("hosts", host)
            detail = f"no answer to {MISSED_LIMIT} questions"
            self._events.add(now, "silence", "host", host.id, (host.label, detail))

    def advance(self, now: float) -> None:
        """Let rates sink, and find who floods."""
        for host in tuple(self._active.values()):
            packets = host.rate.rate(int(now))[0]
            if host.is_flooding is not (packets >= (FLOOD_RATE / 2 if host.is_flooding else FLOOD_RATE)):
                host.is_flooding = not host.is_flooding
                self._published.changed("hosts", host)
                if host.is_flooding:
                    detail = f"{packets:.0f} packets a second"
                    self._events.add(now, "flood", "host", host.id, (host.label, detail))
            self._published.counted("hosts", host)
            if host.rate.is_zero:
                del self._active[host.id]

    def look(self, now: float) -> None:
        """Find who is silent, and forget who has been for long (called now and then)."""
        for host in self:
            last = host.first if host.last is None else host.last
            if host.services:
                if now - last > SILENCE_LIMIT and not host.is_silent:
                    host.is_silent = True
                    self._published.changed("hosts", host)
                    self._events.add(
                        now, "silence", "host", host.id, (host.label, "not heard for 75 minutes")
                    )
            elif now - last > HOST_LIMIT:
                self._events.add(now, "went", "host", host.id, (host.label, "not heard for an hour"))
                self._forget(host)

    def _new(self, now: float) -> Host:
        while len(self._hosts) >= MAX_HOSTS:
            self._forget(next(iter(self._hosts.values())))
            self.displaced += 1
        self._number += 1
        host = Host(f"h{self._number}", now)
        self._hosts[host.id] = host
        self._published.changed("hosts", host)
        return host

    def _add_address(self, host: Host, address: str) -> None:
        other = self._by_address.get(address)
        if other is not None and other is not host:
            other.addresses.pop(address, None)
            other.sources.pop(address, None)
            self._published.changed("hosts", other)
        if address not in host.addresses and len(host.addresses) >= MAX_ADDRESSES:
            oldest = next(iter(host.addresses))
            del host.addresses[oldest]
            host.sources.pop(oldest, None)
            del self._by_address[oldest]
            for said in host.names.values():
                said.discard(oldest)
        host.addresses[address] = None
        self._by_address[address] = host

    def _add_name(self, host: Host, name: str) -> set[str]:
        for each, said in host.names.items():
            if each.lower() == name.lower():
                return said
        if len(host.names) >= MAX_ADDRESSES:
            self._drop_name(host, next(iter(host.names)))
        self._by_name[name.lower()] = host
        return host.names.setdefault(name, set())

    def _drop_name(self, host: Host, name: str) -> None:
        for each in [each for each in host.names if each.lower() == name.lower()]:
            del host.names[each]
        self._by_name.pop(name.lower(), None)

    def _merged(self, one: Host, other: Host) -> Host:
        kept, gone = (one, other) if one.first <= other.first else (other, one)
        self._forget(gone)
        for address in gone.addresses:
            self._add_address(kept, address)
            if address in gone.sources:
                kept.sources[address] = None
        for name, said in gone.names.items():
            self._add_name(kept, name).update(said)
        for link in gone.links:
            if len(kept.links) < MAX_ADDRESSES:
                kept.links.setdefault(link)
        for counter in ("packets", "octets", "records", "questions", "breaches"):
            setattr(kept, counter, getattr(kept, counter) + getattr(gone, counter))
        if gone.last is not None:
            kept.last = gone.last if kept.last is None else max(kept.last, gone.last)
        kept.mac, kept.vendor = kept.mac or gone.mac, kept.vendor or gone.vendor
        kept.round_trips = kept.round_trips or gone.round_trips
        kept.is_self = kept.is_self or gone.is_self
        kept.services |= gone.services
        kept.formerly = [*kept.formerly, *gone.formerly, gone.id][-MAX_ADDRESSES:]
        self._published.changed("hosts", kept)
        for tell in self.merged:
            tell(gone, kept)
        return kept

    def _forget(self, host: Host) -> None:
        del self._hosts[host.id]
        self._active.pop(host.id, None)
        for address in host.addresses:
            if self._by_address.get(address) is host:
                del self._by_address[address]
        for name in host.names:
            if self._by_name.get(name.lower()) is host:
                del self._by_name[name.lower()]
        self._published.gone("hosts", host.id)


def _knows(host: Host, name: str, address: str) -> bool:
    return any(address in said for each, said in host.names.items() if each.lower() == name.lower())


def _may_be_one(one: Host, other: Host) -> bool:
    """Tell whether two hosts can be one with several addresses: it sends by one address on each link."""
    if one.mac is not None and other.mac is not None:
        return one.mac == other.mac
    return one.links.keys().isdisjoint(other.links)
