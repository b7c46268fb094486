"""Probing: names are asked for three times before they are used (RFC 6762 §8.1)."""

from __future__ import annotations

from itertools import pairwise

from mcast.conform.bench import Bench
from mcast.conform.packets import Packet
from mcast.conform.responder.catalogue import RESPONDER
from mcast.conform.responder.exchanges import in_ms, listed, other_address
from mcast.conform.subjects import Action
from mcast.conform.verdicts import Judge, NotRunError, must, rule, should
from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import show_type

PROBES = 3
"""Probes before a name is used (RFC 6762 §8.1)."""

INTERVAL = 0.25
"""Seconds between probes, and after the last one (RFC 6762 §8.1)."""

SLACK = 0.15
"""Seconds that an interval between probes may be longer. Our choice: for a busy machine."""

JITTER = 0.05
"""Seconds that an interval may be shorter: the probe before it may itself have been late."""

WAIT_JITTER = 0.02
"""Seconds that the wait after the last probe may be shorter, for the same reason."""

CONFLICTS = 15
"""Conflicts after which a host slows down (RFC 6762 §8.1)."""

_ARPA = b"arpa"

PROBED = must(
    "probing.before-use",
    "M-2-1 M-8.1-1",
    "RFC 6762 §8.1",
    "A host asks whether a name is in use before it claims records under it as its own.",
    "For each name with records that have the cache-flush bit in an announcement, a probe comes first.",
    "Reverse names are exempt: nobody else has the address. A record kept shared needs no probe.",
)
THREE = should(
    "probing.three",
    "M-8.1-5",
    "RFC 6762 §8.1",
    "A name is probed for three times.",
    "At least three probes for each probed name before its first announcement.",
)
PACE = should(
    "probing.interval",
    "M-8.1-5",
    "RFC 6762 §8.1",
    "Probes follow each other after 250 ms, so that a host that sleeps lightly hears one of them.",
    "250 ms between two probes for the same name.",
    "200 to 400 ms: a busy machine makes one probe late, and the next interval shorter.",
    timed=True,
)
WAITS = should(
    "probing.wait-after",
    "M-8.1-6",
    "RFC 6762 §8.1",
    "After the last probe a host waits 250 ms for objections before it announces.",
    "No announcement of the name within 250 ms after the last probe.",
    "20 ms less: the probe itself may have been late.",
    timed=True,
)
ANY_TYPE = should(
    "probing.any",
    "M-8.1-2",
    "RFC 6762 §8.1",
    "A probe asks for every type, so that any use of the name is found.",
    "Questions of probes have the type ANY.",
)
QU = should(
    "probing.unicast-question",
    "M-8.1-9",
    "RFC 6762 §8.1",
    "Probes ask for unicast responses, so that a defender can answer at once.",
    "The first probe for a name has the unicast-response bit.",
)
PROPOSES = rule(
    "probing.proposes",
    "M-8.2-1 M-8.2-2",
    "RFC 6762 §8.2",
    "A probe carries the records that the host is about to claim, without which nobody can break a tie.",
    "In the Authority Section of each probe there is a record for each name that it asks for.",
)
NO_FLUSH = rule(
    "probing.no-cache-flush",
    "M-10.2-8",
    "RFC 6762 §10.2",
    "The cache-flush bit stands in responses alone: records in a probe are proposed, and put nothing right.",
    "No record in the Authority Section of a probe has the bit.",
)
SILENT = must(
    "probing.no-answer-before",
    "M-2-1",
    "RFC 6762 §8.1",
    "Until a name is claimed, questions for it are not answered.",
    "No answer to a question for the host or the service that arrives after the first probe.",
    "Judged until the third probe has left.",
    timed=True,
)


@RESPONDER.scenario(
    "probing/claim",
    *(PROBED, THREE, PACE, WAITS, ANY_TYPE, QU, PROPOSES, NO_FLUSH, SILENT),
    sends="The subject is started; after its first probe we ask for its names.",
    seconds=7,
    needs=[Action.START],
)
async def claim(bench: Bench, judge: Judge) -> None:
    """Start the subject and watch it claim its names."""
    mark = await bench.start()
    first = await bench.awaited(lambda each: each.is_probe or each.is_response, mark)
    if first is None:
        raise NotRunError("the subject was started, and sent neither a probe nor an announcement")
    if first.is_probe:
        bench.ask(*_questions(bench))
    await bench.view.quiet(2.5)
    seen = bench.theirs(mark)
    _judge_names(judge, seen)
    probes = [each for each in seen if each.is_probe]
    if probes:
        _judge_probes(judge, probes)
        _judge_silence(bench, judge, seen)


def _questions(bench: Bench) -> list[Question]:
    questions = [Question(bench.names.host, bench.address_type)]
    if bench.names.service is not None:
        questions.append(Question(bench.names.service, RecordType.SRV))
    return questions


