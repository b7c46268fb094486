"""DNS Push over real TLS, on the loopback interface (RFC 8765 §5, §7; RFC 8490 §5.3)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from mcast.clock import clock_of
from mcast.dns.records import Record
from mcast.dns_client.push import PushConnections, PushTarget
from mcast.proxy.connections import Connection, ConnectionServer
from mcast.proxy.push import Push
from mcast.unicast.framing import framed
from tests.certificates import Authority
from tests.network.lan import PATIENCE
from tests.proxy.push_lab import Echo, FakeZone, Known
from tests.unicast.dso_lab import UNKNOWN, dso, keepalive, tlv
from tests.unicast.push_lab import POINTER, TYPES, ZONE

HOST = "proxy.example.com"
reactor: Any = the_reactor


class Watched:
    """Tells when something that was waited for happened."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self._waiting: list[tuple[int, Deferred[list[Any]]]] = []

    def tell(self, thing: Any) -> None:
        """Take something that happened."""
        self.seen.append(thing)
        for entry in tuple(self._waiting):
            if len(self.seen) >= entry[0]:
                self._waiting.remove(entry)
                entry[1].callback(self.seen)

    def first(self, count: int) -> Deferred[list[Any]]:
        """Return what fires with all when so many happened."""
        waiting: Deferred[list[Any]] = Deferred()
        if len(self.seen) >= count:
            waiting.callback(self.seen)
        else:
            self._waiting.append((count, waiting))
        return waiting.addTimeout(PATIENCE, reactor)


class PushTestCase(TestCase):
    """A proxy's TLS port in front of a made-up zone, and clients."""

    def setUp(self) -> None:
        self.zone = FakeZone()
        self.ended = Watched()
        self.push = Push(clock_of(reactor), self.zone, lambda _: Known(), Random(1))
        self.server = ConnectionServer(clock_of(reactor), Echo())
        self.server.sessions = self.push.session
        self.authority = Authority()
        self.port = self.listen(HOST)
        self.clients: list[PushConnections] = []

    def listen(self, name: str) -> int:
        """Listen with a certificate for a name; return the port."""
        ended, connections = self.ended, self.server.secured()

        class Ends(Factory):
            noisy = False

            def buildProtocol(self, addr: Any) -> Connection:
                connection = connections.buildProtocol(addr)
                inner = connection.connectionLost

                def lost(reason: Failure | None = None) -> None:
                    inner(reason)
                    ended.tell(reason)

                connection.connectionLost = lost  # type: ignore[method-assign]  # watched from outside
                return connection

        listening = reactor.listenSSL(0, Ends(), self.authority.server(name), interface="127.0.0.1")
        self.addCleanup(listening.stopListening)
        return int(listening.getHost().port)

    async def tearDown(self) -> None:  # type: ignore[override]  # trial awaits what a test returns
        for client in self.clients:
            await client.close()
        self.server.abort()
        await self.push.stop()

    def client(self, *addresses: str, authority: Authority | None = None) -> PushConnections:
        """Return a client that finds every server at these addresses."""

        async def resolve(host: str) -> Sequence[str]:
            return addresses or ("127.0.0.1",)

        path = (authority or self.authority).write(self.mktemp())
        client = PushConnections(reactor, resolve, path, Random(2))
        self.clients.append(client)
        return client

    def subscribe(self, client: PushConnections, port: int = 0) -> tuple[Watched, Callable[[], None]]:
        """Follow the services of the zone; return what watches what is told, and what cancels."""
        watched = Watched()

        def changed(added: Sequence[Record], removed: Sequence[Record]) -> None:
            watched.tell((list(added), list(removed)))

        target = PushTarget(HOST, port or self.port, ZONE)
        return watched, client.subscribe(target, TYPES, changed, watched.tell)


