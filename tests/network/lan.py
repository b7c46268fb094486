"""Test hosts as network namespaces on bridges: real packets, and nothing of it outside the machine.

    class PingTests(LanTestCase):
        hosts, links = 2, 1

        def test_heard(self) -> None:
            first, second = self.lan.hosts
            with first.inside():                      # this thread is on the first host
                port = listen_multicast(...)
            peer = second.udp_socket()                # a plain socket of the second host
            second.python("-m", "mcast.cli", "ping", ...)   # a program there, to its end
            process = second.spawn("twist", "mcast")        # one that goes on

Each host has an interface ``eth0``, ``eth1``, … on each link, with addresses known beforehand. IPv6
addresses are usable at once (duplicate address detection is off). Namespaces are called
``mcast-PID-SERIAL-…`` and are deleted with the `Lan`; those of a run that was killed are deleted by the next.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from twisted.trial.unittest import SkipTest

from mcast.conform.namespaces import FOLDER, inside
from tests.beside import RunBeside
from tests.signals import default_signals

REPOSITORY = Path(__file__).resolve().parents[2]

PREFIX = "mcast-"
"""What the names of our namespaces begin with; the process id follows."""

PATIENCE = 60.0
"""Our choice: seconds to wait for what must come, far more than it takes: the machine may be slow, and busy.

Who waits goes on as soon as it has come, so that only a test that fails takes so long."""

END_TIMEOUT = 30.0
"""Our choice: seconds a program is given to end after SIGTERM before it is killed."""

_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])  # ip is not on every user's PATH
_serial = itertools.count(1)


def require_namespaces() -> None:
    """Skip the test where there can be no network namespaces; under CI that is an error instead.

    :raises SkipTest: not on Linux, not root, or no `ip` program.
    :raises RuntimeError: the same, when the environment variable CI is set.
    """
    reason = ""
    if sys.platform != "linux":
        reason = "network namespaces are Linux's"
    elif os.geteuid() != 0:
        reason = "network namespaces need root"
    elif shutil.which("ip", path=_PATH) is None:
        reason = "the program ip (iproute2) is not installed"
    if reason:
        if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
            raise RuntimeError(f"CI must run the network tests: {reason}")
        raise SkipTest(reason)


def wait_until(
    condition: Callable[[], object],
    what: str,
    timeout: float = PATIENCE,
    step: Callable[[], object] | None = None,
) -> None:
    """Return once the condition holds.

    :param step: what to do between two looks, such as ``lambda: reactor.iterate(0.01)``; by default
        sleeps a little.
    :raises AssertionError: naming ``what``, when it does not hold within ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        if step is None:
            time.sleep(0.01)
        else:
            step()


