"""One-shot queries from a simulated host; those over TCP are in `tests.network.test_oneshot`."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, Question, decode, encode
from mcast.dns.names import Name
from mcast.dns.records import address
from mcast.errors import NotFound
from mcast.mdns.constants import IPV4_GROUP
from mcast.node.node import Node
from mcast.oneshot import OneShotReply, ask
from mcast.testing import Packet, SimulatedLan
from tests.standstill import stand_still

HOST = Name.parse("there.local.")
QUESTION = Question(HOST, RecordType.A)


class OneShotTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.lan = SimulatedLan(seed=1)
        self.here = self.lan.host("here")
        self.there = self.lan.host("there")
        self.free_ports: list[int] = []

    def listen(self, reactor: Any, port: int, protocol: DatagramProtocol, *, interface: str, **_: Any) -> Any:
        """Open a port in place of `listen_multicast`."""
        number = self.free_ports.pop(0) if self.free_ports else port
        self.protocol = protocol
        return self.here.listenMulticast(number, protocol, interface, listenMultiple=True)

    def ask(self, server: str = "10.0.1.2", port: int = 5353, **settings: Any) -> Deferred[OneShotReply]:
        return ask(self.lan.clock, HOST, "A", server, port, rng=Random(7), listen=self.listen, **settings)

    @property
    def sent(self) -> list[Packet]:
        return list(self.lan.packets.sent_by("here"))

    def answer(self, change: Callable[[Message], None] = lambda message: None, **where: Any) -> None:
        """Answer the last query, from the host that was asked or from elsewhere."""
        self.inject_answer(change, **where)
        self.lan.advance(0.1)

    def inject_answer(self, change: Callable[[Message], None] = lambda message: None, **where: Any) -> None:
        """Have the answer arrive soon."""
        query = self.sent[-1]
        message = decode(query.payload)
        response = Message(
            message.id, RESPONSE_FLAGS, message.questions, answers=[address(HOST, "192.0.2.9", 10)]
        )
        change(response)
        values = {"source": "10.0.1.2", "source_port": 5353, **where}
        self.lan.link().inject(
            encode(response),
            values["source"],
            values["source_port"],
            query.source,
            query.source_port,
        )


class ServerTests(OneShotTestCase):
    """A question to one host."""

    def test_group_is_not_asked_for_any_name(self) -> None:
        """M-13-1: anybody on the link could answer for it."""
        error = self.assertRaises(ValueError, ask, self.lan.clock, "www.example.com", "A", listen=self.listen)
        self.assertIn("www.example.com.: outside of .local", str(error))
        asked = ask(self.lan.clock, "www.example.com", "A", listen=self.listen, outside_local=True)
        asked.cancel()
        self.failureResultOf(asked, CancelledError)

    def test_plain_query_from_another_port(self) -> None:
        """M-5.1-1, M-5.1-2: a standard query, and not from port 5353."""
        asked = self.ask()
        asked.addErrback(lambda failure: failure.trap(CancelledError))
        (query,) = self.sent
        message = decode(query.payload)
        self.assertEqual((query.destination, query.destination_port), ("10.0.1.2", 5353))
        self.assertNotEqual(query.source_port, 5353)
        self.assertEqual((message.flags, list(message.questions)), (0, [QUESTION]))
        asked.cancel()

    def test_port_5353_is_given_back(self) -> None:
        """M-5.1-1: not even when the system chooses it."""
        self.free_ports = [5353, 40000]
        asked = self.ask()
        self.lan.advance(0.1)
        self.assertEqual([packet.source_port for packet in self.sent], [40000])
        self.assertEqual(self.here.ports.bound(False, 5353), [])
        self.answer()
        self.successResultOf(asked)

    def test_answer(self) -> None:
        asked = self.ask()
        self.answer()
        reply = self.successResultOf(asked)
        self.assertEqual([str(record.data) for record in reply.message.answers], ["192.0.2.9"])
        self.assertEqual(reply.source, "10.0.1.2")

    def test_port_is_closed_after_the_answer(self) -> None:
        asked = self.ask()
        port = self.sent[0].source_port
        self.answer()
        self.successResultOf(asked)
        self.assertEqual(self.here.ports.bound(False, port), [])

    def test_repeated_while_unanswered(self) -> None:
        asked = self.ask(timeout=4)
        began = self.lan.now
        self.lan.advance(3.9)
        self.assertEqual([packet.at - began for packet in self.sent], [0.0, 1.0, 3.0])
        self.assertEqual(len({packet.payload for packet in self.sent}), 1)
        self.lan.advance(0.1)
        error = self.failureResultOf(asked, NotFound).value
        self.assertEqual(str(error), "there.local.: no answer from 10.0.1.2 within 4 s")

    def test_read_after_the_end(self) -> None:
        """What has come when the time is up is taken: a program that stood still reads it only then."""
        asked = self.ask(timeout=2)
        response = encode(
            Message(
                decode(self.sent[0].payload).id,
                RESPONSE_FLAGS,
                [QUESTION],
                answers=[address(HOST, "192.0.2.9", 10)],
            )
        )
        self.lan.clock.callLater(2, self.protocol.datagramReceived, response, ("10.0.1.2", 5353))
        self.lan.advance(2)
        self.assertEqual(len(self.successResultOf(asked).message.answers), 1)

    def test_answer_in_the_socket_of_a_process_that_is_late(self) -> None:
        """What arrived while the process stood still, past the end of its wait, is read first."""
        asked = self.ask(timeout=2)
        stand_still(self.lan, 1.9, 5.0, self.inject_answer)
        self.successResultOf(asked)

    def test_late_without_an_answer(self) -> None:
        asked = self.ask(timeout=2)
        stand_still(self.lan, 1.9, 5.0, lambda: None)
        self.failureResultOf(asked, NotFound)

    def test_nothing_more_after_the_end(self) -> None:
        asked = self.ask(timeout=2)
        self.lan.advance(2)
        self.failureResultOf(asked, NotFound)
        self.lan.packets.clear()
        self.lan.advance(100)
        self.assertEqual(self.sent, [])

    def test_cancelled(self) -> None:
        asked = self.ask()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.lan.packets.clear()
        self.lan.advance(100)
        self.assertEqual(self.sent, [])

    def refused(self, change: Callable[[Message], None] = lambda message: None, **where: Any) -> None:
        asked = self.ask()
        self.answer(change, **where)
        self.assertNoResult(asked)
        self.answer()
        self.successResultOf(asked)

    def test_answer_of_another_host(self) -> None:
        self.refused(source="10.0.1.77")

    def test_answer_from_another_port(self) -> None:
        self.refused(source_port=5354)

    def test_answer_with_another_id(self) -> None:
        def change(message: Message) -> None:
            message.id ^= 1

        self.refused(change)

    def test_answer_to_another_question(self) -> None:
        def change(message: Message) -> None:
            message.questions = [Question(HOST, RecordType.AAAA)]

        self.refused(change)

    def test_query_is_no_answer(self) -> None:
        def change(message: Message) -> None:
            message.flags = 0

        self.refused(change)

    def test_no_way_there(self) -> None:
        with self.assertRaisesRegex(OSError, "192.0.2.77"):
            self.ask("192.0.2.77")


class MisuseTests(OneShotTestCase):
    """A mistake of the caller is told at once, and names the value."""

    def test_name(self) -> None:
        with self.assertRaisesRegex(ValueError, "1 to 63 octets"):
            ask(self.lan.clock, "a..b", listen=self.listen)

    def test_type(self) -> None:
        with self.assertRaisesRegex(ValueError, "NOSUCH"):
            ask(self.lan.clock, HOST, "NOSUCH", listen=self.listen)

    def test_server(self) -> None:
        with self.assertRaisesRegex(ValueError, "there.example"):
            self.ask("there.example")

    def test_port(self) -> None:
        with self.assertRaisesRegex(ValueError, "port 65536"):
            self.ask(port=65536)

    def test_timeout(self) -> None:
        with self.assertRaisesRegex(ValueError, "timeout 0"):
            self.ask(timeout=0)

    def test_interface(self) -> None:
        with self.assertRaisesRegex(ValueError, "interface nosuch"):
            self.ask(interface="nosuch")

    def test_nothing_is_left_open(self) -> None:
        self.lan.advance(1)
        self.assertRaises(ValueError, self.ask, "there.example")
        self.assertEqual(self.lan.clock.getDelayedCalls(), [])


class GroupTests(OneShotTestCase):
    """A question to all on the link."""

    def test_first_response_counts(self) -> None:
        """M-5.1-2: to the group, and the first responder has the word."""
        asked = self.ask(IPV4_GROUP)
        (query,) = self.sent
        self.assertEqual((query.destination, query.destination_port), (IPV4_GROUP, 5353))
        self.answer(source="10.0.1.77")
        self.assertEqual(self.successResultOf(asked).source, "10.0.1.77")
        self.answer()

    def test_our_responder_answers(self) -> None:
        node = Node(self.lan.clock, network=self.there, hostname="there", rng=Random(1))
        node.startService()
        self.addCleanup(lambda: self.lan.result(node.stopService()))
        self.lan.advance(3)
        reply = self.lan.result(self.ask(IPV4_GROUP))
        self.assertEqual([str(record.data) for record in reply.message.answers], ["10.0.1.2"])
