"""Queries as a conventional server reads them, and its responses (RFC 1035 §4, RFC 6891, RFC 9619)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mcast.dns.codes import (
    CLASS_MASK,
    OPCODE_MASK,
    OPCODE_SHIFT,
    TOP_BIT,
    Flag,
    Opcode,
    RecordClass,
    RecordType,
    ResponseCode,
)
from mcast.dns.messages import Question, decode
from mcast.dns.reading import HEADER_SIZE
from mcast.dns.records import Record
from mcast.dns.writing import Writer, compression
from mcast.errors import MalformedMessage
from mcast.unicast.dso import refuse_dso
from mcast.unicast.edns import BADVERS, DEFAULT_PAYLOAD, MIN_PAYLOAD, VERSION, Edns, MalformedEdns, edns_of
from mcast.unicast.framing import MAX_MESSAGE

TRANSFERS: Final = frozenset({251, 252})
"""IXFR and AXFR (RFC 1995, RFC 5936): "undefined for Discovery Proxy zones" (RFC 8766 §6.1)."""

META_TYPES: Final = frozenset({41, *range(128, 256)}) - {int(RecordType.ANY)}
"""Types of questions that are no types of data (RFC 6895 §3.1), which nobody has on a link."""

WELL_KNOWN: Final = compression(
    (
        RecordType.NS,
        RecordType.CNAME,
        RecordType.SOA,
        RecordType.PTR,
        RecordType.MX,
        RecordType.MINFO,
    )
)
"""Types whose names may be compressed in conventional DNS: those of RFC 1035 (RFC 3597 §4)."""

_HEADER: Final = struct.Struct("!6H")


class Refusal(Exception):  # an answer, and no error of this program
    """A message that gets no other answer than a response code.

    :param response: what to send back; empty for nothing.
    :param cause: for the counters.
    """

    def __init__(self, response: bytes, cause: str) -> None:
        super().__init__(cause)
        self.response = response
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Query:
    """One question of a client."""

    id: int
    flags: int
    """As they came."""
    question: Question
    """Of class IN."""
    rclass: int
    """The class as it was asked for: IN or ANY, others in a refusal."""
    edns: Edns | None
    stream: bool
    """Whether it came by TCP or TLS, so that the response need not fit into a datagram."""

    @property
    def size(self) -> int:
        """Octets that the response may have (RFC 1035 §4.2.1, RFC 6891 §6.2.3)."""
        if self.stream:
            return MAX_MESSAGE
        return MIN_PAYLOAD if self.edns is None else min(self.edns.payload, DEFAULT_PAYLOAD)

    @property
    def is_plain(self) -> bool:
        """Whether another query of the same octets but for the ID gets the same response."""
        return self.edns is None or not self.edns.options


def read_query(message: bytes, *, stream: bool) -> Query:
    """Return the question of a client.

    :raises Refusal: it is none that is answered; the response says why.
    """
    if len(message) < HEADER_SIZE:
        raise Refusal(b"", "queries cut short")
    identifier, flags, questions, _, _, _ = _HEADER.unpack_from(message)
    if flags & Flag.RESPONSE:
        # Never answered: two servers would answer each other for ever.
        raise Refusal(b"", "responses received")
    opcode = (flags & OPCODE_MASK) >> OPCODE_SHIFT
    if opcode == Opcode.UPDATE:
        # Zones that are made of what is on a link cannot be changed (RFC 8766 §6.4, RFC 2136 §2.2).
        raise Refusal(_header_only(message, ResponseCode.REFUSED), "updates refused")
    if opcode == Opcode.DSO:
        # There are sessions by TLS alone (RFC 8490 §4.2, RFC 8765 §5).
        raise Refusal(refuse_dso(message) or b"", "DSO messages without TLS")
    if opcode != Opcode.QUERY:
        raise Refusal(_header_only(message, ResponseCode.NOTIMP), "unknown opcodes")
    try:
        decoded = decode(message)
        edns = edns_of(decoded)
    except (MalformedMessage, MalformedEdns):
        raise Refusal(_header_only(message, ResponseCode.FORMERR), "malformed queries") from None
    if questions != 1:
        # RFC 9619 §4: "MUST treat it as a format error".
        raise Refusal(_header_only(message, ResponseCode.FORMERR), "malformed queries")
    (question,) = decoded.questions
    # The top bit of the class means something by multicast alone (RFC 6762 §18.12).
    rclass = question.rclass | (TOP_BIT if question.unicast else 0)
    asked = Question(question.name, question.type)
    query = Query(identifier, flags, asked, rclass, edns, stream)
    if edns is not None and edns.version > VERSION:
        raise Refusal(encode_response(query, BADVERS), "EDNS versions")
    if rclass not in (RecordClass.IN, RecordClass.ANY) or question.type in TRANSFERS:
        raise Refusal(
            encode_response(query, ResponseCode.REFUSED, authoritative=False),
            "transfers refused" if question.type in TRANSFERS else "classes refused",
        )
    if question.type in META_TYPES or not question.type:
        raise Refusal(encode_response(query, ResponseCode.NOTIMP, authoritative=False), "unknown meta types")
    return query


def encode_response(
    query: Query,
    rcode: int = ResponseCode.NOERROR,
    answers: Sequence[Record] = (),
    authorities: Sequence[Record] = (),
    additionals: Iterable[Record] = (),
    *,
    authoritative: bool = True,
) -> bytes:
    """Return the response to a query, no longer than it may be.

    When the answers do not fit, it has none and TC is set, so that the client asks by TCP (RFC 7766 §5); a
    response by TCP has as many as fit. Additional records that do not fit are left out.
    """
    writer = Writer(compressed=WELL_KNOWN)
    question = query.question
    writer.write_question(question.name, question.type, query.rclass & CLASS_MASK, query.rclass > CLASS_MASK)
    own = None
    if query.edns is not None:
        # RFC 3225 §3: "The DO bit of the query MUST be copied in the response."
        own = Edns(extended_rcode=rcode >> 4, dnssec_ok=query.edns.dnssec_ok)
    limit = query.size - (0 if own is None else OPT_SIZE)
    flags = int(Flag.RESPONSE) | (query.flags & (Flag.RECURSION_DESIRED | Flag.CHECKING_DISABLED))
    flags |= rcode & 0xF | (Flag.AUTHORITATIVE if authoritative else 0)
    mark = writer.mark()
    counts = [_write(writer, answers, limit), 0, 0]
    if counts[0] < len(answers):
        flags |= Flag.TRUNCATED
        if not query.stream:
            writer.rewind(mark)
            counts[0] = 0
    else:
        counts[1] = _write(writer, authorities, limit)
        counts[2] = _write(writer, additionals, limit)
    if own is not None:
        opt = own.record()
        writer.write_fields(opt.name.wire, opt.type, opt.rclass, opt.ttl, opt.rdata)
        counts[2] += 1
    writer.buffer[:HEADER_SIZE] = _HEADER.pack(query.id, flags, 1, *counts)
    return bytes(writer.buffer)


OPT_SIZE: Final = 11
"""Octets of an OPT record without options (RFC 6891 §6.1.2)."""


def _write(writer: Writer, records: Iterable[Record], limit: int) -> int:
    """Write records until one does not fit; return how many."""
    count = 0
    for record in records:
        mark = writer.mark()
        writer.write_record(record)
        if len(writer.buffer) > limit:
            writer.rewind(mark)
            break
        count += 1
    return count


def _header_only(message: bytes, rcode: int) -> bytes:
    """Return a response without a question, for a message that was not understood (RFC 1035 §4.1.1)."""
    identifier, flags = struct.unpack_from("!2H", message)
    flags = int(Flag.RESPONSE) | flags & (OPCODE_MASK | Flag.RECURSION_DESIRED) | rcode
    return _HEADER.pack(identifier, flags, 0, 0, 0, 0)
