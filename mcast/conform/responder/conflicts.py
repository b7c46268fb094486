"""Conflicts: another host has the name (RFC 6762 §8.1, §9), or says what the subject itself says (§6.6)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from mcast.conform.bench import ANSWER_TIMEOUT, Bench
from mcast.conform.packets import Packet
from mcast.conform.responder.catalogue import RESPONDER
from mcast.conform.responder.exchanges import (
    AT_ONCE,
    NO_ANSWER,
    ask,
    in_ms,
    listed,
    other_address,
    service_of,
)
from mcast.conform.subjects import Action
from mcast.conform.verdicts import Check, Judge, NotRunError, must, rule, should
from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.names import Name
from mcast.dns.records import Record, pointer, text

SETTLED = 7.0
"""Seconds in which a conflict is over: probes, a new name, its probes and announcements."""

REACTION = 2.0
"""Seconds in which a subject has reacted to a packet. Our choice: "immediately", on a busy machine."""

DEFERS = must(
    "conflicts.while-probing",
    "M-8.1-10",
    "RFC 6762 §8.1",
    "A response that conflicts while a host probes makes it defer: the name is another's.",
    "The subject does not announce the name.",
    timed=True,
)
RENAMES = should(
    "conflicts.new-name",
    "M-8.1-11 M-3-2",
    "RFC 6762 §8.1",
    "A host that hears a conflict while it probes chooses another name.",
    "A probe for another host name.",
)
ANY_TYPE = must(
    "conflicts.any-type",
    "M-8.1-13",
    "RFC 6762 §8.1",
    "Who probes for all types takes any record of the name for a conflict, of whatever type.",
    "The subject does not announce the name when a TXT record of it is answered.",
    timed=True,
)


async def _refuse(bench: Bench, answer: Callable[[Name], Record]) -> tuple[list[Packet], list[Packet], int]:
    """Start the subject answer each probe for its host name; return announcements, other probes, a mark."""
    host = bench.names.host
    mark = await bench.start()
    bench.is_renamed = True
    probe = await bench.awaited(lambda each: each.is_probe and each.asks_for(host), mark)
    if probe is None:
        raise NotRunError("the subject does not probe for its host name")
    await _answer_probes(bench, mark, answer, SETTLED)
    seen = bench.theirs(mark)
    announced = [each for each in seen if each.is_multicast and each.answers_of(host)]
    others = [
        each
        for each in seen
        if each.is_probe and any(len(one.name.labels) == 2 and one.name != host for one in each.questions)
    ]
    return announced, others, mark


async def _answer_probes(bench: Bench, mark: int, answer: Callable[[Name], Record], seconds: float) -> None:
    """Answer each probe for the host name since a mark, for so long."""
    host = bench.names.host
    end = bench.now + seconds
    answered: set[float] = set()
    while bench.now < end:
        probe = await bench.next(
            lambda each: each.is_probe and each.asks_for(host) and each.at not in answered,
            end - bench.now,
            mark,
        )
        if probe is not None:
            answered.add(probe.at)
            bench.respond(answer(host), host=min(1, len(bench.link.hosts) - 1))


@RESPONDER.scenario(
    "conflicts/probing",
    *(DEFERS, RENAMES),
    sends="The subject is started; each probe for HOST is answered with another address.",
    seconds=SETTLED + 2,
    needs=[Action.START],
)
async def while_probing(bench: Bench, judge: Judge) -> None:
    """Have the name that the subject wants."""
    announced, others, mark = await _refuse(bench, partial(other_address, bench))
    said = f"{len(announced)} announcements of {bench.names.host}"
    packets = bench.view.since(mark)[:8]
    judge.decide(DEFERS, not announced, said, (*packets, *announced))
    names = sorted({str(one.name) for each in others for one in each.questions if len(one.name.labels) == 2})
    judge.decide(RENAMES, bool(others), f"probes for {', '.join(names) or 'nothing else'}", others or packets)


@RESPONDER.scenario(
    "conflicts/any-type",
    ANY_TYPE,
    sends="The subject is started; each probe for HOST is answered with a TXT record of that name.",
    seconds=SETTLED + 2,
    needs=[Action.START],
)
async def any_type(bench: Bench, judge: Judge) -> None:
    """Have another record of the name that the subject wants."""
    announced, _, mark = await _refuse(bench, lambda host: text(host, [b"ours"], 120, True))
    said = f"{len(announced)} announcements of {bench.names.host}"
    judge.decide(ANY_TYPE, not announced, said, (*bench.view.since(mark)[:8], *announced))


REPROBES = must(
    "conflicts.after-claim",
    "M-9-3 M-8.3-7",
    "RFC 6762 §9",
    "Whenever a response conflicts with a record that is the subject's alone, it probes for it again "
    "at once.",
    "A probe for the host name within two seconds.",
)
KEEPS = must(
    "conflicts.kept-when-unopposed",
    "M-9-3",
    "RFC 6762 §9",
    "Where a conflict is heard and nobody objects to the new probes, the subject keeps its name.",
    "An answer for the host name with the subject's own address afterwards.",
)
YIELDS = must(
    "conflicts.lost-after-claim",
    "M-9-4 M-3-1",
    "RFC 6762 §9",
    "Who probes again after a conflict, and is refused, ceases to use the name.",
    "No answer with the subject's own address for the host name afterwards.",
)
YIELDS_NEW = should(
    "conflicts.new-name-after-claim",
    "M-9-5 M-3-2",
    "RFC 6762 §9",
    "The loser takes another name by program.",
    "A probe for another host name.",
)


@RESPONDER.scenario(
    "conflicts/claimed",
    *(REPROBES, KEEPS),
    sends="While the subject is up: a response with another address of HOST; nothing more.",
    seconds=12,
    needs=[Action.START],
)
async def after_claim(bench: Bench, judge: Judge) -> None:
    """Say once that the name has another address."""
    host, mine, mark = await _contradicted(bench)
    probe = await bench.next(lambda each: each.is_probe and each.asks_for(host), REACTION, mark)
    asked = bench.sent(mark)
    said = "no probe" if probe is None else f"a probe after {in_ms(probe.at - asked.at)}"
    judge.decide(REPROBES, probe is not None, said, (asked, probe))
    await bench.sleep(4)
    one = await ask(bench, Question(host, bench.address_type))
    found = [] if one.answer is None else one.answer.answers_of(host, bench.address_type)
    holds = any(each.identity == mine.identity for each in found)
    judge.decide(KEEPS, holds, f"{len(found)} addresses afterwards", (asked, probe, *one.packets))


@RESPONDER.scenario(
    "conflicts/lost",
    *(YIELDS, YIELDS_NEW),
    sends="While the subject is up: a response with another address of HOST, and the same to each "
    "probe for it.",
    seconds=20,
    needs=[Action.START],
)
async def lost_after_claim(bench: Bench, judge: Judge) -> None:
    """Take the name away."""
    host, mine, mark = await _contradicted(bench)
    await _answer_probes(bench, mark, partial(other_address, bench), SETTLED)
    others = [
        each
        for each in bench.theirs(mark)
        if each.is_probe and any(len(one.name.labels) == 2 and one.name != host for one in each.questions)
    ]
    one = await ask(bench, Question(host, bench.address_type))
    found = [] if one.answer is None else one.answer.answers_of(host, bench.address_type)
    holds = not any(each.identity == mine.identity for each in found)
    said = "an answer with its own address" if not holds else "no answer with its own address"
    judge.decide(YIELDS, holds, said, (bench.ours(mark)[0], *one.packets))
    judge.decide(YIELDS_NEW, bool(others), f"{len(others)} probes for other names", others)


async def _contradicted(bench: Bench) -> tuple[Name, Record, int]:
    """Say that the first name of the subject has another address.

    :returns: the name, the record that is true, and the mark from before.
    """
    await bench.start()
    await bench.until_up()
    host = bench.names.host
    mine = (await bench.records(host, bench.address_type))[0]
    bench.is_renamed = True
    return host, mine, bench.respond(other_address(bench, host))


IDENTICAL = rule(
    "conflicts.identical",
    "M-9-2 M-6.6-3",
    "RFC 6762 §6.6",
    "Another host that says the very same is no conflict, and no news.",
    "Neither a probe nor a response within two seconds after we have sent its own record with its own TTL.",
)
SHARED = rule(
    "conflicts.shared",
    "M-6.6-1",
    "RFC 6762 §6.6",
    "Shared records of others are no conflict.",
    "Neither a probe nor a response within two seconds after we have sent a PTR of the type to another "
    "instance.",
)
SHORT_TTL = must(
    "conflicts.short-ttl",
    "M-6.6-4",
    "RFC 6762 §6.6",
    "Who hears its own record with less than half the TTL announces it, so that it does not vanish "
    "from caches.",
    "A multicast response with the record within two seconds.",
)
GOODBYE = must(
    "conflicts.goodbye-of-others",
    "M-6.6-4 M-10.1-3",
    "RFC 6762 §6.6",
    "A goodbye of another host for a record that the subject has too is a TTL below half, and the subject "
    "has one second to rescue the record (RFC 6762 §10.1).",
    "A multicast response with the record within two seconds.",
)


@RESPONDER.scenario(
    "conflicts/same",
    *(IDENTICAL, SHARED, SHORT_TTL, GOODBYE),
    sends="Responses with the subject's own address: with its TTL, with a quarter of that, with TTL "
    "0; and with "
    "a PTR of the type to a random instance.",
    seconds=20,
)
async def same_data(bench: Bench, judge: Judge) -> None:
    """Say what the subject says."""
    await bench.up()
    host = bench.names.host
    mine = (await bench.records(host, bench.address_type))[0]
    await _no_reaction(bench, judge, IDENTICAL, mine)
    if bench.names.type is not None:
        kind = bench.names.type
        other = bench.random_name(*(label.decode() for label in kind.labels[:-1]))
        await _no_reaction(bench, judge, SHARED, pointer(kind, other, 10))
        bench.respond(pointer(kind, other, 0))
    for check, ttl in ((SHORT_TTL, mine.ttl // 4), (GOODBYE, 0)):
        await bench.rest()
        mark = bench.respond(mine.with_ttl(ttl))
        await bench.sent_at(mark)
        found = await bench.next(
            lambda each: (
                each.is_multicast and any(one.identity == mine.identity for one in each.answers_of(host))
            ),
            REACTION,
            mark,
        )
        sent = bench.sent(mark)
        said = "no response" if found is None else f"a response after {in_ms(found.at - sent.at)}"
        judge.decide(check, found is not None, said, (sent, found))


async def _no_reaction(bench: Bench, judge: Judge, check: Check, record: Record) -> None:
    await bench.rest()
    mark = bench.respond(record)
    await bench.sent_at(mark)
    found = await bench.next(lambda each: each.is_probe or each.is_response, REACTION, mark)
    said = "nothing" if found is None else "a probe" if found.is_probe else "a response"
    judge.decide(check, found is None, said, (bench.sent(mark), found))


DEFENDS = must(
    "conflicts.defends",
    "M-6.5-1 M-6-11",
    "RFC 6762 §6.5",
    "A probe asks for all types, and is answered with all records of the name, so that the other host defers "
    "(RFC 6762 §8.1).",
    "A response with a record of the name to each of three probes.",
)
DEFENDS_AT_ONCE = should(
    "conflicts.defends-at-once",
    "M-8.1-8",
    "RFC 6762 §8.1",
    "A name is defended at once, without random delay: the other host waits for 250 ms only.",
    "The shortest of three delays is less than 18 ms.",
    "18 ms: a busy machine.",
    timed=True,
)
DEFENDS_ALL = rule(
    "conflicts.defends-several",
    "M-6.3-3",
    "RFC 6762 §6.3",
    "A defence is not delayed when the probe has several questions.",
    "The shortest of three delays of the answer to a probe for HOST and INSTANCE is less than 250 ms.",
    timed=True,
)
DEFENDS_UNICAST = should(
    "conflicts.defends-by-unicast",
    "M-5.4-8",
    "RFC 6762 §5.4",
    "A probe that asks for a unicast response gets one, whatever was multicast when.",
    "A response to our own address and port.",
)


@RESPONDER.scenario(
    "conflicts/defence",
    *(DEFENDS, DEFENDS_AT_ONCE, DEFENDS_ALL, DEFENDS_UNICAST),
    sends="Three probes for HOST, and three for HOST and INSTANCE, each with other data and the QU bit.",
    seconds=14,
)
async def defence(bench: Bench, judge: Judge) -> None:
    """Probe for what the subject has."""
    await bench.up()
    host = bench.names.host
    delays, packets = await _probed(bench, [host])
    judge.decide(DEFENDS, len(delays) == 3, f"{len(delays)} answers to three probes", packets)
    if delays:
        judge.decide(DEFENDS_AT_ONCE, min(delays) < AT_ONCE, f"delays of {listed(delays)}", packets)
        unicast = [each for each in packets if not each.is_multicast]
        others = sum(each.is_response for each in packets) - len(unicast)
        said = f"{len(unicast)} unicast responses, {others} by multicast"
        judge.decide(DEFENDS_UNICAST, bool(unicast), said, packets)
    service, _ = service_of(bench.names)
    delays, packets = await _probed(bench, [host, service])
    holds = bool(delays) and min(delays) < 0.25
    judge.decide(DEFENDS_ALL, holds, f"delays of {listed(delays)}" if delays else "no answer", packets)


async def _probed(bench: Bench, names: list[Name]) -> tuple[list[float], list[Packet]]:
    """Probe three times for names; return the delays of the answers, and all packets."""
    delays, packets = [], []
    for _ in range(3):
        await bench.rest()
        mark = bench.send(_probe(names))
        await bench.sent_at(mark)
        answer = await bench.next(lambda each: bool(each.answers_of(names[0])), ANSWER_TIMEOUT, mark)
        await bench.sleep(NO_ANSWER / 4)
        sent = bench.sent(mark)
        packets += [sent, *(each for each in bench.theirs(mark) if each.is_response)]
        if answer is not None:
            delays.append(answer.at - sent.at)
    return delays, packets


def _probe(names: list[Name]) -> Message:
    questions = [Question(name, RecordType.ANY, unicast=True) for name in names]
    return Message(questions=questions, authorities=[text(name, [b"rival"], 120) for name in names])
