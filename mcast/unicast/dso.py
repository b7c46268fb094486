"""The octets of DNS Stateful Operations: messages that hold type-length-value items (RFC 8490 §5.4).

A message is told here without the two octets of length that frame it in a stream of octets (RFC 7766 §8).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from mcast.dns.codes import OPCODE_MASK, OPCODE_SHIFT, RCODE_MASK, Flag, Opcode, RecordType, ResponseCode
from mcast.dns.messages import decode
from mcast.dns.reading import HEADER_SIZE
from mcast.errors import MalformedMessage, McastError

DEFAULT_TIMEOUT = 15.0
"""Seconds of both session timeouts until a Keepalive told others (RFC 8490 §6.2)."""

RECOMMENDED_KEEPALIVE = 3600.0
"""Seconds that clients should ask for and servers grant as keepalive interval (RFC 8490 §6.5.2)."""

LEAST_KEEPALIVE = 10.0
"""Seconds that no keepalive interval may be below (RFC 8490 §6.5.2)."""

INFINITE_MILLISECONDS = 0xFFFFFFFF
"""What stands for "no timeout" (RFC 8490 §6.4.2, §6.5.2), and the longest retry delay (RFC 8490 §6.6.3)."""

PADDED_REQUEST = 128
"""Octets of which a padded request is a multiple (RFC 8467 §4.1, for queries)."""

PADDED_RESPONSE = 468
"""Octets of which a padded response is a multiple (RFC 8467 §4.1)."""

MAX_DSO_MESSAGE = 0xFFFF
"""Octets of a message: what its frame can tell (RFC 7766 §8)."""

EDNS_TCP_KEEPALIVE = 11
"""The EDNS(0) option that no message of a DSO session may hold (RFC 8490 §5.4.6, RFC 7828)."""

_HEADER: Final = struct.Struct("!HHHHHH")
_ITEM: Final = struct.Struct("!HH")
_KEEPALIVE: Final = struct.Struct("!II")
_DELAY: Final = struct.Struct("!I")


class DSOType(IntEnum):
    """DSO type codes (RFC 8490 §10.3, RFC 8765 §8)."""

    KEEPALIVE = 0x0001
    RETRY_DELAY = 0x0002
    ENCRYPTION_PADDING = 0x0003
    SUBSCRIBE = 0x0040
    PUSH = 0x0041
    UNSUBSCRIBE = 0x0042
    RECONFIRM = 0x0043


PERMITTED_EARLY = frozenset({DSOType.KEEPALIVE, DSOType.SUBSCRIBE})
"""What may be the primary item of a message in TLS early data (RFC 8490 §10.3, RFC 8765 §8)."""


class SessionError(McastError):
    """The other end broke a rule so that the session must be forcibly aborted (RFC 8490 §5.3.1)."""


class Item(NamedTuple):
    """A TLV: type, length and value (RFC 8490 §5.4.4)."""

    type: int
    data: bytes
    start: int = 0
    """Where the data starts in the message that it was read from: names in it may point there."""


@dataclass(frozen=True, slots=True)
class DSOMessage:
    """A DSO message that was read."""

    octets: bytes
    """The whole message."""
    id: int
    is_response: bool
    rcode: int
    items: tuple[Item, ...]

    @property
    def primary(self) -> Item:
        """The first item, which tells the operation; of a request or unidirectional message only."""
        return self.items[0]

    def find(self, kind: int) -> Item | None:
        """Return the first item of a type."""
        return next((item for item in self.items if item.type == kind), None)


class Header(NamedTuple):
    """The header of any DNS message."""

    id: int
    flags: int
    counts: tuple[int, int, int, int]

    @property
    def is_response(self) -> bool:
        """Whether QR is set."""
        return bool(self.flags & Flag.RESPONSE)

    @property
    def opcode(self) -> int:
        """OPCODE; 6 in a DSO message."""
        return (self.flags & OPCODE_MASK) >> OPCODE_SHIFT


def read_header(octets: bytes) -> Header:
    """Return the header of a DNS message.

    :raises MalformedMessage: there are fewer octets than a header has.
    """
    if len(octets) < HEADER_SIZE:
        raise MalformedMessage("the message is shorter than a header", len(octets))
    identifier, flags, *counts = _HEADER.unpack_from(octets)
    return Header(identifier, flags, (counts[0], counts[1], counts[2], counts[3]))


def read_dso(octets: bytes) -> DSOMessage:
    """Return the DSO message that ``octets``, with OPCODE 6, are.

    The Z bits are ignored (RFC 8490 §5.4.1), and so is what an item holds.

    :raises MalformedMessage: a count is not zero, an item runs over the end, or a message other than a
        response has no item.
    """
    header = read_header(octets)
    if any(header.counts):
        raise MalformedMessage("a DSO message has records", 4)
    items = []
    position = HEADER_SIZE
    while position < len(octets):
        if position + _ITEM.size > len(octets):
            raise MalformedMessage("a TLV is cut short", position)
        kind, length = _ITEM.unpack_from(octets, position)
        position += _ITEM.size
        if position + length > len(octets):
            raise MalformedMessage("a TLV runs over the end of the message", position)
        items.append(Item(kind, octets[position : position + length], position))
        position += length
    if not items and not header.is_response:
        raise MalformedMessage("a DSO message has no TLV", HEADER_SIZE)
    return DSOMessage(octets, header.id, header.is_response, header.flags & RCODE_MASK, tuple(items))


def write_dso(
    identifier: int, items: Iterable[Item], *, response: bool = False, rcode: int = 0, block: int = 0
) -> bytes:
    """Return the octets of a DSO message.

    :param block: make its size a multiple of this by Encryption Padding (RFC 8490 §7.3); 0 for none.
    :raises ValueError: a number is out of range, or all is longer than `MAX_DSO_MESSAGE`.
    """
    flags = (Flag.RESPONSE if response else 0) | Opcode.DSO << OPCODE_SHIFT | rcode
    try:
        parts = [_HEADER.pack(identifier, flags, 0, 0, 0, 0)]
        for item in items:
            parts += (_ITEM.pack(item.type, len(item.data)), item.data)
    except struct.error:
        raise ValueError("a number in a DSO message is out of range") from None
    octets = b"".join(parts)
    if block:
        filling = -(len(octets) + _ITEM.size) % block
        octets += _ITEM.pack(DSOType.ENCRYPTION_PADDING, filling) + bytes(filling)
    if len(octets) > MAX_DSO_MESSAGE:
        raise ValueError(f"a message has at most {MAX_DSO_MESSAGE} octets, not {len(octets)}")
    return octets


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The two timeouts of a session in seconds; ``math.inf`` for none (RFC 8490 §6.2)."""

    inactivity: float = DEFAULT_TIMEOUT
    """How long a session may stay open without an operation."""
    keepalive: float = DEFAULT_TIMEOUT
    """How long a session may stay without a message before the client sends a Keepalive."""

    def item(self) -> Item:
        """Return the Keepalive item that tells them (RFC 8490 §7.1)."""
        return Item(
            DSOType.KEEPALIVE, _KEEPALIVE.pack(milliseconds(self.inactivity), milliseconds(self.keepalive))
        )

    @classmethod
    def read(cls, item: Item) -> Timeouts:
        """Return what a Keepalive item tells.

        :raises MalformedMessage: it has not 8 octets.
        """
        if len(item.data) != _KEEPALIVE.size:
            raise MalformedMessage("a Keepalive TLV has not 8 octets", item.start)
        inactivity, keepalive = _KEEPALIVE.unpack(item.data)
        return cls(_seconds(inactivity), _seconds(keepalive))


