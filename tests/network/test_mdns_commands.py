"""`twist mcast mdns` and `mcast publish` as programs on a test host."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from typing import Any

from mcast.mdns.constants import MDNS_PORT
from tests.interop.peers import Responder
from tests.interop.probe import Sniffer
from tests.interop.programs import Program
from tests.interop.wire import A, labels
from tests.network.lan import PATIENCE, LanTestCase, wait_until

HOST = labels("kitchen.local")


def ended(program: Program) -> int:
    """Return the exit status of a program that ends by itself."""
    wait_until(lambda: not program.is_running, "the program to end")
    return program.end()


class TwistTests(LanTestCase):
    """The responder as a daemon."""

    def setUp(self) -> None:
        super().setUp()
        self.here, self.there = self.lan.hosts
        self.sniffer = Sniffer(self.there)
        self.addCleanup(self.sniffer.close)

    def responder(self, *words: str) -> Responder:
        responder = Responder(self.here, "--hostname", "kitchen", *words)
        self.addCleanup(responder.close)
        return responder

    def test_sigterm(self) -> None:
        """M-10.1-1: SIGTERM sends goodbyes, and the program ends as Twisted has it."""
        responder = self.responder("--service", "Web:_http._tcp:80")
        responder.wait_for("published Web")
        self.assertIn(responder.close(), (0, -signal.SIGTERM))

        def ttls() -> list[int]:
            return [one.ttl for packet in self.sniffer.poll() for one in packet.message.answers_for(HOST, A)]

        wait_until(lambda: ttls()[-1:] == [0], "a goodbye")
        self.assertEqual(ttls()[0], 120)

    def test_sigusr1(self) -> None:
        responder = self.responder()
        responder.wait_for("published kitchen")
        os.kill(responder.program.pid, signal.SIGUSR1)
        responder.wait_for("kitchen.local. is published")
        responder.wait_for("eth0/IPv6")

    def test_sighup(self) -> None:
        file = os.path.abspath(self.mktemp())
        with open(file, "w") as stream:
            stream.write('[[service]]\nname = "One"\ntype = "_http._tcp"\nport = 1\n')
        responder = self.responder("--services", file)
        responder.wait_for("published One")
        with open(file, "w") as stream:
            stream.write('[[service]]\nname = "Another"\ntype = "_http._tcp"\nport = 1\n')
        os.kill(responder.program.pid, signal.SIGHUP)
        responder.wait_for("withdrew One")
        responder.wait_for("published Another")

    def test_held_port(self) -> None:
        """A port that another program does not share is one line, and exit status 1."""
        for family in (socket.AF_INET, socket.AF_INET6):
            holder = self.here.open_socket(family)
            if family == socket.AF_INET6:
                holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            holder.bind(("", MDNS_PORT))
        responder = self.responder()
        responder.program.wait_for("already in use")
        self.assertEqual(ended(responder.program), 1)
        self.assertNotIn("Traceback", responder.log)

    def test_faulty_file(self) -> None:
        file = os.path.abspath(self.mktemp())
        with open(file, "w") as stream:
            stream.write("[[service]]\nname =\n")
        responder = self.responder("--services", file)
        responder.wait_for(f"{file}:2:")
        self.assertEqual(ended(responder.program), 1)
        self.assertNotIn("Traceback", responder.log)


class PublishTests(LanTestCase):
    """`mcast publish` until Ctrl-C."""

    def setUp(self) -> None:
        super().setUp()
        self.here, self.there = self.lan.hosts
        self.sniffer = Sniffer(self.there)
        self.addCleanup(self.sniffer.close)

    def publish(self, *words: str) -> Program:
        program = Program(self.here.command(sys.executable, "-m", "mcast.cli", "publish", *words))
        self.addCleanup(program.end)
        return program

    def interrupt(self, program: Program) -> int:
        os.kill(program.pid, signal.SIGINT)
        return ended(program)

    def test_until_interrupted(self) -> None:
        program = self.publish("My Web", "_http._tcp,_printer", "8080", "path=/")
        program.wait_for("published My Web._http._tcp.local.")
        self.assertEqual(self.interrupt(program), 0)
        name = labels("_printer._sub._http._tcp.local")

        def ttls() -> list[int]:
            return [one.ttl for packet in self.sniffer.poll() for one in packet.message.find(name, 12)]

        wait_until(lambda: ttls()[-1:] == [0], "a goodbye")
        self.assertEqual(ttls()[0], 4500)

    def test_proxy(self) -> None:
        """For another host, whose name and address are published too."""
        program = self.publish(
            "Web", "_http._tcp", "80", "--host", "printer", "--address", "10.77.0.99", "--json"
        )
        program.wait_for("published")
        event: dict[str, Any] = json.loads(program.lines[0])
        self.assertEqual((event["name"], event["host"]), ("Web", "printer.local."))

        def found() -> set[str]:
            return {
                one.address
                for packet in self.sniffer.poll()
                for one in packet.message.answers_for(labels("printer.local"), A)
            }

        wait_until(found, "an announcement")
        self.assertEqual(found(), {"10.77.0.99"})

    def test_found_from_a_port_of_its_own(self) -> None:
        """RFC 6762 §5.1: where another program holds 5353 alone, `mcast resolve` asks from another port."""
        for family in (socket.AF_INET, socket.AF_INET6):
            holder = self.there.open_socket(family)
            self.addCleanup(holder.close)
            if family == socket.AF_INET6:
                holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            holder.bind(("", MDNS_PORT))
        self.publish("Web", "_http._tcp", "80").wait_for("published")
        words = ("resolve", "Web", "_http._tcp", "--wait", str(PATIENCE))
        seeking = Program(self.there.command(sys.executable, "-m", "mcast.cli", *words))
        self.addCleanup(seeking.end)
        seeking.wait_for("port       80")
        self.assertEqual(ended(seeking), 0)
        self.assertNotIn("tried again", "".join(seeking.lines))

    def test_taken_name(self) -> None:
        """One that gets no processor for the 750 ms of the probes gives the name up, as the RFC has it."""
        self.assertTrue(any(self.is_defended(name) for name in ("Web", "Shop", "Office")))

    def is_defended(self, name: str) -> bool:
        """Publish the same on both hosts; tell whether the second takes another name, and says so."""
        first = self.publish(name, "_http._tcp", "80")
        first.wait_for("published")
        words = ("publish", name, "_http._tcp", "81")
        second = Program(self.there.command(sys.executable, "-m", "mcast.cli", *words))
        self.addCleanup(second.end)
        second.wait_for(f"published {name}")
        if f"published {name} (2)" not in second.output:
            return False
        second.wait_for(f"'{name} (2)'")
        return True

    def test_mistakes(self) -> None:
        for words, said in (
            (("Web", "http", "80"), "http"),
            (("Web", "_http._tcp", "99999"), "99999"),
            (("Web", "_http._tcp", "80", "--address", "1.2.3.4"), "--host"),
            (("Web", "_http._tcp", "80", "--host", "x", "--address", "ff02::1"), "ff02::1"),
            (("Web", "_http._tcp", "80", "--host", "x", "--address", "0.0.0.0"), "0.0.0.0"),
            (("Web", "_http._tcp", "80", "--interface", "nosuch"), "nosuch"),
        ):
            program = self.publish(*words)
            program.wait_for(said)
            self.assertEqual(ended(program), 2)
            self.assertEqual(len(program.lines), 1)
