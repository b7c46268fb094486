"""Resource records as immutable values, and the functions that make them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

from mcast.dns.codes import CLASS_MASK, RecordClass, RecordType
from mcast.dns.names import Name, end_of_wire
from mcast.dns.rdata import LAYOUTS, fold_rdata, name_span

Identity = tuple[bytes, int, int, bytes]
"""What makes two records the same one: name key, type, class, and rdata with the case of its names folded."""

MAX_STRING = 255
"""Octets of a character string (RFC 1035 §3.3)."""

MAX_RDATA = 0xFFFF
"""Octets of rdata (RFC 1035 §3.2.1)."""


class ServiceData(NamedTuple):
    """The rdata of an SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: Name


class TextData(NamedTuple):
    """The rdata of a TXT record: character strings of up to 255 octets each (RFC 1035 §3.3.14)."""

    strings: tuple[bytes, ...]


class HostInfo(NamedTuple):
    """The rdata of an HINFO record (RFC 1035 §3.3.2)."""

    cpu: bytes
    os: bytes


class NextSecure(NamedTuple):
    """The rdata of an NSEC record: the types that exist for its owner name (RFC 4034 §4.1, RFC 6762 §6.1)."""

    next_name: Name
    """Of no meaning in Multicast DNS; the owner name in what we send."""
    types: frozenset[int]


RecordData = IPv4Address | IPv6Address | Name | ServiceData | TextData | HostInfo | NextSecure | bytes
"""What `Record.data` can be."""


class Record:
    """A resource record. Immutable: nobody assigns to an attribute, and mypy holds us to it.

    A guard in ``__setattr__``, as a frozen dataclass has it, would double the time to make one.

    :param type: a `RecordType` or any other number up to 65535.
    :param rclass: the class, without the cache-flush bit (RFC 6762 §10.2).
    :param ttl: time to live in seconds, as it stands in the message.
    :param rdata: with the names in it uncompressed and in their original case; trusted to be well-formed.
    :param cache_flush: the record is a member of a unique record set (RFC 6762 §18.13).
    """

    __slots__ = ("_identity", "cache_flush", "name", "rclass", "rdata", "ttl", "type")

    def __init__(
        self, name: Name, type: int, rclass: int, ttl: int, rdata: bytes, cache_flush: bool = False
    ) -> None:
        self.name: Final = name
        self.type: Final = type
        self.rclass: Final = rclass
        self.ttl: Final = ttl
        self.rdata: Final = rdata
        self.cache_flush: Final = cache_flush
        self._identity: Identity | None = None

    @property
    def identity(self) -> tuple[bytes, int, int, bytes]:
        """What makes this "the same record" as another one, whatever TTL and flush bit."""
        identity = self._identity
        if identity is None:
            rdata = fold_rdata(self.type, self.rdata)
            identity = self._identity = (self.name.key, self.type, self.rclass, rdata)
        return identity

    @property
    def data(self) -> RecordData:
        """The rdata as a value of its type; `bytes` for a type we do not know, and for malformed rdata."""
        reader = _VALUES.get(self.type)
        if reader is None:
            return self.rdata
        try:
            return reader(self.rdata)
        except (ValueError, IndexError, struct.error):
            return self.rdata

    def with_ttl(self, ttl: int) -> Record:
        """Return this record with another TTL, in seconds."""
        if ttl == self.ttl:
            return self
        return self._changed(ttl, self.cache_flush)

    def with_cache_flush(self, cache_flush: bool) -> Record:
        """Return this record with the cache-flush bit set or cleared."""
        if cache_flush == self.cache_flush:
            return self
        return self._changed(self.ttl, cache_flush)

    def _changed(self, ttl: int, cache_flush: bool) -> Record:
        """Return a record of the same identity, which is found out once for both."""
        changed = Record(self.name, self.type, self.rclass, ttl, self.rdata, cache_flush)
        changed._identity = self._identity
        return changed

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Record):
            return NotImplemented
        return (
            self.ttl == other.ttl
            and self.cache_flush == other.cache_flush
            and self.identity == other.identity
        )

    def __hash__(self) -> int:
        return hash(self.identity)

    def __repr__(self) -> str:
        flush = ", cache_flush=True" if self.cache_flush else ""
        head = f"Record({str(self.name)!r}, {show_type(self.type)}, {self.rclass}, {self.ttl}"
        return f"{head}, {self.data!r}{flush})"


