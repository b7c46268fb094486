"""Records into messages of the right size (RFC 6762 §17)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mcast.dns.codes import QUERY_FLAGS, RESPONSE_FLAGS, RecordType
from mcast.dns.messages import MessageBuilder, Question
from mcast.dns.records import Record
from mcast.mdns.constants import LEGACY_TTL
from mcast.mdns.context import Sizes
from mcast.mdns.responder.zone import RecordSet

_HEADER = 12
"""Octets of a message header (RFC 1035 §4.1.1)."""

_RECORD_OVERHEAD = 10
"""Octets of type, class, TTL and length (RFC 1035 §4.1.3)."""


def size_alone(record: Record) -> int:
    """Return the octets of a message with this record only, not counting what compression saves."""
    return _HEADER + len(record.name.wire) + _RECORD_OVERHEAD + len(record.rdata)


def pack_response(
    answers: Iterable[RecordSet], additionals: Iterable[RecordSet], sizes: Sizes
) -> tuple[list[bytes], list[RecordSet]]:
    """Return the messages of a response, and which of the additional sets found room in them.

    A set is not divided unless it fits no message; then its messages follow each other (RFC 6762 §10.2).
    """
    packets: list[bytes] = []
    builder = _response(sizes)
    for answer in answers:
        if _add_all(builder, answer.records):
            continue
        if not builder.is_empty:
            packets.append(builder.build())
            builder = _response(sizes)
        if _add_all(builder, answer.records):
            continue
        for record in answer.records:
            if not builder.add_answer(record):
                packets.append(builder.build())
                builder = _response(sizes)
                builder.add_answer(record)
    room = [extra for extra in additionals if _add_extra(builder, extra.records)]
    if not builder.is_empty:
        packets.append(builder.build())
    return packets, room


def pack_records(records: Iterable[Record], sizes: Sizes) -> list[bytes]:
    """Return response messages with these records as they are, for goodbyes."""
    packets: list[bytes] = []
    builder = _response(sizes)
    for record in records:
        if not builder.add_answer(record):
            packets.append(builder.build())
            builder = _response(sizes)
            builder.add_answer(record)
    if not builder.is_empty:
        packets.append(builder.build())
    return packets


def pack_legacy(
    identifier: int,
    questions: Sequence[Question],
    answers: Iterable[RecordSet],
    additionals: Iterable[RecordSet],
    sizes: Sizes,
) -> bytes:
    """Return the response to a simple resolver: a conventional unicast response (RFC 6762 §6.7).

    A denial goes to the authority section, where conventional resolvers know it from (RFC 4035 §3.1.3.1): in
    the answer section some report a record of the wrong type.
    """
    builder = MessageBuilder(
        sizes.normal, flags=RESPONSE_FLAGS, id=identifier, legacy=True, oversize=sizes.single
    )
    fits = all(builder.add_question(question) for question in questions)
    denials: list[Record] = []
    for answer in answers:
        records = [_for_legacy(record) for record in answer.records]
        if answer.type == RecordType.NSEC:
            denials += records
        else:
            fits = all(builder.add_answer(record) for record in records) and fits
    fits = all(builder.add_authority(record) for record in denials) and fits
    for extra in additionals:
        _add_extra(builder, [_for_legacy(record) for record in extra.records])
    return builder.build(truncated=not fits)


def _for_legacy(record: Record) -> Record:
    """A simple resolver has no cache coherency to keep a longer TTL right, and no cache-flush bit."""
    return record.with_ttl(min(record.ttl, LEGACY_TTL)).with_cache_flush(False)


def pack_probes(proposals: Iterable[tuple[Question, Sequence[Record]]], sizes: Sizes) -> list[bytes]:
    """Return probe queries: each question with all its proposed records in the same message (RFC 6762 §8.2).

    :param proposals: a question, and the records in the order of tie-breaking. Of a name with more records
        than one message holds, those go that come first in that order: the other host then sees our list end
        early, which is the least wrong that can be told within RFC 6762 §17.
    """
    packets: list[bytes] = []
    builder = _probe(sizes)
    for question, records in proposals:
        before = builder.checkpoint()
        # An authority record too large for the MTU may only go alone, so it makes room for nothing else.
        if builder.add_question(question) and all(map(builder.add_authority, records)):
            continue
        builder.rollback(before)
        if not builder.is_empty:
            packets.append(builder.build())
            builder = _probe(sizes)
        builder.add_question(question)
        for record in records:
            if not builder.add_authority(record):
                break
    if not builder.is_empty:
        packets.append(builder.build())
    return packets


def _response(sizes: Sizes) -> MessageBuilder:
    return MessageBuilder(sizes.normal, flags=RESPONSE_FLAGS, oversize=sizes.single)


def _probe(sizes: Sizes) -> MessageBuilder:
    return MessageBuilder(sizes.normal, flags=QUERY_FLAGS, oversize=sizes.single)


def _add_all(builder: MessageBuilder, records: Sequence[Record]) -> bool:
    """Add all answers or none."""
    if len(records) == 1:
        return builder.add_answer(records[0])
    before = builder.checkpoint()
    for record in records:
        if not builder.add_answer(record):
            builder.rollback(before)
            return False
    return True


def _add_extra(builder: MessageBuilder, records: Sequence[Record]) -> bool:
    """Add all records to the additional section or none; never so that a message becomes oversized."""
    before = builder.checkpoint()
    for record in records:
        if builder.is_empty or not builder.add_additional(record):
            builder.rollback(before)
            return False
    return True
