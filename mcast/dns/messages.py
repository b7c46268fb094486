"""Messages: octets to values and back (RFC 1035 §4, RFC 6762 §18)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

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
from mcast.dns.names import IS_COMPILED, ROOT, Name, interned
from mcast.dns.rdata import POINTER
from mcast.dns.reading import (
    HEADER_SIZE,
    RDATA_READERS,
    Names,
    read_name,
    read_suffix,
    record_fields,
    two_octets,
)
from mcast.dns.records import Record, show_type
from mcast.dns.writing import Writer
from mcast.errors import MalformedMessage

if TYPE_CHECKING:
    from mypy_extensions import i64

HEADER: Final = struct.Struct("!6H")
_unpack_header = HEADER.unpack_from
_unpack_question = struct.Struct("!HH").unpack_from
# The members of an IntEnum are slower to compare.
_A: Final = int(RecordType.A)
_AAAA: Final = int(RecordType.AAAA)
_PTR: Final = int(RecordType.PTR)
_SRV: Final = int(RecordType.SRV)
_TXT: Final = int(RecordType.TXT)
_RESPONSE: Final = int(Flag.RESPONSE)
_new: Final = Record.__new__
_unpack_record = struct.Struct("!HHIH").unpack_from
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


_new_question: Final = Question.__new__


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


class Message:
    """A DNS message; treated as immutable.

    :param additionals: without the pseudo-records.
    :param skipped: how many records the decoder left out since their rdata is malformed (RFC 6762 §6.1).
    """

    __slots__ = (*("additionals", "answers", "authorities", "flags", "id", "pseudo", "questions", "skipped"),)

    # Written out since the compiler leaves what a dataclass writes to the interpreter.
    def __init__(
        self,
        id: int = 0,
        flags: int = 0,
        questions: Sequence[Question] = (),
        answers: Sequence[Record] = (),
        authorities: Sequence[Record] = (),
        additionals: Sequence[Record] = (),
        pseudo: Sequence[PseudoRecord] = (),
        skipped: int = 0,
    ) -> None:
        self.id = id
        self.flags = flags
        self.questions = questions
        self.answers = answers
        self.authorities = authorities
        self.additionals = additionals
        self.pseudo = pseudo
        self.skipped = skipped

    def __eq__(self, other: object) -> bool:
        return self._fields() == other._fields() if isinstance(other, Message) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Message{self._fields()}"

    def _fields(self) -> tuple[object, ...]:
        sections = (self.questions, self.answers, self.authorities, self.additionals)
        return (self.id, self.flags, *sections, self.pseudo, self.skipped)

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
    # The octets of names are looked up in dictionaries, which a bytearray cannot be.
    data = datagram if type(datagram) is bytes else bytes(datagram)
    names: Names = {}
    try:
        identifier, flags, count, answers, authorities, additionals = _unpack_header(data)
        message = Message(identifier, flags)
        position: i64 = HEADER_SIZE
        if count:
            message.questions, position = _decode_questions(data, count, names)
        if answers or authorities or additionals:
            _decode_records(data, position, (answers, authorities, additionals), names, message)
    except (IndexError, struct.error):
        # Counts that promise too much end here, after at most as many entries as there are octets for.
        raise MalformedMessage("the message is cut short", len(data)) from None
    return message


def _decode_questions(data: bytes, count: i64, names: Names) -> tuple[list[Question], i64]:
    """Return the questions, and the position after them."""
    questions: list[Question] = []
    position: i64 = HEADER_SIZE
    while count:
        count -= 1
        name, position = read_name(data, position, names)
        if IS_COMPILED:
            qclass = two_octets(data, position + 2)
            question = Question(name, two_octets(data, position), qclass & CLASS_MASK, qclass >= TOP_BIT)
        else:
            qtype, qclass = _unpack_question(data, position)
            # As for records below.
            question = _new_question(Question)
            question.name = name  # type: ignore[misc]
            question.type = qtype  # type: ignore[misc]
            question.rclass = qclass & CLASS_MASK  # type: ignore[misc]
            question.unicast = qclass >= TOP_BIT  # type: ignore[misc]
        position += 4
        questions.append(question)
    return questions, position


def _decode_records(
    data: bytes, position: i64, counts: tuple[int, int, int], names: Names, message: Message
) -> None:
    """Read the three sections of records into ``message``.

    The busiest loop of the house: types that fill a network are read here, the others by `RDATA_READERS`.
    """
    size: i64 = len(data)
    sections: list[Sequence[Record]] = []
    pseudo: list[PseudoRecord] = []
    # Records of one owner stand together, and names of one ending: the last pointer needs no look-up.
    owner: i64 = 0
    ending: i64 = 0
    name = ROOT
    suffix = b""
    # Nothing points to the targets of known answers; if something does, they are read once more.
    is_response = message.flags >= _RESPONSE
    for count in counts:
        if not count:
            sections.append(())
            continue
        records: list[Record] = []
        sections.append(records)
        left: i64 = count
        while left:
            left -= 1
            if data[position] >= 0xC0:
                # Most owner names are a pointer to a name that was read already.
                start: i64 = position + 12
                pointer: i64
                if IS_COMPILED:
                    pointer = two_octets(data, position)
                    rtype, rclass, ttl, length = record_fields(data, position + 2)
                else:
                    # All at once, and without a call: a tenth of the time.
                    pointer, rtype, rclass, ttl, length = _unpack_pointed_record(data, position)
                if pointer != owner:
                    name = names.get(pointer) or read_suffix(data, position, pointer, names)
                    owner = pointer
            else:
                owner = position + POINTER
                name, start = read_name(data, position, names)
                fields = record_fields(data, start) if IS_COMPILED else _unpack_record(data, start)
                rtype, rclass, ttl, length = fields
                start += 10
            position = start + length
            if position > size:
                raise MalformedMessage("rdata runs over the end", start)
            try:
                if rtype == _PTR or rtype == _SRV:  # noqa: SIM109  (it would make a tuple each time)
                    begin: i64 = start if rtype == _PTR else start + 6
                    end: i64 = begin + data[begin] + 1
                    target = None
                    if end + 2 == position:
                        # One label and a pointer, or malformed; when the two make a name that we know, it is
                        # that.
                        pointer = data[end] << 8 | data[end + 1]
                        if pointer != ending:
                            suffix = (names.get(pointer) or read_suffix(data, begin, pointer, names)).wire
                            ending = pointer
                        target = interned.get(data[begin:end] + suffix)
                    if target is not None:
                        if is_response:
                            names[begin + POINTER] = target
                    else:
                        target, end = read_name(data, begin, names)
                        if end != position:
                            raise MalformedMessage("a name does not fill the rdata", end)
                    rdata = target.wire if rtype == _PTR else data[start:begin] + target.wire
                elif (rtype == _A and length == 4) or (rtype == _AAAA and length == 16):
                    rdata = data[start:position]
                elif rtype == _TXT:
                    end = start
                    while end < position:
                        end += data[end] + 1
                    if end != position:
                        raise MalformedMessage("a string does not end within the rdata", end)
                    rdata = data[start:position]
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
    try:
        header = HEADER.pack(
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
    writer = Writer(legacy, header=header)
    for question in message.questions:
        writer.write_question(question.name, question.type, question.rclass, question.unicast)
    for section in (message.answers, message.authorities, message.additionals):
        for record in section:
            writer.write_record(record)
    for extra in message.pseudo:
        writer.write_fields(extra.name.wire, extra.type, extra.rclass, extra.ttl, extra.rdata)
    return bytes(writer.buffer)
