"""A reactor on a simulated network: its clock, and TCP without sockets, for tests of endpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import CannotListenError, ConnectionDone, ConnectionRefusedError, UserError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IListeningPort,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorTime,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from mcast.testing import SimulatedLan

FIRST_PORT = 40000
"""What the first port is given that asks for any."""


@implementer(IListeningPort)
class MemoryTCPPort:
    """A TCP port that nobody can connect to."""

    def __init__(self, reactor: LanReactor, number: int, factory: Any) -> None:
        self._reactor = reactor
        self._number = number
        self.factory = factory
        self.closed_at: float | None = None

    def startListening(self) -> None:
        if self._number in self._reactor.ports:
            raise CannotListenError("", self._number, OSError("in use"))
        self._reactor.ports[self._number] = self
        self.closed_at = None

    def stopListening(self) -> Deferred[None]:
        del self._reactor.ports[self._number]
        self.closed_at = self._reactor.seconds()
        return succeed(None)

    def getHost(self) -> IAddress:
        return IPv4Address("TCP", "0.0.0.0", self._number)


class Connector:
    """One attempt to connect, answered by its `LanReactor`."""

    def __init__(self, reactor: LanReactor, host: str, port: int, factory: Any, timeout: float) -> None:
        self.host = host
        self.port = port
        self.factory = factory
        self.is_over = False
        self.transport: MemoryTransport | None = None
        factory.doStart()
        factory.startedConnecting(self)
        reactor.callLater(0, reactor.answer, self)
        reactor.callLater(timeout, self.fail, ConnectTimeout())

    def getDestination(self) -> IAddress:
        kind = IPv6Address if ":" in self.host else IPv4Address
        return kind("TCP", self.host, self.port)

    def stopConnecting(self) -> None:
        self.fail(UserError())

    def fail(self, error: Exception) -> None:
        if not self.is_over:
            self.is_over = True
            self.factory.clientConnectionFailed(self, Failure(error))

    def succeed(self) -> None:
        peer = self.getDestination()
        protocol = self.factory.buildProtocol(peer)
        self.is_over = True
        self.transport = MemoryTransport(peer, protocol)
        protocol.makeConnection(self.transport)


class MemoryTransport(StringTransport):
    """A connection whose end the protocol hears of at once."""

    def __init__(self, peer: IAddress, protocol: Protocol) -> None:
        super().__init__(peerAddress=peer)
        self._protocol = protocol
        self.is_slow = False
        """Whether it stays open until it is aborted."""

    def loseConnection(self) -> None:
        super().loseConnection()
        if not self.is_slow:
            self.lose()

    def abortConnection(self) -> None:
        super().abortConnection()
        self.lose()

    def lose(self) -> None:
        self._protocol.connectionLost(Failure(ConnectionDone()))


@implementer(IReactorTime, IReactorTCP, IReactorPluggableNameResolver)
class LanReactor:
    """Time is the simulation's; each test says who takes connections."""

    def __init__(self, lan: SimulatedLan) -> None:
        self.lan = lan
        self.ports: dict[int, MemoryTCPPort] = {}
        self.serving: set[tuple[str, int]] = set()
        """Hosts and ports that take connections; all others refuse them."""
        self.silent: set[tuple[str, int]] = set()
        """Hosts and ports that neither take nor refuse."""
        self.connectors: list[Connector] = []
        """All attempts, oldest first."""
        self.nameResolver: Any = None

    def seconds(self) -> float:
        return self.lan.clock.seconds()

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any, **kw: Any) -> IDelayedCall:
        return self.lan.clock.callLater(delay, callable, *args, **kw)

    def getDelayedCalls(self) -> list[IDelayedCall]:
        return list(self.lan.clock.getDelayedCalls())

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> IListeningPort:
        listening = MemoryTCPPort(self, port or FIRST_PORT + len(self.ports), factory)
        listening.startListening()
        return listening

    def connectTCP(
        self, host: str, port: int, factory: Any, timeout: float = 30.0, bindAddress: Any = None
    ) -> Any:
        connector = Connector(self, host, port, factory, timeout)
        self.connectors.append(connector)
        return connector

    def installNameResolver(self, resolver: Any) -> Any:
        previous, self.nameResolver = self.nameResolver, resolver
        return previous

    def answer(self, connector: Connector) -> None:
        """Take or refuse a connection (called by `Connector`)."""
        place = (connector.host, connector.port)
        if connector.is_over or place in self.silent:
            return
        if place in self.serving:
            connector.succeed()
        else:
            connector.fail(ConnectionRefusedError())

    @property
    def tried(self) -> list[tuple[str, int]]:
        """Where connections were tried."""
        return [(one.host, one.port) for one in self.connectors]


FACTORY = Factory.forProtocol(Protocol)
