"""The client of DNS servers: over real sockets on loopback, and with servers in memory."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.defer import CancelledError, gatherResults
from twisted.trial.unittest import SynchronousTestCase, TestCase

from mcast.dns.codes import Flag, RecordType, ResponseCode
from mcast.dns.messages import Message, Question, encode
from mcast.dns.records import alias, text
from mcast.dns_client.client import MAX_PLAIN, DnsClient
from mcast.dns_client.system import SIZE_LIMIT, SystemServers
from mcast.dns_client.transports import MAX_PIPELINED
from mcast.errors import NotFound
from mcast.oneshot import ask
from mcast.unicast.exchange import Manner
from mcast.unicast.servers import ServerAddress
from tests.dns_client.lab import FIRST, HTTP, SECOND, ZONE, FakeServers, LoopbackServer, ZoneData, at, web

LIST = Question(HTTP, RecordType.PTR)


class LoopbackTests(TestCase):
    """Real datagrams and connections."""

    timeout = 120

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.zone = ZoneData(records=[*web("My Web"), at(9)])
        self.server = LoopbackServer(reactor, self.zone.answer)
        self.addCleanup(lambda: _deferred(self.server.stop()))
        self.client = DnsClient(reactor, Random(1))
        self.addCleanup(self.client.close)

    async def test_by_udp(self) -> None:
        answer, reply = await self.client.look_up(HTTP, RecordType.PTR, [self.server.address])
        self.assertEqual([one.data for one in answer.records], [HTTP.prefixed("My Web")])
        self.assertFalse(reply.by_stream)

    async def test_large_answer(self) -> None:
        """RFC 7766 §5: by TCP when it does not fit, and by one connection however many there are (§6.2.1)."""
        big = HTTP.prefixed("Big")
        self.zone.records += [text(big, [bytes([65 + n]) * 200 for n in range(20)], 10)]
        questions = [Question(big, RecordType.TXT)] * 5
        replies = await gatherResults(
            [self.client.ask(question, [self.server.address]) for question in questions]
        )
        self.assertTrue(all(reply.by_stream for reply in replies))
        self.assertEqual([len(reply.message.answers) for reply in replies], [1] * 5)
        self.assertEqual((self.server.by_stream, self.server.connections), (5, 1))

    async def test_more_than_one_connection_takes(self) -> None:
        """What is more than a connection takes at a time waits for its turn, and is answered."""
        waiting: list[Message] = []
        self.server.respond = waiting.append
        asked = [
            self.client.ask(LIST, [self.server.address], manner=Manner(by_stream=True))
            for _ in range(MAX_PIPELINED + 20)
        ]
        while len(waiting) < MAX_PIPELINED:
            await _soon()
        self.server.respond = self.zone.answer
        self.assertEqual(len(waiting), MAX_PIPELINED)
        (connection,) = self.server.open_connections
        for query in waiting:
            connection.sendString(encode(self.zone.answer(query)))
        await gatherResults(asked)
        self.assertEqual(self.server.connections, 1)

    async def test_connection_that_the_server_closes(self) -> None:
        """RFC 7766 §6.2.4: the query goes out anew on another one."""
        await self.client.ask(LIST, [self.server.address], manner=Manner(by_stream=True))
        respond = self.server.respond

        def hang_up(query: Message) -> None:
            self.server.respond = respond
            for connection in self.server.open_connections:
                assert connection.transport is not None
                connection.transport.loseConnection()

        self.server.respond = hang_up
        await self.client.ask(LIST, [self.server.address], manner=Manner(by_stream=True))
        self.assertEqual(self.server.connections, 2)

    async def test_nobody_listens(self) -> None:
        """The system says so, and nobody waits for the end of the time."""
        await self.server.stop()
        with self.assertRaisesRegex(NotFound, "nobody listens on its UDP port"):
            await self.client.ask(LIST, [self.server.address])
        with self.assertRaisesRegex(NotFound, "nobody listens on its TCP port"):
            await self.client.ask(LIST, [self.server.address], manner=Manner(by_stream=True))
        from twisted.internet import reactor

        self.server = LoopbackServer(reactor, self.zone.answer)

    async def test_no_way_there(self) -> None:
        with self.assertRaisesRegex(NotFound, "no-such-interface|unreachable|No such|not known|Invalid"):
            await self.client.ask(LIST, [ServerAddress("fe80::1%no-such-interface")], timeout=1.0)

    async def test_one_shot(self) -> None:
        """`mcast.oneshot.ask` asks a conventional server by this client, and takes what it says."""
        # The usual three seconds pass while a machine stands still.
        reply = await ask(
            self.client.reactor, "www.example.net", "A", "127.0.0.1", self.server.port, timeout=60.0
        )
        self.assertEqual((reply.message.rcode, reply.source), (ResponseCode.REFUSED, "127.0.0.1"))
        self.assertTrue(reply.message.flags & Flag.RECURSION_DESIRED)

    async def test_closed(self) -> None:
        """Whoever waits is told."""
        self.server.respond = lambda query: None
        asked = self.client.ask(LIST, [self.server.address])
        self.client.close()
        with self.assertRaisesRegex(NotFound, "the node was stopped"):
            await asked


def _soon() -> Any:
    from twisted.internet import reactor
    from twisted.internet.task import deferLater

    return deferLater(reactor, 0.01)


def _deferred(coroutine: Any) -> Any:
    from twisted.internet.defer import ensureDeferred

    return ensureDeferred(coroutine)


class MemoryTests(SynchronousTestCase):
    """On a fake clock."""

    def setUp(self) -> None:
        self.servers = FakeServers()
        self.zone = ZoneData(records=[*web("My Web"), at(9)])
        self.servers.answerers[FIRST] = self.zone.answer
        self.client = self.servers.client()

    def test_next_server(self) -> None:
        self.servers.refusing.add(SECOND)
        asked = self.client.ask(LIST, [SECOND, FIRST])
        self.servers.pass_time(0.2)
        self.assertEqual(self.successResultOf(asked).server, FIRST)
        self.assertEqual(self.servers.open_ports, 0)

    def test_unreachable(self) -> None:
        self.servers.unreachable.add(FIRST)
        asked = self.client.ask(LIST, [FIRST])
        self.assertIn("Network is unreachable", self.failureResultOf(asked, NotFound).getErrorMessage())

    def test_cancelled(self) -> None:
        self.servers.answerers.clear()
        asked = self.client.ask(LIST, [FIRST])
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assertEqual((self.servers.open_ports, self.servers.clock.getDelayedCalls()[1:]), (0, []))

    def test_late(self) -> None:
        """What has come in time counts, though a reactor that was kept from running reads it late."""
        self.servers.delay = 2.0
        asked = self.client.ask(LIST, [FIRST], timeout=5.0)
        self.servers.clock.rightNow += 20.0
        self.servers.clock.advance(0)
        self.assertEqual(self.successResultOf(asked).server, FIRST)

    def test_aliases(self) -> None:
        """RFC 1034 §5.3.3: what a server does not follow, we ask for."""
        first, second = ZONE.prefixed("a"), ZONE.prefixed("web")

        def only_alias(query: Message) -> Message:
            response = self.zone.answer(query)
            response.answers = response.answers[:1]
            return response

        self.zone.records.append(alias(first, second, 10))
        self.servers.answerers[FIRST] = only_alias
        from twisted.internet.defer import ensureDeferred

        asked = ensureDeferred(self.client.look_up(first, RecordType.A, [FIRST]))
        self.servers.pass_time(0.2)
        answer, _ = self.successResultOf(asked)
        self.assertEqual([(one.name, str(one.data)) for one in answer.records], [(first, "192.0.2.9")])

    def test_edns_is_learned(self) -> None:
        """RFC 6891 §7: a server that does not understand it is asked without, from then on."""

        def old(query: Message) -> Message:
            if query.pseudo:
                return Message(query.id, Flag.RESPONSE | ResponseCode.FORMERR)
            return self.zone.answer(query)

        self.servers.answerers[FIRST] = old
        for _ in range(2):
            asked = self.client.ask(LIST, [FIRST])
            self.servers.pass_time(0.2)
            self.successResultOf(asked)
        self.assertEqual([len(message.pseudo) for _, message in self.servers.sent], [1, 0, 0])

    def test_what_is_learned_is_bounded(self) -> None:
        def old(query: Message) -> Message:
            return Message(
                query.id, Flag.RESPONSE | (ResponseCode.FORMERR if query.pseudo else 0), query.questions
            )

        for number in range(MAX_PLAIN + 10):
            server = ServerAddress(f"198.51.100.{number}")
            self.servers.answerers[server] = old
            self.client.ask(LIST, [server])
            self.servers.pass_time(0.1)
        self.assertEqual(len(self.client.plain), MAX_PLAIN)


class SystemTests(SynchronousTestCase):
    """The file of the system, taken anew when it changes."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.system = SystemServers(self.path)

    def test_changed(self) -> None:
        self.path.write_text("nameserver 192.0.2.1\n")
        self.assertEqual(self.system.current(), (ServerAddress("192.0.2.1"),))
        self.path.write_text("nameserver 192.0.2.22\nsearch example.com\n")
        self.assertEqual(self.system.current(), (ServerAddress("192.0.2.22"),))
        self.assertEqual(list(map(str, self.system.search())), ["example.com."])

    def test_missing(self) -> None:
        """It is told once, and looked for again."""
        self.assertEqual(self.system.current(), ())
        self.path.write_text("nameserver 192.0.2.1\n")
        self.assertEqual(len(self.system.current()), 1)

    def test_bounded(self) -> None:
        self.path.write_text("#" * SIZE_LIMIT + "\nnameserver 192.0.2.1\n")
        self.assertEqual(self.system.current(), (ServerAddress("127.0.0.1"),))
