"""The snapshot and the deltas: plain JSON, with a version and a sequence number.

A *snapshot* is all that the model shows at one commit; a *delta* is what the next commit changed. Applied to
the snapshot with the number before its own, a delta makes the snapshot of its own number::

    snapshot = {"version": 1, "seq": 7, "now": 12.5, "time": 1700000000.0,
                "about": {...}, "links": {...}, "hosts": {...}, "services": {...}, "types": {...},
                "breaches": {...}, "findings": {...},
                "events": [...], "history": {"1": [...], "10": [...], "60": [...]}}
    delta =    {"version": 1, "seq": 8, "now": 13.5, "time": 1700000001.0,
                "set": {"hosts": {"h1": {"packets": 4}}}, "gone": {"services": ["s3"]},
                "events": [...], "history": {"1": [...]}}

Each collection is a dict of entries by identifier. In ``set`` an entry that is new is whole, and one that was
there has the fields that changed; a field never disappears. ``events`` and ``history`` are lists that grow at
their end; what is beyond `MAX_EVENTS` and `MAX_COLUMNS` falls off the beginning. docs/view.md has the fields.
"""

from __future__ import annotations

from typing import Any

VERSION = 1
"""Of the format. It grows when a reader of the one before would be misled, not when a field is added."""

COLLECTIONS = ("about", "links", "hosts", "services", "types", "breaches", "findings")
"""The collections of a snapshot."""

STEPS = (1, 10, 60)
"""Seconds of the steps in which traffic is counted."""

MAX_COLUMNS = 60
"""Steps of each length that are kept. Our choice: a minute, ten minutes and an hour."""

MAX_EVENTS = 500
"""Events that are kept. Our choice: more than a person reads back."""

Document = dict[str, Any]
"""A snapshot, a delta, or a part of one: what JSON can hold and nothing else."""


def empty_snapshot() -> Document:
    """Return the snapshot before anything was seen, number 0."""
    return {
        "version": VERSION,
        "seq": 0,
        "now": 0.0,
        "time": None,
        **{name: {} for name in COLLECTIONS},
        "events": [],
        "history": {str(step): [] for step in STEPS},
    }


def apply_delta(snapshot: Document, delta: Document) -> None:
    """Change a snapshot to the next one; the delta must be left alone afterwards, since parts are shared.

    :raises ValueError: the delta is of another version, or does not follow this snapshot.
    """
    if delta["version"] != VERSION:
        raise ValueError(f"version {delta['version']} of the format; this program reads {VERSION}")
    if delta["seq"] != snapshot["seq"] + 1:
        raise ValueError(f"delta {delta['seq']} does not follow snapshot {snapshot['seq']}")
    for head in ("seq", "now", "time"):
        snapshot[head] = delta[head]
    for name, entries in delta.get("set", {}).items():
        collection = snapshot[name]
        for key, fields in entries.items():
            there = collection.get(key)
            if there is None:
                collection[key] = dict(fields)
            else:
                there.update(fields)
    for name, keys in delta.get("gone", {}).items():
        for key in keys:
            del snapshot[name][key]
    _extend(snapshot["events"], delta.get("events", ()), MAX_EVENTS)
    for step, columns in delta.get("history", {}).items():
        _extend(snapshot["history"][step], columns, MAX_COLUMNS)


def changed_fields(before: Document | None, after: Document) -> Document:
    """Return the fields of an entry that a delta must have; all when it is new."""
    if before is None:
        return after
    return {name: value for name, value in after.items() if before[name] != value}


def _extend(kept: list[Any], added: Any, limit: int) -> None:
    kept.extend(added)
    del kept[: max(0, len(kept) - limit)]
