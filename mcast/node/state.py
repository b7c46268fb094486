"""A file that remembers names taken after conflicts (RFC 6762 §9, RFC 6763 Appendix D)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from twisted.logger import Logger

MAX_REMEMBERED = 4096
"""Names remembered; the oldest is forgotten for a new one. Our choice: more than any host publishes."""


class StateFile(MutableMapping[str, str]):
    """A mapping kept in a JSON file, written at each change. Give it to a `Node` as its ``state``.

    Names are remembered for comfort: a file that cannot be read or written is logged, and never an error.
    """

    _log = Logger()

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._entries = self._read()

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as problem:
            self._log.warn("{path}: {cause}; starting without it", path=str(self._path), cause=str(problem))
            return {}
        entries = found.items() if isinstance(found, dict) else ()
        return {key: value for key, value in entries if isinstance(value, str)}

    def _write(self) -> None:
        # Written aside and renamed, so that a crash leaves the old file or the new one.
        aside = self._path.with_name(self._path.name + ".new")
        try:
            aside.write_text(json.dumps(self._entries, ensure_ascii=False, indent=1), encoding="utf-8")
            os.replace(aside, self._path)
        except OSError as problem:
            self._log.warn("{path}: {cause}; not remembered", path=str(self._path), cause=str(problem))

    def __repr__(self) -> str:
        return f"StateFile({str(self._path)!r})"

    def __getitem__(self, key: str) -> str:
        return self._entries[key]

    def __setitem__(self, key: str, value: str) -> None:
        while len(self._entries) >= MAX_REMEMBERED and key not in self._entries:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = value
        self._write()

    def __delitem__(self, key: str) -> None:
        del self._entries[key]
        self._write()

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
