"""Answers: to whom, with what, and when (RFC 6762 §6)."""

from __future__ import annotations

from mcast.conform.bench import Bench
from mcast.conform.packets import MDNS_PORT
from mcast.conform.responder.catalogue import RESPONDER
from mcast.conform.responder.exchanges import (
    AT_ONCE,
    BUSY,
    EARLY,
    NO_ANSWER,
    answers_to,
    ask,
    delays,
    listed,
    service_of,
    shortest,
)
from mcast.conform.verdicts import Judge, NotRunError, must, rule, should
from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import TextData, show_type

SHARED_DELAY = (0.020, 0.120)
"""The random delay of answers that others may give too (RFC 6762 §6)."""

ANSWERED = must(
    "answers.address",
    "M-6-3",
    "RFC 6762 §6",
    "A record answers a question of its name, its type and its class.",
    "An A or AAAA record of the host in the Answer Section.",
)
TO_GROUP = must(
    "answers.multicast",
    "M-6-16",
    "RFC 6762 §6",
    "An answer goes to the group, to port 5353, unless a unicast response was asked for.",
    "The answer to a plain question goes to the group and port 5353.",
)
FROM_PORT = must(
    "answers.source-port",
    "M-6-14",
    "RFC 6762 §6",
    "Responses come from UDP port 5353; others are ignored by everybody.",
    "Source port 5353.",
)
NO_QUESTION = must(
    "answers.no-question",
    "M-6-7",
    "RFC 6762 §6",
    "A multicast response repeats no question.",
    "An empty Question Section.",
)
AT_ONCE_UNIQUE = should(
    "answers.unique-at-once",
    "M-6-10",
    "RFC 6762 §6",
    "Where all answers are the subject's alone, nobody else answers, so it need not wait: 10 ms at most.",
    "The shortest of five delays is at most 10 ms.",
    "18 ms: random delays begin at 20 ms, and a busy machine takes some.",
    timed=True,
)
OTHER_FAMILY = should(
    "answers.other-family",
    "M-6.2-3 M-6.2-4",
    "RFC 6762 §6.2",
    "With addresses of one family those of the other are sent along, or an NSEC record that there are none.",
    "AAAA or NSEC of the host beside its A records.",
)


@RESPONDER.scenario(
    "answers/address",
    *(ANSWERED, TO_GROUP, FROM_PORT, NO_QUESTION, AT_ONCE_UNIQUE, OTHER_FAMILY),
    sends="Five times, at rest: who is HOST, type A?",
    seconds=8,
)
async def host_address(bench: Bench, judge: Judge) -> None:
    """Ask for the address of the host."""
    await bench.up()
    question = Question(bench.names.host, bench.address_type)
    try:
        exchanges = await delays(bench, question)
    except NotRunError:
        judge.decide(ANSWERED, False, "five questions, and no answer")
        return
    judge.decide(ANSWERED, True, f"{len(exchanges)} answers")
    other = RecordType.A if bench.ipv6 else RecordType.AAAA
    for each in exchanges:
        answer = each.answer
        assert answer is not None
        datagram = answer.datagram
        to = f"{datagram.destination} port {datagram.destination_port}"
        is_group = answer.is_multicast and datagram.destination_port == MDNS_PORT
        judge.decide(TO_GROUP, is_group, f"to {to}", each.packets)
        judge.decide(
            FROM_PORT, datagram.source_port == MDNS_PORT, f"from port {datagram.source_port}", each.packets
        )
        judge.decide(NO_QUESTION, not answer.questions, f"{len(answer.questions)} questions", each.packets)
        others = answer.answers_of(bench.names.host, other)
        others += answer.answers_of(bench.names.host, RecordType.NSEC)
        said = ", ".join(show_type(one.type) for one in others) or f"neither {other.name} nor NSEC"
        judge.decide(OTHER_FAMILY, bool(others), said, each.packets)
    best = shortest(exchanges)
    said = f"delays of {listed(each.delay for each in exchanges)}"
    judge.decide(AT_ONCE_UNIQUE, best.delay <= AT_ONCE, said, best.packets)


BROWSED = must(
    "answers.browse",
    "M-6-3 S-4.1-1",
    "RFC 6763 §4.1",
    "A PTR question for a service type is answered with the names of its instances.",
    "A PTR record from the type to the instance.",
)
SHARED_WAITS = should(
    "answers.shared-delay",
    "M-6-12",
    "RFC 6762 §6",
    "Where other hosts may have answers too, a random delay of 20 to 120 ms keeps them apart.",
    "None of five delays is shorter than 20 ms, and the shortest is not longer than 120 ms.",
    "5 ms earlier, for timers; 150 ms later, for a busy machine.",
    timed=True,
)
ADDITIONALS = should(
    "answers.browse-additionals",
    "S-12-1 S-12.1-1",
    "RFC 6763 §12.1",
    "With the PTR of a service its SRV, its TXT and the addresses of its host are sent along.",
    "SRV, TXT and an address in the same packet.",
)


