"""What a node registers in domains of conventional DNS, by server and domain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredList

from mcast.dns.names import Name
from mcast.mdns.domains import is_multicast_name
from mcast.node.network import Network

if TYPE_CHECKING:
    from mcast.dns_client.update_server import UpdateServer
    from mcast.node.domain_publisher import DomainPublisher


class DomainPublishers:
    """What a node registers, by server and domain.

    :param interfaces: those of the node; all when empty.
    :param rng: chooses names after conflicts.
    """

    def __init__(self, reactor: Any, network: Network, interfaces: Sequence[str], rng: Random) -> None:
        self._reactor = reactor
        self._network = network
        self._interfaces = interfaces
        self._rng = rng
        self._domains: dict[tuple[UpdateServer, Name], DomainPublisher] = {}
        self._is_running = False

    def __iter__(self) -> Iterator[DomainPublisher]:
        return iter(tuple(self._domains.values()))

    def at(self, server: UpdateServer, domain: Name, label: str) -> DomainPublisher:
        """Return what registers in a domain on a server.

        :param label: that of this host.
        :raises TypeError: there is no server.
        :raises ValueError: the domain is one of multicast DNS, or the root.
        """
        # Only now: most nodes register nothing there, and what does so takes a tenth of their start to load.
        from mcast.dns_client.update_server import UpdateServer
        from mcast.node.domain_publisher import DomainPlace, DomainPublisher

        if not isinstance(server, UpdateServer):
            raise TypeError(f"update {server!r}: it is no UpdateServer")
        if is_multicast_name(domain) or not domain.labels:
            raise ValueError(f"{domain}: no server has this domain; name the one to register in by domain=")
        key = (server, domain)
        if key not in self._domains:
            place = DomainPlace(server, domain, label)
            made = DomainPublisher(self._reactor, self._network, self._interfaces, place, self._rng)
            self._domains[key] = made
            if self._is_running:
                made.start()
        return self._domains[key]

    def statistics(self) -> dict[str, dict[str, Any]]:
        """Return for each domain and server, such as ``example.com. at 192.0.2.53``, what it tells.

        Those that have another owner on the same server are told apart by it.
        """
        told = {}
        for (server, domain), one in self._domains.items():
            label = f"{domain} at {server}"
            told[f"{label} as {server.owner}" if label in told else label] = one.statistics()
        return told

    def start(self) -> None:
        """Begin to register."""
        self._is_running = True
        for one in self:
            one.start()

    def stop(self) -> Deferred[None]:
        """Remove everything that is registered; fires when that is done."""
        self._is_running = False
        stopped = DeferredList([one.stop() for one in self], consumeErrors=True)
        return stopped.addCallback(lambda _: None)
