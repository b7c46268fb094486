"""What is found on a link, registered in a domain on a DNS server for as long as it is there.

The lease of a name is the life of its records on the link: a device that is there keeps answering for them,
and when it says goodbye, or their TTL runs out unanswered, the name is removed. A resolver keeps it for two
minutes more at most (`mcast.unicast.registration.REGISTRATION_TTL`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import SystemRandom
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mcast.dns.names import LOCAL, Name
from mcast.dns_client.update_server import UpdateServer
from mcast.dnssd.found import FoundService
from mcast.dnssd.hosts import Host
from mcast.dnssd.service import Service
from mcast.node.domain_publisher import DomainHost, DomainPlace, DomainPublisher
from mcast.node.network import Network, SocketNetwork
from mcast.node.node import Node
from mcast.node.registrations import HostRegistration, OnConflict, ServiceRegistration
from mcast.proxy.bridge import MARK
from mcast.proxy.carrying import Addresses, Carrier, Published
from mcast.proxy.choosing import Choice, Quota


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What is registered, and where."""

    interfaces: tuple[str, ...]
    types: tuple[str, ...]
    domains: Sequence[tuple[Name, UpdateServer]]
    choice: Choice = field(default_factory=Choice)
    quota: Quota = field(default_factory=Quota)


class Exporter(MultiService):
    """Registers the services of a link.

    :param network: for tests: where the node gets its interfaces from.
    """

    _log = Logger()

    def __init__(self, reactor: Any, settings: ExportSettings, network: Network | None = None) -> None:
        super().__init__()
        network = SocketNetwork(reactor) if network is None else network
        self.node = Node(reactor, interfaces=settings.interfaces, network=network)
        self.node.setServiceParent(self)
        self._publishers: list[DomainPublisher] = []
        self._carriers: list[Carrier] = []
        for domain, server in settings.domains:
            place = DomainPlace(server, domain, self.node.hostname)
            publisher = DomainPublisher(reactor, network, settings.interfaces, place, SystemRandom())
            self._publishers.append(publisher)
            carrier = Carrier(
                self.node,
                settings.types,
                _Domain(publisher),
                settings.choice,
                settings.quota,
                _is_of_the_link,
            )
            self._carriers.append(carrier)

    def startService(self) -> None:
        """Begin to register.

        :raises OSError: port 5353 cannot be opened.
        """
        super().startService()
        for publisher in self._publishers:
            publisher.start()
        for carrier in self._carriers:
            carrier.start()

    async def _stop(self) -> None:
        for carrier in self._carriers:
            carrier.stop()
        for stopped in [publisher.stop() for publisher in self._publishers]:
            await stopped
        await super().stopService()

    def stopService(self) -> Deferred[None]:
        """Remove everything that is registered; fires when that is done, or its time is up."""
        return Deferred.fromCoroutine(self._stop())

    def log_counters(self) -> None:
        """Log how many services are registered, and what was left out."""
        for publisher, carrier in zip(self._publishers, self._carriers, strict=True):
            self._log.info(
                "{domain}: {count} services; {counters}; updates: {updates}; trouble: {trouble}",
                updates=dict(publisher.counters),
                trouble=publisher.trouble,
                domain=str(publisher.place.domain),
                count=len(carrier),
                counters=dict(carrier.counters),
            )


def _is_of_the_link(found: FoundService) -> bool:
    """Whether a service is on this link: what a bridge brought is exported where it comes from."""
    return MARK not in found.txt


class _Domain:
    """The domain that is registered in."""

    def __init__(self, publisher: DomainPublisher) -> None:
        self._publisher = publisher

    def publish_host(self, label: str, addresses: Addresses, on_conflict: OnConflict) -> Published:
        publisher = self._publisher
        item = DomainHost(label, publisher.place.domain, host=Host(label, addresses))
        publisher.hosts[Name.from_labels((label, *LOCAL.labels))] = item
        registration = HostRegistration(publisher, item)
        publisher.add(item)
        return registration

    def publish_service(self, service: Service, on_conflict: OnConflict) -> Published:
        publisher = self._publisher
        item = publisher.service(
            replace(service, domain=publisher.place.domain), renames=on_conflict == "rename"
        )
        registration = ServiceRegistration(publisher, item)
        publisher.add(item)
        return registration
