"""A watcher: browses all types, listens in, and keeps a model of what it sees."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from twisted.application.service import Service as TwistedService
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorThreads, IReactorUDP
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from mcast.clock import clock_of
from mcast.dns.codes import RecordType
from mcast.dns.names import LOCAL, Name
from mcast.dnssd.found import Change, Removed, TypeAdded, TypeChange
from mcast.dnssd.link_id import LinkId
from mcast.dnssd.types import ServiceType
from mcast.live.documents import Document
from mcast.live.hearing import Hearing
from mcast.live.limits import MAX_TYPES
from mcast.live.model import Model
from mcast.neighbours import Neighbours, SocketAddress
from mcast.node.browsers import ServiceBrowser, TypesBrowser
from mcast.node.node import Node
from mcast.oneshot import ask
from mcast.sockets.interface import Interface, interfaces
from mcast.watching.connecting import try_connect
from mcast.watching.neighbour_table import Neighbour, Vendors, neighbours
from mcast.watching.round_trips import Asker, RoundTrips

COMMIT_INTERVAL = 1.0
"""Seconds between two commits. Our choice: numbers that change faster cannot be read."""

EARLY_DELAY = 0.1
"""Seconds from a change to its commit. Our choice: changes of one moment go together; people wait."""

TABLE_INTERVAL = 10.0
"""Seconds between two looks at the neighbour table. Our choice: it costs some milliseconds."""

MAX_CONNECTS = 5
"""TCP connects under way. Our choice: a person asks for one at a time."""

MAX_HEARD_TYPES = 2000
"""Names of pointers that were looked at. Our choice: more than exist; then each is looked at anew."""

MAX_NEW_TYPES = 10
"""Types a second that are browsed since they were heard of. Our choice: more come from who invents them."""

_PTR = int(RecordType.PTR)

Observer = Callable[[Document], object]
"""Is called with each delta."""


class Watcher(TwistedService):
    """Feeds a `Model` from a node while it runs.

    Starting and stopping the node is its owner's business; it runs when this is started.

    :param asker: asks a host for its address, for tests; without one, round trips need a reactor with UDP.
    :param table: returns the neighbour table; for tests.
    :param own: returns the interfaces of this host; for tests.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        node: Node,
        *,
        asker: Asker | None = None,
        table: Callable[[], list[Neighbour]] = neighbours,
        own: Callable[[], Sequence[Interface]] = interfaces,
    ) -> None:
        self.model = Model()
        self._reactor = reactor
        self._clock = clock_of(reactor)
        self._node = node
        self._table = table
        self._own = own
        self._near = Neighbours(())
        self._vendors = Vendors()
        self._hearing = Hearing(self.model)
        if asker is None and IReactorUDP.providedBy(reactor):
            asker = ask
        self._round_trips = None if asker is None else RoundTrips(reactor, self._clock, self._answered, asker)
        self._observers: list[Observer] = []
        self._links: dict[LinkId, bool] = {}
        self._types: TypesBrowser | None = None
        self._heard_types: set[bytes] = set()
        self._told: set[ServiceType] = set()
        self._looked_in = self._looked = 0
        self._browsers: dict[ServiceType, ServiceBrowser] = {}
        self._end_overhearing: Callable[[], None] | None = None
        self._tick: Any = None
        self._early: Any = None
        self._looked_at_table = float("-inf")
        self._connects = 0
        self.watchers = 0
        """How many look; while there is one, hosts are asked for round trips. Set by those who show it."""

    def __repr__(self) -> str:
        return f"<Watcher of {self._node!r}>"

    # Life

    def startService(self) -> None:
        """Begin to browse and to listen."""
        if self.running:
            return
        super().startService()
        self._end_overhearing = self._node.overhear(self._heard)
        self._types = self._node.browse_types()
        self._types.add_listener(self._type_changed)
        if IReactorThreads.providedBy(self._reactor):
            deferToThreadPool(self._reactor, self._reactor.getThreadPool(), self._vendors.load).addErrback(
                lambda failure: self._log.failure("the vendors could not be read", failure=failure)
            )
        self._on_tick()

    def stopService(self) -> None:
        """End both; the model stays as it is."""
        if not self.running:
            return
        super().stopService()
        if self._end_overhearing is not None:
            self._end_overhearing()
            self._end_overhearing = None
        if self._types is not None:
            self._types.close()
            self._types = None
        for browser in self._browsers.values():
            browser.close()
        self._browsers.clear()
        self._told.clear()
        self._heard_types.clear()
        if self._round_trips is not None:
            self._round_trips.close()
        for timer in (self._tick, self._early):
            if timer is not None and timer.active():
                timer.cancel()
        self._tick = self._early = None

    # Who looks

    def add_observer(self, observer: Observer) -> None:
        """Call ``observer`` with each delta from now on."""
        self._observers.append(observer)

    def remove_observer(self, observer: Observer) -> None:
        """Undo `add_observer`.

        :raises ValueError: it is no observer.
        """
        self._observers.remove(observer)

    def connect(self, identifier: str) -> Deferred[str]:
        """Try to connect to a service, for a person who wants to know; the model is told.

        :returns: fires with ``open``, ``refused``, ``timeout`` or ``failed``; ``unknown`` when there is no
            such service or it has no address, ``busy`` when too many are tried already.
        """
        entry = self.model.snapshot["services"].get(identifier)
        if entry is None or not entry["addresses"] or not entry["port"] or "_tcp" not in entry["type"]:
            return succeed("unknown")
        if self._connects >= MAX_CONNECTS:
            return succeed("busy")
        self._connects += 1
        began = self._clock.seconds()
        tried = try_connect(self._reactor, entry["addresses"][0], entry["port"])

        def ended(state: str) -> str:
            now = self._clock.seconds()
            self._connects -= 1
            self.model.connected(identifier, state, now - began, now)
            self._soon()
            return state

        return tried.addCallback(ended)

    # What the node tells

    def _heard(self, link: LinkId, datagram: bytes, source: SocketAddress, multicast: bool) -> None:
        host, port = source[0], source[1]
        now = self._clock.seconds()
        message = self._hearing.datagram(datagram, (host, port), link, now, multicast=multicast)
        if message is not None and message.is_response:
            for record in message.answers:
                if record.type == _PTR and record.name.key not in self._heard_types:
                    self._type_heard(record.name)
        self._soon()

    def _type_heard(self, name: Name) -> None:
        """Browse a type that is heard of: not every responder announces it as one (RFC 6763 §9)."""
        if len(self._heard_types) >= MAX_HEARD_TYPES:
            self._heard_types.clear()
        labels = name.labels
        if len(labels) == 3 and name.is_within(LOCAL) and labels[0].lower() != b"_dns-sd":
            if not self._may_look():
                return
            # A name that is no type, such as that of an address, is left alone.
            with suppress(ValueError):
                self._browse(ServiceType.from_labels(labels[0], labels[1]))
        self._heard_types.add(name.key)

    def _may_look(self) -> bool:
        second = int(self._clock.seconds())
        if second != self._looked_in:
            self._looked_in, self._looked = second, 0
        self._looked += 1
        return self._looked <= MAX_NEW_TYPES

    def _browse(self, kind: ServiceType) -> None:
        if kind not in self._browsers and (len(self._browsers) < MAX_TYPES or self._make_place()):
            browser = self._browsers[kind] = self._node.browse(kind)
            browser.add_listener(self._service_changed)

    def _make_place(self) -> bool:
        """Give up a type that nobody has services of, and that was heard of alone: it may be made up."""
        for kind, browser in self._browsers.items():
            if kind not in self._told and not browser.snapshot():
                browser.close()
                del self._browsers[kind]
                return True
        return False

    def _type_changed(self, change: TypeChange) -> None:
        now = self._clock.seconds()
        kind = change.type
        if isinstance(change, TypeAdded):
            interfaces = () if self._types is None else self._types.interfaces(kind)
            self.model.type_there(kind, interfaces, now)
            self._told.add(kind)
            self._browse(kind)
        else:
            self.model.type_went(kind, now)
            self._told.discard(kind)
            gone = self._browsers.pop(kind, None)
            if gone is not None:
                for service in gone.snapshot():
                    self.model.service(Removed(service), now)
                gone.close()
            self._heard_types.clear()
        self._soon()

    def _service_changed(self, change: Change) -> None:
        self.model.service(change, self._clock.seconds())
        self._soon()

    def _answered(self, identifier: str, seconds: float | None) -> None:
        self.model.round_trip(identifier, seconds, self._clock.seconds())

    # The commits

    def _soon(self) -> None:
        if self._early is None and self.running and self.model.is_changed:
            self._early = self._clock.callLater(EARLY_DELAY, self._commit_early)

    def _commit_early(self) -> None:
        self._early = None
        self._commit()

    def _on_tick(self) -> None:
        self._tick = self._clock.callLater(COMMIT_INTERVAL, self._on_tick)
        now = self._clock.seconds()
        self._look_at_links(now)
        self.model.watcher(str(self._node.host).removesuffix("."), self._node.trouble)
        if now - self._looked_at_table >= TABLE_INTERVAL:
            self._looked_at_table = now
            self._look_at_table()
        if self.watchers and self._round_trips is not None:
            self._round_trips.look(self.model.hosts, self._near)
        self._commit()

    def _commit(self) -> None:
        delta = self.model.commit(self._clock.seconds(), time.time())
        if delta is None:
            return
        for observer in tuple(self._observers):
            try:
                observer(delta)
            except Exception:
                self._log.failure("an observer failed")

    def _look_at_links(self, now: float) -> None:
        working = set(self._node.working_links)
        there = {link: link in working for link in self._node.links}
        for link in self._links.keys() - there.keys():
            self.model.link(link, None, now)
        for link, works in there.items():
            self.model.link(link, works, now)
        self._links = there

    def _look_at_table(self) -> None:
        try:
            self._look_for_self()
            table = self._table()
        except OSError as problem:
            self._log.debug("no neighbour table: {cause}", cause=problem.strerror or str(problem))
            return
        names = {link.index: link.interface for link in self._links}
        for neighbour in table:
            if neighbour.interface in names:
                address = neighbour.address
                if address.startswith("fe80:"):
                    address = f"{address}%{names[neighbour.interface]}"
                self.model.hosts.neighbour(address, neighbour.mac, self._vendors.of(neighbour.mac))

    def _look_for_self(self) -> None:
        there = self._own()
        self._near = Neighbours(
            own.ip_interface for interface in there for own in interface.addresses if own.is_ours
        )
        for interface in there:
            for own in interface.addresses:
                address = str(own.address)
                if address.startswith("fe80:"):
                    address = f"{address.partition('%')[0]}%{interface.name}"
                self.model.hosts.is_self(address)
