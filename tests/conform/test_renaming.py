"""A subject that takes another name, played with made-up packets on a fake clock."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.conform.responder import RESPONDER
from mcast.conform.subjects import Action
from mcast.conform.verdicts import Judge, Verdict
from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import pointer, service
from tests.conform.bench_lab import NAMES, SUBJECT_MAC, BenchLab, FakeSubject, probe, response

assert NAMES.service is not None
assert NAMES.type is not None
OLD, KIND = NAMES.service, NAMES.type


class Renamed(FakeSubject):
    """Takes another name, or does a part of what that asks for."""

    def __init__(self, lab: BenchLab, leaves_out: str) -> None:
        super().__init__()
        self.is_running = True
        self._lab = lab
        self._leaves_out = leaves_out

    async def act(self, action: Action, value: str = "") -> None:
        assert action is Action.RENAME
        await super().act(action)
        at = self._lab.clock.seconds()
        new = Name.from_labels((value, *KIND.labels))
        srv = service(new, 0, 0, 631, NAMES.host, 120, True)
        packets = {
            "goodbye": response(at + 0.1, pointer(KIND, OLD, 0)),
            "probes": probe(at + 0.2, Question(new, RecordType.ANY), proposed=[srv]),
            "announcement": response(at + 1.0, srv, pointer(KIND, new, 4500)),
        }
        self._lab.play(*(packet for word, packet in packets.items() if word != self._leaves_out))


class RenamingTests(SynchronousTestCase):
    """Probes, announcements, goodbyes (RFC 6762 §8.1, §8.3, §10.1)."""

    def found(self, leaves_out: str) -> dict[str, Verdict]:
        (scenario,) = RESPONDER.chosen(["changes/rename"])
        lab = BenchLab()
        lab.bench.subject = subject = Renamed(lab, leaves_out)
        lab.bench.subject_mac, lab.bench.subject_address = SUBJECT_MAC, "10.0.0.2"
        judge = Judge(scenario.checks)
        lab.run(scenario.play(lab.bench, judge))
        self.assertEqual(subject.done, [Action.RENAME] * 2)  # and back
        judge.skip_rest("nothing")
        return {check.id.partition("rename-")[2]: each[0] for check, each in judge.verdicts.items()}

    def test_as_it_should_be(self) -> None:
        self.assertEqual(set(self.found("").values()), {Verdict.PASS})

    def test_not_probed_for(self) -> None:
        self.assertEqual(self.found("probes")["probes"], Verdict.FAIL)

    def test_not_taken_back(self) -> None:
        self.assertEqual(self.found("goodbye")["goodbye"], Verdict.WARNING)

    def test_not_announced(self) -> None:
        found = self.found("announcement")
        self.assertEqual((found["announces"], found["probes"]), (Verdict.FAIL, Verdict.NOT_RUN))
