"""Legacy queries: from a port of a simple resolver, answered as conventional DNS does (RFC 6762 §6.7)."""

from __future__ import annotations

from functools import partial

from mcast.conform.bench import Bench
from mcast.conform.packets import Packet
from mcast.conform.responder.catalogue import RESPONDER
from mcast.conform.responder.exchanges import service_of
from mcast.conform.responder.octets import raw_records
from mcast.conform.verdicts import Judge, must, should
from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question

MOST_TTL = 10
"""Seconds that a simple resolver should keep anything (RFC 6762 §6.7)."""

TO_SOURCE = must(
    "legacy.unicast",
    "M-6.7-1 M-6.7-2",
    "RFC 6762 §6.7",
    "A query from another port than 5353 is of a simple resolver, and is answered to its address and port.",
    "A response to the address and port that asked.",
)
ID = must(
    "legacy.id",
    "M-6.7-3 M-18.1-6",
    "RFC 6762 §6.7",
    "The response repeats the ID of the query.",
    "The same ID.",
)
QUESTION = must(
    "legacy.question",
    "M-6.7-3",
    "RFC 6762 §6.7",
    "The response repeats the question.",
    "The same question.",
)
NO_FLUSH = must(
    "legacy.no-cache-flush",
    "M-6.7-4 M-10.2-9",
    "RFC 6762 §6.7",
    "No record has the cache-flush bit: a simple resolver would take it for another class.",
    "The bit on no record.",
)
TTL = should(
    "legacy.ttl",
    "M-6.7-5",
    "RFC 6762 §6.7",
    "TTLs are at most ten seconds: a simple resolver hears of no change.",
    "No TTL above 10.",
)
FROM_PORT = must(
    "legacy.source-port",
    "M-6-14",
    "RFC 6762 §6",
    "Every response comes from UDP port 5353; others do not match what the resolver asked.",
    "Source port 5353.",
)
PLAIN_SRV = must(
    "legacy.srv-uncompressed",
    "M-18.14-7",
    "RFC 6762 §18.14",
    "The target of an SRV record is not compressed: simple resolvers do not expect it (RFC 2782).",
    "An SRV record with its target in full.",
)


@RESPONDER.scenario(
    "legacy/query",
    *(TO_SOURCE, ID, QUESTION, NO_FLUSH, TTL, FROM_PORT, PLAIN_SRV),
    sends="From a random port, with an ID: HOST type A, INSTANCE type SRV, TYPE type PTR.",
    seconds=8,
)
async def query(bench: Bench, judge: Judge) -> None:
    """Ask as a simple resolver does."""
    await bench.up()
    questions = [Question(bench.names.host, bench.address_type)]
    if bench.names.service is not None:
        service, kind = service_of(bench.names)
        questions += [Question(service, RecordType.SRV), Question(kind, RecordType.PTR)]
    for question in questions:
        port, number = bench.random_port(), bench.dice.randrange(1, 0xFFFF)
        await bench.rest()
        mark = bench.send(Message(id=number, flags=0x0100, questions=[question]), port=port)
        await bench.sent_at(mark)
        answer = await bench.next(partial(_is_to, port), 2.0, mark)
        packets = (bench.sent(mark), answer)
        said = f"{question.name}: {'a' if answer else 'no'} response to port {port}"
        if judge.decide(TO_SOURCE, answer is not None, said, packets) and answer is not None:
            _judge_answer(judge, answer, question, number, packets)


def _is_to(port: int, packet: Packet) -> bool:
    return packet.is_response and packet.datagram.destination_port == port


def _judge_answer(
    judge: Judge, answer: Packet, question: Question, number: int, packets: tuple[Packet | None, ...]
) -> None:
    message = answer.message
    assert message is not None
    judge.decide(ID, message.id == number, f"asked with {number}, answered with {message.id}", packets)
    same = [each.key for each in message.questions] == [question.key]
    judge.decide(QUESTION, same, f"{len(message.questions)} questions", packets)
    flushed = [str(each.name) for each in answer.records if each.cache_flush]
    judge.decide(NO_FLUSH, not flushed, f"the bit on {', '.join(flushed) or 'none'}", packets)
    most = max((each.ttl for each in answer.records), default=0)
    judge.decide(TTL, most <= MOST_TTL, f"TTLs up to {most}", packets)
    port = answer.datagram.source_port
    judge.decide(FROM_PORT, port == 5353, f"from port {port}", packets)
    for raw in raw_records(answer.datagram.data):
        if raw.type == RecordType.SRV:
            how = "compressed" if raw.ends_in_pointer else "in full"
            said = f"the target is {how}, the rdata has {raw.length} octets"
            judge.decide(PLAIN_SRV, not raw.ends_in_pointer, said, packets)
