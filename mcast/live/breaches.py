"""The rules that were broken, by host."""

from __future__ import annotations

from collections import OrderedDict

from mcast.live.documents import Document
from mcast.live.hosts import Host
from mcast.live.limits import BREACH_LIMIT, MAX_BREACHES
from mcast.live.publishing import Published
from mcast.live.texts import text_of
from mcast.mdns.lint import Breach


class BreachEntry:
    """One rule that one host broke, once or often."""

    __slots__ = ("count", "detail", "first", "host", "id", "last", "rule", "section")

    def __init__(self, identifier: str, host: Host, breach: Breach, now: float) -> None:
        self.id = identifier
        self.host = host
        self.rule = breach.rule
        self.section = breach.section
        self.detail = ""
        self.count = 0
        self.first = self.last = now

    def as_json(self, now: float) -> Document:
        """Return the entry of the snapshot."""
        return {
            "host_id": self.host.id,
            "host": self.host.label,
            "rule": self.rule,
            "section": self.section,
            "detail": self.detail,
            "count": self.count,
            "first": round(self.first, 3),
            "last": round(self.last, 3),
        }


class Breaches:
    """The table of breaches, by host and rule."""

    def __init__(self, published: Published) -> None:
        self.displaced = 0
        """How many were forgotten to make place."""
        self._published = published
        self._number = 0
        # In the order in which they were seen last.
        self._entries: OrderedDict[tuple[str, str, str], BreachEntry] = OrderedDict()

    def add(self, host: Host, breach: Breach, now: float) -> None:
        """Take in a breach."""
        key = (host.id, breach.rule, breach.section)
        entry = self._entries.get(key)
        if entry is None:
            if len(self._entries) >= MAX_BREACHES:
                self._forget(next(iter(self._entries)))
                self.displaced += 1
            self._number += 1
            entry = self._entries[key] = BreachEntry(f"b{self._number}", host, breach, now)
        entry.count += 1
        entry.last = now
        entry.detail = text_of(breach.detail)
        host.breaches += 1
        self._entries.move_to_end(key)
        self._published.counted("breaches", entry)

    def moved(self, gone: Host, kept: Host) -> None:
        """Take in that two hosts were found to be one."""
        for key, entry in tuple(self._entries.items()):
            if entry.host is not gone:
                continue
            del self._entries[key]
            there = self._entries.setdefault((kept.id, entry.rule, entry.section), entry)
            if there is entry:
                entry.host = kept
                self._published.changed("breaches", entry)
            else:
                there.count += entry.count
                self._published.counted("breaches", there)
                self._published.gone("breaches", entry.id)

    def look(self, now: float) -> None:
        """Forget what was seen long ago (called now and then)."""
        while self._entries:
            key = next(iter(self._entries))
            if now - self._entries[key].last <= BREACH_LIMIT:
                return
            self._forget(key)

    def _forget(self, key: tuple[str, str, str]) -> None:
        self._published.gone("breaches", self._entries.pop(key).id)
