"""Frames with UDP in them, written and read."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import dpkt
from twisted.trial.unittest import SynchronousTestCase

from mcast.sockets.frames import Datagram, FrameReader, checksum, group_mac, write_frame

MAC = bytes.fromhex("020000000001")
IPV4 = Datagram(MAC, "10.0.0.1", 5353, "224.0.0.251", 5353, b"hello")
IPV6 = Datagram(MAC, "fe80::1", 5353, "ff02::fb", 5353, b"hello")


class WritingTests(SynchronousTestCase):
    """Octets of a frame."""

    def test_read_by_another(self) -> None:
        """dpkt finds what was written."""
        for sent in (IPV4, IPV6):
            frame = dpkt.ethernet.Ethernet(write_frame(sent))
            packet = frame.data
            self.assertEqual(frame.src, MAC)
            self.assertEqual(packet.src, ip_address(sent.source).packed)
            self.assertEqual((packet.data.sport, packet.data.dport, packet.data.data), (5353, 5353, b"hello"))

    def test_checksums(self) -> None:
        """Over what a checksum covers, with it in place, the sum is zero (RFC 1071)."""
        frame = write_frame(IPV4)
        self.assertEqual(checksum(frame[14:34]), 0)
        pseudo = frame[26:34] + bytes((0, 17)) + frame[38:40]
        self.assertEqual(checksum(pseudo + frame[34:]), 0)

    def test_group_addresses(self) -> None:
        self.assertEqual(group_mac(ip_address("224.0.0.251")).hex(), "01005e0000fb")
        self.assertEqual(group_mac(ip_address("ff02::fb")).hex(), "3333000000fb")

    def test_two_families(self) -> None:
        with self.assertRaisesRegex(ValueError, "two families"):
            write_frame(replace(IPV4, destination="ff02::fb"))

    def test_unicast_needs_an_ethernet_address(self) -> None:
        with self.assertRaisesRegex(ValueError, "not known"):
            write_frame(replace(IPV4, destination="10.0.0.2"))

    def test_too_large(self) -> None:
        with self.assertRaisesRegex(ValueError, "more than a datagram has"):
            write_frame(replace(IPV4, data=bytes(65_530)))


class ReadingTests(SynchronousTestCase):
    """Frames back to values."""

    def read(self, *frames: bytes) -> Datagram | None:
        reader = FrameReader()
        return [reader.read(frame) for frame in frames][-1]

    def test_both_families(self) -> None:
        for sent in (IPV4, IPV6):
            got = self.read(write_frame(sent))
            assert got is not None
            self.assertEqual(
                (got.source, got.destination, got.data), (sent.source, sent.destination, b"hello")
            )
            self.assertEqual((got.source_port, got.hop_limit, got.fragments), (5353, 255, 1))

    def test_size_of_the_packet(self) -> None:
        got4, got6 = self.read(write_frame(IPV4)), self.read(write_frame(IPV6))
        assert got4 is not None
        assert got6 is not None
        self.assertEqual((got4.ip_size, got6.ip_size), (20 + 8 + 5, 40 + 8 + 5))

    def test_padding_is_no_data(self) -> None:
        got = self.read(write_frame(IPV4) + bytes(20))
        assert got is not None
        self.assertEqual(got.data, b"hello")

    def test_whatever_is_cut_short(self) -> None:
        for sent in (IPV4, IPV6):
            frame = write_frame(sent)
            for size in range(len(frame) - 6):
                self.assertIsNone(self.read(frame[:size]), size)

    def test_no_udp(self) -> None:
        frame = bytearray(write_frame(IPV4))
        frame[23] = 6
        self.assertIsNone(self.read(bytes(frame)))
        self.assertIsNone(self.read(bytes(12) + b"\x08\x06" + bytes(28)))

    def fragments(self, data: bytes) -> list[bytes]:
        """Return the datagram in two fragments of IPv4 (RFC 791 §3.2)."""
        frame = write_frame(replace(IPV4, data=data))
        head, header, payload = frame[:14], frame[14:34], frame[34:]
        cut = 1480

        def part(place: int, octets: bytes) -> bytes:
            size = (20 + len(octets)).to_bytes(2, "big")
            return head + header[:2] + size + b"\0\7" + place.to_bytes(2, "big") + header[8:] + octets

        return [part(0x2000, payload[:cut]), part(cut // 8, payload[cut:])]

    def test_fragments(self) -> None:
        data = bytes(range(250)) * 8
        for frames in (self.fragments(data), self.fragments(data)[::-1]):
            got = self.read(*frames)
            assert got is not None
            self.assertEqual((got.data, got.fragments, got.ip_size), (data, 2, 28 + 2000))

    def test_first_fragments_alone_do_not_pile_up(self) -> None:
        reader = FrameReader()
        first = self.fragments(bytes(2000))[0]
        for number in range(200):
            frame = first[:18] + number.to_bytes(2, "big") + first[20:]
            self.assertIsNone(reader.read(frame))
        self.assertGreater(reader.dropped, 100)
