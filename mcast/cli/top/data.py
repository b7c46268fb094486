"""What the screen shows: the state of the model, the latest packets, and the answers of the echo groups."""

from __future__ import annotations

from collections import deque
from typing import Any

from mcast.live.documents import COLLECTIONS, Document, empty_snapshot

MAX_PACKETS = 2000
"""Packets that can be looked back at. Our choice: some seconds of a busy link, minutes of a quiet one."""

MAX_RESPONDERS = 1000
"""Responders of echo groups that are shown. Our choice: as many as `mcast ping` tells apart."""


class Data:
    """The state, which whoever has the model or plays a recording keeps up to date."""

    def __init__(self) -> None:
        self.state: Document = empty_snapshot()
        """A snapshot (docs/view.md)."""
        self.packets: deque[Document] = deque(maxlen=MAX_PACKETS)
        """The latest, each with `number`, which grows by one."""
        self.groups: dict[str, Document] = {}
        """Responders of the echo groups, by group, interface and address."""
        self.now = 0.0
        """The time on the clock of the state."""
        self.revision = 0
        """Grows with each change of what is shown."""

    def copy(self) -> Data:
        """Return the data as they are now, for a screen that stands still."""
        copied = Data()
        state = self.state
        copied.state = {
            **state,
            **{name: {key: dict(entry) for key, entry in state[name].items()} for name in COLLECTIONS},
            "events": list(state["events"]),
            "history": {step: list(columns) for step, columns in state["history"].items()},
        }
        copied.packets.extend(self.packets)
        copied.groups = dict(self.groups)
        copied.now, copied.revision = self.now, self.revision
        return copied

    def changed(self, now: float) -> None:
        """Take note that the state, packets or groups are others."""
        self.now = max(self.now, now)
        self.revision += 1

    def start_anew(self, state: Document) -> None:
        """Show another state, from its own time on."""
        self.state = state
        self.now = state["now"]
        self.revision += 1

    def take_packets(self, packets: list[Document]) -> None:
        """Add packets, the oldest first."""
        self.packets.extend(packets)
        self.revision += 1

    def take_groups(self, groups: dict[str, Document]) -> None:
        """Take in what responders have answered; each entry replaces the one before."""
        for key, entry in groups.items():
            if key in self.groups or len(self.groups) < MAX_RESPONDERS:
                self.groups[key] = entry
        self.revision += 1

    def entries(self, collection: str) -> dict[str, Any]:
        """Return a collection of the state."""
        found: dict[str, Any] = self.state[collection]
        return found

    def host(self, identifier: str | None) -> Document | None:
        """Return the host of an identifier, unless it was forgotten."""
        found: Document | None = self.state["hosts"].get(identifier)
        return found

    def host_label(self, identifier: str | None) -> str:
        """Return what a host is called."""
        host = self.host(identifier)
        if host is None:
            return identifier or ""
        return str(host["name"] or next(iter(host["addresses"]), identifier))
