"""The client's end of a session of DNS Push Notifications (RFC 8765)."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from mcast.dns.codes import ResponseCode
from mcast.dns.records import Identity, Record
from mcast.unicast.dso import (
    DSOMessage,
    DSOType,
    SessionError,
    Timeouts,
    read_retry_delay,
)
from mcast.unicast.dso_client import WANTED, ClientSession
from mcast.unicast.dso_session import SessionEvent
from mcast.unicast.push import (
    Change,
    ChangeKind,
    Topic,
    read_push,
    reconfirm_item,
    retry_delay_of,
    subscribe_item,
    unsubscribe_item,
)

MAX_RECORDS = 50_000
"""Records that one session may hold; a server that pushes more loses the session.

Our choice: fifty networks of a thousand services each; some 15 MB.
"""

REMEMBERED_IDS = 256
"""MESSAGE IDs of cancelled subscriptions that are remembered.

Our choice: a server may cancel a subscription at the moment when we do (RFC 8490 §5.6), and its response must
not look like one to nothing.
"""


@dataclass(frozen=True, slots=True)
class Subscribed(SessionEvent):
    """The server accepted a subscription; what it has is told from now on."""

    id: int
    topic: Topic


@dataclass(frozen=True, slots=True)
class Refused(SessionEvent):
    """The server refused a subscription, or cancelled it later (RFC 8490 §5.6)."""

    id: int
    topic: Topic
    rcode: int
    retry_delay: float
    """Seconds after which it may be tried again (RFC 8765 §6.2.2)."""


@dataclass(frozen=True, slots=True)
class Changed(SessionEvent):
    """The answer to a subscription changed."""

    id: int
    topic: Topic
    added: Sequence[Record]
    """Records that are new or have another TTL; the TTL does not count down while the subscription lasts."""
    removed: Sequence[Record]


@dataclass(slots=True)
class _Subscription:
    """A subscription and the answer to it."""

    topic: Topic
    accepted: bool = False
    records: dict[Identity, Record] = field(default_factory=dict)


class PushClient(ClientSession):
    """A session that subscribes to records: its events are `Subscribed`, `Refused` and `Changed`."""

    unidirectional: ClassVar[frozenset[int]] = ClientSession.unidirectional | {DSOType.PUSH}

    def __init__(self, now: float, wanted: Timeouts = WANTED, counters: Counter[str] | None = None) -> None:
        super().__init__(now, wanted, counters)
        self._subscriptions: dict[int, _Subscription] = {}
        self._ids: dict[tuple[bytes, int, int], int] = {}
        self._names: dict[bytes, list[int]] = {}
        self._cancelled: deque[int] = deque(maxlen=REMEMBERED_IDS)
        self._record_count = 0

    # What the owner calls

    def subscribe(self, topic: Topic, now: float) -> int:
        """Ask to be told the answer to ``topic`` and all its changes; return the id that the events carry.

        :raises ValueError: there is a subscription of the same name, type and class, which is not asked for
            twice (RFC 8765 §6.2.1); or the session is over.
        """
        if topic.key in self._ids:
            raise ValueError(f"there is a subscription to {topic.name} already")
        identifier = self.request([subscribe_item(topic)], now)
        self._subscriptions[identifier] = _Subscription(topic)
        self._ids[topic.key] = identifier
        self._names.setdefault(topic.name.key, []).append(identifier)
        return identifier

    def unsubscribe(self, identifier: int, now: float) -> list[Record]:
        """Cancel a subscription, whether it was accepted already or not; an unknown one is ignored.

        :returns: the records that it held: from now on they age (RFC 8765 §6.3.1).
        """
        subscription = self._forget(identifier)
        if subscription is None:
            return []
        self._cancelled.append(identifier)
        if self.ended is None and not self._is_refused:
            self.notify([unsubscribe_item(identifier)], now)
            self._active_at = now
        return list(subscription.records.values())

    def reconfirm(self, record: Record, now: float) -> None:
        """Ask the server to verify a record that seems to be stale (RFC 8765 §6.5).

        :raises ValueError: type or class is ANY, or the session is over.
        """
        self.notify([reconfirm_item(record)], now)

    def records(self, identifier: int) -> list[Record]:
        """Return the present answer to a subscription."""
        subscription = self._subscriptions.get(identifier)
        return [] if subscription is None else list(subscription.records.values())

    @property
    def topics(self) -> dict[int, Topic]:
        """The subscriptions, accepted or not, by id."""
        return {identifier: each.topic for identifier, each in self._subscriptions.items()}

    # What a session builds on

    def operations(self) -> int:
        """Return how many subscriptions there are, and requests and queries without a response."""
        pending = sum(not each.accepted for each in self._subscriptions.values())
        return super().operations() + len(self._subscriptions) - pending

    def is_taken(self, identifier: int) -> bool:
        """Tell whether a MESSAGE ID is in use, by a subscription as well (RFC 8765 §6.2.1)."""
        return (
            identifier in self._subscriptions or identifier in self._cancelled or super().is_taken(identifier)
        )

    def _forget(self, identifier: int) -> _Subscription | None:
        subscription = self._subscriptions.pop(identifier, None)
        if subscription is None:
            return None
        topic = subscription.topic
        del self._ids[topic.key]
        of_name = self._names[topic.name.key]
        of_name.remove(identifier)
        if not of_name:
            del self._names[topic.name.key]
        self._record_count -= len(subscription.records)
        return subscription

    # Receiving

    def _refuse_type(self, message: DSOMessage) -> None:
        super()._refuse_type(message)
        if message.primary.type in (DSOType.UNSUBSCRIBE, DSOType.RECONFIRM, DSOType.RETRY_DELAY):
            raise SessionError(f"a message of type {message.primary.type} from a server")

    def _answered(self, kind: int, message: DSOMessage, now: float) -> None:
        if message.items and message.items[0].type in (
            DSOType.PUSH,
            DSOType.UNSUBSCRIBE,
            DSOType.RECONFIRM,
        ):
            raise SessionError(f"a response of type {message.items[0].type}")
        subscription = self._subscriptions.get(message.id)
        if subscription is None:
            return
        if message.rcode == ResponseCode.NOERROR:
            subscription.accepted = True
            self.tell(Subscribed(message.id, subscription.topic))
        else:
            self._refuse(message)

    def _unasked(self, message: DSOMessage, now: float) -> None:
        if message.id in self._subscriptions and message.rcode != ResponseCode.NOERROR:
            # The server cancels a subscription that it had accepted (RFC 8490 §5.6).
            self._active_at = now
            self._refuse(message)
        elif message.id not in self._cancelled:
            super()._unasked(message, now)

    def _refuse(self, message: DSOMessage) -> None:
        subscription = self._forget(message.id)
        assert subscription is not None
        delay = retry_delay_of(message.rcode)
        item = message.find(DSOType.RETRY_DELAY)
        if item is not None:
            delay = read_retry_delay(item)
        self.tell(Refused(message.id, subscription.topic, message.rcode, delay))

    def _unidirectional(self, message: DSOMessage, now: float) -> None:
        super()._unidirectional(message, now)
        if message.primary.type == DSOType.PUSH:
            self._push(message)

    def _push(self, message: DSOMessage) -> None:
        changes, skipped = read_push(message)
        self.counters["change notifications skipped"] += skipped
        before: dict[int, dict[Identity, Record | None]] = {}
        for change in changes:
            if not self._apply(change, before):
                # It may have crossed our UNSUBSCRIBE (RFC 8765 §6.3.1).
                self.counters["change notifications without a subscription"] += 1
        if self._record_count > MAX_RECORDS:
            self.counters["sessions ended for too many records"] += 1
            raise SessionError(f"more than {MAX_RECORDS} records")
        for identifier, earlier in before.items():
            self._tell_difference(identifier, earlier)

    def _tell_difference(self, identifier: int, earlier: dict[Identity, Record | None]) -> None:
        """Tell what a whole message changed in the answer to one subscription."""
        subscription = self._subscriptions[identifier]
        added, removed = [], []
        for identity, known in earlier.items():
            record = subscription.records.get(identity)
            if record is None:
                if known is not None:
                    removed.append(known)
            elif known is None or known.ttl != record.ttl:
                added.append(record)
        if added or removed:
            self.tell(Changed(identifier, subscription.topic, added, removed))

    def _apply(self, change: Change, before: dict[int, dict[Identity, Record | None]]) -> bool:
        """Change the answers to which a notification belongs; tell whether there was any.

        :param before: gets each record that is touched as it was before, None where there was none.
        """
        found = False
        for identifier in self._names.get(change.name.key, ()):
            subscription = self._subscriptions[identifier]
            records = subscription.records
            if change.kind in (ChangeKind.ADD, ChangeKind.REMOVE):
                if not subscription.topic.matches(change.name, change.type, change.rclass):
                    continue
                touched = [change.record.identity]
                found = True
            else:
                touched = [identity for identity in records if change.removes(identity)]
                found = found or bool(touched)
            earlier = before.setdefault(identifier, {})
            for identity in touched:
                known = records.pop(identity, None)
                earlier.setdefault(identity, known)
                self._record_count -= known is not None
            if change.kind is ChangeKind.ADD:
                records[change.record.identity] = change.record
                self._record_count += 1
        return found
