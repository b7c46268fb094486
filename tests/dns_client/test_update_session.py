"""Requests to a server by TCP on loopback, and what goes wrong with it."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import dns.message
import dns.name
import dns.tsig
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.protocols.basic import Int16StringReceiver
from twisted.trial.unittest import SynchronousTestCase, TestCase

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.names import Name
from mcast.dns_client import update_session
from mcast.dns_client.update_server import UpdateServer, read_update_key
from mcast.dns_client.update_session import ServerFailed, UpdateSession
from mcast.unicast.key_file import KeyFileError
from mcast.unicast.tsig import UpdateKey, sign

KEY = UpdateKey(Name.parse("key.example"), b"0123456789abcdef0123456789abcdef")
QUESTION = Question(Name.parse("example.com"), RecordType.SOA)
NOW = 1_800_000_000

Behaviour = Callable[["_Server", bytes], object]


class _Server(Int16StringReceiver):
    def stringReceived(self, string: bytes) -> None:
        self.factory.behaviour(self, string)


def plain_answer(request: bytes, rcode: int = 0) -> bytes:
    return request[:2] + struct.pack("!5H", 0x8000 | rcode, 0, 0, 0, 0)


def mac_of(request: bytes) -> bytes:
    keyring = {dns.name.from_text(str(KEY.name)): dns.tsig.Key(str(KEY.name), KEY.secret)}
    with mock.patch("time.time", return_value=NOW):
        read = dns.message.from_wire(request, keyring=keyring)
    assert read.tsig is not None
    mac: bytes = read.tsig[0].mac
    return mac


class SessionTests(TestCase):
    """T-5.3-1, T-5.3-2: what is not signed as it should be is not believed."""

    def setUp(self) -> None:
        self.session: UpdateSession | None = None
        self.connections: list[_Server] = []

    def serve(self, behaviour: Behaviour, key: UpdateKey | None = KEY) -> UpdateSession:
        case = self

        class Server(_Server):
            def connectionMade(self) -> None:
                case.connections.append(self)

        factory: Any = Factory.forProtocol(Server)
        factory.behaviour = behaviour
        port: Any = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        server = UpdateServer("127.0.0.1", port.getHost().port, key)
        session = UpdateSession(reactor, server, Random(1), lambda: NOW)
        self.addCleanup(session.close)
        return session

    def ask(self, session: UpdateSession) -> Deferred[Message]:
        return Deferred.fromCoroutine(session.ask(QUESTION))

    async def failure(self, behaviour: Behaviour, key: UpdateKey | None = KEY) -> str:
        try:
            await self.serve(behaviour, key).ask(QUESTION)
        except ServerFailed as error:
            return str(error)
        raise AssertionError("it was believed")

    async def test_signed(self) -> None:
        def answer(server: _Server, request: bytes) -> None:
            server.sendString(sign(plain_answer(request), KEY, NOW, mac_of(request)).wire)

        session = self.serve(answer)
        reply = await session.ask(QUESTION)
        self.assertTrue(reply.is_response)
        await session.ask(QUESTION)
        self.assertEqual(len(self.connections), 1)

    async def test_without_a_key(self) -> None:
        session = self.serve(lambda server, request: server.sendString(plain_answer(request)), None)
        self.assertTrue((await session.ask(QUESTION)).is_response)

    async def test_a_connection_closed_meanwhile(self) -> None:
        """RFC 7766 §6.2.3: the next request goes by a new one."""

        def answer(server: _Server, request: bytes) -> None:
            server.sendString(plain_answer(request))
            assert server.transport is not None
            server.transport.loseConnection()

        session = self.serve(answer, None)
        for _ in range(3):
            await session.ask(QUESTION)
        self.assertGreaterEqual(len(self.connections), 2)

    async def test_other_addresses(self) -> None:
        """A connection is given up, and what was asked by it is asked anew."""
        silent = [True]

        def answer(server: _Server, request: bytes) -> None:
            if not silent[0]:
                server.sendString(plain_answer(request))
                return
            silent[0] = False
            reactor.callLater(0, session.renew)

        session = self.serve(answer, None)
        self.assertTrue((await session.ask(QUESTION)).is_response)
        self.assertEqual(len(self.connections), 2)
        silent[0] = True
        self.assertTrue((await session.ask(QUESTION)).is_response)
        self.assertEqual(len(self.connections), 3)

    async def test_one_octet_at_a_time(self) -> None:
        def answer(server: _Server, request: bytes) -> None:
            assert server.transport is not None
            octets = plain_answer(request)
            for octet in struct.pack("!H", len(octets)) + octets:
                server.transport.write(bytes([octet]))

        self.assertTrue((await self.serve(answer, None).ask(QUESTION)).is_response)

    async def test_unsigned(self) -> None:
        said = await self.failure(lambda server, request: server.sendString(plain_answer(request)))
        self.assertEqual(said, "its answer cannot be believed: unsigned")

    async def test_unsigned_refusal(self) -> None:
        said = await self.failure(lambda server, request: server.sendString(plain_answer(request, 5)))
        self.assertIn("REFUSED", said)
        self.assertIn("not signed", said)

    async def test_forged(self) -> None:
        def answer(server: _Server, request: bytes) -> None:
            server.sendString(sign(plain_answer(request), KEY, NOW, b"x" * 32).wire)

        self.assertIn("the signature is wrong", await self.failure(answer))

    async def test_rubbish(self) -> None:
        said = await self.failure(lambda server, request: server.sendString(request[:2] + b"\x80"), None)
        self.assertIn("its answer is malformed", said)

    async def test_closed_at_once(self) -> None:
        def close(server: _Server, request: bytes) -> None:
            assert server.transport is not None
            server.transport.loseConnection()

        self.assertIn("it cannot be reached", await self.failure(close))

    async def test_silence(self) -> None:
        self.patch(update_session, "REPLY_LIMIT", 0.05)
        self.assertIn("no answer by TCP", await self.failure(lambda server, request: None))

    async def test_stray_messages(self) -> None:
        """Those that answer nothing of ours are counted, and end the connection."""
        self.patch(update_session, "MAX_STRAY", 3)

        def chatter(server: _Server, request: bytes) -> None:
            for _ in range(10):
                server.sendString(bytes([request[0] ^ 1]) + plain_answer(request)[1:])

        self.assertIn("it cannot be reached", await self.failure(chatter))

    async def test_nobody_there(self) -> None:
        session = UpdateSession(reactor, UpdateServer("127.0.0.1", 1), Random(1), lambda: NOW)
        try:
            await session.ask(QUESTION)
        except ServerFailed as error:
            self.assertRegex(str(error), "^it cannot be reached: connection (was )?refused")


class ServerTests(SynchronousTestCase):
    def test_mistakes(self) -> None:
        """A port behind the address would be taken for a name that nobody knows."""
        for host in ("", "a b", "192.0.2.53:5353", "[::1]:53", "ns.example.com:53"):
            self.assertRaises(ValueError, UpdateServer, host)
        for host in ("192.0.2.53", "2001:db8::1", "fe80::1%eth0", "ns.example.com"):
            self.assertEqual(UpdateServer(host).host, host)


class KeyFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.path.write_text('key k { algorithm hmac-sha256; secret "MDEyMzQ1Njc4OWFiY2RlZg=="; };')
        self.path.chmod(0o600)
        log = mock.patch("mcast.dns_client.update_server._log")
        self.log = log.start()
        self.addCleanup(log.stop)

    def test_read(self) -> None:
        self.assertEqual(read_update_key(self.path).secret, b"0123456789abcdef")
        self.log.warn.assert_not_called()

    def test_readable_by_everybody(self) -> None:
        """T-10-1: a warning says so."""
        self.path.chmod(0o644)
        read_update_key(self.path)
        self.assertIn("everybody", self.log.warn.call_args.args[0])

    def test_a_short_secret(self) -> None:
        self.path.write_text('key k { algorithm hmac-sha256; secret "c2hvcnQ="; };')
        read_update_key(self.path)
        self.assertIn("guessed", self.log.warn.call_args.args[0])

    def test_what_is_no_file(self) -> None:
        self.assertRaises(OSError, read_update_key, "/dev/zero")
        self.assertRaises(OSError, read_update_key, self.path.parent)
        fifo = f"{self.path}.fifo"
        os.mkfifo(fifo)
        self.assertRaises(OSError, read_update_key, fifo)

    def test_a_fault(self) -> None:
        self.path.write_text("key k {")
        self.assertRaises(KeyFileError, read_update_key, self.path)
