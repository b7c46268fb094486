"""Scenarios of the responder role, played with made-up packets on a fake clock."""

from __future__ import annotations

import contextlib

from twisted.trial.unittest import SynchronousTestCase

from mcast.conform.packets import Packet, Sender
from mcast.conform.responder import RESPONDER, changes, tie_breaks
from mcast.conform.responder.exchanges import other_address
from mcast.conform.responder.octets import raw_records
from mcast.conform.verdicts import Judge, NotRunError, Verdict
from mcast.dns.codes import RESPONSE_FLAGS, RecordClass, RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.dns.records import Record, address, pointer, service, text
from tests.conform.bench_lab import NAMES, BenchLab, probe, response

assert NAMES.service is not None
assert NAMES.type is not None
ADDRESS = address(NAMES.host, "10.0.0.2", 120, True)
SRV = service(NAMES.service, 0, 0, 631, NAMES.host, 120, True)
TXT = text(NAMES.service, [b"a=b"], 4500, True)
PTR = pointer(NAMES.type, NAMES.service, 4500)
ALL = (ADDRESS, SRV, TXT, PTR)
PROPOSED = [each.with_cache_flush(False) for each in (ADDRESS, SRV, TXT)]
QUESTIONS = tuple(Question(name, RecordType.ANY, unicast=True) for name in (NAMES.host, NAMES.service))


def probe_at(at: float) -> Packet:
    return probe(at, *QUESTIONS, proposed=PROPOSED)


def judged(name: str, *packets: Packet) -> Judge:
    """Return what a scenario says of a subject that sends these packets."""
    (scenario,) = RESPONDER.chosen([name])
    lab = BenchLab()
    judge = Judge(scenario.checks)
    lab.play(*packets)
    lab.run(scenario.play(lab.bench, judge))
    judge.skip_rest("nothing")
    return judge


def verdicts(name: str, *packets: Packet) -> dict[str, Verdict]:
    """Return the verdicts of a scenario."""
    found = judged(name, *packets).verdicts
    return {check.id.partition(".")[2]: verdict for check, (verdict, _, _) in found.items()}


def seen(name: str, check: str, *packets: Packet) -> str:
    """Return what a scenario says to one of its checks."""
    found = judged(name, *packets).verdicts
    (said,) = (said for each, (_, said, _) in found.items() if each.id == check)
    return said


class FamilyTests(SynchronousTestCase):
    """Over IPv6 it is asked for what a subject says there, which need not be its IPv4 addresses."""

    def lab(self) -> BenchLab:
        lab = BenchLab()
        lab.bench.ipv6 = lab.subject.is_running = True
        lab.bench.meet(probe_at(0.0))
        return lab

    def asked_of_host(self, name: str) -> set[int]:
        """Return the types that a scenario asks a silent subject for by its host name."""
        (scenario,) = RESPONDER.chosen([name])
        lab = self.lab()
        with contextlib.suppress(NotRunError):
            lab.run(scenario.play(lab.bench, Judge(scenario.checks)))
        asked = [question for each in lab.bench.ours(0) for question in each.questions]
        return {int(question.type) for question in asked if question.name == NAMES.host}

    def test_questions(self) -> None:
        for name in (
            *("answers/address", "answers/several", "answers/matching", "duplicates/one-second"),
            *("legacy/query", "malformed/messages", "messages/heard", "unicast/question", "unicast/direct"),
        ):
            self.assertEqual(self.asked_of_host(name), {int(RecordType.AAAA)}, name)

    def test_conflicts(self) -> None:
        lab = self.lab()
        self.assertEqual(other_address(lab.bench, NAMES.host).type, RecordType.AAAA)
        lab.bench.ipv6 = False
        self.assertEqual(other_address(lab.bench, NAMES.host).type, RecordType.A)

    def test_a_later_type(self) -> None:
        """Whose data sort before those of the address, so that the type is what tells."""
        for value in ("10.0.0.2", "fd00::2"):
            mine = address(NAMES.host, value, 120)
            (other,) = tie_breaks.later_type([mine])
            self.assertGreater(other.type, mine.type)
            self.assertLess(other.rdata, mine.rdata)
        with self.assertRaises(NotRunError):
            tie_breaks.later_type([SRV])


