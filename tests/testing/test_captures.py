"""What a capture of a simulated network tells of the packets in it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.dns.records import Record, address, pointer
from mcast.testing import Capture, Packet

HOST = Name.parse("kitchen.local")
TYPE = Name.parse("_http._tcp.local")
HERE = address(HOST, "10.0.1.1", 120)
THERE = address(HOST, "10.0.1.2", 120)
LISTED = pointer(TYPE, HOST, 4500)
GONE = pointer(TYPE, HOST, 0)
QUESTION = Question(HOST, RecordType.ANY)


def packet(message: Message, at: float = 0.0, destination: str = "224.0.0.251") -> Packet:
    """Return a packet of the host "kitchen"."""
    return Packet(at, "lan", "kitchen", "10.0.1.1", 5353, destination, 5353, encode(message))


def response(*answers: Record, additionals: tuple[Record, ...] = ()) -> Message:
    """Return a response."""
    return Message(flags=RESPONSE_FLAGS, answers=answers, additionals=additionals)


PROBE = packet(Message(questions=(QUESTION,), authorities=(HERE,)), 0.25)
QUERY = packet(Message(questions=(QUESTION,)), 0.5)
ANNOUNCEMENT = packet(response(LISTED, additionals=(HERE,)), 1.0)
UNICAST = packet(response(THERE), 1.5, "10.0.1.9")
GOODBYE = packet(response(GONE), 2.0)


class PacketTests(SynchronousTestCase):
    def test_probe(self) -> None:
        self.assertEqual([one.is_probe for one in (PROBE, QUERY, ANNOUNCEMENT)], [True, False, False])

    def test_records_of_all_sections(self) -> None:
        self.assertEqual(ANNOUNCEMENT.records, [LISTED, HERE])
        self.assertEqual(PROBE.records, [HERE])

    def test_where_it_went(self) -> None:
        self.assertEqual((QUERY.to, UNICAST.to), (None, ("10.0.1.9", 5353)))


class CaptureTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.capture = Capture([PROBE, QUERY, ANNOUNCEMENT, UNICAST, GOODBYE])

    def test_probes(self) -> None:
        self.assertEqual(self.capture.probes, [PROBE])

    def test_announcements(self) -> None:
        self.assertEqual(self.capture.announcements, [ANNOUNCEMENT])

    def test_goodbyes(self) -> None:
        self.assertEqual(self.capture.goodbyes, [GONE])

    def test_questions(self) -> None:
        self.assertEqual(self.capture.questions, [QUESTION, QUESTION])

    def test_times(self) -> None:
        self.assertEqual(self.capture.responses.times, [1.0, 1.5, 2.0])

    def test_records(self) -> None:
        self.assertEqual(self.capture.records(), [HERE, LISTED, HERE, THERE, GONE])
        self.assertEqual(self.capture.records(RecordType.PTR), [LISTED, GONE])

    def test_owners(self) -> None:
        self.assertEqual(self.capture.owners(), {"kitchen.local.", "_http._tcp.local."})
        self.assertEqual(self.capture.owners(RecordType.A), {"kitchen.local."})

    def test_addresses(self) -> None:
        self.assertEqual(self.capture.addresses, {"10.0.1.1", "10.0.1.2"})

    def test_joined(self) -> None:
        """Two captures together are one."""
        self.assertEqual((Capture([PROBE]) + Capture([QUERY])).queries, [PROBE, QUERY])
