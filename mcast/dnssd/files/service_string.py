r"""Services written as one line: ``My Web:_http._tcp,_printer:8080:path=/:ver=1``.

Fields are separated by colons: instance name, type with subtypes after commas, port, then TXT attributes as
``key=value`` or a bare ``key``. As in Twisted's endpoint strings a backslash takes the special meaning from
the character after it, from a colon, a comma or a backslash. An empty name leaves the choice to the host.
"""

from __future__ import annotations

from mcast.dnssd.service import Service
from mcast.dnssd.text import TextValue
from mcast.dnssd.types import read_type
from mcast.errors import InvalidService


def parse_service_string(text: str) -> Service:
    """Return the service that a string describes.

    :raises InvalidService: naming the field that is wrong.
    """
    fields = _split(text, ":")
    if len(fields) < 3:
        raise InvalidService(
            f"service {text!r}",
            'it is NAME:TYPE:PORT and then KEY=VALUE, like "My Web:_http._tcp:8080:path=/"',
        )
    name, types, port, *attributes = fields
    first, *others = (_unquoted(part) for part in _split(types, ","))
    type, subtype = read_type(first)
    return Service(
        _unquoted(name) or None,
        type,
        parse_port(_unquoted(port)),
        subtypes=[*(() if subtype is None else (subtype,)), *others],
        txt=[_attribute(_unquoted(field)) for field in attributes],
    )


def parse_port(text: str) -> int:
    """Return the port written in decimal digits.

    :raises InvalidService: when it is none.
    """
    # isdecimal() alone is true for the digits of other scripts as well. More than five digits are not worth
    # converting.
    if not (text.isascii() and text.isdecimal() and len(text) <= 5):
        raise InvalidService(f"port {text!r}", "it is a number from 0 to 65535")
    return int(text)


def _attribute(field: str) -> tuple[str, TextValue]:
    if not field:
        raise InvalidService("TXT", "a field is empty; two colons in a row, or one at the end?")
    key, equals, value = field.partition("=")
    return key, value if equals else None


def _split(text: str, separator: str) -> list[str]:
    """Split at separators that are not quoted, and leave the quoting as it is."""
    parts = [""]
    quoted = False
    for character in text:
        if character == separator and not quoted:
            parts.append("")
            continue
        parts[-1] += character
        quoted = character == "\\" and not quoted
    if quoted:
        raise InvalidService(f"service {text!r}", "a backslash at the end quotes nothing")
    return parts


def _unquoted(part: str) -> str:
    characters = iter(part)
    return "".join(next(characters) if one == "\\" else one for one in characters)
