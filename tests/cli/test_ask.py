"""Tests for what `mcast ask` asks, prints and ends with."""

from __future__ import annotations

import argparse
import json
from io import StringIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.cli import ask as command
from mcast.cli.command import CommandError, Output, Parser
from mcast.echo import asker, asking
from mcast.echo.asker import Asker
from mcast.sockets.arrival import Arrival
from tests.echo.fakes import ETH0
from tests.echo.test_client import FakePort

GROUP = "239.255.255.250:1900"


class AskTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.stream = StringIO()
        self.clock = Clock()
        self.port = FakePort()
        for module in (asker, asking):
            self.patch(module, "all_interfaces", lambda: (ETH0,))
        self.patch(asking, "interface_name", {2: "eth0"}.get)
        self.patch(asker, "listen_multicast", self.open)

    def open(self, reactor: Clock, port: int, protocol: Asker, **settings: Any) -> FakePort:
        self.asker = protocol
        return self.port

    def run_ask(self, *words: str) -> Deferred[int]:
        parser = Parser()
        command.configure(parser)
        parser.add_argument("--json", action="store_true")
        arguments: argparse.Namespace = parser.parse_args(words)
        return Deferred.fromCoroutine(
            command.run(self.clock, arguments, Output(self.stream, json_lines=arguments.json))
        )

    def hear(self, data: bytes = b"I", host: str = "192.0.2.9") -> None:
        self.asker.datagram_arrived(data, (host, 1900), Arrival(2, None, 1))

    def end(self, running: Deferred[int]) -> int:
        self.clock.pump([3, 0])
        return self.successResultOf(running)

    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


class QuestionTests(AskTestCase):
    def asked(self, *words: str) -> list[bytes]:
        running = self.run_ask(GROUP, *words)
        self.end(running)
        return [data for data, _, _ in self.port.sent]

    def test_text(self) -> None:
        self.assertEqual(self.asked("--text", "who?"), [b"who?"] * 2)

    def test_hex(self) -> None:
        self.assertEqual(self.asked("--hex", "40 01:00ff"), [b"\x40\x01\x00\xff"] * 2)

    def test_file(self) -> None:
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(b"who?\n")
        self.assertEqual(self.asked("--file", path), [b"who?\n"] * 2)

    def test_repeats(self) -> None:
        self.assertEqual(len(self.asked("--text", "", "--repeat", "0.1")), 1)

    def test_short_wait(self) -> None:
        self.assertEqual(len(self.asked("--text", "", "--wait", "0.5")), 1)


class OutputTests(AskTestCase):
    def test_text(self) -> None:
        running = self.run_ask(GROUP, "--text", "who?")
        self.hear(b"I\r\n\x1b[2J")
        self.hear(b"I\r\n\x1b[2J")
        self.hear(host="203.0.113.9")
        self.end(running)
        answer, summary = self.lines()
        self.assertRegex(
            answer, r"^192.0.2.9 port 1900: if=eth0 ms=0.000 size=7: I\\u000d\\u000a\\u001b\[2J$"
        )
        self.assertEqual(summary, "--- 2 questions sent, 1 answer, 1 repeated, 1 source off link")

    def test_json(self) -> None:
        running = self.run_ask(GROUP, "--text", "who?", "--json", "-x")
        self.hear(b"I")
        self.end(running)
        answer, summary = map(json.loads, self.lines())
        del answer["ms"]
        self.assertEqual(
            answer,
            {
                "event": "answer",
                "source": "192.0.2.9",
                "port": 1900,
                "interface": "eth0",
                "size": 1,
                "hex": "49",
            },
        )
        self.assertEqual((summary["event"], summary["replies"], summary["dropped"]), ("summary", 1, {}))

    def test_once(self) -> None:
        running = self.run_ask(GROUP, "--text", "who?", "--once")
        self.hear(b"1")
        self.hear(b"2")
        self.end(running)
        self.assertEqual(len(self.lines()), 2)


class StatusTests(AskTestCase):
    def test_none(self) -> None:
        self.assertEqual(self.end(self.run_ask(GROUP, "--text", "who?")), 2)

    def test_one(self) -> None:
        running = self.run_ask(GROUP, "--text", "who?")
        self.hear()
        self.assertEqual(self.end(running), 0)

    def test_fewer(self) -> None:
        running = self.run_ask(GROUP, "--text", "who?", "--expect", "2")
        self.hear()
        self.assertEqual(self.end(running), 1)

    def test_expected(self) -> None:
        running = self.run_ask(GROUP, "--text", "who?", "--expect", "1")
        self.hear()
        self.assertEqual(self.successResultOf(running), 0)

    def test_interrupted(self) -> None:
        running = self.run_ask(GROUP, "--text", "who?")
        self.hear()
        running.cancel()
        self.assertEqual((self.successResultOf(running), self.port.stopped), (0, True))


class MistakeTests(AskTestCase):
    def refused(self, line: str, *words: str) -> None:
        problem = self.failureResultOf(self.run_ask(GROUP, *words), CommandError).value
        self.assertIn(line, str(problem))

    def test_digits(self) -> None:
        self.refused("--hex 4: not pairs of hexadecimal digits", "--hex", "4")

    def test_interface(self) -> None:
        self.refused("interface eth9: no such interface", "--text", "", "-I", "eth9")

    def test_repeat(self) -> None:
        self.refused("repeats 5.0: not within the 3.0 seconds", "--text", "", "--repeat", "5")
