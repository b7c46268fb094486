"""Messages: headers, hop limits, sizes, compression, as sent and as heard (RFC 6762 §17, §18)."""

from __future__ import annotations

import struct

from mcast.conform.bench import Bench
from mcast.conform.packets import MDNS_PORT, Packet, Sender
from mcast.conform.responder.catalogue import RESPONDER
from mcast.conform.responder.exchanges import NO_ANSWER, answers_to, ask, require_answer, service_of
from mcast.conform.subjects import Action
from mcast.conform.verdicts import Check, Judge, must, rule, should
from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.records import show_type

MOST_OCTETS = 9000
"""Octets of a packet at most, headers included (RFC 6762 §17)."""

ID = must(
    "messages.id",
    "M-18.1-5",
    "RFC 6762 §18.1",
    "Multicast responses have the ID zero.",
    "ID 0 in every multicast response.",
)
AUTHORITATIVE = must(
    "messages.authoritative",
    "M-18.4-1 M-18.4-2",
    "RFC 6762 §18.4",
    "AA is set in responses, and not in queries.",
    "AA in every response, in no query.",
)
ZEROS = must(
    "messages.zero-bits",
    "M-18.3-1 M-18.7-1 M-18.8-1 M-18.9-1 M-18.10-1 M-18.11-1",
    "RFC 6762 §18",
    "OPCODE, RA, Z, AD, CD and RCODE are zero.",
    "Zeros there in every message.",
)
NO_TC = must(
    "messages.no-tc-in-responses",
    "M-18.5-2",
    "RFC 6762 §18.5",
    "TC is not set in multicast responses.",
    "No TC in multicast responses.",
)
NO_RD = should(
    "messages.no-rd",
    "M-18.6-1",
    "RFC 6762 §18.6",
    "RD is zero: there is nobody to recurse.",
    "No RD in what is multicast.",
)
HOPS = should(
    "messages.hop-limit",
    "M-11-1",
    "RFC 6762 §11",
    "Responses have an IP TTL (hop limit) of 255.",
    "255 in every response.",
)
COMPRESSED = should(
    "messages.compression",
    "M-18.14-1 M-18.14-2",
    "RFC 6762 §18.14",
    "Names are compressed wherever that is possible, in the data of PTR and SRV records too.",
    "No message is larger than it is with full compression.",
    "Two octets for each record: names may be put in another order.",
)
NO_ZONE = rule(
    "messages.no-zone",
    "M-12-2",
    "RFC 6762 §12",
    "There is neither SOA nor NS in Multicast DNS.",
    "No such record in any message.",
)
SIZES = must(
    "messages.size",
    "M-17-4 M-17-5",
    "RFC 6762 §17",
    "A packet that is larger than the MTU has a single record, and none is larger than 9000 octets.",
    "Nothing in fragments with more than one record, nothing above 9000 octets.",
)
PORTS = must(
    "messages.ports",
    "M-6-14 M-5.2-15",
    "RFC 6762 §6",
    "What is multicast comes from UDP port 5353, and goes there.",
    "Source and destination port 5353.",
)


@RESPONDER.scenario(
    "messages/sent",
    *(ID, AUTHORITATIVE, ZEROS, NO_TC, NO_RD, HOPS, COMPRESSED, NO_ZONE, SIZES, PORTS),
    sends="The subject is started, asked for everything it has, and ended.",
    seconds=16,
    needs=[Action.START],
)
async def sent(bench: Bench, judge: Judge) -> None:
    """Look at every packet of a short life."""
    mark = await bench.start()
    await bench.until_up()
    questions = [Question(bench.names.host, RecordType.ANY)]
    if bench.names.service is not None:
        service, kind = service_of(bench.names)
        questions += [Question(service, RecordType.ANY), Question(kind, RecordType.PTR)]
    for question in questions:
        await ask(bench, question)
    await ask(bench, *questions)
    if bench.can(Action.STOP):
        await bench.subject.act(Action.STOP)
    await bench.sleep(1)
    # Those of the other family as well: they are the subject's, too.
    for packet in bench.view.since(mark):
        if packet.sender is Sender.SUBJECT and packet.message is not None:
            _judge_header(judge, packet, packet.message)
            _judge_packet(judge, packet, packet.message)


def _judge_header(judge: Judge, packet: Packet, message: Message) -> None:
    flags = f"a {'response' if packet.is_response else 'query'} with flags {message.flags:#06x}"
    if packet.is_response and packet.is_multicast:
        judge.decide(ID, message.id == 0, f"ID {message.id}", [packet])
        judge.decide(NO_TC, not message.truncated, flags, [packet])
    judge.decide(AUTHORITATIVE, message.authoritative is message.is_response, flags, [packet])
    judge.decide(ZEROS, not message.flags & 0x78FF, flags, [packet])
    if packet.is_multicast:
        judge.decide(NO_RD, not message.flags & 0x0100, flags, [packet])


