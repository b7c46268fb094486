"""A table that uses the columns of the terminal: each column has a least width, and some grow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mcast.cli.top.cells import Line, fit
from mcast.cli.top.data import Data

Entry = dict[str, Any]

GAP = 1
"""Columns between two columns of a table."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    title: str
    least: int
    """Columns that it takes at least; where there is no room for all, those of the highest rank go."""
    cell: Callable[[Entry, Data], str]
    sort: Callable[[Entry, Data], Any]
    """What rows are ordered by."""
    grow: int = 0
    """Its part of the room that is left."""
    rank: int = 0
    is_number: bool = False
    """Numbers stand at the right, and are ordered with the greatest first."""


def widths(columns: Sequence[Column], room: int) -> list[int]:
    """Return how wide each column is; 0 for one that has no room."""
    kept = list(range(len(columns)))
    while len(kept) > 1 and sum(columns[place].least for place in kept) + GAP * (len(kept) - 1) > room:
        kept.remove(max(kept, key=lambda place: (columns[place].rank, place)))
    left = room - sum(columns[place].least for place in kept) - GAP * (len(kept) - 1)
    parts = sum(columns[place].grow for place in kept)
    found = [0] * len(columns)
    for place in kept:
        more = left * columns[place].grow // parts if parts and left > 0 else 0
        found[place] = columns[place].least + more
    if parts and left > 0:  # what rounding has left goes to the first that grows
        first = next(place for place in kept if columns[place].grow)
        found[first] += room - sum(found) - GAP * (len(kept) - 1)
    return [min(each, room) for each in found]


def heading(
    columns: Sequence[Column], sizes: Sequence[int], sorted_by: int, *, reverse: bool, ascii_only: bool
) -> Line:
    """Return the line of titles, with a mark at the one that rows are ordered by."""
    line: Line = []
    for place, (column, size) in enumerate(zip(columns, sizes, strict=True)):
        if not size:
            continue
        down = column.is_number != reverse
        mark = ("v" if down else "^") if ascii_only else ("▼" if down else "▲")
        title = f"{column.title}{mark}" if place == sorted_by else column.title
        style = "sorted" if place == sorted_by else "head"
        line += [(style, fit(title, size, right=column.is_number)), ("head", " " * GAP)]
    return line


def row(columns: Sequence[Column], sizes: Sequence[int], entry: Entry, data: Data) -> str:
    """Return the cells of an entry as one text."""
    return (" " * GAP).join(
        [
            fit(column.cell(entry, data), size, right=column.is_number)
            for column, size in zip(columns, sizes, strict=True)
            if size
        ]
    )


def ordered(
    entries: Sequence[tuple[str, Entry]], column: Column, data: Data, *, reverse: bool
) -> list[tuple[str, Entry]]:
    """Return entries in the order of a column; those that say nothing there come last."""
    empty: list[tuple[Any, str, Entry]] = []
    full: list[tuple[Any, str, Entry]] = []
    for key, entry in entries:
        value = column.sort(entry, data)
        (empty if value is None else full).append((value, key, entry))
    # Words from the first letter, numbers from the greatest.
    full.sort(key=lambda each: each[0], reverse=column.is_number != reverse)
    return [(key, entry) for _, key, entry in (*full, *empty)]
