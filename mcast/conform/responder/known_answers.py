"""Known answers: what a querier has is not told again (RFC 6762 §7.1, §7.2)."""

from __future__ import annotations

from mcast.conform.bench import Bench
from mcast.conform.packets import Packet
from mcast.conform.responder.catalogue import RESPONDER
from mcast.conform.responder.exchanges import (
    AT_ONCE,
    BUSY,
    EARLY,
    NO_ANSWER,
    Exchange,
    ask,
    delays,
    in_ms,
    listed,
    service_of,
    shortest,
)
from mcast.conform.verdicts import Judge, NotRunError, must, should
from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.records import Record, pointer

TRUNCATED_DELAY = (0.4, 0.5)
"""The random delay after a packet that says that more known answers follow (RFC 6762 §7.2)."""

LATER = 0.3
"""Seconds after which a further packet comes. Our choice: when who does not wait has answered, well before
who waits does."""

QUIET = 1.5
"""Seconds of silence that show that an answer was deleted: three times the delay."""

SUPPRESSED = must(
    "known-answers.suppressed",
    "M-7.1-2",
    "RFC 6762 §7.1",
    "An answer is not given if the query lists it with at least half its TTL.",
    "No answer with the record, listed with its whole TTL.",
)
HALF = must(
    "known-answers.half",
    "M-7.1-2",
    "RFC 6762 §7.1",
    "An answer that is listed with exactly half its TTL is not given either.",
    "No answer with the record, listed with half its TTL.",
)
LOW = must(
    "known-answers.below-half",
    "M-7.1-3",
    "RFC 6762 §7.1",
    "With less than half its TTL the record must be told again, before it expires at the querier.",
    "An answer with the record, listed with a quarter of its TTL.",
)
OTHER = must(
    "known-answers.other-data",
    "M-7.1-2",
    "RFC 6762 §7.1",
    "Only the very record that is listed counts as known, and not another one of its name and type.",
    "An answer with the record where a PTR to another instance is listed.",
)
UNIQUE = must(
    "known-answers.unique",
    "M-7.1-2 M-18.14-5",
    "RFC 6762 §7.1",
    "Records that are the subject's alone are suppressed as well, and names in the data of a listed "
    "record may be "
    "compressed.",
    "No answer with the SRV record that is listed.",
)


async def _ptr(bench: Bench) -> tuple[Question, Record]:
    """Return the question that browses, and the PTR record that answers it."""
    service, kind = service_of(bench.names)
    for record in await bench.records(kind, RecordType.PTR):
        if record.data == service:
            return Question(kind, RecordType.PTR), record
    raise NotRunError("the subject does not answer for its service type")


def _with(record: Record, mark: int, bench: Bench) -> list[Packet]:
    """Return the responses of the subject since a mark that answer with a record."""
    return [
        each
        for each in bench.theirs(mark)
        if each.is_response and any(one.identity == record.identity and one.ttl for one in each.answers)
    ]