def _judge_packet(judge: Judge, packet: Packet, message: Message) -> None:
    datagram = packet.datagram
    if packet.is_response:
        judge.decide(HOPS, datagram.hop_limit == 255, f"hop limit {datagram.hop_limit}", [packet])
    if packet.is_multicast:
        ports = (datagram.source_port, datagram.destination_port)
        judge.decide(PORTS, ports == (MDNS_PORT, MDNS_PORT), f"ports {ports[0]} and {ports[1]}", [packet])
    zone = [show_type(each.type) for each in packet.records if each.type in (RecordType.SOA, RecordType.NS)]
    judge.decide(NO_ZONE, not zone, ", ".join(zone) or "none", [packet])
    count = len(packet.records)
    good = datagram.ip_size <= MOST_OCTETS and (datagram.fragments == 1 or count <= 1)
    said = f"{datagram.ip_size} octets in {datagram.fragments} fragments with {count} records"
    judge.decide(SIZES, good, said, [packet])
    if not message.skipped and not message.pseudo:
        full = len(encode(message))
        size = len(datagram.data)
        holds = size <= full + 2 * count
        judge.decide(COMPRESSED, holds, f"{size} octets, {full} with full compression", [packet])


BITS = must(
    "messages.bits-ignored",
    "M-18.1-5 M-18.4-1 M-18.6-2 M-18.7-1 M-18.8-1 M-18.9-1 M-18.10-1",
    "RFC 6762 §18",
    "AA, RD, RA, Z, AD, CD and the ID of a query are ignored.",
    "An answer to a query with each of these bits, and with an ID.",
)
OPCODE = must(
    "messages.opcode",
    "M-18.3-2",
    "RFC 6762 §18.3",
    "Messages with another OPCODE than zero are ignored.",
    "No answer to a query with OPCODE 2 (status).",
)
RCODE = must(
    "messages.rcode",
    "M-18.11-2",
    "RFC 6762 §18.11",
    "Messages with another RCODE than zero are ignored.",
    "No answer to a query with RCODE 3 (name error).",
)
POINTERS = must(
    "messages.compressed-question",
    "M-18.14-4",
    "RFC 6762 §18.14",
    "Compressed names are understood in the Question Section.",
    "An answer to a question whose name ends in a pointer to the name of another question.",
)


@RESPONDER.scenario(
    "messages/heard",
    *(BITS, OPCODE, RCODE, POINTERS),
    sends="HOST type A with each of seven header bits, with an OPCODE, with an RCODE; with a "
    "compressed name.",
    seconds=22,
)
async def heard(bench: Bench, judge: Judge) -> None:
    """Send unusual headers."""
    await bench.up()
    question = Question(bench.names.host, bench.address_type)
    await require_answer(bench, question)
    for flags in (0x0400, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010):
        await _sent(bench, judge, BITS, Message(flags=flags, questions=[question]), True)
    await _sent(bench, judge, BITS, Message(id=4711, questions=[question]), True)
    await _sent(bench, judge, OPCODE, Message(flags=2 << 11, questions=[question]), False)
    await _sent(bench, judge, RCODE, Message(flags=3, questions=[question]), False)
    other = bench.random_name()
    first = b"".join(bytes((len(label),)) + label for label in other.labels) + b"\0"
    label = bench.names.host.labels[0]
    pointer = struct.pack("!H", 0xC000 | (12 + 1 + len(other.labels[0])))
    tail = struct.pack("!HH", bench.address_type, 1)
    octets = (
        struct.pack("!6H", 0, 0, 2, 0, 0, 0) + first + tail + bytes((len(label),)) + label + pointer + tail
    )
    await _sent(bench, judge, POINTERS, octets, True)


async def _sent(bench: Bench, judge: Judge, check: Check, message: Message | bytes, answered: bool) -> None:
    """Send a question for the host, and judge whether it is answered."""
    question = Question(bench.names.host, bench.address_type)
    await bench.rest()
    mark = bench.send(message)
    await bench.sent_at(mark)
    wait = 2.0 if answered else NO_ANSWER
    answer = await bench.next(lambda each: bool(answers_to(each, question)), wait, mark)
    flags = f"flags {message.flags:#06x}: " if isinstance(message, Message) else ""
    said = f"{flags}{'no answer' if answer is None else 'an answer'}"
    judge.decide(check, (answer is not None) is answered, said, (bench.sent(mark), answer))
