"""A plain reader and writer of DNS messages for tests that look at the wire.

It shares no code with `mcast.dns`, so that a fault there cannot hide itself, and it writes what no sound
implementation would.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

A, CNAME, PTR, HINFO, TXT, AAAA, SRV, NSEC, ANY = 1, 5, 12, 13, 16, 28, 33, 47, 255
IN = 1
TOP_BIT = 0x8000
"""QU in a question, cache-flush in a record."""

RESPONSE, AUTHORITATIVE, TRUNCATED = 0x8000, 0x0400, 0x0200

Labels = tuple[bytes, ...]


def labels(text: str, *rest: str) -> Labels:
    """Return the labels of a dotted name; with more arguments, the first is one label whatever dots it holds.

    >>> labels("Web 2.0", "_http._tcp.local")
    (b'Web 2.0', b'_http', b'_tcp', b'local')
    """
    first = [text] if rest else text.split(".")
    return tuple(one.encode() for one in [*first, *(label for part in rest for label in part.split("."))])


def encode_name(name: Labels) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in name) + b"\0"


def fold(name: Labels) -> Labels:
    """Return the name with ASCII letters in lower case."""
    return tuple(label.lower() for label in name)


@dataclass(frozen=True, slots=True)
class Question:
    name: Labels
    type: int
    rclass: int = IN

    def encode(self) -> bytes:
        return encode_name(self.name) + struct.pack("!HH", self.type, self.rclass)


@dataclass(frozen=True, slots=True)
class Record:
    name: Labels
    type: int
    ttl: int
    rdata: bytes
    """Names in it are written out in full."""
    rclass: int = IN
    compressed: bool = field(default=False, compare=False)
    """Whether a name in the rdata was compressed."""

    @property
    def flush(self) -> bool:
        return bool(self.rclass & TOP_BIT)

    @property
    def target(self) -> Labels:
        """The name that a PTR, CNAME or SRV record points to."""
        return read_name(self.rdata, 6 if self.type == SRV else 0)[0]

    @property
    def address(self) -> str:
        """The address of an A or AAAA record, as text."""
        return str(ip_address(self.rdata))

    @property
    def denied_except(self) -> set[int]:
        """The types that an NSEC record says to exist."""
        offset = read_name(self.rdata, 0)[1]
        types: set[int] = set()
        while offset < len(self.rdata):
            block, length = self.rdata[offset], self.rdata[offset + 1]
            for index, octet in enumerate(self.rdata[offset + 2 : offset + 2 + length]):
                types.update(block * 256 + index * 8 + bit for bit in range(8) if octet & 0x80 >> bit)
            offset += 2 + length
        return types

    def encode(self) -> bytes:
        head = struct.pack("!HHIH", self.type, self.rclass, self.ttl, len(self.rdata))
        return encode_name(self.name) + head + self.rdata


@dataclass(frozen=True, slots=True)
class Message:
    id: int = 0
    flags: int = 0
    questions: Sequence[Question] = ()
    answers: Sequence[Record] = ()
    authorities: Sequence[Record] = ()
    additionals: Sequence[Record] = ()

    @property
    def is_response(self) -> bool:
        return bool(self.flags & RESPONSE)

    @property
    def records(self) -> list[Record]:
        """Answers and additional records."""
        return [*self.answers, *self.additionals]

    def find(self, name: Labels, rtype: int) -> list[Record]:
        """Return the answers and additional records of that name and type."""
        return [one for one in self.records if fold(one.name) == fold(name) and one.type == rtype]

    def answers_for(self, name: Labels, rtype: int) -> list[Record]:
        """Return the records of the Answer Section of that name and type."""
        return [one for one in self.answers if fold(one.name) == fold(name) and one.type == rtype]

    def encode(self) -> bytes:
        sections: list[Iterable[Question | Record]] = [
            self.questions,
            self.answers,
            self.authorities,
            self.additionals,
        ]
        head = struct.pack("!6H", self.id, self.flags, *(len(list(one)) for one in sections))
        return head + b"".join(entry.encode() for section in sections for entry in section)


def read_name(message: bytes, offset: int) -> tuple[Labels, int]:
    """Return the name at the offset, and the offset after it."""
    found: list[bytes] = []
    after = -1
    while message[offset]:
        length = message[offset]
        if length >= 0xC0:
            after = offset + 2 if after < 0 else after
            offset = (length & 0x3F) << 8 | message[offset + 1]
            continue
        found.append(message[offset + 1 : offset + 1 + length])
        offset += 1 + length
    return tuple(found), offset + 1 if after < 0 else after


def _read_record(message: bytes, offset: int) -> tuple[Record, int]:
    name, offset = read_name(message, offset)
    rtype, rclass, ttl, length = struct.unpack_from("!HHIH", message, offset)
    offset += 10
    end = offset + length
    rdata = message[offset:end]
    # How many octets stand before the name in the rdata.
    before = {PTR: 0, CNAME: 0, NSEC: 0, SRV: 6}.get(rtype)
    if before is not None:
        target, after = read_name(message, offset + before)
        rdata = message[offset : offset + before] + encode_name(target) + message[after:end]
    return Record(name, rtype, ttl, rdata, rclass, compressed=len(rdata) != length), end


def decode(message: bytes) -> Message:
    """Return the message; any error means that it is malformed."""
    number, flags, *counts = struct.unpack_from("!6H", message)
    offset = 12
    questions = []
    for _ in range(counts[0]):
        name, offset = read_name(message, offset)
        rtype, rclass = struct.unpack_from("!HH", message, offset)
        offset += 4
        questions.append(Question(name, rtype, rclass))
    sections: list[list[Record]] = []
    for count in counts[1:]:
        section = []
        for _ in range(count):
            record, offset = _read_record(message, offset)
            section.append(record)
        sections.append(section)
    return Message(number, flags, questions, *sections)


def query(*questions: Question, known: Sequence[Record] = (), id: int = 0, flags: int = 0) -> Message:
    """Return a query; ``known`` are its known answers."""
    return Message(id, flags, questions, known)


def probe(name: Labels, *proposed: Record, unicast: bool = True) -> Message:
    """Return a probe for the name, with the proposed records (RFC 6762 §8.2)."""
    return Message(questions=[Question(name, ANY, IN | (TOP_BIT if unicast else 0))], authorities=proposed)


def response(*answers: Record, additionals: Sequence[Record] = (), id: int = 0, flags: int = 0) -> Message:
    """Return an authoritative response; ``flags`` are set beside those of one."""
    return Message(id, RESPONSE | AUTHORITATIVE | flags, (), answers, (), additionals)


def address_record(name: Labels, address: str, ttl: int = 120, *, flush: bool = True) -> Record:
    value = ip_address(address)
    rtype = A if value.version == 4 else AAAA
    return Record(name, rtype, ttl, value.packed, IN | (TOP_BIT if flush else 0))


def service_record(name: Labels, port: int, target: Labels, ttl: int = 120, *, flush: bool = True) -> Record:
    rdata = struct.pack("!HHH", 0, 0, port) + encode_name(target)
    return Record(name, SRV, ttl, rdata, IN | (TOP_BIT if flush else 0))


def text_record(name: Labels, *strings: bytes, ttl: int = 4500, flush: bool = True) -> Record:
    rdata = b"".join(bytes([len(one)]) + one for one in strings) or b"\0"
    return Record(name, TXT, ttl, rdata, IN | (TOP_BIT if flush else 0))


def pointer_record(name: Labels, target: Labels, ttl: int = 4500) -> Record:
    return Record(name, PTR, ttl, encode_name(target))
