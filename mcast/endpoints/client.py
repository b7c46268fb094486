"""Connecting to a service by its type and name, wherever it is on the network."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from random import Random, SystemRandom
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.interfaces import IDelayedCall, IProtocol, IProtocolFactory, IStreamClientEndpoint
from zope.interface import implementer

from mcast.clock import clock_of
from mcast.dns.names import LOCAL
from mcast.dnssd.found import Change, FoundService
from mcast.dnssd.resolving import in_order, without_address
from mcast.dnssd.sought import SoughtName, sought_services, sought_types
from mcast.dnssd.types import ServiceType
from mcast.endpoints.addresses import connect
from mcast.endpoints.watching import Watch, WatchedProtocol, WatchingFactory
from mcast.errors import NotFound
from mcast.node.beyond import where
from mcast.node.browsers import InstanceBrowser, ServiceBrowser
from mcast.node.node import Node
from mcast.node.shared import NodeLease, lease_of, node_for_servers, shared_node

CONNECT_TIMEOUT = 10.0
"""Seconds until connecting fails by default.

Our choice: three questions are asked in the first three seconds (RFC 6762 §5.2); the rest is for the
connection.
"""

GATHER_DELAY = 0.25
"""Seconds from the first service found until the best one is chosen.

Our choice: responders delay the answers to a shared record by up to 120 ms (RFC 6762 §6); twice that.
"""

REFUSED_DELAY = 1.5
"""Seconds to wait for something new when no known service took a connection.

