"""Keeps what a node registers in a domain of conventional DNS, each item under one name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from mcast.clock import clock_of
from mcast.dns.names import LOCAL, Name
from mcast.dns_client.update_server import UpdateServer
from mcast.dns_client.updates import UPDATE_STOP_LIMIT, DomainUpdater
from mcast.dnssd.hosts import Auto, Host, host_name
from mcast.dnssd.service import Service
from mcast.errors import NameTaken
from mcast.mdns.domains import is_multicast_name
from mcast.node.items import HostItem, Item, ServiceItem, own_addresses
from mcast.node.lives import WITHDREW, Lives
from mcast.node.naming import NameChooser
from mcast.node.network import Network
from mcast.sockets.interface import Interface, select_interfaces
from mcast.unicast.claims import Wanted
from mcast.unicast.registrar import Registered, RegistrarEvent, Taken, Unregistered
from mcast.unicast.registration import usable_addresses, wanted_host, wanted_service


class DomainHost(HostItem):
    """This host in a domain."""

    def __init__(self, label: str, domain: Name, *, host: Host | None = None) -> None:
        super().__init__(Host() if host is None else host, label)
        self._domain = domain

    @property
    def full_name(self) -> Name:
        """``kitchen.example.com.``"""
        return host_name(self.label, self._domain)


@dataclass(frozen=True, slots=True)
class DomainPlace:
    """Where is registered, and what this host is called there."""

    server: UpdateServer
    domain: Name
    label: str


class DomainPublisher:
    """Registers services, and the host they are on, in one domain on one server.

    :param network: tells the addresses of this host.
    :param interfaces: those whose addresses are registered; all when empty.
    :param rng: chooses names after conflicts.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, network: Network, interfaces: Sequence[str], place: DomainPlace, rng: Random
    ) -> None:
        self.place = place
        self.own = DomainHost(place.label, place.domain)
        """The host; the items of others name it by None."""
        self.hosts: dict[Name | None, HostItem] = {None: self.own}
        """The hosts that are registered here, by the name that services give them; None is this one."""
        self._reactor = reactor
        self._network = network
        self._selectors = tuple(interfaces)
        self._rng = rng
        self._items: dict[Item, None] = {}
        self._claimed: set[Item] = set()
        """The items that the registrar knows of."""
        self._withdrawing: dict[Item, Deferred[None]] = {}
        self._names: set[Name] = set()
        self._chooser = NameChooser(rng, self._names.__contains__)
        self._updater: DomainUpdater | None = None
        self._unwatch: Callable[[], None] | None = None
        self._told_addressless = False
        self.counters: Counter[str] = Counter()
        """Requests, failures, renames, and leftovers removed, of all starts."""
        self.lives = Lives(clock_of(reactor))
        """What is told of names in the log."""

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __contains__(self, item: Item) -> bool:
        return item in self._items

    @property
    def trouble(self) -> str | None:
        """What the server did not do, in one line; None while all goes well."""
        return None if self._updater is None else self._updater.trouble

    def statistics(self) -> dict[str, Any]:
        """Return what is registered, what was counted, and the trouble, which is a text or None."""
        return {
            "names": len(self._items),
            "names claimed": sum(item.is_claimed for item in self._items),
            **self.counters,
            "trouble": self.trouble,
        }

    # Items

    def service(self, service: Service, *, renames: bool) -> ServiceItem:
        """Return an item for a service, which `add` then registers.

        :raises ValueError: its host is one of multicast DNS, which nobody elsewhere can look up.
        """
        self._check_host(service)
        return ServiceItem(service, self.hosts, renames=renames)

    def add(self, item: Item) -> None:
        """Register an item, now or when the service starts.

        :raises ValueError: another item has the name, and this one may not take another.
        """
        if item.full_name in self._names:
            if not item.renames:
                raise ValueError(f"{item.full_name} is registered by this node already")
            self._chooser.take_another(item)
        self._items[item] = None
        self._names.add(item.full_name)
        self._claim_all()

    def update(self, item: Item, undo: Callable[[], None]) -> Deferred[None]:
        """Register what an item is now; fires when it stands in the zone.

        :param undo: puts the item back when it cannot be registered.
        :raises ValueError: as from `service`.
        """
        if isinstance(item, ServiceItem):
            try:
                self._check_host(item.service)
            except ValueError:
                undo()
                raise
        done: Deferred[None] = Deferred(item.forget_update)
        item.updates += (done,)
        self._change(item)
        return done

    def withdraw(self, item: Item) -> Deferred[None]:
        """Take an item out of the zone; fires when it is, and when the server does not answer in time."""
        if item not in self._items:
            return succeed(None)
        del self._items[item]
        self._names.discard(item.full_name)
        for name in [name for name, host in self.hosts.items() if host is item and name is not None]:
            # Hosts of a link come and go without end.
            del self.hosts[name]
        item.is_claimed = False
        self.lives.tell(self._log, WITHDREW, item.full_name)
        item.observer.withdrawn()
        self._tell_updated(item)
        if self._updater is None or item not in self._claimed:
            return succeed(None)
        self._claimed.discard(item)
        gone = self._withdrawing[item] = Deferred()
        self._updater.registrar.withdraw(item, self._updater.now())
        self._updater.poke()
        gone.addTimeout(UPDATE_STOP_LIMIT, clock_of(self._reactor), onTimeoutCancel=lambda *_: None)
        return gone

    # Life

    def start(self) -> None:
        """Begin to register."""
        if self._updater is not None:
            return
        place = self.place
        self._updater = DomainUpdater(self._reactor, place.server, place.domain, self._handle, self._rng)
        self._updater.counters = self.counters
        self._unwatch = self._network.watch(self._interfaces_changed)
        self._interfaces_changed(self._network.interfaces())
        self._updater.start()

    def stop(self) -> Deferred[None]:
        """Remove everything, and keep the items for another start; fires when that is done."""
        updater, self._updater = self._updater, None
        if updater is None:
            return succeed(None)
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        for item in self._claimed:
            item.is_claimed = False
        self._claimed.clear()
        return updater.stop()

    # Parts of these

    def _check_host(self, service: Service) -> None:
        if service.host not in self.hosts and is_multicast_name(service.host or LOCAL):
            raise ValueError(
                f"host {service.host}: nobody beyond the link can look up a name of multicast DNS"
            )

    def _interfaces_changed(self, interfaces: Sequence[Interface]) -> None:
        before = self.own.host
        found = [
            address
            for one in self._selected(interfaces)
            if one.up and not one.loopback
            for address in own_addresses(one)
        ]
        usable = usable_addresses(found)
        if not usable:
            # Without an address nobody is reached, the server neither: what stands there stays until then.
            if not self._told_addressless:
                self._told_addressless = True
                self._log.warn(
                    "{domain}: no interface has an address that can be used beyond its link; waiting for one",
                    domain=str(self.place.domain),
                )
            return
        self._told_addressless = False
        self.own.host = Host(None, usable)
        if self.own.host != before:
            self._change(self.own)
            if self._updater is not None:
                self._updater.network_changed()
        self._claim_all()

    def _selected(self, interfaces: Sequence[Interface]) -> Sequence[Interface]:
        if not self._selectors:
            return interfaces
        return select_interfaces(self._selectors, list(interfaces), strict=False)

    def _claim_all(self) -> None:
        """Register what can be registered: first the host, and what is on it when its name is certain."""
        if self._updater is None:
            return
        for item in self._items:
            host = self.hosts.get(item.service.host) if isinstance(item, ServiceItem) else None
            if item in self._claimed or (host is not None and not host.is_claimed):
                continue
            if isinstance(item, HostItem) and isinstance(item.host.addresses, Auto):
                continue
            self._claimed.add(item)
            self._updater.registrar.add(item, self._wanted(item), self._updater.now())
        self._updater.poke()

    def _wanted(self, item: Item) -> Wanted:
        if isinstance(item, ServiceItem):
            # The host by the name that it has here, also when the service names it otherwise.
            return wanted_service(replace(item.service, host=None), item.host)
        assert isinstance(item, HostItem)
        addresses = item.host.addresses
        return wanted_host(item.full_name, () if isinstance(addresses, Auto) else addresses)

    def _change(self, item: Item) -> None:
        if self._updater is not None and item in self._claimed:
            self._updater.registrar.change(item, self._wanted(item), self._updater.now())
            self._updater.poke()

    def _handle(self, event: RegistrarEvent) -> None:
        if isinstance(event, Registered) and event.key in self._claimed:
            self._registered(event.key)
        elif isinstance(event, Taken) and event.key in self._claimed:
            self._taken(event.key)
        elif isinstance(event, Unregistered):
            gone = self._withdrawing.pop(event.key, None)  # type: ignore[call-overload]  # any key may come
            if gone is not None and not gone.called:
                gone.callback(None)

    def _registered(self, item: Any) -> None:
        was_claimed, item.is_claimed, item.losses = item.is_claimed, True, 0
        if not was_claimed:
            item.observer.claimed()
        self._tell_updated(item)
        if isinstance(item, HostItem):
            self._claim_all()

    def _taken(self, item: Any) -> None:
        lost, old = item.full_name, item.label
        item.is_claimed = False
        self._chooser.note_taken(lost)
        if not item.renames:
            self._lose(item)
            return
        item.losses += 1
        self.counters["renames"] += 1
        self._names.discard(lost)
        self._chooser.take_another(item)
        self._names.add(item.full_name)
        self._log.warn(
            "{name} is taken by another host at {server}; trying {new} instead",
            name=str(lost),
            server=str(self.place.server),
            new=str(item.full_name),
        )
        self._change(item)
        for other in self._items:
            if other.names(item):
                self._change(other)
        item.observer.renamed(old)

    def _lose(self, item: Item) -> None:
        self._log.warn(
            "{name} is taken by another host at {server}",
            name=str(item.full_name),
            server=str(self.place.server),
        )
        del self._items[item]
        self._names.discard(item.full_name)
        self._claimed.discard(item)
        if self._updater is not None:
            self._updater.registrar.withdraw(item, self._updater.now())
        item.is_lost = True
        item.observer.lost()
        waiting, item.updates = item.updates, ()
        for each in waiting:
            each.errback(NameTaken(str(item.full_name)))

    def _tell_updated(self, item: Item) -> None:
        waiting, item.updates = item.updates, ()
        for each in waiting:
            each.callback(None)
