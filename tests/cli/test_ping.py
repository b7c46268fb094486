"""Tests for what `mcast ping` prints and ends with."""

from __future__ import annotations

import argparse
import json
import random
from io import StringIO
from typing import Any, ClassVar

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.cli import ping
from mcast.cli.command import CommandError, Output, Parser
from mcast.echo.counters import Drop
from mcast.echo.probe import ProbeKind, marked
from mcast.echo.session import EchoReply, Session
from mcast.sockets.sending import SendResult
from tests.echo.fakes import ETH0, ETH1


class PingTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.stream = StringIO()
        self.session = Session(size=56, wait=1.0, rng=random.Random(1))

    def report(self, *, json_lines: bool = False, quiet: bool = False) -> ping.Report:
        return ping.Report(
            Output(self.stream, json_lines=json_lines), {2: "eth0", 3: "eth1"}, port=7645, quiet=quiet
        )

    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines()]

    def answered(
        self, number: int, after: float, host: str = "192.0.2.9", hops: int | None = 64, port: int = 7645
    ) -> EchoReply:
        """Send a probe at ``number`` seconds, and answer it."""
        self.session.sent(2, number, float(number))
        return self.again(number, after, host, hops, port)

    def again(
        self, number: int, after: float, host: str = "192.0.2.9", hops: int | None = 64, port: int = 7645
    ) -> EchoReply:
        answer = self.session.answer(self.session.probe(2, number), host, port, 2, hops, number + after)
        assert answer is not None
        return answer


class AnswerTests(PingTestCase):
    def test_text(self) -> None:
        self.report().answer(self.answered(0, 0.0012345))
        self.assertEqual(self.lines(), ["192.0.2.9: if=eth0 seq=0 size=56 ttl=64 ms=1.234"])

    def test_marks(self) -> None:
        report = self.report()
        report.answer(self.answered(1, 0.5))
        report.answer(self.answered(0, 1.5))
        report.answer(self.again(0, 1.6))
        self.assertEqual(
            [line.partition(" (")[2] for line in self.lines()], ["", "late, reordered)", "duplicate, late)"]
        )

    def test_link_local(self) -> None:
        """The zone is shown by name."""
        self.report().answer(self.answered(0, 0.001, "fe80::9%2"))
        self.assertTrue(self.lines()[0].startswith("fe80::9%eth0: if=eth0 "))

    def test_other_port(self) -> None:
        """A port that is not the group's is shown: a second responder of one host answers from it."""
        self.report().answer(self.answered(0, 0.001, port=40000))
        self.assertTrue(self.lines()[0].startswith("192.0.2.9:40000: if=eth0 "))

    def test_other_port_of_link_local(self) -> None:
        self.report().answer(self.answered(0, 0.001, "fe80::9%2", port=40000))
        self.assertTrue(self.lines()[0].startswith("[fe80::9%eth0]:40000: if=eth0 "))

    def test_hops_not_told(self) -> None:
        self.report().answer(self.answered(0, 0.001, hops=None))
        self.assertIn("ttl=?", self.lines()[0])

    def test_json(self) -> None:
        self.report(json_lines=True).answer(self.answered(0, 0.0012345))
        self.assertEqual(
            self.objects(),
            [
                {
                    "event": "answer",
                    "responder": "192.0.2.9",
                    "interface": "eth0",
                    "seq": 0,
                    "size": 56,
                    "ttl": 64,
                    "ms": 1.234,
                    "duplicate": False,
                    "late": False,
                    "to_group": False,
                }
            ],
        )

    def test_quiet(self) -> None:
        self.report(quiet=True).answer(self.answered(0, 0.001))
        self.assertEqual(self.lines(), [])


