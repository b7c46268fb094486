"""``mcast conform``: what goes together, what is listed, how far it has come."""

from __future__ import annotations

import argparse
import io
import json
from contextlib import redirect_stderr
from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.cli.command import CommandError, Output, Parser
from mcast.cli.conform import configure, list_checks, run
from mcast.conform.progress import LiveProgress
from mcast.conform.responder import RESPONDER
from mcast.conform.runs import Plan
from mcast.conform.subjects import Names
from mcast.conform.verdicts import Finding, Verdict
from tests.conform.bench_lab import check


def parsed(*words: str) -> argparse.Namespace:
    parser = Parser(prog="mcast conform")
    configure(parser)
    return parser.parse_args(["responder", *words])


def plan(*words: str) -> Plan:
    return Plan.of(vars(parsed(*words)))


class PlanTests(SynchronousTestCase):
    def test_no_role(self) -> None:
        """The line says which roles there are."""
        parser = Parser(prog="mcast conform")
        configure(parser)
        with redirect_stderr(io.StringIO()) as said, self.assertRaises(SystemExit) as left:
            parser.parse_args([])
        self.assertEqual(left.exception.code, 2)
        self.assertIn("required: {proxy,querier,responder}\n", said.getvalue())

    """The arguments become a plan, or one line that says what is wrong."""

    def test_a_lab(self) -> None:
        made = plan("--subject", "mcast")
        self.assertEqual(str(made.names.service), "Conform Subject._ipp._tcp.local.")
        self.assertEqual((made.interface, made.names.subtype), ("", "_printer"))
        self.assertIsNotNone(made.launch)

    def test_a_device(self) -> None:
        made = plan("-I", "eth1", "--host", "printer", "--service", "My Printer._ipp._tcp", "--jobs", "9")
        self.assertEqual((made.interface, made.side_by_side, made.launch), ("eth1", 1, None))
        self.assertEqual(str(made.names.host), "printer.local.")

    def test_a_device_needs_no_service(self) -> None:
        self.assertIsNone(plan("-I", "eth1", "--host", "printer.local").names.service)

    def test_one_subject(self) -> None:
        for words in ([], ["-I", "eth0", "--subject", "avahi"], ["--subject", "avahi", "--command", "x"]):
            with self.assertRaisesRegex(ValueError, "name one of"):
                plan(*words)

    def test_a_device_is_known_by_its_name(self) -> None:
        with self.assertRaisesRegex(ValueError, "--host"):
            plan("-I", "eth0")

    def test_hooks(self) -> None:
        made = plan("-I", "eth0", "--host", "a.local", "--hook", "restart=ssh a reboot")
        self.assertEqual(made.hooks, {"restart": "ssh a reboot"})
        with self.assertRaisesRegex(ValueError, "--hook dance"):
            plan("-I", "eth0", "--host", "a.local", "--hook", "dance=x")

    def test_a_lab_runs_no_hooks(self) -> None:
        """It has its own ways to do all that; a hook that nobody runs is refused."""
        with self.assertRaisesRegex(ValueError, "^--hook: a lab runs none; it is for a device, with -I IF$"):
            plan("--subject", "mcast", "--hook", "restart=true")

    def test_names(self) -> None:
        names = Names.parse("a.local", "1.2 Dots._http._tcp.local", "_x")
        assert names.service is not None
        self.assertEqual(names.service.labels[0], b"1.2 Dots")
        self.assertEqual(str(names.subtype_name), "_x._sub._http._tcp.local.")
        for bad in ("a.b.local", "a.example"):
            with self.assertRaisesRegex(ValueError, "a host name is one label"):
                Names.parse(bad)
        for bad in ("x", "_http._tcp", "a.http._tcp"):
            with self.assertRaisesRegex(ValueError, "a service is written"):
                Names.parse("a.local", bad)


class AgainTests(SynchronousTestCase):
    """The command that judges the same again stands beside each finding."""

    def test_a_lab(self) -> None:
        words = ("--subject", "avahi", "--ipv6")
        self.assertEqual(
            plan(*words, "--html", "x", "--repeat", "3").again, f"mcast conform responder {' '.join(words)}"
        )

    def test_a_device(self) -> None:
        made = plan("-I", "eth1", "--host", "a.local", "--hook", "stop=ssh a halt", "--no-ask", "--seed", "3")
        self.assertEqual(
            made.again,
            "mcast conform responder --interface eth1 --host a.local --hook 'stop=ssh a halt' --no-ask",
        )


class ListTests(SynchronousTestCase):
    """``--list``."""

    def listed(self, *words: str) -> list[dict[str, Any]]:
        stream = io.StringIO()
        list_checks(Output(stream, json_lines=True), RESPONDER.chosen(parsed("--list", *words).only))
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    def test_everything(self) -> None:
        self.assertEqual(len(self.listed()), sum(len(each.checks) for each in RESPONDER.scenarios))

    def test_some(self) -> None:
        self.assertEqual(
            {each["check"].partition(".")[0] for each in self.listed("--only", "probing")}, {"probing"}
        )

    def test_unknown(self) -> None:
        """One line, as where it is run."""
        running = ensureDeferred(
            run(None, parsed("--list", "--only", "nothing"), Output(io.StringIO(), json_lines=True))
        )
        error = self.failureResultOf(running, CommandError).value
        self.assertIn("nothing: no group, scenario or check of this name", str(error))


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


class ProgressTests(SynchronousTestCase):
    """One line that is written anew."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.scenarios = RESPONDER.chosen(["probing"])

    def test_line(self) -> None:
        progress = LiveProgress(self.scenarios, Terminal(), self.clock, 1)
        self.addCleanup(progress.close)
        before = progress.seconds_left()
        progress.began(self.scenarios[0])
        self.assertIn(f"0/{len(self.scenarios)}", progress.line())
        self.assertIn(self.scenarios[0].name, progress.line())
        progress.ended(self.scenarios[0], [Finding(check(), Verdict.FAIL, "bad")])
        self.assertIn("1 failed", progress.line())
        self.assertAlmostEqual(progress.seconds_left(), before - self.scenarios[0].seconds)

    def test_written_every_second(self) -> None:
        stream = Terminal()
        progress = LiveProgress(self.scenarios, stream, self.clock, 1)
        self.clock.advance(1)
        progress.close()
        self.assertEqual(stream.getvalue().count("\r"), 3)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nobody_looks(self) -> None:
        stream = io.StringIO()
        LiveProgress(self.scenarios, stream, self.clock, 1).close()
        self.assertEqual(stream.getvalue(), "")
