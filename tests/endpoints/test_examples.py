"""The programs in docs/examples that use endpoint strings and the resolver, on two test hosts."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.interop.programs import Program, require_programs
from tests.network.lan import REPOSITORY, LanTestCase, wait_until

EXAMPLES = REPOSITORY / "docs" / "examples"

TWISTD = "from twisted.scripts.twistd import run; run()"

GREETER = r"""
import sys
from twisted.application.strports import service
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

class Greeter(Protocol):
    def connectionMade(self):
        self.transport.write(b"hello from port %d\n" % self.transport.getHost().port)

server = service("mdns:_greet._tcp:name=Greeter:endpoint=" + sys.argv[1], Factory.forProtocol(Greeter))
server.startService()
reactor.addSystemEventTrigger("before", "shutdown", server.stopService)
reactor.run()
"""
"""A server that tells where it listens."""


class EndpointExampleTests(LanTestCase):
    """Servers on the first host, clients on the second."""

    def setUp(self) -> None:
        require_programs()
        super().setUp()
        self.here, self.there = self.lan.hosts
        self.folder = Path(tempfile.mkdtemp(prefix="mcast-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def program(self, host_number: int, *words: str) -> Program:
        program = Program(self.lan.hosts[host_number].command(sys.executable, *words))
        self.addCleanup(program.end)
        return program

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""

    def is_fetched(self) -> bool:
        """Fetch from the daemon once; it may stand still for longer than a name is looked up."""
        fetch = self.program(1, str(EXAMPLES / "fetch_local.py"), "http://docs.local:8080/")
        return (fetch.wait(), fetch.lines[-1:]) == (0, ["hello from docs"])

    def test_daemon_that_is_announced(self) -> None:
        """announced.tac works after twistd's fork; fetch_local.py fetches from it by its name."""
        pid_file = self.folder / "pid"
        options = (f"--pidfile={pid_file}", f"--logfile={self.folder / 'log'}")
        starter = self.program(0, "-c", TWISTD, *options, "-y", str(EXAMPLES / "announced.tac"))
        self.assertEqual(starter.wait(), 0, starter.output)
        wait_until(lambda: pid_file.exists() and pid_file.read_text(), "the pid file")
        process = int(pid_file.read_text())
        try:
            wait_until(lambda: "published Docs" in self.log(), "the service to be claimed")
            wait_until(self.is_fetched, "the page")
        finally:
            os.kill(process, signal.SIGTERM)
        wait_until(lambda: "Server Shut Down" in self.log(), "the daemon to end")
        self.assertIn("withdrew Docs", self.log())
        self.assertNotIn("Traceback", self.log())

    def test_client_that_follows(self) -> None:
        """follow_service.py is connected again when the server comes back at another port."""
        client = self.program(1, str(EXAMPLES / "follow_service.py"), "mdns:_greet._tcp:name=Greeter")
        first = self.program(0, "-c", GREETER, r"tcp\:7001")
        client.wait_for("hello from port 7001")
        first.end()
        self.program(0, "-c", GREETER, r"tcp\:7002")
        client.wait_for("hello from port 7002")
        self.assertNotIn("Traceback", client.output)

    def test_client_that_has_link_local_addresses_alone(self) -> None:
        """They lead nowhere without their zone (RFC 4007 §6)."""
        self.here.ip("addr", "del", f"{self.here.ipv4()}/24", "dev", "eth0")
        self.here.ip("addr", "del", f"{self.here.ipv6()}/64", "dev", "eth0")
        self.addCleanup(self.lan.restore, self.here, 0)
        client = self.program(1, str(EXAMPLES / "follow_service.py"), "mdns:_greet._tcp")
        self.program(0, "-c", GREETER, r"tcp6\:7003")
        client.wait_for("hello from port 7003")

    def test_nobody(self) -> None:
        """fetch_local.py ends with an error when there is no such host."""
        fetch = self.program(1, str(EXAMPLES / "fetch_local.py"), "http://nobody.local/")
        self.assertEqual(fetch.wait(), 1)
        self.assertIn("nobody.local", fetch.output)
