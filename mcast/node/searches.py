"""Searches on the reactor: each asks on the links of a node, as they come and go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from twisted.internet.interfaces import IDelayedCall

from mcast.clock import clock_of
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Identity, Record
from mcast.dnssd.following import Follower
from mcast.dnssd.link_id import BEYOND, LinkId
from mcast.mdns.events import Denied, Event, RecordChange
from mcast.node.beyond import Beyond, Where
from mcast.node.durations import Durations
from mcast.node.elsewhere import HostsElsewhere
from mcast.node.link_driver import LinkChange, LinkDriver
from mcast.node.links import Links
from mcast.node.strain import SEARCH_LIMITS, Strain
from mcast.node.troubles import NOT_STARTED
from mcast.sockets.interface import Interface, checked_selectors, select_interfaces

if TYPE_CHECKING:
    from mcast.dns_client.zone_driver import ZoneDriver

_F = TypeVar("_F", bound=Follower)


_TOLD: Final = (RecordChange, Denied)
"""What followers are told of; made once, since a union for each event would take longer than the look."""


class Search(Generic[_F]):
    """One `Follower` on the links of a node.

    :param follower: asks and hears; it does no I/O.
    :param place: the links to ask on, or the domain of which DNS servers tell.
    :param news: called with the time, soon after the follower heard something and when `wake_at` said.
    :param stopped: called when the node stops; it ends what the search serves.
    """

    def __init__(
        self,
        searches: Searches,
        follower: _F,
        place: Where,
        news: Callable[[float], object],
        stopped: Callable[[], object],
    ) -> None:
        self.follower = follower
        self.stopped = stopped
        self._searches = searches
        self.interfaces = checked_selectors(place.interfaces)
        self.zone: ZoneDriver | None = None
        """What asks DNS servers; None for a search on links."""
        self._news = news
        self._elsewhere = HostsElsewhere(searches.reactor, self._learn)
        self._soon: IDelayedCall | None = None
        self._timer: IDelayedCall | None = None

    @property
    def is_closed(self) -> bool:
        """Whether it asks no more."""
        return self.follower not in self._searches.by_follower

    def close(self) -> None:
        """Ask no more; may be called twice."""
        if self._searches.by_follower.pop(self.follower, None) is None:
            return
        self._searches.counted.update(self.follower.counters)
        for timer in (self._soon, self._timer):
            if timer is not None:
                timer.cancel()
        self._soon = self._timer = None
        self._elsewhere.want({})
        with self._searches.calling():
            self.follower.close(self._searches.now())
        if self.zone is not None:
            self._searches.beyond.give_back(self.zone)

    def wants(self, driver: LinkDriver) -> bool:
        """Whether to ask on this link."""
        if self.follower.asks_servers:
            return False
        if not self.interfaces:
            return True
        return bool(select_interfaces(self.interfaces, [driver.interface], strict=False))

    def wake_soon(self) -> None:
        """Tell the news after the reactor has read what has arrived.

        A change that takes ten records is one change then.
        """
        if self._soon is None and not self.is_closed:
            self._soon = self._searches.clock.callLater(0, self._tell)

    def wake_at(self, at: float | None) -> None:
        """Tell the news at a time, which replaces the one given before; None for no time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at is not None and not self.is_closed:
            delay = max(0.0, at - self._searches.now())
            self._timer = self._searches.clock.callLater(delay, self._on_timer, at)

    def _tell(self) -> None:
        self._soon = None
        self._elsewhere.want(self.follower.elsewhere)
        self._news(self._searches.now())

    def _learn(self, host: Name, addresses: Collection[bytes]) -> None:
        self.follower.learn(host, addresses)
        self.wake_soon()

    def _on_timer(self, at: float) -> None:
        self._timer = None
        # Rounding can wake us too early by very little: the follower is told the time it asked for.
        self._news(max(at, self._searches.now()))


