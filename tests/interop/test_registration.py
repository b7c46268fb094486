"""Services registered in BIND and Knot by DNS Update with TSIG, and read back by dig."""

from __future__ import annotations

import signal
import sys
import tempfile
from itertools import count
from pathlib import Path
from typing import ClassVar

from tests.blocks import block
from tests.interop.dns_servers import KEY, Bind, DnsServer, Knot, zone_text
from tests.interop.programs import Program, require_programs
from tests.network.lan import PATIENCE, Host, Lan, LanTestCase, wait_until

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
OTHER_SECRET = "YW5vdGhlciBzZWNyZXQgb2YgMzI="


class RegistrationTestCase(LanTestCase):
    """One host runs the server, the other one registers."""

    hosts, links = 2, 1
    kind: ClassVar[type[DnsServer]]
    lan: Lan

    def setUp(self) -> None:
        super().setUp()
        require_programs("named", "knotd", "dig")
        self.machine, self.subject = self.lan.hosts
        lines = (f"ns A {self.machine.ipv4()}", 'Taken._http._tcp TXT "theirs"')
        zones = {"example.com": zone_text("example.com.", "ns.example.com.", *lines)}
        self.server = self.kind(self.machine, zones)
        self.addCleanup(self.server.close)
        self.folder = Path(tempfile.mkdtemp(prefix="mcast-keys-"))

    def key_file(self, secret: str = KEY, name: str = "tests") -> str:
        path = self.folder / f"{name}.key"
        path.write_text(f'key "{name}" {{\n\talgorithm hmac-sha256;\n\tsecret "{secret}";\n}};\n')
        path.chmod(0o600)
        return str(path)

    def register(self, *words: str, key: str | None = None, **environment: str) -> Program:
        target = f"example.com@{self.machine.ipv4()}"
        command = [
            sys.executable,
            "-m",
            "twisted",
            "--log-format",
            "text",
            "mcast",
            "mdns",
            "--hostname",
            "kitchen",
        ]
        command += ["--update", target, "--update-key", self.key_file() if key is None else key, *words]
        program = Program(self.subject.command(*command), environment=environment)
        self.addCleanup(program.end)
        return program

    def twist(self, host: Host, *words: str) -> Program:
        command = [sys.executable, "-m", "twisted", "--log-format", "text", "mcast", *words]
        program = Program(host.command(*command))
        self.addCleanup(program.end)
        return program

    def dig(self, name: str, rtype: str) -> list[str]:
        """Return what there is, in lower case: Knot keeps the names of an update so."""
        words = ("dig", "+short", "+tcp", "+tries=1", "+timeout=60")
        said = self.subject.run(*words, f"@{self.machine.ipv4()}", name, rtype)
        return sorted(said.lower().split("\n"))[1:]

    def wait_for(self, name: str, rtype: str, *said: str) -> None:
        """Wait until this is what there is."""
        wait_until(
            lambda: self.dig(name, rtype) == sorted(each.lower() for each in said),
            f"{said} in the zone",
        )

    def wait_for_types(self, *instances: str) -> None:
        self.wait_for("_http._tcp.example.com", "PTR", *instances)

    def one_line(self, program: Program, wanted: str) -> None:
        """A trouble is told once, and names no secret."""
        index = program.wait_for(wanted)
        self.assertIn(f"example.com at {self.machine.ipv4()}", program.lines[index])
        self.assertEqual(sum(wanted in line for line in program.lines), 1)
        self.assertNotIn(KEY, program.output)
        self.assertEqual(self.dig("_http._tcp.example.com", "PTR"), [])


