"""Streams of numbered datagrams: RTP (RFC 3550) and lines of text."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

import tests.examples_profile  # noqa: F401
from mcast.streams import Mark, Stream, StreamFinder, numbered_text, read_rtp, read_text


def rtp(number: int, ticks: int = 0, sender: int = 7, payload_type: int = 0, first: int = 0x80) -> bytes:
    return struct.pack("!BBHII", first, payload_type, number & 0xFFFF, ticks & 0xFFFFFFFF, sender) + bytes(20)


def heard(*numbers: int) -> Stream:
    """Return a stream of RTP packets with these numbers."""
    finder = StreamFinder(rtp=True)
    for number in numbers:
        finder.take(rtp(number), 0.0)
    assert finder.stream is not None
    return finder.stream


class RtpTests(SynchronousTestCase):
    def test_header(self) -> None:
        """RFC 3550 §5.1."""
        data = bytes.fromhex("80 e0 1234 00000064 deadbeef 0102")
        self.assertEqual(read_rtp(data, 48000), Mark("RTP", 0xDEADBEEF, 0x1234, 65536, 100, 48000, 96))

    def test_fixed_clock_rate(self) -> None:
        """A payload type with a rate of its own keeps it (RFC 3551 §6)."""
        mark = read_rtp(rtp(1, payload_type=33), 48000)
        self.assertEqual(mark and mark.clock_rate, 90_000)

    def test_no_rtp(self) -> None:
        cases = {
            "short": rtp(1)[:11],
            "version": rtp(1, first=0x40),
            "RTCP": rtp(1, payload_type=200),
            "sources": rtp(1, first=0x8F)[:40],
            "extension": rtp(1, first=0x90)[:12],
            "padding": rtp(1, first=0xA0),
        }
        self.assertEqual([name for name, data in cases.items() if read_rtp(data) is not None], [])

    @given(st.binary(max_size=80))
    def test_anything(self, data: bytes) -> None:
        """Nothing that arrives raises."""
        StreamFinder(rtp=True).take(data, 0.0)
        StreamFinder().take(data, 0.0)


class TextTests(SynchronousTestCase):
    def test_as_sent(self) -> None:
        self.assertEqual(
            numbered_text(4711, "225.1.2.3", 5, 10.0),
            b"Sender PID 4711, MC group 225.1.2.3 ... count: 5, freq: 100\0",
        )

    def test_of_mcjoin(self) -> None:
        data = b"Sender PID 4711, MC group 225.1.2.3 ... count: 5, freq: 100\0".ljust(100, b"\0")
        self.assertEqual(read_text(data), Mark("text", 4711, 5, 0, 500, 1000))

    def test_of_an_older_mcjoin(self) -> None:
        data = b"Sender PID 4711, MC group 225.1.2.3 ... count: 5\0".ljust(100, b"\0")
        self.assertEqual(read_text(data), Mark("text", 4711, 5, 0, None, 1000))

    def test_what_follows_the_text(self) -> None:
        data = b"Sender PID 4711, MC group 225.1.2.3 ... count: 5\0, freq: 100"
        self.assertEqual(read_text(data), Mark("text", 4711, 5, 0, None, 1000))
        self.assertIsNone(read_text(b"Sender PID 4711, MC group 225.1.2.3\0 ... count: 5"))

    def test_read_again(self) -> None:
        data = numbered_text(4711, "ff15::1", 5, 10.0, 1400)
        self.assertEqual(len(data), 1400)
        self.assertEqual(read_text(data), Mark("text", 4711, 5, 0, 500, 1000))

    def test_without_a_pace(self) -> None:
        mark = read_text(numbered_text(1, "239.1.2.3", 5, None))
        self.assertIsNone(mark and mark.ticks)

    def test_something_else(self) -> None:
        self.assertIsNone(read_text(b"Sender PID x, MC group 239.1.2.3 ... count: 5"))
        self.assertIsNone(read_text(b"Sender PID 1, MC group 239.1.2.3 ... count: " + b"9" * 19))


class SeenByItselfTests(SynchronousTestCase):
    """Two RTP packets in a row, of one source, are a stream (RFC 3550 §A.1)."""

    def finder(self, *packets: bytes) -> StreamFinder:
        finder = StreamFinder()
        for data in packets:
            finder.take(data, 0.0)
        return finder

    def test_one_packet(self) -> None:
        self.assertIsNone(self.finder(rtp(1)).stream)

    def test_two_in_a_row(self) -> None:
        stream = self.finder(rtp(65535), rtp(0)).stream
        self.assertEqual(stream and (stream.received, stream.lost), (2, 0))

    def test_not_in_a_row(self) -> None:
        self.assertIsNone(self.finder(rtp(1), rtp(3), rtp(5)).stream)

    def test_of_two_senders(self) -> None:
        self.assertIsNone(self.finder(rtp(1, sender=1), rtp(2, sender=2)).stream)

    def test_new_sender(self) -> None:
        stream = self.finder(rtp(1), rtp(2), *(rtp(number, sender=9) for number in (7, 8, 9))).stream
        self.assertEqual(stream and (stream.sender, stream.received), (9, 3))

    def test_two_senders_at_once(self) -> None:
        """Their packets come between each other, and neither is lost for the other."""
        packets = [rtp(number, sender=sender) for number in range(5) for sender in (1, 2)]
        finder = self.finder(*packets)
        self.assertEqual(finder.count, 2)
        self.assertEqual(finder.stream and (finder.stream.received, finder.stream.lost), (5, 0))

    def test_bounded(self) -> None:
        """A flood of senders costs no memory."""
        finder = self.finder(*(rtp(number, sender=sender) for sender in range(100) for number in (1, 2)))
        self.assertEqual(finder.count, 16)

    def test_text(self) -> None:
        stream = self.finder(numbered_text(1, "239.1.2.3", 5, None)).stream
        self.assertEqual(stream and stream.kind, "text")


class CountingTests(SynchronousTestCase):
    def counted(self, *numbers: int) -> tuple[int, int, int, int]:
        stream = heard(*numbers)
        return stream.received, stream.lost, stream.reordered, stream.duplicates

    def test_all(self) -> None:
        self.assertEqual(self.counted(1, 2, 3), (3, 0, 0, 0))

    def test_lost(self) -> None:
        self.assertEqual(self.counted(1, 2, 5), (3, 2, 0, 0))

    def test_reordered(self) -> None:
        """What comes late is not lost."""
        self.assertEqual(self.counted(1, 3, 2), (3, 0, 1, 0))

    def test_before_the_first(self) -> None:
        self.assertEqual(self.counted(2, 1, 3), (3, 0, 1, 0))

    def test_duplicate(self) -> None:
        """Duplicates do not make up for what is lost."""
        self.assertEqual(self.counted(1, 1, 2, 4, 4), (3, 1, 0, 2))

    def test_wraps(self) -> None:
        self.assertEqual(self.counted(65534, 65535, 1, 0), (4, 0, 1, 0))

    def test_many_times_round(self) -> None:
        self.assertEqual(self.counted(*range(0, 200_000, 2)), (100_000, 99_999, 0, 0))

    def test_stray(self) -> None:
        """One far number is no part of the stream."""
        stream = heard(1, 2, 30000, 3)
        self.assertEqual((stream.received, stream.lost, stream.strays, stream.restarts), (3, 0, 1, 0))

    def test_restart(self) -> None:
        """Two in a row from there are; what was lost before stays lost."""
        stream = heard(1, 3, 30000, 30001, 30002)
        self.assertEqual((stream.received, stream.lost, stream.restarts), (4, 1, 1))

    def test_loss_as_a_part(self) -> None:
        self.assertEqual(heard(1, 4).loss, 0.5)

    def test_long_absence_of_text(self) -> None:
        """Text does not wrap, so any gap is a loss."""
        finder = StreamFinder()
        for number in (1, 10_001):
            finder.take(numbered_text(1, "239.1.2.3", number, None), 0.0)
        self.assertEqual(finder.stream and finder.stream.lost, 9_999)


class JitterTests(SynchronousTestCase):
    """RFC 3550 §6.4.1: J += (|D| - J) / 16."""

    def jitter(self, *packets: tuple[int, float], payload_type: int = 0) -> float | None:
        finder = StreamFinder(rtp=True)
        for number, (ticks, now) in enumerate(packets):
            finder.take(rtp(number, ticks, payload_type=payload_type), now)
        assert finder.stream is not None
        return finder.stream.jitter

    def test_even(self) -> None:
        self.assertAlmostEqual(self.jitter((0, 5.0), (160, 5.02), (320, 5.04)) or 0.0, 0.0)

    def test_one_late(self) -> None:
        """20 ms apart by the sender's clock, 36 ms here: 16 ms / 16."""
        self.assertAlmostEqual(self.jitter((0, 5.0), (160, 5.036)) or 0.0, 0.001)

    def test_smoothed(self) -> None:
        self.assertAlmostEqual(self.jitter((0, 5.0), (160, 5.036), (320, 5.056)) or 0.0, 0.001 * 15 / 16)

    def test_timestamp_wraps(self) -> None:
        start = (1 << 32) - 80
        self.assertAlmostEqual(
            self.jitter((start, 5.0), (start + 160, 5.02), (start + 320, 5.04)) or 0.0, 0.0
        )

    def test_unknown_clock(self) -> None:
        self.assertIsNone(self.jitter((0, 5.0), (160, 5.02), payload_type=96))

    def test_text(self) -> None:
        finder = StreamFinder()
        for number, now in enumerate((1.0, 1.1, 1.216)):
            finder.take(numbered_text(1, "239.1.2.3", number, 10.0), now)
        self.assertAlmostEqual((finder.stream and finder.stream.jitter) or 0.0, 0.001)
