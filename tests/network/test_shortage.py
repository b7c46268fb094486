"""What a system that refuses now and then, or is short of something, does to programs."""

from __future__ import annotations

import os
import resource
import sys
import time

from mcast.node.link_driver import FAILING_LIMIT
from tests.interop.peers import Responder
from tests.interop.probe import Packet, Prober
from tests.interop.programs import Program
from tests.interop.wire import A, Question, labels, query
from tests.network.lan import LanTestCase, wait_until

HOST = labels("kitchen.local")

TIMES = 10
"""Our choice: how often it is tried, at most, to allow again in time what was refused."""


def descriptors(program: Program) -> int:
    """Return the lowest number of a descriptor that is free, but for what the program opens for a moment."""
    lowest = []
    for _ in range(5):
        taken = {int(each) for each in os.listdir(f"/proc/{program.pid}/fd")}
        lowest.append(next(number for number in range(len(taken) + 1) if number not in taken))
        time.sleep(0.05)
    return min(lowest)


class DescriptorTests(LanTestCase):
    """Too few file descriptors."""

    links = 2

    def test_eight_in_all(self) -> None:
        """One line, and status 1."""
        here = self.lan.hosts[0]
        program = Program(
            here.command("prlimit", "--nofile=8", sys.executable, "-m", "twisted", "mcast", "mdns")
        )
        self.addCleanup(program.end)
        self.assertEqual(program.wait(), 1)
        self.assertEqual(program.lines, ["mcast: Too many open files"])

    def test_interface_that_comes_while_none_is_free(self) -> None:
        """It is used once there is one, with nothing else that changes."""
        here = self.lan.hosts[0]
        self.lan.unplug(here, 1)
        responder = Responder(here, "--hostname", "kitchen")
        self.addCleanup(responder.close)
        responder.wait_for("published kitchen")
        pid = responder.program.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        limit = descriptors(responder.program)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, before[1]))
        self.lan.plug(here, 1)
        responder.wait_for("cannot enumerate interfaces")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        responder.wait_for("joined 224.0.0.251 on eth1")


class RefusalTests(LanTestCase):
    """A firewall of the host itself refuses what a responder sends."""

    def setUp(self) -> None:
        super().setUp()
        self.here, self.there = self.lan.hosts
        self.prober = Prober(self.there)
        self.addCleanup(self.prober.close)

    def serve(self) -> Responder:
        """Start a responder that has announced its host."""
        start = self.prober.sniffer.mark()
        responder = Responder(self.here, "--hostname", "kitchen", "--no-ipv6")
        self.addCleanup(responder.close)
        responder.wait_for("published kitchen")
        wait_until(lambda: len(self.answers(start)) >= 2, "two announcements")
        self.prober.sniffer.wait_until_calm(lambda each: not each.outgoing)
        return responder

    def refuse(self) -> None:
        self.here.run("nft", "add table inet refusing")
        self.addCleanup(self.allow)
        self.here.run("nft", "add chain inet refusing out { type filter hook output priority 0 ; }")
        self.here.run("nft", "add rule inet refusing out udp sport 5353 drop")

    def allow(self) -> None:
        self.here.run("nft", "delete table inet refusing", check=False)

    def packets(self, start: int) -> list[Packet]:
        return [each for each in self.prober.sniffer.poll()[start:] if not each.outgoing]

    def answers(self, start: int) -> list[Packet]:
        return [each for each in self.packets(start) if each.message.answers_for(HOST, A)]

    def test_for_a_moment(self) -> None:
        """What was refused is said a moment later, and nothing is claimed anew."""
        for _ in range(TIMES):
            responder = self.serve()
            self.refuse()
            start = self.prober.sniffer.mark()
            began = time.monotonic()
            self.prober.send(query(Question(HOST, A)))
            time.sleep(0.5)
            self.assertEqual(self.packets(start), [])
            self.allow()
            if time.monotonic() - began < FAILING_LIMIT:
                break
            responder.close()
        else:
            self.fail("this machine is too busy: each moment was too long for one")
        wait_until(lambda: self.packets(start), "the answer")
        time.sleep(1.0)
        self.assertEqual([each for each in self.packets(start) if each.message.authorities], [])
        self.assertEqual(len(self.answers(start)), 1)
