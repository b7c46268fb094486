"""`twist mcast` as a service manager runs it: without a capability, and telling it how it is."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys

from tests.network.lan import LanTestCase

PATIENCE = 60.0
"""Seconds within which a program must say something. Our choice: a loaded machine starts it slowly."""

WATCHDOG = 2_000_000
"""Microseconds; half of them pass between two signs of life. Our choice: ten datagrams wait for who does not
read (net.unix.max_dgram_qlen), and one that finds no room is lost, as the last one must not be."""


class ServiceManagerTests(LanTestCase):
    hosts, links = 1, 1

    if shutil.which("setpriv") is None:
        skip = "the program setpriv (util-linux) is not installed"

    def life(self, *words: str, capability: str = "") -> list[bytes]:
        """Return what a program tells its manager until it is ended in the middle of its life.

        :param capability: the only one that it has.
        """
        path = os.path.abspath(f"/tmp/mcast-manager-{os.getpid()}")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            self.addCleanup(os.unlink, path)
            manager.settimeout(PATIENCE)
            (host,) = self.lan.hosts
            # No capability, and none to be had; the user stays, who can read this interpreter.
            sets = f"-all,+{capability}" if capability else "-all"
            bare = ["setpriv", f"--bounding-set={sets}", f"--inh-caps={sets}", "--no-new-privs"]
            if capability:
                bare.append(f"--ambient-caps={sets}")
            asked = ("env", f"NOTIFY_SOCKET={path}", f"WATCHDOG_USEC={WATCHDOG}")
            process = host.spawn(*bare, *asked, sys.executable, "-m", "twisted", "mcast", *words)
            told = [manager.recv(100) for _ in range(3)]
            # It goes on telling until it ends, and few datagrams wait for who does not read.
            process.send_signal(signal.SIGTERM)
            while told[-1] != b"STOPPING=1":
                told.append(manager.recv(100))
            host.end(process)
            return told

    def assert_whole(self, told: list[bytes]) -> None:
        self.assertEqual((told[0], told[-1]), (b"READY=1", b"STOPPING=1"))
        self.assertEqual(set(told[1:-1]), {b"WATCHDOG=1"})

    def test_echo(self) -> None:
        self.assert_whole(self.life())

    def test_mdns(self) -> None:
        self.assert_whole(self.life("mdns", "--hostname", "kitchen"))

    def test_view(self) -> None:
        self.assert_whole(self.life("view"))

    def test_proxy(self) -> None:
        """Ports 53 and 853 are open to it, since it may bind them, and may do nothing else."""
        options = ("--zone", "Building 1.example.com=eth0", "--ns", "proxy.example.com")
        self.assert_whole(self.life("proxy", *options, capability="net_bind_service"))