def show_type(rtype: int) -> str:
    """Return the mnemonic of a type, or ``TYPE123`` for one without (RFC 3597 §5)."""
    try:
        return RecordType(rtype).name
    except ValueError:
        return f"TYPE{rtype}"


def address(
    name: Name, value: IPv4Address | IPv6Address | str, ttl: int, cache_flush: bool = False
) -> Record:
    """Make an A or AAAA record.

    :raises ValueError: ``value`` is no address.
    """
    # An IPv6 zone has no place in a record, and .packed leaves it out.
    octets = (ip_address(value) if isinstance(value, str) else value).packed
    rtype = RecordType.A if len(octets) == 4 else RecordType.AAAA
    return Record(name, rtype, RecordClass.IN, ttl, octets, cache_flush)


def pointer(name: Name, target: Name, ttl: int, cache_flush: bool = False) -> Record:
    """Make a PTR record."""
    return Record(name, RecordType.PTR, RecordClass.IN, ttl, target.wire, cache_flush)


def alias(name: Name, target: Name, ttl: int, cache_flush: bool = False) -> Record:
    """Make a CNAME record."""
    return Record(name, RecordType.CNAME, RecordClass.IN, ttl, target.wire, cache_flush)


def service(
    name: Name, priority: int, weight: int, port: int, target: Name, ttl: int, cache_flush: bool = False
) -> Record:
    """Make an SRV record.

    :raises ValueError: priority, weight or port is not in 0 to 65535.
    """
    try:
        rdata = _SERVICE.pack(priority, weight, port) + target.wire
    except struct.error:
        raise ValueError(
            f"priority, weight and port are 0 to 65535, not {priority}, {weight}, {port}"
        ) from None
    return Record(name, RecordType.SRV, RecordClass.IN, ttl, rdata, cache_flush)


def text(name: Name, strings: Sequence[bytes], ttl: int, cache_flush: bool = False) -> Record:
    """Make a TXT record; no strings at all become one empty string, the shortest valid rdata (RFC 6763 §6.1).

    :raises ValueError: a string is longer than 255 octets, or all together than 65535.
    """
    return Record(name, RecordType.TXT, RecordClass.IN, ttl, _pack_strings(strings or (b"",)), cache_flush)


def host_info(name: Name, cpu: bytes, os: bytes, ttl: int, cache_flush: bool = False) -> Record:
    """Make an HINFO record.

    :raises ValueError: a string is longer than 255 octets.
    """
    return Record(name, RecordType.HINFO, RecordClass.IN, ttl, _pack_strings((cpu, os)), cache_flush)


def next_secure(name: Name, types: Iterable[int], ttl: int, cache_flush: bool = True) -> Record:
    """Make an NSEC record that says which types ``name`` has (RFC 6762 §6.1).

    It has the restricted form (one bitmap, of block 0) unless a type is above 255. The NSEC bit itself is
    left out, since ours are synthesised. The cache-flush bit is set by default: only an owner can deny types.

    :raises ValueError: a type is not in 1 to 65535, or none is left: there is no empty bitmap.
    """
    others = set(types) - {RecordType.NSEC}
    if not others:
        raise ValueError("an NSEC record names at least one type besides NSEC")
    return Record(name, RecordType.NSEC, RecordClass.IN, ttl, name.wire + pack_bitmaps(others), cache_flush)


def raw(
    name: Name, type: int, rdata: bytes, ttl: int, rclass: int = RecordClass.IN, cache_flush: bool = False
) -> Record:
    """Make a record of any type from its uncompressed rdata.

    :raises ValueError: a number is out of range, or the rdata does not have the layout of a type we know.
    """
    if not 0 < type <= 0xFFFF:
        raise ValueError(f"a type is 1 to 65535, not {type}")
    if not 0 <= rclass <= CLASS_MASK:
        raise ValueError(f"a class is 0 to {CLASS_MASK}, not {rclass}")
    if len(rdata) > MAX_RDATA:
        raise ValueError(f"rdata has at most {MAX_RDATA} octets, not {len(rdata)}")
    layout = LAYOUTS.get(type)
    if layout is not None:
        name_span(layout, rdata)
    record = Record(name, type, rclass, ttl, bytes(rdata), cache_flush)
    if type in _VALUES and isinstance(record.data, bytes):
        raise ValueError(f"malformed rdata of type {show_type(type)}")
    return record


