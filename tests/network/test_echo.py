"""`twist mcast` and the echo responder between hosts."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

from twisted.internet.interfaces import IReactorFDSet
from twisted.trial.unittest import SynchronousTestCase

from mcast.echo.counters import Drop
from mcast.echo.responder import EchoResponder
from mcast.echo.service import EchoService
from mcast.sockets.group import Group
from tests.network.lan import END_TIMEOUT, PATIENCE, Host, Lan, LanTestCase, require_namespaces, wait_until
from tests.network.reactors import ReactorLanTestCase, group_sender

PORT = 7645
IPV4, IPV6 = "224.0.0.123", "ff02::123"
HELLO = b"Hello from client!"
IP_RECVTTL = 12  # Linux; Python has no name for it
TWIST = (sys.executable, "-m", "twisted")


class Program:
    """A program on a test host, with the output it has written until now."""

    def __init__(self, host: Host, *words: str) -> None:
        self.host = host
        self.process: subprocess.Popen[str] = host.spawn(*words)
        self.output = ""

    def wait_for(self, text: str, count: int = 1, timeout: float = PATIENCE) -> None:
        """Return when the output holds a text so many times."""
        # Read from the descriptor: what a file object has read ahead would be hidden from select.
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        deadline = time.monotonic() + timeout
        while self.output.count(text) < count:
            ready, _, _ = select.select([descriptor], [], [], max(deadline - time.monotonic(), 0))
            read = os.read(descriptor, 65536) if ready else b""
            if not read:
                raise AssertionError(f"no {text!r} in the output:\n{self.output}")
            self.output += read.decode("utf-8")

    def counted(self, text: str) -> None:
        """Have a responder tell its counters until these hold a text: what was sent may be read later."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()

        def told() -> bool:
            self.process.send_signal(signal.SIGUSR1)
            ready, _, _ = select.select([descriptor], [], [], 1.0)
            self.output += os.read(descriptor, 65536).decode("utf-8") if ready else ""
            return text in self.output

        wait_until(told, f"{text!r} to be counted")

    def end(self) -> str:
        """End it by SIGTERM; return all it wrote."""
        self.output += self.host.end(self.process)
        return self.output


def responder_command(*options: str, reactor: str = "epoll") -> tuple[str, ...]:
    """Return the command line of `twist mcast`."""
    return (*TWIST, "--reactor", reactor, "--log-format", "text", "mcast", *options)


def ready(program: Program, joined: int) -> Program:
    """Wait until a responder has joined this many groups on interfaces, and obeys signals."""
    program.wait_for(" joined ", joined)
    wait_until(lambda: handles(program.process.pid, signal.SIGTERM), "the reactor to handle signals")
    return program


def responder(host: Host, *options: str, joined: int, reactor: str = "epoll") -> Program:
    """Start `twist mcast` on a host, and wait until it is ready."""
    return ready(Program(host, *responder_command(*options, reactor=reactor)), joined)


