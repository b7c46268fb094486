"""Lines and tables that fit a terminal; where the output is none, nothing is cut, wrapped or divided."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from typing import TextIO

from mcast.showing import table, width

INDENT = 4
"""Columns by which what follows in further lines is indented. Our choice."""

LEAST_COLUMNS = 20
"""Narrower than this a terminal gets whole lines, and wraps them itself. Our choice: a word or two."""


def terminal_columns(stream: TextIO) -> int | None:
    """Return how wide the terminal is that a stream writes to; None where it is none.

    ``COLUMNS`` in the environment counts more than what the terminal says, as with other programs.
    """
    if not stream.isatty():
        return None
    columns = shutil.get_terminal_size().columns
    return columns if columns >= LEAST_COLUMNS else None


def folded(line: str, columns: int) -> Iterator[str]:
    """Yield a line in parts that fit, divided at blanks; a word is divided only where it fits no line.

    The parts after the first are indented more than the line.
    """
    indent = " " * min(len(line) - len(line.lstrip(" ")) + INDENT, columns // 2)
    before = ""
    while width(before + line) > columns:
        room = columns - len(before)
        end = _characters_in(line, room)
        blank = line.rfind(" ", 0, end + 1)
        # A word that fits the next line begins there; the blanks that begin the line are no place to divide.
        if blank > 0 and line[:blank].strip(" ") and _fits(line[blank:], columns - len(indent)):
            end = blank
        yield (before + line[:end]).rstrip(" ")
        line = line[end:].lstrip(" ")
        before = indent
    yield before + line


def _fits(rest: str, room: int) -> bool:
    (word, *_) = rest.split(maxsplit=1) or [""]
    return width(word) <= room


def _characters_in(text: str, columns: int) -> int:
    """Return how many characters fit, at least one, so that there is an end."""
    used = 0
    for place, character in enumerate(text):
        used += width(character)
        if used > columns:
            return max(place, 1)
    return len(text)


def fits(rows: Sequence[Sequence[str]], columns: int | None, numbers: Sequence[int] = ()) -> bool:
    """Tell whether a table is not wider than a terminal."""
    return columns is None or all(width(line) <= columns for line in table(rows, numbers))


def laid_out(
    rows: Sequence[Sequence[str]], columns: int | None, *, lead: int, numbers: Sequence[int] = ()
) -> list[str]:
    """Return the lines of a table, or where that is too wide a block for each row.

    A block begins with a line of the first cells, under it is each other cell that is not empty, and the
    numbers in one line with what they are called, since there are no headings.

    :param rows: the headings, and the rows.
    :param lead: how many cells the first line of a block has.
    :param numbers: the columns that stand at the right.
    """
    if fits(rows, columns, numbers):
        return table(rows, numbers)
    blocks = []
    for row in rows[1:]:
        blocks.append("  ".join([cell for cell in row[:lead] if cell]))
        further = [(place, cell) for place, cell in enumerate(row) if place >= lead and cell]
        blocks += [" " * INDENT + cell for place, cell in further if place not in numbers]
        named = [f"{rows[0][place].replace(' ', '_')}={cell}" for place, cell in further if place in numbers]
        if named:
            blocks.append(" " * INDENT + " ".join(named))
    return blocks
