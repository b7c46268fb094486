"""Listening where another endpoint listens, and publishing a service for that port."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IAddress, IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mcast.dnssd.service import Service
from mcast.node.node import STOP_LIMIT, Node
from mcast.node.registrations import ServiceRegistration
from mcast.node.shared import NodeLease, lease_of, shared_node
from mcast.sockets.interface import checked_selectors


@implementer(IStreamServerEndpoint)
class ServiceServerEndpoint:
    """Listens on another endpoint, and publishes a service with the port that it really got.

    :param endpoint: where to listen.
    :param service: what to publish; its port is replaced.
    :param node: publishes the service; by default the node that all users of this reactor share.
    :param interfaces: names, indexes or addresses of the interfaces to publish it on; by default all. A
        shared node then uses these alone.
    :param hostname: for the shared node: the label before ``.local``, in place of the system's name.
    :raises TypeError: ``interfaces`` is no list of str.
    :raises ValueError: ``hostname`` is given together with a node, which has its own.
    """

    def __init__(
        self,
        reactor: Any,
        endpoint: IStreamServerEndpoint,
        service: Service,
        *,
        node: Node | None = None,
        interfaces: Sequence[str] = (),
        hostname: str | None = None,
    ) -> None:
        if node is not None and hostname is not None:
            raise ValueError(f"hostname {hostname!r}: it is for the shared node; the node given has its own")
        self._reactor = reactor
        self._endpoint = endpoint
        self._service = service
        self._node = node
        self._interfaces = checked_selectors(interfaces)
        self._hostname = hostname

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Listen, and begin to publish.

        :returns: fires with an `AnnouncedPort` as soon as the inner port listens: the server serves before
            its name is claimed, and also when the claim fails, which is logged. Fails as the inner endpoint
            fails, and with ValueError when its port has no number or there is no such interface; then nothing
            listens.
        """
        listening: Deferred[IListeningPort] = self._endpoint.listen(protocolFactory)
        return listening.addCallback(self._announce)

    def _announce(self, port: IListeningPort) -> IListeningPort | Deferred[IListeningPort]:
        announced = AnnouncedPort(self._reactor, port, self._service, self._lease, self._interfaces)
        try:
            announced.announce()
        except ValueError:
            failed = Failure()
            return maybeDeferred(port.stopListening).addBoth(lambda _: failed)
        return announced

    def _lease(self) -> NodeLease:
        if self._node is not None:
            return lease_of(self._node)
        return shared_node(self._reactor, interfaces=self._interfaces, hostname=self._hostname)

    def __repr__(self) -> str:
        return f"<ServiceServerEndpoint {self._service.name or ''} {self._service.type} at {self._endpoint}>"


@implementer(IListeningPort)
class AnnouncedPort:
    """A port whose service is published while it listens.

    :param lease: returns the right to use a node.
    :param interfaces: where to publish it; on all interfaces of the node when empty.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        port: IListeningPort,
        service: Service,
        lease: Callable[[], NodeLease],
        interfaces: Sequence[str] = (),
    ) -> None:
        self._reactor = reactor
        self._port = port
        self._service = service
        self._lease_node = lease
        self._interfaces = interfaces
        self._lease: NodeLease | None = None
        self.registration: ServiceRegistration | None = None
        """The service as it is published, with another ``name`` after a conflict.

        None when it could not be published, and after `stopListening`.
        """

    def announce(self) -> None:
        """Begin to publish (called by the endpoint).

        :raises ValueError: the port has no number to publish, or there is no such interface.
        """
        address = self._port.getHost()
        if not isinstance(address, IPv4Address | IPv6Address):
            raise ValueError(f"mdns endpoint: {address} has no port number to announce")
        service = replace(self._service, port=address.port)
        try:
            self._lease = self._lease_node()
        except OSError:
            # Clients that know the address can be served all the same.
            self._log.failure("{type} on port {port} is not announced", type=service.type, port=address.port)
            return
        try:
            self.registration = self._lease.node.publish(service, interfaces=self._interfaces)
        except ValueError:
            self._release()
            raise
        self.registration.when_claimed().addErrback(self._not_claimed)

    def startListening(self) -> None:
        """Listen and publish again after `stopListening`."""
        self._port.startListening()
        self.announce()

    def stopListening(self) -> Deferred[None]:
        """Say goodbye, then close the port; fires when both are done, within a second."""
        registration, self.registration = self.registration, None
        withdrawn = succeed(None)
        if registration is not None:
            # With a time limit: a server that stops must come to an end.
            withdrawn = registration.withdraw().addTimeout(STOP_LIMIT, self._reactor)
        withdrawn.addErrback(self._not_withdrawn)
        closed: Deferred[Any] = withdrawn.addCallback(lambda _: self._port.stopListening())
        return closed.addBoth(self._release_after)

    def getHost(self) -> IAddress:
        """Return the address of the inner port."""
        return self._port.getHost()

    def _release(self) -> Deferred[None]:
        lease, self._lease = self._lease, None
        return succeed(None) if lease is None else lease.release()

    def _release_after(self, result: Any) -> Deferred[Any]:
        return self._release().addCallback(lambda _: result)

    def _not_claimed(self, reason: Failure) -> None:
        if not reason.check(CancelledError):
            self._log.failure("{type} is not announced", reason, type=self._service.type)

    def _not_withdrawn(self, reason: Failure) -> None:
        self._log.warn("{type}: not every goodbye left: {cause}", type=self._service.type, cause=reason.value)

    def __repr__(self) -> str:
        name = None if self.registration is None else str(self.registration.full_name)
        return f"<AnnouncedPort {name} at {self._port}>"
