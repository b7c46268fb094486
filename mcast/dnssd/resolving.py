"""From names to what can be connected to (RFC 6763 §5, RFC 2782)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from random import Random
from typing import Final, Protocol, TypeVar

from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dnssd.following import Follower
from mcast.dnssd.found import FoundAddress, FoundService
from mcast.dnssd.link_id import LinkId
from mcast.dnssd.tracking import ServiceTracker
from mcast.mdns.domains import is_multicast_name
from mcast.mdns.events import RecordChange, RecordFlushed, RecordRemoved

MAX_ALIASES = 8
"""Aliases that are followed one after the other. Our choice: one or two are in use anywhere."""

LEAST_WEIGHT = 0.01
"""What weight 0 counts. Our choice: "a very small chance" beside other weights (RFC 2782)."""

FAMILY_DELAY = 0.25
"""How long a look-up that has addresses waits for the other family, or the other link.

Our choice: links begin to ask up to 100 ms apart, and answers wait up to 120 ms (RFC 6762 §5.2, §6).
"""


class Resolver(ServiceTracker):
    """Follows one service instance, wherever it moves (RFC 6763 §3).

    :param names: its whole name; several when it is not known in which form it is published.
    """

    def __init__(self, *names: Name) -> None:
        super().__init__()
        self.names: Final = names

    @property
    def service(self) -> FoundService | None:
        """The service as `changes` told it last, or None while it is not there."""
        return next(iter(self.table.values()), None)

    @property
    def host(self) -> Name | None:
        """The host that the SRV record names, whether its addresses are known or not."""
        hosts = [one.host.name for one in self._instances.values() if one.host is not None]
        return hosts[0] if hosts else None

    def _begin_on(self, link: LinkId, now: float) -> None:
        for name in self.names:
            self._follow(name, link, now)


class HostLookup(Follower):
    """Looks for the addresses of one host.

    It asks for both families at once. The answer is complete as soon as both are known or denied on one link
    (RFC 6762 §6.1).

    :param ipv4: ask for A records.
    :param ipv6: ask for AAAA records.
    """

    def __init__(self, name: Name, *, ipv4: bool = True, ipv6: bool = True) -> None:
        super().__init__()
        self.name: Final = name
        self._types: Final = (RecordType.A,) * ipv4 + (RecordType.AAAA,) * ipv6
        self._names: Final[list[Name]] = [name]
        """The name, and those that it is an alias of."""
        self._found: Final[dict[tuple[LinkId, bytes, bytes], None]] = {}
        """Addresses, each with the link and the key of the name it was found under."""
        self._denied_on: Final[set[tuple[LinkId, bytes, int]]] = set()
        self._found_at: float | None = None
        self._found_elsewhere: Final[dict[bytes, Collection[bytes]]] = {}
        """Addresses by the system's resolver, by the key of the name."""
        if not is_multicast_name(name):
            self._want_elsewhere(name)

    @property
    def addresses(self) -> tuple[FoundAddress, ...]:
        """The addresses that are known now, ordered by interface, IPv4 first."""
        distinct = {(link.interface, len(rdata), rdata) for link, _, rdata in self._found}
        sizes = [_SIZES[rtype] for rtype in self._types]
        for addresses in self._found_elsewhere.values():
            distinct |= {("", len(rdata), rdata) for rdata in addresses if len(rdata) in sizes}
        return tuple([FoundAddress.from_rdata(rdata, where) for where, _, rdata in sorted(distinct)])

    @property
    def is_complete(self) -> bool:
        """Whether no more addresses are to be expected; there may be none at all."""
        key = self._names[-1].key
        if key in self.elsewhere:
            return key in self._found_elsewhere
        return any(
            all(
                (link, key, int(rtype)) in self._denied_on
                or any(where == link and len(rdata) == _SIZES[rtype] for where, _, rdata in self._found)
                for rtype in self._types
            )
            for link in self._links
        )

    def is_done(self, now: float) -> bool:
        """Whether to wait no longer.

        It is complete, or the first address came so long ago that any other would have come too.
        """
        return self.is_complete or (self._found_at is not None and now >= self._found_at + FAMILY_DELAY)

    def next_wakeup(self) -> float | None:
        """Return when `is_done` may become true though nothing is heard until then."""
        return None if self._found_at is None or self.is_complete else self._found_at + FAMILY_DELAY

    def _questions(self, name: Name) -> list[Question]:
        if name.key in self.elsewhere:
            return []
        return [Question(name, rtype) for rtype in self._types]

    def _begin_on(self, link: LinkId, now: float) -> None:
        for name in list(self._names):
            for question in self._questions(name):
                self._ask(link, question, now)

    def _end_on(self, link: LinkId, now: float) -> None:
        for name in self._names:
            for question in self._questions(name):
                self._cancel(link, question, now)
        for entry in [entry for entry in self._found if entry[0] == link]:
            del self._found[entry]
        self._denied_on.difference_update([entry for entry in self._denied_on if entry[0] == link])

    def _record(self, link: LinkId, change: RecordChange, now: float) -> None:
        record = change.record
        is_gone = isinstance(change, RecordFlushed | RecordRemoved)
        if record.type == RecordType.CNAME:
            if not is_gone:
                self._follow_alias(Name.from_wire(record.rdata), now)
            return
        if record.type not in self._types:
            return
        entry = (link, record.name.key, record.rdata)
        if is_gone:
            self._found.pop(entry, None)
        else:
            self._found[entry] = None
            self._denied_on.discard((link, record.name.key, record.type))
        if not self._found:
            self._found_at = None
        elif self._found_at is None:
            self._found_at = now

    def _follow_alias(self, target: Name, now: float) -> None:
        if target in self._names:
            return
        if len(self._names) > MAX_ALIASES:
            self.counters["aliases beyond the limit"] += 1
            return
        self._names.append(target)
        if not is_multicast_name(target):
            self._want_elsewhere(target)
            return
        for link in self._links:
            for question in self._questions(target):
                self._ask(link, question, now)

    def learn(self, host: Name, addresses: Collection[bytes]) -> None:
        self._found_elsewhere[host.key] = addresses

    def _denied(self, link: LinkId, question: Question, now: float) -> None:
        self._denied_on.add((link, question.name.key, question.type))


_SIZES: Final = {RecordType.A: 4, RecordType.AAAA: 16}


class _Weighted(Protocol):
    @property
    def priority(self) -> int: ...

    @property
    def weight(self) -> int: ...


_Target = TypeVar("_Target", bound=_Weighted)


def without_address(host: Name, seconds: float) -> str:
    """Say of a service on which host it is, and why no address of it is known after some seconds."""
    if is_multicast_name(host):
        return f"is on {host}, of which no address was heard within {seconds:g} s"
    return f"is on {host}, which is outside of .local; the system's resolver knows no address of it"


def in_order(targets: Iterable[_Target], rng: Random) -> list[_Target]:
    """Return targets of SRV records in the order in which to try them (RFC 2782, RFC 6763 §5).

    Lower priorities come first. Among equal ones each place is drawn, with chances in proportion to the
    weights.
    """
    ordered: list[_Target] = []
    waiting = sorted(targets, key=lambda target: (target.priority, target.weight))
    while waiting:
        group = [target for target in waiting if target.priority == waiting[0].priority]
        waiting = waiting[len(group) :]
        while group:
            weights = [target.weight or LEAST_WEIGHT for target in group]
            place = rng.choices(range(len(group)), weights)[0]
            ordered.append(group.pop(place))
    return ordered
