"""Services in the zones of real name servers: BIND and Knot, changed by nsupdate."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tests.interop.dns_servers import Bind, DnsServer, Knot, zone_text
from tests.interop.programs import Program, require_programs
from tests.network.lan import LanTestCase, wait_until

ZONE = r"Building\0321.example.com."
DOMAIN = "Building 1.example.com"

SERVICES = (
    r"_services._dns-sd._udp PTR _http._tcp",
    "b._dns-sd._udp PTR @",
    "lb._dns-sd._udp PTR @",
    r"_http._tcp PTR My\032Web._http._tcp",
    r"_http._tcp PTR K\195\188che._http._tcp",
    r"My\032Web._http._tcp SRV 0 0 80 web.example.com.",
    r"My\032Web._http._tcp TXT path=/",
    r"K\195\188che._http._tcp SRV 0 0 81 web.example.com.",
    r'K\195\188che._http._tcp TXT ""',
)


class ServerTests(LanTestCase):
    """Each name server in turn."""

    hosts: ClassVar[int] = 2

    def setUp(self) -> None:
        require_programs("named", "knotd", "nsupdate")
        super().setUp()
        self.here, self.there = self.lan.hosts

    def serve(self, kind: type[DnsServer]) -> DnsServer:
        zones = {
            ZONE: zone_text(ZONE, "ns.example.com.", *SERVICES),
            "example.com.": zone_text(
                "example.com.",
                "ns.example.com.",
                f"ns A {self.there.ipv4()}",
                "web A 192.0.2.9",
                "web AAAA 2001:db8::9",
            ),
        }
        server = kind(self.there, zones)
        self.addCleanup(server.close)
        return server

    def mcast(self, *words: str) -> Program:
        program = Program(self.here.command(sys.executable, "-m", "mcast.cli", *words))
        self.addCleanup(program.end)
        return program

    def run_until(self, texts: Sequence[str], *words: str, unwanted: str = "Traceback") -> str:
        """Run a command again and again until it prints all texts, and not the unwanted one; return that.

        A server that stands still for seconds is late for one command.
        """
        printed = ""

        def is_printed() -> bool:
            nonlocal printed
            printed = self.here.python("-m", "mcast.cli", *words, check=False)
            return all(text in printed for text in texts) and unwanted not in printed

        try:
            wait_until(is_printed, " ".join(words))
        except AssertionError as error:
            raise AssertionError(f"{error}: no {texts}, or {unwanted!r}, but:\n{printed}") from None
        return printed

    def changes(self, kind: type[DnsServer]) -> None:
        """Follow a zone while a service comes, moves and goes."""
        server = self.serve(kind)
        where = ("--domain", DOMAIN, "--server", self.there.ipv4())
        browse = self.mcast("browse", "--json", "-f", *where, "_http._tcp")

        def wait(name: str, accepts: Callable[[dict[str, Any]], bool]) -> int:
            def is_it(line: str) -> bool:
                told: dict[str, Any] = json.loads(line) if line.startswith("{") else {"name": ""}
                # Knot has all names in small letters.
                return told["name"].lower() == name.lower() and accepts(told)

            return browse.wait_for(is_it)

        # A server that stands still for three seconds has the service told before its addresses.
        web = wait("My Web", lambda told: told["event"] != "removed" and len(told["addresses"]) == 2)
        first = json.loads(browse.lines[web])
        self.assertEqual((first["port"], first["domain"]), (80, "Building 1.example.com."))
        self.assertEqual([one["address"] for one in first["addresses"]], ["192.0.2.9", "2001:db8::9"])
        wait("Küche", lambda told: told["event"] == "added")
        new = rf"New._http._tcp.{ZONE}"
        server.update(
            ZONE,
            f"add _http._tcp.{ZONE} 5 PTR {new}",
            f"add {new} 5 SRV 0 0 8080 web.example.com.",
            f'add {new} 5 TXT "a=b"',
        )
        wait("New", lambda told: (told["port"], told["txt"]) == (8080, {"a": "b"}))
        server.update(ZONE, f"delete _http._tcp.{ZONE} PTR {new}", f"delete {new}")
        gone = wait("New", lambda told: told["event"] == "removed")
        told = [json.loads(line) for line in browse.lines[:gone] if line.startswith("{")]
        events = [one for one in told if one["name"].lower() == "new"]
        # Its TXT record comes after it for the same reason.
        wanted = ["added"] if events[0]["txt"] else ["added", "updated"]
        self.assertEqual([one["event"] for one in events], wanted)

    def test_changes_in_bind(self) -> None:
        self.changes(Bind)

    def test_changes_in_knot(self) -> None:
        self.changes(Knot)

    def test_resolve(self) -> None:
        self.serve(Knot)
        texts = ("port       81", "address    2001:db8::9")
        self.run_until(texts, "resolve", f"Küche._http._tcp.{DOMAIN}", "--server", self.there.ipv4())

    def test_servers_of_the_system(self) -> None:
        """Those of resolv.conf, which `ip netns exec` takes from a folder of the namespace."""
        self.serve(Knot)
        folder = Path("/etc/netns") / self.here.namespace
        folder.mkdir(parents=True)
        self.addCleanup(shutil.rmtree, folder)
        (folder / "resolv.conf").write_text(f"nameserver {self.there.ipv4()}\n")
        self.run_until(["port       80"], "resolve", "my web", "_http._tcp", "--domain", DOMAIN)

    def test_check(self) -> None:
        """A zone that BIND delegates to Knot: all is well, until Knot is gone."""
        child = self.serve(Knot)
        parent = zone_text(
            "example.com.",
            "above.example.com.",
            f"above A {self.here.ipv4()}",
            r"Building\0321 NS ns",
            f"ns A {self.there.ipv4()}",
            "web A 192.0.2.9",
        )
        bind = Bind(self.here, {"example.com.": parent})
        self.addCleanup(bind.close)
        check = ("domains", "--check", DOMAIN, "--server", self.here.ipv4())
        texts = ("delegated by example.com. to ns.example.com.", "2 services")
        self.run_until(texts, *check, unwanted="wrong")
        child.close()
        texts = ("does not answer by UDP (nobody listens on its UDP port)", "does not answer by TCP")
        self.run_until(texts, *check)
