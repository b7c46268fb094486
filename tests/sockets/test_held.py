"""Whether a UDP port is taken, from the tables of the Linux kernel."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from unittest import skipUnless

from twisted.trial.unittest import SynchronousTestCase

from mcast.sockets import held
from mcast.sockets.held import is_port_held, is_port_held_beside

HEADINGS = (
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
)
REST = "07 00000000:00000000 00:00000000 00000000     0        0 25 2 0000000000000000 0\n"
IPV4_LINE = f"  407: 7B0000E0:1DDD 00000000:0000 {REST}"
IPV6_LINE = f"  407: {'0' * 32}:1DDD {'0' * 32}:0000 {REST}"


class _NoTrial:
    """Stands for the socket module; a trial socket would be in the way of another program."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"socket.{name} used")


@skipUnless(sys.platform == "linux", "the tables are Linux's")
class TableTests(SynchronousTestCase):
    def tables(self, ipv4: str = "", ipv6: str = "") -> Path:
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "udp").write_text(HEADINGS + ipv4)
        (folder / "udp6").write_text(HEADINGS + ipv6)
        return folder

    def test_free(self) -> None:
        """No socket is opened: a program that opens the port to share it would find it taken."""
        self.patch(held, "socket", _NoTrial())
        tables = self.tables()
        self.assertFalse(is_port_held(7645, ipv6=False, tables=tables))
        self.assertFalse(is_port_held(7645, ipv6=True, tables=tables))

    def test_bound_to_a_group(self) -> None:
        tables = self.tables(IPV4_LINE)
        self.assertTrue(is_port_held(7645, ipv6=False, tables=tables))
        self.assertFalse(is_port_held(7645, ipv6=True, tables=tables))

    def test_other_port(self) -> None:
        self.assertFalse(is_port_held(7646, ipv6=False, tables=self.tables(IPV4_LINE, IPV6_LINE)))

    def test_ipv6(self) -> None:
        self.assertTrue(is_port_held(7645, ipv6=True, tables=self.tables(ipv6=IPV6_LINE)))

    def test_ipv6_wildcard_may_take_ipv4(self) -> None:
        """Then only a trial tells."""
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as both:
            both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            both.bind(("::", 0))
            self.assertTrue(is_port_held(both.getsockname()[1], ipv6=False))

    def test_without_tables(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            self.assertTrue(is_port_held(taken.getsockname()[1], ipv6=False, tables=Path(self.mktemp())))


@skipUnless(sys.platform == "linux", "the tables are Linux's")
class BesideTests(SynchronousTestCase):
    """Whether another socket has the port of ours, whenever it was bound."""

    def setUp(self) -> None:
        self.ours = self.bound(0)

    def bound(self, port: int, address: str = "127.0.0.1") -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(made.close)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address, port))
        return made

    def test_alone(self) -> None:
        self.assertIs(is_port_held_beside(self.ours), False)

    def test_bound_after_ours(self) -> None:
        later = self.bound(self.ours.getsockname()[1])
        self.assertIs(is_port_held_beside(self.ours), True)
        later.close()
        self.assertIs(is_port_held_beside(self.ours), False)

    def test_bound_to_a_group(self) -> None:
        """It takes no unicast datagrams: such as a further socket of ours, for more memberships."""
        self.bound(self.ours.getsockname()[1], "224.0.0.251")
        self.assertIs(is_port_held_beside(self.ours), False)

    def test_without_tables(self) -> None:
        self.assertIsNone(is_port_held_beside(self.ours, tables=Path(self.mktemp())))
