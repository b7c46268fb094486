"""The bridge between two links, with Avahi on both.

``MCAST_BRIDGE_SECONDS=300`` lets it run for as long as one likes; by default it is watched for some seconds.
"""

from __future__ import annotations

import os
import sys
import time
from typing import ClassVar

from tests.interop.peers import AvahiHost, avahi_service_file
from tests.interop.probe import Sniffer
from tests.interop.programs import Program, require_programs
from tests.network.lan import Host, LanTestCase, wait_until

SECONDS = float(os.environ.get("MCAST_BRIDGE_SECONDS", "8"))


class BridgeTests(LanTestCase):
    """The bridge has an interface on each link, every other host on one."""

    hosts, links = 3, 2
    services: ClassVar = {"Left Printer": 631, "Right Printer": 632}

    def setUp(self) -> None:
        super().setUp()
        require_programs("avahi-daemon", "avahi-browse", "dbus-daemon")
        self.machine, self.left, self.right = self.lan.hosts
        self.lan.unplug(self.left, 1)
        self.lan.unplug(self.right, 0)
        # The configuration of Avahi in these tests names eth0.
        self.right.ip("link", "set", "eth1", "down")
        self.right.ip("link", "set", "eth1", "name", "eth0")
        self.right.ip("link", "set", "eth0", "up")
        right = self.right
        for address in (f"{right.ipv4(1)}/24", f"{right.ipv6(1)}/64", f"{right.link_local(1)}/64"):
            flags = ["nodad"] if ":" in address else []
            self.right.ip("addr", "replace", address, "dev", "eth0", *flags)

    def avahi(self, host: Host, hostname: str, name: str) -> AvahiHost:
        text = avahi_service_file(name, "_ipp._tcp", self.services[name])
        made = AvahiHost(host, hostname, services={"a.service": text})
        self.addCleanup(made.close)
        return made

    def bridge(self) -> Program:
        words = ["--from", "eth0", "--to", "eth1", "--type", "_ipp._tcp", "--both-ways"]
        twist = [sys.executable, "-m", "twisted", "--log-format", "text", "mcast", "bridge"]
        program = Program(self.machine.command(*twist, *words))
        self.addCleanup(program.end)
        return program

    def found(self, host: AvahiHost) -> set[str]:
        return {fields[3] for fields in host.browse("_ipp._tcp") if fields[0] == "+"}

    def test_names_cross_and_nothing_else(self) -> None:
        left, right = (
            self.avahi(self.left, "lefthost", "Left Printer"),
            self.avahi(self.right, "righthost", "Right Printer"),
        )
        watched = Sniffer(self.left), Sniffer(self.right)
        first, second = self.bridge(), self.bridge()
        both = {"Left\\032Printer", "Right\\032Printer"}
        wait_until(lambda: self.found(left) == both, f"{both} on the left")
        wait_until(lambda: self.found(right) == both, f"{both} on the right")
        left.browse("_only-left._tcp")
        marks = [sniffer.mark() for sniffer in watched]
        # That nothing happens is seen in no other way.
        time.sleep(SECONDS)
        # Avahi tells what it has so far, and may be slow in telling it.
        wait_until(lambda: (self.found(left), self.found(right)) == (both, both), "both on both sides still")
        asked = [str(question.name) for packet in watched[1].poll() for question in packet.message.questions]
        self.assertNotIn("_only-left._tcp.local.", asked)
        for sniffer, mark in zip(watched, marks, strict=True):
            probes = [packet for packet in sniffer.poll()[mark:] if packet.message.authorities]
            self.assertEqual(probes, [])
        self.assertNotIn("is taken by another host", first.output + second.output)
        first.end()
        second.end()
        wait_until(lambda: self.found(right) == {"Right\\032Printer"}, "the goodbye of what was carried")