class ProbingTests(SynchronousTestCase):
    """Three probes at a pace of 250 ms, and 250 ms more (RFC 6762 §8.1)."""

    def broken(self, *packets: Packet) -> set[str]:
        found = verdicts("probing/claim", *packets)
        return {check for check, verdict in found.items() if verdict in (Verdict.FAIL, Verdict.WARNING)}

    def test_as_it_should_be(self) -> None:
        probes = [probe_at(1 + 0.25 * number) for number in range(3)]
        found = verdicts("probing/claim", *probes, response(1.75, *ALL))
        self.assertEqual(set(found.values()), {Verdict.PASS})

    def test_no_probe(self) -> None:
        self.assertEqual(self.broken(response(1.0, *ALL)), {"before-use"})

    def test_shared_records_need_none(self) -> None:
        self.assertEqual(self.broken(response(1.0, PTR)), set())

    def test_two(self) -> None:
        self.assertEqual(self.broken(probe_at(1.0), probe_at(1.25), response(1.5, *ALL)), {"three"})

    def test_too_fast(self) -> None:
        packets = [probe_at(1.0), probe_at(1.1), probe_at(1.2), response(1.45, *ALL)]
        self.assertEqual(self.broken(*packets), {"interval"})

    def test_announced_too_early(self) -> None:
        packets = [probe_at(1.0), probe_at(1.25), probe_at(1.5), response(1.6, *ALL)]
        self.assertEqual(self.broken(*packets), {"wait-after"})

    def test_answered_too_early(self) -> None:
        packets = [
            probe_at(1.0),
            response(1.01, ADDRESS),
            probe_at(1.25),
            probe_at(1.5),
            response(1.75, *ALL),
        ]
        self.assertEqual(self.broken(*packets), {"no-answer-before"})

    def test_proposes_nothing_of_one_name(self) -> None:
        packets = [probe(1 + 0.25 * number, *QUESTIONS, proposed=PROPOSED[:1]) for number in range(3)]
        self.assertEqual(self.broken(*packets, response(1.75, *ALL)), {"proposes"})

    def test_proposes_with_the_cache_flush_bit(self) -> None:
        """Elsewhere than in a response the bit is part of the class (RFC 6762 §10.2)."""
        flushing = [each.with_cache_flush(True) for each in (ADDRESS, SRV, TXT)]
        probes = [probe(1 + 0.25 * number, *QUESTIONS, proposed=flushing) for number in range(3)]
        self.assertEqual(self.broken(*probes, response(1.75, *ALL)), {"no-cache-flush"})

    def test_of_one_type(self) -> None:
        question = Question(NAMES.host, RecordType.A)
        packets = [probe(1 + 0.25 * number, question, proposed=PROPOSED[:1]) for number in range(3)]
        self.assertEqual(self.broken(*packets, response(1.75, ADDRESS)), {"any", "unicast-question"})


class FifteenTests(SynchronousTestCase):
    """Each attempt is met by a conflict, and those after the fifteenth are slow (RFC 6762 §8.1)."""

    def play(self, *attempts: tuple[float, str]) -> tuple[Verdict, str, list[str]]:
        """Return the verdict, what was seen, and the names that were refused."""
        (scenario,) = RESPONDER.chosen(["probing/fifteen"])
        lab = BenchLab()
        lab.play(
            *(
                probe(at, Question(name, RecordType.ANY), proposed=[address(name, "10.0.0.2", 120)])
                for at, name in ((at, Name.parse(f"{label}.local")) for at, label in attempts)
            )
        )
        judge = Judge(scenario.checks)
        lab.run(scenario.play(lab.bench, judge))
        ((verdict, said, _),) = judge.verdicts.values()
        ours = [each for each in lab.view.since(0) if each.sender is Sender.JUDGE]
        return verdict, said, [each.records[0].name.labels[0].decode() for each in ours]

    def test_slows(self) -> None:
        quick = [(1 + 0.25 * number, f"device-{number}") for number in range(15)]
        verdict, said, _ = self.play(*quick, (10.0, "device-15"), (15.0, "device-16"))
        self.assertEqual((verdict, said), (Verdict.PASS, "17 attempts in 40 s"))

    def test_goes_on(self) -> None:
        verdict, *_ = self.play(*((1 + 0.25 * number, f"device-{number}") for number in range(20)))
        self.assertEqual(verdict, Verdict.FAIL)

    def test_an_earlier_name_again(self) -> None:
        """It is refused as well, or the subject has it and makes no further attempt; it is no new one."""
        attempts = [(1.0, "device"), (1.25, "device-2"), (1.5, "device"), (1.75, "device-3")]
        _, said, refused = self.play(*attempts)
        self.assertEqual(refused, [name for _, name in attempts])
        self.assertEqual(said, "3 attempts in 40 s")


