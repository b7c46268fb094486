"""One-shot queries on real sockets: the port they leave from, and the way over TCP."""

from __future__ import annotations

import socket

from twisted.internet.defer import Deferred

from mcast.dns.codes import RESPONSE_FLAGS, Flag, RecordType
from mcast.dns.messages import Message, Question, decode, encode
from mcast.dns.names import Name
from mcast.dns.records import text
from mcast.oneshot import OneShotReply, ask
from tests.network.lan import PATIENCE
from tests.network.reactors import ReactorLanTestCase, readable

NAME = Name.parse("big.example.")
QUESTION = Question(NAME, RecordType.TXT)


class OneShotTests(ReactorLanTestCase):
    """The other host is a server, made of plain sockets."""

    def ask(self, server: str, port: int = 5353) -> Deferred[OneShotReply]:
        return ask(self.reactor, NAME, "TXT", server, port, timeout=PATIENCE)

    def query(self, server: socket.socket) -> tuple[Message, tuple[str, int]]:
        """Return the query that the server has got, and from where."""
        data, source = server.recvfrom(9000)
        return decode(data), source[:2]

    def response(self, query: Message, flags: int = 0, size: int = 1) -> bytes:
        records = [text(NAME, [b"x" * 200], 10)] * size
        return encode(Message(query.id, RESPONSE_FLAGS | flags, query.questions, answers=records))

    def test_source_port(self) -> None:
        """M-5.1-1: a query does not leave from port 5353."""
        server = self.there.udp_socket(port=5353)
        asked = self.ask(self.there.ipv4())
        message, source = self.query(server)
        self.assertNotEqual(source[1], 5353)
        server.sendto(self.response(message), source)
        reply = self.wait(asked)
        assert reply is not None
        self.assertEqual(len(reply.message.answers), 1)

    def test_link_local_server(self) -> None:
        server = self.there.udp_socket(ipv6=True, port=5353)
        asked = self.ask(f"{self.there.link_local()}%eth0")
        data, source = server.recvfrom(9000)
        server.sendto(self.response(decode(data)), source)
        reply = self.wait(asked)
        assert reply is not None
        self.assertEqual(reply.source, f"{self.there.link_local()}%eth0")

    def test_truncated_answer_is_asked_for_by_tcp(self) -> None:
        """M-18.5-3: TC in a unicast response has the query repeated over TCP."""
        server = self.there.udp_socket(port=53)
        stream = self.there.open_socket(socket.AF_INET, socket.SOCK_STREAM)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stream.bind((self.there.ipv4(), 53))
        stream.listen()
        asked = self.ask(self.there.ipv4(), 53)
        message, source = self.query(server)
        server.sendto(self.response(message, Flag.TRUNCATED, 0), source)
        self.until(lambda: readable(stream), "a connection")
        connection, _ = stream.accept()
        self.addCleanup(connection.close)
        self.until(lambda: readable(connection), "a query")
        data = connection.recv(9000)
        again = decode(data[2:])
        self.assertEqual((int.from_bytes(data[:2], "big"), again.questions), (len(data) - 2, [QUESTION]))
        whole = self.response(again, size=20)
        connection.sendall(len(whole).to_bytes(2, "big") + whole)
        reply = self.wait(asked)
        assert reply is not None
        self.assertEqual((len(reply.message.answers), reply.message.truncated), (20, False))
        self.until(lambda: readable(connection), "the end of the connection")
        self.assertEqual(connection.recv(100), b"", "it hangs up")

    def test_truncated_answer_where_there_is_no_tcp(self) -> None:
        """M-18.5-3: what came is given, and says that it is not all."""
        server = self.there.udp_socket(port=5353)
        asked = self.ask(self.there.ipv4())
        message, source = self.query(server)
        server.sendto(self.response(message, Flag.TRUNCATED), source)
        reply = self.wait(asked)
        assert reply is not None
        self.assertEqual((len(reply.message.answers), reply.message.truncated), (1, True))
