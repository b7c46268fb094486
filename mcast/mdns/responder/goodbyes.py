"""When others are told that records are gone (RFC 6762 §10.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mcast.dns.records import Identity, Record
from mcast.mdns.schedule import Timers


@dataclass(slots=True, eq=False)
class Goodbye:
    """A record to be multicast with TTL 0."""

    record: Record
    wake_at: float | None = None


class Goodbyes:
    """Records to be multicast with TTL 0 (RFC 6762 §10.1)."""

    def __init__(self) -> None:
        self.timers: Final[Timers[Goodbye]] = Timers()
        """When to call `take`."""
        self._planned: Final[dict[Identity, Goodbye]] = {}

    def __bool__(self) -> bool:
        """Whether any goodbye is still to be said."""
        return bool(self._planned)

    def add(self, record: Record, at: float) -> None:
        """Plan the goodbye of a record, whose TTL does not matter."""
        self.cancel(record)
        goodbye = self._planned[record.identity] = Goodbye(record.with_ttl(0))
        self.timers.arm(goodbye, at)

    def cancel(self, record: Record) -> None:
        """Plan no goodbye of a record that is published again."""
        goodbye = self._planned.pop(record.identity, None)
        if goodbye is not None:
            self.timers.disarm(goodbye)

    def clear(self) -> None:
        """Plan nothing."""
        self._planned.clear()
        self.timers.clear()

    def take(self, now: float) -> list[Record]:
        """Return the records to say goodbye to now."""
        due = [goodbye.record for goodbye in self.timers.due(now)]
        for record in due:
            del self._planned[record.identity]
        return due