def _judge_names(judge: Judge, seen: list[Packet]) -> None:
    """Judge name by name how it came to be announced."""
    announced: dict[Name, Packet] = {}
    probing = [each for each in seen if each.is_probe]
    for packet in seen:
        if packet.is_response:
            for record in packet.answers:
                # What comes between probes is an answer given too early, which `SILENT` is about.
                if (
                    record.cache_flush
                    and record.ttl
                    and record.type != RecordType.NSEC
                    and not any(each.at > packet.at and each.asks_for(record.name) for each in probing)
                ):
                    announced.setdefault(record.name, packet)
    for name, packet in announced.items():
        if name.labels[-1:] == (_ARPA,):
            continue
        probes = [each for each in seen if each.is_probe and each.asks_for(name) and each.at < packet.at]
        judge.decide(
            PROBED,
            bool(probes),
            f"{name}: announced after {len(probes)} probes",
            (*probes, packet),
        )
        if not probes:
            continue
        judge.decide(THREE, len(probes) >= PROBES, f"{name}: {len(probes)} probes", (*probes, packet))
        gaps = [after.at - before.at for before, after in pairwise(probes)]
        steady = all(INTERVAL - JITTER <= gap <= INTERVAL + SLACK for gap in gaps)
        if gaps:
            judge.decide(PACE, steady, f"{name}: intervals of {listed(gaps)}", probes)
        wait = packet.at - probes[-1].at
        judge.decide(
            WAITS,
            wait >= INTERVAL - WAIT_JITTER,
            f"{name}: announced {in_ms(wait)} after the last probe",
            (probes[-1], packet),
        )


def _judge_probes(judge: Judge, probes: list[Packet]) -> None:
    """Judge what stands in probes."""
    asked: set[Name] = set()
    for packet in probes:
        authorities = packet.message.authorities if packet.message else ()
        proposed = {record.name for record in authorities}
        flushing = dict.fromkeys(
            f"{each.name} {show_type(each.type)}" for each in authorities if each.cache_flush
        )
        said = f"the bit on {', '.join(flushing)}" if flushing else "no record with the bit"
        judge.decide(NO_FLUSH, not flushing, said, [packet])
        for question in packet.questions:
            kind = f"{question.name}: type {question.type}"
            judge.decide(ANY_TYPE, question.type == RecordType.ANY, kind, [packet])
            if question.name not in asked:
                word = "with" if question.unicast else "without"
                said = f"{question.name}: {word} the unicast-response bit"
                judge.decide(QU, question.unicast, said, [packet])
                asked.add(question.name)
            said = f"{question.name}: {'proposed' if question.name in proposed else 'nothing proposed'}"
            judge.decide(PROPOSES, question.name in proposed, said, [packet])


def _judge_silence(bench: Bench, judge: Judge, seen: list[Packet]) -> None:
    for question in _questions(bench):
        probes = [each for each in seen if each.is_probe and each.asks_for(question.name)]
        if len(probes) < PROBES:
            continue
        early = [
            each
            for each in seen
            if each.at < probes[PROBES - 1].at and each.answers_of(question.name, question.type)
        ]
        said = f"{question.name}: {len(early)} answers before the third probe"
        judge.decide(SILENT, not early, said, (*probes, *early))


SLOWS = must(
    "probing.fifteen-conflicts",
    "M-8.1-14",
    "RFC 6762 §8.1",
    "After fifteen conflicts within ten seconds a host waits five seconds before each further attempt.",
    "Where every attempt is met by a conflict, none of the attempts after the fifteenth comes within five "
    "seconds of the one before.",
    "A host that is slower from the start, or gives up, complies as well. 200 ms less, for late probes.",
    timed=True,
)

_WATCH = 40.0


@RESPONDER.scenario(
    "probing/fifteen",
    SLOWS,
    sends="Each name that the subject probes for is met by a response that says it is taken.",
    seconds=_WATCH + 5,
    needs=[Action.START],
)
async def fifteen(bench: Bench, judge: Judge) -> None:
    """Refuse the subject every name."""
    mark = await bench.start()
    bench.is_renamed = True
    attempts: list[tuple[Name, Packet]] = []
    host = bench.names.host
    refused: set[Name] = set()

    def is_attempt(packet: Packet) -> bool:
        return packet.is_probe and any(_is_like(each.name, host) for each in packet.questions)

    probe = await bench.awaited(is_attempt, mark)
    end = bench.now + _WATCH
    while probe is not None:
        mark = bench.view.mark
        for question in probe.questions:
            if _is_like(question.name, host):
                bench.respond(other_address(bench, question.name))
                # An earlier name may be tried again, or the probe was sent before ours was read.
                if question.name not in refused:
                    refused.add(question.name)
                    attempts.append((question.name, probe))
        probe = await bench.next(is_attempt, end - bench.now, mark)
    if not attempts:
        raise NotRunError("the subject does not probe for its host name")
    quick = [
        (before, after)
        for (_, before), (_, after) in pairwise(attempts[CONFLICTS:])
        if after.at - before.at < 5.0 - 0.2
    ]
    said = f"{len(attempts)} attempts in {_WATCH:.0f} s"
    if quick:
        said += f"; after the fifteenth, one followed after {in_ms(quick[0][1].at - quick[0][0].at)}"
    judge.decide(SLOWS, not quick, said, (each for pair in quick[:1] for each in pair))


def _is_like(name: Name, host: Name) -> bool:
    """Tell whether a name is one that a host takes in place of its own."""
    return len(name.labels) == 2 and name.parent == host.parent