def milliseconds(seconds: float) -> int:
    """Return a duration as the field of 32 bits that tells it; beyond its range it is infinite."""
    if seconds * 1000 >= INFINITE_MILLISECONDS:
        return INFINITE_MILLISECONDS
    return max(0, round(seconds * 1000))


def _seconds(field: int) -> float:
    return math.inf if field == INFINITE_MILLISECONDS else field / 1000


def retry_delay_item(seconds: float) -> Item:
    """Return a Retry Delay item (RFC 8490 §7.2)."""
    return Item(DSOType.RETRY_DELAY, _DELAY.pack(milliseconds(seconds)))


def read_retry_delay(item: Item) -> float:
    """Return the seconds that a Retry Delay item tells: at most 49.7 days (RFC 8490 §6.6.3).

    :raises MalformedMessage: it has not 4 octets.
    """
    if len(item.data) != _DELAY.size:
        raise MalformedMessage("a Retry Delay TLV has not 4 octets", item.start)
    (field,) = _DELAY.unpack(item.data)
    return float(field) / 1000


def refuse_dso(octets: bytes) -> bytes | None:
    """Return the answer to a DSO message where there can be no session: over UDP, or TCP without TLS.

    NOTIMP tells the client that there is no DSO here (RFC 8490 §5.1.1). A response and a unidirectional
    message get no answer (RFC 8490 §5.4.3).
    """
    header = read_header(octets)
    if header.is_response or not header.id:
        return None
    return write_dso(header.id, (), response=True, rcode=ResponseCode.NOTIMP)


def has_tcp_keepalive(octets: bytes) -> bool:
    """Tell whether a DNS message that is no DSO message has the edns-tcp-keepalive option (RFC 7828)."""
    if not read_header(octets).counts[3]:
        return False
    try:
        message = decode(octets)
    except MalformedMessage:
        return False
    return any(
        option == EDNS_TCP_KEEPALIVE
        for extra in message.pseudo
        if extra.type == RecordType.OPT
        for option in _options(extra.rdata)
    )


def _options(rdata: bytes) -> list[int]:
    """Return the codes of the options in OPT rdata, as far as it is well-formed (RFC 6891 §6.1.2)."""
    codes = []
    position = 0
    while position + _ITEM.size <= len(rdata):
        code, length = _ITEM.unpack_from(rdata, position)
        codes.append(code)
        position += _ITEM.size + length
    return codes
