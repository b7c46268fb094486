"""Programs that bind port 5353 after us take our unicast from us, and no name from anybody (RFC 6762 §15)."""

from __future__ import annotations

import socket
from random import Random

from mcast.dns.messages import decode
from mcast.dnssd.service import Service
from mcast.mdns import lint
from mcast.mdns.lint import Linter
from mcast.node.node import Node
from tests.interop.peers import AvahiHost, Responder, avahi_service_file
from tests.interop.probe import Sniffer
from tests.interop.programs import require_programs
from tests.network.lan import Host
from tests.network.reactors import ReactorLanTestCase

TYPE = "_door._tcp"

NAMES = ("Door", "Gate", "Hatch")
"""What is owned and wanted in a scene. Our choice: one of three is defended in time.

An owner that gets no processor for the 750 ms of a rival's probes loses the name to it, as the RFC has it.
"""


class SharedPortTests(ReactorLanTestCase):
    """A node of ours on the first host; programs that come before it and after it."""

    links = 1

    node: Node

    def start(self) -> None:
        """Start our node."""
        self.node = Node(self.reactor, hostname="here", rng=Random(1))
        self.node.startService()
        self.addCleanup(self.stop)
        self.publish("Other")

    def stop(self) -> None:
        self.wait(self.node.stopService())

    def publish(self, *names: str) -> None:
        """Publish services on our node; they get their names, and keep them."""
        for name in names:
            self.assertEqual(self.published(name), name)

    def published(self, name: str) -> str:
        """Publish a service on our node, and return the name that it keeps."""
        registration = self.node.publish(Service(name, TYPE, 1))
        self.until(lambda: registration.is_claimed, name)
        # What was claimed in vain is contested when it is announced.
        self.turn(1.5)
        self.until(lambda: registration.is_claimed, name)
        return registration.name

    def assert_given_way(self) -> None:
        """Our node takes another name where another program has the one that it wants."""
        self.assertTrue(any(self.published(name) == f"{name} (2)" for name in NAMES))

    def serve(self, host: Host, hostname: str, *names: str) -> Responder:
        """Start a responder of ours with services."""
        services = [word for name in names for word in ("--service", f"{name}:{TYPE}:2")]
        responder = Responder(host, "--hostname", hostname, *services)
        self.addCleanup(responder.close)
        return responder

    def owner(self, host: Host, hostname: str) -> None:
        """Start a responder of ours that has all the names."""
        responder = self.serve(host, hostname, *NAMES)
        for name in NAMES:
            self.assertEqual(self.served(name, responder), name)

    def served(self, name: str, responder: Responder) -> str:
        """Return the name that the service of a responder gets and keeps."""

        def last() -> str:
            marked = [line for line in responder.log.splitlines() if f"{TYPE}.local" in line]
            said = [line.partition("published ")[2].partition(f".{TYPE}")[0] for line in marked]
            names = [each.replace("\\", "") for each in said if each]
            return next((each for each in reversed(names) if each in (name, f"{name} (2)")), "")

        self.until(last, f"{name} to be published")
        self.turn(2.0)
        return last()

    def bind(self, host: Host) -> None:
        """Bind sockets that do nothing."""
        for ipv6, any_address in ((False, "0.0.0.0"), (True, "::")):
            bare = host.open_socket(socket.AF_INET6 if ipv6 else socket.AF_INET)
            self.addCleanup(bare.close)
            bare.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if ipv6:
                bare.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bare.bind((any_address, 5353))

    def avahi(self, host: Host, hostname: str, service: str) -> AvahiHost:
        """Start avahi-daemon with one service."""
        require_programs("avahi-daemon")
        files = {"one.service": avahi_service_file(service, TYPE, 3)}
        avahi = AvahiHost(host, hostname, dbus=False, services=files)
        self.addCleanup(avahi.close)
        return avahi

    def test_owner_elsewhere(self) -> None:
        """M-8.1-10, M-15.1-2: a socket bound after us hides nobody's name from us."""
        self.owner(self.there, "there")
        self.start()
        self.bind(self.here)
        self.assert_given_way()

    def test_owner_here(self) -> None:
        """M-8.1-8: we defend our name with a socket bound after us here and after the prober there."""
        self.start()
        self.bind(self.here)
        self.publish(*NAMES)

        def gives_way(name: str) -> bool:
            prober = self.serve(self.there, "there", name)
            prober.wait_for("joined")
            self.bind(self.there)
            kept = self.served(name, prober)
            prober.close()
            return kept == f"{name} (2)"

        self.assertTrue(any(gives_way(name) for name in NAMES))

    def test_older_sibling(self) -> None:
        """M-15.1-2: another program of ours on this host has the name, and the port after us."""
        self.start()
        self.owner(self.here, "here")
        self.assert_given_way()

    def test_newer_sibling(self) -> None:
        """M-8.1-8: we have the name, and another program of ours on this host wants it."""
        self.start()
        self.publish(*NAMES)

        def gives_way(name: str) -> bool:
            return self.served(name, self.serve(self.here, "here", name)) == f"{name} (2)"

        self.assertTrue(any(gives_way(name) for name in NAMES))

    def test_avahi_beside_us(self) -> None:
        """M-8.1-10, M-15.1-2: avahi-daemon started after us, and the owner of the name elsewhere."""
        self.owner(self.there, "there")
        self.start()
        self.avahi(self.here, "beside", "Shutter")
        self.assert_given_way()

    def test_avahi_has_the_name(self) -> None:
        """M-8.1-10: the avahi-daemon beside us is the owner of the name."""
        self.start()
        self.assertTrue(any(self.is_defended(name) for name in NAMES))

    def is_defended(self, name: str) -> bool:
        """Publish a name that avahi-daemon has; tell whether it said so in time."""
        avahi = self.avahi(self.here, "beside", name)
        self.until(lambda: "successfully established" in avahi.daemon.output, avahi.daemon.output)
        registration = self.node.publish(Service(name, TYPE, 1))

        def is_ours() -> bool:
            return registration.name == f"{name} (2)" and registration.is_claimed

        self.until(lambda: is_ours() or f"{name} #2" in avahi.daemon.output, avahi.daemon.output)
        if is_ours():
            self.turn(1.5)
            self.assertTrue(is_ours())
            return True
        avahi.close()
        return False

    def test_avahi_wants_the_name(self) -> None:
        """M-8.1-8: the avahi-daemon beside us wants a name of ours and takes another one."""
        self.start()
        self.publish(*NAMES)

        def gives_way(name: str) -> bool:
            avahi = self.avahi(self.here, "beside", name)
            known = (f"{name} #2", "successfully established")
            self.until(lambda: any(each in avahi.daemon.output for each in known), avahi.daemon.output)
            self.turn(1.0)
            gave_way = f"{name} #2" in avahi.daemon.output
            avahi.close()
            return gave_way and name in [one.name for one in self.node.registrations]

        self.assertTrue(any(gives_way(name) for name in NAMES))

    def test_three_programs(self) -> None:
        """M-6-6: three programs of one host together repeat nothing too soon."""
        sniffer = Sniffer(self.there, "eth0")
        self.addCleanup(sniffer.close)
        responders = [
            Responder(self.here, "--hostname", "here", "--service", f"Door {number}:{TYPE}:{number}")
            for number in (1, 2, 3)
        ]
        for responder in responders:
            self.addCleanup(responder.close)
        for number, responder in enumerate(responders, 1):
            self.assertEqual(self.served(f"Door {number}", responder), f"Door {number}")
        # A busy machine sends some time after it has looked at the clock.
        self.patch(lint, "TIME_TOLERANCE", 0.5)
        linters = {"224.0.0.251": Linter(), "ff02::fb": Linter(ipv6=True)}
        breaches = []
        for packet in sniffer.poll():
            if packet.destination in linters and packet.source_port == 5353:
                message = decode(packet.payload)
                linter = linters[packet.destination]
                breaches += linter.examine(message, len(packet.payload), packet.source, 5353, packet.at)
        self.assertEqual([f"{one.source} {one.rule}: {one.detail}" for one in breaches], [])
