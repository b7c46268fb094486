"""Tests for what `mcast listen` prints."""

from __future__ import annotations

import json
import os
import resource
import shutil
import time
from io import StringIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mcast.cli import flows, listen
from mcast.cli.command import CommandError, Output, Parser
from mcast.cli.groups import channels
from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
from mcast.streams import numbered_text
from tests.echo.fakes import ETH0

ADDRESS = ("192.0.2.9", 40000)
ARRIVAL = Arrival(2, "224.0.0.123", 1)


class ListenTestCase(SynchronousTestCase):
    def make(self, *words: str, json_lines: bool = True) -> listen.Printer:
        self.patch(time, "time", lambda: 1_700_000_000.25)
        parser = Parser()
        listen.configure(parser)
        arguments = parser.parse_args(["224.0.0.123", *words])
        self.stream = StringIO()
        self.done: Deferred[None] = Deferred()
        kind = listen.Table if arguments.stats or arguments.rtp else listen.Printer
        printer = kind(arguments, Output(self.stream, json_lines=json_lines), self.done)
        printer.group_joined(Group.parse("224.0.0.123:7645"), ETH0)
        return printer

    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


class DatagramTests(ListenTestCase):
    def test_json(self) -> None:
        self.make().datagram_arrived("grüß\x1b".encode(), ADDRESS, ARRIVAL)
        self.assertEqual(
            self.objects(),
            [
                {
                    "event": "datagram",
                    "time": 1_700_000_000.25,
                    "interface": "eth0",
                    "source": "192.0.2.9",
                    "port": 40000,
                    "destination": "224.0.0.123",
                    "ttl": 1,
                    "size": 7,
                    "payload": "grüß\x1b",
                }
            ],
        )

    def test_hex(self) -> None:
        self.make("--hex").datagram_arrived(b"\x00\xff", ADDRESS, ARRIVAL)
        self.assertEqual(self.objects()[0]["hex"], "00ff")

    def test_text(self) -> None:
        self.make(json_lines=False).datagram_arrived(b"hello", ADDRESS, ARRIVAL)
        joined, line = self.stream.getvalue().splitlines()
        self.assertEqual(joined, "LISTEN 224.0.0.123:7645 on eth0")
        self.assertRegex(
            line,
            r"^\d\d:\d\d:\d\d\.250000 eth0 192\.0\.2\.9 port 40000 > 224\.0\.0\.123 ttl=1 size=5: hello$",
        )

    def test_text_in_hex(self) -> None:
        self.make("--hex", json_lines=False).datagram_arrived(b"\x00\xff", ADDRESS, ARRIVAL)
        self.assertTrue(self.stream.getvalue().endswith("size=2: 00 ff\n"))

    def test_link_local_source(self) -> None:
        self.make().datagram_arrived(b"", ("fe80::9", 40000, 0, 2), Arrival(2, "ff02::123", None))
        (shown,) = self.objects()
        self.assertEqual((shown["source"], shown["ttl"]), ("fe80::9%eth0", None))

    def test_terminal_is_not_obeyed(self) -> None:
        """What a stranger sends moves no cursor and rings no bell."""
        self.make(json_lines=False).datagram_arrived(
            "a\x1b[2J\n\u202eé".encode(), ("192.0.2.9", 40000), Arrival(2, "224.0.0.123", None)
        )
        self.assertTrue(self.stream.getvalue().endswith(": a\\u001b[2J\\u000a\\u202eé\n"))


class CountTests(ListenTestCase):
    def test_ends_after_so_many(self) -> None:
        printer = self.make("-c", "2")
        printer.datagram_arrived(b"1", ADDRESS, ARRIVAL)
        self.assertNoResult(self.done)
        printer.datagram_arrived(b"2", ADDRESS, ARRIVAL)
        self.successResultOf(self.done)
        printer.datagram_arrived(b"3", ADDRESS, ARRIVAL)
        self.assertEqual([each["payload"] for each in self.objects()], ["1", "2"])


