"""The links behind the zones, as a node has them: what is known there, and what may be asked when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall

from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.node.beyond import Where
from mcast.node.node import Node, searches_of
from mcast.node.searches import Search
from mcast.sockets.interface import Interface
from mcast.unicast.gathering import Gatherer
from mcast.unicast.pacing import LINK_RATE, Pacing
from mcast.unicast.zone import Delegation, Zone, ZoneTable

_REVERSE = b"\x04arpa\0"

REMEMBERED = 0.5
"""Seconds for which what goes along with answers is remembered. Our choice: addresses live for minutes."""

REMEMBERED_SETS = 4096
"""Sets of records that are remembered. Our choice: four for each of a thousand services."""


class LinkQuestion:
    """A question that is asked on the link of a zone, as soon as it may be, until `close`."""

    def __init__(
        self, pacer: LinkPacer, zone: Zone, question: Question, news: News, stopped: Callable[[], object]
    ) -> None:
        self.zone: Final = zone
        self.gatherer: Final = Gatherer(question)
        self._pacer = pacer
        self._news = news
        self._stopped = stopped
        self._search: Search[Gatherer] | None = None
        self._is_closed = False

    def begin(self) -> None:
        """Ask (called by `LinkPacer`)."""
        self._search = self._pacer.start(self.zone, self.gatherer, self._news, self._stopped)

    def wake_at(self, at: float | None) -> None:
        """Have the news told at a time; see `Search.wake_at`."""
        if self._search is not None:
            self._search.wake_at(at)

    def close(self) -> None:
        """Ask no more; may be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._search is None:
            self._pacer.discard(self)
        else:
            self._search.close()


News = Callable[[float], object]
"""Called with the time, soon after something was heard."""


