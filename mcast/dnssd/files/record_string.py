r"""Records written as one line of a zone file: ``kitchen.local. 120 IN LOC 52 22 23 N 4 53 32 E -2m``.

TTL and class may be left out. A blank within a name is written ``\032``. The data of any type may be given as
``\# LENGTH HEXADECIMAL`` (RFC 3597 §5); see `mcast.dns.presentation`.
"""

from __future__ import annotations

from typing import Final

from mcast.dns import records
from mcast.dns.codes import PSEUDO_TYPES, RecordType
from mcast.dns.names import Name
from mcast.dns.presentation import parse_data, parse_type
from mcast.dns.records import Record, show_type
from mcast.dns.words import split_words
from mcast.errors import InvalidService
from mcast.mdns.constants import HOST_TTL, OTHER_TTL

MAX_TTL = 0x7FFFFFFF
"""Seconds (RFC 2181 §8)."""

_HOST_TYPES: Final = frozenset({RecordType.A, RecordType.AAAA, RecordType.CNAME, RecordType.SRV})
"""The types that lead to a host or from its name to an address: their TTL is the short one (RFC 6762 §10)."""

_QUESTION_TYPES: Final = range(128, 256)
"""Types that only questions have, or that say something of a message (RFC 6895 §3.1)."""

_FORM = 'it is NAME [TTL] [IN] TYPE DATA, like "kitchen.local. 120 IN LOC 52 22 23 N 4 53 32 E -2m"'


def parse_record_string(text: str) -> Record:
    """Return the record that a line describes.

    :raises InvalidService: naming the field that is wrong.
    """
    try:
        owner, rest = _next_word(text)
        ttl: int | None = None
        word, data = _next_word(rest)
        seen: set[str] = set()
        while field := _field_before_type(word, seen):
            if field == "TTL":
                # More than ten digits are not worth converting, and too many already.
                ttl = int(word[:11])
            seen.add(field)
            word, data = _next_word(data)
        if not data:
            raise ValueError(_FORM)
        return record_to_publish(Name.parse(owner), parse_type(word), data, ttl)
    except InvalidService:
        raise
    except ValueError as error:
        raise InvalidService(f"record {text!r}", str(error)) from None


def _next_word(text: str) -> tuple[str, str]:
    """Return the first word of a text, and the rest of it; both may be empty."""
    word, rest, *_ = (*split_words(text, 1), "", "")
    return word, rest


def _field_before_type(word: str, seen: set[str]) -> str | None:
    """Return which field a word is, when it is one that may stand before the type and does not yet."""
    field = "TTL" if word.isascii() and word.isdigit() else "class" if word.upper() == "IN" else None
    return None if field in seen else field


def record_to_publish(name: Name, rtype: int, data: str, ttl: int | None) -> Record:
    """Return a record that a person wants published.

    :param data: in the form of a zone file.
    :param ttl: in seconds; None for what RFC 6762 §10 recommends for the type.
    :raises InvalidService: naming the part that is wrong: name, type, data or ttl.
    """
    if len(name.labels) < 2:
        raise InvalidService(
            f"name {str(name)!r}", f'it is a whole name, like "{str(name).rstrip(".")}.local"'
        )
    if rtype in PSEUDO_TYPES or rtype in _QUESTION_TYPES:
        raise InvalidService(f"type {show_type(rtype)}", "no record has this type")
    if rtype == RecordType.NSEC:
        raise InvalidService("type NSEC", "the responder makes these records itself (RFC 6762 §6.1)")
    if ttl is None:
        ttl = HOST_TTL if rtype in _HOST_TYPES else OTHER_TTL
    if not 0 < ttl <= MAX_TTL:
        raise InvalidService(f"ttl {ttl}", f"it is a number of seconds from 1 to {MAX_TTL}")
    try:
        return records.raw(name, rtype, parse_data(rtype, data), ttl)
    except ValueError as error:
        raise InvalidService("data", str(error)) from None
