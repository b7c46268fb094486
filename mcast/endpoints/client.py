"""Connecting to a service by its type and name, wherever on the network it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from random import Random, SystemRandom
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.interfaces import IDelayedCall, IProtocol, IProtocolFactory, IStreamClientEndpoint
from zope.interface import implementer

from mcast.dnssd.found import Change, FoundService
from mcast.dnssd.instances import checked_instance
from mcast.dnssd.resolving import in_order
from mcast.dnssd.types import ServiceType, subtype_label
from mcast.endpoints.addresses import connect
from mcast.endpoints.watching import Watch, WatchedProtocol, WatchingFactory
from mcast.errors import NotFound
from mcast.node.browsers import InstanceBrowser, ServiceBrowser
from mcast.node.node import Node
from mcast.node.shared import lease_of, shared_node

CONNECT_TIMEOUT = 10.0
"""Seconds until a connection has failed unless told otherwise. Our choice: three questions are asked in the
first three seconds (RFC 6762 §5.2), and the rest is for the connection."""

GATHER_DELAY = 0.25
"""Seconds from the first service found until the best one is chosen.

Our choice: responders that share an answer spread theirs over 120 ms (RFC 6762 §6); twice that.
"""

REFUSED_DELAY = 1.5
"""Seconds to wait for another service, or other data of those known, when none of these took a connection.

Our choice: time for one answer to the reconfirmation, which changes what is known when a service has moved.
"""

SEEN_LIMIT = 5
"""Services that an error tells of. Our choice: an error is one line."""


class Pick(Enum):
    """Which of several services to connect to."""

    BEST = "best"
    """By priority and weight (RFC 2782), after waiting a moment for all to answer."""

    FIRST = "first"
    """The one that is found first."""


class ServiceUnreachable(NotFound, ConnectError):
    """No service could be connected to; the reason tells what was seen instead."""

    def __init__(self, what: str, reason: str) -> None:
        NotFound.__init__(self, what, reason)
        self.osError = None

    def __str__(self) -> str:
        # ConnectError would put its own docstring before it.
        return f"{self.what}: {self.reason}"


@implementer(IStreamClientEndpoint)
class ServiceClientEndpoint:
    """Connects to a service found on the network.

    It is looked for anew at each `connect`, so a `ClientService` with this endpoint finds it wherever it
    is. While a connection lasts, the service is followed: when it turns up at another port or address, and is
    no longer where the connection leads, the connection is closed, so that a `ClientService` makes another.

    :param type: such as ``_http._tcp``.
    :param name: the instance name; any instance by default.
    :param subtype: only instances that have this subtype; not together with a name.
    :param timeout: seconds that connecting may take, finding included.
    :param pick: which of several.
    :param follow: whether to close a connection when the service is elsewhere.
    :param node: finds it; by default the node that is shared by all who use this reactor.
    :param rng: chooses among services of the same priority.
    :raises InvalidService: the type, name or subtype cannot be one.
    """

    def __init__(
        self,
        reactor: Any,
        type: str | ServiceType,
        name: str | None = None,
        *,
        subtype: str | None = None,
        timeout: float = CONNECT_TIMEOUT,
        pick: Pick = Pick.BEST,
        follow: bool = True,
        node: Node | None = None,
        rng: Random | None = None,
    ) -> None:
        self._reactor = reactor
        self._type = type if isinstance(type, ServiceType) else ServiceType.parse(type, strict=False)
        self._name = None if name is None else checked_instance(name).decode("utf-8")
        self._subtype = None if subtype is None else subtype_label(subtype)
        if name is not None and subtype is not None:
            raise ValueError("mdns endpoint: subtype=… and name=… together: a name needs no subtype")
        self._timeout = timeout
        self._pick = pick
        self._follow = follow
        self._node = node
        self._rng = SystemRandom() if rng is None else rng

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Find the service and connect to it.

        :returns: fires with the protocol; fails with `ServiceUnreachable`, and with OSError when port 5353
            cannot be opened. Cancelling ends the search and every attempt.
        """
        return ensureDeferred(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        lease = shared_node(self._reactor) if self._node is None else lease_of(self._node)
        browser = self._browse(lease.node)

        def end() -> None:
            browser.close()
            lease.release()

        attempt = _Attempt(self._reactor, browser, self._timeout, self._pick, self._rng, str(self))
        try:
            service, connected = await attempt.run(WatchingFactory(factory))
        except BaseException:
            end()
            raise
        finally:
            attempt.close()
        if self._follow:
            Watch(self._reactor, browser, service, connected, end)
        else:
            end()
        wrapped: IProtocol = connected.wrapped
        return wrapped

    def _browse(self, node: Node) -> ServiceBrowser | InstanceBrowser:
        if self._name is not None:
            return node.follow(self._name, self._type)
        return node.browse(self._type, self._subtype)

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
        timeout: float,
        pick: Pick,
        rng: Random,
        subject: str,
    ) -> None:
        self._reactor = reactor
        self._browser = browser
        self._timeout = timeout
        self._rng = rng
        self._subject = subject
        # Of a name there is only one.
        self._gathered = pick is Pick.FIRST or isinstance(browser, InstanceBrowser)
        self._tried: dict[bytes, FoundService] = {}
        """The services as they were when a connection was tried, by the key of the name."""
        self._failures: list[str] = []
        self._ends_at = reactor.seconds() + timeout
        self._is_over = False
        self._end: IDelayedCall | None = reactor.callLater(timeout, self._time_is_up)
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
            assert port is not None  # only such are chosen
            self._tried[service.name.key] = service
            left = max(0.0, self._ends_at - self._reactor.seconds())
            addresses = [found.address for found in service.addresses]
            self._connecting = connect(self._reactor, addresses, port, factory, left)
            try:
                protocol = await self._connecting
            except Exception as error:
                cancelled = isinstance(error, CancelledError | ConnectingCancelledError)
                if cancelled and not self._is_over:
                    raise
                self._failures.append(
                    f"{service.instance!r} at {service.host} port {port}: "
                    + ("no answer in time" if cancelled else _cause(error))
                )
                # It may have moved, or be gone without a goodbye (RFC 6762 §10.4).
                self._browser.reconfirm(service)
                continue
            finally:
                self._connecting = None
            assert isinstance(protocol, WatchedProtocol)  # what the factory makes
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
                    self._soon = self._reactor.callLater(GATHER_DELAY, self._have_gathered)
                elif self._failures:
                    self._soon = self._reactor.callLater(REFUSED_DELAY, self._refused)
            self._found = Deferred()
            try:
                await self._found
            finally:
                self._found = None

    def _candidates(self) -> list[_Candidate]:
        candidates = []
        for service in self._browser.snapshot():
            location = service.location
            # Port 0 is that of a service which only gives information (RFC 6763 §8), the root as target
            # that of one which is decidedly not available (RFC 2782).
            if location is None or not location.port or not location.target.labels or not service.addresses:
                continue
            if self._tried.get(service.name.key) != service:
                candidates.append(_Candidate(service, location.priority, location.weight))
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
            f"{service.instance!r} at {service.host} port {service.port}: cannot be connected to"
            for service in self._browser.snapshot()
            if service.name.key not in self._tried
        ]
        seen = [*self._failures[-SEEN_LIMIT:], *unusable][:SEEN_LIMIT]
        if seen:
            return "; ".join(seen)
        if isinstance(self._browser, InstanceBrowser) and self._browser.host is not None:
            return f"is on {self._browser.host}, of which no address was heard within {self._timeout:g} s"
        return f"none was found within {self._timeout:g} s"


def _cause(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__
