"""Programs of Twisted that know nothing of us, announced by an endpoint string and found by others."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from tests.interop.peers import AvahiHost, ZeroconfHost
from tests.interop.programs import Program
from tests.interop.scenes import SceneTestCase
from tests.network.lan import wait_until

FETCH = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=60).read().decode())"
"""A browser, as short as can be."""

JOIN = (
    "import socket, sys; made = socket.create_connection((sys.argv[1], int(sys.argv[2])), 60); "
    "made.sendall(b'PASS secret\\r\\nNICK alice\\r\\n'); print(made.makefile().readline())"
)
"""A chat client that shows how it is greeted."""


class StockProgramTests(SceneTestCase):
    """`twist web` and `twist words` on the first host, avahi-daemon and python-zeroconf on the others."""

    hosts: ClassVar[int] = 3
    programs = ("avahi-daemon", "avahi-browse", "dbus-daemon")
    avahi: ClassVar[AvahiHost]
    zeroconf: ClassVar[ZeroconfHost]
    folder: ClassVar[Path]

    @classmethod
    def build(cls, stack: ExitStack) -> None:
        cls.avahi = AvahiHost(cls.lan.hosts[1], "pantry")
        stack.callback(cls.avahi.close)
        cls.zeroconf = ZeroconfHost(cls.lan.hosts[2])
        stack.callback(cls.zeroconf.close)
        for service_type in ("_http._tcp", "_irc._tcp"):
            cls.zeroconf.tell("browse", type=service_type)
        cls.folder = Path(stack.enter_context(TemporaryDirectory(prefix="mcast-stock-")))
        (cls.folder / "index.txt").write_text("found by its name")

    def twist(self, *words: str) -> Program:
        """Start a program of Twisted's."""
        program = Program(self.lan.hosts[0].command(sys.executable, "-m", "twisted", *words))
        self.addCleanup(program.end)
        return program

    def found(self, name: str) -> dict[str, Any]:
        """Return what python-zeroconf knows of a service once it has found it."""
        return self.zeroconf.wait_for(lambda event: event["event"] == "added" and event["name"] == name)

    def browsed(self, service_type: str, name: str) -> list[list[str]]:
        """Return the resolved lines of avahi-browse for a service, once there is one."""
        lines: list[list[str]] = []

        def look() -> bool:
            lines[:] = [
                line
                for line in self.avahi.browse("-r", service_type)
                if line[0] == "=" and line[3] == name and len(line) > 8
            ]
            return bool(lines)

        wait_until(look, f"avahi-browse to find {name}")
        return lines

    def run_there(self, wanted: str, script: str, *words: str) -> None:
        """Run a Python program that looks names up by libnss-mdns until what it prints matches.

        libnss-mdns waits five seconds: on a busy machine that is not always enough.
        """
        said = ""

        def is_said() -> bool:
            nonlocal said
            said = self.avahi.room.run(sys.executable, "-c", script, *words).stdout.strip()
            return re.fullmatch(wanted, said) is not None

        try:
            wait_until(is_said, wanted)
        except AssertionError as error:
            raise AssertionError(f"{error}, but: {said}") from None

    def test_web(self) -> None:
        """Found by both, fetched by the name found, and gone with a goodbye."""
        listen = r"mdns:_http._tcp:name=Docs:txt=path=/index.txt:hostname=kitchen:endpoint=tcp\:8080"
        web = self.twist("web", "--listen", listen, "--path", str(self.folder))
        event = self.found("Docs._http._tcp.local.")
        self.assertEqual((event["port"], event["txt"]), (8080, {"path": "/index.txt"}))
        line = self.browsed("_http._tcp", "Docs")[0]
        host, port = line[6], line[8]
        self.assertEqual((host, port), ("kitchen.local", "8080"))
        self.run_there("found by its name", FETCH, f"http://{host}:{port}/index.txt")
        web.end()
        self.assertNotIn("Traceback", web.output)
        # An SRV record lives for two minutes: only a goodbye removes it now.
        self.zeroconf.wait_for(
            lambda event: event["event"] == "removed" and event["name"] == "Docs._http._tcp.local."
        )

    def test_chat(self) -> None:
        """A chat server with a port that the system chooses, joined by the name found."""
        users = self.folder / "users"
        users.write_text("alice:secret\n")
        listen = r"mdns:_irc._tcp:name=Chat:hostname=kitchen:endpoint=tcp\:0"
        chat = self.twist("words", "--irc-port", listen, "--auth", f"file:{users}")
        event = self.found("Chat._irc._tcp.local.")
        self.assertNotEqual(event["port"], 0)
        line = self.browsed("_irc._tcp", "Chat")[0]
        self.assertEqual(line[8], str(event["port"]))
        self.run_there(".*Message of the Day -", JOIN, line[6], line[8])
        chat.end()
        self.assertNotIn("Traceback", chat.output)
        self.zeroconf.wait_for(
            lambda event: event["event"] == "removed" and event["name"] == "Chat._irc._tcp.local."
        )

    def test_bad_string(self) -> None:
        """The error names the part."""
        web = self.twist("web", "--listen", "mdns:_http._tcp:name=Docs", "--path", str(self.folder))
        web.wait_for("endpoint=… is missing")
