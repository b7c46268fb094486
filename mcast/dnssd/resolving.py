"""From names to what can be connected to (RFC 6763 §5, RFC 2782)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import chain
from random import Random
from typing import Final, Protocol, TypeVar

from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import LOCAL, Name
from mcast.dnssd.addresses import HostAddresses
from mcast.dnssd.following import Follower
from mcast.dnssd.found import FoundAddress, FoundService
from mcast.dnssd.link_id import LinkId
from mcast.dnssd.tracking import ServiceTracker
from mcast.mdns.domains import is_multicast_name
from mcast.mdns.events import RecordChange, RecordFlushed, RecordRemoved, Types

MAX_ALIASES = 8
"""Aliases that are followed one after the other. Our choice: one or two are in use anywhere."""

LEAST_WEIGHT = 0.01
"""What weight 0 counts. Our choice: "a very small chance" beside other weights (RFC 2782)."""


class Resolver(ServiceTracker):
    """Follows one service instance, wherever it moves (RFC 6763 §3).

    :param names: its whole name; several when it is not known in which form it is published.
    """

    def __init__(self, *names: Name) -> None:
        super().__init__(names[0])
        self.names: Final = names
        self._denied_names: Final[set[bytes]] = set()

    @property
    def service(self) -> FoundService | None:
        """The service as `changes` told it last, or None while it is not there."""
        return next(iter(self.table.values()), None)

    @property
    def host(self) -> Name | None:
        """The host that the SRV record names, whether its addresses are known or not."""
        hosts = [one.host.name for one in self._instances.values() if one.host is not None]
        return hosts[0] if hosts else None

    @property
    def is_denied(self) -> bool:
        """Whether DNS servers say that there is no such service.

        On a link nobody can say so for all hosts.
        """
        return self.asks_servers and all(name.key in self._denied_names for name in self.names)

    def _denied(self, link: LinkId, question: Question, now: float) -> None:
        super()._denied(link, question, now)
        if question.type == RecordType.SRV:
            self._denied_names.add(question.name.key)

    def _record(self, link: LinkId, change: RecordChange, now: float) -> None:
        super()._record(link, change, now)
        if change.record.type == RecordType.SRV and not isinstance(change, RecordRemoved):
            self._denied_names.discard(change.record.name.key)

    def _begin_on(self, link: LinkId, now: float) -> None:
        for name in self.names:
            self._follow(name, link, now)


class HostLookup(Follower):
    """Looks for the addresses of one host.

    It asks for both families at once. The answer is complete as soon as both are known or denied on one link
    (RFC 6762 §6.1).

    :param also: other names that may be meant (see `sought_hosts`).
    :param ipv4: ask for A records.
    :param ipv6: ask for AAAA records.
    :param asks_servers: ask DNS servers for a host outside of multicast DNS; otherwise the system's resolver
        is wanted to look it up (see `elsewhere`).
    """

    def __init__(
        self, name: Name, *also: Name, ipv4: bool = True, ipv6: bool = True, asks_servers: bool = False
    ) -> None:
        super().__init__(name if asks_servers else LOCAL)
        self.name: Final = name
        self._types: Final = (int(RecordType.A),) * ipv4 + (int(RecordType.AAAA),) * ipv6
        self._names: Final[list[Name]] = [name, *also]
        """The name, and those that it is an alias of."""
        self._aliases = 0
        self._found: Final = {one.key: HostAddresses(self._types) for one in self._names}
        """What is known of each of them, by the keys of the names."""
        for one in self._names:
            if not self._may_ask_for(one):
                self._want_elsewhere(one)

    @property
    def addresses(self) -> tuple[FoundAddress, ...]:
        """The addresses that are known now, ordered by interface, IPv4 first."""
        found = dict.fromkeys(chain.from_iterable([one.found() for one in self._found.values()]))
        return tuple(sorted(found, key=lambda one: (one.interface, one.address.version, one.address.packed)))

    @property
    def is_complete(self) -> bool:
        """Whether no more addresses are to be expected; there may be none at all."""
        return self._last.is_complete()

    def is_done(self, now: float) -> bool:
        """Whether to wait no longer.

        It is complete, or the first address came so long ago that any other would have come too.
        """
        return self.is_complete or (bool(self._last) and (self._last.settles_at() or 0.0) <= now)

    def next_wakeup(self) -> float | None:
        """Return when `is_done` may become true though nothing is heard until then."""
        return self._last.settles_at() if self._last and not self.is_complete else None

    @property
    def _last(self) -> HostAddresses:
        """What is known of the name that all others are aliases of, as far as anything is."""
        known = [self._found[one.key] for one in reversed(self._names)]
        return next((one for one in known if one.settles_at() is not None), known[0])

    def _types_of(self, name: Name) -> Types:
        """Return which types of a name are asked for."""
        return {} if name.key in self.elsewhere else dict.fromkeys(self._types, False)

    def _begin_on(self, link: LinkId, now: float) -> None:
        for name in list(self._names):
            if types := self._types_of(name):
                self._ask(link, name, types, now)

    def _end_on(self, link: LinkId, now: float) -> None:
        for name in self._names:
            for rtype in self._types_of(name):
                self._cancel(link, Question(name, rtype), now)
        for found in self._found.values():
            found.forget(link)

    def _record(self, link: LinkId, change: RecordChange, now: float) -> None:
        record = change.record
        if record.type == RecordType.CNAME:
            if not isinstance(change, RecordFlushed | RecordRemoved):
                self._follow_alias(Name.from_wire(record.rdata), now)
        elif record.type in self._types:
            self._found[record.name.key].hear(link, change, now)

    def _follow_alias(self, target: Name, now: float) -> None:
        if target in self._names:
            return
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            self.counters["aliases beyond the limit"] += 1
            return
        self._names.append(target)
        self._found[target.key] = HostAddresses(self._types)
        if not self._may_ask_for(target):
            if self.asks_servers:
                self._found[target.key].learn(())
            else:
                self._want_elsewhere(target)
            return
        for link in self._links:
            if types := self._types_of(target):
                self._ask(link, target, types, now)

    def learn(self, host: Name, addresses: Collection[bytes]) -> None:
        self._found[host.key].learn(addresses)

    def _denied(self, link: LinkId, question: Question, now: float) -> None:
        self._found[question.name.key].deny(link, question.type, now)


class _Weighted(Protocol):
    @property
    def priority(self) -> int: ...

    @property
    def weight(self) -> int: ...


_Target = TypeVar("_Target", bound=_Weighted)


def without_address(host: Name, seconds: float, asks_servers: bool = False) -> str:
    """Say of a service on which host it is, and why no address of it is known after some seconds.

    :param asks_servers: whether DNS servers were asked.
    """
    if asks_servers:
        known = "which DNS cannot tell of" if is_multicast_name(host) else "of which DNS has no address"
        return f"is on {host}, {known}"
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