class Host:
    """One test host: a network namespace with an interface on each link of its `Lan`."""

    def __init__(self, namespace: str, number: int, links: int) -> None:
        self.namespace = namespace
        self.number = number
        self.links = links
        self._programs: list[subprocess.Popen[str]] = []
        self._sockets: list[socket.socket] = []

    def __repr__(self) -> str:
        return f"<Host {self.namespace}>"

    # Addresses

    def ipv4(self, link: int = 0) -> str:
        """Return the IPv4 address on a link, of a /24."""
        return f"10.77.{link}.{self.number + 1}"

    def ipv6(self, link: int = 0) -> str:
        """Return the unique local IPv6 address on a link, of a /64."""
        return f"fd77:0:0:{link:x}::{self.number + 1:x}"

    def link_local(self, link: int = 0) -> str:
        """Return the link-local IPv6 address on a link, without zone."""
        return f"fe80::7700:{link:x}:{self.number + 1:x}"

    def index(self, interface: str = "eth0") -> int:
        """Return the index of an interface of this host."""
        with self.inside():
            return socket.if_nametoindex(interface)

    # Programs

    def command(self, *words: str) -> list[str]:
        """Return the command line that runs a program on this host."""
        return ["ip", "netns", "exec", self.namespace, *words]

    def run(self, *words: str, timeout: float = 2 * PATIENCE, check: bool = True) -> str:
        """Run a program on this host to its end and return its standard output.

        :raises AssertionError: with what it wrote, when it fails and ``check`` is true.
        """
        done = subprocess.run(
            self.command(*words), capture_output=True, text=True, timeout=timeout, cwd=REPOSITORY, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def python(self, *words: str, timeout: float = 2 * PATIENCE, check: bool = True) -> str:
        """Run this interpreter on this host, as `run` does."""
        return self.run(sys.executable, *words, timeout=timeout, check=check)

    def spawn(self, *words: str) -> subprocess.Popen[str]:
        """Start a program on this host, output and errors in one pipe; it ends with the `Lan`."""
        with default_signals():
            process = subprocess.Popen(
                self.command(*words),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=REPOSITORY,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self._programs.append(process)
        return process

    def end(self, process: subprocess.Popen[str]) -> str:
        """End a program by SIGTERM and return the rest of its output."""
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            output, _ = process.communicate(timeout=END_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        if process in self._programs:
            self._programs.remove(process)
        return output

    # This process on that host

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Be on this host for a while: sockets made by this thread are its sockets, and stay so."""
        with inside(self.namespace):
            yield

    def open_socket(self, family: int, kind: int = socket.SOCK_DGRAM, protocol: int = 0) -> socket.socket:
        """Return a new socket of this host, closed with the `Lan`; it waits for what must come."""
        with self.inside():
            made = socket.socket(family, kind, protocol)
        made.settimeout(PATIENCE)
        self._sockets.append(made)
        return made

    def udp_socket(self, ipv6: bool = False, port: int = 0, interface: str = "eth0") -> socket.socket:
        """Return a UDP socket of this host, bound to a port, sending multicast by an interface."""
        made = self.open_socket(socket.AF_INET6 if ipv6 else socket.AF_INET)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        index = self.index(interface)
        if ipv6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        else:
            packed = bytes(8) + index.to_bytes(4, sys.byteorder)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, packed)
        made.bind(("::" if ipv6 else "", port))
        return made

    # Changes

    def ip(self, *words: str) -> None:
        """Run ``ip`` on this host: ``host.ip("link", "set", "eth0", "down")``."""
        _run("ip", "-n", self.namespace, *words)

    def add_addresses(self, link: int = 0) -> None:
        """Give back to ``ethLINK`` its addresses, which taking it down or deleting them took away."""
        device = f"eth{link}"
        self.ip("addr", "replace", f"{self.ipv4(link)}/24", "brd", "+", "dev", device)
        self.ip("addr", "replace", f"{self.ipv6(link)}/64", "dev", device, "nodad")
        self.ip("addr", "replace", f"{self.link_local(link)}/64", "dev", device, "nodad")

    def close(self) -> None:
        """End the programs and close the sockets of this host."""
        for process in list(self._programs):
            self.end(process)
        for each in self._sockets:
            each.close()
        self._sockets.clear()


class Lan:
    """Hosts on one link, or on several, each link a bridge in a namespace of its own.

    :param hosts: how many; each has an interface ``ethN`` on each link.
    :param links: how many.
    """

    def __init__(self, hosts: int = 2, links: int = 1) -> None:
        require_namespaces()
        _delete_leftovers()
        base = f"{PREFIX}{os.getpid()}-{next(_serial)}"
        self.switch = f"{base}-sw"
        self.hosts = [Host(f"{base}-h{number}", number, links) for number in range(hosts)]
        self.links = links
        atexit.register(self.close)
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        _run("ip", "netns", "add", self.switch)
        _batch(
            self.switch,
            *(
                f"link add br{link} type bridge mcast_snooping 0 stp_state 0 forward_delay 0"
                for link in range(self.links)
            ),
            *(f"link set br{link} up" for link in range(self.links)),
        )
        for host in self.hosts:
            _run("ip", "netns", "add", host.namespace)
            with host.inside():
                for part in ("all", "default"):
                    folder = Path("/proc/sys/net/ipv6/conf") / part
                    (folder / "accept_dad").write_text("0")
                    (folder / "disable_ipv6").write_text("0")
                    (folder / "router_solicitations").write_text("0")
                # Addresses are given, so that tests know them.
                Path("/proc/sys/net/ipv6/conf/default/addr_gen_mode").write_text("1")
            _batch(host.namespace, "link set lo up")
            for link in range(self.links):
                self.plug(host, link, wait=False)
        self._wait_for_forwarding()

    def plug(self, host: Host, link: int, *, wait: bool = True) -> None:
        """Connect a host to a link with a new interface ``ethLINK`` and its addresses.

        :param wait: return only when packets pass.
        """
        device, far = f"eth{link}", f"h{host.number}l{link}"
        mac = f"02:77:00:00:{link:02x}:{host.number + 1:02x}"
        _batch(
            self.switch,
            f"link add {far} type veth peer name {device} address {mac} netns {host.namespace}",
            f"link set {far} master br{link} up",
        )
        _batch(
            host.namespace,
            f"link set {device} up",
            f"addr add {host.ipv4(link)}/24 brd + dev {device}",
            f"addr add {host.ipv6(link)}/64 dev {device} nodad",
            f"addr add {host.link_local(link)}/64 dev {device} nodad",
        )
        if wait:
            self._wait_for_forwarding()

    def _wait_for_forwarding(self) -> None:
        """Wait for the bridges: the kernel takes its time to see that a port has a carrier."""

        def all_forward() -> bool:
            words = _run("bridge", "-n", self.switch, "link", "show").split()
            states = [after for word, after in itertools.pairwise(words) if word == "state"]
            return all(state == "forwarding" for state in states)

        wait_until(all_forward, "the bridges to forward")

    def restore(self, host: Host, link: int) -> None:
        """Bring ``ethLINK`` of a host up again, with its addresses, and return when packets pass."""
        host.ip("link", "set", f"eth{link}", "up")
        host.add_addresses(link)
        self._wait_for_forwarding()

    def unplug(self, host: Host, link: int) -> None:
        """Take the interface ``ethLINK`` away from a host."""
        _run("ip", "-n", host.namespace, "link", "del", f"eth{link}")

    def close(self) -> None:
        """Delete every namespace, and what is in it."""
        atexit.unregister(self.close)
        for host in self.hosts:
            host.close()
        for name in (*(host.namespace for host in self.hosts), self.switch):
            if (FOLDER / name).exists():
                _run("ip", "netns", "del", name)


class LanTestCase(RunBeside):
    """Tests that share one `Lan`, built before the first of them.

    What a test changes on it, the test changes back.
    """

    hosts: ClassVar[int] = 2
    links: ClassVar[int] = 1

    def setUp(self) -> None:
        self.lan = _lan_of(type(self))
        for host in self.lan.hosts:
            # A socket left open would take datagrams from the next test.
            self.addCleanup(host.close)


class _Current:
    """The `Lan` in use: trial knows no setUpClass, so the next class that wants another one deletes it."""

    test_case: type[LanTestCase] | None = None
    lan: Lan | None = None


def _lan_of(test_case: type[LanTestCase]) -> Lan:
    if _Current.test_case is not test_case or _Current.lan is None:
        if _Current.lan is not None:
            _Current.lan.close()
        _Current.test_case = _Current.lan = None
        _Current.lan = Lan(test_case.hosts, test_case.links)
        _Current.test_case = test_case
    return _Current.lan


def _run(*words: str, standard_input: str | None = None) -> str:
    done = subprocess.run(
        words,
        input=standard_input,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": _PATH},
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _batch(namespace: str, *lines: str) -> None:
    _run("ip", "-n", namespace, "-batch", "-", standard_input="\n".join(lines) + "\n")


def _delete_leftovers() -> None:
    if not FOLDER.is_dir():
        return
    for each in FOLDER.iterdir():
        pid = each.name.removeprefix(PREFIX).partition("-")[0]
        if each.name.startswith(PREFIX) and pid.isdigit() and not Path("/proc", pid).exists():
            with contextlib.suppress(RuntimeError):  # another run may be at it too
                _run("ip", "netns", "del", each.name)


__all__: Sequence[str] = ("Host", "Lan", "LanTestCase", "require_namespaces", "wait_until")
