"""What each command prints with ``--json`` on a real network is what docs/reference/json.schema.json has."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from typing import Any, ClassVar

from tests.interop.programs import Program
from tests.network.lan import LanTestCase, wait_until
from tests.schema import problems


def told(program: Program) -> set[str | None]:
    """Return the events that a program has told of."""
    return {json.loads(line).get("event") for line in list(program.lines) if line.startswith("{")}


class JsonTests(LanTestCase):
    hosts: ClassVar[int] = 2

    def setUp(self) -> None:
        super().setUp()
        self.here, self.there = self.lan.hosts

    def start(self, command: str) -> Program:
        """Start a command on the first host."""
        program = Program(self.here.command(sys.executable, "-m", *shlex.split(command)))
        self.addCleanup(program.end)
        return program

    def check(self, command: str, *events: str) -> list[dict[str, Any]]:
        """Run a command to its end on the second host; each of its lines is as the schema has it.

        It is run again until all events are told: a busy machine may answer later than it waits.
        """
        words = shlex.split(command)
        programs: list[Program] = []

        def has_told() -> bool:
            program = Program(self.there.command(sys.executable, "-m", "mcast.cli", *words, "--json"))
            self.addCleanup(program.end)
            programs.append(program)
            program.wait()
            return set(events) <= told(program)

        wait_until(has_told, f"{events} of {command}")
        return self.check_lines(words[0], programs[-1].lines, events)

    def check_lines(self, name: str, lines: list[str], events: tuple[str, ...]) -> list[dict[str, Any]]:
        objects: list[dict[str, Any]] = [json.loads(line) for line in lines if line.startswith("{")]
        self.assertEqual([each for one in objects for each in problems(name, one)], [])
        self.assertEqual(set(events) - {each.get("event") for each in objects}, set(), lines)
        return objects

    def test_groups(self) -> None:
        self.start("twisted mcast --answer-group").wait_for("Starting reactor")
        self.check("ping 224.0.0.123 --both -c 2 -i 0.1", "answer", "summary", "group")
        self.check("interfaces --check", "interface", "check")
        self.check("send 239.1.2.3:5004 hello", "sent")
        self.check("ask 224.0.0.123:7645 --text hello --wait 0.5", "answer", "summary")

    def test_listening(self) -> None:
        for options, events in (("-c 1", ("datagram",)), ("--stats 0.2 -c 3", ("stats", "summary"))):
            listening = self.start(f"mcast.cli listen 239.1.2.3:5004 --json {options}")

            def has_ended(program: Program = listening) -> bool:
                self.check("send 239.1.2.3:5004 --sequence -c 3", "sent")
                return not program.is_running

            wait_until(has_ended, "what was sent")
            listening.end()
            self.check_lines("listen", listening.lines, events)

    def test_services(self) -> None:
        publishing = self.start("mcast.cli publish Web _http._tcp 80 path=/ --json")
        publishing.wait_for("published")
        self.check_lines("publish", publishing.lines, ("published",))
        (found,) = self.check("browse _http._tcp", "added")
        self.check("resolve Web _http._tcp", "resolved")
        self.check(f"resolve {found['host'].rstrip('.')}", "resolved")
        self.check(f"resolve {self.here.ipv4()}", "resolved")
        self.check("query Web._http._tcp.local SRV", "record")
        self.check(f"query {found['host']} A --server {self.here.ipv4()}", "response", "record")
        events = ("question", "record")
        dumping = Program(self.there.command(sys.executable, "-m", "mcast.cli", "dump", "--json"))
        self.addCleanup(dumping.end)
        wait_until(lambda: self.check("browse", "added") and set(events) <= told(dumping), "packets")
        dumping.end(signal.SIGINT)
        self.check_lines("dump", dumping.lines, events)
