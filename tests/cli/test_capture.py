"""Captures of any common kind give the same datagrams."""

from __future__ import annotations

import contextlib
import struct
from dataclasses import replace
from io import BytesIO

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.cli.capture import CapturedDatagram, IncompleteCapture, read_capture

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


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    size = 12 + len(body)
    return struct.pack(f"{order}II", kind, size) + body + struct.pack(f"{order}I", size)


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link_type: int, options: bytes = b"", order: str = "<") -> bytes:
    return block(1, struct.pack(f"{order}HHI", link_type, 0, 65535) + options, order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def packet(frame: bytes, place: int = 0, time: int = 100_500_000, order: str = "<") -> bytes:
    """An enhanced packet block; the time is in microseconds unless the interface says otherwise."""
    size = len(frame)
    head = struct.pack(f"{order}IIIII", place, time >> 32, time & 0xFFFFFFFF, size, size)
    return block(6, head + frame + bytes(-size % 4), order)


def pcapng(frame: bytes) -> BytesIO:
    """A capture of one Ethernet frame in the newer format."""
    return BytesIO(section() + interface(1) + packet(frame))


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

    def test_pcapng_of_the_other_order(self) -> None:
        data = section(">") + interface(1, order=">") + packet(ETHERNET + IPV4, order=">")
        self.assertEqual(list(read_capture(BytesIO(data))), [FROM_IPV4])

    def test_interfaces_of_several_link_types(self) -> None:
        """Each packet is read by its own interface, which has a name or a number."""
        names = [option(2, b"eth0"), b"", option(2, b"lo")]
        data = section() + interface(1, names[0]) + interface(101, names[1]) + interface(0, names[2])
        data += packet(ETHERNET + IPV4) + packet(IPV6, 1) + packet(b"\x02\0\0\0" + IPV4, 2)
        self.assertEqual(
            list(read_capture(BytesIO(data))),
            [
                replace(FROM_IPV4, interface="eth0"),
                replace(FROM_IPV6, interface="#1"),
                replace(FROM_IPV4, interface="lo"),
            ],
        )

    def test_several_sections(self) -> None:
        """Each has its own interfaces; captures are joined by writing one after the other."""
        data = pcapng(ETHERNET + IPV4).getvalue() + section() + interface(101) + packet(IPV6)
        self.assertEqual(list(read_capture(BytesIO(data))), [FROM_IPV4, FROM_IPV6])

    def test_link_type_that_is_not_known_beside_one_that_is(self) -> None:
        """What was left out is told, after what was read."""
        data = section() + interface(147) + interface(1) + packet(b"") * 2 + packet(ETHERNET + IPV4, 1)
        self.assert_incomplete(
            data, [replace(FROM_IPV4, interface="#1")], "2 packets of link type 147 cannot"
        )

    def test_old_and_simple_packets(self) -> None:
        frame = ETHERNET + IPV4
        padded = frame + bytes(-len(frame) % 4)
        old = struct.pack("<HHIIII", 0, 0, 0, 100_500_000, len(frame), len(frame)) + padded
        simple = struct.pack("<I", len(frame)) + padded
        data = section() + interface(1) + block(2, old) + block(3, simple)
        self.assertEqual(list(read_capture(BytesIO(data))), [FROM_IPV4, replace(FROM_IPV4, at=0.0)])

    def test_times(self) -> None:
        """Resolutions by powers of ten and two, an offset, and a time beyond all calendars."""
        for options, time, at in (
            (option(9, b"\x09"), 100_500_000_000, 100.5),
            (option(9, b"\x81"), 201, 100.5),
            (option(9, b"\x03") + option(14, struct.pack("<q", 100)), 500, 100.5),
            (option(9, b"\x00"), 2**64 - 1, float(2**64 - 1)),
        ):
            with self.subTest(options=options):
                data = section() + interface(1, options) + packet(ETHERNET + IPV4, time=time)
                self.assertEqual([each.at for each in read_capture(BytesIO(data))], [at])

    def test_interface_of_a_cooked_header(self) -> None:
        header = b"\x86\xdd\0\0" + struct.pack("!I", 3) + bytes(12)
        self.assertEqual(list(read_capture(pcap(276, header + IPV6))), [replace(FROM_IPV6, interface="if3")])

    def assert_incomplete(self, data: bytes, expected: list[CapturedDatagram], reason: str) -> None:
        found = []
        with self.assertRaisesRegex(IncompleteCapture, reason):
            for datagram in read_capture(BytesIO(data)):
                found.append(datagram)
        self.assertEqual(found, expected)

    def test_cut_short(self) -> None:
        """Every interrupted capture is: it is read to where it ends."""
        whole = pcap(1, ETHERNET + IPV4, ETHERNET + IPV4).getvalue()
        for missing in (1, len(ETHERNET + IPV4), len(ETHERNET + IPV4) + 15):
            with self.subTest(missing=missing):
                self.assert_incomplete(whole[:-missing], [FROM_IPV4], "cut short: it ends in the middle")
        block_ng = packet(ETHERNET + IPV4)
        whole = pcapng(ETHERNET + IPV4).getvalue() + block_ng
        for missing in (1, 5, len(block_ng) - 3, len(block_ng) - 7):
            with self.subTest(missing=missing):
                self.assert_incomplete(whole[:-missing], [FROM_IPV4], "cut short: it ends in the middle")

    def test_damaged(self) -> None:
        good = pcapng(ETHERNET + IPV4).getvalue()
        for data in (
            good + struct.pack("<II", 6, 0xFFFFFFF0),
            good + struct.pack("<II", 6, 4),
            good + packet(IPV4, 7),
            good + block(6, b""),
            good + packet(IPV4)[:-4] + bytes(4),
        ):
            with self.subTest(data=data[-20:]):
                self.assert_incomplete(data, [FROM_IPV4], "damaged")

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

    @settings(deadline=None, max_examples=200)
    @given(st.binary(max_size=200), st.sampled_from(["pcap", "pcapng"]))
    def test_any_file_is_survived(self, data: bytes, kind: str) -> None:
        start = pcap(1).getvalue() if kind == "pcap" else section() + interface(1)
        with contextlib.suppress(ValueError):
            list(read_capture(BytesIO(start + data)))
