"""The octets of DNS Stateful Operations (RFC 8490 §5.4, §7)."""

from __future__ import annotations

import contextlib
import math
import struct

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.errors import MalformedMessage
from mcast.unicast.dso import (
    INFINITE_MILLISECONDS,
    DSOType,
    Item,
    Timeouts,
    has_tcp_keepalive,
    milliseconds,
    read_dso,
    read_retry_delay,
    refuse_dso,
    write_dso,
)
from mcast.unicast.responses import Refusal, read_query
from tests.unicast.dso_lab import (
    KEEPALIVE,
    NOTIMP,
    PADDING,
    UNKNOWN,
    dso,
    keepalive,
    keepalive_tlv,
    query,
    rcodes,
    retry_delay_tlv,
    tlv,
    types,
)


class WritingTests(SynchronousTestCase):
    """What is written is what RFC 8490 §5.4 draws."""

    def test_request(self) -> None:
        """D-5.4-1, D-5.4.1-4, D-5.4.1-7, D-5.4.1-8: QR, Z, RCODE and all counts are zero, OPCODE is 6."""
        written = write_dso(5, [Timeouts(15, 3600).item()])
        self.assertEqual(
            written,
            bytes.fromhex("0005 3000 0000 0000 0000 0000  0001 0008 00003a98 0036ee80"),
        )

    def test_response(self) -> None:
        """D-5.4.1-5: QR is one, and the MESSAGE ID is that of the request."""
        written = write_dso(5, [], response=True, rcode=11)
        self.assertEqual(written, bytes.fromhex("0005 b00b 0000 0000 0000 0000"))

    def test_padding(self) -> None:
        """D-5.4.6-1, D-7.3-1: an Encryption Padding TLV at the end, filled with zeros."""
        written = write_dso(5, [Timeouts().item()], block=128)
        self.assertEqual(len(written), 128)
        self.assertEqual(types(written), [KEEPALIVE, PADDING])
        self.assertEqual(written[28:], bytes(100))

    def test_padding_that_just_fits(self) -> None:
        """RFC 8490 §7.3: a DSO-LENGTH of 0 is four octets of padding."""
        self.assertEqual(write_dso(5, [Item(1, bytes(108))], block=128)[-4:], tlv(PADDING))

    def test_too_long(self) -> None:
        with self.assertRaises(ValueError):
            write_dso(1, [Item(1, bytes(0xFFFF))])

    def test_out_of_range(self) -> None:
        with self.assertRaises(ValueError):
            write_dso(0x10000, [])

    def test_infinite_timeouts(self) -> None:
        """D-6.4.2-2, D-6.5.2-4: 0xFFFFFFFF is no timeout at all."""
        item = Timeouts(math.inf, math.inf).item()
        self.assertEqual(item.data, b"\xff" * 8)
        self.assertEqual(Timeouts.read(item), Timeouts(math.inf, math.inf))

    def test_long_times_become_infinite(self) -> None:
        self.assertEqual(milliseconds(1e9), INFINITE_MILLISECONDS)


