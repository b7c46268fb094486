"""Other implementations on test hosts: Avahi, python-zeroconf, libnss-mdns; our own responder beside them.

Each lives on the host given to its constructor; `close` ends all its programs.
"""

from __future__ import annotations

import json
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from tests.interop.programs import Program, Room
from tests.network.lan import PATIENCE, Host, wait_until

AVAHI_CONFIGURATION = """\
[server]
host-name={hostname}
allow-interfaces=eth0
use-ipv4=yes
use-ipv6={ipv6}
enable-dbus={dbus}
ratelimit-interval-usec=1000000
ratelimit-burst=1000000
[wide-area]
enable-wide-area=no
[publish]
publish-hinfo=no
publish-workstation=no
[rlimits]
"""

HOSTS_FROM_MULTICAST = "passwd: files\ngroup: files\nhosts: files mdns [NOTFOUND=return]\n"


def avahi_service_file(
    name: str,
    service_type: str,
    port: int,
    *,
    txt: Sequence[str] = (),
    subtypes: Sequence[str] = (),
) -> str:
    """Return the text of an Avahi static service file."""
    lines = ['<?xml version="1.0" standalone="no"?>', '<!DOCTYPE service-group SYSTEM "avahi-service.dtd">']
    lines.append(f"<service-group><name>{escape(name)}</name><service><type>{service_type}</type>")
    lines.extend(f"<subtype>{one}._sub.{service_type}</subtype>" for one in subtypes)
    lines.append(f"<port>{port}</port>")
    lines.extend(f"<txt-record>{escape(one)}</txt-record>" for one in txt)
    lines.append("</service></service-group>")
    return "\n".join(lines)


