"""Joining, leaving and sharing a port, as the kernel has it."""

from __future__ import annotations

import errno
import socket
import struct
from pathlib import Path

from mcast.sockets.errors import MembershipError
from mcast.sockets.held import is_port_held
from tests.network.reactors import ReactorLanTestCase, Recorder, group_sender

PORT = 7645
IPV4 = "224.0.0.123"
LINK_LOCAL = "ff02::123"
SITE_LOCAL = "ff05::123"


def joined(host_index: int, group: str) -> bool:
    """Is the group joined on the interface with this index, as the kernel's own tables have it?"""
    if ":" in group:
        wanted = socket.inet_pton(socket.AF_INET6, group).hex()
        lines = Path("/proc/thread-self/net/igmp6").read_text().splitlines()
        return any(line.split()[0] == str(host_index) and line.split()[2] == wanted for line in lines)
    wanted = f"{struct.unpack('=I', socket.inet_aton(group))[0]:08X}"
    at = 0
    for line in Path("/proc/thread-self/net/igmp").read_text().splitlines()[1:]:
        if not line.startswith("\t"):
            at = int(line.split()[0])
        elif at == host_index and line.split()[0] == wanted:
            return True
    return False


class MembershipTests(ReactorLanTestCase):
    """What joining and leaving does, as the kernel has it."""

    def test_joined_on_two_interfaces(self) -> None:
        """G-1112-7.1-1: one group joined on two interfaces is two memberships."""
        port = self.open(PORT, ipv6=False)
        port.join(IPV4, "eth0")
        port.join(IPV4, "eth1")
        indexes = [self.here.index("eth0"), self.here.index("eth1")]
        self.assertEqual([joined(index, IPV4) for index in indexes], [True, True])
        self.assertEqual(port.memberships, ((IPV4, indexes[0], None), (IPV4, indexes[1], None)))

    def test_ipv6_joined_on_two_interfaces(self) -> None:
        """G-3810-3-1: joined by index on two interfaces, both have it; leaving one leaves the other."""
        port = self.open(PORT, ipv6=True)
        first, second = self.here.index("eth0"), self.here.index("eth1")
        port.join(LINK_LOCAL, first)
        port.join(LINK_LOCAL, second)
        self.assertEqual([joined(first, LINK_LOCAL), joined(second, LINK_LOCAL)], [True, True])
        port.leave(LINK_LOCAL, first)
        self.assertEqual([joined(first, LINK_LOCAL), joined(second, LINK_LOCAL)], [False, True])

    def test_leaving_what_was_not_joined(self) -> None:
        """G-1112-7.1-1, G-3678-4.1-2: an error with EADDRNOTAVAIL that names group and interface."""
        port = self.open(PORT, ipv6=False)
        with self.assertRaises(MembershipError) as caught:
            port.leave(IPV4, "eth0")
        self.assertEqual(caught.exception.errno, errno.EADDRNOTAVAIL)
        self.assertEqual(str(caught.exception), f"cannot leave {IPV4} on eth0: not joined")

    def test_joining_twice(self) -> None:
        """The system refuses, and the first membership stays."""
        port = self.open(PORT, ipv6=False)
        port.join(IPV4, "eth0")
        with self.assertRaises(MembershipError):
            port.join(IPV4, "eth0")
        self.assertTrue(joined(self.here.index("eth0"), IPV4))

    def test_other_member_stays(self) -> None:
        """G-1112-7.1-2: the membership of the host lasts while one of two sockets has it."""
        index = self.here.index("eth0")
        first = self.open(PORT, ipv6=False)
        recorder = Recorder()
        second = self.open(PORT, recorder, ipv6=False)
        first.join(IPV4, index)
        second.join(IPV4, index)
        self.wait(first.stopListening())
        self.assertTrue(joined(index, IPV4))
        group_sender(self.there, False, "eth0").sendto(b"still", (IPV4, PORT))
        self.heard(recorder, b"still")
        second.leave(IPV4, index)
        self.assertFalse(joined(index, IPV4))

    def test_closing_leaves(self) -> None:
        """G-3376-2-1: joined is in the kernel's table, and closing takes it out."""
        index = self.here.index("eth0")
        port = self.open(PORT, ipv6=False)
        self.assertFalse(joined(index, IPV4))
        port.join(IPV4, index)
        self.assertTrue(joined(index, IPV4))
        self.wait(port.stopListening())
        self.assertFalse(joined(index, IPV4))

    def test_link_local_group_without_interface(self) -> None:
        """G-4007-6-2: with two links a link-local group and no interface is an error, not a guess."""
        port = self.open(PORT, ipv6=True)
        with self.assertRaisesRegex(ValueError, "ff02::123: name an interface.*eth0, eth1"):
            port.join(LINK_LOCAL)

    def test_link_local_group_with_zone_zero(self) -> None:
        """G-4007-6-2: scope id 0 does not identify a link either."""
        port = self.open(PORT, ipv6=True)
        with self.assertRaisesRegex(ValueError, "name an interface"):
            port.join(f"{LINK_LOCAL}%0")

    def test_local_ipv4_group_without_interface(self) -> None:
        """G-5771-4-1: 224.0.0.0/24 stays on the link, so the link has to be named."""
        port = self.open(PORT, ipv6=False)
        with self.assertRaisesRegex(ValueError, "224.0.0.123: name an interface"):
            port.join(IPV4)

    def test_wider_group_without_interface(self) -> None:
        """G-7346-2-2: from scope 4 on the system may choose the interface."""
        self.here.ip(
            "-6", "route", "replace", "multicast", "ff00::/8", "dev", "eth1", "table", "local", "metric", "1"
        )
        self.addCleanup(
            self.here.ip,
            "-6",
            "route",
            "del",
            "multicast",
            "ff00::/8",
            "dev",
            "eth1",
            "table",
            "local",
            "metric",
            "1",
        )
        port = self.open(PORT, ipv6=True)
        port.join(SITE_LOCAL)
        self.assertTrue(joined(self.here.index("eth1"), SITE_LOCAL))

    def test_zone_names_the_interface(self) -> None:
        port = self.open(PORT, ipv6=True)
        port.join(f"{LINK_LOCAL}%eth1")
        self.assertTrue(joined(self.here.index("eth1"), LINK_LOCAL))

    def test_interface_by_address(self) -> None:
        port = self.open(PORT, ipv6=False)
        port.join(IPV4, self.here.ipv4(1))
        self.assertTrue(joined(self.here.index("eth1"), IPV4))

    def test_beyond_the_limit(self) -> None:
        """M-B-1: a join that no socket has room for is an error that says so, others go on."""
        port = self.open(PORT, ipv6=False)
        port.join(IPV4, "eth0")
        Path("/proc/sys/net/ipv4/igmp_max_memberships").write_text("0")
        self.addCleanup(Path("/proc/sys/net/ipv4/igmp_max_memberships").write_text, "20")
        with self.assertRaisesRegex(MembershipError, "cannot join 224.0.0.124 on eth0: No buffer space"):
            port.join("224.0.0.124", "eth0")
        self.assertEqual([group for group, _, _ in port.memberships], [IPV4])


