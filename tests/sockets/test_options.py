"""What `options` gives to setsockopt on each platform: the row decides, so each is tested on this machine.

The expected numbers and structures are written from the systems' headers (<netinet/in.h>, <netinet6/in6.h>,
<ws2ipdef.h>), not taken from the table under test.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from ipaddress import IPv4Address, IPv6Address
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from mcast.sockets.options import Options, pack_group_source, pack_membership
from mcast.sockets.platforms import BSD, LINUX, MACOS, WINDOWS, Platform, platform_row

IPV4 = IPv4Address("232.1.2.3")
IPV4_SOURCE = IPv4Address("192.0.2.1")
IPV6 = IPv6Address("ff3e::1")
IPV6_SOURCE = IPv6Address("2001:db8::1")
INDEX = 5
INT = struct.pack("=i", INDEX)
SO_REUSEADDR = (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


class RecordingSocket:
    """Keeps the calls of setsockopt."""

    def __init__(self, problem: OSError | None = None) -> None:
        self.calls: list[tuple[int, int, int | bytes]] = []
        self._problem = problem

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        if self._problem is not None:
            raise self._problem
        self.calls.append((level, option, value))


def calls(platform: Platform, ipv6: bool, method: str, *arguments: Any) -> list[tuple[int, int, int | bytes]]:
    """Return the calls of setsockopt that a method of `Options` makes."""
    sock = RecordingSocket()
    getattr(Options(cast(socket.socket, sock), ipv6=ipv6, platform=platform), method)(*arguments)
    return sock.calls


class ChoiceTests(SynchronousTestCase):
    """Which row is taken."""

    def test_rows(self) -> None:
        systems = ("linux", "darwin", "freebsd14", "win32")
        self.assertEqual([platform_row(each) for each in systems], [LINUX, MACOS, BSD, WINDOWS])


class JoinTests(SynchronousTestCase):
    """Any-source memberships."""

    def test_linux_ipv4(self) -> None:
        """G-3678-4.1-1: IP_ADD_MEMBERSHIP (35) with an ip_mreqn: group, no address, index."""
        expected = [(0, 35, bytes((232, 1, 2, 3)) + bytes(4) + INT)]
        self.assertEqual(calls(LINUX, False, "join", IPV4, INDEX), expected)

    def test_linux_ipv4_leave(self) -> None:
        """G-3678-4.1-1: IP_DROP_MEMBERSHIP (36) with the same."""
        expected = [(0, 36, bytes((232, 1, 2, 3)) + bytes(4) + INT)]
        self.assertEqual(calls(LINUX, False, "leave", IPV4, INDEX), expected)

    def test_linux_ipv6(self) -> None:
        """G-3493-5.2-4: IPV6_JOIN_GROUP (20) takes the group and the index, which is not 0."""
        self.assertEqual(calls(LINUX, True, "join", IPV6, INDEX), [(41, 20, IPV6.packed + INT)])

    def test_linux_ipv6_leave(self) -> None:
        """G-3493-5.2-4: IPV6_LEAVE_GROUP (21) takes the same pair."""
        self.assertEqual(calls(LINUX, True, "leave", IPV6, INDEX), [(41, 21, IPV6.packed + INT)])

    def test_bsd_ipv4(self) -> None:
        """IP_ADD_MEMBERSHIP is 12; macOS and FreeBSD take an ip_mreqn too."""
        expected = [(0, 12, bytes((232, 1, 2, 3)) + bytes(4) + INT)]
        self.assertEqual(calls(MACOS, False, "join", IPV4, INDEX), expected)
        self.assertEqual(calls(BSD, False, "join", IPV4, INDEX), expected)

    def test_bsd_ipv6(self) -> None:
        """IPV6_JOIN_GROUP is 12, IPV6_LEAVE_GROUP 13."""
        self.assertEqual(calls(MACOS, True, "join", IPV6, INDEX), [(41, 12, IPV6.packed + INT)])
        self.assertEqual(calls(BSD, True, "leave", IPV6, INDEX), [(41, 13, IPV6.packed + INT)])

    def test_windows_ipv4(self) -> None:
        """An ip_mreq whose interface address is 0.0.0.index, in network order."""
        expected = [(0, 12, bytes((232, 1, 2, 3, 0, 0, 0, INDEX)))]
        self.assertEqual(calls(WINDOWS, False, "join", IPV4, INDEX), expected)

    def test_windows_ipv6(self) -> None:
        self.assertEqual(calls(WINDOWS, True, "join", IPV6, INDEX), [(41, 12, IPV6.packed + INT)])


class SourceJoinTests(SynchronousTestCase):
    """Source-specific memberships: struct group_source_req and ip_mreq_source."""

    def test_linux_ipv4(self) -> None:
        """G-3678-5.1-1: index, padding to 8, then two sockaddr_storage of 128 octets."""
        expected = (
            struct.pack("=I4x", INDEX)
            + struct.pack("=HH4s120x", 2, 0, bytes((232, 1, 2, 3)))
            + struct.pack("=HH4s120x", 2, 0, bytes((192, 0, 2, 1)))
        )
        self.assertEqual(pack_group_source(LINUX, IPV4, INDEX, IPV4_SOURCE), expected)
        self.assertEqual(len(expected), 264)

    def test_linux_ipv6(self) -> None:
        """G-3678-5.1-1: sockaddr_in6 is family, port, flow, address, scope."""
        expected = (
            struct.pack("=I4x", INDEX)
            + struct.pack("=HHI16sI100x", 10, 0, 0, IPV6.packed, 0)
            + struct.pack("=HHI16sI100x", 10, 0, 0, IPV6_SOURCE.packed, 0)
        )
        self.assertEqual(pack_group_source(LINUX, IPV6, INDEX, IPV6_SOURCE), expected)

    def test_macos_ipv4(self) -> None:
        """G-3678-5.1-1: macOS packs the request to 4, and a sockaddr begins with its length."""
        expected = (
            struct.pack("=I", INDEX)
            + struct.pack("=BBH4s120x", 16, 2, 0, bytes((232, 1, 2, 3)))
            + struct.pack("=BBH4s120x", 16, 2, 0, bytes((192, 0, 2, 1)))
        )
        self.assertEqual(pack_group_source(MACOS, IPV4, INDEX, IPV4_SOURCE), expected)
        self.assertEqual(len(expected), 260)

    def test_macos_ipv6(self) -> None:
        """G-3678-5.1-1: AF_INET6 is 30, a sockaddr_in6 has 28 octets."""
        expected = (
            struct.pack("=I", INDEX)
            + struct.pack("=BBHI16sI100x", 28, 30, 0, 0, IPV6.packed, 0)
            + struct.pack("=BBHI16sI100x", 28, 30, 0, 0, IPV6_SOURCE.packed, 0)
        )
        self.assertEqual(pack_group_source(MACOS, IPV6, INDEX, IPV6_SOURCE), expected)

    def test_bsd_ipv6(self) -> None:
        """G-3678-5.1-1: FreeBSD aligns to 8, AF_INET6 is 28."""
        expected = (
            struct.pack("=I4x", INDEX)
            + struct.pack("=BBHI16sI100x", 28, 28, 0, 0, IPV6.packed, 0)
            + struct.pack("=BBHI16sI100x", 28, 28, 0, 0, IPV6_SOURCE.packed, 0)
        )
        self.assertEqual(pack_group_source(BSD, IPV6, INDEX, IPV6_SOURCE), expected)

    def test_windows_ipv6(self) -> None:
        """G-3678-5.1-1: AF_INET6 is 23; MCAST_JOIN_SOURCE_GROUP is 45."""
        expected = (
            struct.pack("=I4x", INDEX)
            + struct.pack("=HHI16sI100x", 23, 0, 0, IPV6.packed, 0)
            + struct.pack("=HHI16sI100x", 23, 0, 0, IPV6_SOURCE.packed, 0)
        )
        self.assertEqual(calls(WINDOWS, True, "join", IPV6, INDEX, IPV6_SOURCE), [(41, 45, expected)])

    def test_windows_ipv4(self) -> None:
        """G-3678-4.1-1: IP_ADD_SOURCE_MEMBERSHIP (15) with group, source, interface; 16 takes it back."""
        packed = bytes((232, 1, 2, 3, 192, 0, 2, 1, 0, 0, 0, INDEX))
        self.assertEqual(calls(WINDOWS, False, "join", IPV4, INDEX, IPV4_SOURCE), [(0, 15, packed)])
        self.assertEqual(calls(WINDOWS, False, "leave", IPV4, INDEX, IPV4_SOURCE), [(0, 16, packed)])

    def test_options_of_linux(self) -> None:
        """G-3678-5.1-1: MCAST_JOIN_SOURCE_GROUP is 46, MCAST_LEAVE_SOURCE_GROUP 47, at the family's level."""
        made = [
            calls(LINUX, ipv6, method, group, INDEX, source)[0][:2]
            for ipv6, group, source in ((False, IPV4, IPV4_SOURCE), (True, IPV6, IPV6_SOURCE))
            for method in ("join", "leave")
        ]
        self.assertEqual(made, [(0, 46), (0, 47), (41, 46), (41, 47)])

    def test_options_of_macos_and_bsd(self) -> None:
        """G-3678-5.1-1: 82 and 83."""
        made = [
            calls(row, True, method, IPV6, INDEX, IPV6_SOURCE)[0][:2]
            for row in (MACOS, BSD)
            for method in ("join", "leave")
        ]
        self.assertEqual(made, [(41, 82), (41, 83), (41, 82), (41, 83)])