class AvahiHost:
    """avahi-daemon on ``eth0`` with a bus, a folder of service files and an ``nsswitch.conf`` of its own.

    :param dbus: whether avahi-browse, avahi-resolve and avahi-publish can be used.
    :param services: texts of static service files by file name.
    """

    def __init__(
        self,
        host: Host,
        hostname: str,
        *,
        dbus: bool = True,
        ipv6: bool = True,
        services: dict[str, str] | None = None,
        wait: bool = True,
    ) -> None:
        self._programs: list[Program] = []
        self._folder = tempfile.TemporaryDirectory(prefix="mcast-avahi-")
        folder = Path(self._folder.name)
        self.services = folder / "services"
        self.services.mkdir()
        for file_name, content in (services or {}).items():
            (self.services / file_name).write_text(content, encoding="utf-8")
        nsswitch = folder / "nsswitch.conf"
        nsswitch.write_text(HOSTS_FROM_MULTICAST, encoding="utf-8")
        configuration = folder / "avahi-daemon.conf"
        configuration.write_text(
            AVAHI_CONFIGURATION.format(
                hostname=hostname,
                ipv6="yes" if ipv6 else "no",
                dbus="yes" if dbus else "no",
            ),
            encoding="utf-8",
        )
        mounts = {"/etc/avahi/services": self.services, "/etc/nsswitch.conf": nsswitch}
        self.room = Room(host, mounts)
        try:
            self.room.run("mkdir", "-p", "/run/dbus", "/run/avahi-daemon")
            if dbus:
                self._start_bus()
            self.daemon = self._start(
                "avahi-daemon",
                f"--file={configuration}",
                "--no-drop-root",
                "--no-chroot",
                "--no-proc-title",
                "--no-rlimits",
            )
            if wait:
                self.wait_until_started()
        except BaseException:
            self.close()
            raise

    def _start(self, *command: str) -> Program:
        program = self.room.start(*command)
        self._programs.append(program)
        return program

    def _start_bus(self) -> None:
        bus = self._start("dbus-daemon", "--system", "--nofork", "--nopidfile", "--print-address=1")
        bus.wait_for("unix:path=")

    def wait_until_started(self) -> None:
        """Wait until the host name and the addresses are claimed."""
        self.daemon.wait_for("Server startup complete")

    @property
    def hostname(self) -> str:
        """The first label of the host name that the daemon holds at present."""
        names = re.findall(r"Host name is ([^.]+)\.local", self.daemon.output)
        return names[-1] if names else ""

    def browse(self, *arguments: str, timeout: float = PATIENCE) -> list[list[str]]:
        """Run avahi-browse until it has shown what there is; return its parsable lines, split."""
        lines = self.room.run("avahi-browse", "-t", "-p", *arguments, timeout=timeout).stdout.splitlines()
        return [line.split(";") for line in lines if line[:1] in "+-="]

    def follow(self, *arguments: str) -> Program:
        """Start an avahi-browse that goes on, printing parsable lines."""
        return self._start("avahi-browse", "-p", *arguments)

    def resolve(self, *arguments: str) -> str:
        """Run avahi-resolve and return its output without the final newline."""
        return self._succeeded("avahi-resolve", *arguments)

    def _succeeded(self, *command: str) -> str:
        """Run a command until it succeeds, and return its output; the last one when it never does.

        The daemon waits five seconds for an answer: on a busy machine that is not always enough.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            done = self.room.run(*command)
            # The status of avahi-resolve is 0 whether it has succeeded or not.
            has_failed = done.returncode != 0 or done.stdout.startswith("Failed to resolve")
            if not has_failed or time.monotonic() > deadline:
                return done.stdout.strip()

    def publish(self, *arguments: str) -> Program:
        """Start avahi-publish; what it publishes is withdrawn when it ends."""
        return self._start("avahi-publish", *arguments)

    def getent(self, database: str, key: str) -> str:
        """Look a name or address up as programs of the C library do, by libnss-mdns; "" when not found."""
        return self._succeeded("getent", database, key)

    def kill(self) -> None:
        """End the daemon without a goodbye."""
        self.daemon.end(signal.SIGKILL)

    def close(self) -> None:
        """End the daemon, with its goodbyes, and everything that was started beside it."""
        for program in reversed(self._programs):
            program.end()
        self.room.close()
        self._folder.cleanup()


class ZeroconfHost:
    """python-zeroconf in a process of its own.

    :param interfaces: addresses, for IPv4, and indexes of interfaces, for IPv6; by default both of ``eth0``.
    """

    def __init__(self, host: Host, *interfaces: str | int) -> None:
        script = Path(__file__).with_name("zeroconf_peer.py")
        words = map(str, interfaces or (host.ipv4(), host.index()))
        self.program = Program(host.command(sys.executable, str(script), *words))
        try:
            self.wait_for(lambda event: event["event"] == "ready")
        except BaseException:
            self.program.end()
            raise

    def tell(self, command: str, **fields: object) -> None:
        """Give a command of `zeroconf_peer`."""
        self.program.tell(json.dumps({"do": command, **fields}))

    @property
    def events(self) -> list[dict[str, Any]]:
        """What it has told so far."""
        return [json.loads(line) for line in self.program.lines if line.startswith("{")]

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool], timeout: float = PATIENCE) -> dict[str, Any]:
        """Return the first event, of all times, that fulfils the predicate.

        :raises AssertionError: when there is none within ``timeout`` seconds.
        """

        def matches(line: str) -> bool:
            return line.startswith("{") and wanted(json.loads(line))

        found: dict[str, Any] = json.loads(self.program.lines[self.program.wait_for(matches, timeout)])
        return found

    def kill(self) -> None:
        """End it without a goodbye."""
        self.program.end(signal.SIGKILL)

    def close(self) -> None:
        """End it, with its goodbyes."""
        self.program.close_input()
        try:
            self.program.wait()
        finally:
            self.program.end()


class Responder:
    """``twist mcast mdns`` on a test host.

    :param arguments: its options.
    """

    def __init__(self, host: Host, *arguments: str) -> None:
        twist = (sys.executable, "-m", "twisted", "--log-format=text")
        self.program = Program(host.command(*twist, "mcast", "mdns", *arguments))

    @property
    def log(self) -> str:
        return self.program.output

    @property
    def is_running(self) -> bool:
        return self.program.is_running

    def wait_for(self, text: str, timeout: float = PATIENCE) -> None:
        """Wait until a line of the log holds the text."""
        self.program.wait_for(text, timeout)

    def wait_until(self, condition: Callable[[str], bool], what: str, timeout: float = PATIENCE) -> None:
        """Wait until the whole log fulfils the condition."""
        wait_until(lambda: condition(self.log), what, timeout)

    def close(self) -> int:
        """End it by SIGTERM; return its exit status."""
        return self.program.end()