@RESPONDER.scenario(
    "answers/browse",
    *(BROWSED, SHARED_WAITS, ADDITIONALS),
    sends="Five times, at rest: which services are of TYPE, type PTR?",
    seconds=8,
)
async def browse(bench: Bench, judge: Judge) -> None:
    """Browse for the service."""
    service, kind = service_of(bench.names)
    await bench.up()
    try:
        exchanges = await delays(bench, Question(kind, RecordType.PTR))
    except NotRunError:
        judge.decide(BROWSED, False, "five questions, and no answer")
        return
    for each in exchanges:
        answer = each.answer
        assert answer is not None
        targets = [one.data for one in answer.answers_of(kind, RecordType.PTR)]
        judge.decide(BROWSED, service in targets, f"{len(targets)} instances", each.packets)
        missing = [
            show_type(rtype)
            for name, rtype in ((service, RecordType.SRV), (service, RecordType.TXT))
            if not answer.answers_of(name, rtype)
        ]
        if not any(one.type in (RecordType.A, RecordType.AAAA) for one in answer.records):
            missing.append("an address")
        said = f"without {', '.join(missing)}" if missing else "all sent along"
        judge.decide(ADDITIONALS, not missing, said, each.packets)
    best = shortest(exchanges)
    low, high = SHARED_DELAY
    holds = best.delay >= low - EARLY and best.delay <= high + BUSY
    said = f"delays of {listed(each.delay for each in exchanges)}"
    judge.decide(SHARED_WAITS, holds, said, best.packets)


BOTH = must(
    "answers.several-questions",
    "M-6.3-1 M-5.3-1",
    "RFC 6762 §6.3",
    "A query of several questions is answered as if each had come alone.",
    "Within two seconds answers to both questions, in one packet or in two.",
)
SEVERAL_WAIT = should(
    "answers.several-delay",
    "M-6.3-2",
    "RFC 6762 §6.3",
    "Where a query has several questions, other hosts may have answers: 20 to 120 ms of random delay, "
    "even for records that are the subject's alone.",
    "None of five delays is shorter than 20 ms.",
    "5 ms, for timers.",
    timed=True,
)


@RESPONDER.scenario(
    "answers/several",
    *(BOTH, SEVERAL_WAIT),
    sends="Five times, at rest, in one query: HOST type A, and INSTANCE type SRV.",
    seconds=8,
)
async def several(bench: Bench, judge: Judge) -> None:
    """Ask two questions at once."""
    service, _ = service_of(bench.names)
    await bench.up()
    questions = (Question(bench.names.host, bench.address_type), Question(service, RecordType.SRV))
    exchanges = []
    for _ in range(5):
        one = await ask(
            bench, *questions, wanted=lambda each: any(answers_to(each, question) for question in questions)
        )
        if one.answer is not None:
            exchanges.append(one)
    if not exchanges:
        judge.decide(BOTH, False, "five queries, and no answer")
        return
    last = exchanges[-1]
    await bench.sleep(0.7)
    answered = [
        question
        for question in questions
        if any(answers_to(each, question) for each in bench.theirs(last.mark))
    ]
    judge.decide(BOTH, len(answered) == 2, f"{len(answered)} of 2 questions answered", last.packets)
    best = shortest(exchanges)
    said = f"delays of {listed(each.delay for each in exchanges)}"
    judge.decide(SEVERAL_WAIT, best.delay >= SHARED_DELAY[0] - EARLY, said, best.packets)


ANY = must(
    "answers.any-type",
    "M-6.5-1",
    "RFC 6762 §6.5",
    "A question of type ANY is answered with all records of the name.",
    "SRV and TXT of the instance.",
)
ANY_CLASS = must(
    "answers.any-class",
    "M-6.5-1 M-6-3",
    "RFC 6762 §6.5",
    "A question of class ANY is answered with the records of the name and type, of every class.",
    "The address of the host.",
)
OTHER_CLASS = must(
    "answers.other-class",
    "M-6-3",
    "RFC 6762 §6",
    "A question of another class is not answered with records of class IN.",
    "No address for a question of class CHAOS.",
)
CASE = rule(
    "answers.case",
    "M-16-5",
    "RFC 6762 §16",
    "Names are compared without regard to the case of ASCII letters.",
    "The address of the host for its name with the case of all letters turned.",
)
UNKNOWN = must(
    "answers.unknown-name",
    "M-6-4 M-6-6",
    "RFC 6762 §6",
    "Only what is the subject's own is answered, and no error is ever sent.",
    "No response to a question for a random host name, and none for a random service type.",
)


