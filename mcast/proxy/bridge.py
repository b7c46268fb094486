"""A bridge of services between two links: browsed on one, published on the other.

What it publishes has the key ``bridged`` in its TXT record, and a service with this key is carried nowhere.
The mark has to be in the data: another bridge is another program on another host, which sees nothing else of
us, and a service that it carried back would keep itself alive for ever after its device has gone. The key has
no value, so that two bridges side by side publish the same records and are no conflict to each other
(RFC 6762 §9); a client ignores keys it does not know (RFC 6763 §6.4).

The two hear of a device at different moments. One that knows an address which the other has yet to hear of
publishes other records for a while, and one of them loses the name. So a name that is lost is not replaced at
once: it is left to the other bridge for as long as that one has it, and else tried again, with what is known
by then. Only what has a name that is no bridge's is published under the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random, SystemRandom
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mcast.clock import clock_of
from mcast.dns.names import Name
from mcast.dnssd.found import Change, FoundService, Removed
from mcast.dnssd.hosts import Host
from mcast.dnssd.service import Service
from mcast.node.browsers import ServiceBrowser
from mcast.node.network import Network
from mcast.node.node import Node
from mcast.node.registrations import OnConflict
from mcast.proxy.carrying import Addresses, Carrier, Published
from mcast.proxy.choosing import Choice, Quota
from mcast.proxy.lost_names import LostNames
from mcast.showing import shown

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
    :param rng: chooses when a name that was lost is tried again.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        settings: BridgeSettings,
        networks: Sequence[Network | None] = (),
        rng: Random | None = None,
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
            lost = LostNames(clock_of(reactor), rng or SystemRandom())
            self._crossings.append(_Crossing(one, other, settings, self._is_there, lost))

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

    def __init__(
        self, source: Node, target: Node, settings: BridgeSettings, is_there: Any, lost_names: LostNames
    ) -> None:
        self._target_node = target
        self._is_there = is_there
        self._lost_names = lost_names
        self._beyond: ServiceBrowser | None = None
        """What there is at the target, from the first name on that is lost there."""
        super().__init__(
            source, settings.types, _Link(target), settings.choice, settings.quota, self._may_cross
        )

    def _may_cross(self, found: FoundService) -> bool:
        # What is not claimed is not seen: the service of that name is another host's.
        own: set[Name] = {one.full_name for one in self._source.registrations if one.is_claimed}
        return (
            MARK not in found.txt
            and found.full_name not in own
            and not self._is_there(self, found)
            and not self._lost_names.is_waiting(found.full_name)
        )

    def stop(self) -> None:
        self._lost_names.forget_all()
        if self._beyond is not None:
            self._beyond.close()
            self._beyond = None
        super().stop()

    def changed(self, change: Change) -> None:
        if isinstance(change, Removed):
            self._lost_names.forget(change.service.full_name)
        super().changed(change)

    def on_conflict(self, full_name: Name) -> OnConflict:
        return "rename" if self._lost_names.were_enough(full_name) else "fail"

    def lost(self, full_name: Name) -> None:
        self.counters["names lost"] += 1
        if self._beyond is None:
            self._beyond = self._target_node.browse(*self._types)
            self._beyond.add_listener(self._changed_beyond)
        self._lost_names.add(full_name, partial(self._try_again, full_name))

    def _try_again(self, full_name: Name) -> None:
        found = self.found(full_name)
        if found is None or self._beyond is None:
            return
        there = next((one for one in self._beyond.snapshot() if one.full_name == full_name), None)
        if there is not None and MARK in there.txt:
            self.counters["left to another bridge"] += 1
            if self._lost_names.leave(full_name):
                self._log.info("{name} is left to another bridge", name=shown(str(full_name)))
            return
        if there is not None:
            self._lost_names.give_up(full_name)
        self.consider(found)

    def _changed_beyond(self, change: Change) -> None:
        """Take over from a bridge that has gone."""
        service = change.service
        is_carried = not isinstance(change, Removed) and MARK in service.txt
        if not is_carried and self._lost_names.is_left(service.full_name):
            self._lost_names.pause(service.full_name, partial(self._try_again, service.full_name))

    def text(self, found: FoundService) -> Any:
        return [*found.txt.items(), (MARK, None)]


class _Link:
    """The link that is published on."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def publish_host(self, label: str, addresses: Addresses, on_conflict: OnConflict) -> Published:
        return self._node.publish(Host(label, addresses), on_conflict=on_conflict)

    def publish_service(self, service: Service, on_conflict: OnConflict) -> Published:
        return self._node.publish(service, on_conflict=on_conflict)
