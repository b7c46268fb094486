"""The record groups of one link: claimed, updated, lost and withdrawn (RFC 6762 §8, §9, §10.1)."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
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
    RecordOversized,
)
from mcast.mdns.responder.announcer import Announcer, UpdateLimit
from mcast.mdns.responder.goodbyes import Goodbyes
from mcast.mdns.responder.message_sizes import pack_probes, size_alone
from mcast.mdns.responder.prepared_answers import ReadyAnswers
from mcast.mdns.responder.prober import ProbedName, Prober
from mcast.mdns.responder.publication import Pointing, Publication
from mcast.mdns.responder.record_group import RecordGroup
from mcast.mdns.responder.restarts import Restarts
from mcast.mdns.responder.zone import NO_ENTRIES, Entries, FormerRecord, Zone
from mcast.mdns.schedule import Timers

MAX_UPDATES = 100
"""Groups that are published or changed in one go. Our choice: some milliseconds of work."""


class Publications:
    """All record groups of a link; has the zone, the names, the announcements and the goodbyes.

    :param ready: the answers kept in encoded form, which every change of the zone makes invalid.
    """

    def __init__(self, context: LinkContext, ready: ReadyAnswers) -> None:
        self.zone: Final = Zone()
        self.prober: Final = Prober(context.rng)
        self.announcer: Final = Announcer(context.settings.announcements)
        self.goodbyes: Final = Goodbyes()
        self.updates: Final[Timers[Publication]] = Timers()
        """When to call `try_updates`."""
        self.restarts: Final = Restarts()
        """When to call `restart`."""
        self._context: Final = context
        self._events: Final = context.events
        self._ready: Final = ready
        self._pointing: Final = Pointing()
        self._publications: Final[dict[Hashable, Publication]] = {}
        """By owner."""
        self._unannounced: Final[dict[Hashable, Publication]] = {}
        """Those with an update that has not been announced; by owner."""

    def __contains__(self, owner: Hashable) -> bool:
        return owner in self._publications

    # What the owners ask for

    def register(self, owner: Hashable, group: RecordGroup, now: float) -> None:
        """Probe for the names of a group and publish it."""
        if owner in self._publications:
            raise ValueError(f"{owner!r} has a record group on this link already")
        self._check_sizes(group, owner)
        publication = self._publications[owner] = Publication(owner, group)
        self._want(publication, now)
        self._publish_ready([publication], now)

    def update(self, owner: Hashable, group: RecordGroup, now: float) -> None:
        """Give a group other records, as soon as its new names are claimed and RFC 6762 §8.4 allows it."""
        publication = self._publications[owner]
        self._check_sizes(group, owner)
        self._unannounced[owner] = publication
        before = publication.probed_names() + publication.verified_names()
        publication.update = group
        self._want(publication, now)
        after = publication.probed_names() + publication.verified_names()
        # Those of an earlier update that never came into force.
        self._release(publication, [name for name in before if name not in after])
        if publication.is_published:
            self._try_update(publication, now)
        else:
            # Nobody has heard of the group in this form, so that it needs no waiting for anything.
            self._adopt(publication)
            self._publish_ready([publication], now)
        self.report_announced()

    def is_announced(self, owner: Hashable) -> bool:
        """Whether the group of an owner is in use, and what its updates changed was multicast."""
        publication = self._publications.get(owner)
        return publication is not None and publication.is_announced

    def report_announced(self) -> None:
        """Report the updates that have been announced; called when something may have been multicast."""
        if not self._unannounced:
            return
        for publication in tuple(self._unannounced.values()):
            if publication.is_announced:
                del self._unannounced[publication.owner]
                publication.announcing = None
                self._events.append(GroupUpdated(publication.owner))

    def withdraw(self, owner: Hashable, now: float, *, goodbye: bool) -> None:
        """Take a group off the link; an unknown owner is ignored."""
        # The owner may register the next group any moment.
        self._events.forget(owner)
        publication = self._publications.get(owner)
        if publication is None:
            return
        contested = self._contested(publication)
        former = self._remove(publication, now)
        for name in publication.probed_names():
            for waiting in self._pointing.at(name.key):
                if not waiting.is_published:
                    # Its owner may have another target for it, in the same breath.
                    self.updates.arm(waiting, now)
        if goodbye and self._context.is_up:
            for one in former:
                if not contested or not _concerns(one.record, contested):
                    self._say_goodbye(one, now)

    def lose(self, owner: Hashable, lost: Name, now: float) -> None:
        """Take a group off the link whose name another host on it has, as was heard elsewhere."""
        self._events.forget(owner)
        publication = self._publications.get(owner)
        if publication is None:
            return
        contested = self._contested(publication)
        former = self._remove(publication, now)
        self._hide_pointing(lost, now, is_lost=True)
        if self._context.is_up:
            for one in former:
                self._leave_to_winner(one, lost, contested, (), now)

    def _check_sizes(self, group: RecordGroup, owner: Hashable) -> None:
        sizes = self._context.sizes
        oversized = [record for record in group if size_alone(record) > sizes.normal]
        for record in oversized:
            if size_alone(record) > sizes.single:
                # RFC 6762 §17: not even in fragments.
                raise ValueError(f"a record of {record.name} is too large for a packet")
        for record in oversized:
            self._events.append(RecordOversized(owner, record.name, size_alone(record)))

    # Names

    def _want(self, publication: Publication, now: float) -> None:
        for name in publication.probed_names():
            self.prober.want(name, publication.owner, now)
        for name in publication.verified_names():
            self.prober.want(name, publication.owner, now, verified=True)
        self._pointing.note(publication)

    def _release(self, publication: Publication, names: Iterable[Name]) -> None:
        for name in names:
            self.prober.release(name.key, publication.owner)

    def _is_ready(self, publication: Publication, group: RecordGroup) -> bool:
        """Whether a group may be in use: its names are ours, and so are those that it points to.

        What would point to a name that we only probe for might lead to the host that has it. A name that no
        group here wants is that of another host, and may be pointed to.
        """
        if not self._context.is_up or not all(self.prober.holds(name.key) for name in group.probed_names):
            return False
        return not any(self._is_uncertain(key, publication) for key in group.targets)

    def _is_uncertain(self, target: bytes, publication: Publication) -> bool:
        probed = self.prober.get(target)
        if probed is None:
            return target in publication.lost_targets
        return not probed.is_held

    def _contested(self, publication: Publication) -> set[bytes]:
        """The names of a group that are not ours at the moment."""
        holds = self.prober.holds
        return {
            name.key
            for name in publication.probed_names() + publication.verified_names()
            if not holds(name.key)
        }

    def proposals(self, probed: ProbedName) -> list[Record]:
        """Return the records that we want under a name, in the order of the tie-break (RFC 6762 §8.2.1)."""
        found: dict[Identity, Record] = {}
        for owner in probed.owners:
            group = self._publications[owner].wanted
            for record in group.unique + group.verified:
                if record.name == probed.name:
                    found[record.identity] = record.with_cache_flush(False)
        return sorted(found.values(), key=lambda record: (record.rclass, record.type, record.rdata))

    # Publishing

    def _entries(self, publication: Publication) -> Entries:
        group = publication.group
        verified = [
            record
            for record in group.verified
            if self.prober.holds(record.name.key) and record.name.key not in publication.lost_names
        ]
        return Entries((*group.unique, *verified) if verified else group.unique, group.shared)

    def _sync(self, publication: Publication, now: float) -> list[FormerRecord]:
        """Bring the zone up to date with a group, announce what is new, and return what has gone."""
        entries = self._entries(publication) if publication.is_published else NO_ENTRIES
        changes = self.zone.apply(publication.published, entries, now)
        publication.published = entries
        if self.goodbyes:
            for record, _ in entries:
                self.goodbyes.cancel(record)
        self.announcer.start(changes.announce, now)
        self._ready.clear()
        if publication.owner in self._unannounced:
            announcing = publication.announcing or {}
            announcing.update([(each, each.multicast_at) for each in changes.announce])
            publication.announcing = announcing
        return changes.gone

    def _publish_ready(self, publications: Iterable[Publication], now: float) -> None:
        for publication in publications:
            if not publication.is_published and self._is_ready(publication, publication.group):
                publication.is_published = True
                self._sync(publication, now)
                for former in publication.former:
                    # Left from before the group was out of use, and not part of it any more.
                    self._say_goodbye(former, now)
                publication.former = ()
                self._events.append(GroupClaimed(publication.owner))

    def _hide(self, publication: Publication, now: float) -> None:
        """Take a group out of use without a word to the network."""
        if publication.is_published:
            publication.is_published = False
            publication.former += tuple(self._sync(publication, now))

    def _remove(self, publication: Publication, now: float) -> tuple[FormerRecord, ...]:
        """Forget a group, and return what others know of it."""
        self._hide(publication, now)
        self._release(publication, publication.probed_names() + publication.verified_names())
        del self._publications[publication.owner]
        self._pointing.forget(publication)
        self.updates.disarm(publication)
        self._unannounced.pop(publication.owner, None)
        return publication.former

    def _say_goodbye(self, former: FormerRecord, now: float) -> None:
        # Another group may have the record too, or the same group has it again.
        if not self.zone.is_published(former.record):
            record = former.record.with_cache_flush(former.unique)
            self.goodbyes.add(record, max(now, former.multicast_at + MULTICAST_INTERVAL))

    # Updates

    def _adopt(self, publication: Publication) -> None:
        """Make the update the group, and give up the names that it does not have."""
        old = publication.group.probed_names + publication.group.verified_names
        assert publication.update is not None
        publication.group = publication.update
        publication.update = None
        self.updates.disarm(publication)
        new = publication.group.probed_names + publication.group.verified_names
        self._release(publication, [name for name in old if name not in new])
        self._pointing.note(publication)

    def _try_update(self, publication: Publication, now: float) -> None:
        update = publication.update
        assert update is not None
        self.updates.disarm(publication)
        limit = publication.limit = publication.limit or UpdateLimit()
        at = max(limit.earliest(now), self._goodbyes_possible_at(publication, update, now))
        if at > now:
            self.updates.arm(publication, at)
            return
        if not self._is_ready(publication, update):
            # Tried again when a name becomes ours.
            return
        before = set(publication.published)
        self._adopt(publication)
        if set(self._entries(publication)) == before:
            return
        limit.count(now)
        # RFC 6762 §8.4: a shared record's goodbye comes before the new data, and for a unique one the
        # cache-flush bit does it; goodbyes leave before announcements (see Responder), and only sets that are
        # gone have one.
        for former in self._sync(publication, now):
            self._say_goodbye(former, now)

    def _goodbyes_possible_at(self, publication: Publication, update: RecordGroup, now: float) -> float:
        """Return when the goodbyes of the shared records that an update drops may leave (RFC 6762 §6)."""
        kept = {record.identity for record in update.shared}
        at = now
        for record, unique in publication.published:
            if not unique and record.identity not in kept and self.zone.users(record, False) == 1:
                published = self.zone.published(record)
                if published is not None:
                    at = max(at, published.multicast_at + MULTICAST_INTERVAL)
        return at

    # Conflicts

    def _hide_pointing(self, name: Name, now: float, *, is_lost: bool) -> None:
        """Take out of use what points to a name that is contested, or was found to be another host's."""
        for publication in self._pointing.at(name.key):
            if is_lost:
                publication.lost_targets |= {name.key}
            if publication.is_published and name.key in publication.group.targets:
                self._hide(publication, now)
                self._events.append(GroupReprobing(publication.owner, name, contested=False))

    def reprobe(self, probed: ProbedName, now: float, patience: float = 0.0) -> None:
        """Probe again for a name of ours after a conflicting response (RFC 6762 §9).

        :param patience: seconds until then.
        """
        self.prober.count_conflict(now)
        self.prober.reprobe(probed, now, patience)
        for publication in self._wanting(probed):
            if probed.name in publication.probed_names():
                self._hide(publication, now)
                self._events.append(GroupReprobing(publication.owner, probed.name))
            elif publication.is_published:
                publication.former += tuple(self._sync(publication, now))
        self._hide_pointing(probed.name, now, is_lost=False)

    def lose_name(self, probed: ProbedName, heard: Collection[int], now: float) -> None:
        """Give up a name that another host answers for (RFC 6762 §8.1, §9).

        :param heard: the types that the other host was heard to have under it.
        """
        self.prober.count_conflict(now)
        publications = self._wanting(probed)
        self.prober.lose(probed, now)
        for publication in publications:
            if probed.name in publication.probed_names():
                contested = self._contested(publication)
                for former in self._remove(publication, now):
                    self._leave_to_winner(former, probed.name, contested, heard, now)
                self._events.append(GroupLost(publication.owner, probed.name))
            else:
                self._lose_verified_records(publication, probed.name, now)
        self._hide_pointing(probed.name, now, is_lost=True)

    def lose_verified(self, probed: ProbedName, now: float) -> None:
        """Give up a verified name to a host that shows more right to it."""
        publications = self._wanting(probed)
        self.prober.drop(probed)
        for publication in publications:
            self._lose_verified_records(publication, probed.name, now)

    def _wanting(self, probed: ProbedName) -> list[Publication]:
        return [self._publications[owner] for owner in probed.owners]

    def _lose_verified_records(self, publication: Publication, name: Name, now: float) -> None:
        publication.lost_names |= {name.key}
        if publication.is_published:
            # Without a goodbye: the records of the other host may look like ours.
            self._sync(publication, now)
        publication.former = tuple([one for one in publication.former if one.record.name != name])
        self._events.append(NameLost(publication.owner, name))

    def _leave_to_winner(
        self, former: FormerRecord, lost: Name, contested: set[bytes], heard: Collection[int], now: float
    ) -> None:
        """Say goodbye to what became wrong with the loss of a name, and to nothing else.

        Others now take the name for the winner's. What they know of it and what the winner has too must stay:
        a pointer to the name is as true as before, and so may be a record that looks like ours.
        """
        record = former.record
        if record.name == lost:
            # Our addresses under the winner's name lead to the wrong host. Where the winner has addresses of
            # that family, its cache-flush bit has removed ours; where not, they would stay. Our own
            # cache-flush bit would remove the winner's.
            if record.type in (RecordType.A, RecordType.AAAA) and record.type not in heard:
                self._say_goodbye(FormerRecord(record, False, former.multicast_at), now)
        elif former.unique and record.name.key not in contested:
            # Under a name that is still ours, as a reverse mapping to the lost name.
            self._say_goodbye(former, now)

    # Time and the state of the link

    def set_up(self, now: float) -> None:
        """The link works (again): probe for everything, then announce it (RFC 6762 §8, §10.2).

        Some groups begin at once and the others later, by `restart`. Until then those that were in use are
        answered for, and no name is ours.
        """
        self.goodbyes.clear()
        self.announcer.clear()
        self.prober.reset()
        self.restarts.start(self._publications.values(), now)
        self.restart(now)

    def restart(self, now: float) -> None:
        """Begin anew with some of the groups for which `set_up` asked."""
        some = [each for each in self.restarts.take() if self._publications.get(each.owner) is each]
        for publication in some:
            if publication.is_published:
                self._hide(publication, now)
                for name in publication.group.probed_names:
                    self._events.append(GroupReprobing(publication.owner, name, contested=False))
            publication.lost_names = publication.lost_targets = frozenset()
            self._want(publication, now)
        self._publish_ready(some, now)

    def set_down(self, now: float) -> None:
        """The link carries nothing: fall silent, and keep the groups for when it works again."""
        self.zone.clear(now)
        self._ready.clear()
        for publication in self._publications.values():
            publication.is_published = False
            publication.published = NO_ENTRIES
            # Nothing can be told to hosts that cannot be reached.
            publication.former = ()
            if publication.update is not None:
                self._adopt(publication)
        self.prober.suspend()
        self.restarts.clear()
        self.goodbyes.clear()
        self.announcer.clear()

    def probe(self, now: float) -> list[bytes]:
        """Take over the names that have become ours, and return the probes to multicast."""
        due, won = self.prober.advance(now)
        if won:
            self._take_over(won, now)
        if not due:
            return []
        # Type ANY, so that the name is ours for all types (RFC 6762 §8.1).
        questions = [
            (
                Question(probed.name, RecordType.ANY, unicast=self._wants_unicast(probed)),
                self.proposals(probed),
            )
            for probed in due
        ]
        return pack_probes(questions, self._context.sizes)

    def _wants_unicast(self, probed: ProbedName) -> bool:
        """Whether the probe that leaves now is a QU question: the first one for a name alone is.

        The owner then answers it at once even if it has multicast the record just now. RFC 6762 §8.1 has all
        three so; but the system gives a unicast response to one of the programs on port 5353, on Linux to the
        one bound last, and nobody tells us when one is bound after us (RFC 6762 §15.1). The answers to the
        others come by multicast, and those we hear in any case. After a lost tie-break there is a winner, and
        perhaps dozens of losers at the same moment: it answers all of them by one multicast.
        """
        is_first = probed.probes == 1 and not probed.was_deferred
        return is_first and self._context.unicast_responses

    def report_failure(self, now: float) -> None:
        """Report that no free name was found, when the time has come (RFC 6762 §9)."""
        failure = self.prober.failure(now)
        if failure is not None:
            self._events.append(failure)

    def try_updates(self, now: float) -> None:
        """Bring updates into force whose time has come."""
        for publication in self.updates.due(now, MAX_UPDATES):
            if not publication.is_published:
                self._publish_ready([publication], now)
            elif publication.update is not None:
                self._try_update(publication, now)
            # What waited for its target may have been published by a name of its own that was won since.
        self.report_announced()

    def _take_over(self, won: Iterable[ProbedName], now: float) -> None:
        """Publish what the names that we have won make possible: under them, and pointing to them."""
        for publication in dict.fromkeys([one for probed in won for one in self._wanting(probed)]):
            if not publication.is_published:
                self._publish_ready([publication], now)
            elif publication.update is not None:
                self._try_update(publication, now)
            else:
                # A verified name that no other host defended is published again.
                self._sync(publication, now)
                publication.former = ()
        for publication in dict.fromkeys(
            [one for probed in won for one in self._pointing.at(probed.name.key)]
        ):
            if not publication.is_published or publication.update is not None:
                # At once, but not all of them in one go: thousands may point to one host.
                self.updates.arm(publication, now)


def _concerns(record: Record, names: set[bytes]) -> bool:
    """Whether a record is about one of these names: as owner, or as what it points to."""
    if record.name.key in names:
        return True
    return record.type == RecordType.PTR and isinstance(record.data, Name) and record.data.key in names
