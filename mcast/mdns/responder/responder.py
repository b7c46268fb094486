"""The responder half of a link: what its owner, the packets and the schedule have it do (RFC 6762 §6-§10)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import chain
from math import inf
from typing import Final

from mcast.dns.messages import Message
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.mdns.constants import (
    MDNS_PORT,
    MULTICAST_INTERVAL,
)
from mcast.mdns.context import LinkContext
from mcast.mdns.responder.answerer import Answerer
from mcast.mdns.responder.conflicts import Watcher
from mcast.mdns.responder.message_sizes import pack_response
from mcast.mdns.responder.prepared_answers import ReadyAnswerer, ReadyAnswers
from mcast.mdns.responder.publications import Publications
from mcast.mdns.responder.record_group import RecordGroup
from mcast.mdns.responder.record_set import RecordSet
from mcast.mdns.responder.response_aggregation import MulticastPlan, Reason
from mcast.mdns.responder.siblings import Siblings
from mcast.mdns.schedule import Schedule
from mcast.neighbours import SocketAddress


class Responder:
    """Publishes record groups on one link.

    Times are seconds on the caller's clock. What is to be sent goes into the outbox of the context, what the
    owner should know into its events.
    """

    def __init__(self, context: LinkContext) -> None:
        self.ready: Final = ReadyAnswers()
        """For `ready_answerer`."""
        self._context: Final = context
        self._outbox: Final = context.outbox
        self._sizes: Final = context.sizes
        self._counters: Final = context.counters
        self._publications: Final = Publications(context, self.ready)
        self._zone: Final = self._publications.zone
        self._prober: Final = self._publications.prober
        self._plan: Final = MulticastPlan()
        self._siblings: Final = Siblings()
        self._watcher: Final = Watcher(context, self._publications, self._plan)
        self._answerer: Final = Answerer(context, self._zone, self._plan, self.ready, self._siblings)
        self.ready_answerer: Final = ReadyAnswerer(context, self._answerer.unicast)
        self._schedule(context.schedule)

    def _schedule(self, schedule: Schedule) -> None:
        """Register what wants to be woken, in the order in which it is done when all of it is due."""
        publications = self._publications
        schedule.add(publications.restarts.next_at, publications.restart)
        schedule.add(self._prober.timers.next_at, self._probe)
        schedule.add(self._prober.failure_at, publications.report_failure)
        schedule.add(publications.updates.next_at, publications.try_updates)
        schedule.add(publications.announcer.timers.next_at, self._announce)
        schedule.add(self._answerer.truncated.timers.next_at, self._answerer.answer_truncated)
        unicast = self._answerer.unicast
        schedule.add(unicast.delayed.timers.next_at, unicast.send_delayed)
        # RFC 6762 §8.4: the goodbye of what was replaced comes before the new data.
        schedule.add(publications.goodbyes.next_at, self._say_goodbyes)
        schedule.add(self._multicast_at, self._multicast)

    # What the owner asks for

    def __contains__(self, owner: Hashable) -> bool:
        """Whether the owner has a record group here, published or on its way to be."""
        return owner in self._publications

    def register(self, owner: Hashable, group: RecordGroup, now: float) -> None:
        """Probe for the names of a group and publish it; `GroupClaimed` or `GroupLost` tells how it went.

        :param owner: comes with every event of the group; any value that has a hash.
        :raises ValueError: a record is too large for any message (RFC 6762 §17), or the owner has a group
            here already.
        """
        self._publications.register(owner, group, now)

    def update(self, owner: Hashable, group: RecordGroup, now: float) -> None:
        """Give a group other records (RFC 6762 §8.4).

        New names are probed for first, and the old records stay in use until they are claimed. At most ten
        changes a minute are made; of several waiting ones the last one counts.

        :raises ValueError: a record is too large for any message.
        :raises KeyError: the owner has no group here (any more): it was withdrawn or lost.
        """
        self._publications.update(owner, group, now)

    def withdraw(self, owner: Hashable, now: float, goodbye: bool = True) -> None:
        """Take the group of an owner off the link; an owner without a group is ignored.

        The goodbyes leave as soon as a second has passed since the records were last multicast (RFC 6762 §6),
        so at most one second from now; see `goodbye_done`.
        """
        self._publications.withdraw(owner, now, goodbye=goodbye)

    def lose(self, owner: Hashable, lost: Name, now: float) -> None:
        """Take a group off the link whose name was lost on another link of the same interface.

        Goodbyes are said to what became wrong by that, and to nothing that the winner may have too. An owner
        without a group is ignored.
        """
        self._publications.lose(owner, lost, now)

    def is_announced(self, owner: Hashable) -> bool:
        """Whether the group of an owner is in use here, and what its updates changed was multicast."""
        return self._publications.is_announced(owner)

    def probes_unsent(self, now: float) -> None:
        """Probe anew for what is being probed for: the shell could not send a probe."""
        self._prober.restart(now)

    @property
    def is_probing(self) -> bool:
        """Whether any name is being probed for."""
        return self._prober.is_active

    @property
    def goodbye_done(self) -> bool:
        """Whether every goodbye has left."""
        return not self._publications.goodbyes

    def is_published(self, record: Record) -> bool:
        """Whether we answer with this record now, whatever TTL it has here."""
        return self._zone.published(record) is not None

    def was_seen(self, name: Name) -> bool:
        """Whether another host was heard to have, or want, a name while we probed for ours.

        For the choice of another name alone: what we probe for counts as taken when its owner says so.
        """
        return name.key in self._watcher.seen

    def holds(self, record: Record) -> bool:
        """Whether this record is in any of our groups, published or still being probed for.

        The other links of the host ask for this (`OtherLinks`).
        """
        if self._zone.published(record) is not None:
            return True
        probed = self._prober.get(record.name.key)
        return probed is not None and any(
            record.identity == proposed.identity for proposed in self._publications.proposals(probed)
        )

    def has_whole(self, records: Sequence[Record]) -> bool:
        """Whether these records are all that we have, or want, of their name, type and class.

        The other links of the host ask for this (`OtherLinks`).

        :param records: not empty, all of one name, type and class.
        """
        kind = (records[0].type, records[0].rclass)
        published = self._zone.unique_set(records[0])
        probed = self._prober.get(records[0].name.key)
        own: Iterable[Record] = ()
        if published is not None:
            own = published.records
        elif probed is not None:
            own = self._publications.proposals(probed)
        identities = {record.identity for record in own if (record.type, record.rclass) == kind}
        return identities == {record.identity for record in records}

    def records(self) -> Iterator[Record]:
        """Yield the records that we publish now; the unique ones have the cache-flush bit."""
        for record_set in self._zone:
            yield from record_set.records

    def set_up(self, now: float) -> None:
        """The link works (again): probe for everything, then announce it."""
        self._forget_plans()
        self._publications.set_up(now)

    def set_down(self, now: float) -> None:
        """The link carries nothing: say nothing and plan nothing until `set_up`."""
        self._forget_plans()
        self._publications.set_down(now)

    def forget_sources(self) -> None:
        """Judge anew who is on the link: the networks have changed."""
        self._answerer.unicast.allowances.forget()

    def _forget_plans(self) -> None:
        self._watcher.seen.clear()
        self._siblings.clear()
        self._plan.clear()
        self._answerer.clear()

    # What the link hears

    def is_own_probe(self, datagram: bytes, source: SocketAddress) -> bool:
        """Whether a datagram is a probe of ours that has come back, from which nothing can be learned."""
        return (
            self.is_probing
            and bool(datagram[8:10].strip(b"\0"))
            and self._context.neighbours.is_own(source[0])
            and self._siblings.is_echo(datagram)
        )

    def handle_query(
        self, message: Message, source: SocketAddress, multicast: bool, now: float, key: bytes = b""
    ) -> bool:
        """Answer a query, or plan to.

        :param key: see `Answerer.handle`.
        :returns: whether it may concern any name of ours; if not, nothing has changed.
        """
        is_ours = bool(message.authorities)
        if is_ours and source[1] == MDNS_PORT:
            self._watcher.watch_probe(message, now)
        is_ours = self._answerer.handle(message, source, multicast, now, key) or is_ours
        if is_ours:
            self._send_due(now)
        return is_ours

    def handle_response(
        self, message: Message, source: SocketAddress, multicast: bool, now: float, datagram: bytes = b""
    ) -> bool:
        """Watch for conflicts, for answers that need not be given twice, and for records to be rescued.

        :param datagram: tells our own packet, when it comes back, from another program's of our host.
        :returns: whether it may concern any name of ours; if not, nothing has changed.
        """
        is_ours = False
        by_sibling = multicast and self._context.neighbours.is_own(source[0])
        if by_sibling:
            if self._siblings.is_echo(datagram):
                # Our own packet, from which nothing can be learned about our records.
                return False
            self._hear_sibling(message, now)
            is_ours = True
        is_ours = self._watcher.watch_response(message, multicast, now, by_sibling=by_sibling) or is_ours
        if is_ours:
            self._send_due(now)
        return is_ours

    def _hear_sibling(self, message: Message, now: float) -> None:
        """Take the multicast of another program of our host for ours, since others do so."""
        self._siblings.hear(message, now)
        for record in chain(message.answers, message.additionals):
            ours = self._zone.published(record)
            if (
                ours is not None
                and self._siblings.said_at(ours) == now
                and self._plan.spare(ours, by_sibling=True)
            ):
                ours.mark_multicast(now)
                self._counters["duplicates suppressed"] += 1

    # What the schedule wakes

    def _probe(self, now: float) -> None:
        self._watcher.weigh_missing(now)
        for payload in self._publications.probe(now):
            self._outbox.multicast(payload)
            self._siblings.note_sent(payload, now)
            self._counters["probes"] += 1

    def _announce(self, now: float) -> None:
        announcer = self._publications.announcer
        late: list[RecordSet] = []
        last_at = now
        for record_set in announcer.due(now):
            said_at = self._siblings.said_at(record_set)
            if said_at > now - MULTICAST_INTERVAL:
                # Everybody has just heard it from our host.
                record_set.mark_multicast(said_at)
                self._plan.discard(record_set)
                continue
            if announcer.has_repeated and self._plan.announces(record_set, now):
                # We were late, and the announcement before this one leaves now: both would be one packet.
                late.append(record_set)
                continue
            at = max(now, self._may_announce_at, record_set.multicast_at + MULTICAST_INTERVAL)
            self._plan.add(record_set, at, Reason.ANNOUNCEMENT)
            last_at = max(at, last_at)
        announcer.repeat(last_at, late, now)
        self._publications.report_announced()

    @property
    def _may_announce_at(self) -> float:
        """From when on we know what our host has multicast within the last second.

        That is at once when the port is ours alone, and else a second after the link came up; probing takes
        nearly as long.
        """
        alone = self._context.settings.unicast_responses
        return -inf if alone else self._context.up_since + MULTICAST_INTERVAL

    def _say_goodbyes(self, now: float) -> None:
        goodbyes = [(record,) for record in self._publications.goodbyes.take(now)]
        for payload in pack_response(goodbyes, (), self._sizes)[0]:
            self._outbox.multicast(payload)
            self._siblings.note_sent(payload, now)
            self._counters["goodbyes"] += 1

    def _multicast_at(self) -> float | None:
        return self._plan.next_at(self._answerer.truncated.times) if self._plan else None

    def _multicast(self, now: float) -> None:
        """Multicast the sets that are due, with what belongs to them, in as few messages as possible."""
        due, answers = self._plan.take(now)
        due = [record_set for record_set in due if record_set.is_current]
        extras = self._extras(due, [answer for answer in answers if answer.is_current], now)
        payloads, room = pack_response([one.records for one in due], extras, self._sizes)
        for payload in payloads:
            self._outbox.multicast(payload)
            self._siblings.note_sent(payload, now)
        self._counters["multicast responses"] += len(payloads)
        for record_set in due + room:
            record_set.mark_multicast(now)
            self._plan.discard(record_set)
        self._publications.report_announced()

    def _extras(self, due: list[RecordSet], answers: list[RecordSet], now: float) -> Iterator[RecordSet]:
        """Yield what belongs to sets that are multicast now and may be multicast as well, each set once.

        :param answers: those of the sets that answer a question.
        """
        planned = set(due)
        for extra in chain(self._zone.additionals(answers), self._zone.companions(due)):
            if extra not in planned and now >= self._answerer.possible_at(extra):
                planned.add(extra)
                yield extra

    def _send_due(self, now: float) -> None:
        """Send what a packet has made due at once: goodbyes first, then everything else."""
        if self._context.schedule.is_behind:
            return  # the timer, which goes off at once, has its turn first
        if self._publications.goodbyes:
            self._say_goodbyes(now)
        at = self._multicast_at()
        if at is not None and at <= now:
            self._multicast(now)
