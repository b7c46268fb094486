"""The `mcast` command between hosts."""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from tests.interop.scenes import SceneTestCase
from tests.network.lan import PATIENCE, Host, LanTestCase, wait_until
from tests.network.test_echo import HELLO, IPV4, Program, ready, responder, responder_command

MCAST = (sys.executable, "-m", "mcast.cli")

WAIT = "5"
"""Seconds to wait for the last answers. Our choice: a busy machine may keep all of us waiting for 2 s."""


def command(host: Host, *words: str, data: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `mcast` on a host to its end."""
    return subprocess.run(
        host.command(*MCAST, *words),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
        input=data,
        stdin=subprocess.DEVNULL if data is None else None,
    )


def objects(lines: str, event: str) -> list[dict[str, Any]]:
    """Return the JSON objects of one event."""
    return [each for each in map(json.loads, lines.splitlines()) if each["event"] == event]


def whole_lines(program: Program) -> str:
    """Return the lines that a program has written to their end."""
    return program.output.rpartition("\n")[0]


def in_the_tables(group: str) -> str:
    """Return how the kernel writes a group in its tables of memberships."""
    if ":" in group:
        return socket.inet_pton(socket.AF_INET6, group).hex()
    return f"{struct.unpack('=I', socket.inet_aton(group))[0]:08X}"


class PingTests(SceneTestCase):
    """Two responders on two hosts, a client on the third."""

    hosts = 3

    @classmethod
    def build(cls, stack: ExitStack) -> None:
        started = [Program(server, *responder_command()) for server in cls.lan.hosts[1:]]
        for program in started:
            ready(program, joined=2)

    def setUp(self) -> None:
        super().setUp()
        self.client, *self.servers = self.lan.hosts
        self.addCleanup(self.client.close)

    def ping(self, *words: str) -> subprocess.CompletedProcess[str]:
        return command(self.client, "ping", *words)

    def assert_both(self, done: subprocess.CompletedProcess[str], hosts: Sequence[str], count: int) -> None:
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        answers = objects(done.stdout, "answer")
        self.assertEqual(
            sorted((each["responder"], each["seq"]) for each in answers),
            sorted((host, number) for host in hosts for number in range(count)),
        )
        self.assertEqual(
            {(each["interface"], each["size"], each["ttl"]) for each in answers}, {("eth0", 56, 64)}
        )
        summary = objects(done.stdout, "summary")
        self.assertEqual(sorted(each["responder"] for each in summary), sorted(hosts))
        self.assertEqual(
            {(each["sent"], each["received"], each["loss"]) for each in summary}, {(count, count, 0.0)}
        )

    def test_ipv4(self) -> None:
        done = self.ping("224.0.0.123:7645", *["-c", "3", "-i", "0.1", "-w", WAIT, "--json"])
        self.assert_both(done, [each.ipv4() for each in self.servers], 3)

    def test_ipv6(self) -> None:
        done = self.ping("[ff02::123%eth0]:7645", *["-c", "3", "-i", "0.1", "-w", WAIT, "--json"])
        self.assert_both(done, [f"{each.link_local()}%eth0" for each in self.servers], 3)

    def test_table(self) -> None:
        done = self.ping("224.0.0.123", *["-c", "2", "-i", "0.1", "-w", WAIT, "-q"])
        title, headings, *rows = done.stdout.splitlines()[1:]
        self.assertEqual(title, "--- 2 probes sent, 2 responders")
        self.assertEqual(headings.split()[:5], ["responder", "if", "sent", "recv", "loss%"])
        self.assertEqual(
            sorted(row.split()[:5] for row in rows),
            [[each.ipv4(), "eth0", "2", "2", "0.0"] for each in self.servers],
        )

    def test_pace(self) -> None:
        """A thousand probes a second take a second; with timers of 10 ms they would take ten."""
        measured = []
        for _ in range(10):
            (one, answered), (many, all_answered) = self.seconds_for(1), self.seconds_for(1000)
            self.assertEqual(answered, [1, 1])
            measured.append((many - one, all_answered))
            # The best counts: a busy machine is late, and what it does not read in time it may lose.
            if many - one < 9.9 and all_answered == [1000, 1000]:
                return
        self.fail(f"not a thousand answers of each within a second or so: {measured}")

    def seconds_for(self, count: int) -> tuple[float, list[int]]:
        """Send so many probes; return how long that took, and how many each responder has answered."""
        began = time.monotonic()
        done = self.ping("224.0.0.123", *["-c", str(count), "-i", "0.001", "-w", WAIT, "-q", "--json"])
        took = time.monotonic() - began
        return took, [each["received"] for each in objects(done.stdout, "summary")]

    def test_as_many_as_expected(self) -> None:
        self.assertEqual(self.ping("224.0.0.123", *["-c", "1", "-w", WAIT, "--expect", "2"]).returncode, 0)

    def test_two_on_one_host(self) -> None:
        """They are two responders, and nothing is a duplicate."""
        self.addCleanup(responder(self.servers[0], joined=2).end)
        done = self.ping("ff02::123%eth0", *["-c", "2", "-i", "0.1", "-w", WAIT, "--expect", "3", "--json"])
        summary = objects(done.stdout, "summary")
        self.assertEqual([(each["received"], each["duplicates"]) for each in summary], [(2, 0)] * 3)
        self.assertEqual(len({each["responder"] for each in summary}), 3)
        self.assertEqual(done.returncode, 0)

    def test_fewer_than_expected(self) -> None:
        self.assertEqual(self.ping("224.0.0.123", *["-c", "1", "-w", WAIT, "--expect", "3"]).returncode, 1)

    def test_nobody(self) -> None:
        done = self.ping("224.0.0.124", *["-c", "1", "-w", "0.2"])
        self.assertEqual(done.returncode, 2)
        self.assertIn("--- 1 probe sent, no responders", done.stdout)

    def test_largest(self) -> None:
        done = self.ping("224.0.0.123", *["-c", "1", "-w", WAIT, "-s", "65507", "--json"])
        self.assertEqual([each["size"] for each in objects(done.stdout, "answer")], [65507, 65507])

    def test_source(self) -> None:
        """The probes come from the address that was asked for."""
        self.client.ip("addr", "add", "10.77.0.200/24", "dev", "eth0")
        self.addCleanup(self.client.ip, "addr", "del", "10.77.0.200/24", "dev", "eth0")
        listening = Program(self.servers[0], *MCAST, "listen", IPV4, "--json", "-c", "1")
        self.addCleanup(listening.end)
        wait_until(lambda: "7B0000E0     2" in self.servers[0].run("cat", "/proc/net/igmp"), "the join")
        self.ping("224.0.0.123", *["-c", "1", "-w", "0.2", "--source", "10.77.0.200"])
        listening.wait_for('"source": "10.77.0.200"')

    def test_interrupt(self) -> None:
        """Ctrl-C prints the summary."""
        program = Program(self.client, *MCAST, "ping", "224.0.0.123", "-i", "0.1", "--expect", "2")
        program.wait_for("seq=2")
        for server in self.servers:
            program.wait_for(f"{server.ipv4()}")
        program.process.send_signal(signal.SIGINT)
        program.wait_for(", 2 responders")
        program.wait_for("loss%")
        self.assertEqual(program.process.wait(PATIENCE), 0)

    def test_interface_that_goes_down(self) -> None:
        """What the system refuses to send is told once; when the interface is back it goes on."""
        program = Program(self.client, *MCAST, "ping", "224.0.0.123", "-i", "0.02", "-I", "eth0")
        program.wait_for("seq=")
        self.client.ip("link", "set", "eth0", "down")
        program.wait_for("cannot send")
        self.client.ip("link", "set", "eth0", "up")
        self.client.add_addresses()
        heard = program.output.count("seq=")
        program.wait_for("seq=", heard + 20)
        program.process.send_signal(signal.SIGINT)
        self.assertEqual(program.process.wait(PATIENCE), 0)
        self.assertEqual(program.end().count("cannot send"), 1)


class LoopbackTests(LanTestCase):
    """On the loopback interface alone, as in a container without network."""

    hosts = 1

    def test_answered(self) -> None:
        """Linux sends IPv4 multicast there from 0.0.0.0, which nobody can answer, unless told otherwise."""
        (host,) = self.lan.hosts
        self.addCleanup(responder(host, "--group", IPV4, "--interface", "lo", joined=1).end)
        done = command(host, "ping", IPV4, "-I", "lo", *["-c", "1", "-w", WAIT, "--json"])
        self.assertEqual(
            [(each["responder"], each["interface"]) for each in objects(done.stdout, "answer")],
            [("127.0.0.1", "lo")],
        )


class ListenTests(LanTestCase):
    """One host listens, another sends."""

    def setUp(self) -> None:
        super().setUp()
        self.sender, self.listener = self.lan.hosts

    def listen(self, *words: str, groups: Sequence[str] = (IPV4,)) -> Program:
        """Start a listener, and wait until it has joined these groups."""
        program = Program(self.listener, *MCAST, "listen", *words)
        wanted = [in_the_tables(group) for group in groups]

        def joined() -> bool:
            tables = self.listener.run("cat", "/proc/net/igmp", "/proc/net/igmp6")
            return all(each in tables for each in wanted)

        wait_until(joined, f"{groups} to be joined")
        return program

    def test_heard(self) -> None:
        program = self.listen(IPV4, "ff02::123", "--json", "-c", "2", groups=(IPV4, "ff02::123"))
        self.assertEqual(command(self.sender, "send", IPV4, "Hello").returncode, 0)
        self.assertEqual(command(self.sender, "send", "ff02::123%eth0", "-t", "7", "Hello 6").returncode, 0)
        self.assertEqual(program.process.wait(PATIENCE), 0)
        first, second = objects(program.end(), "datagram")
        self.assertEqual(
            (first["interface"], first["source"], first["destination"], first["ttl"], first["payload"]),
            ("eth0", self.sender.ipv4(), IPV4, 1, "Hello"),
        )
        self.assertEqual(
            (second["source"], second["destination"], second["ttl"]),
            (f"{self.sender.link_local()}%eth0", "ff02::123", 7),
        )

    def test_standard_input(self) -> None:
        program = self.listen(IPV4, "--hex", "-c", "1")
        command(self.sender, "send", IPV4, data="a\n")
        program.wait_for("size=2: 61 0a")

    def test_source_specific(self) -> None:
        """Only the source that was named is heard."""
        source = ("--source", self.sender.ipv4())
        program = self.listen("232.1.2.3", "--json", *source, "-c", "1", groups=("232.1.2.3",))
        command(self.listener, "send", "232.1.2.3", "from another source")
        command(self.sender, "send", "232.1.2.3", "from the source")
        self.assertEqual(program.process.wait(PATIENCE), 0)
        self.assertEqual(
            [each["payload"] for each in objects(program.end(), "datagram")], ["from the source"]
        )

    def test_stats(self) -> None:
        program = self.listen(IPV4, "--stats", "0.5", "--json")
        command(self.sender, "send", IPV4, "-c", "100", "-s", "100")
        while sum(each["packets"] for each in objects(whole_lines(program), "stats")) < 100:
            program.wait_for('"event": "stats"', program.output.count('"event": "stats"') + 1)
        program.process.send_signal(signal.SIGINT)
        self.assertEqual(program.process.wait(PATIENCE), 0)
        counted = objects(program.end(), "stats")
        self.assertEqual(
            (sum(each["packets"] for each in counted), sum(each["octets"] for each in counted)), (100, 10000)
        )

    def test_stream(self) -> None:
        """Numbered datagrams arrive all, evenly, over 16 groups of which one is sent to."""
        groups = [f"239.1.2.{number}" for number in range(16)]
        program = self.listen("239.1.2.0/28", "--stats", "0.2", "--json", groups=groups)
        command(self.sender, "send", "239.1.2.7", "--sequence", "-c", "50", "-r", "200", "-s", "200")
        program.wait_for('"received": 50')
        program.process.send_signal(signal.SIGINT)
        self.assertEqual(program.process.wait(PATIENCE), 0)
        (stream,) = objects(program.end(), "summary")
        self.assertEqual(
            (stream["destination"], stream["kind"], stream["octets"], stream["lost"], stream["duplicates"]),
            ("239.1.2.7", "text", 10000, 0, 0),
        )
        # tests.test_streams has its value; here it is that of the machine.
        self.assertGreaterEqual(stream["jitter_ms"], 0)

    def test_rtp(self) -> None:
        """RTP is seen by itself: here 20 packets of which two are missing and one comes twice."""
        program = self.listen(f"{IPV4}:5004", "--stats", "0.2", "--json")
        sending = self.sender.udp_socket()
        for number in (*range(5), *range(7, 20), 19):
            header = struct.pack("!BBHII", 0x80, 0, 65530 + number & 0xFFFF, 160 * number, 4711)
            sending.sendto(header + bytes(160), (IPV4, 5004))
        program.wait_for('"received": 18')
        program.process.send_signal(signal.SIGINT)
        self.assertEqual(program.process.wait(PATIENCE), 0)
        (stream,) = objects(program.end(), "summary")
        self.assertEqual(
            (stream["kind"], stream["sender"], stream["lost"], stream["duplicates"]), ("RTP", 4711, 2, 1)
        )

    def test_source_of_one_group(self) -> None:
        """SOURCE,GROUP beside a group of any source."""
        stranger = f"10.77.0.200,{IPV4}"
        program = self.listen(stranger, "239.1.2.3", "--json", "-c", "1", groups=(IPV4, "239.1.2.3"))
        command(self.sender, "send", IPV4, "from another source")
        command(self.sender, "send", "239.1.2.3", "from any source")
        self.assertEqual(program.process.wait(PATIENCE), 0)
        self.assertEqual(
            [each["payload"] for each in objects(program.end(), "datagram")], ["from any source"]
        )

    def test_port_taken(self) -> None:
        """One line, however many groups and interfaces."""
        taken = self.listener.open_socket(socket.AF_INET)
        taken.bind(("", 7645))
        self.assertEqual(
            command(self.listener, "listen", IPV4, "239.1.2.3").stderr,
            "mcast listen: UDP port 7645 on 224.0.0.123: already in use by a socket that does not share it\n",
        )

    def test_nothing(self) -> None:
        program = self.listen(IPV4)
        program.process.send_signal(signal.SIGINT)
        self.assertEqual(program.process.wait(PATIENCE), 2)

    def test_many(self) -> None:
        """All of many datagrams leave, as fast as the system takes them."""
        done = command(self.sender, "send", IPV4, "-c", "2000", "-s", "1400", "--json")
        (sent,) = objects(done.stdout, "sent")
        self.assertEqual((sent["sent"], sent["refused"], done.returncode), (2000, 0, 0))

    def slow_down(self) -> None:
        """Let the sender's interface send 100 kB a second, and hold two datagrams of 1000 octets back."""
        shaped = "tbf rate 800kbit burst 2000 limit 3000"
        self.sender.run("sh", "-c", f"tc qdisc add dev eth0 root {shaped}")
        self.addCleanup(self.sender.run, "sh", "-c", "tc qdisc del dev eth0 root")

    def test_full_queue(self) -> None:
        """A full queue of the interface slows it, is told, and loses nothing."""
        self.slow_down()
        program = self.listen(IPV4, "--json", "-c", "40")
        done = command(self.sender, "send", IPV4, "x", "-c", "40", "-s", "1000", "--json")
        (sent,) = objects(done.stdout, "sent")
        self.assertEqual((sent["sent"], sent["refused"]), (40, 0))
        self.assertGreater(sent["waits"], 0)
        self.assertEqual(program.process.wait(PATIENCE), 0)

    def test_full_queue_ipv6(self) -> None:
        self.slow_down()
        done = command(self.sender, "send", "ff02::123%eth0", "x", "-c", "40", "-s", "1000")
        self.assertIn("sent 40 of 40", done.stdout)
        self.assertIn("for a full buffer", done.stdout)


class InterfacesTests(LanTestCase):
    hosts = 1

    def setUp(self) -> None:
        super().setUp()
        (self.host,) = self.lan.hosts

    def test_groups(self) -> None:
        """What any program of this host joined is listed."""
        self.addCleanup(responder(self.host, joined=2).end)
        done = command(self.host, "interfaces", "-I", "eth0", "--json")
        (listed,) = objects(done.stdout, "interface")
        self.assertIn("224.0.0.123", listed["groups"])
        self.assertIn("ff02::123", listed["groups"])
        self.assertIn(f"{self.host.ipv4()}/24", listed["addresses"])

    def test_check(self) -> None:
        done = command(self.host, "interfaces", "--check", "-I", "eth0", "--json")
        self.assertEqual(
            [(each["family"], each["works"]) for each in objects(done.stdout, "check")],
            [("IPv4", True), ("IPv6", True)],
        )
        self.assertEqual(done.returncode, 0)

    def test_down(self) -> None:
        self.host.ip("link", "add", "br9", "type", "bridge")
        self.addCleanup(self.host.ip, "link", "del", "br9")
        done = command(self.host, "interfaces", "--check", "-I", "br9")
        self.assertEqual(done.returncode, 2)
        self.assertIn("IPv4: does not work: down", done.stdout)

    def test_no_ipv4_address(self) -> None:
        self.host.ip("addr", "flush", "dev", "eth0", "scope", "global")
        self.addCleanup(self.host.add_addresses)
        done = command(self.host, "interfaces", "--check", "-I", "eth0")
        self.assertEqual(done.returncode, 1)
        self.assertIn("IPv4: does not work: no IPv4 address", done.stdout)
        self.assertIn("IPv6: works", done.stdout)

    def test_reverse_path_filter(self) -> None:
        """A setting that drops other senders is told, though we hear ourselves."""
        self.host.run("sysctl", "-q", "-w", "net.ipv4.conf.eth0.rp_filter=1")
        self.addCleanup(self.host.run, "sysctl", "-q", "-w", "net.ipv4.conf.eth0.rp_filter=0")
        self.assertIn("rp_filter=1", command(self.host, "interfaces", "--check", "-I", "eth0").stdout)

    def test_unknown(self) -> None:
        done = command(self.host, "interfaces", "-I", "eth9")
        self.assertEqual(
            (done.returncode, done.stderr),
            (2, "mcast interfaces: interface eth9: no such interface, index or address on this host\n"),
        )


class PlainClientTests(LanTestCase):
    """`mcast send` speaks to the echo responder as any client does."""

    def test_counted(self) -> None:
        server, client = self.lan.hosts
        program = responder(server, joined=2)
        command(client, "send", IPV4, HELLO.decode(), "-c", "5")
        program.counted("received 5, answered 5")