class SummaryTests(PingTestCase):
    def test_table(self) -> None:
        for number in range(3):
            self.answered(number, 0.001 * (number + 1))
        self.session.sent(2, 3, 3.0)
        self.again(1, 0.5)
        self.report().summary(self.session)
        title, headings, row = self.lines()
        self.assertEqual(title, "--- 4 probes sent, 1 responder")
        self.assertEqual(
            headings,
            "responder  if    sent  recv  loss%  dup  reord  late    min  median    p95  max ms  first ms",
        )
        self.assertEqual(
            row,
            "192.0.2.9  eth0     4     3   25.0    1      0     0  1.000   2.000  3.000   3.000     1.000",
        )

    def test_on_a_terminal(self) -> None:
        """The counts and the times are two tables where one has no room."""
        self.answered(0, 0.001)
        report = ping.Report(
            Output(self.stream, json_lines=False, columns=lambda: 80), {2: "eth0"}, port=7645, quiet=False
        )
        report.summary(self.session)
        self.assertEqual(
            self.lines()[1:],
            [
                "responder  if    sent  recv  loss%  dup  reord  late",
                "192.0.2.9  eth0     1     1    0.0    0      0     0",
                "responder  if      min  median    p95  max ms  first ms",
                "192.0.2.9  eth0  1.000   1.000  1.000   1.000     1.000",
            ],
        )

    def test_json(self) -> None:
        self.answered(0, 0.002)
        self.answered(1, 0.004)
        self.again(1, 0.005, "192.0.2.10")
        self.report(json_lines=True).summary(self.session)
        first, second = self.objects()
        self.assertEqual(
            first,
            {
                "event": "summary",
                "responder": "192.0.2.9",
                "interface": "eth0",
                "sent": 2,
                "received": 2,
                "loss": 0.0,
                "duplicates": 0,
                "reordered": 0,
                "late": 0,
                "min": 2.0,
                "median": 2.0,
                "p95": 4.0,
                "max": 4.0,
                "first": 2.0,
            },
        )
        self.assertEqual((second["responder"], second["loss"], second["first"]), ("192.0.2.10", 50.0, 1005.0))

    def test_nobody(self) -> None:
        self.session.sent(2, 0, 0.0)
        self.report().summary(self.session)
        self.assertEqual(self.lines(), ["--- 1 probe sent, no responders", ping.NOBODY])

    def test_two_responders_on_one_host(self) -> None:
        self.answered(0, 0.001)
        self.again(0, 0.002, port=40000)
        self.report(json_lines=True).summary(self.session)
        self.assertEqual(
            [(each["responder"], each["received"], each["duplicates"]) for each in self.objects()],
            [("192.0.2.9", 1, 0), ("192.0.2.9:40000", 1, 0)],
        )

    def test_several_answers_from_one_place(self) -> None:
        """Programs that answer from the same address and port can be told only by the count."""
        for number in range(3):
            self.answered(number, 0.001)
            self.again(number, 0.002)
        self.report().summary(self.session)
        self.assertTrue(self.lines()[-1].startswith("192.0.2.9 answers each probe more than once"))

    def test_foreign(self) -> None:
        self.session.answer(b"Hello", "192.0.2.9", 7645, 2, 64, 0.0)
        self.report().summary(self.session)
        self.assertEqual(self.lines()[-1], "1 datagram answered no probe of ours")


