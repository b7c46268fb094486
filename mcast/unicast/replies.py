"""What a response of a DNS server says to a question (RFC 1034 §4.3.2, RFC 2308)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from mcast.dns.codes import RecordClass, RecordType, ResponseCode
from mcast.dns.messages import Message, Question
from mcast.dns.names import Name
from mcast.dns.records import Record

MAX_ALIASES = 8
"""Aliases that are followed one after the other. Our choice: one or two are in use anywhere."""

MAX_TTL = 0x7FFF_FFFF
"""The greatest TTL; one with the top bit set counts as 0 (RFC 2181 §8)."""

_SOA_NUMBERS = 20
"""Octets of the numbers at the end of a SOA record (RFC 1035 §3.3.13)."""


class Verdict(Enum):
    """What a response is good for."""

    ANSWERED = "answered"
    """There are records."""
    DENIED = "denied"
    """There are none: NXDOMAIN, or NOERROR without them (RFC 2308 §2)."""
    ALIASED = "aliased"
    """The name is an alias, and the server did not say of what the records are."""
    REFERRED = "referred"
    """Other servers know (RFC 1034 §4.3.2)."""
    FAILED = "failed"
    """The server does not answer this question: SERVFAIL, REFUSED and others."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question."""

    verdict: Verdict
    records: tuple[Record, ...] = ()
    """Those of the type in question. They have the name in question, also when that is an alias."""
    ttl: int | None = None
    """Seconds for which this may be relied on; None where a denial has no SOA record that says it."""
    target: Name | None = None
    """The name at the end of a chain of aliases."""
    reason: str = ""
    """Why there is no answer, for people."""


def read_answer(message: Message, question: Question) -> Answer:
    """Return what a response says.

    Aliases are followed as far as the response does (RFC 1034 §3.6.2).
    """
    if message.rcode not in (ResponseCode.NOERROR, ResponseCode.NXDOMAIN):
        return Answer(Verdict.FAILED, reason=show_rcode(message.rcode))
    name = question.name
    ttls: list[int] = []
    for _ in range(MAX_ALIASES + 1):
        found = [
            record
            for record in message.answers
            if record.name == name and record.type == question.type and record.rclass == RecordClass.IN
        ]
        if found:
            ttl = min([*ttls, *map(ttl_of, found)])
            renamed = tuple([_renamed(record, question.name) for record in found])
            return Answer(Verdict.ANSWERED, renamed, ttl, None if name == question.name else name)
        aliases = [
            record
            for record in message.answers
            if record.name == name and record.type == RecordType.CNAME and question.type != RecordType.CNAME
        ]
        if not aliases:
            break
        ttls.append(ttl_of(aliases[0]))
        name = Name.from_wire(aliases[0].rdata)
    else:
        return Answer(Verdict.FAILED, reason=f"more than {MAX_ALIASES} aliases one after the other")
    return _without_records(message, name, ttls)


def _without_records(message: Message, name: Name, ttls: list[int]) -> Answer:
    soa = soa_of(message)
    target = name if ttls else None
    if soa is not None or message.rcode == ResponseCode.NXDOMAIN:
        ttl = None if soa is None else min([*ttls, negative_ttl(soa)])
        return Answer(Verdict.DENIED, (), ttl, target)
    if target is not None:
        return Answer(Verdict.ALIASED, (), min(ttls), target)
    if not message.authoritative and any(one.type == RecordType.NS for one in message.authorities):
        zone = next(one.name for one in message.authorities if one.type == RecordType.NS)
        return Answer(Verdict.REFERRED, reason=f"it only refers to the servers of {zone}")
    # RFC 2308 §2.2: "NODATA responses … with no SOA record": type 3 when there are no NS records either.
    return Answer(Verdict.DENIED)


def soa_of(message: Message) -> Record | None:
    """Return the SOA record of a response that has none of the records that were asked for."""
    return next((one for one in message.authorities if one.type == RecordType.SOA), None)


def negative_ttl(soa: Record) -> int:
    """Return for how many seconds a denial may be relied on (RFC 2308 §5)."""
    return min(ttl_of(soa), soa_minimum(soa))


def soa_minimum(soa: Record) -> int:
    """Return the last number of a SOA record, 0 for one that is cut short."""
    return int.from_bytes(soa.rdata[-4:], "big") if len(soa.rdata) > _SOA_NUMBERS else 0


def ttl_of(record: Record) -> int:
    """Return the TTL of a record, as it counts (RFC 2181 §8)."""
    return record.ttl if record.ttl <= MAX_TTL else 0


def show_rcode(rcode: int) -> str:
    """Return the name of a response code, as people know it."""
    try:
        return ResponseCode(rcode).name
    except ValueError:
        return f"RCODE{rcode}"


_IN: Final = int(RecordClass.IN)


def _renamed(record: Record, name: Name) -> Record:
    if record.name.wire == name.wire:
        return record
    return Record(name, record.type, _IN, record.ttl, record.rdata)