def handles(pid: int, number: signal.Signals) -> bool:
    """Tell whether a process has a handler for a signal."""
    status = Path("/proc", str(pid), "status").read_text()
    (caught,) = re.findall(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return bool(int(caught, 16) >> (number - 1) & 1)


def ask(
    client: socket.socket, data: bytes = HELLO, group: str = IPV4, interface: int = 0, port: int = PORT
) -> tuple[bytes, tuple[str, int]]:
    """Send to the group; return the first answer and where it came from."""
    client.sendto(data, (group, port, 0, interface) if ":" in group else (group, port))
    answer, address = client.recvfrom(65536)
    return answer, address[:2]


def silent(client: socket.socket, data: bytes = HELLO, group: str = IPV4, port: int = PORT) -> bool:
    """Tell whether a datagram to the group has no answer."""
    client.settimeout(0.3)
    try:
        ask(client, data, group, port=port)
    except TimeoutError:
        return True
    finally:
        client.settimeout(PATIENCE)
    return False


class SeedTests(LanTestCase):
    """A plain client on another host says hello to each group, and is answered from the group's port."""

    reactor = "epoll"

    def setUp(self) -> None:
        super().setUp()
        self.server, self.client = self.lan.hosts
        self.responder = responder(self.server, joined=2, reactor=self.reactor)
        self.addCleanup(self.responder.end)

    def test_ipv4(self) -> None:
        client = self.client.udp_socket()
        self.assertEqual(ask(client), (HELLO, (self.server.ipv4(), PORT)))

    def test_ipv6(self) -> None:
        client = self.client.udp_socket(ipv6=True)
        answer, (host, port) = ask(client, group=IPV6, interface=self.client.index())
        self.assertEqual((answer, host.partition("%")[0], port), (HELLO, self.server.link_local(), PORT))

    def test_ipv6_from_a_wider_address(self) -> None:
        client = self.client.open_socket(socket.AF_INET6)
        client.bind((self.client.ipv6(), 0))
        answer, address = ask(client, group=IPV6, interface=self.client.index())
        self.assertEqual((answer, address[1]), (HELLO, PORT))

    def test_empty(self) -> None:
        self.assertEqual(ask(self.client.udp_socket(), b"")[0], b"")

    def test_largest(self) -> None:
        """65,507 octets are echoed whole."""
        data = bytes(range(256)) * 256
        self.assertEqual(ask(self.client.udp_socket(), data[:65507])[0], data[:65507])

    def test_largest_ipv6(self) -> None:
        data = bytes(range(256)) * 256
        client = self.client.udp_socket(ipv6=True)
        self.assertEqual(ask(client, data[:65507], IPV6, self.client.index())[0], data[:65507])

    def test_client_on_the_groups_port(self) -> None:
        """A client that uses the group's port itself is answered too."""
        self.assertEqual(ask(self.client.udp_socket(port=PORT))[0], HELLO)

    def test_client_on_the_same_host(self) -> None:
        self.assertEqual(ask(self.server.udp_socket())[0], HELLO)


class AsyncioSeedTests(SeedTests):
    """The same on the asyncio reactor."""

    reactor = "asyncio"


class ServiceTests(LanTestCase):
    """Life and end of `twist mcast`."""

    def setUp(self) -> None:
        super().setUp()
        self.server, self.client = self.lan.hosts

    def groups(self) -> str:
        return self.server.run("cat", "/proc/net/igmp", "/proc/net/igmp6")

    def test_logs_each_join(self) -> None:
        output = responder(self.server, joined=2).end()
        self.assertEqual(
            re.findall(r"\] (joined .*)", output),
            ["joined 224.0.0.123:7645 on eth0", "joined [ff02::123]:7645 on eth0"],
        )

    def test_end_leaves_at_once(self) -> None:
        """SIGTERM: the groups are left, and it is over soon: there is nothing to wait for."""
        program = responder(self.server, joined=2)
        self.assertIn("7B0000E0", self.groups())
        started_at = time.monotonic()
        output = program.end()
        self.assertLess(time.monotonic() - started_at, END_TIMEOUT / 2)
        self.assertIn("received 0, answered 0, dropped 0", output)
        self.assertNotIn("7B0000E0", self.groups())
        self.assertNotIn("ff020000000000000000000000000123", self.groups())

    def test_counts_on_signal(self) -> None:
        program = responder(self.server, joined=2)
        ask(self.client.udp_socket())
        self.server.run("kill", "-USR1", str(program.process.pid))
        program.wait_for("received 1, answered 1, dropped 0")
        self.assertIsNone(program.process.poll())
        program.end()

    def test_fixed_reply(self) -> None:
        responder(self.server, "--reply", "Hello from the responder!", joined=2)
        self.assertEqual(ask(self.client.udp_socket())[0], b"Hello from the responder!")

    def test_other_port(self) -> None:
        program = responder(self.server, "--group", "239.1.2.3", "--port", "5000", joined=1)
        self.addCleanup(program.end)
        self.assertEqual(ask(self.client.udp_socket(), group="239.1.2.3", port=5000)[0], HELLO)

    def test_two_responders_on_one_host(self) -> None:
        programs = [
            responder(self.server, "--group", IPV4, "--reply", text, joined=1) for text in ("one", "two")
        ]
        for program in programs:
            self.addCleanup(program.end)
        client = self.client.udp_socket()
        answers = dict((ask(client), client.recvfrom(100)))
        self.assertEqual(set(answers), {b"one", b"two"})
        # The second answers from a port of its own, so that the two are told apart.
        self.assertEqual(answers[b"one"], (self.server.ipv4(), PORT))
        self.assertNotEqual(answers[b"two"][1], PORT)

    def test_beside_a_listener(self) -> None:
        """Who only listens on the same host does not change where the answers come from."""
        listening = Program(self.server, sys.executable, "-m", "mcast.cli", "listen", IPV4)
        listening.wait_for("LISTEN")
        self.addCleanup(responder(self.server, "--group", IPV4, joined=1).end)
        self.assertEqual(ask(self.client.udp_socket()), (HELLO, (self.server.ipv4(), PORT)))

    def test_no_loopback(self) -> None:
        """--no-loopback: programs on this host are not answered, others are."""
        program = responder(self.server, "--group", IPV4, "--no-loopback", joined=1)
        self.assertTrue(silent(self.server.udp_socket()))
        self.assertEqual(ask(self.client.udp_socket())[0], HELLO)
        program.counted("(own host 1)")

    def test_rate(self) -> None:
        """No source has more than --max-rate replies in a second."""
        program = responder(self.server, "--group", IPV4, "--max-rate", "10", joined=1)
        client = self.client.udp_socket()
        began = time.monotonic()
        for _ in range(100):
            client.sendto(HELLO, (IPV4, PORT))
        program.counted("received 100, ")
        # A busy machine may take more than a second over them; a second may begin between two of them.
        seconds = 2 + int(time.monotonic() - began)
        (answered,) = map(int, re.findall(r"received 100, answered (\d+), ", program.output)[:1])
        self.assertLessEqual(10, answered)
        self.assertLessEqual(answered, 10 * seconds)
        self.assertIn(f"dropped {100 - answered} (rate limit {100 - answered})", program.output)
        for _ in range(answered):
            client.recv(100)
        client.settimeout(0.2)
        self.assertRaises(TimeoutError, client.recv, 100)

    def test_off_link_source(self) -> None:
        """A link-local group answers on-link sources only: this one is not of the link's network."""
        program = responder(self.server, "--group", IPV4, joined=1)
        self.client.ip("addr", "replace", "203.0.113.5/32", "dev", "eth0")
        client = self.client.open_socket(socket.AF_INET)
        client.bind(("203.0.113.5", 0))
        client.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("@8xi", self.client.index()))
        self.assertTrue(silent(client))
        program.counted("dropped 1 (source off link 1)")

    def test_port_zero(self) -> None:
        """There is nobody at port 0."""
        program = responder(self.server, "--group", IPV4, joined=1)
        raw = self.client.open_socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("@8xi", self.client.index()))
        raw.sendto(struct.pack("!HHHH", 0, PORT, 8 + len(HELLO), 0) + HELLO, (IPV4, 0))
        self.assertTrue(silent(self.client.udp_socket(), group="224.0.0.124"))
        program.counted("dropped 1 (source port 1)")

    def test_source_specific(self) -> None:
        """Only the sources that were named are heard."""
        program = responder(self.server, "--group", "232.1.2.3", "--source", self.client.ipv4(), joined=1)
        self.addCleanup(program.end)
        self.assertEqual(ask(self.client.udp_socket(), group="232.1.2.3")[0], HELLO)
        self.assertTrue(silent(self.server.udp_socket(), group="232.1.2.3"))

    def test_ttl_of_answers(self) -> None:
        program = responder(self.server, "--group", IPV4, "--ttl", "9", joined=1)
        self.addCleanup(program.end)
        client = self.client.udp_socket()
        client.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        client.sendto(HELLO, (IPV4, PORT))
        _, ancillary, _, _ = client.recvmsg(100, 100)
        self.assertEqual(int.from_bytes(ancillary[0][2], sys.byteorder), 9)


