"""``twist mcast mdns --resolver-socket``: the C library resolves ``.local`` by libnss-mdns, without Avahi."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from tests.interop.peers import HOSTS_FROM_MULTICAST, AvahiHost
from tests.interop.programs import Program, Room
from tests.interop.responding import addresses
from tests.interop.scenes import SceneTestCase
from tests.network.lan import wait_until

SOCKET = "/run/avahi-daemon/socket"
"""Where Debian's libnss-mdns looks."""


class ResolverSocketTests(SceneTestCase):
    """Our responder serves the C library of one host; avahi-daemon is another host."""

    hosts: ClassVar[int] = 2
    programs = ("avahi-daemon", "getent")
    room: ClassVar[Room]
    responder: ClassVar[Program]

    @classmethod
    def build(cls, stack: ExitStack) -> None:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="mcast-nss-")))
        nsswitch = folder / "nsswitch.conf"
        nsswitch.write_text(HOSTS_FROM_MULTICAST, encoding="utf-8")
        stack.callback(AvahiHost(cls.lan.hosts[1], "pantry", dbus=False).close)
        cls.room = Room(cls.lan.hosts[0], {"/etc/nsswitch.conf": nsswitch})
        stack.callback(cls.room.close)
        cls.room.run("mkdir", "/run/avahi-daemon")
        cls.responder = cls.serve()
        stack.callback(cls.end_last)

    @classmethod
    def end_last(cls) -> None:
        """End the responder that runs now; a test replaces it."""
        cls.responder.end()

    @classmethod
    def serve(cls) -> Program:
        """Start our responder, and wait until it listens."""
        twist = (sys.executable, "-m", "twisted", "--log-format=text", "mcast", "mdns")
        options = ("--interface", "eth0", "--hostname", "kitchen", "--resolver-socket", SOCKET)
        program = cls.room.start(*twist, *options)
        program.wait_for("kitchen.local")
        return program

    def getent(self, database: str, key: str) -> list[str]:
        """Return the words of the first line."""
        return self.room.run("getent", database, key).stdout.partition("\n")[0].split()

    def found(self, database: str, key: str) -> list[str]:
        """Return these words once there are some: a busy machine may answer later than we wait."""
        words: list[str] = []

        def are_there() -> bool:
            words[:] = self.getent(database, key)
            return bool(words)

        wait_until(are_there, f"{key} in {database}")
        return words

    def test_ipv4(self) -> None:
        self.assertEqual(self.found("ahostsv4", "pantry.local")[0], self.lan.hosts[1].ipv4())

    def test_ipv6(self) -> None:
        address = self.found("ahostsv6", "pantry.local")[0]
        self.assertIn(address.partition("%")[0], addresses(self.lan.hosts[1])[1:])

    def test_either(self) -> None:
        address, name = self.found("hosts", "pantry.local")[:2]
        self.assertIn(address.partition("%")[0], addresses(self.lan.hosts[1]))
        self.assertEqual(name, "pantry.local")

    def test_back(self) -> None:
        for address in (self.lan.hosts[1].ipv4(), addresses(self.lan.hosts[1])[1]):
            self.assertEqual(self.found("hosts", address)[1:], ["pantry.local"], address)

    def test_own_name(self) -> None:
        self.assertEqual(self.found("ahostsv4", "kitchen.local")[0], self.lan.hosts[0].ipv4())

    def test_nobody(self) -> None:
        self.assertEqual(self.getent("hosts", "nobody.local"), [])

    def test_any_program(self) -> None:
        code = "import socket; print(socket.gethostbyname('pantry.local'))"
        said = ""

        def is_found() -> bool:
            nonlocal said
            said = self.room.run(sys.executable, "-c", code).stdout.strip()
            return said == self.lan.hosts[1].ipv4()

        wait_until(is_found, "the address")

    def test_everybody_may_connect(self) -> None:
        self.assertEqual(self.room.run("stat", "-c", "%A", SOCKET).stdout.strip(), "srw-rw-rw-")

    def test_crash_and_restart(self) -> None:
        """The socket that a killed program left is replaced; the next stop removes its own."""
        self.responder.end(signal.SIGKILL)
        self.assertEqual(self.room.run("test", "-S", SOCKET).returncode, 0)
        type(self).responder = self.serve()
        self.assertEqual(self.found("ahostsv4", "pantry.local")[0], self.lan.hosts[1].ipv4())
        self.responder.end()
        self.assertNotEqual(self.room.run("test", "-e", SOCKET).returncode, 0)
        type(self).responder = self.serve()

    def test_second_program(self) -> None:
        """It says in one line that the first listens there."""
        twist = (sys.executable, "-m", "twisted", "--log-format=text", "mcast", "mdns")
        second = self.room.run(*twist, "--interface", "eth0", "--resolver-socket", SOCKET)
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"mcast: --resolver-socket {SOCKET}: another program listens there", second.stdout)
