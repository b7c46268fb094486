"""What a node publishes, one item for each registration: what it is called now, and its records."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Protocol

from twisted.internet.defer import Deferred

from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.dnssd.hosts import (
    Auto,
    Host,
    host_name,
    next_host,
    next_instance,
    numbered_host,
    numbered_instance,
)
from mcast.dnssd.instances import instance_name
from mcast.dnssd.publishing import alias_records, host_records, service_records
from mcast.dnssd.service import Service
from mcast.mdns.constants import DEFAULT_MTU
from mcast.mdns.context import Sizes
from mcast.mdns.responder.message_sizes import size_alone
from mcast.mdns.responder.record_group import RecordGroup
from mcast.node.link_driver import LinkDriver
from mcast.sockets.interface import AddressState, Interface, InterfaceAddress, select_interfaces

LARGEST = Sizes.of_link(DEFAULT_MTU, ipv6=True).single
"""Octets of a message with one record alone, in fragments, that both families can carry (RFC 6762 §17)."""


class Observer(Protocol):
    """Is told what becomes of an item: its registration."""

    def claimed(self) -> None:
        """The item is in use on all its links."""

    def renamed(self, old: str) -> None:
        """The item has another name."""

    def lost(self) -> None:
        """The item is no longer published, since another host has its name."""

    def withdrawn(self) -> None:
        """The item is no longer published, since its owner wishes so."""


class Item(ABC):
    """One thing that is published under one and the same name on every link (RFC 6762 §14).

    :param wanted: the label that was asked for.
    :param interfaces: names, indexes or addresses of those to publish it on; all of the node's when empty.
    :param renames: take another name after a conflict, in place of being lost.
    """

    __slots__ = (
        *("begun_at", "claimed_on", "drivers", "interfaces", "is_claimed", "is_lost", "label", "losses"),
        *("observer", "renames", "updates", "wanted"),
    )

    is_alone = True
    """Whether the name stands for this item alone, and no other of ours may have it."""

    observer: Observer
    """Set by the registration, before the item is published."""

    def __init__(self, wanted: str, interfaces: tuple[str, ...] = (), *, renames: bool = True) -> None:
        self.wanted = wanted
        self.label = wanted
        """The name as it is claimed now, for a person to read."""
        self.interfaces = interfaces
        self.renames = renames
        # Tuples here and below: a list or a dictionary takes 60 to 200 octets more for each of thousands.
        self.drivers: tuple[LinkDriver, ...] = ()
        """Where it is registered."""
        self.claimed_on: tuple[LinkDriver, ...] = ()
        """Where it is in use."""
        self.is_claimed = False
        """Whether it was in use on every working link when the publisher looked last."""
        self.begun_at: float | None = None
        """Since when a name is being claimed; None while none is."""
        self.losses = 0
        """How many names it has lost in a row, without any that was claimed."""
        self.is_lost = False
        """Whether another host has turned out to have the name, and the item is given up."""
        self.updates: tuple[Deferred[None], ...] = ()
        """Those who wait until the last update has been announced."""

    @property
    @abstractmethod
    def full_name(self) -> Name:
        """The whole name that is claimed."""

    @abstractmethod
    def records(self, interface: Interface) -> RecordGroup:
        """Return what is published on the links of an interface."""

    @abstractmethod
    def next_label(self) -> str:
        """Return the name to try after a conflict: the one with the next number."""

    @abstractmethod
    def numbered_label(self, number: int) -> str:
        """Return the name with a number that was chosen for it."""

    def names(self, other: Item) -> bool:
        """Whether the records of this item hold the name of another one."""
        return False

    @property
    @abstractmethod
    def memory_key(self) -> str:
        """The key under which another name than the one asked for is remembered."""

    def forget_update(self, waiting: Deferred[None]) -> None:
        """Tell somebody no more when the last update has been announced."""
        self.updates = tuple([one for one in self.updates if one is not waiting])

    def take(self, label: str) -> None:
        """Be called by another name from now on."""
        self.label = label

    def wants(self, interface: Interface) -> bool:
        """Whether to publish it on this interface."""
        return not self.interfaces or bool(select_interfaces(self.interfaces, [interface], strict=False))


class HostItem(Item):
    """A host name with its addresses."""

    __slots__ = ("host",)

    def __init__(
        self, host: Host, label: str, interfaces: tuple[str, ...] = (), *, renames: bool = True
    ) -> None:
        super().__init__(label, interfaces, renames=renames)
        self.host = host

    @property
    def full_name(self) -> Name:
        """``kitchen.local.``"""
        return host_name(self.label)

    @property
    def memory_key(self) -> str:
        return f"host {self.wanted}"

    def records(self, interface: Interface) -> RecordGroup:
        addresses = self.host.addresses
        return host_records(
            self.full_name, own_addresses(interface) if isinstance(addresses, Auto) else addresses
        )

    def next_label(self) -> str:
        return next_host(self.label)

    def numbered_label(self, number: int) -> str:
        return numbered_host(self.wanted, number)


class ServiceItem(Item):
    """A service.

    :param hosts: the hosts that we publish, by the name that was asked for; None is the host that we run on.
    """

    __slots__ = ("_full_name", "_hosts", "_made", "service")

    def __init__(
        self,
        service: Service,
        hosts: Mapping[Name | None, HostItem],
        interfaces: tuple[str, ...] = (),
        *,
        renames: bool = True,
    ) -> None:
        self._hosts = hosts
        self.service = service.named(self._host_of(service).labels[0].decode("utf-8", "replace"))
        """The service as it is published, with the name that it has now."""
        assert self.service.name is not None
        super().__init__(self.service.name, interfaces, renames=renames)
        self._full_name = self.service.full_name
        self._made: tuple[Service, Name, RecordGroup] | None = None

    @property
    def full_name(self) -> Name:
        """``My Web._http._tcp.local.``"""
        return self._full_name

    @property
    def memory_key(self) -> str:
        service = self.service
        return f"service {instance_name(self.wanted, service.type, service.domain).full_name}"

    def take(self, label: str) -> None:
        super().take(label)
        self.service = replace(self.service, name=label)
        self._full_name = self.service.full_name

    @property
    def host(self) -> Name:
        """The host that the service is on, with the name that it has now."""
        return self._host_of(self.service)

    def records(self, interface: Interface) -> RecordGroup:
        # The same on every link: of thousands of services each is described once.
        host = self.host
        if self._made is None or self._made[0] is not self.service or self._made[1].wire != host.wire:
            service = self.service if self.service.host is None else replace(self.service, host=None)
            self._made = self.service, host, service_records(service, host)
        return self._made[2]

    def next_label(self) -> str:
        return next_instance(self.label)

    def numbered_label(self, number: int) -> str:
        return numbered_instance(self.wanted, number)

    def names(self, other: Item) -> bool:
        return self._hosts.get(self.service.host) is other

    def _host_of(self, service: Service) -> Name:
        host = self._hosts.get(service.host)
        if host is not None:
            return host.full_name
        assert service.host is not None  # the node knows the host that it runs on
        return service.host


class AliasItem(Item):
    """A further name of the host that we run on.

    :param host: that host.
    """

    __slots__ = ("_host",)

    def __init__(
        self, label: str, host: HostItem, interfaces: tuple[str, ...] = (), *, renames: bool = True
    ) -> None:
        super().__init__(label, interfaces, renames=renames)
        self._host = host

    @property
    def full_name(self) -> Name:
        """``www.local.``"""
        return host_name(self.label)

    @property
    def memory_key(self) -> str:
        return f"host {self.wanted}"

    def records(self, interface: Interface) -> RecordGroup:
        return alias_records(self.full_name, self._host.full_name)

    def next_label(self) -> str:
        return next_host(self.label)

    def numbered_label(self, number: int) -> str:
        return numbered_host(self.wanted, number)

    def names(self, other: Item) -> bool:
        return other is self._host


class RecordItem(Item):
    """A single record, as it is; nobody but the caller can choose another name for it.

    :param shared: whether other hosts may have the record too (RFC 6762 §2).
    """

    __slots__ = ("_group", "is_shared", "record")

    # The host, or another record, may have the same name.
    is_alone = False

    def __init__(self, record: Record, interfaces: tuple[str, ...] = (), *, shared: bool = False) -> None:
        self.is_shared = shared
        self.change(record)
        super().__init__(str(record.name), interfaces, renames=False)

    @property
    def full_name(self) -> Name:
        """The name of the record."""
        return self.record.name

    def change(self, record: Record) -> None:
        """Be another record from now on.

        :raises ValueError: nobody can publish it, or no packet can hold it: also while there is no link.
        """
        if size_alone(record) > LARGEST:
            raise ValueError(f"a record of {record.name} is too large for a packet")
        self._group = RecordGroup(shared=(record,)) if self.is_shared else RecordGroup(unique=(record,))
        self.record = record

    def records(self, interface: Interface) -> RecordGroup:
        return self._group

    @property
    def memory_key(self) -> str:
        return f"record {self.full_name}"

    def next_label(self) -> str:
        raise AssertionError(f"{self.full_name} has no other name to take")

    def numbered_label(self, number: int) -> str:
        return self.next_label()


def own_addresses(interface: Interface) -> list[IPv4Address | IPv6Address]:
    """Return the addresses under which others on the link reach this host (RFC 6762 §6.2).

    Those of both families, whichever the packet goes by: both links of an interface publish the same, and so
    the NSEC record of neither denies what the other one has (RFC 6762 §20).

    An IPv6 address that another host has, or may have, is none of ours; a deprecated one stands for no new
    connection while its scope has another (RFC 4862 §5.4, §5.5.4). A temporary one is published like any
    other: it is valid on this interface, and RFC 6762 §6.2 wants all of these.
    """
    own = [each for each in interface.addresses if each.is_ours]
    good = {_scope(each) for each in own if each.state is not AddressState.DEPRECATED}
    return [
        each.address
        for each in own
        if (each.state is not AddressState.DEPRECATED or _scope(each) not in good)
        and (interface.loopback or not each.address.is_loopback)
    ]


def _scope(own: InterfaceAddress) -> tuple[int, bool]:
    return own.address.version, own.address.is_link_local
