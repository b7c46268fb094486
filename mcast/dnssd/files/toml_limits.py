"""What is not given to the reader of TOML, whose time grows with the square of some things."""

from __future__ import annotations

import re

LINE_LIMIT = 1 << 18
"""Characters in a line. Our choice: the data of any record, 65,535 octets, in hexadecimal digits, twice."""

PARTS_LIMIT = 128
"""Parts of a dotted key. Our choice: ours have three, and a name in a text has 127 labels at most."""

INTEGER_LIMIT = 1 << 63
"""TOML has integers of 64 bits."""

_PART = re.compile(r"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*(?P<dot>\.?)[ \t]*""")
_DIGITS = re.compile(r"[0-9][0-9_]{4000}")
"""More digits than `int` reads."""


def beyond_limits(text: str) -> tuple[int, str] | None:
    """Return the line and the reason why a document is not read, or None; takes time by its length."""
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LINE_LIMIT:
            return number, f"the line is longer than {LINE_LIMIT} characters"
        # Most lines have no dots, and need no look at their parts.
        if line.count(".") >= PARTS_LIMIT and _most_parts(line) > PARTS_LIMIT:
            return number, f"a dotted key has more than {PARTS_LIMIT} parts"
    return None


def line_of_digits(text: str) -> int:
    """Return the line of the first number that is too long to be read."""
    found = _DIGITS.search(text)
    return 1 if found is None else text.count("\n", 0, found.start()) + 1


def _most_parts(line: str) -> int:
    most = count = end = 0
    for part in _PART.finditer(line):
        count = count + 1 if part.start() == end and count else 1
        most = max(most, count)
        end = part.end()
        if not part["dot"]:
            count = 0
    return most
