"""Following the records of a zone on its link: what DNS Push stands on (RFC 8765, RFC 8766 §5.6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from mcast.dns.codes import RecordClass
from mcast.dns.messages import Question
from mcast.dns.records import Identity, Record
from mcast.proxy.link_access import LinkAccess, LinkQuestion
from mcast.unicast.administration import Administration
from mcast.unicast.translation import link_name, link_record, zone_record
from mcast.unicast.usable import Realm, is_usable
from mcast.unicast.zone import Delegation

MAX_WATCHES = 10_000
"""Watches at a time. Our choice: ten times the subscriptions of a large site."""

RECHECK_INTERVAL = 10.0
"""Seconds after which records that were of no use are looked at again.

Our choice: as long as the answer to a plain query lives (RFC 8766 §5.5.1). A service whose host had no
usable address may have one now, without a change of its own records.
"""

Changed = Callable[[Sequence[Record], Sequence[Record]], object]
"""Called with what was added and what was removed, in the names of the zone and with the TTL unmodified."""


class NotWatched(ValueError):
    """A question cannot be watched.

    :param why: ``"zone"`` when it is in none of our zones, ``"limit"`` when there are too many watches,
        ``"class"`` when the class is not IN.
    """

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


class Watch:
    """One question of a zone that is followed, until `stop`. Made by `Watches.start`.

    The link is asked as long as the watch lasts (RFC 8766 §5.6, "Push Notification Subscription"). A question
    that the proxy answers of itself, such as for the SOA record, is told once, and asked nowhere.
    """

    def __init__(
        self, watches: Watches, delegation: Delegation, question: Question, changed: Changed, realm: Realm
    ) -> None:
        self.delegation: Final = delegation
        self.question: Final = question
        """In the names of the zone."""
        self._watches = watches
        self._changed = changed
        self._realm = realm
        self._told: dict[Identity, Record] = {}
        self._translated: dict[Identity, Record | None] = {}
        """By the identity on the link; what is of use once stays so until it is gone."""
        self._asked: LinkQuestion | None = None
        self._is_stopped = False

    def __repr__(self) -> str:
        return f"<Watch of {self.question}>"

    @property
    def records(self) -> tuple[Record, ...]:
        """What was told and not taken back."""
        return tuple(self._told.values())

    def begin(self, fixed: Sequence[Record] | None, client: str) -> None:
        """Tell what is fixed, or ask on the link (called by `Watches.start`)."""
        access = self._watches.access
        if fixed is not None:
            access.clock.callLater(0, self._tell, fixed)
            return
        question = Question(link_name(self.delegation, self.question.name), self.question.type)
        zone = self.delegation.zone
        self._asked = access.ask(zone, question, client, self._news, self.stop)
        if self._asked is None:
            raise NotWatched("too many questions wait for the link", "limit")
        known = access.known(zone, question, whole=True)
        if known:
            # Before the question has its turn on the link (RFC 8766 §5.6: "immediately following").
            access.clock.callLater(0, self._take_known, known)

    def stop(self) -> None:
        """Follow it no more; may be called twice, and from ``changed``. Nothing is told after it."""
        if self._is_stopped:
            return
        self._is_stopped = True
        self._watches.forget(self)
        if self._asked is not None:
            self._asked.close()

    def reconfirm(self, record: Record) -> bool:
        """Take the hint that a record of the zone is wrong (RFC 8765 §6.5); see `Watches.reconfirm`."""
        return self._watches.reconfirm(record)

    def _news(self, now: float) -> None:
        if self._asked is not None:
            self._take(self._asked.gatherer.records, now)

    def _take_known(self, known: Sequence[Record]) -> None:
        if not self._translated:
            self._take(known, self._watches.access.now())

    def _take(self, records: Sequence[Record], now: float) -> None:
        if self._is_stopped or self._asked is None:
            return
        lookup = self._watches.access.lookup(self.delegation.zone)
        before, self._translated = self._translated, {}
        left_out = 0
        for record in records:
            identity = record.identity
            if identity in before:
                told = before[identity]
                is_as_before = told is None or told.ttl == record.ttl
                self._translated[identity] = told if is_as_before else self._translate(record)
            elif is_usable(record, self._realm, lookup):
                self._translated[identity] = self._translate(record)
            else:
                left_out += 1
        self._asked.wake_at(now + RECHECK_INTERVAL if left_out else None)
        self._tell([record for record in self._translated.values() if record is not None])

    def _translate(self, record: Record) -> Record | None:
        translated = zone_record(self.delegation, record)
        if translated is None:
            self._watches.counters["records without a place in the zone"] += 1
        return translated

    def _tell(self, records: Sequence[Record]) -> None:
        if self._is_stopped:
            return
        present = {record.identity: record for record in records}
        added = []
        for identity, record in present.items():
            told = self._told.get(identity)
            # "a change to the TTL would produce a new update" (RFC 8765 §6.3.1).
            if told is None or told.ttl != record.ttl:
                added.append(record)
        removed = [record for identity, record in self._told.items() if identity not in present]
        self._told = present
        if added or removed:
            self._changed(added, removed)


class Watches:
    """All watches of a proxy.

    How Push uses it, in a session on a TLS connection::

        client = connection.client
        watch = watches.start(Question(name, RecordType.PTR), changed, clients.look(client).realm, client)
        ...
        watch.stop()
        watches.reconfirm(record)

    ``changed(added, removed)`` comes a moment after `start` with what the cache has, if it has anything, and
    then whenever that changes; what several packets of one moment change is told as one. Records are in the
    names of the zone; those removed are as they were when they were added.
    """

    def __init__(self, access: LinkAccess, administration: Administration) -> None:
        self.access: Final = access
        self.counters: Final[Counter[str]] = Counter()
        """What was left out or refused, by cause."""
        self._administration = administration
        self._watches: dict[Watch, None] = {}

    def __len__(self) -> int:
        return len(self._watches)

    def start(
        self, question: Question, changed: Changed, realm: Realm = Realm.SAME, client: str = ""
    ) -> Watch:
        """Follow the records that answer a question in a zone.

        :param question: a name in a zone of ours; type ANY stands for all types, class ANY for IN.
        :param realm: what of the addresses the client can use; see `mcast.unicast.usable.realm_of`.
        :param client: its address; clients take turns where the link has to be spared (RFC 8766 §9.3).
        :raises NotWatched: it cannot be followed; ``why`` tells the reason.
        """
        delegation = self.access.find(question.name)
        if delegation is None:
            raise NotWatched(f"{question.name} is in no zone of this proxy", "zone")
        if question.rclass not in (RecordClass.IN, RecordClass.ANY):
            raise NotWatched(f"class {question.rclass} is not served", "class")
        if len(self._watches) >= MAX_WATCHES:
            self.counters["watches beyond the limit"] += 1
            raise NotWatched(f"there are {MAX_WATCHES} watches already", "limit")
        watch = Watch(self, delegation, question, changed, realm)
        fixed = self._administration.answer(delegation, question)
        try:
            watch.begin(fixed, client)
        except NotWatched:
            raise
        except ValueError:
            # The name is longer in ``local.`` than a name can be: no such record is on the link.
            watch.begin([], client)
        self._watches[watch] = None
        return watch

    def reconfirm(self, record: Record) -> bool:
        """Ask on the link for a record of a zone that may be wrong; it is dropped unless it is heard.

        RFC 6762 §10.4. Who watches it is told when it is dropped.

        :returns: False when it is in no cache, and so was told to nobody.
        """
        delegation = self.access.find(record.name)
        if delegation is None:
            return False
        on_link = link_record(delegation, record)
        return on_link is not None and self.access.reconfirm(delegation.zone, on_link)

    def stop(self) -> None:
        """End all watches; none of them tells anything more."""
        for watch in tuple(self._watches):
            watch.stop()

    def forget(self, watch: Watch) -> None:
        """Count a watch no more (called by `Watch.stop`)."""
        self._watches.pop(watch, None)
