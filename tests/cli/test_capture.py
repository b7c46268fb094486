"""Captures of any common kind give the same datagrams."""

from __future__ import annotations

import struct
from io import BytesIO

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.cli.capture import CapturedDatagram, read_capture

PAYLOAD = bytes.fromhex("000000000001000000000000")
UDP = struct.pack("!HHHH", 5353, 5353, 8 + len(PAYLOAD), 0) + PAYLOAD
IPV4 = (
    struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(UDP), 1, 0, 255, 17, 0)
    + bytes((192, 0, 2, 1, 224, 0, 0, 251))
    + UDP
)
IPV6 = (
    struct.pack("!IHBB", 0x60000000, len(UDP), 17, 255)
    + bytes.fromhex("fe800000000000000000000000000001ff0200000000000000000000000000fb")
    + UDP
)
FROM_IPV4 = CapturedDatagram(100.5, False, "192.0.2.1", 5353, "224.0.0.251", 255, PAYLOAD)
FROM_IPV6 = CapturedDatagram(100.5, True, "fe80::1", 5353, "ff02::fb", 255, PAYLOAD)
ETHERNET = bytes(12) + b"\x08\x00"


def pcap(link_type: int, *frames: bytes) -> BytesIO:
    """A classic capture file, each frame captured at 100.5 s."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link_type)
    packets = [struct.pack("<IIII", 100, 500_000, len(frame), len(frame)) + frame for frame in frames]
    return BytesIO(head + b"".join(packets))


def pcapng(frame: bytes) -> BytesIO:
    """A capture of one Ethernet frame in the newer format."""

    def block(kind: int, body: bytes) -> bytes:
        size = 12 + len(body)
        return struct.pack("<II", kind, size) + body + struct.pack("<I", size)

    section = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    interface = block(1, struct.pack("<HHI", 1, 0, 65535))
    padded = frame + bytes(-len(frame) % 4)
    micros = 100_500_000
    packet = block(
        6, struct.pack("<IIIII", 0, micros >> 32, micros & 0xFFFFFFFF, len(frame), len(frame)) + padded
    )
    return BytesIO(section + interface + packet)


class ReadCaptureTests(SynchronousTestCase):
    def test_ethernet(self) -> None:
        self.assertEqual(list(read_capture(pcap(1, ETHERNET + IPV4))), [FROM_IPV4])

    def test_ethernet_ipv6(self) -> None:
        self.assertEqual(list(read_capture(pcap(1, bytes(12) + b"\x86\xdd" + IPV6))), [FROM_IPV6])

    def test_vlan(self) -> None:
        self.assertEqual(
            list(read_capture(pcap(1, bytes(12) + b"\x81\x00\x00\x05\x08\x00" + IPV4))), [FROM_IPV4]
        )

    def test_linux_cooked(self) -> None:
        self.assertEqual(list(read_capture(pcap(113, bytes(14) + b"\x08\x00" + IPV4))), [FROM_IPV4])

    def test_linux_cooked_2(self) -> None:
        self.assertEqual(list(read_capture(pcap(276, b"\x86\xdd" + bytes(18) + IPV6))), [FROM_IPV6])

    def test_loopback(self) -> None:
        self.assertEqual(list(read_capture(pcap(0, b"\x02\0\0\0" + IPV4))), [FROM_IPV4])

    def test_raw(self) -> None:
        self.assertEqual(list(read_capture(pcap(101, IPV6))), [FROM_IPV6])

    def test_pcapng(self) -> None:
        self.assertEqual(list(read_capture(pcapng(ETHERNET + IPV4))), [FROM_IPV4])

    def test_padding_of_short_frames_is_no_payload(self) -> None:
        self.assertEqual(list(read_capture(pcap(1, ETHERNET + IPV4 + bytes(6)))), [FROM_IPV4])

    def test_other_packets_are_passed_over(self) -> None:
        other_port = IPV4[:20] + struct.pack("!HH", 53, 53) + IPV4[24:]
        arp = bytes(12) + b"\x08\x06" + bytes(28)
        cut = (ETHERNET + IPV4)[:30]
        self.assertEqual(
            list(read_capture(pcap(1, ETHERNET + other_port, arp, cut, ETHERNET + IPV4))), [FROM_IPV4]
        )

    def test_no_capture_file(self) -> None:
        with self.assertRaisesRegex(ValueError, "not a pcap or pcapng file"):
            list(read_capture(BytesIO(b"hello, this is a text file of some length")))

    def test_empty_file(self) -> None:
        with self.assertRaisesRegex(ValueError, "not a pcap or pcapng file"):
            list(read_capture(BytesIO()))

    def test_unknown_link_type(self) -> None:
        with self.assertRaisesRegex(ValueError, "link type 105"):
            list(read_capture(pcap(105, b"")))

    @settings(deadline=None, max_examples=200)
    @given(st.binary(max_size=80))
    def test_any_frame_is_survived(self, frame: bytes) -> None:
        for link_type in (0, 1, 101, 113, 276):
            self.assertLessEqual(len(list(read_capture(pcap(link_type, frame)))), 1)