class SharingTests(ReactorLanTestCase):
    """Several sockets on one UDP port."""

    def test_both_hear(self) -> None:
        """M-15.1-1: two sockets share the port, and both get the same multicast datagram."""
        first, second = Recorder(), Recorder()
        for recorder in (first, second):
            self.open(PORT, recorder, ipv6=False).join(IPV4, "eth0")
        group_sender(self.there, False, "eth0").sendto(b"hello", (IPV4, PORT))
        self.heard(first, b"hello")
        self.heard(second, b"hello")

    def test_taken(self) -> None:
        """A port taken by a socket that does not share is one line that names it."""
        holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(holder.close)
        holder.bind(("", PORT))
        with self.assertRaises(OSError) as caught:
            self.open(PORT, ipv6=False)
        self.assertEqual(caught.exception.errno, errno.EADDRINUSE)
        self.assertEqual(
            caught.exception.strerror,
            f"UDP port {PORT} on 0.0.0.0: already in use by a socket that does not share it",
        )

    def test_trial_bind(self) -> None:
        """M-15.1-2: a bind that does not share tells whether another socket holds the port."""
        before = is_port_held(PORT, ipv6=False)
        self.open(PORT, ipv6=False)
        self.assertEqual((before, is_port_held(PORT, ipv6=False)), (False, True))

    def test_trial_bind_ipv6(self) -> None:
        """M-15.1-2: the families are asked apart."""
        self.open(PORT, ipv6=True)
        held = (is_port_held(PORT, ipv6=False), is_port_held(PORT, ipv6=True))
        self.assertEqual(held, (False, True))


class AsyncioMembershipTests(MembershipTests):
    """The same on the asyncio reactor."""

    reactor_name = "asyncio"
