"""What `Node.register` and its relatives fire with: published services, hosts, aliases and records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final, Literal

from twisted.internet.defer import Deferred, execute, fail

from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.dnssd.hosts import checked_host_label, host_name, next_host, next_instance
from mcast.dnssd.publishing import alias_records, host_records, service_records
from mcast.dnssd.service import Service
from mcast.mdns.responder.record_group import RecordGroup
from mcast.node.publisher import Publisher, Registration, Renamed
from mcast.sockets.interface import Interface


class Auto(Enum):
    """The type of `AUTO`."""

    AUTO = "auto"


AUTO: Final = Auto.AUTO
"""In place of addresses: those of each interface, followed as they change."""


class ServiceRegistration(Registration):
    """A service that is published. `Node.register` makes it."""

    def __init__(self, publisher: Publisher, service: Service, renamed: Renamed | None = None) -> None:
        super().__init__(publisher, renamed)
        self._service = service
        self._service = service.named(_text(self.host.labels[0]))
        self._wanted = self.owner
        remembered = publisher.state.get(f"service {self._wanted}")
        if remembered is not None:
            self._service = replace(self._service, name=remembered)

    @property
    def service(self) -> Service:
        """The service as it is published, with the name it has now."""
        return self._service

    @property
    def name(self) -> str:
        """The instance name as it is claimed, ``"My Web (2)"`` after a conflict."""
        assert self._service.name is not None
        return self._service.name

    @property
    def owner(self) -> Name:
        return self._service.full_name

    @property
    def host(self) -> Name:
        """The host that the service is on, with the name it has now."""
        host = self._publisher.hosts.get(self._service.host)
        if host is not None:
            return host.owner
        assert self._service.host is not None  # the publisher knows the host it runs on
        return self._service.host

    @property
    def memory(self) -> str | None:
        return None if self.owner == self._wanted else f"service {self._wanted}"

    def update(self, **changes: Any) -> Deferred[None]:
        """Publish changed data under the same name, without probing (RFC 6762 §8.4).

        ``update(txt={"path": "/new"}, port=81)`` changes what is named and leaves the rest. More than ten
        changes a minute are delayed and joined.

        :returns: fires when the change is on its way on every link; fails with what `change` raises.
        """
        return execute(lambda: self.change(replace(self._service, **changes)))

    def change(self, service: Service) -> None:
        """Publish another description under the same name, at once; what it is called does not matter.

        :raises ValueError: the type or domain is another one, it is withdrawn, or no packet can hold a
        record.
        """
        if self.is_withdrawn:
            raise ValueError(f"{self.owner} is withdrawn")
        changed = service if service.name == self.name else replace(service, name=self.name)
        if changed.full_name != self._service.full_name:
            raise ValueError(
                f"{service.type} in {service.domain}: {self.owner} cannot become that by an update"
            )
        if changed == self._service:
            return
        before, self._service = self._service, changed
        try:
            self._publisher.changed(self)
        except ValueError:
            self._service = before
            raise

    def records(self, interface: Interface) -> RecordGroup:
        service = self._service if self._service.host is None else replace(self._service, host=None)
        return service_records(service, self.host)

    def take_next_name(self) -> None:
        self._service = replace(self._service, name=next_instance(self.name))

    def names(self, other: Registration) -> bool:
        return self._publisher.hosts.get(self._service.host) is other


class HostRegistration(Registration):
    """A host name that is published with its addresses. `Node.publish_host` makes it."""

    def __init__(
        self,
        publisher: Publisher,
        label: str,
        addresses: Iterable[IPv4Address | IPv6Address] | Literal[Auto.AUTO] = AUTO,
        renamed: Renamed | None = None,
    ) -> None:
        super().__init__(publisher, renamed)
        self._wanted = checked_host_label(label)
        self._label = publisher.state.get(f"host {self._wanted}", self._wanted)
        publisher.hosts.setdefault(host_name(self._wanted), self)
        self._addresses = addresses if isinstance(addresses, Auto) else tuple(addresses)

    @property
    def name(self) -> str:
        """The label as it is claimed, ``"kitchen-2"`` after a conflict."""
        return self._label

    @property
    def owner(self) -> Name:
        """The full name, ``kitchen.local.``"""
        return host_name(self._label)

    @property
    def memory(self) -> str | None:
        return None if self._label == self._wanted else f"host {self._wanted}"

    def update(self, addresses: Iterable[IPv4Address | IPv6Address] | Literal[Auto.AUTO]) -> Deferred[None]:
        """Publish other addresses in place of those given before; fires when they are on their way."""
        self._addresses = addresses if isinstance(addresses, Auto) else tuple(addresses)
        return execute(self._publisher.changed, self)

    def records(self, interface: Interface) -> RecordGroup:
        if isinstance(self._addresses, Auto):
            return host_records(self.owner, own_addresses(interface))
        return host_records(self.owner, self._addresses)

    def take_next_name(self) -> None:
        self._label = next_host(self._label)


class AliasRegistration(Registration):
    """A further name of a host, by a CNAME record. `Node.publish_alias` makes it."""

    def __init__(self, publisher: Publisher, label: str, renamed: Renamed | None = None) -> None:
        super().__init__(publisher, renamed)
        self._wanted = checked_host_label(label)
        self._label = publisher.state.get(f"host {self._wanted}", self._wanted)

    @property
    def name(self) -> str:
        """The label as it is claimed."""
        return self._label

    @property
    def owner(self) -> Name:
        """The full name."""
        return host_name(self._label)

    @property
    def memory(self) -> str | None:
        return None if self._label == self._wanted else f"host {self._wanted}"

    def records(self, interface: Interface) -> RecordGroup:
        return alias_records(self.owner, self._publisher.hosts[None].owner)

    def take_next_name(self) -> None:
        self._label = next_host(self._label)

    def names(self, other: Registration) -> bool:
        return other is self._publisher.hosts[None]


class RecordRegistration(Registration):
    """A single record that is published as it is. `Node.publish_record` makes it.

    A unique record whose name another host has is lost: nobody but the caller can choose another name.
    """

    has_own_name = False

    def __init__(self, publisher: Publisher, record: Record, unique: bool) -> None:
        super().__init__(publisher)
        self._record = record
        self._unique = unique
        self.lost: Deferred[None] = Deferred()
        """Fires when another host turned out to have the name, and the record is no longer published."""

    @property
    def record(self) -> Record:
        """The record as it is published."""
        return self._record

    @property
    def name(self) -> str:
        """The whole name of the record."""
        return str(self._record.name)

    @property
    def owner(self) -> Name:
        return self._record.name

    def update(self, record: Record) -> Deferred[None]:
        """Publish another record of the same name and type in its place.

        :returns: fires when it is on its way; fails with ValueError when the name or type is another one, or
        no
            packet can hold it.
        """
        if (record.name, record.type) != (self._record.name, self._record.type):
            return fail(ValueError(f"{record.name}: an update keeps the name and the type of {self.owner}"))
        self._record = record
        return execute(self._publisher.changed, self)

    def records(self, interface: Interface) -> RecordGroup:
        return RecordGroup(unique=(self._record,)) if self._unique else RecordGroup(shared=(self._record,))

    def tell_lost(self) -> None:
        super().tell_lost()
        self.lost.callback(None)


def own_addresses(interface: Interface) -> list[IPv4Address | IPv6Address]:
    """Return the addresses under which others on the link reach this host (RFC 6762 §6.2).

    Those of both families, whichever the packet goes by: both links of an interface publish the same, and so
    the NSEC record of neither denies what the other one has (RFC 6762 §20).
    """
    own = (each.address for each in interface.addresses)
    return [address for address in own if interface.loopback or not address.is_loopback]


def _text(label: bytes) -> str:
    return label.decode("utf-8", "replace")
