"""Tests for `mcast interfaces`: the kernel's tables, and the causes that are told."""

from __future__ import annotations

import argparse
import errno
import json
import tempfile
from io import StringIO
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.cli import interfaces
from mcast.cli.check import (
    HEARD_WITHIN,
    Receiver,
    Verdict,
    cause_of,
    exchange,
    obstacle,
    remarks,
    reverse_path_filter,
)
from mcast.cli.command import Output, Parser
from mcast.cli.kernel import joined_groups, read_igmp, read_igmp6
from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
from mcast.sockets.interface import Interface, InterfaceAddress
from tests.echo.fakes import ETH0

# Copied from a Debian 12 host (Linux 6.1, x86).
IGMP = """Idx	Device    : Count Querier	Group    Users Timer	Reporter
1	lo        :     1      V3
				010000E0     1 0:00000000		0
2	eth0      :     2      V3
				7B0000E0     1 0:00000000		0
				010000E0     1 0:00000000		0
"""
IGMP6 = """1    lo              ff020000000000000000000000000001     1 0000000C 0
2    eth0            ff020000000000000000000000000123     1 00000004 0
2    eth0            ff020000000000000000000000000001     1 0000000C 0
"""
LO = Interface("lo", 1, (InterfaceAddress(ip_address("127.0.0.1"), 8),), multicast=False, loopback=True)


class KernelTests(SynchronousTestCase):
    def test_ipv4(self) -> None:
        self.assertEqual(
            read_igmp(IGMP, "little"),
            {1: [ip_address("224.0.0.1")], 2: [ip_address("224.0.0.123"), ip_address("224.0.0.1")]},
        )

    def test_ipv4_on_a_big_endian_processor(self) -> None:
        self.assertEqual(
            read_igmp(IGMP.replace("7B0000E0", "E000007B"), "big")[2][0], ip_address("224.0.0.123")
        )

    def test_ipv6(self) -> None:
        self.assertEqual(
            read_igmp6(IGMP6),
            {1: [ip_address("ff02::1")], 2: [ip_address("ff02::123"), ip_address("ff02::1")]},
        )

    def test_nonsense(self) -> None:
        self.assertEqual((read_igmp("a\n\tb c\n\n"), read_igmp6("x y\n")), ({}, {}))

    def test_both_tables(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "igmp6").write_text(IGMP6)
            self.assertEqual(joined_groups(Path(folder)), read_igmp6(IGMP6))

    def test_no_tables(self) -> None:
        """On other systems nothing is claimed."""
        with tempfile.TemporaryDirectory() as folder:
            self.assertIsNone(joined_groups(Path(folder)))


class CauseTests(SynchronousTestCase):
    def test_down(self) -> None:
        self.assertEqual(obstacle(Interface("eth1", 3, up=False), ipv6=False), "down")

    def test_no_address(self) -> None:
        self.assertEqual(obstacle(Interface("eth1", 3), ipv6=True), "no IPv6 address")

    def test_not_capable(self) -> None:
        self.assertIn("not capable", obstacle(Interface("tun0", 3, multicast=False), ipv6=False))

    def test_loopback_is_capable(self) -> None:
        self.assertEqual(obstacle(LO, ipv6=False), "")

    def test_good(self) -> None:
        self.assertEqual(obstacle(ETH0, ipv6=True), "")

    def test_no_route(self) -> None:
        self.assertEqual(cause_of(OSError(errno.ENETUNREACH, "x")), "no route for multicast")

    def test_firewall(self) -> None:
        self.assertIn("firewall", cause_of(OSError(errno.EPERM, "x")))

    def test_something_else(self) -> None:
        self.assertEqual(cause_of(OSError(errno.EIO, "Input/output error")), "Input/output error")


class LatePort:
    """Joins and sends as it is told, and what is sent comes back when a test says so."""

    def join(self, group: Group, interface: int) -> None:
        pass

    def getHandle(self) -> LatePort:
        return self

    def sendto(self, data: bytes, address: tuple[Any, ...]) -> None:
        pass


