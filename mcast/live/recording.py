"""A stream of deltas as a file: one document in JSON a line, first a snapshot, then the deltas in order.

``mcast top --record`` writes it, and ``--replay`` plays it. The lines are those of ``/api/v1/snapshot`` and
of the events of ``/api/v1/events`` (docs/view.md). A further snapshot may stand anywhere: the reader goes on
from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from mcast.live.documents import COLLECTIONS, STEPS, VERSION, Document, apply_delta

LINE_LIMIT = 64 * 1024 * 1024
"""Characters of a line. Our choice: a snapshot with all tables full has less."""


def encode_line(document: Document) -> str:
    """Return a snapshot or a delta as a line, with its end."""
    return json.dumps(document, ensure_ascii=True, separators=(",", ":")) + "\n"


def read_recording(lines: Iterable[str]) -> Iterator[Document]:
    """Yield the state after each line; it is the same dict, changed.

    A last line that was cut short, as by an interrupt, ends it.

    :raises ValueError: the lines are no recording; the message tells the number of the line.
    """
    state: Document | None = None
    for number, line in enumerate(lines, 1):
        if not line.endswith("\n") and state is not None:
            return
        try:
            if len(line) > LINE_LIMIT:
                raise ValueError(f"more than {LINE_LIMIT} characters")
            document = json.loads(line)
            if not isinstance(document, dict) or "version" not in document:
                raise ValueError("neither a snapshot nor a delta")
            if all(name in document for name in COLLECTIONS):
                state = _checked(document)
            elif state is None:
                raise ValueError("the first line is no snapshot")
            else:
                apply_delta(state, document)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            reason = str(error) if isinstance(error, ValueError) else "not in the format of a recording"
            raise ValueError(f"line {number}: {reason}") from None
        yield state


def _checked(snapshot: Document) -> Document:
    if snapshot["version"] != VERSION:
        raise ValueError(f"version {snapshot['version']} of the format; this program reads {VERSION}")
    if any(not isinstance(snapshot[name], dict) for name in COLLECTIONS):
        raise ValueError("a collection is no object")
    if any(not isinstance(snapshot["history"][str(step)], list) for step in STEPS):
        raise ValueError("a history is no list")
    return snapshot
