"""The commands that find things, on a simulated network."""

from __future__ import annotations

import json
import sys
from io import StringIO
from random import Random
from types import ModuleType
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from mcast.cli.command import Output, Parser
from mcast.dnssd.service import Service
from mcast.node.node import Node
from mcast.node.registrations import ServiceRegistration
from mcast.testing import SimulatedLan


class FindingTestCase(SynchronousTestCase):
    """A node on the host "there" publishes; the command runs on the host "here"."""

    command: ModuleType
    """What is tested."""

    columns: int | None = None
    """How wide the terminal is; None for no terminal."""

    def setUp(self) -> None:
        self.lan = SimulatedLan(seed=1)
        self.here = self.lan.host("here")
        self.there = self.node("there")
        self.errors = StringIO()
        self.patch(sys, "stderr", self.errors)

    def node(self, name: str) -> Node:
        node = Node(self.lan.clock, network=self.lan.host(name), hostname=name, rng=Random(name))
        node.startService()
        self.addCleanup(lambda: self.lan.result(node.stopService()))
        return node

    def publish(
        self, name: str = "My Web", kind: str = "_http._tcp", port: int = 80, **more: Any
    ) -> ServiceRegistration:
        return self.lan.result(self.there.publish(Service(name, kind, port, **more)).when_claimed())

    def start(self, *words: str, json_lines: bool = False) -> Deferred[int]:
        """Start the command; what it prints goes to `stream` and `errors`."""
        parser = Parser(prog="mcast")
        self.command.configure(parser)
        self.stream = StringIO()
        output = Output(self.stream, json_lines=json_lines, columns=lambda: self.columns)
        arguments = parser.parse_args(words)
        return Deferred.fromCoroutine(self.command.run(self.lan.clock, arguments, output, network=self.here))

    def run_command(self, *words: str, json_lines: bool = False) -> int:
        """Run the command to its end; return its status."""
        self.errors.seek(0)
        self.errors.truncate()
        return self.lan.result(self.start(*words, json_lines=json_lines))

    @property
    def lines(self) -> list[str]:
        """What was printed."""
        return self.stream.getvalue().splitlines()

    @property
    def objects(self) -> list[dict[str, Any]]:
        """What was printed as JSON."""
        return [json.loads(line) for line in self.lines]