class Registering:
    """What holds with each server."""

    def test_a_life(self: RegistrationTestCase) -> None:  # type: ignore[misc]
        """U-2.5.1-1, T-5.1-1: registered, read back, left by SIGKILL, replaced, and removed at the end."""
        first = self.register("--service", "My Web:_http._tcp:80:path=/", "--service", "Old:_http._tcp:81")
        self.wait_for_types("My\\032Web._http._tcp.example.com.", "Old._http._tcp.example.com.")
        self.wait_for("My\\032Web._http._tcp.example.com", "SRV", "0 0 80 kitchen.example.com.")
        self.wait_for("kitchen.example.com", "A", self.subject.ipv4())
        self.wait_for("kitchen.example.com", "AAAA", "fd77::2")
        self.wait_for("My\\032Web._http._tcp.example.com", "TXT", '"path=/"')
        self.wait_for("_services._dns-sd._udp.example.com", "PTR", "_http._tcp.example.com.")
        first.send_signal(signal.SIGKILL)
        first.wait()
        ports = count(90)

        def is_removed() -> bool:
            port = next(ports)
            second = self.register("--service", f"My Web:_http._tcp:{port}")
            self.wait_for("My\\032Web._http._tcp.example.com", "SRV", f"0 0 {port} kitchen.example.com.")
            self.wait_for_types("My\\032Web._http._tcp.example.com.")
            self.wait_for("Old._http._tcp.example.com", "ANY")
            second.end()
            # Where the server stands still for three seconds, the end does not wait for it.
            return not self.dig("_http._tcp.example.com", "PTR")

        wait_until(is_removed, "an end with all names removed", 2 * PATIENCE)
        self.assertEqual(self.dig("kitchen.example.com", "ANY"), [])
        self.assertEqual(self.dig("_services._dns-sd._udp.example.com", "PTR"), [])

    def test_a_name_of_another_host(self: RegistrationTestCase) -> None:  # type: ignore[misc]
        """U-4.1-1: it keeps what it has."""
        self.register("--service", "Taken:_http._tcp:80")
        self.wait_for_types("Taken\\032\\(2\\)._http._tcp.example.com.")
        self.assertEqual(self.dig("Taken._http._tcp.example.com", "TXT"), ['"theirs"'])

    def test_a_wrong_secret(self: RegistrationTestCase) -> None:  # type: ignore[misc]
        """T-5.2.2-1."""
        program = self.register("--service", "Web:_http._tcp:80", key=self.key_file(OTHER_SECRET))
        self.one_line(program, "it has another secret for the key tests (BADSIG)")

    def test_an_unknown_key(self: RegistrationTestCase) -> None:  # type: ignore[misc]
        """T-5.2.1-1."""
        program = self.register("--service", "Web:_http._tcp:80", key=self.key_file(name="nobody"))
        self.one_line(program, "it does not know the key nobody,")

    def test_a_clock_that_is_hours_off(self: RegistrationTestCase) -> None:  # type: ignore[misc]
        """T-5.2.3-3."""
        environment = {"LD_PRELOAD": FAKETIME, "FAKETIME": "+5h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        program = self.register("--service", "Web:_http._tcp:80", **environment)
        self.one_line(program, "its clock and ours differ by about 5 hours")

    def test_a_zone_that_it_does_not_have(self: RegistrationTestCase) -> None:  # type: ignore[misc]
        target = f"example.org@{self.machine.ipv4()}"
        program = self.register(
            "--service", "Web:_http._tcp:80", "--update", target, "--update-key", self.key_file()
        )
        program.wait_for(f"example.org at {self.machine.ipv4()}: it ")

    def test_export(self: RegistrationTestCase) -> None:  # type: ignore[misc]
        """What is found on the link stands in the zone, with its host, for as long as it is there."""
        device = self.twist(
            self.machine, "mdns", "--hostname", "printer", "--service", "Printer:_http._tcp:80"
        )
        target = ["--update", f"example.com@{self.machine.ipv4()}", "--update-key", self.key_file()]
        exporter = self.twist(self.subject, "export", "-I", "eth0", "--type", "_http._tcp", *target)
        self.wait_for_types("Printer._http._tcp.example.com.")
        self.wait_for("Printer._http._tcp.example.com", "SRV", "0 0 80 printer.example.com.")
        self.wait_for("printer.example.com", "A", self.machine.ipv4())
        device.end()
        self.wait_for_types()
        self.wait_for("printer.example.com", "A")
        self.assertTrue(exporter.is_running)


class BindTests(Registering, RegistrationTestCase):
    kind = Bind


class KnotTests(Registering, RegistrationTestCase):
    kind = Knot


class PageTests(RegistrationTestCase):
    """docs/beyond.md has a program that registers."""

    kind = Bind

    def test_program(self) -> None:
        shown = block("docs/beyond.md", "read_update_key(").text
        shown = shown.replace("/etc/mcast/update.key", self.key_file())
        shown = shown.replace("192.0.2.53", self.machine.ipv4()).replace("\n", "\n    ")
        path = self.folder / "register.py"
        path.write_text(PROGRAM.format(shown), encoding="utf-8")
        program = Program(self.subject.command(sys.executable, str(path)))
        self.addCleanup(program.end)
        program.wait_for("claimed My Web")
        self.wait_for_types("My\\032Web._http._tcp.example.com.")


PROGRAM = """
from mcast import Node
from twisted.internet.defer import Deferred
from twisted.internet.task import react

async def main(reactor):
    node = Node(reactor)
    node.startService()
    {}
    print("claimed", registration.name, flush=True)
    await Deferred()

react(main)
"""