class SendingTests(SynchronousTestCase):
    """Outgoing interface, hop limits, loopback."""

    def test_outgoing_ipv6(self) -> None:
        """G-3493-5.2-1: IPV6_MULTICAST_IF takes an index, not an address."""
        made = [calls(row, True, "set_outgoing", INDEX) for row in (LINUX, MACOS, BSD, WINDOWS)]
        self.assertEqual(made, [[(41, 17, INDEX)], [(41, 9, INDEX)], [(41, 9, INDEX)], [(41, 9, INDEX)]])

    def test_outgoing_ipv4(self) -> None:
        """IP_MULTICAST_IF takes an ip_mreqn; on Windows an index in network order."""
        made = [calls(row, False, "set_outgoing", INDEX) for row in (LINUX, MACOS, WINDOWS)]
        mreqn = bytes(8) + INT
        self.assertEqual(made, [[(0, 32, mreqn)], [(0, 9, mreqn)], [(0, 9, bytes((0, 0, 0, INDEX)))]])

    def test_outgoing_ipv4_from_an_address(self) -> None:
        """The address stands in the ip_mreqn beside the index."""
        mreqn = bytes(4) + bytes((127, 0, 0, 1)) + INT
        self.assertEqual(
            calls(LINUX, False, "set_outgoing", INDEX, IPv4Address("127.0.0.1")), [(0, 32, mreqn)]
        )

    def test_report_full(self) -> None:
        """Only Linux has to be asked: IP_RECVERR, IPV6_RECVERR."""
        made = [calls(row, ipv6, "report_full") for row in (LINUX, BSD) for ipv6 in (False, True)]
        self.assertEqual(made, [[(0, 11, 1)], [(41, 25, 1)], [], []])

    def test_hop_limit_ipv6(self) -> None:
        """G-3493-5.2-2: IPV6_MULTICAST_HOPS takes an int."""
        made = [calls(row, True, "set_hop_limit", 255) for row in (LINUX, MACOS, WINDOWS)]
        self.assertEqual(made, [[(41, 18, 255)], [(41, 10, 255)], [(41, 10, 255)]])

    def test_hop_limit_out_of_range(self) -> None:
        """G-3493-5.2-2: 256 and -2 are errors, and no option is set."""
        for hops in (256, -2, -1):
            for ipv6 in (False, True):
                with self.assertRaisesRegex(ValueError, f"TTL {hops}: outside 0-255"):
                    calls(LINUX, ipv6, "set_hop_limit", hops)

    def test_ttl_is_one_octet_on_bsd(self) -> None:
        made = [calls(row, False, "set_hop_limit", 255) for row in (LINUX, MACOS, BSD, WINDOWS)]
        octet = b"\xff"
        self.assertEqual(made, [[(0, 33, 255)], [(0, 10, octet)], [(0, 10, octet)], [(0, 10, 255)]])

    def test_unicast_hop_limit(self) -> None:
        """G-3542-6.3-1: IPV6_UNICAST_HOPS and IP_TTL, since the multicast options do not cover unicast."""
        made = [
            calls(row, ipv6, "set_unicast_hop_limit", 255) for row in (LINUX, MACOS) for ipv6 in (False, True)
        ]
        self.assertEqual(made, [[(0, 2, 255)], [(41, 16, 255)], [(0, 4, 255)], [(41, 4, 255)]])

    def test_loopback(self) -> None:
        """G-1112-6.1-3: IP_MULTICAST_LOOP, one octet on BSD."""
        made = [calls(row, False, "set_loopback", False) for row in (LINUX, BSD, WINDOWS)]
        self.assertEqual(made, [[(0, 34, 0)], [(0, 11, b"\0")], [(0, 11, 0)]])

    def test_loopback_ipv6(self) -> None:
        """G-3493-5.2-3: IPV6_MULTICAST_LOOP is 0 or 1."""
        made = [calls(row, True, "set_loopback", True) for row in (LINUX, BSD, WINDOWS)]
        self.assertEqual(made, [[(41, 19, 1)], [(41, 11, 1)], [(41, 11, 1)]])

    def test_unicast_interface(self) -> None:
        """IP_UNICAST_IF is in network order, IPV6_UNICAST_IF only on Linux; macOS has IP_BOUND_IF."""
        swapped = struct.pack("!I", INDEX)
        made = [
            calls(row, ipv6, "set_unicast_outgoing", INDEX)
            for row in (LINUX, WINDOWS, MACOS, BSD)
            for ipv6 in (False, True)
        ]
        self.assertEqual(
            made,
            [
                [(0, 50, swapped)],
                [(41, 76, swapped)],
                [(0, 31, swapped)],
                [(41, 31, INT)],
                [(0, 25, INT)],
                [(41, 125, INT)],
                [],
                [],
            ],
        )

    def test_interface_of_one_datagram(self) -> None:
        """G-3542-6.1-1: IPV6_PKTINFO with an unspecified address and the index."""
        options = Options(cast(socket.socket, RecordingSocket()), ipv6=True, platform=LINUX)
        self.assertEqual(options.outgoing_ancillary(INDEX), [(41, 50, bytes(16) + INT)])

    def test_interface_of_one_ipv4_datagram(self) -> None:
        """IP_PKTINFO does it on Linux; elsewhere it cannot be told so."""
        made = [
            Options(cast(socket.socket, RecordingSocket()), ipv6=False, platform=row).outgoing_ancillary(
                INDEX
            )
            for row in (LINUX, MACOS, BSD)
        ]
        self.assertEqual(made, [[(0, 8, INT + bytes(8))], None, None])


