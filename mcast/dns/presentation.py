r"""Records as text and back, as zone files write them (RFC 1035 §5.1).

Names are shown as people read them, in UTF-8: ``\.`` is a dot within a label and ``\032`` a blank, where a
blank would end the name. What `show_data` shows, `parse_data` reads again, to the same octets. A type without
a form of its own has the form ``\# LENGTH HEXADECIMAL`` (RFC 3597 §5), and so has rdata that is malformed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from mcast.dns import records
from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.names import ROOT, Name, end_of_wire
from mcast.dns.rdata import ANY_TAIL, LAYOUTS, Layout
from mcast.dns.records import HostInfo, NextSecure, Record, TextData, show_type
from mcast.dns.words import quoted, split_words, word_octets

_OCTETS = "\\#"
"""Begins rdata that is given in hexadecimal digits (RFC 3597 §5)."""

_DNSLIB_TYPES: Final = frozenset(
    {
        RecordType.LOC,
        RecordType.DS,
        RecordType.SSHFP,
        RecordType.RRSIG,
        RecordType.DNSKEY,
        RecordType.TLSA,
        RecordType.SMIMEA,
        RecordType.CDS,
        RecordType.CDNSKEY,
        RecordType.SVCB,
        RecordType.HTTPS,
        RecordType.CAA,
    }
)
"""The types that `mcast.dns.dnslib_types` shows and reads; only these make us import it."""


def show_data(record: Record) -> str:
    """Return the data of a record as one line of text; nothing is raised, whatever the rdata is."""
    data = record.data
    if isinstance(data, IPv4Address | IPv6Address):
        return str(data)
    if isinstance(data, TextData) and data.strings:
        return " ".join(quoted(string) for string in data.strings)
    if isinstance(data, HostInfo):
        return f"{quoted(data.cpu)} {quoted(data.os)}"
    if isinstance(data, NextSecure):
        # Bitmaps in a form that we would not read back, as with the bit of no type, are shown as octets.
        if record.rdata != data.next_name.wire + records.pack_bitmaps(data.types):
            return _show_octets(record.rdata)
        types = sorted(data.types - {RecordType.NSEC}) + sorted(data.types & {RecordType.NSEC})
        return " ".join([_one_word(data.next_name), *map(show_type, types)])
    layout = LAYOUTS.get(record.type)
    if record.type in _DNSLIB_TYPES:
        from mcast.dns import dnslib_types

        shown = dnslib_types.show(record.type, record.rdata)
        if shown is not None:
            return shown
    elif layout is not None and layout.tail != ANY_TAIL:
        try:
            return _show_layout(layout, record.rdata)
        except (ValueError, struct.error):
            pass
    return _show_octets(record.rdata)


def _show_octets(rdata: bytes) -> str:
    """Return rdata in the form for types that nobody knows (RFC 3597 §5)."""
    return f"{_OCTETS} {len(rdata)} {rdata.hex()}".rstrip()


def show_record(record: Record) -> str:
    """Return a record as one line of a zone file."""
    rclass = "IN" if record.rclass == RecordClass.IN else f"CLASS{record.rclass}"
    return f"{_one_word(record.name)} {record.ttl} {rclass} {show_type(record.type)} {show_data(record)}"


def parse_type(text: str) -> int:
    """Read a type: a mnemonic in any case, ``TYPE123`` (RFC 3597 §5), or a number.

    :raises ValueError: none of these, or not in 1 to 65535.
    """
    mnemonic = text.upper()
    if mnemonic in RecordType.__members__:
        return int(RecordType[mnemonic])
    digits = mnemonic.removeprefix("TYPE")
    # More than five digits are not worth converting.
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and 0 < int(digits) <= 0xFFFF):
        raise ValueError(f"{text}: neither a record type that is known nor a number from 1 to 65535")
    return int(digits)


def parse_data(rtype: int, text: str) -> bytes:
    """Return the rdata that ``text`` describes.

    :param rtype: one without a form of its own is given as octets, as any type may be.
    :raises ValueError: naming the type, and what is wrong.
    """
    try:
        if text.split(None, 1)[:1] == [_OCTETS]:
            return _checked(rtype, _parse_octets(split_words(text)[1:]))
        return _checked(rtype, _parse(rtype, text))
    except ValueError as error:
        raise ValueError(f"{show_type(rtype)} data {text!r}: {error}") from None


def _parse(rtype: int, text: str) -> bytes:
    parse = _PARSERS.get(rtype)
    if parse is not None:
        return parse(split_words(text))
    if rtype in _DNSLIB_TYPES:
        from mcast.dns import dnslib_types

        return dnslib_types.parse(rtype, split_words(text))
    layout = LAYOUTS.get(rtype)
    if layout is not None and layout.tail != ANY_TAIL:
        return _parse_layout(layout, text)
    raise ValueError(f"this type is given in octets, as {_OCTETS} 2 00ff")


def _checked(rtype: int, rdata: bytes) -> bytes:
    return records.raw(ROOT, rtype, rdata, ttl=0).rdata


def _parse_octets(words: list[str]) -> bytes:
    if not words or not (words[0].isascii() and words[0].isdigit()):
        raise ValueError(f"after {_OCTETS} comes the number of octets")
    octets = bytes.fromhex("".join(words[1:]))
    if words[0] != str(len(octets)):
        raise ValueError(f"there are {len(octets)} octets, not {words[0]}")
    return octets


def _parse_address(words: list[str], kind: type[IPv4Address] | type[IPv6Address]) -> bytes:
    try:
        (word,) = words
        return kind(word).packed
    except (ValueError, AddressValueError):
        raise ValueError("this is one address") from None


def _parse_strings(words: list[str], count: int | None = None) -> bytes:
    if count is not None and len(words) != count:
        raise ValueError(f"there are {count} strings, in quotes where they have blanks")
    return records.text(ROOT, [word_octets(word) for word in words], ttl=0).rdata


def _parse_next_secure(words: list[str]) -> bytes:
    if not words:
        raise ValueError("a name and types are missing")
    types = {parse_type(word) for word in words[1:]}
    # The NSEC bit is not ours to leave out here, as `records.next_secure` does.
    return Name.parse(words[0]).wire + records.pack_bitmaps(types)


_PARSERS: Final[dict[int, Callable[[list[str]], bytes]]] = {
    RecordType.A: lambda words: _parse_address(words, IPv4Address),
    RecordType.AAAA: lambda words: _parse_address(words, IPv6Address),
    RecordType.TXT: _parse_strings,
    RecordType.HINFO: lambda words: _parse_strings(words, 2),
    RecordType.NSEC: _parse_next_secure,
}


def _show_layout(layout: Layout, rdata: bytes) -> str:
    """Return the text of a type that consists of 16-bit numbers, strings, names and 32-bit numbers.

    :raises ValueError: the rdata does not.
    :raises struct.error: as well.
    """
    words = [str(number) for number in struct.unpack_from(f"!{layout.fixed // 2}H", rdata)]
    at = layout.fixed
    for _ in range(layout.strings):
        end = at + 1 + rdata[at] if at < len(rdata) else at + 1
        words.append(quoted(rdata[at + 1 : end]))
        at = end
    for number in range(layout.names):
        end = end_of_wire(rdata, at)
        name = Name.from_wire(rdata[at:end])
        words.append(_last_word(name) if number + 1 == layout.names and not layout.tail else _one_word(name))
        at = end
    if len(rdata) - at != layout.tail:
        raise ValueError("rdata is too long or too short")
    words += [str(number) for number in struct.unpack_from(f"!{layout.tail // 4}I", rdata, at)]
    return " ".join(words)


def _parse_layout(layout: Layout, text: str) -> bytes:
    """Read the text of a type that consists of 16-bit numbers, strings, names and 32-bit numbers."""
    numbers, more_numbers = layout.fixed // 2, layout.tail // 4
    count = numbers + layout.strings + layout.names + more_numbers
    # A name at the end may have blanks, as instance names mostly do.
    words = split_words(text, -1 if layout.tail else count - 1)
    if len(words) != count:
        raise ValueError(f"there are {count} parts, not {len(words)}")
    rdata = b"".join([_number(word, 2) for word in words[:numbers]])
    del words[:numbers]
    for word in words[: layout.strings]:
        octets = word_octets(word)
        if len(octets) > records.MAX_STRING:
            raise ValueError(f"a string has at most {records.MAX_STRING} octets, not {len(octets)}")
        rdata += bytes((len(octets),)) + octets
    del words[: layout.strings]
    rdata += b"".join([Name.parse(word).wire for word in words[: layout.names]])
    return rdata + b"".join([_number(word, 4) for word in words[layout.names :]])


def _number(word: str, size: int) -> bytes:
    # More than ten digits are not worth converting.
    if not (word.isascii() and word.isdigit() and len(word) <= 10 and int(word) < 1 << 8 * size):
        raise ValueError(f"{word} is no number from 0 to {(1 << 8 * size) - 1}")
    return int(word).to_bytes(size, "big")


def _one_word(name: Name) -> str:
    return str(name).replace(" ", "\\032").replace('"', '\\"')


def _last_word(name: Name) -> str:
    shown = str(name)
    return f"\\032{shown[1:]}" if shown.startswith(" ") else shown
