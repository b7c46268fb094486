r"""The words of a record in text: blanks part them, quotes hold them together (RFC 1035 §5.1).

Only what stands on one line is read: neither comments nor parentheses.
"""

from __future__ import annotations

import re

from mcast.showing import shown_in_zone_form

_WORD = re.compile(r'(?:[^ \t"\\]|\\.|"(?:[^"\\]|\\.)*")+', re.DOTALL)
_PIECE = re.compile(r'\\(?P<octet>[0-9]{3})|\\(?P<quoted>.)|(?P<quote>")|(?P<plain>[^"\\]+)', re.DOTALL)
_BLANKS = " \t"


def split_words(text: str, most: int = -1) -> list[str]:
    """Return the words of ``text`` with their quotes and backslashes.

    :param most: how many words to split off at most; what is left is then the last entry, as it stands.
    :raises ValueError: a quote or a backslash is left open.
    """
    words: list[str] = []
    rest = text.strip(_BLANKS) if most < 0 else text.lstrip(_BLANKS)
    while rest and len(words) != most:
        found = _WORD.match(rest)
        after = rest[found.end() :] if found else rest
        if found is None or after[:1] not in ("", *_BLANKS):
            raise ValueError(f"a quote or a backslash is left open: {after}")
        words.append(found[0])
        rest = after.lstrip(_BLANKS)
    return [*words, rest] if rest else words


def word_octets(word: str) -> bytes:
    r"""Return the octets that a word stands for: text as UTF-8, ``\DDD`` as the octet of that value.

    :raises ValueError: ``\DDD`` is above 255, a quote is left open, or the text holds a lone surrogate.
    """
    octets = bytearray()
    position = 0
    while position < len(word):
        piece = _PIECE.match(word, position)
        if piece is None:
            raise ValueError("a backslash ends the text")
        position = piece.end()
        if piece["octet"]:
            if int(piece["octet"]) > 0xFF:
                raise ValueError(f"{piece[0]} is above \\255")
            octets.append(int(piece["octet"]))
        else:
            octets += (piece["quoted"] or piece["plain"] or "").encode("utf-8")
    return bytes(octets)


def quoted(string: bytes) -> str:
    """Return a character string in quotes: UTF-8 as text, what acts on a terminal as octets."""
    shown = []
    try:
        characters = string.decode("utf-8")
    except UnicodeDecodeError:
        characters = ""
        shown = [
            f"\\{octet:03d}" if octet < 0x20 or octet > 0x7E else _escaped(chr(octet)) for octet in string
        ]
    shown += map(_escaped, characters)
    return '"' + "".join(shown) + '"'


def _escaped(character: str) -> str:
    return f"\\{character}" if character in '"\\' else shown_in_zone_form(character)
