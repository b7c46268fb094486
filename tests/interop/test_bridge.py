"""The bridge between two links, with Avahi on both.

``MCAST_BRIDGE_SECONDS=300`` lets it run for as long as one likes; by default it is watched for some seconds.
"""

from __future__ import annotations

import os
import re
import sys
import time
from functools import partial
from typing import ClassVar

from tests.interop.peers import AvahiHost, avahi_service_file
from tests.interop.probe import Sniffer
from tests.interop.programs import Program, require_programs
from tests.network.lan import Host, LanTestCase, wait_until

SECONDS = float(os.environ.get("MCAST_BRIDGE_SECONDS", "8"))


def _has(pattern: re.Pattern[str], line: str) -> bool:
    return pattern.search(line) is not None


class BridgeTestCase(LanTestCase):
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
        return {fields[3].replace("\\032", " ") for fields in host.browse("_ipp._tcp") if fields[0] == "+"}

    def wait_for_both(self, *sides: AvahiHost) -> None:
        for side in sides:
            seen: list[set[str]] = [set()]

            def looks_right(side: AvahiHost = side, seen: list[set[str]] = seen) -> bool:
                seen.append(self.found(side))
                return seen[-1] == set(self.services)

            try:
                wait_until(looks_right, f"both on the link of {side.hostname}")
            except AssertionError as error:
                raise AssertionError(f"{error}; seen at last: {seen[-1]}") from None

    def both_sides(self) -> tuple[AvahiHost, AvahiHost]:
        return (
            self.avahi(self.left, "lefthost", "Left Printer"),
            self.avahi(self.right, "righthost", "Right Printer"),
        )

    def wait_until_settled(self, bridge: Program) -> None:
        """Wait until a bridge has published each service, or left it to the other bridge."""
        for name in self.services:
            full_name = f"{name}._ipp._tcp.local."
            settled = re.compile(f"published {re.escape(full_name)}|{re.escape(full_name)} is left to")
            bridge.wait_for(partial(_has, settled))


class StartedLaterTests(BridgeTestCase):
    def test_one_that_starts_later(self) -> None:
        """Avahi sends IPv6 addresses alone over IPv6: a bridge may hear of these before the others."""
        sides = self.both_sides()
        for _ in range(2):
            bridge = self.bridge()
            self.wait_until_settled(bridge)
            self.wait_for_both(*sides)
            self.assertNotIn("instead", bridge.output)


class BridgeTests(BridgeTestCase):
    """Two bridges that start at once."""

    def test_names_cross_and_nothing_else(self) -> None:
        left, right = self.both_sides()
        watched = Sniffer(self.left), Sniffer(self.right)
        bridges = self.bridge(), self.bridge()
        for bridge in bridges:
            self.wait_until_settled(bridge)
        self.wait_for_both(left, right)
        left.browse("_only-left._tcp")

        def are_quiet() -> bool:
            marks = [sniffer.mark() for sniffer in watched]
            # That nothing happens is seen in no other way.
            time.sleep(SECONDS)
            heard = [sniffer.poll()[mark:] for sniffer, mark in zip(watched, marks, strict=True)]
            return not any(packet.message.authorities for packets in heard for packet in packets)

        # An address of which one bridge hears late is a conflict between them, and ends with a probe.
        wait_until(are_quiet, f"no probe for {SECONDS} s")
        # Avahi tells what it has so far, and may be slow in telling it.
        self.wait_for_both(left, right)
        asked = [str(question.name) for packet in watched[1].poll() for question in packet.message.questions]
        self.assertNotIn("_only-left._tcp.local.", asked)
        for bridge in bridges:
            self.assertNotIn("instead", bridge.output)
            bridge.end()
        wait_until(lambda: self.found(right) == {"Right Printer"}, "the goodbye of what was carried")