@RESPONDER.scenario(
    "answers/matching",
    *(ANY, ANY_CLASS, OTHER_CLASS, CASE, UNKNOWN),
    sends="Questions of type ANY, class ANY and class CHAOS, in another case, and for names that nobody has.",
    seconds=14,
)
async def matching(bench: Bench, judge: Judge) -> None:
    """Ask what does and what does not match."""
    await bench.up()
    host = bench.names.host
    if bench.names.service is not None:
        service = bench.names.service
        one = await ask(bench, Question(service, RecordType.ANY))
        await bench.sleep(0.7)
        packets = [each for each in bench.theirs(one.mark) if each.is_response]
        types = {record.type for each in packets for record in each.answers if record.name == service}
        said = ", ".join(map(show_type, sorted(types))) or "no answer"
        judge.decide(ANY, {RecordType.SRV, RecordType.TXT} <= types, said, (one.asked, *packets))
    one = await ask(bench, Question(host, bench.address_type, RecordClass.ANY))
    judge.decide(ANY_CLASS, one.answer is not None, _answer(one.answer), one.packets)
    one = await ask(bench, Question(host, bench.address_type, 3), within=NO_ANSWER)
    judge.decide(OTHER_CLASS, one.answer is None, _answer(one.answer), one.packets)
    turned = Name.from_labels(label.swapcase() for label in host.labels)
    one = await ask(bench, Question(turned, bench.address_type))
    judge.decide(CASE, one.answer is not None, _answer(one.answer), one.packets)
    for question in (
        Question(bench.random_name(), bench.address_type),
        Question(bench.random_name("_tcp"), RecordType.PTR),
    ):
        one = await ask(bench, question, wanted=lambda each: each.is_response, within=NO_ANSWER)
        judge.decide(UNKNOWN, one.answer is None, _answer(one.answer), one.packets)


def _answer(answer: object) -> str:
    return "no answer" if answer is None else "an answer"


SRV_ALONG = should(
    "answers.srv-additionals",
    "S-12.2-1",
    "RFC 6763 §12.2",
    "With an SRV record the addresses of its target are sent along.",
    "An address in the same packet.",
)
SRV_TARGET = rule(
    "answers.srv-target",
    "M-3-6",
    "RFC 6763 §5",
    "The SRV record of a service says on which host and port it is.",
    "An SRV record whose target has an address when it is asked for.",
)
TEXT = must(
    "answers.txt",
    "S-6-1 S-6.1-3",
    "RFC 6763 §6.1",
    "Every service has a TXT record, and it has at least one octet.",
    "A TXT record of well-formed strings, not empty.",
)


@RESPONDER.scenario(
    "answers/service",
    *(SRV_ALONG, SRV_TARGET, TEXT),
    sends="INSTANCE type SRV; the target of that, type A; INSTANCE type TXT.",
    seconds=6,
)
async def service_records(bench: Bench, judge: Judge) -> None:
    """Ask for what a service consists of."""
    service, _ = service_of(bench.names)
    await bench.up()
    one = await ask(bench, Question(service, RecordType.SRV))
    if one.answer is None:
        judge.decide(SRV_TARGET, False, "no SRV record", one.packets)
    else:
        addresses = [each for each in one.answer.records if each.type in (RecordType.A, RecordType.AAAA)]
        judge.decide(SRV_ALONG, bool(addresses), f"{len(addresses)} addresses", one.packets)
        data = one.answer.answers_of(service, RecordType.SRV)[0].data
        target = getattr(data, "target", None)
        assert target is not None
        two = await ask(bench, Question(target, bench.address_type))
        judge.decide(SRV_TARGET, two.answer is not None, f"{target}: {_answer(two.answer)}", two.packets)
    one = await ask(bench, Question(service, RecordType.TXT))
    records = [] if one.answer is None else one.answer.answers_of(service, RecordType.TXT)
    good = bool(records) and all(each.rdata and isinstance(each.data, TextData) for each in records)
    said = f"{len(records)} TXT records of {', '.join(str(len(each.rdata)) for each in records)} octets"
    judge.decide(TEXT, good, said, one.packets)