class StatsTests(ListenTestCase):
    def setUp(self) -> None:
        self.now = 50.0
        self.patch(time, "monotonic", lambda: self.now)

    def test_rates(self) -> None:
        """Packets and octets a second for each source and group."""
        printer = self.make("--stats", "2")
        for _ in range(4):
            printer.datagram_arrived(bytes(100), ADDRESS, ARRIVAL)
        printer.datagram_arrived(bytes(10), ("192.0.2.10", 1), ARRIVAL)
        self.now = 52.0
        printer.tick()
        shown = [
            (each["source"], each["destination"], each["packets_per_second"], each["octets_per_second"])
            for each in self.objects()
        ]
        self.assertEqual(
            shown, [("192.0.2.9", "224.0.0.123", 2.0, 200.0), ("192.0.2.10", "224.0.0.123", 0.5, 5.0)]
        )

    def test_order(self) -> None:
        """Addresses are numbers."""
        told = flows.Flows()
        for last in (10, 9, 100):
            told.take(flows.Place("eth0", "192.0.2.1", 5, f"239.1.2.{last}"), b"", 0.0)
        told.take(flows.Place("eth0", "fe80::1%eth0", 5, "?"), b"", 0.0)
        self.assertEqual(
            [place.destination for place, _ in told.all()], ["239.1.2.9", "239.1.2.10", "239.1.2.100", "?"]
        )

    def test_each_period_anew(self) -> None:
        printer = self.make("--stats", "1", json_lines=False)
        printer.datagram_arrived(b"", ADDRESS, ARRIVAL)
        printer.tick()
        printer.tick()
        self.assertEqual(self.stream.getvalue().splitlines()[-1], "nothing arrived")

    def test_bounded(self) -> None:
        """A flood of forged sources is summed up."""
        self.patch(flows, "MAX_FLOWS", 2)
        printer = self.make("--stats", "1")
        for last in range(6):
            printer.datagram_arrived(b"", (f"192.0.2.{last}", 1), ARRIVAL)
        self.now = 51.0
        printer.tick()
        self.assertEqual(
            [(each["source"], each["packets"]) for each in self.objects()],
            [("192.0.2.0", 1), ("192.0.2.1", 1), ("others", 4)],
        )


class StreamTests(ListenTestCase):
    """What is lost of numbered datagrams, beside the rates."""

    def setUp(self) -> None:
        self.now = 50.0
        self.patch(time, "monotonic", lambda: self.now)

    def table(self, *words: str, json_lines: bool = True) -> listen.Printer:
        """Return a table that has heard numbers 0, 1, 1, 3, sent every 100 ms, within 300 ms."""
        printer = self.make(*words, json_lines=json_lines)
        for number in (0, 1, 1, 3):
            self.now = 50 + number / 10
            data = numbered_text(4711, "224.0.0.123", number, 10.0)
            printer.datagram_arrived(data, ADDRESS, ARRIVAL)
        self.now = 51.0
        return printer

    def test_json(self) -> None:
        self.table("--stats", "1").tick()
        (stats,) = self.objects()
        wanted = {
            "kind": "text",
            "sender": 4711,
            "payload_type": None,
            "received": 3,
            "lost": 1,
            "loss": 25.0,
            "duplicates": 1,
            "reordered": 0,
            "restarts": 0,
            "strays": 0,
            "jitter_ms": 0.0,
        }
        self.assertEqual({name: stats[name] for name in wanted}, wanted)

    def test_text(self) -> None:
        self.table("--stats", "1", json_lines=False).tick()
        self.assertTrue(
            self.stream.getvalue().endswith(
                "numbered by 4711: 3 received, 1 lost (25.00 %), 1 duplicates, 0 reordered, jitter 0.000 ms\n"
            )
        )

    def test_rtp(self) -> None:
        """--rtp is a table without --stats; one packet is enough."""
        printer = self.make("--rtp", "--clock-rate", "48000")
        printer.datagram_arrived(bytes.fromhex("80601234 00000064 deadbeef 0102"), ADDRESS, ARRIVAL)
        printer.tick()
        (stats,) = self.objects()
        self.assertEqual((stats["kind"], stats["sender"], stats["payload_type"]), ("RTP", 0xDEADBEEF, 96))

    def test_summary(self) -> None:
        """At the end everything from the beginning, what was silent lately too."""
        printer = self.table("--stats", "1")
        printer.tick()
        self.now = 52.0
        printer.end()
        summary = self.objects()[-1]
        self.assertEqual((summary["event"], summary["packets"], summary["lost"]), ("summary", 4, 1))

    def test_terminal(self) -> None:
        """One table that is printed over itself."""
        self.patch(shutil, "get_terminal_size", lambda: os.terminal_size((200, 24)))
        printer = self.table("--stats", "1", json_lines=False)
        printer._output = Output(self.stream, json_lines=False, columns=lambda: 200)
        for _ in range(2):
            self.stream.truncate(self.stream.seek(0))
            printer.tick()
            heading, row = self.stream.getvalue().splitlines()
            self.assertTrue(heading.startswith("\x1b[H\x1b[Jsource "), heading)
            self.assertTrue(row.startswith("192.0.2.9:40000  224.0.0.123  eth0  numbered by 4711 "), row)

    def test_terminal_that_is_too_low(self) -> None:
        self.patch(shutil, "get_terminal_size", lambda: os.terminal_size((200, 5)))
        printer = self.make("--stats", "1", json_lines=False)
        printer._output = Output(self.stream, json_lines=False, columns=lambda: 200)
        for last in range(5):
            printer.datagram_arrived(b"", (f"192.0.2.{last}", 1), ARRIVAL)
        printer.tick()
        self.assertEqual(self.stream.getvalue().splitlines()[-1], "… and 3 more")

    def test_terminal_of_80_columns(self) -> None:
        """Each number is named; and what is printed does not roll away."""
        self.patch(shutil, "get_terminal_size", lambda: os.terminal_size((80, 10)))
        printer = self.table("--stats", "1", json_lines=False)
        for last in range(5):
            printer.datagram_arrived(b"", (f"192.0.2.1{last}", 1), ARRIVAL)
        printer._output = Output(self.stream, json_lines=False, columns=lambda: 80)
        self.stream.truncate(self.stream.seek(0))
        printer.tick()
        lines = self.stream.getvalue().splitlines()
        self.assertLess(len(lines), 10)
        self.assertEqual(lines[-1], "… and 3 more")
        self.assertIn("    packets/s=1.0 octets/s=0.0", lines)


