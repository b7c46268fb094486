"""What is not given to the reader of TOML, whose time grows with the square of some things."""

from __future__ import annotations

import re
from collections.abc import Iterator

LINE_LIMIT = 1 << 18
"""Characters in a line. Our choice: the data of any record, 65,535 octets, in hexadecimal digits, twice."""

PARTS_LIMIT = 64
"""Parts of a dotted key. Our choice: ours have three; a reverse name, which may stand in a text of several
lines, has 34 labels."""

USUAL_PARTS = 3
"""Parts that our keys have at most: ``service.txt.path``."""

FURTHER_PARTS_LIMIT = 20_000
"""Parts beyond the usual, of all keys together. Our choice: a tenth of a second's work."""

INTEGER_LIMIT = 1 << 63
"""TOML has integers of 64 bits."""

_PART = re.compile(r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*(?P<dot>\.?)[ \t]*""")
_DIGITS = re.compile(r"[0-9][0-9_]{4000}")
"""More digits than `int` reads."""


def beyond_limits(text: str) -> tuple[int, str] | None:
    """Return the line and the reason why a document is not read, or None; takes time by its length."""
    further = 0
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LINE_LIMIT:
            return number, f"the line is longer than {LINE_LIMIT} characters"
        # Most lines have no dots, and need no look at their parts.
        if line.count(".") >= USUAL_PARTS:
            for parts in _keys(line):
                if parts > PARTS_LIMIT:
                    return number, f"a dotted key has more than {PARTS_LIMIT} parts"
                further += max(0, parts - USUAL_PARTS)
            if further > FURTHER_PARTS_LIMIT:
                return number, f"dotted keys have more than {FURTHER_PARTS_LIMIT} parts beyond the usual"
    return None


def line_of_digits(text: str) -> int:
    """Return the line of the first number that is too long to be read."""
    found = _DIGITS.search(text)
    return 1 if found is None else text.count("\n", 0, found.start()) + 1


def _keys(line: str) -> Iterator[int]:
    """Yield of how many parts each dotted word consists; a quoted text is one part."""
    count = end = 0
    for part in _PART.finditer(line):
        if part.start() != end and count:
            yield count
            count = 0
        count += 1
        end = part.end()
        if not part["dot"]:
            yield count
            count = 0
    if count:
        yield count