class LateTests(SynchronousTestCase):
    """A program that was kept from running reads what has come after the time for it is over."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.receiver = Receiver(b"token")
        group = Group.parse("224.0.0.123:1")
        self.checked: Deferred[Verdict] = Deferred.fromCoroutine(
            exchange(self.clock, LatePort(), self.receiver, group, ETH0)
        )

    def arrive(self) -> None:
        self.receiver.datagram_arrived(b"token", ("192.0.2.1", 1), Arrival(2, None, None))

    def test_read_late(self) -> None:
        # In the turn after that in which the time is over: the reactor calls what is due, and reads then.
        self.clock.callLater(HEARD_WITHIN, self.arrive)
        self.clock.advance(HEARD_WITHIN)
        self.assertTrue(self.successResultOf(self.checked).works)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_in_time(self) -> None:
        self.arrive()
        self.assertTrue(self.successResultOf(self.checked).works)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nothing(self) -> None:
        self.clock.advance(HEARD_WITHIN - 0.01)
        self.assertNoResult(self.checked)
        self.clock.advance(0.01)
        self.assertFalse(self.successResultOf(self.checked).works)


class RemarkTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.settings = Path(folder.name)

    def set(self, name: str, value: str) -> None:
        (self.settings / name).mkdir()
        (self.settings / name / "rp_filter").write_text(value)

    def test_higher_of_two(self) -> None:
        """Linux takes the maximum of "all" and the interface."""
        self.set("all", "1\n")
        self.set("eth0", "0\n")
        self.assertEqual(reverse_path_filter("eth0", self.settings), 1)

    def test_strict(self) -> None:
        self.set("eth0", "1\n")
        self.assertIn("rp_filter=1", remarks(ETH0, ipv6=False, settings=self.settings))

    def test_loose(self) -> None:
        self.set("all", "2\n")
        self.set("eth0", "1\n")
        self.assertEqual(remarks(ETH0, ipv6=False, settings=self.settings), "")

    def test_not_for_ipv6(self) -> None:
        self.set("eth0", "1\n")
        self.assertEqual(remarks(ETH0, ipv6=True, settings=self.settings), "")

    def test_no_carrier(self) -> None:
        unplugged = Interface("eth0", 2, ETH0.addresses, carrier=False)
        self.assertIn("no carrier", remarks(unplugged, ipv6=False, settings=self.settings))


class CommandTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.works: dict[tuple[str, bool], bool] = {}
        self.patch(interfaces, "interfaces", lambda: (LO, ETH0))
        self.patch(interfaces, "joined_groups", lambda: {2: [ip_address("224.0.0.1")]})
        self.patch(interfaces, "check", self.check)

    async def check(self, reactor: object, interface: Interface, *, ipv6: bool) -> Verdict:
        works = self.works.get((interface.name, ipv6), True)
        return Verdict(works, "heard" if works else "nothing heard")

    def run_command(self, *words: str) -> tuple[int, list[dict[str, Any]]]:
        parser = Parser()
        interfaces.configure(parser)
        arguments: argparse.Namespace = parser.parse_args(words)
        stream = StringIO()
        running = Deferred.fromCoroutine(interfaces.run(Clock(), arguments, Output(stream, json_lines=True)))
        status = self.successResultOf(running)
        return status, [json.loads(line) for line in stream.getvalue().splitlines()]

    def test_listed(self) -> None:
        status, (_, eth0) = self.run_command()
        self.assertEqual(status, 0)
        self.assertEqual(
            eth0,
            {
                "event": "interface",
                "name": "eth0",
                "index": 2,
                "addresses": ["192.0.2.1/24", "fe80::1/64"],
                "flags": ["up", "multicast"],
                "mtu": 1500,
                "groups": ["224.0.0.1"],
            },
        )

    def test_groups_not_told(self) -> None:
        self.patch(interfaces, "joined_groups", lambda: None)
        self.assertIsNone(self.run_command()[1][0]["groups"])

    def test_named(self) -> None:
        self.assertEqual([each["name"] for each in self.run_command("-I", "lo")[1]], ["lo"])

    def test_checked(self) -> None:
        status, objects = self.run_command("--check", "-I", "eth0")
        self.assertEqual(status, 0)
        self.assertEqual(
            objects[1:],
            [
                {"event": "check", "interface": "eth0", "family": family, "works": True, "detail": "heard"}
                for family in ("IPv4", "IPv6")
            ],
        )

    def test_one_does_not_work(self) -> None:
        self.works["eth0", True] = False
        self.assertEqual(self.run_command("--check")[0], 1)

    def test_none_works(self) -> None:
        self.works = {("eth0", True): False, ("eth0", False): False}
        self.assertEqual(self.run_command("--check")[0], 2)

    def test_loopback_beside_others_does_not_count(self) -> None:
        self.works["lo", True] = False
        self.assertEqual(self.run_command("--check")[0], 0)
        self.assertEqual(self.run_command("--check", "-I", "lo")[0], 1)
