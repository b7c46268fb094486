"""Interfaces come, go and change at random while somebody asks: after quiet all is as it should be."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import ClassVar

from tests.hostile.lab import LATEST, HostileTestCase, Person
from tests.hostile.machine import descriptors, memberships, wakes
from tests.interop.wire import A
from tests.network.lan import Lan

WANTED = {"eth0/IPv4": 1, "eth0/IPv6": 1, "eth1/IPv4": 1, "eth1/IPv6": 1}


class ChurnTests(HostileTestCase):
    """What ``ip`` can do to the interfaces of our host."""

    hosts = 3
    links = 2
    events: ClassVar[int] = 60

    def happenings(self, rng: Random) -> list[Callable[[], None]]:
        """Return what may happen next."""
        link = rng.randrange(2)
        device, host = f"eth{link}", self.ours
        there = device in self.devices

        def down() -> None:
            host.ip("link", "set", device, "down")

        def up() -> None:
            host.ip("link", "set", device, "up")
            host.add_addresses(link)

        def flush() -> None:
            host.ip("addr", "flush", "dev", device)

        def smaller() -> None:
            host.ip("link", "set", device, "mtu", str(rng.choice([1280, 1400, 1500])))

        def unplug() -> None:
            self.lan.unplug(host, link)
            self.devices.discard(device)

        def plug() -> None:
            self.lan.plug(host, link, wait=False)
            self.devices.add(device)

        return [down, up, up, flush, smaller, unplug] if there else [plug]

    def test_random_events(self) -> None:
        rng = Random(6762)
        self.devices = {"eth0", "eth1"}
        program = self.kitchen()
        people = [Person(self.there, f"eth{link}") for link in range(2)]
        self.eventually(lambda: memberships(self.ours) == WANTED, "the groups to be joined")
        held = descriptors(program.pid)
        for number in range(self.events):
            rng.choice(self.happenings(rng))()
            if rng.random() < 0.5:
                people[number % 2].ask("kitchen.local", within=rng.random() * 0.1)
        restore(self.lan, self.devices)
        for link, person in enumerate(people):
            answers = person.ask("kitchen.local", A, within=LATEST)
            self.assertEqual([answer.address for answer in answers], [self.ours.ipv4(link)])
        self.eventually(lambda: memberships(self.ours) == WANTED, f"{WANTED}, not {memberships(self.ours)}")
        self.eventually(lambda: descriptors(program.pid) == held, f"{held}, not {descriptors(program.pid)}")
        self.assert_idle(program.pid)
        self.assert_well(program, lines=40 + 12 * self.events)
        self.assert_ends(program)

    def assert_idle(self, pid: int) -> None:
        """Soon it waits for nothing but packets: no timer is left over."""
        deadline = time.monotonic() + LATEST
        while True:
            before = wakes(pid)
            time.sleep(1.5)
            woken = wakes(pid) - before
            if woken <= 3:
                return
            self.assertLess(time.monotonic(), deadline, f"it woke {woken} times in 1.5 s")


def restore(lan: Lan, devices: set[str]) -> None:
    """Give our host both interfaces with their addresses."""
    ours = lan.hosts[0]
    for device in devices:
        # Both first: each of the others waits for all that are there.
        ours.ip("link", "set", device, "up")
    for link in range(2):
        if f"eth{link}" in devices:
            ours.ip("link", "set", f"eth{link}", "mtu", "1500")
            lan.restore(ours, link)
        else:
            lan.plug(ours, link)
