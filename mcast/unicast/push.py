"""The octets of DNS Push Notifications: SUBSCRIBE, PUSH, UNSUBSCRIBE and RECONFIRM (RFC 8765 §6)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from mcast.dns.codes import OPCODE_SHIFT, PSEUDO_TYPES, Opcode, RecordClass, RecordType, ResponseCode
from mcast.dns.names import Name
from mcast.dns.reading import HEADER_SIZE, RDATA_READERS, Names, read_name
from mcast.dns.records import Identity, Record
from mcast.dns.writing import Writer
from mcast.errors import MalformedMessage
from mcast.unicast.dso import DSOMessage, DSOType, Item, SessionError

MAX_PUSH = 16_382
"""Octets of a PUSH message without its frame (RFC 8765 §6.3.1)."""

REMOVED = 0xFFFFFFFF
"""The TTL that says: this record is removed (RFC 8765 §6.3.1)."""

REMOVED_TOGETHER = 0xFFFFFFFE
"""The TTL that says: a whole set of records is removed (RFC 8765 §6.3.1)."""

HIGHEST_TTL = 0x7FFFFFFF
"""The highest TTL of a record that is added (RFC 8765 §6.3.1)."""

RETRY_DELAYS: Final[dict[int, float]] = {
    ResponseCode.FORMERR: 300.0,
    ResponseCode.SERVFAIL: 60.0,
    ResponseCode.NOTIMP: 3600.0,
    ResponseCode.REFUSED: 300.0,
    ResponseCode.NOTAUTH: 300.0,
    ResponseCode.DSOTYPENI: 3600.0,
}
"""Seconds after which a refused subscription may be tried again (RFC 8765 §6.2.2)."""

OTHER_RETRY_DELAY = 300.0
"""The same for every other RCODE (RFC 8765 §6.2.2)."""

_TYPE_CLASS: Final = struct.Struct("!HH")
_RECORD: Final = struct.Struct("!HHIH")
_ITEM: Final = struct.Struct("!HH")
_ID: Final = struct.Struct("!H")


def retry_delay_of(rcode: int) -> float:
    """Return the seconds after which what got ``rcode`` may be tried again (RFC 8765 §6.2.2)."""
    return RETRY_DELAYS.get(rcode, OTHER_RETRY_DELAY)


class Topic(NamedTuple):
    """What a subscription is for; 255 as type or class stands for all of them (RFC 8765 §6.2.1)."""

    name: Name
    type: int
    rclass: int = RecordClass.IN

    @property
    def key(self) -> tuple[bytes, int, int]:
        """What makes two subscriptions duplicates: the case of the name does not matter."""
        return self.name.key, self.type, self.rclass

    def matches(self, name: Name, rtype: int, rclass: int) -> bool:
        """Tell whether a record belongs to the answer; a CNAME answers every type (RFC 8765 §2, §6.3.1)."""
        return (
            name.key == self.name.key
            and (self.rclass in (RecordClass.ANY, rclass))
            and (self.type in (RecordType.ANY, rtype) or rtype == RecordType.CNAME)
        )


class ChangeKind(Enum):
    """What a change notification says (RFC 8765 §6.3.1)."""

    ADD = "add"
    REMOVE = "remove"
    REMOVE_SET = "remove the record set"
    REMOVE_CLASS = "remove all of the name in the class"
    REMOVE_NAME = "remove all of the name"


@dataclass(frozen=True, slots=True)
class Change:
    """One change notification."""

    kind: ChangeKind
    name: Name
    type: int = RecordType.ANY
    rclass: int = RecordClass.ANY
    ttl: int = 0
    """Of a record that is added, in seconds."""
    rdata: bytes = b""

    @property
    def record(self) -> Record:
        """The record that is added or removed; of no meaning for a whole set."""
        return Record(self.name, self.type, self.rclass, self.ttl, self.rdata)

    def removes(self, identity: Identity) -> bool:
        """Tell whether this removes the record with such an identity."""
        name, rtype, rclass, _ = identity
        if name != self.name.key:
            return False
        match self.kind:
            case ChangeKind.REMOVE:
                return identity == self.record.identity
            case ChangeKind.REMOVE_SET:
                return (rtype, rclass) == (self.type, self.rclass)
            case ChangeKind.REMOVE_CLASS:
                return rclass == self.rclass
            case ChangeKind.REMOVE_NAME:
                return True
        return False

    @classmethod
    def adding(cls, record: Record) -> Change:
        """Return the notification that a record was added; its TTL is not changed (RFC 8766 §5.5.1)."""
        ttl = min(record.ttl, HIGHEST_TTL)
        return cls(ChangeKind.ADD, record.name, record.type, record.rclass, ttl, record.rdata)

    @classmethod
    def removing(cls, record: Record) -> Change:
        """Return the notification that this one record was removed."""
        return cls(ChangeKind.REMOVE, record.name, record.type, record.rclass, 0, record.rdata)

    def write(self, writer: Writer) -> None:
        """Write it into a message, compressed as RFC 6762 §18.14 says.

        :raises ValueError: a number is out of range, or the rdata does not have the layout of its type.
        """
        owner = self.name.wire
        match self.kind:
            case ChangeKind.ADD:
                writer.write_fields(owner, self.type, self.rclass, self.ttl, self.rdata)
            case ChangeKind.REMOVE:
                writer.write_fields(owner, self.type, self.rclass, REMOVED, self.rdata)
            case ChangeKind.REMOVE_SET:
                _write_collective(writer, owner, self.type, self.rclass)
            case ChangeKind.REMOVE_CLASS:
                _write_collective(writer, owner, RecordType.ANY, self.rclass)
            case ChangeKind.REMOVE_NAME:
                # TYPE is zero on transmission (RFC 8765 §6.3.1).
                _write_collective(writer, owner, 0, RecordClass.ANY)


def _write_collective(writer: Writer, owner: bytes, rtype: int, rclass: int) -> None:
    writer.write_name(owner)
    writer.buffer.extend(_RECORD.pack(rtype, rclass, REMOVED_TOGETHER, 0))


def write_pushes(changes: Iterable[Change]) -> Iterator[bytes]:
    """Yield the PUSH messages that tell all changes, as few as their greatest size allows.

    A change that does not fit into a message of its own, or has no valid octets, is left out.
    """
    writer = _push_writer()
    empty = len(writer.buffer)
    for change in changes:
        for _ in range(2):
            mark = writer.mark()
            try:
                change.write(writer)
            except ValueError:
                writer.rewind(mark)
                break
            if len(writer.buffer) <= MAX_PUSH:
                break
            writer.rewind(mark)
            if len(writer.buffer) == empty:
                break
            yield _finished(writer)
            writer = _push_writer()
    if len(writer.buffer) > empty:
        yield _finished(writer)


_PUSH_HEADER: Final = struct.pack("!HHHHHH", 0, Opcode.DSO << OPCODE_SHIFT, 0, 0, 0, 0)


def _push_writer() -> Writer:
    writer = Writer()
    writer.buffer[:HEADER_SIZE] = _PUSH_HEADER
    writer.buffer.extend(_ITEM.pack(DSOType.PUSH, 0))
    return writer


def _finished(writer: Writer) -> bytes:
    start = HEADER_SIZE + _ITEM.size
    _ID.pack_into(writer.buffer, start - 2, len(writer.buffer) - start)
    return bytes(writer.buffer)


class Pushed(NamedTuple):
    """What a PUSH message says."""

    changes: list[Change]
    skipped: int
    """How many were left out: the TTL has no meaning (RFC 8765 §6.3.1), or the rdata is malformed."""


def read_push(message: DSOMessage) -> Pushed:
    """Return what a PUSH message says.

    :raises SessionError: it is too long, it says nothing, or what it says is against the rules.
    :raises MalformedMessage: a notification is cut short.
    """
    if len(message.octets) > MAX_PUSH:
        raise SessionError(f"a PUSH message of {len(message.octets)} octets")
    position, end = _span(message.primary)
    if position == end:
        raise SessionError("a PUSH message without a change notification")
    changes: list[Change] = []
    skipped = 0
    # Only what lies before the end of the item is read; pointers lead backwards.
    data = message.octets[:end]
    names: Names = {}
    while position < end:
        try:
            name, position = read_name(data, position, names)
            rtype, rclass, ttl, length = _RECORD.unpack_from(data, position)
        except (IndexError, struct.error):
            raise MalformedMessage("a change notification is cut short", position) from None
        start = position + _RECORD.size
        position = start + length
        if position > end:
            raise MalformedMessage("rdata runs over the end", start)
        if ttl == REMOVED_TOGETHER:
            if length:
                raise SessionError("a collective remove notification with rdata")
            changes.append(_collective(name, rtype, rclass))
            continue
        if HIGHEST_TTL < ttl < REMOVED_TOGETHER:
            skipped += 1
            continue
        if RecordType.ANY in (rtype, rclass):
            raise SessionError("a change notification with type or class ANY")
        rdata = _read_rdata(data, start, position, rtype, names)
        if rdata is None:
            skipped += 1
            continue
        kind, ttl = (ChangeKind.REMOVE, 0) if ttl == REMOVED else (ChangeKind.ADD, ttl)
        changes.append(Change(kind, name, rtype, rclass, ttl, rdata))
    return Pushed(changes, skipped)


def _collective(name: Name, rtype: int, rclass: int) -> Change:
    if rclass == RecordClass.ANY:
        return Change(ChangeKind.REMOVE_NAME, name)
    if rtype == RecordType.ANY:
        return Change(ChangeKind.REMOVE_CLASS, name, rclass=rclass)
    return Change(ChangeKind.REMOVE_SET, name, rtype, rclass)


def _read_rdata(data: bytes, start: int, end: int, rtype: int, names: Names) -> bytes | None:
    """Return rdata without compression; None when it is malformed, or the type is that of no data."""
    if rtype in PSEUDO_TYPES:
        return None
    reader = RDATA_READERS.get(rtype)
    if reader is None or start == end:
        # Empty rdata may be valid, and is for whoever knows the type to judge (RFC 8765 §6.3.1).
        return data[start:end]
    try:
        return reader(data, start, end, names)
    except (MalformedMessage, IndexError, struct.error):
        return None


def _span(item: Item) -> tuple[int, int]:
    return item.start, item.start + len(item.data)


def subscribe_item(topic: Topic) -> Item:
    """Return the SUBSCRIBE item for a topic (RFC 8765 §6.2.1)."""
    return Item(DSOType.SUBSCRIBE, topic.name.wire + _TYPE_CLASS.pack(topic.type, topic.rclass))


def read_subscribe(message: DSOMessage) -> Topic:
    """Return what a SUBSCRIBE request asks for.

    :raises MalformedMessage: it is not exactly one name, type and class.
    """
    name, rtype, rclass, position, end = _read_name_type_class(message)
    if position != end:
        raise MalformedMessage("a SUBSCRIBE TLV has more than a name, a type and a class", position)
    return Topic(name, rtype, rclass)


def unsubscribe_item(identifier: int) -> Item:
    """Return the UNSUBSCRIBE item that cancels the SUBSCRIBE request with a MESSAGE ID (RFC 8765 §6.4.1)."""
    return Item(DSOType.UNSUBSCRIBE, _ID.pack(identifier))


def read_unsubscribe(message: DSOMessage) -> int:
    """Return the MESSAGE ID of the SUBSCRIBE request that is cancelled.

    :raises MalformedMessage: it has not 2 octets.
    """
    if len(message.primary.data) != _ID.size:
        raise MalformedMessage("an UNSUBSCRIBE TLV has not 2 octets", message.primary.start)
    (identifier,) = _ID.unpack(message.primary.data)
    return int(identifier)


def reconfirm_item(record: Record) -> Item:
    """Return the RECONFIRM item that disputes a record (RFC 8765 §6.5.1).

    Names in the rdata are compressed, as RFC 8765 §6.5.1 asks, so that it must be the first of its message.

    :raises ValueError: type or class is ANY, or the rdata does not have the layout of its type.
    """
    if RecordType.ANY in (record.type, record.rclass):
        raise ValueError("a record that is disputed has one type and class, not ANY")
    writer = Writer()
    writer.buffer.extend(bytes(_ITEM.size))
    start = len(writer.buffer)
    writer.write_name(record.name.wire)
    writer.buffer.extend(_TYPE_CLASS.pack(record.type, record.rclass))
    writer.write_rdata(record.type, record.rdata)
    return Item(DSOType.RECONFIRM, bytes(writer.buffer[start:]))


def read_reconfirm(message: DSOMessage) -> Record:
    """Return the record, with TTL 0, that a RECONFIRM message disputes.

    :raises SessionError: type or class is ANY.
    :raises MalformedMessage: it is not exactly one record.
    """
    name, rtype, rclass, position, end = _read_name_type_class(message)
    if RecordType.ANY in (rtype, rclass):
        raise SessionError("a RECONFIRM message with type or class ANY")
    rdata = _read_rdata(message.octets[:end], position, end, rtype, {})
    if rdata is None:
        raise MalformedMessage("malformed rdata", position)
    return Record(name, rtype, rclass, 0, rdata)


def _read_name_type_class(message: DSOMessage) -> tuple[Name, int, int, int, int]:
    """Return name, type and class, where the data goes on, and where it ends."""
    start, end = _span(message.primary)
    data = message.octets[:end]
    try:
        name, position = read_name(data, start, {})
        rtype, rclass = _TYPE_CLASS.unpack_from(data, position)
    except (IndexError, struct.error):
        raise MalformedMessage("a name, type and class are cut short", start) from None
    return name, rtype, rclass, position + _TYPE_CLASS.size, end
