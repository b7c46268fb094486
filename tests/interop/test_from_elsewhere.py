"""A client without multicast, a BIND that recurses, a Discovery Proxy to which it delegates, and a device."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from tests.interop.dns_servers import Bind, zone_text
from tests.interop.programs import Program, require_programs
from tests.network.lan import Host, LanTestCase, wait_until

DOMAIN = "Building 1.example.com"


class ElsewhereTests(LanTestCase):
    hosts: ClassVar[int] = 2

    def setUp(self) -> None:
        require_programs("named", "openssl")
        super().setUp()
        self.here, self.there = self.lan.hosts
        self.folder = Path(tempfile.mkdtemp(prefix="mcast-tls-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.certificate()
        parent = zone_text(
            "example.com.",
            "ns.example.com.",
            f"ns A {self.here.ipv4()}",
            f"proxy A {self.there.ipv4()}",
            r"Building\0321 NS proxy",
            "building1 NS proxy",
        )
        self.bind = Bind(self.here, {"example.com.": parent}, recursive=True)
        self.addCleanup(self.bind.close)
        self.publish("Web", 80).wait_for("published")
        proxy = self.program(
            self.there,
            *("-m", "twisted", "mcast", "proxy", "--zone", f"{DOMAIN}=eth0"),
            *("--host-zone", "building1.example.com", "--ns", "proxy.example.com"),
            *("--browse-domain", DOMAIN),
            *("--listen", self.there.ipv4(), "--allow", "10.77.0.0/16"),
            *("--tls-certificate", str(self.folder / "cert.pem"), "--tls-key", str(self.folder / "key.pem")),
        )
        proxy.wait_for("853")

    def certificate(self) -> None:
        """Make a certificate for the proxy, which vouches for itself."""
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                *("-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "2"),
                *("-subj", "/CN=proxy.example.com", "-addext", "subjectAltName=DNS:proxy.example.com"),
            ],
            cwd=self.folder,
            check=True,
            capture_output=True,
        )

    def program(self, host: Host, *words: str) -> Program:
        program = Program(
            host.command(sys.executable, *words),
            environment={"SSL_CERT_FILE": str(self.folder / "cert.pem")},
        )
        self.addCleanup(program.end)
        return program

    def publish(self, name: str, port: int) -> Program:
        """Have the device publish a service; the device is the machine of the client, by multicast."""
        return self.program(self.here, "-m", "mcast.cli", "publish", name, "_http._tcp", str(port))

    def test_pushed(self) -> None:
        """A service comes and goes, and a client that only speaks DNS is told of it."""
        browse = self.program(
            self.here,
            *("-m", "mcast.cli", "browse", "--json", "-f", "--domain", DOMAIN),
            *("--server", self.here.ipv4(), "_http._tcp"),
        )

        def wait(event: str, name: str, address: str = "") -> dict[str, object]:
            """Return the first such event of a service, or the first of any kind with such an address."""

            def is_it(line: str) -> bool:
                told: dict[str, Any] = json.loads(line) if line.startswith("{") else {"name": ""}
                if told["name"] != name:
                    return False
                if address:
                    return address in [one["address"] for one in told["addresses"]]
                return bool(told["event"] == event)

            found: dict[str, object] = json.loads(browse.lines[browse.wait_for(is_it)])
            return found

        wait("added", "Web")
        # A proxy that stands still for three seconds has the service told before all of its addresses.
        first = wait("", "Web", self.here.ipv4())
        self.assertEqual((first["port"], first["domain"]), (80, f"{DOMAIN}."))
        self.assertTrue(str(first["host"]).endswith(".building1.example.com."), first)
        # By a session of DNS Push Notifications, which are sent to port 853 (RFC 8765 §6.1).
        sessions = ("ss", "-Htn", "state", "established", "dport", "=", ":853")
        wait_until(lambda: self.here.run(*sessions), "a session with the proxy")
        second = self.publish("Second", 81)
        wait("added", "Second")
        second.end()
        wait("removed", "Second")
        self.assertTrue(self.here.run(*sessions))

    def test_domains(self) -> None:
        """RFC 6763 §11: the proxy tells on its link, by multicast, that there is more to browse."""
        domains = ("-m", "mcast.cli", "domains", "--json", "--server", self.here.ipv4())
        printed: list[str] = []

        def are_told() -> bool:
            # On a busy machine the proxy may answer later than a person waits.
            printed[:] = self.here.python(*domains, check=False).splitlines()
            return bool(printed)

        wait_until(are_told, "domains")
        (found,) = map(json.loads, printed)
        self.assertEqual((found["domain"], found["sources"]), (f"{DOMAIN}.", ["local."]))
        self.assertIn("b", found["lists"])

    def test_check(self) -> None:
        """`mcast domains --check` finds nothing wrong with it."""
        check = ("-m", "mcast.cli", "domains", "--check", DOMAIN, "--server", self.here.ipv4())
        printed = self.here.python(*check, check=False)
        self.assertIn("proxy.example.com port 853 does not push: ", printed)
        texts = (
            "delegated by example.com. to proxy.example.com.",
            "proxy.example.com port 853 pushes changes",
            "1 service",
        )

        def is_well() -> bool:
            nonlocal printed
            # On a busy machine the proxy, or the device, may answer later than is waited for.
            printed = self.here.python(*check, "--tls-ca", str(self.folder / "cert.pem"), check=False)
            return all(text in printed for text in texts) and "wrong" not in printed

        try:
            wait_until(is_well, str(texts))
        except AssertionError as error:
            raise AssertionError(f"{error}, but:\n{printed}") from None
