"""The published state of a model: entries that changed are compared with it, and make the next delta."""

from __future__ import annotations

from typing import Protocol

from mcast.live.documents import (
    COLLECTIONS,
    MAX_EVENTS,
    VERSION,
    Document,
    apply_delta,
    changed_fields,
    empty_snapshot,
)


class Entry(Protocol):
    """What has a place in a collection of the snapshot."""

    id: str

    def as_json(self, now: float) -> Document:
        """Return the fields, of which the caller keeps none."""


class Published:
    """The snapshot of the last commit, and what changed since."""

    def __init__(self) -> None:
        self.snapshot = empty_snapshot()
        """As of the last commit; to be read only, and before the next one."""
        self._changed: dict[str, dict[str, Entry | None]] = {name: {} for name in COLLECTIONS}
        self._counted: dict[str, dict[str, Entry]] = {name: {} for name in COLLECTIONS}
        self._events: list[Document] = []
        self._counted_at = -1

    @property
    def is_changed(self) -> bool:
        """Whether something besides numbers has changed since the last commit."""
        return bool(self._events) or any(self._changed.values())

    def changed(self, collection: str, entry: Entry) -> None:
        """Take note that an entry is new or says something else; it is in the next delta."""
        self._changed[collection][entry.id] = entry

    def counted(self, collection: str, entry: Entry) -> None:
        """Take note that numbers of an entry are others; they are in a delta once a second."""
        self._counted[collection][entry.id] = entry

    def gone(self, collection: str, key: str) -> None:
        """Take note that an entry is no more."""
        self._counted[collection].pop(key, None)
        self._changed[collection][key] = None

    def event(self, event: Document) -> None:
        """Add to the log of events; of very many in one commit the latest are kept."""
        self._events.append(event)
        if len(self._events) > MAX_EVENTS:
            del self._events[0]

    def commit(self, now: float, time: float | None, history: dict[str, list[Document]]) -> Document | None:
        """Make the next delta; None when nothing changed."""
        if int(now) != self._counted_at:
            self._counted_at = int(now)
            for name, entries in self._counted.items():
                changed = self._changed[name]
                for key, entry in entries.items():
                    changed.setdefault(key, entry)
                entries.clear()
        changes, gone = self._differences(now)
        if not (changes or gone or self._events or history):
            return None
        delta: Document = {
            "version": VERSION,
            "seq": self.snapshot["seq"] + 1,
            "now": round(now, 3),
            "time": None if time is None else round(time, 3),
        }
        for part, value in (("set", changes), ("gone", gone), ("events", self._events), ("history", history)):
            if value:
                delta[part] = value
        self._events = []
        apply_delta(self.snapshot, delta)
        return delta

    def _differences(self, now: float) -> tuple[Document, Document]:
        changes: Document = {}
        gone: Document = {}
        for name, entries in self._changed.items():
            published = self.snapshot[name]
            for key, entry in entries.items():
                if entry is None:
                    if key in published:
                        gone.setdefault(name, []).append(key)
                    continue
                fields = changed_fields(published.get(key), entry.as_json(now))
                if fields:
                    changes.setdefault(name, {})[key] = fields
            entries.clear()
        return changes, gone
