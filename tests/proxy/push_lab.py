"""A made-up zone behind the sessions of DNS Push, and clients whose octets are made by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Question
from mcast.dns.records import Record
from mcast.proxy.connections import Connection, ConnectionServer
from mcast.proxy.push import Push
from mcast.proxy.watching import NotWatched
from mcast.unicast.framing import Unframer, framed
from mcast.unicast.usable import Realm
from tests.unicast.dso_lab import keepalive
from tests.unicast.push_lab import ZONE

Changed = Callable[[Sequence[Record], Sequence[Record]], object]


@dataclass(eq=False)
class FakeWatch:
    """One question that is followed in a made-up zone."""

    question: Question
    changed: Changed
    realm: Realm
    is_stopped: bool = False

    def stop(self) -> None:
        """Follow it no more."""
        self.is_stopped = True


@dataclass
class FakeZone:
    """Stands for the watches of a proxy."""

    watches: list[FakeWatch] = field(default_factory=list)
    doubts: list[Record] = field(default_factory=list)
    is_full: bool = False

    def start(
        self, question: Question, changed: Changed, realm: Realm = Realm.SAME, client: str = ""
    ) -> FakeWatch:
        """Follow a question of the zone ``example.com``."""
        if not question.name.is_within(ZONE):
            raise NotWatched("not ours", "zone")
        if question.rclass not in (1, 255):
            raise NotWatched("not this class", "class")
        if self.is_full:
            raise NotWatched("too many", "limit")
        self.watches.append(FakeWatch(question, changed, realm))
        return self.watches[-1]

    def reconfirm(self, record: Record) -> bool:
        """Remember who was doubted."""
        self.doubts.append(record)
        return record.name.is_within(ZONE)

    @property
    def followed(self) -> list[FakeWatch]:
        """What is followed now."""
        return [watch for watch in self.watches if not watch.is_stopped]


@dataclass(frozen=True)
class Known:
    """What is known of a client."""

    is_allowed: bool = True
    realm: Realm = Realm.SAME


class Echo:
    """Answers plain queries with themselves."""

    def answer(
        self, message: bytes, client: str, reply: Callable[[bytes], object], *, stream: bool
    ) -> bytes | None:
        """Answer a query."""
        return message


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
        self.ending = self.ending or "aborted"


class Client:
    """A connection of a client."""

    def __init__(self, server: ConnectionServer, address: str) -> None:
        self.connection: Connection = server.secured().buildProtocol(IPv4Address("TCP", address, 5000))
        self.transport = Transport()
        self.connection.makeConnection(self.transport)
        self._unframer = Unframer()

    def send(self, *messages: bytes) -> None:
        """Send messages, in one piece."""
        self.connection.dataReceived(b"".join(map(framed, messages)))

    def heard(self) -> list[bytes]:
        """Return the messages that came since the last call."""
        data = self.transport.value()
        self.transport.clear()
        return self._unframer.feed(data)

    def lose(self) -> None:
        """Let the connection end."""
        self.connection.connectionLost(Failure(ConnectionError()))


class PushTestCase(SynchronousTestCase):
    """The sessions of a proxy, on a fake clock."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.zone = FakeZone()
        self.known: dict[str, Known] = {}
        self.push = Push(
            self.clock, self.zone, lambda address: self.known.get(address, Known()), Random(8765)
        )
        self.server = ConnectionServer(self.clock, Echo())
        self.server.sessions = self.push.session

    def connect(self, address: str = "192.0.2.1") -> Client:
        """Return a client with a session."""
        client = Client(self.server, address)
        client.send(keepalive(1, 15, 3600))
        client.heard()
        return client

    def change(self, added: Sequence[Record], removed: Sequence[Record] = ()) -> None:
        """Let the zone change, in all answers to which each record belongs."""
        for watch in self.zone.followed:
            asked = watch.question
            watch.changed(
                [each for each in added if each.name == asked.name and asked.type in (255, each.type)],
                [each for each in removed if each.name == asked.name and asked.type in (255, each.type)],
            )
        self.clock.advance(0)
