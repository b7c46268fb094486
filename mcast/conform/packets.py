"""Multicast DNS packets as they were seen on the link, and questions about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from mcast.dns.codes import CLASS_MASK, RecordType
from mcast.dns.messages import Message, Question, decode
from mcast.dns.names import Name
from mcast.dns.presentation import show_data
from mcast.dns.records import Record, show_type
from mcast.errors import MalformedMessage
from mcast.showing import shown
from mcast.sockets.frames import Datagram

MDNS_PORT = 5353
"""The UDP port of Multicast DNS (RFC 6762 §3)."""

GROUP_IPV4 = "224.0.0.251"
GROUP_IPV6 = "ff02::fb"
GROUPS = frozenset({GROUP_IPV4, GROUP_IPV6})
"""The groups of Multicast DNS (RFC 6762 §3)."""


class Sender(Enum):
    """Who sent a packet."""

    SUBJECT = "subject"
    JUDGE = "us"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Packet:
    """A UDP datagram to or from the port of Multicast DNS, or one of ours and its answers."""

    at: float
    """Seconds on the clock of the reactor, as the kernel saw it."""
    sender: Sender
    datagram: Datagram
    message: Message | None
    """None where it cannot be decoded."""
    frame: bytes = b""
    wall: float = 0.0
    """The wall time, for captures."""

    @property
    def is_multicast(self) -> bool:
        return self.datagram.destination in GROUPS

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.datagram.source

    @property
    def is_response(self) -> bool:
        return self.message is not None and self.message.is_response

    @property
    def is_query(self) -> bool:
        return self.message is not None and not self.message.is_response

    @property
    def is_probe(self) -> bool:
        """Whether it is a query that proposes records (RFC 6762 §8.1)."""
        return self.is_query and self.message is not None and bool(self.message.authorities)

    @property
    def questions(self) -> tuple[Question, ...]:
        return () if self.message is None else tuple(self.message.questions)

    @property
    def answers(self) -> tuple[Record, ...]:
        return () if self.message is None else tuple(self.message.answers)

    @property
    def records(self) -> tuple[Record, ...]:
        """The records of all sections."""
        if self.message is None:
            return ()
        message = self.message
        return (*message.answers, *message.authorities, *message.additionals)

    def asks_for(self, name: Name) -> bool:
        """Tell whether one of the questions is for a name."""
        return any(question.name == name for question in self.questions)

    def answers_of(self, name: Name, rtype: int = RecordType.ANY) -> list[Record]:
        """Return the records of a response for a name and a type, goodbyes left out, in any section."""
        if not self.is_response:
            return []
        return [
            record
            for record in self.records
            if record.name == name and rtype in (record.type, RecordType.ANY) and record.ttl
        ]


def packet_of(at: float, sender: Sender, datagram: Datagram, frame: bytes = b"", wall: float = 0.0) -> Packet:
    """Return a datagram as a packet, decoded where it can be."""
    try:
        message = decode(datagram.data)
    except MalformedMessage:
        message = None
    return Packet(at, sender, datagram, message, frame, wall)


def raw_question_class(packet: Packet) -> list[int]:
    """Return the class fields of the questions of a packet, with the unicast-response bit."""
    return [(question.rclass & CLASS_MASK) | (question.unicast << 15) for question in packet.questions]


def described(packet: Packet) -> Iterator[str]:
    """Yield what a packet says, line by line, for people: the header, then a line for each entry."""
    datagram, message = packet.datagram, packet.message
    if message is None:
        yield f"{len(datagram.data)} octets that are no DNS message: {datagram.data[:48].hex(' ')}"
        return
    flags = [
        word
        for mask, word in ((0x0400, "AA"), (0x0200, "TC"), (0x0100, "RD"), (0x0080, "RA"))
        if message.flags & mask
    ]
    kind = "response" if message.is_response else "probe" if message.authorities else "query"
    head = [kind, *(f"id {message.id}" for _ in range(bool(message.id))), *flags]
    head += [f"opcode {message.opcode}"] * bool(message.opcode) + [f"rcode {message.rcode}"] * bool(
        message.rcode
    )
    yield shown(" ".join(head) + f", {len(datagram.data)} octets")
    for question in message.questions:
        unicast = " (QU)" if question.unicast else ""
        rclass = "" if question.rclass == 1 else f" class {question.rclass}"
        yield shown(f"question    {question.name} {show_type(question.type)}{rclass}{unicast}")
    for word, records in (
        ("answer", message.answers),
        ("authority", message.authorities),
        ("additional", message.additionals),
    ):
        for record in records:
            flush = " flush" if record.cache_flush else ""
            head_of = f"{word:11} {record.name} {record.ttl}{flush} {show_type(record.type)}"
            yield shown(f"{head_of} {show_data(record)}")
