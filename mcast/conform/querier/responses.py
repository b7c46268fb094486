"""What is read in a response and what is not (RFC 6762 §6.1, §16, §18)."""

from __future__ import annotations

import struct
from collections.abc import Callable

from mcast.conform.bench import Bench
from mcast.conform.querier.browsing import Browse, browse
from mcast.conform.querier.catalogue import QUERIER
from mcast.conform.verdicts import Check, Judge, must, rule, should
from mcast.dns.codes import RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.dns.records import Record, address, pointer

Make = Callable[[Browse, Record], "Message | bytes"]

ANSWERED = "An instance told so is listed or shown."
IGNORED = "An instance told so is neither listed nor shown."

ID = must("responses.id", "M-18.1-5", "RFC 6762 §18.1", "The ID of a response means nothing.", ANSWERED)
FLAGS = must(
    "responses.flags",
    "M-18.4-1 M-18.5-2 M-18.6-2 M-18.7-1 M-18.8-1 M-18.9-1 M-18.10-1",
    "RFC 6762 §18",
    "AA, TC, RD, RA, Z, AD and CD of a response are ignored.",
    "An instance told with AA clear and all the others set is listed or shown.",
)
QUESTION = must(
    "responses.question", "M-6-8", "RFC 6762 §6", "Questions in a response are ignored.", ANSWERED
)
UNSOUGHT = should(
    "responses.unsought-section",
    "M-18.1-2",
    "RFC 6762 §18.1",
    "Responses are looked through for what is useful, whatever they answer.",
    "An instance told in the additional section, beside an answer about another host, is listed or shown.",
)
CASE = rule("responses.case", "M-16-5", "RFC 6762 §16", "Names are compared without case.", ANSWERED)
NSEC = must(
    "responses.broken-nsec",
    "M-6.1-8",
    "RFC 6762 §6.1",
    "A message with an NSEC record that cannot be read is not dropped as a whole.",
    ANSWERED,
)
OPCODE = must(
    "responses.opcode", "M-18.3-2", "RFC 6762 §18.3", "Another OPCODE than zero is ignored.", IGNORED
)
RCODE = must(
    "responses.rcode", "M-18.11-2", "RFC 6762 §18.11", "Another RCODE than zero is ignored.", IGNORED
)


def _with_flags(flags: int, ident: int = 0) -> Make:
    return lambda _, record: Message(id=ident, flags=flags, answers=[record])


def _with_question(browsing: Browse, record: Record) -> Message:
    other = Question(browsing.bench.random_name(), RecordType.A)
    return Message(flags=RESPONSE_FLAGS, questions=[other], answers=[record])


def _in_additionals(browsing: Browse, record: Record) -> Message:
    # An answer to something else stands before it, as in what real responders send.
    other = address(browsing.bench.random_name(), "10.77.0.99", record.ttl, True)
    return Message(flags=RESPONSE_FLAGS, answers=[other], additionals=[record])


def _in_capitals(browsing: Browse, record: Record) -> Message:
    name = Name.from_labels(label.upper() for label in record.name.labels)
    target = Name.from_wire(record.rdata)
    return Message(flags=RESPONSE_FLAGS, answers=[pointer(name, target, record.ttl)])


def _with_broken_nsec(browsing: Browse, record: Record) -> bytes:
    plain = encode(Message(flags=RESPONSE_FLAGS, answers=[record]))
    name = browsing.bench.random_name().wire
    # A bitmap that claims 200 octets and has two.
    rdata = name + b"\x00\xc8\x40\x00"
    broken = name + struct.pack("!HHIH", RecordType.NSEC, 0x8001, 120, len(rdata)) + rdata
    head = struct.pack("!6H", *struct.unpack_from("!5H", plain), 1)
    return head + plain[12:] + broken


WAYS: tuple[tuple[Check, bool, Make], ...] = (
    (ID, True, _with_flags(RESPONSE_FLAGS, 0x1234)),
    (FLAGS, True, _with_flags(0x83F0 & ~0x0400)),
    (QUESTION, True, _with_question),
    (UNSOUGHT, True, _in_additionals),
    (CASE, True, _in_capitals),
    (NSEC, True, _with_broken_nsec),
    (OPCODE, False, _with_flags(RESPONSE_FLAGS | 2 << 11)),
    (RCODE, False, _with_flags(RESPONSE_FLAGS | 3)),
)


@QUERIER.scenario(
    "responses/forms",
    *(check for check, _, _ in WAYS),
    sends="A PTR record each in responses of all these forms, after the second query.",
    seconds=10,
)
async def forms(bench: Bench, judge: Judge) -> None:
    """Tell of an instance in each form."""
    browsing = await browse(bench)
    await browsing.second()
    good = browsing.named()
    mark = bench.respond(browsing.pointer(good))
    named = [(check, wanted, browsing.named(), make) for check, wanted, make in WAYS]
    for _, _, instance, make in named:
        bench.send(make(browsing, browsing.pointer(instance)))
    beliefs = await browsing.beliefs(mark, good)
    for check, wanted, instance, _ in named:
        told = [each for each in bench.ours(mark) if any(one.rdata == instance.wire for one in each.records)]
        beliefs.decide(judge, check, instance, wanted, told)