class LinkPacer:
    """Begins the questions of one interface at the rate that is good for the link (RFC 8766 §9.3)."""

    def __init__(self, access: LinkAccess, rate: int) -> None:
        self._access = access
        self._pacing: Pacing[LinkQuestion] = Pacing(rate)
        self._timer: IDelayedCall | None = None

    def __len__(self) -> int:
        return len(self._pacing)

    def start(self, zone: Zone, gatherer: Gatherer, news: News, stopped: Callable[[], object]) -> Any:
        """Begin a search; see `Searches.start`."""
        return self._access.searches.start(gatherer, Where(interfaces=(zone.interface,)), news, stopped)

    def add(self, asked: LinkQuestion, client: str) -> bool:
        """Begin to ask now or soon; False when too many wait."""
        question = asked.gatherer.question
        octets = len(question.name.wire) + 4
        now = self._access.now()
        if self._access.searches.is_asked(question, (asked.zone.interface,)):
            # Another asker of the same question costs the link nothing.
            asked.begin()
        elif self._pacing.may_begin(octets, now):
            asked.begin()
        elif not self._pacing.put(client, octets, asked):
            self._access.counters["questions beyond the limit"] += 1
            return False
        else:
            self._access.counters["questions put off"] += 1
            self._arm(now)
        return True

    def discard(self, asked: LinkQuestion) -> None:
        """Begin a question no more."""
        self._pacing.discard(asked)

    def stop(self) -> None:
        """Wait for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, now: float) -> None:
        at = self._pacing.next_at()
        if at is not None and self._timer is None:
            self._timer = self._access.clock.callLater(max(0.0, at - now), self._begin_due, at)

    def _begin_due(self, at: float) -> None:
        self._timer = None
        # Rounding may wake us a hair early: the time asked for counts.
        now = max(at, self._access.now())
        with self._access.searches.calling():
            for asked in self._pacing.due(now):
                asked.begin()
        self._arm(now)


class LinkAccess:
    """Asks on the links of a node, by zone: the IPv4 and the IPv6 link of one interface together.

    RFC 8766 §8: "it should issue Multicast DNS queries using both IPv4 and IPv6 on the local link and then
    combine the results".

    :param table: the zones. Reverse zones that are not configured follow the networks of the interface.
    :param rate: query packets a second that clients can cause on each link.
    """

    def __init__(self, node: Node, table: ZoneTable, rate: int = LINK_RATE) -> None:
        self.node: Final = node
        self.table: Final = table
        self.searches: Final = searches_of(node)
        self.clock: Final = self.searches.clock
        """The clock of the node."""
        self.counters: Final[Counter[str]] = Counter()
        """What had to wait, or was refused."""
        self._pacers = {zone.interface: LinkPacer(self, rate) for zone in table.zones}
        self._interfaces: dict[Zone, tuple[Interface, ...]] = {}
        self._remembered: dict[tuple[str, bytes, int], Sequence[Record] | None] = {}
        self._remembered_until = 0.0

    def now(self) -> float:
        """Return the time, in seconds on the node's clock."""
        return self.searches.now()

    def find(self, name: Name) -> Delegation | None:
        """Return the zone that a name is in."""
        if name.key.endswith(_REVERSE):
            self._look_at_networks()
        return self.table.find(name)

    def _look_at_networks(self) -> None:
        for zone in self.table.zones:
            if zone.reverse is None:
                interfaces = self.searches.interfaces((zone.interface,))
                # While the link is down it keeps the networks that it had.
                if interfaces and self._interfaces.get(zone) != interfaces:
                    self._interfaces[zone] = interfaces
                    networks = [each.network for one in interfaces for each in one.networks]
                    self.table.set_networks(zone, networks)

    def is_working(self, zone: Zone) -> bool:
        """Whether anything can be asked on the link of a zone."""
        return self.searches.works_on((zone.interface,))

    def known(self, zone: Zone, question: Question, *, whole: bool = False) -> list[Record] | None:
        """Return what is in the caches and answers a question, without asking anything.

        :param whole: with the TTL that each record had when it was heard.
        :returns: no records when the owner of the name has denied them; None when nothing is known.
        """
        return self.searches.known(question, (zone.interface,), whole=whole)

    def lookup(self, zone: Zone) -> Callable[[Name, int], Sequence[Record] | None]:
        """Return `known` for what goes along with an answer; it may be as old as `REMEMBERED`.

        Many services are on few hosts, whose addresses are looked at again and again.
        """
        now = self.now()
        remembered = self._remembered
        if now >= self._remembered_until or len(remembered) >= REMEMBERED_SETS:
            remembered.clear()
            self._remembered_until = now + REMEMBERED

        def look(name: Name, rtype: int) -> Sequence[Record] | None:
            key = (zone.interface, name.key, rtype)
            if key not in remembered:
                remembered[key] = self.known(zone, Question(name, rtype))
            return remembered[key]

        return look

    def revision(self, zone: Zone) -> Hashable:
        """Return what is the same as before while nothing was learned or lost on the link of a zone."""
        revision: Hashable = self.searches.revision((zone.interface,))
        return revision

    def ask(
        self, zone: Zone, question: Question, client: str, news: News, stopped: Callable[[], object]
    ) -> LinkQuestion | None:
        """Ask on the link of a zone, as soon as its rate allows it.

        :param client: for whom; clients take turns.
        :param stopped: called when the node stops.
        :returns: None when too many questions wait.
        """
        pacer = self._pacers[zone.interface]
        asked = LinkQuestion(pacer, zone, question, news, stopped)
        return asked if pacer.add(asked, client) else None

    def reconfirm(self, zone: Zone, record: Record) -> bool:
        """Have a record of the link asked for, and dropped unless it is heard (RFC 6762 §10.4).

        :returns: whether it is in a cache.
        """
        return self.searches.reconfirm(record, (zone.interface,))

    def stop(self) -> None:
        """Begin nothing any more; whoever asks has closed its questions."""
        for pacer in self._pacers.values():
            pacer.stop()