Something new is another service, or other data of a known one. Our choice: time for one answer to the
reconfirmation, which brings the new data when a service has moved.
"""

SEEN_LIMIT = 5
"""How many services an error tells of. Our choice: an error is one line."""


class Pick(Enum):
    """Which of several services to connect to."""

    BEST = "best"
    """By priority and weight (RFC 2782), after a moment in which all can answer."""

    FIRST = "first"
    """The one that is found first."""


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """How to choose a service and connect to it."""

    timeout: float = CONNECT_TIMEOUT
    """The seconds that connecting may take, finding included."""

    pick: Pick = Pick.BEST
    """Which of several services to connect to."""

    follow: bool = True
    """Whether to close the connection when the service is announced at another place."""

    rng: Random = field(default_factory=SystemRandom)
    """Chooses among services of the same priority."""

    domain: SoughtName = LOCAL
    """Where to look: by multicast in ``local.``, by DNS servers in any other domain."""

    server: str | None = None
    """The DNS server to ask, ``192.0.2.1`` or ``[2001:db8::1]:5300``; by default those of the system."""

    def __post_init__(self) -> None:
        where(self.domain, (), self.server)
        if not 0 < self.timeout < math.inf:
            raise ValueError(f"timeout {self.timeout}: it is not a number of seconds above 0")


class ServiceUnreachable(NotFound, ConnectError):
    """No service took a connection; the reason tells what was seen instead."""

    def __init__(self, what: str, reason: str) -> None:
        NotFound.__init__(self, what, reason)
        self.osError = None

    def __str__(self) -> str:
        # ConnectError would put its own docstring first.
        return f"{self.what}: {self.reason}"


@implementer(IStreamClientEndpoint)
class ServiceClientEndpoint:
    """Connects to a service found on the network.

    Each `connect` looks for the service anew, so that a `ClientService` with this endpoint finds it wherever
    it is. While a connection lasts, the service is followed. When it is announced at another port or address,
    so that the connection does not lead to it any more, the connection is closed, and a `ClientService` makes
    another.

    :param type: ``"_http._tcp"``; ``"_http._tcp,_printer"`` for services with that subtype only, or with one
        of several, which does not go together with a name.
    :param name: the instance name; any instance by default.
    :param options: how to choose and connect.
    :param node: finds the service; by default the node that all users of this reactor share.
    :raises InvalidService: the type, subtype or name cannot be one.
    :raises ValueError: there are a subtype and a name.
    """

    def __init__(
        self,
        reactor: Any,
        type: str | ServiceType,
        name: str | None = None,
        *,
        options: ConnectOptions | None = None,
        node: Node | None = None,
    ) -> None:
        self._reactor = reactor
        self._options = ConnectOptions() if options is None else options
        ((self._type, subtype), *_) = sought_types(type)
        self._wanted = type
        self._name = name
        if name is not None:
            sought_services(name, self._type, self._options.domain)
            if subtype is not None:
                raise ValueError(f"{type}: a subtype and the name {name!r} together; a name needs no subtype")
        self._node = node

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Find the service and connect to it.

        :returns: fires with the protocol. Fails with `ServiceUnreachable`, and with OSError when port 5353
            cannot be opened. Cancelling it ends the search and every attempt.
        """
        return ensureDeferred(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        lease = self._lease()
        browser = self._browse(lease.node)

        def end() -> None:
            browser.close()
            lease.release()

        attempt = _Attempt(self._reactor, browser, self._options, str(self))
        try:
            service, connected = await attempt.run(WatchingFactory(factory))
        except BaseException:
            end()
            raise
        finally:
            attempt.close()
        if self._options.follow:
            Watch(self._reactor, browser, service, connected, end)
        else:
            end()
        wrapped: IProtocol = connected.wrapped
        return wrapped

    def _lease(self) -> NodeLease:
        if self._node is not None:
            return lease_of(self._node)
        place = where(self._options.domain, (), self._options.server)
        return node_for_servers(self._reactor) if place.is_beyond else shared_node(self._reactor)

    def _browse(self, node: Node) -> ServiceBrowser | InstanceBrowser:
        domain, server = self._options.domain, self._options.server
        if self._name is not None:
            return node.follow(self._name, self._type, domain=domain, server=server)
        return node.browse(self._wanted, domain=domain, server=server)

    def __str__(self) -> str:
        if self._name is not None:
            return f"{self._name!r} {self._type}"
        return str(self._type)

    def __repr__(self) -> str:
        return f"<ServiceClientEndpoint {self}>"


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A service with what `in_order` goes by."""

    service: FoundService
    priority: int
    weight: int


class _Attempt:
    """One search for a service that takes a connection."""

    def __init__(
        self,
        reactor: Any,
        browser: ServiceBrowser | InstanceBrowser,
        options: ConnectOptions,
        subject: str,
    ) -> None:
        self._reactor = reactor
        self._browser = browser
        self._timeout = options.timeout
        self._asks_servers = where(options.domain, (), options.server).is_beyond
        self._rng = options.rng
        self._subject = subject
        # A name has one service, so there is nothing to choose from.
        self._gathered = options.pick is Pick.FIRST or isinstance(browser, InstanceBrowser)
        self._tried: dict[bytes, FoundService] = {}
        """The services as they were when a connection was tried, by the key of the name."""
        self._failures: list[str] = []
        self._clock = clock_of(reactor)
        self._ends_at = self._clock.seconds() + options.timeout
        self._is_over = False
        self._end: IDelayedCall | None = self._clock.callLater(options.timeout, self._time_is_up)
        self._soon: IDelayedCall | None = None
        self._found: Deferred[None] | None = None
        """Fires when there may be a service to try."""
        self._connecting: Deferred[IProtocol] | None = None
        browser.add_listener(self._changed)

    async def run(self, factory: WatchingFactory) -> tuple[FoundService, WatchedProtocol]:
        """Return the service that took the connection, and the protocol.

        :raises ServiceUnreachable: none did in time.
        """
        while True:
            service = await self._next_service()
            port = service.port
            assert port is not None  # _candidates leaves out the others
            self._tried[service.full_name.key] = service
            left = max(0.0, self._ends_at - self._clock.seconds())
            addresses = [found.address for found in service.addresses]
            self._connecting = connect(self._reactor, addresses, port, factory, left)
            try:
                protocol = await self._connecting
            except Exception as error:
                cancelled = isinstance(error, CancelledError | ConnectingCancelledError)
                if cancelled and not self._is_over:
                    raise
                self._failures.append(
                    f"{service.name!r} at {service.host} port {port}: "
                    + ("no answer in time" if cancelled else _cause(error))
                )
                # The service may have moved, or be gone without a goodbye (RFC 6762 §10.4).
                self._browser.reconfirm(service)
                continue
            finally:
                self._connecting = None
            assert isinstance(protocol, WatchedProtocol)  # the factory makes no other
            return service, protocol

    def close(self) -> None:
        """Stop the clocks."""
        self._browser.remove_listener(self._changed)
        self._cancel_soon()
        if self._end is not None:
            self._end.cancel()
            self._end = None

    def _cancel_soon(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None

    async def _next_service(self) -> FoundService:
        while True:
            if self._is_over:
                raise ServiceUnreachable(self._subject, self._seen())
            candidates = self._candidates()
            if candidates and self._gathered:
                self._cancel_soon()
                return in_order(candidates, self._rng)[0].service
            if self._soon is None:
                if candidates:
                    self._soon = self._clock.callLater(GATHER_DELAY, self._have_gathered)
                elif self._failures:
                    self._soon = self._clock.callLater(REFUSED_DELAY, self._refused)
            self._found = Deferred()
            try:
                await self._found
            finally:
                self._found = None

    def _candidates(self) -> list[_Candidate]:
        candidates = []
        for service in self._browser.snapshot():
            # A service with port 0 only gives information (RFC 6763 §8); one whose target is the root is
            # "decidedly not available at this domain" (RFC 2782).
            if not service.port or not service.host or not service.host.labels or not service.addresses:
                continue
            if self._tried.get(service.full_name.key) != service:
                candidates.append(_Candidate(service, service.priority or 0, service.weight or 0))
        return candidates

    def _changed(self, change: Change) -> None:
        if self._candidates():
            self._wake()

    def _have_gathered(self) -> None:
        self._soon = None
        self._gathered = True
        self._wake()

    def _refused(self) -> None:
        self._soon = None
        self._is_over = True
        self._wake()

    def _time_is_up(self) -> None:
        self._end = None
        self._is_over = True
        if self._connecting is not None:
            self._connecting.cancel()
        else:
            self._wake()

    def _wake(self) -> None:
        if self._found is not None:
            self._found.callback(None)

    def _seen(self) -> str:
        """Say what there was instead of a connection."""
        unusable = [
            f"{service.name!r} at {service.host} port {service.port}: cannot be connected to"
            for service in self._browser.snapshot()
            if service.full_name.key not in self._tried
        ]
        seen = [*self._failures[-SEEN_LIMIT:], *unusable][:SEEN_LIMIT]
        if seen:
            return "; ".join(seen)
        if isinstance(self._browser, InstanceBrowser) and self._browser.host is not None:
            return without_address(self._browser.host, self._timeout, self._asks_servers)
        trouble = self._browser.trouble if self._asks_servers else None
        return trouble or f"none was found within {self._timeout:g} s"


def _cause(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__
