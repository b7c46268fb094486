"""Many want one name: in the end each has its own, soon and without much ado."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import ClassVar

from tests.hostile.lab import LATEST, HostileTestCase, Person, promised
from tests.interop.peers import AvahiHost
from tests.interop.probe import Sniffer
from tests.interop.programs import Program
from tests.network.lan import Host, _run

SHELF = """<?xml version="1.0"?>
<service-group><name>Shelf</name><service><type>_http._tcp</type><port>80</port></service></service-group>
"""
"""A service of Avahi."""


def held_name(program: Program) -> str:
    """Return the host name that a responder holds in the end; empty when it holds none."""
    name = ""
    for line in program.lines:
        words = line.split()
        if "published" in words and words[words.index("published") + 1].count(".") == 2:
            name = words[words.index("published") + 1]
    return name


class CrowdTests(HostileTestCase):
    """Hosts of one name that start in the same second."""

    hosts = 7
    patience = promised(20.0, 60.0)
    packets: ClassVar[int] = 40
    """Of each host and family."""

    def test_all_are_unique_and_quiet(self) -> None:
        watcher, *crowd = self.lan.hosts
        sniffer = Sniffer(watcher)
        self.addCleanup(sniffer.close)
        programs = [self.responder("--hostname", "kitchen", host=host) for host in crowd]
        for program in programs:
            program.wait_for("Starting reactor")
        began = time.time()  # of the last one: on two cores thirty interpreters need ten seconds to start
        self.eventually(lambda: unique(programs), "each to have a name of its own", self.patience)
        sniffer.wait_until_calm(lambda packet: True, seconds=2.0)  # both announcements of the last one left
        self.assertLess(sniffer.packets[-1].at - began, self.patience)
        at = sniffer.mark()
        time.sleep(3.0)
        self.assertTrue(unique(programs))
        self.assertLessEqual(len(sniffer.poll()) - at, 2)
        sent = Counter(packet.source for packet in sniffer.packets)
        self.assertLessEqual(max(sent.values()), self.packets, sent)
        names = {held_name(program).removesuffix(".") for program in programs}
        person = Person(watcher)
        self.assertEqual([name for name in sorted(names) if not person.ask(name)], [])


def unique(programs: list[Program]) -> bool:
    """Whether each holds a name that no other one holds."""
    names = [held_name(program) for program in programs]
    return all(names) and len(set(names)) == len(names)


class JoinedTestCase(HostileTestCase):
    """Two networks that become one."""

    links = 2

    def join(self) -> None:
        """Connect the two switches."""
        switch = self.lan.switch
        _run("ip", "-n", switch, "link", "add", "ja", "type", "veth", "peer", "name", "jb")
        self.addCleanup(_run, "ip", "-n", switch, "link", "del", "ja")
        for end, bridge in (("ja", "br0"), ("jb", "br1")):
            _run("ip", "-n", switch, "link", "set", end, "master", bridge, "up")


class JoinedNetworksTests(JoinedTestCase):
    """Each has a host of the same name."""

    def test_one_gives_way(self) -> None:
        left = self.responder("--hostname", "kitchen", "--interface", "eth0", host=self.ours)
        right = self.responder("--hostname", "kitchen", "--interface", "eth1", host=self.there)
        for program in (left, right):
            program.wait_for("published kitchen")
        self.assertEqual((held_name(left), held_name(right)), ("kitchen.local.", "kitchen.local."))
        self.join()
        # RFC 6762 §9: it is noticed with the next packet that has the records of both.
        self.eventually(lambda: self.asked_until_unique(left, right), "one to give way", promised(20.0))
        self.assert_well(left)
        self.assert_well(right)

    def asked_until_unique(self, *programs: Program) -> bool:
        Person(self.lan.hosts[2]).ask("kitchen.local", within=0.5)
        return unique(list(programs))


class BothSidesTests(JoinedTestCase):
    """We are on both networks before, and so is what others see of us; Avahi is on one of them."""

    def test_nothing_changes(self) -> None:
        """We hear on each interface what we say on the other, and it is no conflict (RFC 6762 §14)."""
        watcher = self.lan.hosts[2]
        avahi = AvahiHost(self.there, "avahi", services={"shelf.service": SHELF})
        self.addCleanup(avahi.close)
        program = self.kitchen()
        browsers = [self.browser("_http._tcp", host=host) for host in (self.ours, self.there, watcher)]
        self.see(browsers)
        self.join()
        sniffer = Sniffer(watcher)
        self.addCleanup(sniffer.close)
        # Until packets pass: what one side asks is answered by the other.
        joined = promised(30.0, 60.0)
        self.eventually(lambda: Person(watcher, "eth1").ask("avahi.local", within=1.0), "one network", joined)
        time.sleep(8.0)  # a conflict would be seen, and a new name claimed
        at = sniffer.mark()
        for interface in ("eth0", "eth1"):
            self.assertTrue(Person(watcher, interface).ask("kitchen.local", within=promised(10.0)))
        time.sleep(2.0)
        packets = sniffer.poll()[at:]
        # A busy machine is asked again.
        asked = [each for each in packets if each.source in (watcher.ipv4(0), watcher.ipv4(1))]
        self.assertGreaterEqual(len(asked), 2)
        # An answer by each interface and family at most, and once more to each address of the other side.
        ours = {self.ours.ipv4(0), self.ours.ipv4(1), self.ours.link_local(0), self.ours.link_local(1)}
        answers = [each for each in packets if each.source in ours and each.message.is_response]
        self.assertLessEqual(len(answers), 4 * len(asked), [each.message for each in answers])
        self.assertEqual(held_name(program), "kitchen.local.")
        self.assertNotIn("taken", program.output)
        self.assertNotIn("contested", program.output)
        self.assertNotIn("conflict", avahi.daemon.output)
        for browser in browsers:
            self.assertEqual([line for line in browser.lines if line.startswith("-")], [])
        self.assert_well(program)

    def see(self, browsers: Iterable[Program]) -> None:
        """Wait until each shows what both hosts publish."""
        for browser in browsers:
            for name in ("Web", "Shelf"):
                browser.wait_for(
                    lambda line, name=name: line.startswith("+") and name in line,  # type: ignore[misc]
                    promised(30.0, 60.0),
                )


class ReflectorTests(HostileTestCase):
    """Avahi reflects all packets between two links; one of our hosts is on both."""

    hosts = 4
    links = 2

    def test_nobody_loses_a_name(self) -> None:
        both, left, right, mirror = self.lan.hosts
        reflector = self.reflect(mirror)
        programs = [
            self.responder("--hostname", "both", host=both),
            self.responder("--hostname", "left", "--interface", "eth0", host=left),
            self.responder("--hostname", "right", "--interface", "eth1", host=right),
        ]
        for program, name in zip(programs, ("both", "left", "right"), strict=True):
            program.wait_for(f"published {name}")
        time.sleep(5.0)
        self.assertTrue(Person(left, "eth0").ask("right.local", within=LATEST), reflector.output)
        self.assertEqual(
            [held_name(program) for program in programs], ["both.local.", "left.local.", "right.local."]
        )
        for program in programs:
            self.assertNotIn("taken", program.output)
            self.assert_well(program)

    def reflect(self, host: Host) -> Program:
        configuration = self.folder / "avahi.conf"
        configuration.write_text(
            "[server]\nhost-name=mirror\nenable-dbus=no\nallow-interfaces=eth0,eth1\n"
            "[reflector]\nenable-reflector=yes\n[rlimits]\n"
        )
        options = "--no-drop-root --no-chroot --no-proc-title --no-rlimits"
        script = (
            "mount -t tmpfs tmpfs /run && mkdir /run/avahi-daemon && "
            f"exec avahi-daemon --file={configuration} {options}"
        )
        program = Program(host.command("sh", "-c", script))
        self.addCleanup(program.end)
        program.wait_for("startup complete")
        return program
