"""Records into messages of the right size (RFC 6762 §17)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from mcast.dns.building import MessageBuilder
from mcast.dns.codes import QUERY_FLAGS, RESPONSE_FLAGS
from mcast.dns.messages import Question
from mcast.dns.records import Record
from mcast.mdns.context import Sizes
from mcast.mdns.responder.record_set import RecordSet

_T = TypeVar("_T")

Proposal = tuple[Question, Sequence[Record]]
"""The question of a probe, and the records proposed in it, in the order of the tie-break."""

FULL_AFTER = 16
"""Additional sets in a row for which there was no room, after which a message counts as full.

Our choice: a host has fewer. Of a thousand services all would be written and taken out again, which was
two thirds of the time that a response with them took.
"""

_HEADER = 12
"""Octets of a message header (RFC 1035 §4.1.1)."""

_RECORD_OVERHEAD = 10
"""Octets of type, class, TTL and length (RFC 1035 §4.1.3)."""


def size_alone(record: Record) -> int:
    """Return the octets of a message with this record only, not counting what compression saves."""
    return _HEADER + len(record.name.wire) + _RECORD_OVERHEAD + len(record.rdata)


class _Packets:
    """Messages that are filled one after the other."""

    def __init__(self, sizes: Sizes, flags: int) -> None:
        self._sizes: Final = sizes
        self._flags: Final = flags
        self._built: Final[list[bytes]] = []
        self.last = self._begin()
        """The message that is being filled."""

    def _begin(self) -> MessageBuilder:
        return MessageBuilder(self._sizes.normal, flags=self._flags, oversize=self._sizes.single)

    def put(self, add: Callable[[MessageBuilder, _T], bool], what: _T) -> bool:
        """Add ``what`` to the last message, or to a new one; False when no message can hold it.

        :param add: adds all or nothing, and tells whether there was room.
        """
        if add(self.last, what):
            return True
        if self.last.is_empty:
            return False
        self._built.append(self.last.build())
        self.last = self._begin()
        return add(self.last, what)

    def build(self) -> list[bytes]:
        """Return the messages."""
        return self._built if self.last.is_empty else [*self._built, self.last.build()]


def pack_response(
    answers: Iterable[Sequence[Record]], additionals: Iterable[RecordSet], sizes: Sizes
) -> tuple[list[bytes], list[RecordSet]]:
    """Return the messages of a response, and which of the additional sets found room in them.

    :param answers: sets of records, goodbyes among them. A set is not divided unless it fits no message; then
        its messages follow each other (RFC 6762 §10.2).
    """
    packets = _Packets(sizes, RESPONSE_FLAGS)
    for records in answers:
        if not packets.put(_add_answers, records):
            for record in records:
                packets.put(_add_answers, (record,))
    room: list[RecordSet] = []
    misses = 0
    for extra in additionals:
        if add_additionals(packets.last, extra.records):
            room.append(extra)
            misses = 0
        else:
            misses += 1
            if misses >= FULL_AFTER:
                break
    return packets.build(), room


def pack_probes(proposals: Iterable[Proposal], sizes: Sizes) -> list[bytes]:
    """Return probe queries: each question with all its proposed records in the same message (RFC 6762 §8.2).

    Of a name with more records than one message holds, those go that come first in the order of the
    tie-break: the other host then sees our list end early, which is the least wrong that can be told within
    RFC 6762 §17.
    """
    packets = _Packets(sizes, QUERY_FLAGS)
    for proposal in proposals:
        if not packets.put(_add_proposal, proposal):
            question, records = proposal
            packets.last.add_question(question)
            for record in records:
                if not packets.last.add_authority(record):
                    break
    return packets.build()


def _add_answers(builder: MessageBuilder, records: Sequence[Record]) -> bool:
    """Add all answers or none."""
    if len(records) == 1:
        return builder.add_answer(records[0])
    before = builder.checkpoint()
    for record in records:
        if not builder.add_answer(record):
            builder.rollback(before)
            return False
    return True


def _add_proposal(builder: MessageBuilder, proposal: Proposal) -> bool:
    """Add a probe question with all its proposed records, or nothing."""
    question, records = proposal
    before = builder.checkpoint()
    # An authority record too large for the MTU may only go alone, so it makes room for nothing else.
    if builder.add_question(question) and all(map(builder.add_authority, records)):
        return True
    builder.rollback(before)
    return False


def add_additionals(builder: MessageBuilder, records: Sequence[Record]) -> bool:
    """Add all records to the additional section or none; never so that a message becomes oversized."""
    before = builder.checkpoint()
    for record in records:
        if builder.is_empty or not builder.add_additional(record):
            builder.rollback(before)
            return False
    return True
