"""The kernel grants no more memberships: what is joined goes on, the rest is joined when there is room."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from tests.hostile.lab import HostileTestCase, Person
from tests.hostile.machine import memberships
from tests.interop.programs import Program

MEMBERSHIPS = Path("/proc/sys/net/ipv4/igmp_max_memberships")
"""How many IPv4 groups a socket may join; of each namespace."""

MEMORY = Path("/proc/sys/net/core/optmem_max")
"""How much memory the memberships and the like of a socket may take, of both families; of each namespace."""

ALL: Mapping[str, int] = {f"eth{link}/{family}": 1 for link in (0, 1) for family in ("IPv4", "IPv6")}


class MembershipTests(HostileTestCase):
    """An interface comes while nothing, or no IPv4 group, can be joined; afterwards it can again."""

    links = 2
    patience = 60.0
    """Seconds. Our choice: the interface is looked at again after 5, 10, 20 s and so on."""

    def setUp(self) -> None:
        super().setUp()
        self.lan.unplug(self.ours, 1)

    def deny(self, path: Path) -> str:
        """Let the kernel grant nothing; return what it granted before."""
        usual = self.ours.run("cat", str(path)).strip()
        self.ours.run("sh", "-c", f"echo 0 >{path}")
        return usual

    def grant(self, path: Path, usual: str) -> None:
        self.ours.run("sh", "-c", f"echo {usual} >{path}")

    def joined(self) -> Mapping[str, int]:
        return dict(memberships(self.ours))

    def lines(self, program: Program) -> list[str]:
        """Return what was said of groups that could not be joined."""
        return [line for line in program.lines if "cannot join" in line]

    def test_no_ipv4_group(self) -> None:
        """IPv6 works on the new interface, and both go on working on the old one."""
        program = self.kitchen()
        usual = self.deny(MEMBERSHIPS)
        self.lan.plug(self.ours, 1)
        program.wait_for("joined ff02::fb on eth1", self.patience)
        program.wait_for("cannot join 224.0.0.251 on eth1: No buffer space available", self.patience)
        self.wait_for_answer()
        self.assertNotIn("eth1/IPv4", self.joined())
        self.grant(MEMBERSHIPS, usual)
        self.eventually(lambda: self.joined() == ALL, "both groups to be joined", self.patience)
        self.assertTrue(Person(self.there, "eth1").ask("kitchen.local", within=self.patience))
        self.assertEqual(len(self.lines(program)), 1, program.output)
        self.assertIn("eth1/IPv4: limit of group memberships that the system grants reached", program.output)
        self.assert_well(program)

    def test_no_group(self) -> None:
        """Of neither family: one line for each group."""
        program = self.kitchen()
        usual = self.deny(MEMORY)
        self.lan.plug(self.ours, 1)
        program.wait_for("cannot join 224.0.0.251 on eth1: No buffer space available", self.patience)
        program.wait_for("cannot join ff02::fb on eth1: Cannot allocate memory", self.patience)
        self.wait_for_answer()
        self.grant(MEMORY, usual)
        self.eventually(lambda: self.joined() == ALL, "both groups to be joined", self.patience)
        self.assertTrue(Person(self.there, "eth1").ask("kitchen.local", within=self.patience))
        self.assertEqual(len(self.lines(program)), 2, program.output)
        self.assert_well(program)

    def test_echo(self) -> None:
        """The echo responder answers on the old interface, and on the new one when there is room."""
        groups = ("--group", "224.0.0.123", "--group", "ff02::123")
        program = self.program("-m", "twisted", "--log-format=text", "mcast", *groups)
        program.wait_for("Starting reactor", self.patience)
        self.eventually(lambda: self.is_echoed("eth0"), "an echo", self.patience)
        usual = self.deny(MEMORY)
        self.lan.plug(self.ours, 1)
        for group in ("224.0.0.123", "ff02::123"):
            program.wait_for(lambda line, group=group: "cannot" in line and group in line, self.patience)  # type: ignore[misc]
        self.eventually(lambda: self.is_echoed("eth0"), "an echo still", self.patience)
        self.assertFalse(self.is_echoed("eth1"))
        self.grant(MEMORY, usual)
        self.eventually(lambda: self.is_echoed("eth1"), "an echo on eth1", self.patience)
        self.assert_well(program)

    def is_echoed(self, interface: str) -> bool:
        """Whether somebody's ping is answered in each family."""
        ping = f"{sys.executable} -m mcast.cli ping -q -c 2 -w 2 -I {interface}"
        return all(
            "answered" in self.there.run("sh", "-c", f"{ping} {group} && echo answered", check=False)
            for group in ("224.0.0.123", "ff02::123")
        )
