"""Negative responses: NSEC records say what a name does not have (RFC 6762 §6.1)."""

from __future__ import annotations

from functools import partial

from mcast.conform.bench import Bench
from mcast.conform.packets import Packet
from mcast.conform.responder.catalogue import RESPONDER
from mcast.conform.responder.exchanges import ask
from mcast.conform.verdicts import Judge, must, should
from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import NextSecure, show_type

DENIED = must(
    "negative.denied",
    "M-6.1-1 M-6-5",
    "RFC 6762 §6.1",
    "Who has a name alone answers a question for a type that the name does not have by an NSEC record.",
    "An NSEC record of the name, for HOST type LOC and for INSTANCE type A.",
)
FORM = must(
    "negative.form",
    "M-6.1-4 M-6.1-9",
    "RFC 6762 §6.1",
    "The record has the restricted form: its next name is its own, and the NSEC bit is not set.",
    "The own name as next name, and no NSEC among the types.",
)
TRUE = must(
    "negative.true",
    "M-6.1-5 M-20-2",
    "RFC 6762 §6.1",
    "The bits of all types that the name has are set, and that of the denied one is not.",
    "A for HOST; SRV and TXT for INSTANCE; not the type that was asked for.",
)
TTL = should(
    "negative.ttl",
    "M-6.1-11",
    "RFC 6762 §6.1",
    "The record lives as long as the missing one would have.",
    "A TTL of 120 seconds for an address of INSTANCE or a LOC of HOST; 4500 for a name that is no host's.",
    "Where the records of the name live for another time, which announcing.host-ttl and announcing.other-ttl "
    "tell, that time.",
)


def _denies(name: Name, packet: Packet) -> bool:
    return bool(packet.answers_of(name, RecordType.NSEC))


@RESPONDER.scenario(
    "negative/missing",
    *(DENIED, FORM, TRUE, TTL),
    sends="HOST type ANY, and type LOC; INSTANCE type ANY, and type A.",
    seconds=9,
)
async def missing(bench: Bench, judge: Judge) -> None:
    """Ask for what is not there."""
    await bench.up()
    asked = [(bench.names.host, RecordType.LOC, {int(bench.address_type)})]
    if bench.names.service is not None:
        asked.append((bench.names.service, RecordType.A, {int(RecordType.SRV), int(RecordType.TXT)}))
    for name, rtype, has in asked:
        one = await ask(bench, Question(name, RecordType.ANY))
        others = [] if one.answer is None else one.answer.answers_of(name)
        lives = {each.ttl for each in others if each.type != RecordType.NSEC}
        one = await ask(bench, Question(name, rtype), wanted=partial(_denies, name))
        label = f"{name} {show_type(rtype)}"
        found = [] if one.answer is None else one.answer.answers_of(name, RecordType.NSEC)
        said = f"{label}: {'an NSEC record' if found else 'no NSEC record'}"
        if not judge.decide(DENIED, bool(found), said, one.packets):
            continue
        data = found[0].data
        if not isinstance(data, NextSecure):
            judge.decide(FORM, False, f"{label}: malformed", one.packets)
            continue
        types = ", ".join(map(show_type, sorted(data.types)))
        good = data.next_name == name and RecordType.NSEC not in data.types
        judge.decide(FORM, good, f"{label}: next name {data.next_name}, types {types}", one.packets)
        judge.decide(
            TRUE, has <= data.types and rtype not in data.types, f"{label}: types {types}", one.packets
        )
        # What a service name's missing address would live is not said: both values are in use.
        allowed = {120} if name == bench.names.host else {120, 4500}
        judge.decide(TTL, found[0].ttl in allowed | lives, f"{label}: TTL {found[0].ttl}", one.packets)