class BothTests(PingTestCase):
    """--both: what came back from the group, told from what came by unicast."""

    def setUp(self) -> None:
        super().setUp()
        self.session = Session(size=56, wait=1.0, rng=random.Random(1), both=True)

    def hear(self, number: int, *kinds: ProbeKind, host: str = "192.0.2.9") -> None:
        """Send a probe at ``number`` seconds, and hear answers of these kinds 10, 20, … ms later."""
        self.session.sent(2, number, float(number))
        data = self.session.probe(2, number)
        for place, kind in enumerate(kinds, 1):
            self.session.answer(marked(data, kind), host, 7645, 2, 64, number + place / 100)

    def table(self) -> list[str]:
        self.report().groups(self.session)
        return [" ".join(line.split()) for line in self.lines()]

    def test_both_come_back(self) -> None:
        self.hear(0, ProbeKind.PROMISE, ProbeKind.GROUP)
        self.assertEqual(
            self.table(),
            ["responder if to the group recv loss% first ms", "192.0.2.9 eth0 1 1 0.0 20.000"],
        )

    def test_multicast_is_lost(self) -> None:
        self.hear(0, ProbeKind.PROMISE)
        self.hear(1, ProbeKind.PROMISE)
        self.assertEqual(
            self.table()[1:],
            ["192.0.2.9 eth0 2 0 100.0 -", "192.0.2.9: its unicast arrives and its multicast does not"],
        )

    def test_unicast_is_lost(self) -> None:
        self.hear(0, ProbeKind.GROUP)
        self.assertEqual(self.table()[1:], ["192.0.2.9 eth0 1 1 0.0 10.000"])
        (responder,) = self.session.responders
        self.assertEqual((responder.received, responder.group_received), (0, 1))

    def test_not_asked_to(self) -> None:
        self.hear(0, ProbeKind.BOTH)
        self.assertEqual(
            self.table(),
            [
                "192.0.2.9: no answer to the group: it runs without --answer-group, or is busy",
            ],
        )

    def test_twice(self) -> None:
        """An answer that the network copied is one."""
        self.hear(0, ProbeKind.PROMISE, ProbeKind.GROUP, ProbeKind.GROUP)
        self.assertEqual(self.table()[1:], ["192.0.2.9 eth0 1 1 0.0 20.000"])

    def test_json(self) -> None:
        self.hear(0, ProbeKind.PROMISE, ProbeKind.GROUP)
        self.report(json_lines=True).groups(self.session)
        self.assertEqual(
            self.objects(),
            [
                {
                    "event": "group",
                    "responder": "192.0.2.9",
                    "interface": "eth0",
                    "promised": 1,
                    "received": 1,
                    "loss": 0.0,
                    "first": 20.0,
                }
            ],
        )


class StatusTests(PingTestCase):
    """0 as many as expected, 1 fewer, 2 none."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(ping, "sending_interfaces", lambda *_: (ETH0, ETH1))
        self.patch(ping, "EchoClient", self.client)
        self.refused = 0
        self.end: Deferred[None] = succeed(None)

    def client(self, *arguments: Any, **settings: Any) -> Any:
        case = self

        class FakeClient:
            session = case.session
            refused = case.refused
            refusal = SendResult.UNREACHABLE
            dropped: ClassVar[dict[Drop, int]] = {}

            def start(self) -> Deferred[None]:
                return case.end

        return FakeClient()

    def run_ping(self, *words: str) -> Deferred[int]:
        parser = Parser()
        ping.configure(parser)
        arguments: argparse.Namespace = parser.parse_args(["224.0.0.123", *words])
        output = Output(self.stream, json_lines=False)
        return Deferred.fromCoroutine(ping.run(Clock(), arguments, output))

    def test_good(self) -> None:
        self.answered(0, 0.001)
        self.assertEqual(self.successResultOf(self.run_ping()), 0)

    def test_not_all(self) -> None:
        self.answered(0, 0.001)
        self.assertEqual(self.successResultOf(self.run_ping("--expect", "2")), 1)

    def test_all(self) -> None:
        self.answered(0, 0.001)
        self.again(0, 0.001, "192.0.2.10")
        self.assertEqual(self.successResultOf(self.run_ping("--expect", "2")), 0)

    def test_none(self) -> None:
        self.session.sent(2, 0, 0.0)
        self.assertEqual(self.successResultOf(self.run_ping()), 2)

    def test_interrupted(self) -> None:
        """Ctrl-C prints the summary all the same."""
        self.answered(0, 0.001)
        self.end = fail(CancelledError())
        self.assertEqual(self.successResultOf(self.run_ping()), 0)
        self.assertIn("--- 1 probe sent, 1 responder", self.lines())

    def test_nothing_could_be_sent(self) -> None:
        self.refused = 3
        problem = self.failureResultOf(self.run_ping(), CommandError).value
        self.assertEqual(
            str(problem), "224.0.0.123:7645: no probe could be sent by any interface: unreachable"
        )
