"""The record groups of one link: claimed, published, updated, contested and withdrawn (RFC 6762 §8, §9,
§10.1)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Final

from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Identity, Record
from mcast.mdns.constants import MULTICAST_INTERVAL
from mcast.mdns.context import LinkContext
from mcast.mdns.events import (
    GroupClaimed,
    GroupLost,
    GroupReprobing,
    GroupUpdated,
    NameLost,
    ProbingFailed,
    RecordOversized,
)
from mcast.mdns.responder.announcer import Announcer, UpdateLimit
from mcast.mdns.responder.packing import pack_probes, size_alone
from mcast.mdns.responder.prober import ProbedName, Prober
from mcast.mdns.responder.record_group import RecordGroup
from mcast.mdns.responder.response_plan import Goodbyes
from mcast.mdns.responder.zone import Entry, Farewell, Zone


@dataclass(slots=True)
class _Publication:
    """One record group on this link."""

    handle: int
    group: RecordGroup
    update: RecordGroup | None = None
    """What the group will be, once its new names are claimed and the time has come."""
    update_at: float = inf
    """When to try the update."""
    is_published: bool = False
    published: list[Entry] = field(default_factory=list)
    """What the zone has of it."""
    farewells: list[Farewell] = field(default_factory=list)
    """What others still have in their caches while the group is out of use."""
    yielded: set[bytes] = field(default_factory=set)
    """Verified names that another host turned out to have."""
    limit: UpdateLimit = field(default_factory=UpdateLimit)

    @property
    def wanted(self) -> RecordGroup:
        """The group as it was asked for last."""
        return self.update or self.group

    def probed_names(self) -> dict[bytes, Name]:
        """The names that the group needs, those of a pending update included."""
        names = self.group.probed_names
        return {**names, **self.update.probed_names} if self.update else names

    def verified_names(self) -> dict[bytes, Name]:
        """The same for the names that need no probing."""
        names = self.group.verified_names
        return {**names, **self.update.verified_names} if self.update else names


class Publications:
    """All groups of a link. Owns the zone, the claims, the announcements and the goodbyes.

    :param changed: called after every change of the zone.
    """

    def __init__(self, context: LinkContext, changed: Callable[[], None]) -> None:
        self.zone: Final = Zone()
        self.prober: Final = Prober(context.rng)
        self.announcer: Final = Announcer(context.settings.announcements)
        self.goodbyes: Final = Goodbyes()
        self._context: Final = context
        self._sizes: Final = context.sizes
        self._events: Final = context.events
        self._changed: Final = changed
        self._by_handle: dict[int, _Publication] = {}
        self._updating: dict[int, _Publication] = {}
        self._last_handle = 0

    # What the caller asks for

    def register(self, group: RecordGroup, now: float) -> int:
        """ProbedName and publish a group.

        :raises ValueError: a record is too large for any message.
        """
        self._check_sizes(group, self._last_handle + 1)
        self._last_handle += 1
        publication = _Publication(self._last_handle, group)
        self._by_handle[publication.handle] = publication
        self._want(publication, now)
        self._publish_ready([publication], now)
        return publication.handle

    def update(self, handle: int, group: RecordGroup, now: float) -> None:
        """Give a group other records, as soon as its new names are claimed and RFC 6762 §8.4 allows it.

        :raises ValueError: a record is too large for any message.
        :raises KeyError: there is no such group (any more).
        """
        publication = self._by_handle[handle]
        self._check_sizes(group, handle)
        before = {**publication.probed_names(), **publication.verified_names()}
        publication.update = group
        self._want(publication, now)
        after = {**publication.probed_names(), **publication.verified_names()}
        # Those of an earlier update that never came into force.
        self._release(publication, [key for key in before if key not in after])
        if publication.is_published:
            publication.update_at = now
            self._updating[handle] = publication
            self._try_update(publication, now)
        else:
            # Nobody has heard of the group in this form, so that it needs no waiting for anything.
            self._adopt(publication)
            self._publish_ready([publication], now)

    def withdraw(self, handle: int, now: float, *, goodbye: bool) -> None:
        """Take a group off the link; an unknown handle is ignored."""
        publication = self._by_handle.get(handle)
        if publication is None:
            return
        contested = self._contested(publication)
        farewells = self._retire(publication, now)
        if goodbye and self._context.is_up:
            for farewell in farewells:
                if not _concerns(farewell.record, contested):
                    self._say_goodbye(farewell, now)

    def part(self, handle: int, lost: Name, now: float) -> None:
        """Take a group off the link whose name another host on it has, as was heard elsewhere."""
        publication = self._by_handle.get(handle)
        if publication is None:
            return
        contested = self._contested(publication)
        for farewell in self._retire(publication, now):
            if self._context.is_up:
                self._part(farewell, lost, contested, (), now)

    def _check_sizes(self, group: RecordGroup, handle: int) -> None:
        oversized = [record for record in group if size_alone(record) > self._sizes.normal]
        for record in oversized:
            if size_alone(record) > self._sizes.single:
                # RFC 6762 §17: not even in fragments.
                raise ValueError(f"a record of {record.name} is too large for a packet")
        self._events.extend(
            [RecordOversized(handle, record.name, size_alone(record)) for record in oversized]
        )

    # Claims

    def _want(self, publication: _Publication, now: float) -> None:
        for name in publication.probed_names().values():
            self.prober.claim(name, publication.handle, now)
        for name in publication.verified_names().values():
            self.prober.claim(name, publication.handle, now, verified=True)

    def _release(self, publication: _Publication, names: Iterable[bytes]) -> None:
        for key in names:
            self.prober.release(key, publication.handle)

    def _is_ready(self, group: RecordGroup) -> bool:
        return self._context.is_up and all(map(self.prober.holds, group.probed_names))

    def _contested(self, publication: _Publication) -> set[bytes]:
        """The names of a group that are not ours at the moment."""
        names = [*publication.probed_names(), *publication.verified_names()]
        return {key for key in names if not self.prober.holds(key)}

    def proposals(self, claim: ProbedName) -> list[Record]:
        """Return the records that we want under a name, in the order of the tie-break (RFC 6762 §8.2.1)."""
        found: dict[Identity, Record] = {}
        for handle in claim.handles:
            group = self._by_handle[handle].wanted
            for record in group.unique + group.verified:
                if record.name == claim.name:
                    found[record.identity] = record.with_cache_flush(False)
        return sorted(found.values(), key=lambda record: (record.rclass, record.type, record.rdata))

    # Publishing

    def _entries(self, publication: _Publication) -> list[Entry]:
        group = publication.group
        entries = [(record, True) for record in group.unique]
        entries += [(record, False) for record in group.shared]
        entries += [
            (record, True)
            for record in group.verified
            if self.prober.holds(record.name.key) and record.name.key not in publication.yielded
        ]
        return entries

    def _sync(self, publication: _Publication, now: float) -> list[Farewell]:
        """Bring the zone up to date with a group, announce what is new, and return what has gone."""
        entries = self._entries(publication) if publication.is_published else []
        changes = self.zone.apply(publication.published, entries, now)
        publication.published = entries
        if self.goodbyes:
            for record, _ in entries:
                self.goodbyes.cancel(record)
        self.announcer.start(changes.announce, now)
        self._changed()
        return changes.gone

    def _publish_ready(self, publications: Iterable[_Publication], now: float) -> None:
        for publication in publications:
            if not publication.is_published and self._is_ready(publication.group):
                publication.is_published = True
                self._sync(publication, now)
                for farewell in publication.farewells:
                    # Left from before the group was out of use, and not part of it any more.
                    self._say_goodbye(farewell, now)
                publication.farewells.clear()
                self._events.append(GroupClaimed(publication.handle))

    def _hide(self, publication: _Publication, now: float) -> None:
        """Take a group out of use without a word to the network."""
        if publication.is_published:
            publication.is_published = False
            publication.farewells += self._sync(publication, now)

    def _retire(self, publication: _Publication, now: float) -> list[Farewell]:
        """Forget a group, and return what others know of it."""
        self._hide(publication, now)
        self._release(publication, [*publication.probed_names(), *publication.verified_names()])
        del self._by_handle[publication.handle]
        self._updating.pop(publication.handle, None)
        return publication.farewells

    def _say_goodbye(self, farewell: Farewell, now: float) -> None:
        # Another group may have the record as well, or have it again.
        if self.zone.published(farewell.record) is None:
            record = farewell.record.with_cache_flush(farewell.unique)
            self.goodbyes.add(record, max(now, farewell.multicast_at + MULTICAST_INTERVAL))

    # Updates

    def _adopt(self, publication: _Publication) -> None:
        """Make the update the group, and give up the names that it does not have."""
        old = {**publication.group.probed_names, **publication.group.verified_names}
        assert publication.update is not None
        publication.group = publication.update
        publication.update = None
        publication.update_at = inf
        self._updating.pop(publication.handle, None)
        new = {**publication.group.probed_names, **publication.group.verified_names}
        self._release(publication, [key for key in old if key not in new])

    def _try_update(self, publication: _Publication, now: float) -> None:
        update = publication.update
        assert update is not None
        at = max(now, publication.limit.earliest(), self._goodbyes_possible_at(publication, update))
        if at > now:
            publication.update_at = at
            return
        if not self._is_ready(update):
            # Tried again when a claim succeeds.
            publication.update_at = inf
            return
        before = set(publication.published)
        self._adopt(publication)
        if set(self._entries(publication)) == before:
            self._events.append(GroupUpdated(publication.handle))
            return
        self._events.append(GroupUpdated(publication.handle))
        publication.limit.count(now)
        # RFC 6762 §8.4: a shared record's goodbye comes before the new data, and for a unique one the
        # cache-flush bit does it; goodbyes leave before announcements (see Responder), and only sets that are
        # gone have one.
        for farewell in self._sync(publication, now):
            self._say_goodbye(farewell, now)

    def _goodbyes_possible_at(self, publication: _Publication, update: RecordGroup) -> float:
        """When the shared records that an update drops may be multicast again, for their goodbyes (RFC 6762
        §6)."""
        kept = {record.identity for record in update.shared}
        at = -inf
        for record, unique in publication.published:
            if not unique and record.identity not in kept and self.zone.users(record, False) == 1:
                published = self.zone.published(record)
                if published is not None:
                    at = max(at, published.multicast_at + MULTICAST_INTERVAL)
        return at

    # Conflicts

    def contest(self, claim: ProbedName, now: float) -> None:
        """Probe again for a name of ours after a conflicting response (RFC 6762 §9)."""
        self.prober.count_conflict(now)
        self.prober.restart(claim, now)
        for handle in sorted(claim.handles):
            publication = self._by_handle[handle]
            if claim.name.key in publication.probed_names():
                self._hide(publication, now)
                self._events.append(GroupReprobing(handle, claim.name))
            elif publication.is_published:
                publication.farewells += self._sync(publication, now)

    def concede(self, claim: ProbedName, heard: Collection[int], now: float) -> None:
        """Give up a name that another host answers for (RFC 6762 §8.1, §9).

        :param heard: the types that the other host was heard to have under it.
        """
        self.prober.count_conflict(now)
        handles = sorted(claim.handles)
        self.prober.lose(claim, now)
        for handle in handles:
            publication = self._by_handle[handle]
            if claim.name.key in publication.probed_names():
                contested = self._contested(publication)
                for farewell in self._retire(publication, now):
                    self._part(farewell, claim.name, contested, heard, now)
                self._events.append(GroupLost(handle, claim.name))
            else:
                self._yield(publication, claim.name, now)

    def yield_name(self, claim: ProbedName, now: float) -> None:
        """Give up a verified name to a host that shows more right to it."""
        handles = sorted(claim.handles)
        self.prober.forget(claim)
        for handle in handles:
            self._yield(self._by_handle[handle], claim.name, now)

    def _yield(self, publication: _Publication, name: Name, now: float) -> None:
        publication.yielded.add(name.key)
        if publication.is_published:
            # Without a goodbye: the records of the other host may look like ours.
            self._sync(publication, now)
        publication.farewells = [
            farewell for farewell in publication.farewells if farewell.record.name != name
        ]
        self._events.append(NameLost(publication.handle, name))

    def _part(
        self, farewell: Farewell, lost: Name, contested: set[bytes], heard: Collection[int], now: float
    ) -> None:
        """Say goodbye to what became wrong with the loss of a name, and to nothing else.

        Others now take the name for the winner's. What they know of it and what the winner has too must stay:
        a pointer to the name is as true as before, and so may be a record that looks like ours.
        """
        record = farewell.record
        if record.name == lost:
            # Our addresses under the winner's name lead to the wrong host. Where the winner has addresses of
            # that family, its cache-flush bit has removed ours; where not, they would stay. Our own
            # cache-flush bit would remove the winner's.
            if record.type in (RecordType.A, RecordType.AAAA) and record.type not in heard:
                self._say_goodbye(Farewell(record, False, farewell.multicast_at), now)
        elif farewell.unique and record.name.key not in contested:
            # Under a name that nobody disputes, as a reverse mapping to the lost name.
            self._say_goodbye(farewell, now)

    # Time and the state of the link

    def set_up(self, now: float) -> None:
        """The link works (again): probe for everything, then announce it (RFC 6762 §8, §10.2)."""
        self.goodbyes.clear()
        self.announcer.clear()
        for publication in self._by_handle.values():
            if publication.is_published:
                self._hide(publication, now)
                names = publication.group.probed_names.values()
                self._events.extend(
                    [GroupReprobing(publication.handle, name, contested=False) for name in names]
                )
            publication.yielded.clear()
            self._want(publication, now)
        self.prober.reset(now)
        self._publish_ready(list(self._by_handle.values()), now)

    def set_down(self, now: float) -> None:
        """The link carries nothing: fall silent, and keep the groups for when it works again."""
        for publication in self._by_handle.values():
            self._hide(publication, now)
            # What others remember of a link that we cannot reach we cannot mend.
            publication.farewells.clear()
            if publication.update is not None:
                self._adopt(publication)
        self.prober.suspend()
        self.goodbyes.clear()
        self.announcer.clear()

    def next_wakeup(self) -> float:
        """Return when to call `advance`; infinity when there is nothing to do."""
        at = self.prober.next_wakeup()
        for publication in self._updating.values():
            at = min(at, publication.update_at)
        return at

    def advance(self, now: float) -> list[bytes]:
        """Do what is due, and return the probes to multicast."""
        due, won = self.prober.advance(now)
        if won:
            self._take_over(won, now)
        for publication in list(self._updating.values()):
            if publication.update_at <= now:
                self._try_update(publication, now)
        since = self.prober.fruitless_since(now)
        if since is not None:
            self._events.append(ProbingFailed(self.prober.active_names(), since))
        if not due:
            return []
        # Type ANY, so that the name is ours for all types (RFC 6762 §8.1); QU, so that the owner may answer
        # at once even if it has multicast the record just now.
        return pack_probes(
            [
                (
                    Question(claim.name, RecordType.ANY, unicast=self._context.settings.unicast_responses),
                    self.proposals(claim),
                )
                for claim in due
            ],
            self._sizes,
        )

    def _take_over(self, won: Iterable[ProbedName], now: float) -> None:
        """Publish what the names that we have won make possible."""
        handles = {handle: None for claim in won for handle in sorted(claim.handles)}
        for handle in handles:
            publication = self._by_handle[handle]
            if not publication.is_published:
                self._publish_ready([publication], now)
            elif publication.update is not None:
                self._try_update(publication, now)
            else:
                # A verified name that nobody defended is published again.
                self._sync(publication, now)
                publication.farewells.clear()


def _concerns(record: Record, names: set[bytes]) -> bool:
    """Whether a record is about one of these names: as owner, or as what it points to."""
    if record.name.key in names:
        return True
    return record.type == RecordType.PTR and isinstance(record.data, Name) and record.data.key in names
