"""Everything that a node publishes, as its program holds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.dnssd.hosts import AUTO, Alias, Host, host_name
from mcast.dnssd.service import Service
from mcast.node.domain_publishers import DomainPublishers
from mcast.node.items import AliasItem, HostItem, RecordItem, ServiceItem
from mcast.node.publisher import Publisher
from mcast.node.registrations import (
    AliasRegistration,
    HostRegistration,
    Notices,
    OnConflict,
    Publishable,
    RecordRegistration,
    Registration,
    RegistrationListener,
    ServiceRegistration,
)
from mcast.sockets.interface import checked_selectors

if TYPE_CHECKING:
    from mcast.dns_client.update_server import UpdateServer


class Registrations:
    """Everything that a node publishes, and the host that it runs on.

    :param label: that of the host, as it was asked for.
    """

    def __init__(self, publisher: Publisher, label: str, domains: DomainPublishers) -> None:
        self._publisher = publisher
        self._label = label
        self._own = HostItem(Host(), label)
        publisher.recall(self._own)
        publisher.hosts[None] = publisher.hosts[host_name(label)] = self._own
        self.host = HostRegistration(publisher, self._own)
        """The host that the node runs on, published or not."""
        self.domains = domains
        """What is registered in domains of conventional DNS."""

    def __iter__(self) -> Iterator[Registration]:
        for item in chain(self._publisher, *self.domains):
            assert isinstance(item.observer, Notices)
            yield item.observer.registration

    def publish(
        self,
        what: Publishable,
        interfaces: Sequence[str],
        on_conflict: OnConflict,
        listener: RegistrationListener | None,
        shared: bool,
    ) -> Registration:
        """Do what `Node.publish` says."""
        if on_conflict not in ("rename", "fail"):
            raise ValueError(f"on_conflict {on_conflict!r}: it is 'rename' or 'fail'")
        if shared and not isinstance(what, Record):
            raise TypeError(f"shared: only a Record can be shared, not {what!r}")
        selectors, renames = checked_selectors(interfaces), on_conflict == "rename"
        if isinstance(what, Host) and what.name is None:
            if selectors or not renames:
                # What is published on any interface leads to it.
                raise ValueError(
                    "the node's own host is on all its interfaces, and takes another name if it must"
                )
            self._publish_own(what, listener)
            return self.host
        registration = self._registration(what, selectors, renames, shared)
        item = registration._item
        self._publisher.recall(item)
        if listener is not None:
            registration.add_listener(listener)
        self._publisher.add(item)
        return registration

    def publish_in(
        self,
        server: UpdateServer,
        domain_name: Name,
        service: Publishable,
        on_conflict: OnConflict,
        listener: RegistrationListener | None,
    ) -> ServiceRegistration:
        """Register a service, and the host it is on, in a domain of conventional DNS."""
        if on_conflict not in ("rename", "fail"):
            raise ValueError(f"on_conflict {on_conflict!r}: it is 'rename' or 'fail'")
        if not isinstance(service, Service):
            raise TypeError(f"a Service can be registered in a domain, not {service!r}")
        domain = self.domains.at(server, domain_name, self._label)
        service = replace(service, domain=domain_name)
        item = domain.service(service, renames=on_conflict == "rename")
        registration = ServiceRegistration(domain, item)
        if listener is not None:
            registration.add_listener(listener)
        if service.host is None and domain.own not in domain:
            HostRegistration(domain, domain.own)
            domain.add(domain.own)
        domain.add(item)
        return registration

    def publish_host(self) -> None:
        """Publish the host that the node runs on, unless it is published already."""
        if self._own not in self._publisher:
            self._publisher.add(self._own)

    def _publish_own(self, host: Host, listener: RegistrationListener | None) -> None:
        if listener is not None:
            self.host.add_listener(listener)
        if self._own not in self._publisher:
            self._own.host = host
            self._publisher.add(self._own)
        elif host.addresses not in (AUTO, self._own.host.addresses):
            self.host.update(addresses=host.addresses)

    def _registration(
        self, what: Publishable, selectors: tuple[str, ...], renames: bool, shared: bool
    ) -> Registration:
        publisher = self._publisher
        if isinstance(what, Service):
            if what.host is None:
                self.publish_host()
            service = ServiceItem(what, publisher.hosts, selectors, renames=renames)
            return ServiceRegistration(publisher, service)
        if isinstance(what, Host):
            assert what.name is not None
            host = HostItem(what, what.name, selectors, renames=renames)
            return HostRegistration(publisher, host)
        if isinstance(what, Alias):
            self.publish_host()
            return AliasRegistration(publisher, AliasItem(what.name, self._own, selectors, renames=renames))
        if isinstance(what, Record):
            return RecordRegistration(publisher, RecordItem(what, selectors, shared=shared))
        raise TypeError(f"a Service, Host, Alias or Record can be published, not {what!r}")
