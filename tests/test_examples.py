"""The programs in docs/examples: each runs on one test host, and is found from another one."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, cast

from twisted.application.service import IService
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.dnssd.service import Service
from mcast.node.node import Node
from tests.interop.probe import Packet, Sniffer
from tests.interop.programs import Program, require_programs
from tests.interop.wire import SRV, labels
from tests.network.lan import REPOSITORY, LanTestCase, wait_until

EXAMPLES = REPOSITORY / "docs" / "examples"

FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=60).read().decode(), end='')"
RECEIVE = "import socket, sys; print(socket.create_connection(sys.argv[1:3], 60).recv(99).decode())"


class CoapTests(SynchronousTestCase):
    """coap_discover.py reads a response."""

    def setUp(self) -> None:
        spec = importlib.util.spec_from_file_location("coap_discover", EXAMPLES / "coap_discover.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.example = cast(Any, module)
        self.example.TOKEN = b"\xff\x01\xff\x02"

    def resources(self, rest: bytes) -> Any:
        return self.example.resources(b"\x54\x45\x00\x01" + self.example.TOKEN + rest)

    def test_octets_like_the_marker(self) -> None:
        """In the token, and in an ETag as libcoap's server chooses it."""
        self.assertEqual(self.resources(b"\x44\xff\xc2\xff\x28\x81\x28\xff</>;ct=0"), "</>;ct=0")

    def test_long_options(self) -> None:
        """Deltas and lengths that go on in one and in two octets (RFC 7252 §3.1)."""
        one = b"\xdd\x00\x02" + b"\xff" * 15
        two = b"\xee\x00\x00\x00\x01" + b"\xff" * 270
        self.assertEqual(self.resources(one + two + b"\xff</a>"), "</a>")

    def test_without_a_payload(self) -> None:
        self.assertEqual(self.resources(b""), "")
        self.assertEqual(self.resources(b"\x44\xff\xff\xff\xff"), "")
        self.assertEqual(self.resources(b"\xdd"), "")

    def test_something_else(self) -> None:
        self.assertIsNone(self.example.resources(b"\x54\x84\x00\x01\xff\x01\xff\x02"))


class ExampleTestCase(LanTestCase):
    """An example on the first host; the second finds it and watches the link."""

    def setUp(self) -> None:
        require_programs()
        super().setUp()
        self.here, self.there = self.lan.hosts
        self.sniffer = Sniffer(self.there)
        self.addCleanup(self.sniffer.close)
        self.folder = tempfile.mkdtemp(prefix="mcast-")
        self.addCleanup(shutil.rmtree, self.folder)

    def program(self, *words: str) -> Program:
        """Start this interpreter on the first host, in a folder of the test."""
        script = f'cd \'{self.folder}\' && exec "$0" "$@"'
        command = self.here.command("sh", "-c", script, sys.executable, *words)
        program = Program(command, environment={"PYTHONPATH": str(REPOSITORY)})
        self.addCleanup(program.end)
        return program

    def resolved(self, name: str, service_type: str) -> dict[str, Any]:
        """Return what a Node on the second host finds out about a service."""
        found = self.there.python("-m", "mcast.cli", "resolve", "--json", "--wait", "60", name, service_type)
        result: dict[str, Any] = json.loads(found.splitlines()[0])
        return result

    def assert_goodbye(self, name: str, service_type: str) -> None:
        """Fail unless the last that was said of a service is that it goes (RFC 6762 §10.1)."""
        instance = labels(name, service_type, "local")

        def tells(packet: Packet) -> bool:
            return bool(packet.message.answers_for(instance, SRV))

        def last() -> list[int]:
            said = [packet for packet in self.sniffer.poll() if tells(packet)]
            return [one.ttl for one in said[-1].message.answers_for(instance, SRV)] if said else []

        wait_until(lambda: last() == [0], "a goodbye as the last word")

    def stop(self, program: Program) -> None:
        """End a program as a supervisor does; it must end by itself and without an error."""
        self.assertIn(program.end(), (0, -signal.SIGTERM))
        self.assertNotIn("Traceback", program.output)
        self.assertNotIn("was destroyed", program.output)