@RESPONDER.scenario(
    "known-answers/one-packet",
    *(SUPPRESSED, HALF, LOW, OTHER, UNIQUE),
    sends="TYPE type PTR with the PTR as known answer: whole, half and a quarter of the TTL, and "
    "another one; "
    "INSTANCE type SRV with the SRV.",
    seconds=16,
)
async def one_packet(bench: Bench, judge: Judge) -> None:
    """List what is known."""
    await bench.up()
    question, record = await _ptr(bench)
    for check, known, wanted in (
        (SUPPRESSED, record.with_ttl(record.ttl), False),
        (HALF, record.with_ttl((record.ttl + 1) // 2), False),
        (LOW, record.with_ttl(record.ttl // 4), True),
        (OTHER, pointer(question.name, bench.random_name("_ipp", "_tcp"), record.ttl), True),
    ):
        one = await ask(bench, question, known=[known], within=NO_ANSWER)
        found = _with(record, one.mark, bench)
        said = f"listed with TTL {known.ttl} of {record.ttl}: {len(found)} answers"
        judge.decide(check, bool(found) is wanted, said, (one.asked, *found))
    service, _ = service_of(bench.names)
    srv = (await bench.records(service, RecordType.SRV))[0]
    one = await ask(bench, Question(service, RecordType.SRV), known=[srv], within=NO_ANSWER)
    found = _with(srv, one.mark, bench)
    judge.decide(UNIQUE, not found, f"{len(found)} answers", (one.asked, *found))


WAITS = should(
    "known-answers.truncated-delay",
    "M-6-13 M-7.2-4",
    "RFC 6762 §7.2",
    "A query with the TC bit is answered after 400 to 500 ms, so that further known answers can come.",
    "None of five delays is shorter than 400 ms, and the shortest is not longer than 500 ms.",
    "5 ms earlier, for timers; 150 ms later, for a busy machine.",
    timed=True,
)
DELETED = must(
    "known-answers.later-packet",
    "M-7.2-5",
    "RFC 6762 §7.2",
    "What a following packet of the same host lists is deleted from the answer.",
    "No answer with the record that a second packet lists after 300 ms.",
    "Who answers before 300 ms has broken nothing here, but known-answers.truncated-delay: the second packet "
    "comes at once then. What was on its way within 18 ms after it does not count.",
    timed=True,
)
EXTENDED = should(
    "known-answers.extended",
    "M-7.2-7",
    "RFC 6762 §7.2",
    "A further packet with the TC bit makes the subject wait for 400 to 500 ms after it.",
    "The answer comes at least 400 ms after a second packet with the TC bit, sent after 300 ms.",
    "5 ms, for timers.",
    timed=True,
)
BY_SOURCE = must(
    "known-answers.other-host",
    "M-7.2-5 M-15.2-1",
    "RFC 6762 §7.2",
    "Only the host that asked can say that it knows an answer; packets belong together by their "
    "source address.",
    "An answer with the record where the second packet comes from another address.",
    timed=True,
)


@RESPONDER.scenario(
    "known-answers/several-packets",
    *(WAITS, DELETED, EXTENDED, BY_SOURCE),
    sends="TYPE type PTR with the TC bit, alone; then followed by a packet of known answers, by "
    "another with the "
    "TC bit, and by one from another host.",
    seconds=26,
)
async def several_packets(bench: Bench, judge: Judge) -> None:
    """List what is known in more than one packet."""
    await bench.up()
    question, record = await _ptr(bench)
    exchanges = await delays(bench, question, truncated=True)
    best = shortest(exchanges)
    low, high = TRUNCATED_DELAY
    holds = low - EARLY <= best.delay <= high + BUSY
    said = f"delays of {listed(each.delay for each in exchanges)}"
    judge.decide(WAITS, holds, said, best.packets)

    await _judge_deleted(bench, judge, question, record)

    more = pointer(question.name, bench.random_name("_ipp", "_tcp"), record.ttl)
    one = await _followed(bench, question, Message(flags=0x0200, answers=[more]), LATER)
    found = _with(record, one.mark, bench)
    ours = bench.ours(one.mark)
    if found and len(ours) > 1 and found[0].at < ours[1].at:
        judge.skip(EXTENDED, _ANSWERED_BEFORE)
    elif found and len(ours) > 1:
        delay = found[0].at - ours[1].at
        said = f"{in_ms(delay)} after the second packet"
        judge.decide(EXTENDED, delay >= low - EARLY, said, (*ours, *found))
    else:
        judge.skip(EXTENDED, "the subject does not answer")
    if len(bench.link.hosts) > 1:
        one = await _followed(bench, question, Message(answers=[record]), LATER, host=1)
        found = _with(record, one.mark, bench)
        judge.decide(BY_SOURCE, bool(found), f"{len(found)} answers", (*bench.ours(one.mark), *found))
    else:
        judge.skip(BY_SOURCE, "needs a second host of ours on the link, which only the lab has")


_ANSWERED_BEFORE = "the subject answers before the second packet comes: see known-answers.truncated-delay"


async def _judge_deleted(bench: Bench, judge: Judge, question: Question, record: Record) -> None:
    """List the answer in a second packet: where the subject does not wait for it, in one that comes at once.

    Only what is still to be given can be deleted (RFC 6762 §7.2).
    """
    for after in (LATER, 0.0):
        one = await _followed(bench, question, Message(answers=[record]), after)
        ours, found = bench.ours(one.mark), _with(record, one.mark, bench)
        if len(ours) > 1 and (not found or found[0].at > ours[1].at + AT_ONCE):
            said = f"{len(found)} answers after the second packet, which came after {in_ms(after)}"
            judge.decide(DELETED, not found, said, (*ours, *found))
            return
    judge.skip(DELETED, _ANSWERED_BEFORE)


async def _followed(
    bench: Bench, question: Question, second: Message, after: float, host: int = 0
) -> Exchange:
    """Ask with the TC bit, send a second packet some time later, and wait for what comes of it."""
    await bench.rest()
    mark = bench.ask(question, truncated=True)
    await bench.sent_at(mark)
    await bench.sleep(after)
    bench.send(second, host=host)
    await bench.sleep(QUIET)
    return Exchange(bench.ours(mark)[0], None, mark)
