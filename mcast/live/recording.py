"""A stream of deltas as a file: one document in JSON a line, first a snapshot, then the deltas in order.

``mcast top --record`` writes it, and ``--replay`` plays it. The lines are those of ``/api/v1/snapshot`` and
of the events of ``/api/v1/events`` (docs/view.md). A further snapshot may stand anywhere: the reader goes on
from it. A line with ``aside`` is none of the model, but of the program that wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from mcast.live.documents import COLLECTIONS, STEPS, VERSION, Document, apply_delta

LINE_LIMIT = 64 * 1024 * 1024
"""Characters of a line. Our choice: a snapshot with all tables full has less."""

DAMAGE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What may be raised by a document from a file, in which anything may stand."""


def encode_line(document: Document) -> str:
    """Return a snapshot or a delta as a line, with its end."""
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")) + "\n"


class Recording:
    """Reads a recording line by line."""

    def __init__(self) -> None:
        self._state: Document | None = None
        self._number = 0

    def read(self, line: str) -> Document | None:
        """Return the document of the next line, which is not taken in yet; None at the end.

        A last line that was cut short, as by an interrupt, ends it.

        :raises ValueError: the line is none of a recording; the message tells its number.
        """
        self._number += 1
        with self._described():
            if len(line) > LINE_LIMIT:
                raise ValueError(f"more than {LINE_LIMIT} characters")
            if not line.endswith("\n") and self._state is not None:
                return None
            document = json.loads(line, parse_constant=_no_number)
            if not isinstance(document, dict) or "version" not in document:
                raise ValueError("neither a snapshot nor a delta")
            if "aside" not in document and not isinstance(document.get("now"), int | float):
                raise ValueError("neither a snapshot nor a delta")
            return document

    def take(self, document: Document) -> Document:
        """Return the state after a document; it is the same dict, changed, until a snapshot comes.

        :raises ValueError: as `read`.
        """
        with self._described():
            if all(name in document for name in COLLECTIONS):
                self._state = _checked(document)
            elif self._state is None:
                raise ValueError("the first line is no snapshot")
            else:
                apply_delta(self._state, document)
        assert self._state is not None
        return self._state

    @contextmanager
    def _described(self) -> Iterator[None]:
        try:
            yield
        except DAMAGE as error:
            reason = str(error) if isinstance(error, ValueError) else "not in the format of a recording"
            raise ValueError(f"line {self._number}: {reason}") from None


def read_recording(lines: Iterable[str]) -> Iterator[Document]:
    """Yield the state after each line of the model; it is the same dict, changed.

    Lines that stand aside are passed over. A last line that was cut short ends it.

    :raises ValueError: the lines are no recording; the message tells the number of the line.
    """
    recording = Recording()
    for line in lines:
        document = recording.read(line)
        if document is None:
            return
        if "aside" not in document:
            yield recording.take(document)


def _no_number(text: str) -> None:
    """Refuse what Python takes for a number and JSON does not (RFC 8259 §6)."""
    raise ValueError(f"{text} is no number")


def _checked(snapshot: Document) -> Document:
    if snapshot["version"] != VERSION:
        raise ValueError(f"version {snapshot['version']} of the format; this program reads {VERSION}")
    if any(not isinstance(snapshot[name], dict) for name in COLLECTIONS):
        raise ValueError("a collection is no object")
    if any(not isinstance(snapshot["history"][str(step)], list) for step in STEPS):
        raise ValueError("a history is no list")
    return snapshot
