from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Message, PseudoRecord, decode, encode
from mcast.dns.names import ROOT, Name
from mcast.unicast.edns import Edns, MalformedEdns, Option, edns_of

WHOLE = Edns(4096, 0, True, 1, (Option(10, b"cookie!!"), Option(3)))


class EdnsTests(SynchronousTestCase):
    """The OPT record (RFC 6891 §6.1)."""

    def test_octets(self) -> None:
        message = encode(Message(pseudo=[WHOLE.record()]))[12:]
        self.assertEqual(message, b"\0\0\x29\x10\0\x01\0\x80\0\0\x10" + b"\0\x0a\0\x08cookie!!" + b"\0\3\0\0")

    def test_read_again(self) -> None:
        self.assertEqual(edns_of(decode(encode(Message(pseudo=[WHOLE.record()])))), WHOLE)

    def test_none(self) -> None:
        self.assertIsNone(edns_of(Message()))

    def test_small_payload(self) -> None:
        """RFC 6891 §6.2.3: "Values lower than 512 MUST be treated as equal to 512"."""
        found = edns_of(Message(pseudo=[Edns(payload=0).record()]))
        self.assertEqual(found, Edns(payload=512))

    def test_two(self) -> None:
        """RFC 6891 §6.1.1: "If a query message with more than one OPT RR is received, a FORMERR"."""
        with self.assertRaises(MalformedEdns):
            edns_of(Message(pseudo=[WHOLE.record()] * 2))

    def test_another_name(self) -> None:
        with self.assertRaises(MalformedEdns):
            edns_of(Message(pseudo=[PseudoRecord(Name.parse("a"), 41, 512, 0, b"")]))

    def test_cut_short(self) -> None:
        for rdata in (b"\0\1\0", b"\0\1\0\2a"):
            with self.assertRaises(MalformedEdns):
                edns_of(Message(pseudo=[PseudoRecord(ROOT, 41, 512, 0, rdata)]))
