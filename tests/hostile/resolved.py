"""systemd-resolved on a test host, started by hand on a private bus; it need not be installed.

Installing it would change how this machine looks names up. ``MCAST_RESOLVED`` names a folder into which its
packages were unpacked: ``apt-get download systemd-resolved libsystemd-shared``, then ``dpkg -x`` each.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SkipTest

from tests.interop.programs import Program, Room
from tests.network.lan import Host, wait_until

CONFIGURATION = "[Resolve]\nMulticastDNS=yes\nLLMNR=no\n"
USER = "systemd-resolve:x:996:"
"""The user and group that it becomes."""


def unpacked() -> Path:
    """Return the folder that has it.

    :raises SkipTest: there is none.
    """
    for folder in (os.environ.get("MCAST_RESOLVED", ""), "/"):
        if folder and Path(folder, "lib/systemd/systemd-resolved").exists():
            return Path(folder)
    raise SkipTest("systemd-resolved is not here: see tests/hostile/resolved.py")


class ResolvedHost:
    """systemd-resolved that answers on ``eth0``."""

    def __init__(self, host: Host, hostname: str) -> None:
        self._root = unpacked()
        self._folder = tempfile.TemporaryDirectory(prefix="mcast-resolved-")
        self._programs: list[Program] = []
        folder = Path(self._folder.name)
        policies = folder / "system.d"
        shutil.copytree("/usr/share/dbus-1/system.d", policies)
        for policy in (self._root / "usr/share/dbus-1/system.d").glob("*resolve1*"):
            if not (policies / policy.name).exists():
                shutil.copy(policy, policies)
        mounts = {"/usr/share/dbus-1/system.d": policies}
        for name, rest in (("passwd", "996::/:/usr/sbin/nologin"), ("group", "")):
            (folder / name).write_text(f"{Path('/etc', name).read_text()}{USER}{rest}\n")
            mounts[f"/etc/{name}"] = folder / name
        (folder / "resolved.conf").write_text(CONFIGURATION)
        self._room = Room(host, mounts)
        places = "/run/dbus /run/systemd/resolve /run/systemd/resolved.conf.d"
        configure = f"mkdir -p {places} && cp {folder}/resolved.conf /run/systemd/resolved.conf.d"
        self._room.run("sh", "-c", f"{configure} && chown -R 996:996 /run/systemd/resolve")
        bus = self._start("dbus-daemon", "--system", "--nofork", "--nopidfile", "--print-address=1")
        bus.wait_for("unix:path=")
        words = f"hostname {hostname} && exec {' '.join(self._command('lib/systemd/systemd-resolved'))}"
        self.daemon = self._start("unshare", "--uts", "sh", "-c", words)
        self.daemon.wait_for("Using system hostname")
        enable = self._command("usr/bin/resolvectl", "mdns", "eth0", "yes")
        wait_until(lambda: self._room.run(*enable).returncode == 0, "systemd-resolved to be on the bus")

    def _command(self, program: str, *words: str) -> list[str]:
        libraries = self._root / "usr/lib/x86_64-linux-gnu/systemd"
        return ["env", f"LD_LIBRARY_PATH={libraries}", str(self._root / program), *words]

    def _start(self, *command: str) -> Program:
        program = self._room.start(*command)
        self._programs.append(program)
        return program

    def close(self) -> None:
        """End it and its bus."""
        for program in reversed(self._programs):
            program.end()
        self._room.close()
        self._folder.cleanup()