class ReceptionTests(SynchronousTestCase):
    """Sharing, V6ONLY, IP_MULTICAST_ALL, ancillary data."""

    def test_sharing(self) -> None:
        """M-15.1-1: SO_REUSEADDR everywhere, SO_REUSEPORT (0x200) where BSD needs it."""
        made = [calls(row, False, "share_port") for row in (LINUX, MACOS, BSD, WINDOWS)]
        reuse_port = (socket.SOL_SOCKET, 0x200, 1)
        self.assertEqual(
            made, [[SO_REUSEADDR], [SO_REUSEADDR, reuse_port], [SO_REUSEADDR, reuse_port], [SO_REUSEADDR]]
        )

    def test_v6only(self) -> None:
        """G-3493-5.3-1: IPV6_V6ONLY is 26 on Linux and 27 elsewhere."""
        made = [calls(row, True, "set_v6only") for row in (LINUX, MACOS, BSD, WINDOWS)]
        self.assertEqual(made, [[(41, 26, 1)], [(41, 27, 1)], [(41, 27, 1)], [(41, 27, 1)]])

    def test_only_joined(self) -> None:
        """G-1112-7.2-1: IP_MULTICAST_ALL and IPV6_MULTICAST_ALL go off on Linux; others have none."""
        made = [calls(row, ipv6, "receive_only_joined") for row in (LINUX, MACOS) for ipv6 in (False, True)]
        self.assertEqual(made, [[(0, 49, 0)], [(41, 29, 0)], [], []])

    def test_arrival_of_ipv6(self) -> None:
        """G-3542-6.1-1, G-3542-6.3-1: IPV6_RECVPKTINFO and IPV6_RECVHOPLIMIT."""
        made = [calls(row, True, "receive_arrival") for row in (LINUX, MACOS, BSD, WINDOWS)]
        self.assertEqual(
            made,
            [
                [(41, 49, 1), (41, 51, 1)],
                [(41, 61, 1), (41, 37, 1)],
                [(41, 36, 1), (41, 37, 1)],
                [(41, 19, 1), (41, 21, 1)],
            ],
        )

    def test_arrival_of_ipv4(self) -> None:
        """IP_PKTINFO and IP_RECVTTL; FreeBSD has IP_RECVIF and IP_RECVDSTADDR."""
        made = [calls(row, False, "receive_arrival") for row in (LINUX, MACOS, BSD)]
        self.assertEqual(
            made, [[(0, 8, 1), (0, 12, 1)], [(0, 26, 1), (0, 24, 1)], [(0, 20, 1), (0, 7, 1), (0, 65, 1)]]
        )

    def test_arrival_without_hops(self) -> None:
        """Where nobody asks for the hop limit, the system need not tell it."""
        for ipv6, expected in ((False, [(0, 8, 1)]), (True, [(41, 49, 1)])):
            recorder = RecordingSocket()
            Options(cast(socket.socket, recorder), ipv6=ipv6, platform=LINUX).receive_arrival(hops=False)
            self.assertEqual(recorder.calls, expected)

    def read(self, row: Platform, ipv6: bool, *ancillary: tuple[int, int, bytes]) -> tuple[Any, ...]:
        return Options(cast(socket.socket, RecordingSocket()), ipv6=ipv6, platform=row).read_arrival(
            ancillary
        )

    def test_reading_ipv6(self) -> None:
        """G-3542-6.2-1: in6_pktinfo is the destination, then the interface index."""
        information = (41, 50, IPV6.packed + INT)
        hops = (41, 52, struct.pack("=i", 255))
        self.assertEqual(self.read(LINUX, True, information, hops), (INDEX, "ff3e::1", 255))

    def test_reading_ipv4_on_linux(self) -> None:
        information = (0, 8, INT + bytes(4) + IPV4.packed)
        self.assertEqual(
            self.read(LINUX, False, information, (0, 2, struct.pack("=i", 7))), (INDEX, "232.1.2.3", 7)
        )

    def test_reading_ipv4_on_bsd(self) -> None:
        """A sockaddr_dl (length, family, index), the destination, the TTL as one octet."""
        interface = (0, 20, struct.pack("=BBH50x", 54, 18, INDEX))
        destination = (0, 7, IPV4.packed)
        self.assertEqual(
            self.read(BSD, False, interface, destination, (0, 65, b"\x07")), (INDEX, "232.1.2.3", 7)
        )

    def test_reading_nothing(self) -> None:
        self.assertEqual(self.read(LINUX, False), (0, None, None))

    def test_reading_what_is_cut(self) -> None:
        """Ancillary data that is cut short or of another level tells nothing."""
        self.assertEqual(self.read(LINUX, True, (41, 50, b"\0" * 4), (1, 52, INT)), (0, None, None))

    def test_bind_to_interface_refused(self) -> None:
        """Without the right, or without the option, the caller is told."""
        denied = cast(socket.socket, RecordingSocket(OSError(errno.EPERM, "Operation not permitted")))
        self.assertFalse(Options(denied, ipv6=True, platform=LINUX).bind_to_interface(INDEX))
        self.assertFalse(Options(denied, ipv6=True, platform=MACOS).bind_to_interface(INDEX))

    def test_bind_to_interface(self) -> None:
        """SO_BINDTOIFINDEX is 62."""
        self.assertEqual(calls(LINUX, True, "bind_to_interface", INDEX), [(socket.SOL_SOCKET, 62, INDEX)])