class Searches:
    """All the searches of a node.

    :param links: the links of the node.
    :param beyond: asks in domains outside of multicast DNS.
    """

    def __init__(self, reactor: Any, links: Links, beyond: Beyond) -> None:
        self.reactor = reactor
        self.clock = clock_of(reactor)
        self.by_follower: dict[Follower, Search[Any]] = {}
        """The searches that are not closed."""
        self.resolving = Durations()
        """How long it took to find services by name."""
        self.looking_up = Durations()
        """How long it took to find the addresses of hosts."""
        self.counted: Counter[str] = Counter()
        """What the searches left alone that are closed now, by cause."""
        self.strain = Strain(SEARCH_LIMITS)
        """Which limits of searches are reached, on which link, and by whom."""
        self.beyond = beyond
        self._links = links

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Call followers in the body; what they ask leaves when it ends."""
        with self._links.calling():
            yield
        self.beyond.step()

    def counters(self) -> dict[str, int]:
        """Return what all searches have heard and left alone, by cause."""
        total = Counter(self.counted)
        for follower in self.by_follower:
            total.update(follower.counters)
        return dict(total)

    def trouble(self, search: Search[Any]) -> str | None:
        """Say why a search cannot ask anywhere, in one line; None when it can."""
        if search.zone is not None:
            return search.zone.trouble if self.beyond.is_running else NOT_STARTED
        if any(driver.is_working and search.wants(driver) for driver in self._links):
            return None
        return self._links.trouble or f"no link works on {', '.join(search.interfaces)}"

    def now(self) -> float:
        """Return the time, in seconds on the reactor's clock."""
        return float(self.clock.seconds())

    def received(self) -> int:
        """Return how many datagrams of links and replies of servers were read so far."""
        ports = self._links.port_counters().values()
        return sum(counters.get("received", 0) for counters in ports) + self.beyond.client.counters["replies"]

    def works_on(self, interfaces: Sequence[str]) -> bool:
        """Whether any link of these interfaces works."""
        return any(driver.is_working for driver in self._on(interfaces))

    def known(
        self, question: Question, interfaces: Sequence[str], *, whole: bool = False
    ) -> list[Record] | None:
        """Return what the caches of some interfaces know of a question, without asking anything.

        :param whole: with the TTL that each record had when it was heard, not with what is left of it.
        :returns: records, each once; none when the owner of the name has denied
            that there are any; None when nothing is known.
        """
        now = self.now()
        queriers = [driver.link.querier for driver in self._on(interfaces)]
        found: dict[Identity, Record] = {}
        for querier in queriers:
            for record in querier.records(question, now, flushed=False, whole=whole):
                found.setdefault(record.identity, record)
        if found:
            return list(found.values())
        return [] if any(querier.is_denied(question, now) for querier in queriers) else None

    def revision(self, interfaces: Sequence[str]) -> Hashable:
        """Return what is the same as before while nothing was learned or lost on some interfaces.

        Only time has passed then: no response came, and no record went.
        """
        return tuple(
            (
                driver.is_up,
                driver.link.counters["responses received"],
                driver.link.querier.gauges()["records"],
            )
            for driver in self._on(interfaces)
        )

    def is_asked(self, question: Question, interfaces: Sequence[str]) -> bool:
        """Whether somebody asks a question already, on every link of some interfaces."""
        return all(driver.link.querier.is_asked(question) for driver in self._on(interfaces))

    def interfaces(self, interfaces: Sequence[str]) -> tuple[Interface, ...]:
        """Return those of these interfaces that are up, as they were when they last changed."""
        up = [driver.interface for driver in self._on(interfaces) if driver.is_up]
        return tuple({interface.index: interface for interface in up}.values())

    def reconfirm(self, record: Record, interfaces: Sequence[str]) -> bool:
        """Have a record checked on the links of some interfaces; see `Querier.reconfirm`."""
        now = self.now()
        with self.calling():
            # Each of them is told, whatever the others answer.
            found = [driver.link.querier.reconfirm(record, now) for driver in self._on(interfaces)]
        return any(found)

    def _on(self, interfaces: Sequence[str]) -> list[LinkDriver]:
        return [
            driver
            for driver in self._links
            if driver.interface.name in interfaces
            or select_interfaces(interfaces, [driver.interface], strict=False)
        ]

    def start(
        self,
        follower: _F,
        place: Where,
        news: Callable[[float], object],
        stopped: Callable[[], object],
    ) -> Search[_F]:
        """Begin a search on the links that exist and on those to come; ``news`` is called soon."""
        search = Search(self, follower, place, news, stopped)
        self.by_follower[follower] = search
        now = self.now()
        if follower.asks_servers:
            search.zone = self.beyond.take(place, self._told_by_servers)
            with self.calling():
                follower.add_link(BEYOND, search.zone.querier, now)
        with self.calling():
            for driver in self._links:
                if search.wants(driver):
                    follower.add_link(link_id_of(driver), driver.link.querier, now)
        search.wake_soon()
        return search

    def stop(self) -> None:
        """End every search, before the links go: what we cease to hear has not left the network."""
        for search in tuple(self.by_follower.values()):
            search.stopped()

    def handle(self, driver: LinkDriver, events: Sequence[Event]) -> None:
        """Take in what a link reports."""
        if not self.by_follower:
            return
        now = self.now()
        self._pass_on(link_id_of(driver), events, now)
        # Of a thousand searches, one for each type that somebody invents, nearly all have counted nothing.
        counters = [follower.counters for follower in self.by_follower if follower.counters]
        self.strain.look([self.counted, *counters], driver, driver.heard_from, now)

    def _told_by_servers(self, events: Sequence[Event]) -> None:
        self._pass_on(BEYOND, events, self.now())

    def _pass_on(self, link: LinkId, events: Sequence[Event], now: float) -> None:
        # As in `calling`, of which the context managers take longer than all the rest.
        drivers = self._links.begin()
        try:
            for event in events:
                if isinstance(event, _TOLD):
                    for asker in event.askers:
                        search = self.by_follower.get(asker)  # type: ignore[call-overload]  # any hashable
                        if search is not None:
                            search.follower.handle(link, event, now)
                            search.wake_soon()
        finally:
            self._links.end(drivers)
        self.beyond.step()

    def link_changed(self, driver: LinkDriver, change: LinkChange) -> None:
        """Ask on links that came, and no more on those that went."""
        now = self.now()
        present = {link_id_of(driver): driver for driver in self._links}
        names = {link: link.interface for link in present}
        with self.calling():
            for search in tuple(self.by_follower.values()):
                if search.zone is not None:
                    continue
                for link in search.follower.links:
                    # The zone of link-local addresses changes with the name of the interface.
                    if names.get(link) != link.interface:
                        search.follower.remove_link(link, now)
                for link, each in present.items():
                    if search.wants(each):
                        search.follower.add_link(link, each.link.querier, now)
                search.wake_soon()


def link_id_of(driver: LinkDriver) -> LinkId:
    """Return the link that a driver runs, as answers name it."""
    interface, known = driver.interface, driver.link_id
    if known is None or known.interface != interface.name or known.index != interface.index:
        known = driver.link_id = LinkId(interface.name, interface.index, driver.ipv6)
    return known