class AnnouncingTests(SynchronousTestCase):
    """Twice, one second apart, with everything (RFC 6762 §8.3, §10)."""

    def broken(self, *packets: Packet) -> set[str]:
        found = verdicts("announcing/claim", *packets)
        return {check for check, verdict in found.items() if verdict in (Verdict.FAIL, Verdict.WARNING)}

    def test_as_it_should_be(self) -> None:
        self.assertEqual(self.broken(response(1.0, *ALL), response(2.0, *ALL), response(4.0, *ALL)), set())

    def test_once(self) -> None:
        self.assertEqual(self.broken(response(1.0, *ALL)), {"twice"})

    def test_too_soon(self) -> None:
        broken = self.broken(response(1.0, *ALL), response(1.3, *ALL))
        self.assertEqual(broken, {"one-second-apart"})

    def test_periodic(self) -> None:
        packets = [response(1.0 + number, *ALL) for number in range(5)]
        self.assertEqual(self.broken(*packets), {"no-more"})

    def test_sent_along_with_others(self) -> None:
        """A host's address in the announcement of a service is no further announcement of the host."""
        packets = [response(at, ADDRESS) for at in (1.0, 2.0)]
        packets += [response(at, *ALL) for at in (3.1, 4.1)]
        self.assertEqual(self.broken(*packets), set())

    def test_bits(self) -> None:
        wrong = [ADDRESS.with_cache_flush(False), SRV, TXT, PTR.with_cache_flush(True)]
        broken = self.broken(response(1.0, *wrong), response(2.0, *wrong))
        self.assertEqual(broken, {"cache-flush", "no-cache-flush-on-shared"})

    def test_ttls(self) -> None:
        wrong = [ADDRESS.with_ttl(60), SRV, TXT, PTR.with_ttl(120)]
        self.assertEqual(self.broken(response(1.0, *wrong), response(2.0, *wrong)), {"host-ttl", "other-ttl"})

    def test_something_missing(self) -> None:
        self.assertEqual(self.broken(response(1.0, *ALL[:3]), response(2.0, *ALL[:3])), {"all-records"})


