"""Asking the same questions on several links that come and go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable
from typing import Final, Generic, Protocol, TypeVar

from mcast.dns.messages import Question
from mcast.dns.names import LOCAL, Name
from mcast.dns.records import Record
from mcast.dnssd.link_id import LinkId
from mcast.mdns.domains import is_multicast_name
from mcast.mdns.events import Denied, RecordAdded, RecordChange, RecordRetimed, Types

MAX_ELSEWHERE = 32
"""Hosts outside of multicast DNS whose addresses one follower wants at most.

Our choice: more than anybody points to; each has the system ask a DNS server, at the word of a stranger.
"""

_K = TypeVar("_K", bound=Hashable)
_S = TypeVar("_S")
_C = TypeVar("_C")


class AnyQuerier(Protocol):
    """What asks: the querier of a link, or that of DNS servers (`mcast.unicast.zone_querier`).

    Its methods are explained at `mcast.mdns.querier.querier.Querier`.
    """

    def ask_about(
        self, name: Name, types: Types, now: float, asker: Hashable, *, whole: bool = False
    ) -> tuple[list[Record], list[int]]:
        """Ask until `cancel`; return what is known, and the types that are denied."""

    def depend(self, service: Name, now: float) -> None:
        """Have answers asked for again for as long as an SRV record leads to them."""

    def cancel(self, question: Question, now: float, asker: Hashable) -> None:
        """Ask no more."""

    def records(
        self, question: Question, now: float, *, flushed: bool = True, whole: bool = False
    ) -> list[Record]:
        """Return what is known."""

    def has(self, name: Name, rtype: int) -> bool:
        """Whether there may be records of a name and type."""

    def is_confirmed(self, record: Record) -> bool:
        """Whether a second host has said the same."""

    def is_repeated(self, record: Record, since: float) -> bool:
        """Whether a record was said again after a moment."""

    def reconfirm(self, record: Record, now: float) -> bool:
        """Take the hint that a record is wrong."""


class Follower:
    """The base of whatever asks questions on links and hears the answers.

    It does no I/O. It asks on links, or DNS servers in place of them, never both: names in ``local.`` go to
    no server, and others to no link (RFC 6762 §3, §13).

    The owner adds the links that exist, and passes on each `RecordChange` and `Denied` that
    has this object among its ``askers``, with the link that it comes from. Any call may make a querier want
    to be called earlier than before, so the owner looks at the `next_wakeup` of the links again afterwards.

    A subclass has `_begin_on`, `_end_on`, `_record` and `_denied`, and `learn` when it looks for addresses.
    """

    wants_times = False
    """Whether to be told when only the time to live of a record has changed."""
    asks_for_any_name = False
    """Whether to ask for names outside of multicast DNS too, since somebody wants just that."""

    def __init__(self, domain: Name = LOCAL) -> None:
        self.asks_servers: Final = not is_multicast_name(domain)
        """Whether it asks DNS servers, and on no link; its only link is `BEYOND` then."""
        self.counters: Final[Counter[str]] = Counter()
        """What was heard and left alone, by cause."""
        self.elsewhere: Final[dict[bytes, Name]] = {}
        """Hosts outside of multicast DNS, by the keys of their names.

        The owner has the system's resolver look them up, and hands on by `learn` what that knows.
        """
        self._links: dict[LinkId, AnyQuerier] = {}

    @property
    def links(self) -> tuple[LinkId, ...]:
        """Where questions are asked now."""
        return tuple(self._links)

    def add_link(self, link: LinkId, querier: AnyQuerier, now: float) -> None:
        """Ask on one more link."""
        if link not in self._links:
            self._links[link] = querier
            self._begin_on(link, now)

    def remove_link(self, link: LinkId, now: float) -> None:
        """Ask no more on a link, and forget what was learned there.

        This is for a link that is gone or no longer wanted. A link that is down reports by events that its
        records are gone.
        """
        if link in self._links:
            self._end_on(link, now)
            del self._links[link]

    def close(self, now: float) -> None:
        """Ask no more at all."""
        for link in tuple(self._links):
            self.remove_link(link, now)

    def handle(self, link: LinkId, event: RecordChange | Denied, now: float) -> None:
        """Take in an event of a link."""
        if link not in self._links:
            return
        if isinstance(event, Denied):
            self._denied(link, event.question, now)
        elif self.wants_times or not isinstance(event, RecordRetimed):
            self._record(link, event, now)

    def learn(self, host: Name, addresses: Collection[bytes]) -> None:
        """Take in the addresses of a host of `elsewhere`, as rdata; none when they are not to be had."""

    def _want_elsewhere(self, host: Name) -> None:
        if len(self.elsewhere) < MAX_ELSEWHERE:
            self.elsewhere[host.key] = host
        else:
            self.counters["hosts elsewhere beyond the limit"] += 1

    def _may_ask_for(self, name: Name) -> bool:
        """Whether a name is one that this follower asks for where it asks."""
        return is_multicast_name(name) is not self.asks_servers

    def _ask(self, link: LinkId, name: Name, types: Types, now: float) -> None:
        """Begin to ask on a link for records of some types, and take in what it knows already.

        Anybody on the link could answer for a name outside of multicast DNS: it is not asked for, and what
        was heard unasked is not believed (RFC 6762 §3, §13).
        """
        if not (self.asks_for_any_name or self._may_ask_for(name)):
            outside = "names in multicast DNS" if self.asks_servers else "names outside of multicast DNS"
            self.counters[outside] += len(types)
        else:
            self._ask_about_any(link, name, types, now)

    def _ask_about_any(self, link: LinkId, name: Name, types: Types, now: float) -> None:
        """Do as `_ask` with a name of which it is known that it may be asked for."""
        found, denied = self._links[link].ask_about(name, types, now, self, whole=self.wants_times)
        for record in found:
            self._record(link, RecordAdded(record, (self,)), now)
        for rtype in denied:
            self._denied(link, Question(name, rtype), now)

    def _cancel(self, link: LinkId, question: Question, now: float) -> None:
        self._links[link].cancel(question, now, self)

    def _begin_on(self, link: LinkId, now: float) -> None:
        """Ask what is to be asked on a new link."""
        raise NotImplementedError

    def _end_on(self, link: LinkId, now: float) -> None:
        """Cancel what is asked on a link, and forget what was learned there."""
        raise NotImplementedError

    def _record(self, link: LinkId, change: RecordChange, now: float) -> None:
        """Take in what happened to a record."""
        raise NotImplementedError

    def _denied(self, link: LinkId, question: Question, now: float) -> None:
        """Take in that there is no such record."""
        raise NotImplementedError


class Listing(Follower, Generic[_K, _S, _C]):
    """A follower that keeps a table of what it has found, and tells each change of the table once.

    What is heard is kept until the owner calls `changes`, and compared with the table then. However late that
    is, there is at most one change for each entry. The owner calls it soon after it has passed something on,
    again while `has_news`, and at `next_wakeup`.

    A subclass has `changes`, `key_of` and `compare` too.
    """

    def __init__(self, domain: Name = LOCAL) -> None:
        super().__init__(domain)
        self.table: Final[dict[_K, _S]] = {}
        """What there is, as `changes` told it last."""

    @property
    def has_news(self) -> bool:
        """Whether `changes` may have something to tell."""
        raise NotImplementedError

    def next_wakeup(self) -> float | None:
        """Return when to call `changes` though nothing is heard until then."""
        return None

    def changes(self, now: float) -> list[_C]:
        """Bring the table up to date, and return what has changed in it."""
        raise NotImplementedError

    @staticmethod
    def key_of(change: _C) -> _K:
        """Return the key of the entry that has changed."""
        raise NotImplementedError

    @staticmethod
    def compare(old: _S | None, new: _S | None) -> _C | None:
        """Return the change from one state to another, None when they are the same to a user.

        A state is None when there is no entry.
        """
        raise NotImplementedError

    def snapshot(self) -> tuple[_S, ...]:
        """Return the current state, as `changes` told it last."""
        return tuple(self.table.values())

    def _put(self, key: _K, new: _S | None) -> _C | None:
        """Put a state into the table, or take the entry out, and return what that changes."""
        old = self.table.get(key)
        if new is None:
            self.table.pop(key, None)
        else:
            self.table[key] = new
        return self.compare(old, new)