class ClientTests(PushTestCase):
    """Our client and our server."""

    async def test_told(self) -> None:
        """H-5-1, D-9.3-3: two clients from one address, each by a connection of its own."""
        watched = [self.subscribe(self.client())[0] for _ in range(2)]
        for each in watched:
            self.assertEqual(await each.first(1), [None])
        self.zone.followed[0].changed([POINTER], [])
        for each in watched:
            self.assertEqual((await each.first(2))[1], ([POINTER], []))
        self.assertEqual((len(self.server), len(self.zone.followed)), (2, 1))

    async def test_name_is_told(self) -> None:
        """H-7.2-2: by SNI."""
        watched, _ = self.subscribe(self.client())
        await watched.first(1)
        (connection,) = self.server._connections
        handle = connection.transport.getHandle()  # type: ignore[union-attr]
        self.assertEqual(handle.get_servername(), HOST.encode())

    async def test_closes_gracefully(self) -> None:
        """D-5.3-1, H-6.7-3: close_notify, then FIN: the server sees a clean end."""
        watched, cancel = self.subscribe(self.client())
        await watched.first(1)
        cancel()
        (reason,) = await self.ended.first(1)
        self.assertIsInstance(reason.value, ConnectionDone)
        self.assertEqual(self.zone.followed, [])

    async def test_second_address(self) -> None:
        """Where nobody listens at the first address, the next one is tried."""
        watched, _ = self.subscribe(self.client("127.0.0.9", "127.0.0.1"))
        self.assertEqual(await watched.first(1), [None])

    async def test_unknown_authority(self) -> None:
        """H-7-1: who is not vouched for is not spoken to."""
        watched, _ = self.subscribe(self.client(authority=Authority("Somebody else")))
        (reason,) = await watched.first(1)
        self.assertIn("certificate verify failed", reason)
        self.assertEqual(self.push.statistics()["sessions"], 0)

    async def test_certificate_of_another_name(self) -> None:
        """H-7-1, H-6.1-5: nor who has another name."""
        watched, _ = self.subscribe(self.client(), self.listen("other.example.com"))
        (reason,) = await watched.first(1)
        self.assertIsInstance(reason, str)
        self.assertEqual(self.push.statistics()["sessions"], 0)

    async def test_nobody_there(self) -> None:
        watched, _ = self.subscribe(self.client(), 1)
        (reason,) = await watched.first(1)
        self.assertIn("refused", reason.lower())

    async def test_server_without_tls(self) -> None:
        """D-11-1, H-7-1: nothing but a TLS handshake leaves before there is a TLS session."""
        heard = Watched()

        class Plain(Protocol):
            def dataReceived(self, data: bytes) -> None:
                heard.tell(data)
                assert self.transport is not None
                self.transport.write(framed(keepalive(1, response=True)))

        factory = Factory.forProtocol(Plain)
        factory.noisy = False
        listening = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(listening.stopListening)
        watched, _ = self.subscribe(self.client(), listening.getHost().port)
        (reason,) = await watched.first(1)
        self.assertIn("TLS", reason)
        # 22 is the type of a handshake record, 1 that of a ClientHello (RFC 8446 §5.1, §4).
        self.assertEqual([(data[0], data[5]) for data in heard.seen], [(22, 1)])

    async def test_server_that_stops(self) -> None:
        """D-6.6.1-4: the client closes within the five seconds that it has."""
        watched, _ = self.subscribe(self.client())
        await watched.first(1)
        await self.push.stop()
        (reason,) = await self.ended.first(1)
        self.assertIsInstance(reason.value, ConnectionDone)
        self.assertEqual(self.push.counters["sessions ended: lost"], 1)


class ForeignClientTests(PushTestCase):
    """A client that is Python's ssl module and octets made by hand."""

    def talk(self, *messages: bytes) -> str:
        """Send messages, and return the name of the error that ended the TCP connection; "" for none."""
        context = ssl.create_default_context(cadata=self.pem)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        secure = context.wrap_bio(incoming, outgoing, server_hostname=HOST)
        sent = False
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as plain:
            while True:
                # The octets are moved by hand, since ssl's own sockets take a reset for an end.
                try:
                    if sent:
                        secure.read()
                    else:
                        secure.do_handshake()
                        secure.write(b"".join(map(framed, messages)))
                        sent = True
                except ssl.SSLWantReadError:
                    pass
                try:
                    plain.sendall(outgoing.read())
                    data = plain.recv(4096)
                except OSError as error:
                    return type(error).__name__
                if not data:
                    return ""
                incoming.write(data)

    def setUp(self) -> None:
        super().setUp()
        with open(self.authority.write(self.mktemp()), encoding="ascii") as stream:
            self.pem = stream.read()

    async def test_forcible_abort(self) -> None:
        """D-5.3-2, H-7.4-1: a TCP reset."""
        heard = await deferToThread(self.talk, keepalive(1, 15, 3600), dso(0, tlv(UNKNOWN)))
        self.assertEqual(heard, "ConnectionResetError")

    async def test_no_tls(self) -> None:
        """D-11-1, H-5-2: a DSO message in the clear gets no answer on the TLS port."""

        def talk() -> bytes:
            with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as plain:
                plain.sendall(framed(keepalive(1)))
                return plain.recv(4096)

        heard = await deferToThread(talk)
        # An alert of TLS at most (RFC 8446 §6), and nothing of DNS.
        self.assertIn(heard[:1], (b"", b"\x15"))
        self.assertEqual(self.push.statistics()["sessions"], 0)