class TieBreakTests(SynchronousTestCase):
    """The later data wins, and the loser waits one second (RFC 6762 §8.2)."""

    def test_rivals(self) -> None:
        """Our data are where they should be, as the section compares."""

        def data(records: list[Record]) -> list[tuple[int, int, bytes]]:
            return sorted((each.rclass, each.type, each.rdata) for each in records)

        mine = [ADDRESS, text(NAMES.host, [b"x"], 120)]
        self.assertLess(data(list(tie_breaks.earlier(mine))), data(mine))
        self.assertGreater(data(list(tie_breaks.later(mine))), data(mine))
        self.assertGreater(data(list(tie_breaks.longer(mine))), data(mine))
        self.assertGreater(data(list(tie_breaks.later_type(mine))), data(mine))

    def test_goes_on(self) -> None:
        probes = [probe_at(1 + 0.25 * number) for number in range(3)]
        packets = [*probes, response(1.75, *ALL)]
        self.assertEqual(verdicts("tie-breaks/won", *packets)["won"], Verdict.PASS)
        self.assertEqual(verdicts("tie-breaks/equal", *packets)["equal"], Verdict.PASS)
        found = verdicts("tie-breaks/lost", *packets)
        self.assertEqual(set(found.values()), {Verdict.FAIL})

    def test_data_without_an_octet(self) -> None:
        """What a subject proposes may be anything; data of ours are later all the same."""
        nothing = Record(NAMES.host, 10, RecordClass.IN, 120, b"")
        probes = [probe(at, *QUESTIONS, proposed=[nothing]) for at in (1.0, 6.0)]
        self.assertEqual(verdicts("tie-breaks/lost", *probes)["lost"], Verdict.PASS)

    def test_announced_without_the_cache_flush_bit(self) -> None:
        """It is announced all the same; the bit is a matter of announcing.cache-flush."""
        probes = [probe_at(1 + 0.25 * number) for number in range(3)]
        plain = response(1.75, *(each.with_cache_flush(False) for each in ALL))
        self.assertEqual(verdicts("tie-breaks/won", *probes, plain)["won"], Verdict.PASS)

    def test_another_name_at_once(self) -> None:
        """A person sees what the subject did in place of waiting."""
        name = Name.parse("device-2.local")
        proposed = [address(name, "10.0.0.2", 120)]
        other = probe(7.0, Question(name, RecordType.ANY), proposed=proposed)
        said = seen("tie-breaks/lost", "tie-breaks.lost-tries-again", probe_at(1.0), probe_at(6.0), other)
        self.assertEqual(
            said, "0 probes for the same name after a second; probed for device-2.local. instead"
        )

    def test_waits(self) -> None:
        probes = [probe_at(at) for at in (1.0, 2.01, 2.26, 2.51)]
        packets = [*probes, response(2.76, *ALL)]
        again = [probe_at(at) for at in (6.0, 7.01, 7.26, 7.51)]
        found = verdicts("tie-breaks/lost", *packets, *again, response(7.76, *ALL))
        self.assertEqual(set(found.values()), {Verdict.PASS})
        by_chance = [probe_at(at) for at in (6.0, 6.4, 6.65, 6.9)]
        found = verdicts("tie-breaks/lost", *packets, *by_chance, response(7.15, *ALL))
        self.assertEqual(found["lost"], Verdict.FAIL)
        self.assertEqual(verdicts("tie-breaks/longer", *packets)["longer-list"], Verdict.PASS)
        self.assertEqual(verdicts("tie-breaks/won", *packets)["won"], Verdict.FAIL)

    def test_waits_and_takes_another_name(self) -> None:
        found = verdicts("tie-breaks/lost", probe_at(1.0), probe_at(6.0))
        self.assertEqual(found, {"lost": Verdict.PASS, "lost-tries-again": Verdict.FAIL})
        said = seen("tie-breaks/lost", "tie-breaks.lost", probe_at(1.0), probe_at(6.0))
        self.assertEqual(said, "no further probe; a single probe; not announced")


class ChangeTests(SynchronousTestCase):
    """A set comes as a whole (RFC 6762 §10.2)."""

    def test_what_belongs_together(self) -> None:
        """An old address that was answered 50 ms earlier is not told with the new one; seen of Avahi."""
        packets = [response(at, ADDRESS) for at in (0.95, 0.99, 1.0, 1.09, 1.2)]
        self.assertEqual(changes.burst_of(packets[2], packets), packets[1:4])


class OctetTests(SynchronousTestCase):
    """What the decoder hides."""

    def test_compression_of_srv(self) -> None:
        message = Message(flags=RESPONSE_FLAGS, questions=[Question(NAMES.host, 1)], answers=[SRV, PTR])
        compressed = list(raw_records(encode(message)))
        self.assertEqual([each.ends_in_pointer for each in compressed], [True, True])
        plain, _ = raw_records(encode(message, legacy=True))
        self.assertEqual((plain.ends_in_pointer, plain.length), (False, 6 + len(NAMES.host.wire)))

    def test_cut_short(self) -> None:
        octets = encode(Message(flags=RESPONSE_FLAGS, answers=[SRV]))
        for size in range(len(octets)):
            list(raw_records(octets[:size]))
