"""Source-specific memberships: three hosts on one link, two of them senders."""

from __future__ import annotations

import errno
from pathlib import Path

from mcast.sockets.errors import MembershipError
from mcast.sockets.group import Group
from mcast.sockets.listen import listen_group
from tests.network.listeners import RecordingGroups
from tests.network.reactors import ReactorLanTestCase, Recorder, group_sender

PORT = 7645
IPV4 = "232.1.2.3"
IPV6 = "ff35::123"


class SourceTests(ReactorLanTestCase):
    """A datagram comes only from a source, to a group, and by an interface that were joined together."""

    hosts = 3

    def setUp(self) -> None:
        super().setUp()
        self.other = self.lan.hosts[2]

    def address(self, group: str, number: int) -> str:
        host = self.lan.hosts[number]
        return host.ipv6() if ":" in group else host.ipv4()

    def send_from_both(self, group: str) -> None:
        """Send b"1" from the first sender, then b"2" from the second."""
        for number in (1, 2):
            host = self.lan.hosts[number]
            sender = group_sender(host, ":" in group, "eth0")
            sender.sendto(str(number).encode(), (group, PORT))

    def assert_only_first_source(self, group: str) -> None:
        recorder = Recorder()
        port = self.open(PORT, recorder, ipv6=":" in group)
        port.join(group, "eth0", self.address(group, 1))
        self.send_from_both(group)
        self.heard(recorder, b"1")
        self.turn(0.05)
        self.assertEqual(recorder.data, [b"1"])

    def test_ipv4_one_source(self) -> None:
        """G-4607-4.2-1, G-3678-4.1-1: what another source sends to the group is not delivered."""
        self.assert_only_first_source(IPV4)

    def test_ipv6_one_source(self) -> None:
        """G-4607-4.2-1, G-3678-5.1-1: the same for IPv6, by MCAST_JOIN_SOURCE_GROUP with an index."""
        self.assert_only_first_source(IPV6)

    def test_any_source_group(self) -> None:
        """A group outside the source-specific range may be received from one source too."""
        self.assert_only_first_source("239.1.2.3")

    def test_two_sources_are_apart(self) -> None:
        """G-4607-1-1, G-4607-4.1-1: of two subscriptions one is removed; the other is still delivered."""
        for group in (IPV4, IPV6):
            recorder = Recorder()
            port = self.open(PORT, recorder, ipv6=":" in group)
            for number in (1, 2):
                port.join(group, "eth0", self.address(group, number))
            self.send_from_both(group)
            self.heard(recorder, b"1", b"2")
            port.leave(group, "eth0", self.address(group, 1))
            self.send_from_both(group)
            self.heard(recorder, b"1", b"2", b"2")

    def test_sockets_are_apart(self) -> None:
        """G-3376-3.2-1: one socket joins a source, one any; each gets what it asked for."""
        some, every = Recorder(), Recorder()
        self.open(PORT, some, ipv6=False).join("239.1.2.3", "eth0", self.lan.hosts[1].ipv4())
        self.open(PORT, every, ipv6=False).join("239.1.2.3", "eth0")
        self.send_from_both("239.1.2.3")
        self.heard(every, b"1", b"2")
        self.heard(some, b"1")

    def test_kernel_has_the_source(self) -> None:
        """G-3376-2-1: the filter table has the source in include mode, and not any more after leaving."""
        port = self.open(PORT, ipv6=False)
        source = self.lan.hosts[1].ipv4()
        port.join(IPV4, "eth0", source)
        self.assertEqual(self.filters(), [("eth0", "0xe8010203", "0x0a4d0002", "1", "0")])
        port.leave(IPV4, "eth0", source)
        self.assertEqual(self.filters(), [])

    def filters(self) -> list[tuple[str, ...]]:
        lines = Path("/proc/thread-self/net/mcfilter").read_text().splitlines()[1:]
        return [tuple(line.split()[1:]) for line in lines]

    def test_mixing_modes(self) -> None:
        """G-3678-4.1-2: a source added to an any-source membership is EINVAL, and the membership is kept."""
        recorder = Recorder()
        port = self.open(PORT, recorder, ipv6=False)
        port.join("239.1.2.3", "eth0")
        with self.assertRaises(MembershipError) as caught:
            port.join("239.1.2.3", "eth0", self.lan.hosts[1].ipv4())
        self.assertEqual(caught.exception.errno, errno.EINVAL)
        self.send_from_both("239.1.2.3")
        self.heard(recorder, b"1", b"2")

    def test_too_many_sources(self) -> None:
        """G-3678-4.1-2: beyond the kernel's limit of sources it is ENOBUFS, if no other socket has room."""
        port = self.open(PORT, ipv6=False)
        for number in range(1, 11):  # igmp_max_msf is 10
            port.join(IPV4, "eth0", f"192.0.2.{number}")
        limit = Path("/proc/sys/net/ipv4/igmp_max_memberships")
        self.addCleanup(limit.write_text, "20")
        limit.write_text("0")
        with self.assertRaises(MembershipError) as caught:
            port.join(IPV4, "eth0", "192.0.2.11")
        self.assertEqual(caught.exception.errno, errno.ENOBUFS)

    def test_no_source(self) -> None:
        """G-4604-2.2-1: joining a source-specific group without a source is an error."""
        for group in (IPV4, "ff3e::1"):
            port = self.open(PORT, ipv6=":" in group)
            with self.assertRaisesRegex(ValueError, f"{group}: a source-specific group needs a source"):
                port.join(group, "eth0")

    def test_listener(self) -> None:
        """G-4607-4.2-1: a protocol that names its sources hears no other, whichever the family."""
        protocol = RecordingGroups(
            [Group.parse(IPV4, PORT), Group.parse(IPV6, PORT)],
            interfaces=["eth0"],
            sources=[self.lan.hosts[1].ipv4(), self.lan.hosts[1].ipv6()],
        )
        self.close_later(listen_group(self.reactor, protocol))
        self.send_from_both(IPV4)
        self.send_from_both(IPV6)
        self.until(lambda: len(protocol.data) >= 2, "one datagram of each family")
        self.turn(0.05)
        self.assertEqual(protocol.data, [b"1", b"1"])


class AsyncioSourceTests(SourceTests):
    """The same on the asyncio reactor."""

    reactor_name = "asyncio"
