"""What a join says on the wire: IGMPv3 and MLDv2 reports."""

from __future__ import annotations

import socket
import time

from tests.network.lan import wait_until
from tests.network.reactors import ReactorLanTestCase

ETH_P_ALL = 0x0003
INCLUDE = 3  # CHANGE_TO_INCLUDE_MODE (RFC 3376 §4.2.12, RFC 3810 §5.2.12)
EXCLUDE = 4  # CHANGE_TO_EXCLUDE_MODE


class ReportTests(ReactorLanTestCase):
    """Seen by the other host."""

    links = 1

    def setUp(self) -> None:
        super().setUp()
        self.wire = self.there.open_socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.wire.bind(("eth0", ETH_P_ALL))
        self.wire.setblocking(False)
        self.changes: list[tuple[int, str]] = []

    def reported(self, *changes: tuple[int, str]) -> bool:
        """Read what has come, and tell whether each of these changes was reported."""
        while True:
            try:
                frame = self.wire.recv(2000)
            except BlockingIOError:
                return all(change in self.changes for change in changes)
            self.changes += read_reports(frame)

    def wait_for_report(self, kind: int, group: str) -> None:
        wait_until(lambda: self.reported((kind, group)), f"a report for {group}")

    def test_igmp(self) -> None:
        """G-3376-5-1: joining and closing are reported to 224.0.0.22; 224.0.0.1 never is."""
        port = self.open(0, ipv6=False)
        port.join("224.0.0.251", "eth0")
        self.wait_for_report(EXCLUDE, "224.0.0.251")
        self.wait(port.stopListening())
        self.wait_for_report(INCLUDE, "224.0.0.251")
        self.assertNotIn("224.0.0.1", [group for _, group in self.changes])

    def test_igmp_is_repeated(self) -> None:
        """G-3376-5-1: the report is sent twice (robustness variable 2), within a second or so."""
        self.open(0, ipv6=False).join("224.0.0.250", "eth0")
        wait_until(
            lambda: self.reported() and self.changes.count((EXCLUDE, "224.0.0.250")) >= 2, "two reports"
        )

    def test_mld(self) -> None:
        """G-3810-6-1: joining ff02::fb is reported to ff02::16; ff01::fb, which stays on the host, is not."""
        port = self.open(0, ipv6=True)
        port.join("ff01::fb", "eth0")
        port.join("ff02::fb", "eth0")
        self.wait_for_report(EXCLUDE, "ff02::fb")
        time.sleep(0.05)
        self.reported()
        self.assertNotIn("ff01::fb", [group for _, group in self.changes])


def read_reports(frame: bytes) -> list[tuple[int, str]]:
    """Return (record type, group) for each record of an IGMPv3 or MLDv2 report in a frame, else nothing."""
    kind = frame[12:14]
    if kind == b"\x08\x00" and frame[23] == 2 and frame[30:34] == socket.inet_aton("224.0.0.22"):
        return _records(frame[14 + 4 * (frame[14] & 0xF) :], 0x22, 4, socket.AF_INET)
    if kind == b"\x86\xdd" and frame[38:54] == socket.inet_pton(socket.AF_INET6, "ff02::16"):
        # A hop-by-hop header with the router alert stands before it (RFC 3810 §5.2).
        return _records(frame[14 + 40 + 8 :], 143, 16, socket.AF_INET6)
    return []


def _records(report: bytes, kind: int, size: int, family: int) -> list[tuple[int, str]]:
    if report[0] != kind:
        return []
    found = []
    offset = 8
    for _ in range(int.from_bytes(report[6:8], "big")):
        sources = int.from_bytes(report[offset + 2 : offset + 4], "big")
        group = socket.inet_ntop(family, report[offset + 4 : offset + 4 + size])
        found.append((report[offset], group))
        offset += 4 + size + sources * size
    return found
