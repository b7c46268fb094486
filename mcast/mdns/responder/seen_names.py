"""Names that other hosts have or want, for the choice of a new one (RFC 6762 §9)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mcast.dns.records import Record

MAX_SEEN = 1024
"""Names of other hosts that are remembered; the oldest is forgotten for a new one.

Our choice: some hundred hosts that start together, with a few names each. What is forgotten, or was never
heard, costs one more probe to learn.
"""


class SeenNames:
    """The names of unique records that other hosts have, or want: none to choose after a conflict."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: Final[dict[bytes, None]] = {}

    def __contains__(self, name_key: bytes) -> bool:
        return name_key in self._names

    def __len__(self) -> int:
        return len(self._names)

    def note(self, records: Iterable[Record]) -> None:
        """Remember the owner names of records."""
        names = self._names
        for record in records:
            key = record.name.key
            if key not in names:
                names[key] = None
                if len(names) > MAX_SEEN:
                    del names[next(iter(names))]

    def clear(self) -> None:
        """Forget all names: other hosts may be on the link now."""
        self._names.clear()
