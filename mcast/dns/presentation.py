"""Records as text, as zone files write them (RFC 1035 §5.1)."""

from __future__ import annotations

from mcast.dns.codes import RecordType
from mcast.dns.records import HostInfo, NextSecure, Record, ServiceData, TextData, show_type


def show_data(record: Record) -> str:
    """Return the data of a record as one line of text, as zone files write it where they have a form."""
    data = record.data
    if isinstance(data, ServiceData):
        return f"{data.priority} {data.weight} {data.port} {data.target}"
    if isinstance(data, TextData):
        return " ".join(_quote(string) for string in data.strings)
    if isinstance(data, HostInfo):
        return f"{_quote(data.cpu)} {_quote(data.os)}"
    if isinstance(data, NextSecure):
        types = sorted(data.types - {RecordType.NSEC}) + sorted(data.types & {RecordType.NSEC})
        return " ".join([str(data.next_name), *map(show_type, types)])
    if isinstance(data, bytes):
        # RFC 3597 §5: the form of rdata that nobody knows the layout of.
        return f"\\# {len(data)} {data.hex()}".rstrip()
    return str(data)


def parse_type(text: str) -> int:
    """Read a type: a mnemonic in any case, ``TYPE123`` (RFC 3597 §5), or a number.

    :raises ValueError: none of these, or not in 1 to 65535.
    """
    mnemonic = text.upper()
    if mnemonic in RecordType.__members__:
        return int(RecordType[mnemonic])
    digits = mnemonic.removeprefix("TYPE")
    if not digits.isascii() or not digits.isdigit() or not 0 < int(digits) <= 0xFFFF:
        raise ValueError(f"{text}: neither a record type that is known nor a number from 1 to 65535")
    return int(digits)


def _quote(string: bytes) -> str:
    shown = []
    try:
        characters = string.decode("utf-8")
    except UnicodeDecodeError:
        characters = ""
        shown = [
            f"\\{octet:03d}" if octet < 0x20 or octet > 0x7E else _escape(chr(octet)) for octet in string
        ]
    for character in characters:
        if character.isprintable():
            shown.append(_escape(character))
        else:
            shown.extend(f"\\{octet:03d}" for octet in character.encode())
    return '"' + "".join(shown) + '"'


def _escape(character: str) -> str:
    return f"\\{character}" if character in '"\\' else character
