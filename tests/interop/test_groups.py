"""Asking and answering groups, as the examples do, with programs of other people: SSDP and CoAP."""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
from pathlib import Path

from tests.interop.pages import run_until
from tests.interop.programs import Program, require_programs
from tests.network.lan import PATIENCE, REPOSITORY, LanTestCase, wait_until

EXAMPLES = REPOSITORY / "docs" / "examples"
DEVICE = "urn:schemas-upnp-org:device:Basic:1"


class GroupTestCase(LanTestCase):
    """An example on the first host, a peer on the second."""

    programs: tuple[str, ...] = ()

    def setUp(self) -> None:
        require_programs(*self.programs)
        super().setUp()
        self.here, self.there = self.lan.hosts

    def example(self, name: str, *words: str) -> Program:
        """Start an example on the first host."""
        command = self.here.command(sys.executable, str(EXAMPLES / name), *words)
        program = Program(command, environment={"PYTHONPATH": str(REPOSITORY)})
        self.addCleanup(program.end)
        return program

    def peer(self, *words: str) -> Program:
        """Start a program on the second host."""
        program = Program(self.there.command(*words))
        self.addCleanup(program.end)
        return program


class MiniSsdpd:
    """The requests that programs make of minissdpd, on its socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def is_there(self) -> bool:
        try:
            self._connected().close()
        except OSError:
            return False
        return True

    def publish(self, location: str) -> None:
        """Have it answer searches for a device."""
        fields = (DEVICE, f"uuid:minissdpd::{DEVICE}", "test/1.0 UPnP/1.0 test/1.0", location)
        with self._connected() as connection:
            connection.sendall(b"\x04" + b"".join(bytes([len(each)]) + each.encode() for each in fields))

    def devices(self) -> str:
        """Return what it has heard of."""
        with self._connected() as connection:
            connection.sendall(b"\x03\x00")
            return connection.recv(65536).decode("ascii", "backslashreplace")

    def _connected(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(PATIENCE)
        made.connect(str(self._path))
        return made


class SsdpTests(GroupTestCase):
    programs = ("minissdpd",)

    def start_peer(self) -> MiniSsdpd:
        folder = tempfile.mkdtemp(prefix="mcast-")
        self.addCleanup(shutil.rmtree, folder)
        files = ("-s", f"{folder}/socket", "-p", f"{folder}/pid")
        self.peer("minissdpd", "-d", *files, "-i", "eth0")
        daemon = MiniSsdpd(Path(folder, "socket"))
        wait_until(daemon.is_there, "minissdpd to start")
        return daemon

    def test_search(self) -> None:
        """A device that minissdpd stands for is found, once, though the search is repeated."""
        location = f"http://{self.there.ipv4()}:80/device.xml"
        self.start_peer().publish(location)
        found = run_until(lambda: self.example("ssdp_search.py", "eth0"), "uuid")
        self.assertEqual(found, f"{self.there.ipv4()} eth0 uuid:minissdpd::{DEVICE} {location}")

    def test_device(self) -> None:
        """A minissdpd that searches when it starts finds ours."""
        location = f"http://{self.here.ipv4()}:80/device.xml"
        self.example("ssdp_device.py", location).wait_for("ready")
        daemon = self.start_peer()
        wait_until(lambda: location in daemon.devices(), "minissdpd to find the device")


class CoapTests(GroupTestCase):
    """The server of libcoap takes up to two seconds to answer a group; its client waits as it is told."""

    programs = ("coap-server-notls", "coap-client-notls")
    links = 2

    def test_discover(self) -> None:
        """Over IPv6, by the second interface: the server does not listen on the first."""
        self.peer("coap-server-notls", "-g", "ff02::fd", "-G", "eth1")
        wait_until(lambda: "ff0200000000000000000000000000fd" in self.memberships(), "coap-server to join")
        found = run_until(lambda: self.example("coap_discover.py", "eth1"), 'title="General Info"')
        self.assertTrue(found.startswith(f"{self.there.link_local(1)}%eth1 '</>;"), found)

    def test_not_by_the_other_interface(self) -> None:
        self.peer("coap-server-notls", "-g", "ff02::fd", "-G", "eth1")
        wait_until(lambda: "ff0200000000000000000000000000fd" in self.memberships(), "coap-server to join")
        asked = self.here.python(
            *("-m", "mcast.cli", "ask", "[ff02::fd%eth0]:5683", "--wait", "3", "--json"),
            *("--hex", "51 01 12 34 aa bb 2e 77 65 6c 6c 2d 6b 6e 6f 77 6e 04 63 6f 72 65"),
            check=False,
        )
        self.assertIn('"sent": 2, "refused": 0, "replies": 0', asked)

    def test_resource(self) -> None:
        self.example("coap_resource.py", "224.0.1.187").wait_for("ready")
        self.there.ip("route", "replace", "224.0.0.0/4", "dev", "eth0")
        self.get_lamp("coap://224.0.1.187/.well-known/core")

    def test_resource_over_ipv6(self) -> None:
        """The client names the interface by the zone."""
        self.example("coap_resource.py", "ff02::fd%eth1").wait_for("ready")
        self.get_lamp("coap://[ff02::fd%eth1]/.well-known/core")

    def get_lamp(self, url: str) -> None:
        """Have the client ask until it is answered: it waits six seconds."""
        answer = ""

        def is_answered() -> bool:
            nonlocal answer
            answer = self.there.run("coap-client-notls", "-m", "get", "-N", "-B", "6", url, check=False)
            return bool(answer.strip())

        wait_until(is_answered, f"an answer of {url}")
        self.assertEqual(answer.strip(), '</lamp>;rt="light";title="A lamp"')

    def memberships(self) -> str:
        return self.there.run("cat", "/proc/net/igmp6")