class MembershipPackingTests(SynchronousTestCase):
    """`pack_membership`."""

    def test_sizes(self) -> None:
        """ip_mreqn has 12 octets, ip_mreq 8, ipv6_mreq 20."""
        sizes = [len(pack_membership(row, group, 1)) for row in (LINUX, WINDOWS) for group in (IPV4, IPV6)]
        self.assertEqual(sizes, [12, 20, 8, 20])


class ThisSystemTests(SynchronousTestCase):
    """The row of this system against the standard library, as far as that has names."""

    def test_numbers(self) -> None:
        row = platform_row(sys.platform)
        names = {
            "IP_MULTICAST_IF": row.ipv4_multicast_if,
            "IP_MULTICAST_TTL": row.ipv4_multicast_ttl,
            "IP_MULTICAST_LOOP": row.ipv4_multicast_loop,
            "IP_ADD_MEMBERSHIP": row.ipv4_join,
            "IP_DROP_MEMBERSHIP": row.ipv4_leave,
            "IP_TTL": row.ipv4_ttl,
            "IPV6_MULTICAST_IF": row.ipv6_multicast_if,
            "IPV6_MULTICAST_HOPS": row.ipv6_multicast_hops,
            "IPV6_MULTICAST_LOOP": row.ipv6_multicast_loop,
            "IPV6_JOIN_GROUP": row.ipv6_join,
            "IPV6_LEAVE_GROUP": row.ipv6_leave,
            "IPV6_UNICAST_HOPS": row.ipv6_unicast_hops,
            "IPV6_V6ONLY": row.ipv6_v6only,
            "AF_INET6": row.inet6,
        }
        self.assertEqual({name: int(getattr(socket, name, value)) for name, value in names.items()}, names)