class ReadingTests(SynchronousTestCase):
    """What strangers send is understood, or `MalformedMessage`."""

    def test_request(self) -> None:
        message = read_dso(keepalive(5, 1, 20))
        self.assertEqual((message.id, message.is_response, message.rcode), (5, False, 0))
        self.assertEqual(Timeouts.read(message.primary), Timeouts(1.0, 20.0))

    def test_z_bits_are_ignored(self) -> None:
        """D-5.4.1-7: whatever stands there."""
        self.assertEqual(read_dso(dso(5, keepalive_tlv(), z=0x7F)).primary.type, KEEPALIVE)

    def test_items_know_where_they_stand(self) -> None:
        message = read_dso(dso(5, tlv(UNKNOWN, b"abc"), tlv(PADDING, b"x")))
        self.assertEqual(message.items, (Item(UNKNOWN, b"abc", 16), Item(PADDING, b"x", 23)))

    def test_response_without_items(self) -> None:
        self.assertEqual(read_dso(dso(5, response=True, rcode=5)).items, ())

    def test_request_without_items(self) -> None:
        """D-5.4.2-1: a request has at least one TLV."""
        with self.assertRaises(MalformedMessage):
            read_dso(dso(5))

    def test_length_that_lies(self) -> None:
        with self.assertRaises(MalformedMessage):
            read_dso(dso(5, struct.pack("!HH", UNKNOWN, 9) + b"short"))

    def test_cut_in_the_head_of_an_item(self) -> None:
        with self.assertRaises(MalformedMessage):
            read_dso(dso(5, keepalive_tlv(), b"\0\1\0"))

    def test_counts(self) -> None:
        """D-5.4-2: a DSO message has no records."""
        octets = bytearray(keepalive(5))
        octets[11] = 1
        with self.assertRaises(MalformedMessage):
            read_dso(bytes(octets))

    def test_keepalive_of_another_length(self) -> None:
        with self.assertRaises(MalformedMessage):
            Timeouts.read(Item(KEEPALIVE, bytes(7)))

    def test_retry_delay(self) -> None:
        message = read_dso(dso(0, retry_delay_tlv(1.5)))
        self.assertEqual(read_retry_delay(message.primary), 1.5)

    def test_retry_delay_for_ever(self) -> None:
        """D-6.6.3-4: the greatest value is 49.7 days."""
        delay = read_retry_delay(Item(DSOType.RETRY_DELAY, b"\xff" * 4))
        self.assertAlmostEqual(delay / 86400, 49.7, places=1)

    def test_retry_delay_of_another_length(self) -> None:
        with self.assertRaises(MalformedMessage):
            read_retry_delay(Item(DSOType.RETRY_DELAY, bytes(5)))

    @given(st.binary(max_size=60))
    @settings(deadline=None)
    def test_anything(self, tail: bytes) -> None:
        """Nothing but `MalformedMessage` is raised."""
        for octets in (tail, dso(1, tail), dso(0, tail, response=True)):
            with contextlib.suppress(MalformedMessage):
                read_dso(octets)

    @given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=30)), min_size=1, max_size=5))
    @settings(deadline=None)
    def test_round_trip(self, pairs: list[tuple[int, bytes]]) -> None:
        message = read_dso(write_dso(9, [Item(*pair) for pair in pairs]))
        self.assertEqual([item[:2] for item in message.items], pairs)


class ElsewhereTests(SynchronousTestCase):
    """Where there can be no session: over UDP, and over TCP without TLS."""

    def test_request(self) -> None:
        """RFC 8490 §4.2: NOTIMP says that there is no DSO here."""
        refusal = refuse_dso(keepalive(5))
        assert refusal is not None
        self.assertEqual((refusal[:2], rcodes([refusal])), (b"\0\5", [NOTIMP]))

    def test_unidirectional(self) -> None:
        """D-5.5-2: it gets no answer."""
        self.assertIsNone(refuse_dso(dso(0, tlv(UNKNOWN))))

    def test_response(self) -> None:
        self.assertIsNone(refuse_dso(dso(5, response=True)))

    def test_among_queries(self) -> None:
        """D-5.5-2, H-5-2: what reads plain queries says the same, and nothing to a unidirectional message."""
        for message in (keepalive(5), dso(0, tlv(UNKNOWN))):
            refusal: Refusal = self.assertRaises(Refusal, read_query, message, stream=False)
            self.assertEqual(refusal.response, refuse_dso(message) or b"")
            self.assertEqual(refusal.cause, "DSO messages without TLS")

    def test_finds_the_option(self) -> None:
        """RFC 7828: option 11."""
        self.assertTrue(has_tcp_keepalive(query(option=11)))
        self.assertFalse(has_tcp_keepalive(query(option=10)))
        self.assertFalse(has_tcp_keepalive(query()))
        self.assertFalse(has_tcp_keepalive(query(option=11)[:-1]))
