"""Messages: octets to values and back (RFC 1035 §4, RFC 6762 §18)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from mcast.dns.codes import (
    CLASS_MASK,
    OPCODE_MASK,
    OPCODE_SHIFT,
    PSEUDO_TYPES,
    RCODE_MASK,
    TOP_BIT,
    Flag,
    RecordType,
)
from mcast.dns.names import Name, interned
from mcast.dns.rdata import POINTER
from mcast.dns.reading import HEADER_SIZE, RDATA_READERS, Names, read_name, read_suffix
from mcast.dns.records import Record, show_type
from mcast.dns.writing import MAX_POINTER, Writer
from mcast.errors import MalformedMessage

_HEADER: Final = struct.Struct("!6H")
_unpack_header = _HEADER.unpack_from
_unpack_question = struct.Struct("!HH").unpack_from
_unpack_record = struct.Struct("!HHIH").unpack_from
# The members of an IntEnum are slower to compare.
_A: Final = int(RecordType.A)
_AAAA: Final = int(RecordType.AAAA)
_PTR: Final = int(RecordType.PTR)
_TARGETS: Final = frozenset({int(RecordType.PTR), int(RecordType.SRV)})
_new: Final = Record.__new__
IS_COMPILED: Final = not hasattr(Record.__init__, "__code__")
"""Whether this is compiled code (setup.py), which has no functions of Python."""
_unpack_pointed_record = struct.Struct("!HHHIH").unpack_from


class Question:
    """A question. Immutable, as `Record` is.

    :param rclass: the class, without the unicast-response bit (RFC 6762 §5.4).
    :param unicast: a unicast response is wanted: a "QU" question.
    """

    __slots__ = ("name", "rclass", "type", "unicast")

    def __init__(self, name: Name, type: int, rclass: int = 1, unicast: bool = False) -> None:
        self.name: Final = name
        self.type: Final = type
        self.rclass: Final = rclass
        self.unicast: Final = unicast

    @property
    def key(self) -> tuple[bytes, int, int]:
        """Name key, type and class: what makes two questions ask the same."""
        return (self.name.key, self.type, self.rclass)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Question):
            return NotImplemented
        return self.unicast == other.unicast and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        unicast = ", unicast=True" if self.unicast else ""
        return f"Question({str(self.name)!r}, {show_type(self.type)}, {self.rclass}{unicast})"


@dataclass(frozen=True, slots=True)
class PseudoRecord:
    """OPT, TSIG, TKEY or SIG(0): it describes the message, and is no data (RFC 6762 §10.2)."""

    name: Name
    type: int
    rclass: int
    """All 16 bits; in OPT the UDP payload size that the sender can take, in octets (RFC 6891 §6.1.2)."""
    ttl: int
    """In OPT not a time, but further flags (RFC 6891 §6.1.3)."""
    rdata: bytes


@dataclass(slots=True)
class Message:
    """A DNS message; treated as immutable, and unfrozen only because that is cheaper to make."""

    id: int = 0
    flags: int = 0
    questions: Sequence[Question] = ()
    answers: Sequence[Record] = ()
    authorities: Sequence[Record] = ()
    additionals: Sequence[Record] = ()
    """Without the pseudo-records."""
    pseudo: Sequence[PseudoRecord] = ()
    skipped: int = 0
    """How many records the decoder left out since their rdata is malformed (RFC 6762 §6.1)."""

    @property
    def is_response(self) -> bool:
        """Whether QR is set (RFC 6762 §18.2)."""
        return self.flags & Flag.RESPONSE != 0

    @property
    def authoritative(self) -> bool:
        """Whether AA is set (RFC 6762 §18.4)."""
        return self.flags & Flag.AUTHORITATIVE != 0

    @property
    def truncated(self) -> bool:
        """Whether TC is set: in a query, more known answers follow (RFC 6762 §18.5)."""
        return self.flags & Flag.TRUNCATED != 0

    @property
    def opcode(self) -> int:
        """OPCODE; 0 in Multicast DNS (RFC 6762 §18.3)."""
        return (self.flags & OPCODE_MASK) >> OPCODE_SHIFT

    @property
    def rcode(self) -> int:
        """RCODE; 0 in Multicast DNS (RFC 6762 §18.11)."""
        return self.flags & RCODE_MASK


def decode(datagram: bytes | bytearray | memoryview) -> Message:
    """Return the message that ``datagram`` holds.

    A record whose rdata is malformed is left out and counted in `Message.skipped`, so that the other records
    are not lost with a broken NSEC record (RFC 6762 §6.1). Octets after the last record are ignored: no RFC
    forbids them, and dnslib and the common responders ignore them as well.

    :raises MalformedMessage: header, names, or the bounds of records make no sense. Nothing else is raised.
    """
    if type(datagram) is not bytes:
        # The octets of names are looked up in dictionaries, which a bytearray cannot be.
        datagram = bytes(datagram)
    try:
        identifier, flags, questions, answers, authorities, additionals = _unpack_header(datagram)
        names: Names = {}
        message = Message(identifier, flags)
        position = HEADER_SIZE
        if questions:
            message.questions, position = _decode_questions(datagram, position, questions, names)
        if answers or authorities or additionals:
            _decode_records(datagram, position, (answers, authorities, additionals), names, message)
    except (IndexError, struct.error):
        # Counts that promise too much end here, after at most as many entries as there are octets for.
        raise MalformedMessage("the message is cut short", len(datagram)) from None
    return message


def _decode_questions(data: bytes, position: int, count: int, names: Names) -> tuple[list[Question], int]:
    """Return the questions, and the position after them."""
    questions = []
    for _ in range(count):
        name, position = read_name(data, position, names)
        qtype, qclass = _unpack_question(data, position)
        position += 4
        questions.append(Question(name, qtype, qclass & CLASS_MASK, qclass >= TOP_BIT))
    return questions, position


def _decode_records(
    data: bytes, position: int, counts: tuple[int, int, int], names: Names, message: Message
) -> None:
    """Read the three sections of records into ``message``.

    The busiest loop of the house: types that fill a network are read here, the others by `RDATA_READERS`.
    """
    size = len(data)
    sections: list[Sequence[Record]] = []
    pseudo: list[PseudoRecord] = []
    for count in counts:
        if not count:
            sections.append(())
            continue
        records: list[Record] = []
        sections.append(records)
        for _ in range(count):
            if data[position] >= 0xC0:
                # Most owner names are a pointer to a name that was read already.
                pointer, rtype, rclass, ttl, length = _unpack_pointed_record(data, position)
                name = names.get(pointer)
                if name is None:
                    name, _ = read_name(data, position, names)
                start = position + 12
            else:
                name, start = read_name(data, position, names)
                rtype, rclass, ttl, length = _unpack_record(data, start)
                start += 10
            position = start + length
            if position > size:
                raise MalformedMessage("rdata runs over the end", start)
            try:
                if (rtype == _A and length == 4) or (rtype == _AAAA and length == 16):
                    rdata = data[start:position]
                elif rtype in _TARGETS:
                    begin = start if rtype == _PTR else start + 6
                    end = begin + data[begin] + 1
                    target = None
                    if end + 2 == position:
                        # One label and a pointer, or malformed; when the two make a name that we know, it is
                        # that.
                        pointer = data[end] << 8 | data[end + 1]
                        suffix = names.get(pointer) or read_suffix(data, begin, pointer, names)
                        target = interned.get(data[begin:end] + suffix.wire)
                    if target is not None:
                        names[begin + POINTER] = target
                    else:
                        target, end = read_name(data, begin, names)
                        if end != position:
                            raise MalformedMessage("a name does not fill the rdata", end)
                    rdata = target.wire if rtype == _PTR else data[start:begin] + target.wire
                elif reader := RDATA_READERS.get(rtype):
                    rdata = reader(data, start, position, names)
                else:
                    rdata = data[start:position]
                    if rtype in PSEUDO_TYPES or (rtype == RecordType.SIG and rdata[:2] == b"\0\0"):
                        pseudo.append(PseudoRecord(name, rtype, rclass, ttl, rdata))
                        continue
            except (MalformedMessage, IndexError):
                message.skipped += 1
                continue
            if IS_COMPILED:
                record = Record(name, rtype, rclass & CLASS_MASK, ttl, rdata, rclass >= TOP_BIT)
            else:
                # What Record.__init__ does, without the call: it is a fifth of the time that a message takes
                # where this is not compiled. The decoder alone assigns to the attributes of a record.
                record = _new(Record)
                record.name = name  # type: ignore[misc]
                record.type = rtype  # type: ignore[misc]
                record.rclass = rclass & CLASS_MASK  # type: ignore[misc]
                record.ttl = ttl  # type: ignore[misc]
                record.rdata = rdata  # type: ignore[misc]
                record.cache_flush = rclass >= TOP_BIT  # type: ignore[misc]
                record._identity = None
            records.append(record)
    message.answers, message.authorities, message.additionals = sections
    if pseudo:
        message.pseudo = pseudo


def encode(message: Message, *, legacy: bool = False) -> bytes:
    """Return the octets of ``message``, compressed where RFC 6762 §18.14 allows it.

    :param legacy: for a legacy unicast response: SRV targets are written in full (RFC 6762 §18.14).
    :raises ValueError: a number is out of range, or rdata does not have the layout of its type.
    """
    writer = Writer(legacy)
    for question in message.questions:
        writer.write_question(question.name, question.type, question.rclass, question.unicast)
    for section in (message.answers, message.authorities, message.additionals):
        for record in section:
            writer.write_record(record)
    for extra in message.pseudo:
        writer.write_fields(extra.name.wire, extra.type, extra.rclass, extra.ttl, extra.rdata)
    try:
        writer.buffer[:HEADER_SIZE] = _HEADER.pack(
            message.id,
            message.flags,
            len(message.questions),
            len(message.answers),
            len(message.authorities),
            len(message.additionals) + len(message.pseudo),
        )
    except struct.error:
        raise ValueError(
            f"the ID {message.id}, the flags {message.flags} or a count is out of range"
        ) from None
    return bytes(writer.buffer)


class Checkpoint(NamedTuple):
    """A state of a `MessageBuilder`; of no use to others."""

    counts: tuple[int, int, int, int]
    """How many entries each section has."""
    writer: Writer
    mark: tuple[int, int]
    """What the writer has written."""


class MessageBuilder:
    """Fills a message up to a size, and says what does not fit.

    Sections may be filled in any order. An entry for an earlier section is measured behind the others, and
    `build` brings all into order: each ending of a name is spelled out once, wherever it stands first, so
    that the size is the same.

    :param max_size: the most octets of the message (RFC 6762 §17: the MTU less IP and UDP headers).
    :param oversize: the most octets of a message with one record besides questions, which may be larger than
        ``max_size`` since a record that is too large goes alone, in fragments (RFC 6762 §17). By default
        nothing may be larger.
    :param id: non-zero only in legacy unicast responses (RFC 6762 §18.1).
    :param flags: `QUERY_FLAGS` or `RESPONSE_FLAGS`.
    :param legacy: leave SRV targets uncompressed (RFC 6762 §18.14).
    """

    def __init__(
        self, max_size: int, *, flags: int = 0, id: int = 0, legacy: bool = False, oversize: int = 0
    ) -> None:
        self.max_size: Final = max_size
        self.flags = flags
        """May be changed until `build`, as when it turns out that TC must be set."""
        self.id: Final = id
        self._legacy: Final = legacy
        self._oversize: Final = oversize
        self._writer = Writer(legacy)
        self._questions: list[Question] = []
        self._sections: tuple[list[Record], list[Record], list[Record]] = ([], [], [])
        self._last = 0
        self._is_ordered = True
        # A name that stands where no pointer reaches is spelled out again.
        self._is_measured: Final = max(max_size, oversize) <= MAX_POINTER

    def add_question(self, question: Question) -> bool:
        """Add a question; return False, with nothing changed, when it does not fit.

        :raises ValueError: as `encode`; nothing is changed then either.
        """
        entries = self._questions
        entries.append(question)
        if self._last == 0 or self._is_measured:
            writer = self._writer
            mark = writer.mark()
            try:
                writer.write_question(question.name, question.type, question.rclass, question.unicast)
                fits = self._fits(writer)
            except ValueError:
                entries.pop()
                writer.rewind(mark)
                raise
            if not fits:
                entries.pop()
                writer.rewind(mark)
            elif self._last:
                self._is_ordered = False
            return fits
        return self._rewrite(entries)

    def add_answer(self, record: Record) -> bool:
        """Add an answer, or to a query a known answer; as `add_question`."""
        return self._add(1, record)

    def add_authority(self, record: Record) -> bool:
        """Add an authority record, in a probe a proposed record (RFC 6762 §8.2); as `add_question`."""
        return self._add(2, record)

    def add_additional(self, record: Record) -> bool:
        """Add an additional record; as `add_question`."""
        return self._add(3, record)

    def _add(self, section: int, record: Record) -> bool:
        entries = self._sections[section - 1]
        entries.append(record)
        if section < self._last and not self._is_measured:
            return self._rewrite(entries)
        writer = self._writer
        mark = writer.mark()
        try:
            writer.write_record(record)
        except ValueError:
            entries.pop()
            writer.rewind(mark)
            raise
        if not self._fits(writer):
            entries.pop()
            writer.rewind(mark)
            return False
        if section < self._last:
            self._is_ordered = False
        else:
            self._last = section
        return True

    def _fits(self, writer: Writer) -> bool:
        size = len(writer.buffer)
        if size <= self.max_size:
            return True
        # RFC 6762 §17: a packet above the MTU holds no more than one resource record.
        return size <= self._oversize and self.record_count == 1

    def _rewrite(self, entries: list[Question] | list[Record]) -> bool:
        """Write the message anew with the last one of ``entries``, or leave it as it is without."""
        writer = Writer(self._legacy)
        try:
            self._write_all(writer)
        except ValueError:
            entries.pop()
            raise
        if not self._fits(writer):
            entries.pop()
            return False
        self._writer = writer
        return True

    def _order(self) -> None:
        """Write the message anew, each entry in its section."""
        if not self._is_ordered:
            self._writer = Writer(self._legacy)
            self._write_all(self._writer)
            self._is_ordered = True

    def _write_all(self, writer: Writer) -> None:
        for question in self._questions:
            writer.write_question(question.name, question.type, question.rclass, question.unicast)
        for section in self._sections:
            for record in section:
                writer.write_record(record)

    def checkpoint(self) -> Checkpoint:
        """Return the present state, for `rollback`."""
        answers, authorities, additionals = self._sections
        counts = (len(self._questions), len(answers), len(authorities), len(additionals))
        return Checkpoint(counts, self._writer, self._writer.mark())

    def rollback(self, checkpoint: Checkpoint) -> None:
        """Take out everything that was added since `checkpoint` returned this value."""
        questions, *counts = checkpoint.counts
        del self._questions[questions:]
        for section, count in zip(self._sections, counts, strict=True):
            del section[count:]
        self._last = max([number for number, count in enumerate(counts, 1) if count], default=0)
        if self._writer is checkpoint.writer:
            self._writer.rewind(checkpoint.mark)
        else:
            # The message was written anew in the meantime, so that the octets have moved.
            self._is_ordered = False
            self._order()

    @property
    def size(self) -> int:
        """Octets of the message so far."""
        return len(self._writer.buffer)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was added."""
        return not (self._questions or self.record_count)

    @property
    def question_count(self) -> int:
        """How many questions there are."""
        return len(self._questions)

    @property
    def record_count(self) -> int:
        """How many records there are, in all sections."""
        answers, authorities, additionals = self._sections
        return len(answers) + len(authorities) + len(additionals)

    def build(self, *, truncated: bool = False) -> bytes:
        """Return the message; the builder stays as it is.

        :param truncated: set TC, as when more known answers follow (RFC 6762 §7.2).
        """
        self._order()
        answers, authorities, additionals = self._sections
        header = _HEADER.pack(
            self.id,
            self.flags | Flag.TRUNCATED if truncated else self.flags,
            len(self._questions),
            len(answers),
            len(authorities),
            len(additionals),
        )
        return header + self._writer.buffer[HEADER_SIZE:]