class DaemonTests(ExampleTestCase):
    """``twistd -y node_app.tac``."""

    def setUp(self) -> None:
        super().setUp()
        self.pid_file = Path(self.folder, "node.pid")
        self.log_file = Path(self.folder, "node.log")

    def twistd(self, *options: str) -> Program:
        run = "from twisted.scripts.twistd import run; run()"
        tac = str(EXAMPLES / "node_app.tac")
        files = (f"--pidfile={self.pid_file}", f"--logfile={self.log_file}")
        return self.program("-c", run, *options, *files, "-y", tac)

    @property
    def log(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    def end_daemon(self, process: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)

    def serves_and_leaves(self, process: int) -> None:
        wait_until(lambda: "published Daemon" in self.log, "the service to be claimed")
        found = self.resolved("Daemon", "_http._tcp")
        self.assertEqual(found["port"], 8080)
        page = self.there.python("-c", FETCH, f"http://{self.here.ipv4()}:{found['port']}/")
        self.assertEqual(page, "hello from twistd\n")
        os.kill(process, signal.SIGTERM)
        wait_until(lambda: "Server Shut Down" in self.log, "the daemon to end")
        self.assert_goodbye("Daemon", "_http._tcp")
        self.assertNotIn("Traceback", self.log)

    def test_in_the_background(self) -> None:
        """The Node works after the fork."""
        starter = self.twistd()
        self.assertEqual(starter.wait(), 0, starter.output)
        wait_until(lambda: self.pid_file.exists() and self.pid_file.read_text(), "the pid file")
        process = int(self.pid_file.read_text())
        self.addCleanup(self.end_daemon, process)
        self.assertNotEqual(process, starter.pid)
        self.serves_and_leaves(process)
        wait_until(lambda: not self.pid_file.exists(), "the pid file to go")

    def test_in_the_foreground(self) -> None:
        program = self.twistd("--nodaemon")
        self.serves_and_leaves(program.pid)
        self.assertIn(program.wait(), (0, -signal.SIGTERM))


class ProgramTests(ExampleTestCase):
    """The others, which stay in the foreground."""

    def test_react_main(self) -> None:
        program = self.program(str(EXAMPLES / "react_main.py"))
        program.wait_for("published as Plain")
        found = self.resolved("Plain", "_example._tcp")
        self.assertEqual((found["port"], found["txt"]), (7000, {"color": "blue"}))
        program.wait_for("Added Plain")
        self.stop(program)
        self.assert_goodbye("Plain", "_example._tcp")

    def test_asyncio_beside(self) -> None:
        """The port is that of a server of asyncio's, which answers."""
        program = self.program(str(EXAMPLES / "asyncio_beside.py"))
        program.wait_for("published Greeter")
        found = self.resolved("Greeter", "_greet._tcp")
        heard = self.there.python("-c", RECEIVE, self.here.ipv4(), str(found["port"]))
        self.assertEqual(heard.strip(), "hello from asyncio")
        self.stop(program)
        self.assert_goodbye("Greeter", "_greet._tcp")

    def test_web_server(self) -> None:
        Path(self.folder, "index.html").write_text("hello from the web")
        program = self.program(str(EXAMPLES / "web_server.py"))
        program.wait_for("published as My Web")
        found = self.resolved("My Web", "_http._tcp")
        url = f"http://{self.here.ipv4()}:{found['port']}{found['txt']['path']}"
        self.assertEqual(self.there.python("-c", FETCH, url), "hello from the web")
        self.stop(program)
        self.assert_goodbye("My Web", "_http._tcp")


def opened() -> Counter[str]:
    """Return what this process has open, by kind and number of the file.

    What is gone from it is no concern of ours: a thread of `tests.beside` closes its pipes when it is done.
    """
    folder = Path("/proc/self/fd")
    if not folder.exists():
        folder = Path("/dev/fd")
    found = Counter[str]()
    for each in folder.iterdir():
        with contextlib.suppress(OSError):  # what lists the folder
            status = os.stat(each)
            found[f"{status.st_mode} {status.st_dev} {status.st_ino}"] += 1
    return found


class PromiseTests(SynchronousTestCase):
    """What needs no network to be seen."""

    def test_web_server_is_short(self) -> None:
        """Under 20 lines, blank ones and the docstring included."""
        self.assertLess(len((EXAMPLES / "web_server.py").read_text().splitlines()), 20)

    def test_each_is_listed(self) -> None:
        listed = (EXAMPLES / "README.md").read_text()
        names = [path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".tac")]
        self.assertEqual([name for name in names if f"]({name})" not in listed], [])

    def test_nothing_is_opened_before_the_start(self) -> None:
        """twistd forks between the two; the clock has no way to watch a socket either."""
        before = opened()
        node = Node(Clock(), hostname="kitchen")
        self.assertTrue(IService.providedBy(node))
        node.publish(Service("Web", "_http._tcp", 80))
        self.assertEqual(opened() - before, Counter())
