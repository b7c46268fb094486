"""Servers of DNS Push on a fake clock, and the connections to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.records import Record
from mcast.dns_client.push import PushConnections, PushTarget
from mcast.dns_client.push_stream import PushStream
from mcast.unicast.framing import Unframer, framed
from mcast.unicast.push import Topic
from tests.unicast.dso_lab import KEEPALIVE, SUBSCRIBE, dso, ids, keepalive, types
from tests.unicast.push_lab import ZONE

TARGET = PushTarget("proxy.example.com", 853, ZONE)


class Transport(StringTransport):
    """Tells how its connection was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.ending = ""

    def loseConnection(self) -> None:
        """Remember that it was closed gracefully."""
        self.ending = self.ending or "closed"

    def abortConnection(self) -> None:
        """Remember that it was reset."""
        self.ending = "aborted"


@dataclass(eq=False)
class Attempt:
    """A connection that is tried, and the server's end of it."""

    clock: Clock
    host: str
    port: int
    ready: Callable[[PushStream], None]
    failed: Callable[[str], None]
    transport: Transport = field(default_factory=Transport)
    unframer: Unframer = field(default_factory=Unframer)
    stream: PushStream | None = None

    def accept(self) -> Attempt:
        """Let the handshake be completed."""
        self.stream = PushStream(self.clock, self.ready)
        self.stream.makeConnection(self.transport)
        self.stream.expect(self.failed)
        self.stream.handshakeCompleted()
        return self

    def heard(self) -> list[bytes]:
        """Return the messages of the client that came since the last call."""
        data = self.transport.value()
        self.transport.clear()
        return self.unframer.feed(data)

    def send(self, *messages: bytes) -> None:
        """Send messages to the client, in one piece."""
        assert self.stream is not None
        self.stream.dataReceived(b"".join(map(framed, messages)))

    def welcome(self) -> list[int]:
        """Accept the session and all subscriptions; return the IDs of these."""
        taken = []
        for message in self.heard():
            (identifier,) = ids([message])
            if types(message)[0] == KEEPALIVE:
                self.send(keepalive(identifier, 15, 3600, response=True))
            elif types(message)[0] == SUBSCRIBE:
                self.send(dso(identifier, response=True))
                taken.append(identifier)
        return taken

    def lose(self) -> None:
        """Let the connection end."""
        assert self.stream is not None
        self.stream.connectionLost(Failure(ConnectionError("gone")))


@dataclass(eq=False)
class FakeConnector:
    """Remembers what is connected to."""

    clock: Clock
    attempts: list[Attempt] = field(default_factory=list)

    async def connect(
        self, host: str, port: int, ready: Callable[[PushStream], None], failed: Callable[[str], None]
    ) -> None:
        """Remember an attempt, which the test lets succeed or fail."""
        self.attempts.append(Attempt(self.clock, host, port, ready, failed))


async def no_addresses(host: str) -> list[str]:
    """Find no address; the connector of these tests needs none."""
    return []


class PushClientTestCase(SynchronousTestCase):
    """Connections to servers that the test plays."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.connector = FakeConnector(self.clock)
        self.pushes = PushConnections(self.clock, no_addresses, rng=Random(1), connect=self.connector)
        self.told: list[object] = []

    def subscribe(self, topic: Topic, target: PushTarget = TARGET, label: str = "") -> Callable[[], None]:
        """Follow a topic; what is told goes to ``told``."""

        def changed(added: list[Record], removed: list[Record]) -> None:
            self.told.append((label, list(added), list(removed)))

        def state(reason: str | None) -> None:
            self.told.append((label, "works" if reason is None else reason))

        cancel = self.pushes.subscribe(target, topic, changed, state)  # type: ignore[arg-type]
        self.clock.advance(0)
        return cancel

    def server(self) -> Attempt:
        """Return the server's end of the last connection that was tried."""
        return self.connector.attempts[-1]
