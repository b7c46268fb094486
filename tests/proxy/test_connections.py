from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mcast.proxy import connections
from mcast.proxy.connections import IDLE_LIMIT, MAX_OUTSTANDING, Connection, ConnectionServer
from mcast.unicast.framing import framed

DSO = b"\0\1\x30\0" + bytes(8)


class Echo:
    """Answers each query with itself, those that begin with "later" when the test says so."""

    def __init__(self) -> None:
        self.later: list[Callable[[bytes], object]] = []

    def answer(
        self, message: bytes, client: str, reply: Callable[[bytes], object], *, stream: bool
    ) -> bytes | None:
        if message.startswith(b"later"):
            self.later.append(reply)
            return None
        return b"" if message == b"silence" else message


class TurnClock(Clock):
    """Each turn of the reactor is a second."""

    def callLater(self, delay: float, *args: Any, **kwargs: Any) -> Any:
        return super().callLater(max(delay, 1.0), *args, **kwargs)


class Session:
    """A `StatefulSession` that remembers what it is told."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.told: list[object] = []
        self.is_established = True
        self.answers = True

    def message_received(self, message: bytes, now: float) -> None:
        self.told.append(message)
        self.connection.send(b"answer")

    def query_received(self, message: bytes, now: float) -> bool:
        self.told.append("query")
        return self.answers

    def query_answered(self, now: float) -> None:
        self.told.append("answered")

    def held(self, now: float) -> None:
        self.told.append("held")

    def released(self, now: float) -> None:
        self.told.append("released")

    def connection_lost(self, now: float) -> None:
        self.told.append("lost")


class ConnectionTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.echo = Echo()
        self.server = ConnectionServer(self.clock, self.echo)

    def connect(self, client: str = "192.0.2.1", *, tls: bool = False) -> tuple[Connection, StringTransport]:
        factory = self.server.secured() if tls else self.server
        connection = factory.buildProtocol(IPv4Address("TCP", client, 5000))
        transport = StringTransport()
        connection.makeConnection(transport)
        return connection, transport

    def lose(self, connection: Connection) -> None:
        connection.connectionLost(Failure(ConnectionError()))


class QueryTests(ConnectionTestCase):
    """Queries and responses in a stream (RFC 7766 §6)."""

    def test_pipelined(self) -> None:
        """Each query is answered as soon as it can be, in whatever order (RFC 7766 §7)."""
        connection, transport = self.connect()
        connection.dataReceived(framed(b"later") + framed(b"b"))
        self.assertEqual(transport.value(), framed(b"b"))
        self.echo.later[0](b"a")
        self.assertEqual(transport.value(), framed(b"b") + framed(b"a"))

    def test_one_octet_at_a_time(self) -> None:
        connection, transport = self.connect()
        for octet in framed(b"abc"):
            connection.dataReceived(bytes((octet,)))
        self.assertEqual(transport.value(), framed(b"abc"))

    def test_client_that_asks_no_more(self) -> None:
        """What was asked before the client closed its half is answered; then we close ours."""
        connection, transport = self.connect()
        connection.dataReceived(framed(b"later") * 2 + framed(b"b"))
        connection.readConnectionLost()
        self.assertFalse(transport.disconnecting)
        self.echo.later[0](b"a")
        self.assertFalse(transport.disconnecting)
        self.echo.later[1](b"c")
        self.assertEqual(transport.value(), framed(b"b") + framed(b"a") + framed(b"c"))
        self.assertTrue(transport.disconnecting)

    def test_client_that_has_nothing_to_wait_for(self) -> None:
        connection, transport = self.connect()
        connection.dataReceived(framed(b"a") + b"\0")
        connection.readConnectionLost()
        self.assertEqual(transport.value(), framed(b"a"))
        self.assertTrue(transport.disconnecting)

    def test_is_not_read_again(self) -> None:
        """At the end of the stream, reading on would tell of it for ever."""
        connection, transport = self.connect()
        transport.pauseProducing()
        connection.dataReceived(framed(b"later"))
        transport.pauseProducing()
        connection.readConnectionLost()
        connection.resumeProducing()
        self.assertEqual(transport.producerState, "paused")

    def test_nothing_to_say(self) -> None:
        connection, transport = self.connect()
        connection.dataReceived(framed(b"silence"))
        self.assertEqual((transport.value(), connection.outstanding), (b"", 0))

    def test_answer_after_the_end(self) -> None:
        connection, transport = self.connect()
        connection.dataReceived(framed(b"later"))
        self.lose(connection)
        self.echo.later[0](b"a")
        self.assertEqual(transport.value(), b"")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_flood_leaves_others_their_turn(self) -> None:
        connection, transport = self.connect()
        connection.dataReceived(framed(b"x") * 120)
        self.assertEqual(len(transport.value()), 50 * 3)
        self.assertEqual(transport.producerState, "paused")
        self.clock.pump([0, 0, 0])
        self.assertEqual(len(transport.value()), 120 * 3)
        self.assertEqual(transport.producerState, "producing")

    def test_floods_of_several_take_turns(self) -> None:
        """TURN: all together do no more in one turn than one alone, and each has its share of it."""
        self.clock = TurnClock()
        self.server = ConnectionServer(self.clock, self.echo)
        floods = [self.connect(f"192.0.2.{number}") for number in range(20)]
        for connection, _ in floods:
            connection.dataReceived(framed(b"x") * 500)
        late, transport = self.connect("198.51.100.1")
        late.dataReceived(framed(b"y"))
        done = 50
        for turn in range(4):
            answered = sum(len(each.value()) // 3 for _, each in floods)
            self.assertIn(answered, (done - 1, done), turn)
            self.clock.advance(1)
            done += 50
        self.assertEqual(transport.value(), framed(b"y"))
        for connection, _ in floods:
            self.lose(connection)
        self.lose(late)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_too_many_wait(self) -> None:
        """MAX_OUTSTANDING: nothing more is read until one is answered."""
        connection, transport = self.connect()
        connection.dataReceived(framed(b"later") * (MAX_OUTSTANDING + 1))
        self.clock.pump([0] * 5)
        self.assertEqual(len(self.echo.later), MAX_OUTSTANDING)
        self.assertEqual(transport.producerState, "paused")
        self.echo.later[0](b"a")
        self.clock.pump([0, 0])
        self.assertEqual(len(self.echo.later), MAX_OUTSTANDING + 1)

    def test_client_that_reads_nothing(self) -> None:
        connection, transport = self.connect()
        connection.pauseProducing()
        connection.send(bytes(60_000))
        self.assertFalse(transport.disconnecting)
        for _ in range(20):
            connection.send(bytes(60_000))
        self.assertTrue(transport.disconnected)
        self.assertEqual(self.server.counters["connections that read nothing"], 1)

    def test_backed_up_client_is_not_read(self) -> None:
        connection, transport = self.connect()
        connection.pauseProducing()
        connection.dataReceived(framed(b"a"))
        self.assertEqual((transport.value(), transport.producerState), (b"", "paused"))
        connection.resumeProducing()
        self.assertEqual((transport.value(), transport.producerState), (framed(b"a"), "producing"))


class LimitTests(ConnectionTestCase):
    """Connections that do nothing, or are too many, are closed and counted."""

    def test_idle(self) -> None:
        _, transport = self.connect()
        self.clock.advance(IDLE_LIMIT)
        self.assertTrue(transport.disconnected)
        self.assertEqual(self.server.counters["idle connections closed"], 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_endless_segments_of_one_octet(self) -> None:
        connection, transport = self.connect()
        connection.dataReceived(b"\xff\xff")
        for _ in range(20):
            self.clock.advance(1)
            if not transport.disconnected:
                connection.dataReceived(b"x")
        self.assertTrue(transport.disconnected)

    def test_activity_keeps_it(self) -> None:
        connection, transport = self.connect()
        for _ in range(5):
            self.clock.advance(IDLE_LIMIT - 1)
            connection.dataReceived(framed(b"x"))
        self.assertFalse(transport.disconnected)

    def test_waiting_for_the_link_keeps_it(self) -> None:
        connection, transport = self.connect()
        connection.dataReceived(framed(b"later"))
        self.clock.advance(2 * IDLE_LIMIT)
        self.assertFalse(transport.disconnected)
        self.echo.later[0](b"a")
        self.clock.advance(2 * IDLE_LIMIT)
        self.assertTrue(transport.disconnected)

    def test_of_one_client(self) -> None:
        self.patch(connections, "MAX_CONNECTIONS_OF_CLIENT", 3)
        transports = [self.connect()[1] for _ in range(4)]
        self.assertEqual([one.disconnected for one in transports], [False, False, False, True])
        self.assertEqual(self.server.counters["connections beyond the limit of a client"], 1)

    def test_ten_thousand_idle(self) -> None:
        """The newcomer is let in, and the connection that was idle for the longest time goes."""
        transports = []
        for number in range(10_000):
            self.clock.advance(0.0001)
            transports.append(self.connect(f"192.0.{number % 200}.{number // 200}")[1])
        self.assertEqual(len(self.server), connections.MAX_CONNECTIONS)
        self.assertEqual(sum(not one.disconnected for one in transports), connections.MAX_CONNECTIONS)
        self.assertFalse(transports[-1].disconnected)
        self.assertEqual(self.server.counters["idle connections closed for others"], 9_500)

    def test_all_busy(self) -> None:
        self.patch(connections, "MAX_CONNECTIONS", 2)
        for client in ("192.0.2.1", "192.0.2.2"):
            self.connect(client)[0].dataReceived(framed(b"later"))
        _, transport = self.connect("192.0.2.3")
        self.assertTrue(transport.disconnected)
        self.assertEqual(self.server.counters["connections beyond the limit"], 1)

    def test_end(self) -> None:
        _, transport = self.connect()
        self.server.end()
        self.assertTrue(transport.disconnecting)


class SessionTests(ConnectionTestCase):
    """DSO messages of TLS connections go to a session (RFC 8490)."""

    def setUp(self) -> None:
        super().setUp()
        self.made: list[Session] = []

        def make(connection: Connection) -> Session:
            self.made.append(Session(connection))
            return self.made[-1]

        self.server.sessions = make

    def test_first_message_makes_it(self) -> None:
        connection, transport = self.connect(tls=True)
        connection.dataReceived(framed(b"query") + framed(DSO) + framed(b"query") + framed(DSO))
        (session,) = self.made
        self.assertEqual(session.told, [DSO, "query", "answered", DSO])
        self.assertEqual(
            transport.value(), framed(b"query") + framed(b"answer") + framed(b"query") + framed(b"answer")
        )

    def test_query_that_the_session_ignores(self) -> None:
        """D-6.6.1.1-1: no answer to what comes after a retry delay."""
        connection, transport = self.connect(tls=True)
        connection.dataReceived(framed(DSO))
        self.made[0].answers = False
        transport.clear()
        connection.dataReceived(framed(b"query"))
        self.assertEqual((transport.value(), connection.outstanding), (b"", 0))

    def test_client_that_does_not_read(self) -> None:
        connection, _ = self.connect(tls=True)
        connection.dataReceived(framed(DSO))
        connection.pauseProducing()
        connection.resumeProducing()
        self.assertEqual(self.made[0].told, [DSO, "held", "released"])

    def test_not_without_tls(self) -> None:
        """H-5-2: RFC 8765 §5"""
        connection, transport = self.connect()
        connection.dataReceived(framed(DSO))
        self.assertEqual((self.made, transport.value()), ([], framed(DSO)))

    def test_has_its_own_timers(self) -> None:
        connection, transport = self.connect(tls=True)
        connection.dataReceived(framed(DSO))
        self.clock.advance(100 * IDLE_LIMIT)
        self.assertFalse(transport.disconnected)

    def test_no_session_yet(self) -> None:
        """RFC 8490 §5: until it is established the connection is idle as any other."""
        connection, transport = self.connect(tls=True)
        connection.dataReceived(framed(DSO))
        self.made[0].is_established = False
        self.clock.advance(IDLE_LIMIT)
        self.assertTrue(transport.disconnected)

    def test_end_of_the_connection(self) -> None:
        connection, _ = self.connect(tls=True)
        connection.dataReceived(framed(DSO))
        self.lose(connection)
        connection.send(b"late")
        self.assertEqual(self.made[0].told, [DSO, "lost"])
