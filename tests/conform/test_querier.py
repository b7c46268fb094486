"""Scenarios of the querier role, played with made-up packets on a fake clock."""

from __future__ import annotations

import contextlib
from math import inf

from twisted.trial.unittest import SynchronousTestCase

from mcast.conform.packets import Packet
from mcast.conform.querier import QUERIER
from mcast.conform.querier.refresh import next_of_series
from mcast.conform.shown import Service, read_avahi, read_json
from mcast.conform.verdicts import Judge, NotRunError, Verdict
from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.records import Record
from tests.conform.bench_lab import NAMES, BenchLab, packet


def query(at: float, flags: int = 0, ident: int = 0, unicast: bool = False) -> Packet:
    question = Question(NAMES.type or NAMES.host, RecordType.PTR, unicast=unicast)
    return packet(at, Message(id=ident, flags=flags, questions=[question]))


class SeriesTests(SynchronousTestCase):
    """Growing intervals (RFC 6762 §5.2)."""

    def broken(self, *packets: Packet) -> set[str]:
        (scenario,) = QUERIER.chosen(["questions/series"])
        lab = BenchLab()
        judge = Judge(scenario.checks)
        lab.play(*packets)
        lab.run(scenario.play(lab.bench, judge))
        bad = (Verdict.FAIL, Verdict.WARNING)
        return {check.id.partition(".")[2] for check, each in judge.verdicts.items() if each[0] in bad}

    def test_as_it_should_be(self) -> None:
        self.assertEqual(self.broken(*map(query, (1.0, 2.0, 4.0, 8.0))), set())

    def test_too_soon(self) -> None:
        self.assertEqual(self.broken(*map(query, (1.0, 1.5, 2.5, 4.5))), {"first-interval"})
        self.assertEqual(self.broken(*map(query, (1.0, 1.9, 3.8, 7.6))), {"first-interval"})

    def test_the_first_was_held_up(self) -> None:
        """A subject that is still starting sends it some time after it took the time for its next one."""
        self.assertEqual(self.broken(*map(query, (1.04, 2.0, 4.0, 8.0))), set())

    def test_does_not_grow(self) -> None:
        self.assertEqual(self.broken(*map(query, (1.0, 2.0, 4.0, 6.0))), {"growth"})

    def test_header(self) -> None:
        packets = [query(1.0), query(2.0, ident=7), query(4.0, flags=0x0400), query(8.0, unicast=True)]
        self.assertEqual(self.broken(*packets), {"id", "header", "multicast-again"})


class StoodStillTests(SynchronousTestCase):
    """A subject that stood still asks before it reads what it was told: its next query counts as well."""

    def verdicts(self, scenario: str, *listing_at: float) -> dict[str, Verdict]:
        """Play a scenario with queries at 1, 2, 4 and 8 s, of which some list what was told until then."""
        (played,) = QUERIER.chosen([scenario])
        lab = BenchLab()
        judge = Judge(played.checks)
        told: list[Record] = []

        def ask(at: float) -> None:
            for each in lab.bench.ours(0):
                told.extend(one for one in each.answers if one not in told)
            question = Question(NAMES.type or NAMES.host, RecordType.PTR)
            known = told if at in listing_at else []
            lab.view.add(packet(at, Message(questions=[question], answers=known)))

        for at in (1.0, 2.0, 4.0, 8.0):
            lab.clock.callLater(at, ask, at)
        with contextlib.suppress(NotRunError):
            lab.run(played.play(lab.bench, judge))
        return {check.id: each[0] for check, each in judge.verdicts.items()}

    def test_names(self) -> None:
        self.assertIs(self.verdicts("names/of-instances", 2.0, 4.0)["names.listed"], Verdict.PASS)
        self.assertIs(self.verdicts("names/of-instances", 4.0)["names.listed"], Verdict.PASS)
        self.assertEqual(self.verdicts("names/of-instances", 8.0), {})

    def test_forms(self) -> None:
        said = self.verdicts("responses/forms", 8.0)
        self.assertIs(said["responses.id"], Verdict.PASS)


class RefreshTests(SynchronousTestCase):
    """A query of the series is not taken for a refresh."""

    def test_next_of_series(self) -> None:
        self.assertEqual(next_of_series([0.0, 1.0, 3.0, 7.0]), 15.0)
        self.assertAlmostEqual(next_of_series([0.0, 1.0, 2.5, 4.75]), 8.125)
        self.assertEqual(next_of_series([0.0, 1.0]), inf)


class ShownTests(SynchronousTestCase):
    """The lines of queriers."""

    def test_json(self) -> None:
        lines = [
            'x {"event": "added"}',
            '{"event": "added", "name": "A.b", "port": null, "addresses": []}',
            '{"event": "updated", "name": "A.b", "port": 80, "addresses": ["10.0.0.1", "fe80::1%eth0"]}',
            '{"event": "added", "name": "C"}',
            '{"event": "removed", "name": "C"}',
        ]
        expected = {"A.b": Service(80, frozenset({"10.0.0.1", "fe80::1"}))}
        self.assertEqual(read_json(lines, False), expected)

    def test_avahi(self) -> None:
        lines = [
            r"+;eth0;IPv4;A\.b\032\195\169;_x._tcp;local",
            r"=;eth0;IPv4;A\.b\032\195\169;_x._tcp;local;h.local;10.0.0.1;80;",
            "+;eth0;IPv6;only;_x._tcp;local",
            "+;eth0;IPv4;C;_x._tcp;local",
            "-;eth0;IPv4;C;_x._tcp;local",
        ]
        expected = {"A.b é": Service(80, frozenset({"10.0.0.1"}))}
        self.assertEqual(read_avahi(lines, False), expected)
