"""Tests for what `mcast listen` prints."""

from __future__ import annotations

import json
import time
from io import StringIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mcast.cli import listen
from mcast.cli.command import Output, Parser
from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
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
        kind = listen.Summer if arguments.stats else listen.Printer
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
            shown, [("192.0.2.10", "224.0.0.123", 0.5, 5.0), ("192.0.2.9", "224.0.0.123", 2.0, 200.0)]
        )

    def test_each_period_anew(self) -> None:
        printer = self.make("--stats", "1", json_lines=False)
        printer.datagram_arrived(b"", ADDRESS, ARRIVAL)
        printer.tick()
        printer.tick()
        self.assertEqual(self.stream.getvalue().splitlines()[-1], "nothing arrived")

    def test_bounded(self) -> None:
        """A flood of forged sources is summed up."""
        self.patch(listen, "MAX_FLOWS", 2)
        printer = self.make("--stats", "1")
        for last in range(6):
            printer.datagram_arrived(b"", (f"192.0.2.{last}", 1), ARRIVAL)
        self.now = 51.0
        printer.tick()
        self.assertEqual(
            [(each["source"], each["packets"]) for each in self.objects()],
            [("192.0.2.0", 1), ("192.0.2.1", 1), ("others", 4)],
        )
