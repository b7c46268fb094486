"""On which line of a TOML document its tables and keys stand."""

from __future__ import annotations

import re

Path = tuple[str | int, ...]
"""Where in a document: keys, and numbers counted from 0 in lists of tables."""


class TomlLines:
    """Knows on which line of a TOML document tables and keys stand.

    The reader of TOML does not tell. This looks at line beginnings only, which a document that was read
    without a fault lets it do; what stands in the middle of a line is found with the table or key that the
    line begins with.
    """

    _HEADER = re.compile(r"\s*(?P<brackets>\[\[?)(?P<path>[^\[\]]+)\]")
    _PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
    _KEY = re.compile(rf"\s*(?P<path>(?:{_PART.pattern})(?:\s*\.\s*(?:{_PART.pattern}))*)\s*=")
    # A string on one line or a comment may hold what looks like the beginning of a string of several.
    _TOKEN = re.compile(r'''"""|\'\'\'|"(?:\\.|[^"\\])*"|'[^']*'|#.*''')

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}
        table: Path = ()
        unclosed: str | None = None
        for number, line in enumerate(text.split("\n"), 1):
            if unclosed is None:
                if header := self._HEADER.match(line):
                    table = self._table(header, number)
                elif key := self._KEY.match(line):
                    self._record((*table, *self._parts(key["path"])), number)
            unclosed = self._unclosed(line, unclosed)

    def of(self, path: Path) -> int:
        """Return the line of a table or key, or of the nearest one around it; 1 where none is known."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def _table(self, header: re.Match[str], number: int) -> Path:
        table: Path = ()
        parts = self._parts(header["path"])
        for depth, part in enumerate(parts):
            table = (*table, part)
            if header["brackets"] == "[[" and depth == len(parts) - 1:
                self._counts[table] = self._counts.get(table, -1) + 1
            if table in self._counts:
                # In [service.txt] the service is the last one before it.
                table = (*table, self._counts[table])
        self._record(table, number)
        return table

    def _record(self, path: Path, number: int) -> None:
        # Also for the tables that a dotted key or header implies.
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], number)

    def _parts(self, path: str) -> list[str]:
        return [part.strip("\"'") for part in self._PART.findall(path)]

    def _unclosed(self, line: str, unclosed: str | None) -> str | None:
        position = 0
        while True:
            if unclosed is not None:
                end = line.find(unclosed, position)
                if end < 0:
                    return unclosed
                position = end + 3
                unclosed = None
            token = self._TOKEN.search(line, position)
            if token is None:
                return None
            position = token.end()
            if token[0] in ('"""', "'''"):
                unclosed = token[0]
