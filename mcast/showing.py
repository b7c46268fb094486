r"""How text from the network is shown: no character of it acts on a terminal, a page or a log.

What acts is whatever Unicode calls "other" (controls, format characters, private use, surrogates, code points
without a character) or a separator of lines and paragraphs. It is escaped: in plain text as Python writes it
(``\u202e``), in the text of zone files by its octets (``\226\128\174``), in JSON as JSON has it. Each can be
read back in its place.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from errno import EMFILE, ENFILE
from functools import lru_cache

_BLANKS = frozenset({"Zs"})
"""The one category that `str.isprintable` refuses and that does no harm, such as the no-break space."""

REMEMBERED = 8192
"""Characters whose width is remembered. Our choice: those of a screen in any script, and some 100 kB."""

_WIDE = frozenset({"W", "F"})
"""East Asian widths that take two columns (Unicode Standard Annex 11)."""

_MARKS = frozenset({"Mn", "Me"})
"""Categories of what is drawn over the character before it."""

_HANGUL_PARTS = range(0x1160, 0x1200)
"""Vowels and final consonants that join the syllable before them."""


def is_plain(character: str) -> bool:
    """Tell whether a character only appears: none of the categories C*, Zl and Zp."""
    return character.isprintable() or unicodedata.category(character) in _BLANKS


def shown(text: str | bytes) -> str:
    r"""Return text for one line that people read; octets are UTF-8, what is not is shown as ``\xff``."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join([each if is_plain(each) else _escape(each) for each in text])


def shown_in_zone_form(character: str) -> str:
    r"""Return a character as the text of zone files has it, ``\DDD`` for each octet of one that acts."""
    return character if is_plain(character) else "".join([f"\\{octet:03d}" for octet in character.encode()])


def shown_as_json(value: object) -> str:
    """Return a value as one line of JSON, readable and without a character that acts."""
    text = json.dumps(value, ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join([each if is_plain(each) else json.dumps(each)[1:-1] for each in text])


def shown_attribute(key: str, value: bytes | None) -> str:
    """Return a TXT attribute as ``key=value``, each part in quotes where it has blanks or quotes."""
    return _word(key) if value is None else f"{_word(key)}={_word(value)}"


def one_line(error: BaseException) -> str:
    """Return what an error says, with the system's own words for a system error, in one line."""
    if isinstance(error, OSError) and error.strerror:
        # Where no descriptor is free the file that was to be opened just then is not at fault.
        names_file = error.filename and error.errno not in (EMFILE, ENFILE)
        return shown(f"{error.filename}: {error.strerror}" if names_file else error.strerror)
    cause = getattr(error, "socketError", None)
    if isinstance(cause, OSError):  # a CannotListenError of Twisted's own ports
        host = getattr(error, "interface", None)
        where = f"port {getattr(error, 'port', '')}" + (f" on {host}" if host else "")
        return shown(f"{where}: {one_line(cause)}")
    return shown(" ".join(str(error).split()))


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(map(_character_width, text))


def padded(text: str, columns: int, *, right: bool = False) -> str:
    """Return text with blanks up to a number of columns.

    :param right: whether the text stands at the right, as numbers do.
    """
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks


def table(rows: Sequence[Sequence[str]], numbers: Iterable[int] = ()) -> list[str]:
    """Return the lines of a table; nothing stands after the last column.

    :param numbers: the columns that stand at the right, counted from 0.
    """
    at_right = frozenset(numbers)
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [
                padded(cell, columns, right=place in at_right)
                for place, (cell, columns) in enumerate(zip(row, widths, strict=True))
            ]
        ).rstrip(" ")
        for row in rows
    ]


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _word(text: str | bytes) -> str:
    plain = shown(text)
    if '"' not in plain and not any(each.isspace() for each in plain):
        return plain
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@lru_cache(maxsize=REMEMBERED)
def _character_width(character: str) -> int:
    if unicodedata.category(character) in _MARKS or ord(character) in _HANGUL_PARTS:
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1
