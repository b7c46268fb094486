"""Duplicates: what was just said is not said again (RFC 6762 §6, §7.4)."""

from __future__ import annotations

from itertools import pairwise

from mcast.conform.bench import Bench
from mcast.conform.responder.catalogue import RESPONDER
from mcast.conform.responder.exchanges import AT_ONCE, BUSY, answers_to, in_ms, listed, service_of
from mcast.conform.verdicts import Judge, NotRunError, must, should
from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.records import text

ONE_SECOND = must(
    "duplicates.one-second-rule",
    "M-6-18",
    "RFC 6762 §6",
    "A record is not multicast again within one second after the last time.",
    "At least a second between any two multicasts of the record, asked for six times in 1.5 seconds.",
    "50 ms less, for timers.",
    timed=True,
)
AGAIN = must(
    "duplicates.answered-again",
    "M-6-3",
    "RFC 6762 §6",
    "One second after a record was multicast, questions for it are answered again.",
    "An answer to a question 1.2 seconds after the last multicast of the record.",
)
PROBE = must(
    "duplicates.probe-within-a-second",
    "M-6-19",
    "RFC 6762 §6",
    "A probe is answered by multicast although a second has not passed: 250 ms after the last multicast are "
    "enough.",
    "A multicast response to a QM probe that comes 400 ms after a multicast of the record, within 250 ms.",
    "150 ms more, for a busy machine.",
    timed=True,
)


@RESPONDER.scenario(
    "duplicates/one-second",
    *(ONE_SECOND, AGAIN, PROBE),
    sends="HOST type A six times, 300 ms apart; once more later; a QM probe for HOST 400 ms after an answer.",
    seconds=12,
)
async def one_second(bench: Bench, judge: Judge) -> None:
    """Ask too often."""
    await bench.up()
    question = Question(bench.names.host, bench.address_type)
    mark = bench.view.mark
    for _ in range(6):
        bench.ask(question)
        await bench.sleep(0.3)
    await bench.sleep(0.7)
    answers = [each for each in bench.theirs(mark) if each.is_multicast and answers_to(each, question)]
    if not answers:
        raise NotRunError("the subject does not answer")
    gaps = [after.at - before.at for before, after in pairwise(answers)]
    said = f"{len(answers)} answers to six questions{f', {listed(gaps)} apart' if gaps else ''}"
    judge.decide(ONE_SECOND, all(gap >= 0.95 for gap in gaps), said, answers)
    await bench.rest()
    mark = bench.ask(question)
    again = await bench.next(lambda each: bool(answers_to(each, question)), 2.0, mark)
    judge.decide(AGAIN, again is not None, "an answer" if again else "no answer", (bench.sent(mark), again))
    if again is None or not again.is_multicast:
        raise NotRunError("the subject does not answer by multicast")
    await bench.sleep(max(0.0, again.at + 0.4 - bench.now))
    host = bench.names.host
    mark = bench.probe(host, text(host, [b"rival"], 120), unicast=False)
    await bench.sent_at(mark)
    found = await bench.next(lambda each: each.is_multicast and bool(each.answers_of(host)), 2.0, mark)
    sent = bench.sent(mark)
    if found is None and not await _answers_probes(bench):
        judge.skip(PROBE, "the subject does not answer probes at all: see conflicts.defends")
        return
    said = "no response" if found is None else f"a response after {in_ms(found.at - sent.at)}"
    judge.decide(PROBE, found is not None and found.at - sent.at <= 0.25 + BUSY, said, (again, sent, found))


async def _answers_probes(bench: Bench) -> bool:
    """Tell whether the subject answers a probe when nothing hinders it."""
    host = bench.names.host
    await bench.rest()
    mark = bench.probe(host, text(host, [b"rival"], 120), unicast=False)
    return await bench.next(lambda each: bool(each.answers_of(host)), 2.0, mark) is not None


SUPPRESSED = should(
    "duplicates.answer-of-another",
    "M-7.4-1",
    "RFC 6762 §7.4",
    "Who is about to answer and hears another host give the same answer, with no lower TTL, "
    "should not give it too.",
    "No answer with the PTR in at least three of five tries, when another host gives it at once.",
    "What was on its way within 18 ms after the other answer does not count; who answers without a delay is "
    "not judged.",
    timed=True,
)


@RESPONDER.scenario(
    "duplicates/other-host",
    SUPPRESSED,
    sends="TYPE type PTR, and at once, from another host, a response with the subject's own PTR; five times.",
    seconds=18,
)
async def other_host(bench: Bench, judge: Judge) -> None:
    """Answer before the subject does."""
    service, kind = service_of(bench.names)
    await bench.up()
    record = next((each for each in await bench.records(kind, RecordType.PTR) if each.data == service), None)
    if record is None:
        raise NotRunError("the subject does not answer for its service type")
    bench.address(1)  # not run where there is no second host
    given = before = 0
    packets = []
    for _ in range(5):
        await bench.rest()
        mark = bench.ask(Question(kind, RecordType.PTR))
        other = bench.respond(record, host=1)
        await bench.sleep(1.0)
        read_at = bench.sent(other).at + AT_ONCE
        found = [
            each
            for each in bench.theirs(mark)
            if each.is_response and any(one.identity == record.identity for one in each.answers)
        ]
        before += any(each.at <= read_at for each in found)
        given += any(each.at > read_at for each in found)
        packets += [*bench.ours(mark), *found]
    if before > 2:
        judge.skip(SUPPRESSED, "the subject answers before another host can: see answers.shared-delay")
        return
    judge.decide(SUPPRESSED, given <= 2, f"{given} of 5 times the subject answered as well", packets)