_SERVICE = struct.Struct("!HHH")


def _pack_strings(strings: Iterable[bytes]) -> bytes:
    rdata = bytearray()
    for string in strings:
        if len(string) > MAX_STRING:
            raise ValueError(f"a string has at most {MAX_STRING} octets, not {len(string)}: {string!r}")
        rdata.append(len(string))
        rdata += string
    if len(rdata) > MAX_RDATA:
        raise ValueError(f"rdata has at most {MAX_RDATA} octets, not {len(rdata)}")
    return bytes(rdata)


def unpack_strings(rdata: bytes) -> tuple[bytes, ...]:
    """Return the character strings that rdata consists of.

    :raises ValueError: the last one is cut short.
    """
    strings = []
    position = 0
    while position < len(rdata):
        end = position + 1 + rdata[position]
        strings.append(rdata[position + 1 : end])
        position = end
    if position != len(rdata):
        raise ValueError("a string is cut short")
    return tuple(strings)


def pack_bitmaps(types: Iterable[int]) -> bytes:
    """Return the bitmaps of an NSEC record, the lowest types first (RFC 4034 §4.1.2).

    :raises ValueError: a type is not in 1 to 65535.
    """
    blocks: dict[int, bytearray] = {}
    for rtype in sorted(types):
        if not 0 < rtype <= 0xFFFF:
            raise ValueError(f"a type is 1 to 65535, not {rtype}")
        bitmap = blocks.setdefault(rtype >> 8, bytearray())
        octet = (rtype & 0xFF) >> 3
        bitmap += bytes(octet + 1 - len(bitmap))
        bitmap[octet] |= 0x80 >> (rtype & 7)
    return b"".join([bytes((block, len(bits))) + bits for block, bits in blocks.items()])


def unpack_bitmaps(rdata: bytes, start: int) -> frozenset[int]:
    """Return the types in the bitmaps that fill rdata from ``start`` (RFC 4034 §4.1.2).

    :raises ValueError: a block is out of order, has not 1 to 32 octets, or is cut short.
    """
    types = []
    last = -1
    size = len(rdata)
    while start < size:
        if start + 2 > size:
            raise ValueError("a bitmap is cut short")
        block, length = rdata[start], rdata[start + 1]
        start += 2
        if block <= last or not 0 < length <= 32 or start + length > size:
            raise ValueError("a bitmap is malformed")
        last = block
        for octet, bits in enumerate(rdata[start : start + length]):
            if bits:
                base = block << 8 | octet << 3
                types += [base + bit for bit in range(8) if bits & 0x80 >> bit]
        start += length
    # Number 0 is no type, and what is none "MUST be ignored upon being read" (RFC 4034 §4.1.2).
    return frozenset(types) - {0}


def _read_text(rdata: bytes) -> TextData:
    return TextData(unpack_strings(rdata))


def _read_host_info(rdata: bytes) -> HostInfo:
    cpu, os = unpack_strings(rdata)
    return HostInfo(cpu, os)


def _read_service(rdata: bytes) -> ServiceData:
    priority, weight, port = _SERVICE.unpack_from(rdata)
    return ServiceData(priority, weight, port, Name.from_wire(rdata[6:]))


def _read_next_secure(rdata: bytes) -> NextSecure:
    end = end_of_wire(rdata, 0)
    return NextSecure(Name.from_wire(rdata[:end]), unpack_bitmaps(rdata, end))


_VALUES: Final[dict[int, Callable[[bytes], RecordData]]] = {
    int(RecordType.A): IPv4Address,
    int(RecordType.NS): Name.from_wire,
    int(RecordType.CNAME): Name.from_wire,
    int(RecordType.PTR): Name.from_wire,
    int(RecordType.DNAME): Name.from_wire,
    int(RecordType.HINFO): _read_host_info,
    int(RecordType.TXT): _read_text,
    int(RecordType.AAAA): IPv6Address,
    int(RecordType.SRV): _read_service,
    int(RecordType.NSEC): _read_next_secure,
}
"""How the rdata of each type becomes `Record.data`."""
