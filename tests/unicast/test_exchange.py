"""One question to DNS servers: whom it goes to when, and which response counts."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import Flag, RecordType, ResponseCode
from mcast.dns.messages import Message, Question, decode, encode
from mcast.dns.records import address
from mcast.unicast.edns import DEFAULT_PAYLOAD
from mcast.unicast.exchange import EXCHANGE_TIMEOUT, Exchange, Manner, Send
from mcast.unicast.servers import ServerAddress
from tests.dns_client.lab import FIRST, SECOND, ZONE

HOST = ZONE.prefixed("web")
QUESTION = Question(HOST, RecordType.A)


class ExchangeTestCase(SynchronousTestCase):
    def begin(self, *servers: ServerAddress, **settings: Any) -> Exchange:
        self.exchange = Exchange(QUESTION, servers or (FIRST,), Random(1), **settings)
        self.exchange.start(0.0)
        self.sends = self.exchange.take_sends()
        return self.exchange

    def run_until(self, end: float) -> list[tuple[float, str]]:
        """Return when which server is asked."""
        sent = [(0.0, send.server.host) for send in self.sends]
        while (at := self.exchange.next_wakeup()) is not None and at <= end:
            self.exchange.advance(at)
            sent += [(at, send.server.host) for send in self.exchange.take_sends()]
        return sent

    def answer(
        self, send: Send, flags: int = 0, *, now: float = 0.1, by_stream: bool = False, **changes: Any
    ) -> bool:
        query = decode(send.payload)
        response = Message(query.id, Flag.RESPONSE | flags, query.questions)
        if not flags & 0xF:
            response.answers = [address(HOST, "192.0.2.9", 10)]
        for name, value in changes.items():
            setattr(response, name, value)
        return self.exchange.receive(send.server, encode(response), now, by_stream=by_stream)


class QueryTests(ExchangeTestCase):
    def test_query(self) -> None:
        """RFC 1035 §4.1, RFC 6891 §6.1.2: one question, RD, and how large a response may be."""
        self.begin()
        query = decode(self.sends[0].payload)
        self.assertEqual((query.questions, query.flags), ([QUESTION], Flag.RECURSION_DESIRED))
        self.assertEqual(
            [(one.type, one.rclass) for one in query.pseudo], [(RecordType.OPT, DEFAULT_PAYLOAD)]
        )

    def test_id_is_drawn(self) -> None:
        """RFC 5452 §9.2."""
        identifiers = set()
        for seed in range(20):
            exchange = Exchange(QUESTION, (FIRST,), Random(seed))
            exchange.start(0.0)
            identifiers.add(decode(exchange.take_sends()[0].payload).id)
        self.assertGreater(len(identifiers), 15)

    def test_repeated_to_one_server(self) -> None:
        self.begin()
        self.assertEqual([at for at, _ in self.run_until(99.0)], [0.0, 1.0, 3.0, 7.0])
        self.assertTrue(self.exchange.is_over)
        self.assertEqual(self.exchange.show_failures(), "192.0.2.1: no answer")

    def test_several_servers(self) -> None:
        self.begin(FIRST, SECOND)
        self.assertEqual(
            self.run_until(4.5),
            [(0.0, FIRST.host), (1.0, SECOND.host), (2.0, FIRST.host), (4.0, SECOND.host)],
        )

    def test_time_for_a_discovery_proxy(self) -> None:
        """RFC 8766 §5.6: it may answer after six seconds."""
        self.begin()
        self.run_until(6.0)
        self.assertTrue(self.answer(self.sends[0], now=6.5))
        self.assertIsNotNone(self.exchange.reply)
        self.assertGreater(EXCHANGE_TIMEOUT, 6.0)

    def test_no_server(self) -> None:
        exchange = Exchange(QUESTION, (), Random(1))
        exchange.start(0.0)
        self.assertTrue(exchange.is_over)
        self.assertIn("no DNS server is known", exchange.show_failures())


class ResponseTests(ExchangeTestCase):
    def test_answer(self) -> None:
        self.begin()
        self.assertTrue(self.answer(self.sends[0]))
        assert self.exchange.reply is not None
        self.assertEqual(self.exchange.reply.server, FIRST)
        self.assertIsNone(self.exchange.next_wakeup())

    def test_what_is_no_response_to_this_query(self) -> None:
        """RFC 5452 §9.1: ID, question and QR are those of the query."""
        self.begin()
        (send,) = self.sends
        self.assertFalse(self.answer(send, id=(decode(send.payload).id + 1) & 0xFFFF))
        self.assertFalse(self.answer(send, questions=[Question(ZONE, RecordType.A)]))
        self.assertFalse(self.answer(send, questions=[]))
        self.assertFalse(self.exchange.receive(FIRST, send.payload, 0.1, by_stream=False))
        self.assertFalse(self.exchange.receive(FIRST, b"\0", 0.1, by_stream=False))
        self.assertFalse(self.answer(send._replace(server=SECOND)))
        self.assertIsNone(self.exchange.reply)

    def test_refused(self) -> None:
        """The next server is asked at once."""
        self.begin(FIRST, SECOND)
        self.answer(self.sends[0], ResponseCode.REFUSED)
        (send,) = self.exchange.take_sends()
        self.assertEqual(send.server, SECOND)
        self.answer(send, ResponseCode.SERVFAIL)
        self.assertTrue(self.exchange.is_over)
        self.assertEqual(self.exchange.show_failures(), "192.0.2.1: REFUSED; 192.0.2.2: SERVFAIL")

    def test_taken_as_it_is(self) -> None:
        """Without recursion, whoever asks wants to know what this server says."""
        self.begin(manner=Manner(recursive=False, raw=True))
        self.assertFalse(decode(self.sends[0].payload).flags & Flag.RECURSION_DESIRED)
        self.answer(self.sends[0], ResponseCode.REFUSED)
        self.assertIsNotNone(self.exchange.reply)

    def test_truncated(self) -> None:
        """RFC 7766 §5: asked anew by TCP, and what comes by UDP meanwhile is no answer."""
        self.begin()
        self.answer(self.sends[0], Flag.TRUNCATED, answers=[])
        (send,) = self.exchange.take_sends()
        self.assertTrue(send.by_stream)
        self.answer(self.sends[0], Flag.TRUNCATED, answers=[])
        self.assertEqual(self.exchange.take_sends(), [])
        self.assertEqual(self.run_until(5.0)[1:], [])
        self.answer(send, by_stream=True)
        assert self.exchange.reply is not None
        self.assertTrue(self.exchange.reply.by_stream)

    def test_truncated_and_no_tcp(self) -> None:
        self.begin()
        self.answer(self.sends[0], Flag.TRUNCATED, answers=[])
        self.exchange.fail(FIRST, "by TCP: nobody listens on its TCP port", 0.2)
        self.assertTrue(self.exchange.take_sends())
        self.assertTrue(self.exchange.is_over)
        self.assertIn("by TCP", self.exchange.show_failures())

    def test_truncated_is_better_than_nothing(self) -> None:
        """To whoever wants to see what a server says."""
        self.begin(manner=Manner(raw=True))
        self.answer(self.sends[0], Flag.TRUNCATED)
        self.exchange.fail(FIRST, "by TCP: nobody listens on its TCP port", 0.2)
        assert self.exchange.reply is not None
        self.assertTrue(self.exchange.reply.message.truncated)

    def test_server_without_edns(self) -> None:
        """RFC 6891 §7: asked anew without it."""
        self.begin()
        self.answer(self.sends[0], ResponseCode.FORMERR, questions=[])
        (send,) = self.exchange.take_sends()
        self.assertEqual(decode(send.payload).pseudo, ())
        self.assertEqual(self.exchange.plain, {FIRST})
        self.answer(send, ResponseCode.FORMERR)
        self.assertEqual(self.exchange.show_failures(), "192.0.2.1: FORMERR")
