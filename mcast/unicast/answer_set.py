"""The answer to one question as it is now, shared by all sessions that subscribe to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, Protocol

from mcast.dns.records import Identity, Record
from mcast.unicast.push import Topic


class Subscriber(Protocol):
    """What is told the changes of an answer."""

    def note(self, added: Iterable[Record], removed: Iterable[Record]) -> None:
        """Remember changes to push them with the next flush."""


class AnswerSet:
    """The records that answer a topic; one for all subscribers, so that each costs little.

    :param topic: the question, in the names of the zone.
    """

    __slots__ = ("_kinds", "records", "subscribers", "topic")

    def __init__(self, topic: Topic) -> None:
        self.topic: Final = topic
        self.records: Final[dict[Identity, Record]] = {}
        self.subscribers: Final[dict[Subscriber, None]] = {}
        """In the order in which they came."""
        self._kinds: Counter[tuple[int, int]] = Counter()

    def change(self, added: Iterable[Record], removed: Iterable[Record]) -> bool:
        """Take what was added and removed in the zone, let all subscribers note it, tell if it was news."""
        gone = []
        for record in removed:
            if self.records.pop(record.identity, None) is not None:
                self._kinds[record.type, record.rclass] -= 1
                gone.append(record)
        new = []
        for record in added:
            known = self.records.get(record.identity)
            if known is None:
                self._kinds[record.type, record.rclass] += 1
            elif known.ttl == record.ttl:
                continue
            self.records[record.identity] = record
            new.append(record)
        if not new and not gone:
            return False
        for subscriber in tuple(self.subscribers):
            subscriber.note(new, gone)
        return True

    def has(self, rtype: int, rclass: int) -> bool:
        """Tell whether there is a record of a type and class."""
        return self._kinds[rtype, rclass] > 0

    def has_class(self, rclass: int) -> bool:
        """Tell whether there is a record of a class."""
        return any(count > 0 for (_, each), count in self._kinds.items() if each == rclass)