class WaitingTests(LanTestCase):
    """A machine boots before its network."""

    hosts = 1

    def test_interface_that_comes_later(self) -> None:
        host = self.lan.hosts[0]
        program = Program(host, *responder_command("--interface", "eth9"))
        self.addCleanup(program.end)
        program.wait_for("waiting for an interface: interface eth9: no such interface")
        host.ip("link", "add", "eth9", "type", "veth", "peer", "name", "far9")
        self.addCleanup(host.ip, "link", "del", "eth9")
        for words in (("link", "set", "far9", "up"), ("link", "set", "eth9", "up")):
            host.ip(*words)
        host.ip("addr", "add", "10.9.9.1/24", "dev", "eth9")
        program.wait_for("joined 224.0.0.123:7645 on eth9")


class RefusalTests(LanTestCase):
    """A mistake is one line that names the value and the cause, exit status 1, and no traceback."""

    hosts = 1

    def refused(self, line: str, *options: str) -> None:
        words = (*TWIST, "mcast", *options)
        done = subprocess.run(
            self.lan.hosts[0].command(*words), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", line + "\n"))

    def test_no_multicast_address(self) -> None:
        self.refused("mcast: --group 10.0.0.1: not a multicast address", "--group", "10.0.0.1")

    def test_port_taken(self) -> None:
        taken = self.lan.hosts[0].open_socket(socket.AF_INET)
        taken.bind(("", PORT))
        self.refused(
            "mcast: UDP port 7645 on 224.0.0.123: already in use by a socket that does not share it",
            "--group",
            IPV4,
        )
        taken.close()


class ChangeTests(SynchronousTestCase):
    """Interfaces that come, go and change are followed while it runs."""

    def setUp(self) -> None:
        require_namespaces()
        self.lan = Lan(hosts=2, links=2)
        self.addCleanup(self.lan.close)
        self.server, self.client = self.lan.hosts

    def answered(self, link: int, patience: float = 0.5) -> bool:
        client = self.client.udp_socket(interface=f"eth{link}")
        client.settimeout(patience)
        try:
            return ask(client) == (HELLO, (self.server.ipv4(link), PORT))
        except TimeoutError:
            return False
        finally:
            client.close()

    def test_each_interface_answers_for_itself(self) -> None:
        responder(self.server, "--group", IPV4, joined=2)
        self.assertTrue(self.answered(0, PATIENCE))
        self.assertTrue(self.answered(1, PATIENCE))

    def test_one_interface_only(self) -> None:
        responder(self.server, "--group", IPV4, "--interface", "eth0", joined=1)
        self.assertFalse(self.answered(1))
        self.assertTrue(self.answered(0, PATIENCE))

    def test_group_with_a_zone(self) -> None:
        program = responder(self.server, "--group", "ff02::123%eth1", joined=1)
        self.assertIn("joined [ff02::123%eth1]:7645 on eth1", program.output)

    def test_down_and_up(self) -> None:
        program = responder(self.server, "--group", IPV4, joined=2)
        self.server.ip("link", "set", "eth1", "down")
        program.wait_for("left 224.0.0.123:7645 on eth1")
        self.assertTrue(self.answered(0, PATIENCE))
        self.server.ip("link", "set", "eth1", "up")
        self.server.add_addresses(1)
        wait_until(lambda: self.answered(1), "answers on eth1 again")

    def test_added(self) -> None:
        self.lan.unplug(self.server, 1)
        responder(self.server, "--group", IPV4, joined=1)
        self.lan.plug(self.server, 1)
        wait_until(lambda: self.answered(1), "answers on the new eth1")

    def test_address_lost_and_regained(self) -> None:
        responder(self.server, "--group", IPV4, joined=2)
        self.server.ip("addr", "flush", "dev", "eth1")
        self.server.add_addresses(1)
        wait_until(lambda: self.answered(1), "answers on eth1 again")


class EmbeddedTests(ReactorLanTestCase):
    """In a program of one's own, and on a stock port."""

    def ask_inside(self, client: socket.socket, group: str = IPV4) -> bytes:
        client.sendto(HELLO, (group, PORT))
        client.setblocking(False)
        answers: list[bytes] = []

        def answered() -> bool:
            try:
                answers.append(client.recv(65536))
            except BlockingIOError:
                return False
            return True

        self.until(answered, "an answer")
        return answers[0]

    def test_service(self) -> None:
        service = EchoService(self.reactor, [Group.parse(IPV4, PORT)])
        service.startService()
        self.assertEqual(self.ask_inside(group_sender(self.there, False, "eth1")), HELLO)
        self.wait(service.stopService())
        self.assertEqual(str(service.counters), "received 1, answered 1, dropped 0")

    def test_service_restarts(self) -> None:
        service = EchoService(self.reactor, [Group.parse(IPV4, PORT)])
        for count in (1, 2):
            service.startService()
            self.assertEqual(self.ask_inside(group_sender(self.there, False, "eth0")), HELLO)
            self.wait(service.stopService())
            self.assertEqual(service.counters.answered, count)

    def stock(self) -> EchoResponder:
        made = EchoResponder([Group.parse(IPV4, PORT)])
        self.close_later(self.reactor.listenMulticast(PORT, made, listenMultiple=True))
        return made

    def test_stock_port(self) -> None:
        self.assertTrue(IReactorFDSet.providedBy(self.reactor))
        self.stock()
        self.assertEqual(self.ask_inside(group_sender(self.there, False, "eth0")), HELLO)

    def test_responders_on_stock_ports_make_no_loop(self) -> None:
        """Not told the destination, a responder takes what the group's port sends for an answer."""
        made = self.stock()
        there = self.there.udp_socket(port=PORT)
        there.sendto(HELLO, (self.here.ipv4(), PORT))
        self.until(lambda: made.echo_counters.received, "the datagram to arrive")
        self.turn()
        there.setblocking(False)
        self.assertRaises(BlockingIOError, there.recv, 100)
        self.assertEqual(made.echo_counters.dropped[Drop.PORT], 1)


class ForgedTests(LanTestCase):
    """Forged sources are not answered."""

    def test_ipv6_multicast_source_never_arrives(self) -> None:
        """Nothing is sent to a group that somebody gives as the source."""
        server, client = self.lan.hosts
        program = responder(server, "--group", "ff15::7645", joined=1)
        raw = client.open_socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        index = client.index()
        body = struct.pack("!HHHH", 40000, PORT, 8 + len(HELLO), 0xFFFF) + HELLO
        source, group = (socket.inet_pton(socket.AF_INET6, each) for each in ("ff02::1", "ff15::7645"))
        raw.sendto(
            struct.pack("!IHBB", 6 << 28, len(body), socket.IPPROTO_UDP, 1) + source + group + body,
            ("ff15::7645", 0, 0, index),
        )
        asked = client.udp_socket(ipv6=True)
        self.assertEqual(ask(asked, group="ff15::7645", interface=index)[0], HELLO)
        program.counted("answered 1, ")
        self.assertNotIn("answered 2, ", program.end())


class InterruptTests(LanTestCase):
    """Ctrl-C ends it as SIGTERM does."""

    hosts = 1

    def test_sigint(self) -> None:
        program = responder(self.lan.hosts[0], joined=2)
        program.process.send_signal(signal.SIGINT)
        wait_until(lambda: program.process.poll() is not None, "the program to end")
        program.wait_for("received 0, answered 0")
        self.assertNotIn("Traceback", program.end())
