"""The link behind a zone, as a node has it: what is known there, and whether it works."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.dnssd.following import Follower
from mcast.node.beyond import Where
from mcast.node.node import Node, searches_of
from mcast.node.searches import Search
from mcast.unicast.zone import Zone

_F = TypeVar("_F", bound=Follower)


class LinkAccess:
    """Asks on the links of a node, by zone: the IPv4 and the IPv6 link of one interface together.

    RFC 8766 §8: "it should issue Multicast DNS queries using both IPv4 and IPv6 on the local link and then
    combine the results".
    """

    def __init__(self, node: Node) -> None:
        self.node: Final = node
        self._searches = searches_of(node)
        self.clock: Final = self._searches.clock
        """The clock of the node."""

    def now(self) -> float:
        """Return the time, in seconds on the node's clock."""
        return self._searches.now()

    def is_working(self, zone: Zone) -> bool:
        """Whether anything can be asked on the link of a zone."""
        return self._searches.works_on((zone.interface,))

    def known(self, zone: Zone, question: Question) -> list[Record] | None:
        """Return what is in the caches and answers a question, without asking anything.

        :returns: no records when the owner of the name has denied them; None when nothing is known.
        """
        return self._searches.known(question, (zone.interface,))

    def lookup(self, zone: Zone) -> Callable[[Name, int], Sequence[Record] | None]:
        """Return `known` as the rules of usability want it."""
        return lambda name, rtype: self.known(zone, Question(name, rtype))

    def start(
        self, zone: Zone, follower: _F, news: Callable[[float], object], stopped: Callable[[], object]
    ) -> Search[_F]:
        """Begin to ask on the link of a zone; see `Searches.start`."""
        return self._searches.start(follower, Where(interfaces=(zone.interface,)), news, stopped)

    def reconfirm(self, zone: Zone, record: Record) -> bool:
        """Have a record of the link asked for, and dropped unless it is heard (RFC 6762 §10.4).

        :returns: whether it is in a cache.
        """
        return self._searches.reconfirm(record, (zone.interface,))
