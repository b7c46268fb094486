"""A bridge of services between two links: browsed on one, published on the other.

What it publishes has the key ``bridged`` in its TXT record, and a service with this key is carried nowhere.
The mark has to be in the data: another bridge is another program on another host, which sees nothing else of
us, and a service that it carried back would keep itself alive for ever after its device has gone. The key has
no value, so that two bridges side by side publish the same records and are no conflict to each other
(RFC 6762 §9); a client ignores keys it does not know (RFC 6763 §6.4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mcast.dns.names import Name
from mcast.dnssd.found import FoundService
from mcast.dnssd.hosts import Host
from mcast.dnssd.service import Service
from mcast.node.network import Network
from mcast.node.node import Node
from mcast.proxy.carrying import Addresses, Carrier, Published
from mcast.proxy.choosing import Choice, Quota

MARK = "bridged"
"""The TXT key of what a bridge publishes."""


@dataclass(frozen=True, slots=True)
class BridgeSettings:
    """What is carried between which links."""

    source: str
    """Name, index or address of the interface that is browsed on."""
    target: str
    """Likewise of that which is published on."""
    types: tuple[str, ...]
    both_ways: bool = False
    choice: Choice = field(default_factory=Choice)
    quota: Quota = field(default_factory=Quota)


class Bridge(MultiService):
    """Carries services from one link to another, or both ways.

    :param networks: for tests: where the two nodes get their interfaces from.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, settings: BridgeSettings, networks: Sequence[Network | None] = ()
    ) -> None:
        super().__init__()
        first, second = networks or (None, None)
        source = Node(reactor, interfaces=[settings.source], network=first)
        target = Node(reactor, interfaces=[settings.target], network=second)
        self.nodes = (source, target)
        for node in self.nodes:
            node.setServiceParent(self)
        ways = [(source, target), (target, source)]
        self._crossings: list[_Crossing] = []
        for one, other in ways if settings.both_ways else ways[:1]:
            self._crossings.append(_Crossing(one, other, settings, self._is_there))

    def startService(self) -> None:
        """Begin to carry.

        :raises OSError: port 5353 cannot be opened.
        """
        super().startService()
        for crossing in self._crossings:
            crossing.start()

    def stopService(self) -> Deferred[None]:
        """Withdraw everything, with goodbyes."""
        for crossing in self._crossings:
            crossing.stop()
        stopped: Deferred[None] = super().stopService()
        return stopped

    def log_counters(self) -> None:
        """Log how many services are carried, and what was left out."""
        for crossing in self._crossings:
            self._log.info(
                "{count} services carried; {counters}", count=len(crossing), counters=dict(crossing.counters)
            )

    def _is_there(self, crossing: _Crossing, found: FoundService) -> bool:
        """Whether a device is on both links, and so needs nobody to carry its service."""
        others = [one for one in self._crossings if one is not crossing]
        there = [one.found(found.full_name) for one in others]
        return any(one is not None and MARK not in one.txt and one.host == found.host for one in there)


class _Crossing(Carrier):
    """One way."""

    def __init__(self, source: Node, target: Node, settings: BridgeSettings, is_there: Any) -> None:
        self._is_there = is_there
        super().__init__(
            source, settings.types, _Link(target), settings.choice, settings.quota, self._may_cross
        )

    def _may_cross(self, found: FoundService) -> bool:
        own: set[Name] = {one.full_name for one in self._source.registrations}
        return MARK not in found.txt and found.full_name not in own and not self._is_there(self, found)

    def text(self, found: FoundService) -> Any:
        return [*found.txt.items(), (MARK, None)]


class _Link:
    """The link that is published on."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def publish_host(self, label: str, addresses: Addresses) -> Published:
        return self._node.publish(Host(label, addresses))

    def publish_service(self, service: Service) -> Published:
        return self._node.publish(service)