class ChannelTests(SynchronousTestCase):
    """Many groups by one argument."""

    def groups(self, text: str) -> list[str]:
        return [str(channel.group) for channel in channels(text)]

    def test_one(self) -> None:
        self.assertEqual(self.groups("239.1.2.3"), ["239.1.2.3:7645"])

    def test_network(self) -> None:
        groups = self.groups("239.1.2.0/28:5004")
        self.assertEqual((len(groups), groups[0], groups[-1]), (16, "239.1.2.0:5004", "239.1.2.15:5004"))

    def test_ipv6_network(self) -> None:
        self.assertEqual(self.groups("[ff15::10/127]:5004"), ["[ff15::10]:5004", "[ff15::11]:5004"])

    def test_count(self) -> None:
        self.assertEqual(self.groups("239.1.2.255+2"), ["239.1.2.255:7645", "239.1.3.0:7645"])
        self.assertEqual(self.groups("239.1.2.3:5004+1"), ["239.1.2.3:5004"])
        self.assertEqual(self.groups("239.1.2.3+1:5004"), ["239.1.2.3:5004"])

    def test_count_with_a_zone(self) -> None:
        self.assertEqual(self.groups("ff02::1:1%eth0+2")[1], "[ff02::1:2%eth0]:7645")

    def test_source(self) -> None:
        (first, second) = channels("192.0.2.9,232.1.2.3+2")
        self.assertEqual((first.source, second.source), ("192.0.2.9", "192.0.2.9"))

    def refused(self, text: str, line: str) -> None:
        with self.assertRaisesRegex(ValueError, line):
            channels(text)

    def test_mistakes(self) -> None:
        self.refused("239.1.2.1/28", "239.1.2.1/28: the address does not begin a network of 28 bits")
        self.refused("239.1.2.0/33", "a prefix has 32 bits at most")
        self.refused("239.0.0.0/8", "stands for 16777216 groups, more than 4096")
        self.refused("239.1.2.3+0", "stands for no group")
        self.refused("239.255.255.255+2", "goes beyond the addresses of groups")
        self.refused("me,232.1.2.3", "me: not an IP address")
        self.refused("192.0.2.1/28", "192.0.2.1: not a multicast address")

    def test_ears(self) -> None:
        """Groups of the same sources are heard together; --source is for those without one of their own."""
        parser = Parser()
        listen.configure(parser)
        words = ["192.0.2.9,232.1.2.3", "192.0.2.8,232.1.2.3", "232.1.2.4", "232.1.2.5"]
        words += ["--source", "192.0.2.7"]
        arguments = parser.parse_args(words)
        printer = listen.Printer(arguments, Output(StringIO(), json_lines=True), Deferred())
        heard = listen.ears(arguments, printer)
        self.assertEqual(
            [([group.host for group in ear.groups], ear.sources) for ear in heard],
            [(["232.1.2.3"], ("192.0.2.9", "192.0.2.8")), (["232.1.2.4", "232.1.2.5"], ("192.0.2.7",))],
        )


class RoomTests(SynchronousTestCase):
    """Each group takes sockets on each interface."""

    def setUp(self) -> None:
        self.limits = (1024, 4096)
        self.patch(resource, "getrlimit", lambda _: self.limits)
        self.patch(resource, "setrlimit", lambda _, limits: setattr(self, "limits", limits))

    def test_enough(self) -> None:
        listen.make_room(100)
        self.assertEqual(self.limits, (1024, 4096))

    def test_raised(self) -> None:
        listen.make_room(1000)
        self.assertEqual(self.limits, (2064, 4096))

    def test_too_many(self) -> None:
        with self.assertRaisesRegex(CommandError, "4096 groups .* take 8256 open files.* limit is 4096 "):
            listen.make_room(4096)
