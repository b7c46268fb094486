"""Closing a connection when the service that it leads to has moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IFileDescriptorReceiver,
    IHalfCloseableProtocol,
    IHandshakeListener,
    ILoggingContext,
    IProtocol,
    IProtocolFactory,
)
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import directlyProvides, implementer

from mcast.clock import clock_of
from mcast.dnssd.found import Change, FoundService, Removed
from mcast.endpoints.addresses import address_of, without_zone
from mcast.node.browsers import InstanceBrowser, ServiceBrowser

ABORT_DELAY = 5.0
"""Seconds from closing a connection to aborting it.

Our choice: data that still waits to be written to a peer that is gone would keep it open for minutes.
"""


class Watch:
    """Follows the service that a connection leads to, until the connection is lost.

    :param protocol: the protocol of the connection.
    :param ended: called when the connection is lost.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        browser: ServiceBrowser | InstanceBrowser,
        service: FoundService,
        protocol: WatchedProtocol,
        ended: Callable[[], object],
    ) -> None:
        self._reactor = reactor
        self._browser = browser
        self._name = service.full_name
        self._protocol = protocol
        self._ended = ended
        self._is_closing = False
        self._abort: IDelayedCall | None = None
        protocol.when_lost(self._lost)
        if not protocol.is_lost:
            browser.add_listener(self._changed)

    def _changed(self, change: Change) -> None:
        service = change.service
        # A service that was removed may have lost only its name; its host decides about the connections.
        if service.full_name != self._name or isinstance(change, Removed) or self._is_closing:
            return
        transport = self._protocol.transport
        peer = None if transport is None else address_of(transport.getPeer())
        places = [(without_zone(found.address), service.port) for found in service.addresses]
        if transport is None or peer is None or not places or peer in places:
            return
        self._log.info(
            "{service} is no longer at {address} port {port}, closing the connection",
            service=str(service.full_name),
            address=str(peer[0]),
            port=peer[1],
        )
        self._is_closing = True
        transport.loseConnection()
        if not self._protocol.is_lost and hasattr(transport, "abortConnection"):
            self._abort = clock_of(self._reactor).callLater(ABORT_DELAY, self._cut, transport)

    def _cut(self, transport: Any) -> None:
        self._abort = None
        transport.abortConnection()

    def _lost(self) -> None:
        if self._abort is not None:
            self._abort.cancel()
            self._abort = None
        self._ended()


class WatchedProtocol(Protocol):
    """Passes everything to another protocol, and tells when the connection is lost.

    Only the protocol is wrapped: the other protocol has the real transport, with all its methods.
    """

    def __init__(self, wrapped: Any) -> None:
        self.wrapped = wrapped
        self.is_lost = False
        self._lost: Callable[[], object] | None = None
        directlyProvides(
            self,
            *(
                interface
                for interface in (IHalfCloseableProtocol, IFileDescriptorReceiver, IHandshakeListener)
                if interface.providedBy(wrapped)
            ),
        )

    def when_lost(self, lost: Callable[[], object]) -> None:
        """Call ``lost`` once the connection is lost; at once when it is lost already."""
        self._lost = lost
        if self.is_lost:
            lost()

    def logPrefix(self) -> str:
        if ILoggingContext.providedBy(self.wrapped):
            return str(self.wrapped.logPrefix())
        return type(self.wrapped).__name__

    def connectionMade(self) -> None:
        self.wrapped.makeConnection(self.transport)

    def dataReceived(self, data: bytes) -> None:
        self.wrapped.dataReceived(data)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.is_lost = True
        try:
            self.wrapped.connectionLost(reason)
        finally:
            if self._lost is not None:
                self._lost()

    def readConnectionLost(self) -> None:
        self.wrapped.readConnectionLost()

    def writeConnectionLost(self) -> None:
        self.wrapped.writeConnectionLost()

    def fileDescriptorReceived(self, descriptor: int) -> None:
        self.wrapped.fileDescriptorReceived(descriptor)

    def handshakeCompleted(self) -> None:
        self.wrapped.handshakeCompleted()


@implementer(IProtocolFactory)
class WatchingFactory:
    """Makes a `WatchedProtocol` of each protocol that another factory makes."""

    def __init__(self, factory: IProtocolFactory) -> None:
        self._factory = factory

    def doStart(self) -> None:
        self._factory.doStart()

    def doStop(self) -> None:
        self._factory.doStop()

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        made = self._factory.buildProtocol(addr)
        return None if made is None else WatchedProtocol(made)

    def __repr__(self) -> str:
        return repr(self._factory)
