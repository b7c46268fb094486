"""What a subject did not do is no finding: it cannot delete what it has told, or count what it ignores."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from mcast.conform.packets import Packet, packet_of
from mcast.conform.packets import Sender as Who
from mcast.conform.responder import RESPONDER
from mcast.conform.subjects import Action
from mcast.conform.verdicts import Judge, Level, NotRunError, Verdict
from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.records import Record, address, pointer, service
from mcast.sockets.frames import Datagram
from tests.conform.bench_lab import NAMES, BenchLab, FakeLink, FakeSubject, probe, response

assert NAMES.service is not None
assert NAMES.type is not None
ADDRESS = address(NAMES.host, "10.0.0.2", 120, True)
SRV = service(NAMES.service, 0, 0, 631, NAMES.host, 120, True)
PTR = pointer(NAMES.type, NAMES.service, 4500)


class Answering(FakeLink):
    """A link with a subject that reacts to each packet of ours.

    :param react: what it sends, and how many seconds later.
    """

    def __init__(self, lab: BenchLab, react: Callable[[Packet], list[tuple[float, Packet]]]) -> None:
        super().__init__(lab.view)
        self._lab = lab
        self._react = react

    def send(self, datagram: Datagram) -> None:
        super().send(datagram)
        now = self._lab.clock.seconds()
        for after, packet in self._react(packet_of(now, Who.JUDGE, datagram)):
            self._lab.play(packet_of(now + after, Who.SUBJECT, packet.datagram))


def verdicts(name: str, react: Callable[[Packet], list[tuple[float, Packet]]]) -> dict[str, Verdict]:
    """Return what a scenario says of a subject that is up and reacts so."""
    (scenario,) = RESPONDER.chosen([name])
    lab = BenchLab(FakeSubject(frozenset(Action)))
    lab.subject.is_running = True
    lab.bench.link = Answering(lab, react)
    judge = Judge(scenario.checks)

    async def play() -> None:
        try:
            await scenario.play(lab.bench, judge)
        except NotRunError as reason:
            judge.skip_rest(str(reason))

    lab.run(play(), 400.0)
    judge.skip_rest("nothing")
    return {check.id.partition(".")[2]: verdict for check, (verdict, _, _) in judge.verdicts.items()}


class SeveralPacketsTests(SynchronousTestCase):
    """Only what is still to be given can be deleted (RFC 6762 §7.2)."""

    def subject(self, delay: float) -> Callable[[Packet], list[tuple[float, Packet]]]:
        """Return a subject that answers after a delay, whatever follows."""

        def react(packet: Packet) -> list[tuple[float, Packet]]:
            if not packet.questions:
                return []
            if packet.questions[0].type != RecordType.PTR:
                return [(0.001, response(0, SRV))]
            return [(delay, response(0, PTR))]

        return react

    def test_who_answers_at_once_deletes_nothing(self) -> None:
        found = verdicts("known-answers/several-packets", self.subject(0.0))
        self.assertEqual(found["later-packet"], Verdict.NOT_RUN)
        self.assertEqual(found["extended"], Verdict.NOT_RUN)
        self.assertEqual(found["truncated-delay"], Verdict.WARNING)

    def test_who_waits_too_briefly_still_has_to(self) -> None:
        found = verdicts("known-answers/several-packets", self.subject(0.1))
        self.assertEqual(found["later-packet"], Verdict.FAIL)

    def test_an_answer_that_was_on_its_way_does_not_count(self) -> None:
        found = verdicts("known-answers/several-packets", self.subject(0.011))
        self.assertEqual(found["later-packet"], Verdict.NOT_RUN)

    def test_who_waits_and_does_not(self) -> None:
        found = verdicts("known-answers/several-packets", self.subject(0.45))
        self.assertEqual((found["later-packet"], found["extended"]), (Verdict.FAIL, Verdict.WARNING))


class SourcesTests(SynchronousTestCase):
    """Who reacts to no conflict shows nothing about sources (RFC 6762 §6, §11)."""

    def subject(self, believes: Callable[[Packet], bool]) -> Callable[[Packet], list[tuple[float, Packet]]]:
        def probes(packet: Packet) -> bool:
            conflicts = [each for each in packet.answers if each.name == NAMES.host]
            return bool(conflicts) and believes(packet)

        def react(packet: Packet) -> list[tuple[float, Packet]]:
            question = Question(NAMES.host, RecordType.ANY)
            records: list[Record] = [ADDRESS]
            if probes(packet):
                return [(0.1, probe(0, question, proposed=records))]
            if any(each.type == RecordType.SRV for each in packet.questions):
                return [(0.01, response(0, SRV))]
            return []

        return react

    def test_no_reaction_at_all(self) -> None:
        found = verdicts("sources/responses", self.subject(lambda _: False))
        self.assertEqual(set(found.values()), {Verdict.NOT_RUN})

    def test_only_to_local_sources(self) -> None:
        found = verdicts(
            "sources/responses",
            self.subject(
                lambda each: each.datagram.source == "10.0.0.1" and each.datagram.source_port == 5353
            ),
        )
        self.assertEqual(found["group-counts-as-local"], Verdict.WARNING)
        self.assertEqual((found["port"], found["off-link-unicast"]), (Verdict.PASS, Verdict.PASS))

    def test_to_all(self) -> None:
        found = verdicts("sources/responses", self.subject(lambda _: True))
        self.assertEqual(found["group-counts-as-local"], Verdict.PASS)
        self.assertEqual((found["port"], found["off-link-unicast"]), (Verdict.FAIL, Verdict.FAIL))


class LevelTests(SynchronousTestCase):
    """What the RFC says without a keyword counts for the exit status as a MUST does."""

    def test_a_broken_rule_fails(self) -> None:
        rules = [each for one in RESPONDER.scenarios for each in one.checks if each.level is Level.RULE]
        self.assertTrue(rules)
        for check in rules:
            judge = Judge((check,))
            judge.decide(check, False, "broken")
            self.assertIs(judge.verdicts[check][0], Verdict.FAIL)


class OtherHostTests(SynchronousTestCase):
    """Who has answered before another host did has nothing left to suppress (RFC 6762 §7.4)."""

    def found(self, delay: float) -> Verdict:
        def react(packet: Packet) -> list[tuple[float, Packet]]:
            types = [each.type for each in packet.questions]
            if RecordType.SRV in types:
                return [(0.001, response(0, SRV))]
            return [(delay, response(0, PTR))] if RecordType.PTR in types else []

        return verdicts("duplicates/other-host", react)["answer-of-another"]

    def test_at_once(self) -> None:
        self.assertEqual(self.found(0.001), Verdict.NOT_RUN)

    def test_after_a_delay(self) -> None:
        self.assertEqual(self.found(0.06), Verdict.WARNING)


class ListedTests(SynchronousTestCase):
    """We break no rule ourselves, or the subject need not do what we expect."""

    def test_no_cache_flush_bit_in_known_answers(self) -> None:
        """RFC 6762 §10.2."""
        lab = BenchLab()
        lab.bench.ask(Question(NAMES.host, RecordType.A), known=[ADDRESS])
        ((listed,),) = [each.answers for each in lab.bench.ours(0)]
        self.assertEqual((listed.identity, listed.cache_flush), (ADDRESS.identity, False))
