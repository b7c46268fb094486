"""Answering queries and watching responses: the responder half of a link (RFC 6762 §6, §7, §9)."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from typing import Final

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.mdns.constants import (
    DEFENCE_INTERVAL,
    MDNS_PORT,
    MULTICAST_INTERVAL,
    SHARED_DELAY,
    TRUNCATED_DELAY,
)
from mcast.mdns.context import LinkContext
from mcast.mdns.responder.conflicts import Watcher
from mcast.mdns.responder.packing import pack_legacy, pack_response
from mcast.mdns.responder.pending import DelayedResponses, KnownAnswers, TruncatedQueries, is_known
from mcast.mdns.responder.prepared import ReadyAnswer, ReadyAnswers
from mcast.mdns.responder.publications import Publications
from mcast.mdns.responder.record_group import RecordGroup
from mcast.mdns.responder.response_plan import MulticastPlan, Reason
from mcast.mdns.responder.zone import RecordSet
from mcast.mdns.schedule import Schedule
from mcast.neighbours import SocketAddress, SourceKind
from mcast.rate_limit import RateLimit

_Wanted = dict[RecordSet, bool]
"""Sets to send, and whether a unicast response is wanted for each."""


class Responder:
    """Publishes record groups on one link.

    Times are seconds on the caller's clock. What is to be sent goes into the outbox of the context, what the
    owner should know into its events.
    """

    def __init__(self, context: LinkContext) -> None:
        self.ready: Final = ReadyAnswers()
        self._context: Final = context
        self._outbox: Final = context.outbox
        self._rng: Final = context.rng
        self._sizes: Final = context.sizes
        self._counters: Final = context.counters
        max_rate = context.settings.max_rate
        self._rate: Final = RateLimit(max_rate) if max_rate else None
        """How many unicast answers a source gets; None for any number."""
        self._publications: Final = Publications(context, self.ready)
        self._zone: Final = self._publications.zone
        self._prober: Final = self._publications.prober
        self._plan: Final = MulticastPlan()
        self._truncated: Final = TruncatedQueries()
        self._delayed: Final = DelayedResponses()
        self._watcher: Final = Watcher(context, self._publications, self._plan)
        self._schedule(context.schedule)

    def _schedule(self, schedule: Schedule) -> None:
        """Register what wants to be woken, in the order in which it is done when all of it is due."""
        publications = self._publications
        schedule.add(self._prober.timers.next_at, self._probe)
        schedule.add(self._prober.failure_at, publications.report_failure)
        schedule.add(publications.updates.next_at, publications.try_updates)
        schedule.add(publications.announcer.timers.next_at, self._announce)
        schedule.add(self._truncated.timers.next_at, self._answer_truncated)
        schedule.add(self._delayed.timers.next_at, self._answer_delayed)
        # RFC 6762 §8.4: the goodbye of what was replaced comes before the new data.
        schedule.add(publications.goodbyes.timers.next_at, self._say_goodbyes)
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

    @property
    def goodbye_done(self) -> bool:
        """Whether every goodbye has left."""
        return not self._publications.goodbyes

    def is_published(self, record: Record) -> bool:
        """Whether we answer with this record now, whatever TTL it has here."""
        return self._zone.published(record) is not None

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

    def _forget_plans(self) -> None:
        self._plan.clear()
        self._truncated.clear()
        self._delayed.clear()

    # Queries

    def handle_query(
        self, message: Message, source: SocketAddress, multicast: bool, now: float, key: bytes = b""
    ) -> None:
        """Answer a query, or plan to.

        :param key: the datagram without its ID if it is a plain query (one question and nothing else), so
            that the next one like it is answered by `answer_ready`.
        """
        known: KnownAnswers = {record.identity: record.ttl for record in message.answers}
        host = source[0]
        if source[1] != MDNS_PORT:
            self._answer_legacy(message, known, source, now, key)
            return
        if message.authorities:
            self._watcher.watch_probe(message, now)
        if known and host in self._truncated:
            self._truncated.strike(host, known)
            self._plan.expect()
        defences, answers, is_complete = self._find_answers(message, known, multicast)
        if defences:
            self._defend(defences, source, now)
        if message.truncated:
            due_at = now + self._rng.uniform(*TRUNCATED_DELAY)
            if not self._truncated.hold(source, answers, known, now, due_at):
                self._counters["truncated queries over limit"] += 1
                self._respond(answers, source, now, due_at, may_wait=True)
            self._plan.expect()
        elif answers:
            # RFC 6762 §6, §6.3: no delay only if no other host can have an answer to anything in this
            # message.
            at_once = is_complete and len(message.questions) == 1 and all(answer.unique for answer in answers)
            delay = 0.0 if at_once else self._rng.uniform(*SHARED_DELAY)
            self._respond(answers, source, now, now + delay, may_wait=not at_once, key=key)
            if key:
                self._make_ready(key, message, answers, now)
        self._send_due(now)

    def _find_answers(
        self, message: Message, known: KnownAnswers, multicast: bool
    ) -> tuple[_Wanted, _Wanted, bool]:
        """Return the sets that answer a query.

        :returns: those that defend our names against a probe, the others, and whether every question has an
            answer.
        """
        proposed: dict[bytes, set[int]] = {}
        for proposal in message.authorities:
            proposed.setdefault(proposal.name.key, set()).add(proposal.type)
        defences: _Wanted = {}
        answers: _Wanted = {}
        is_complete = True
        for question in dict.fromkeys(message.questions):
            found = self._zone.answers(question)
            is_complete = is_complete and bool(found)
            types = proposed.get(question.name.key, ())
            # RFC 6762 §6: a probe is known by a proposed record that "answers" its question.
            is_probe = question.type in types or (question.type == RecordType.ANY and bool(types))
            wanted = defences if is_probe and any(answer.unique for answer in found) else answers
            unicast = question.unicast or not multicast
            for answer in found:
                if is_known(answer, known):
                    self._counters["known answers suppressed"] += 1
                else:
                    # A set that is also asked for by multicast is multicast, for everybody to see.
                    wanted[answer] = wanted.get(answer, True) and unicast
        return defences, answers, is_complete

    def _defend(self, defences: _Wanted, source: SocketAddress, now: float) -> None:
        """Answer a probe for our name without delay (RFC 6762 §8.1)."""
        is_on_link = self._context.neighbours.classify(source[0]) is SourceKind.ON_LINK
        direct = [answer for answer, unicast in defences.items() if unicast and is_on_link]
        if direct:
            # RFC 6762 §5.4: "the responder should always generate the requested unicast response".
            self._send_unicast(direct, source, now)
        for answer in defences:
            if answer not in direct or now >= answer.unicast_until:
                at = max(now, answer.multicast_at + DEFENCE_INTERVAL)
                self._plan.add(answer, at, Reason.DUTY)
        self._counters["names defended"] += 1

    def _respond(
        self,
        answers: _Wanted,
        source: SocketAddress,
        now: float,
        at: float,
        *,
        may_wait: bool,
        key: bytes = b"",
    ) -> None:
        """Send or plan answers, each by the way it was asked for.

        :param answers: the sets, and whether a unicast response is wanted.
        :param at: when the answers are due; now, or after their random delay.
        """
        is_on_link = self._context.neighbours.classify(source[0]) is SourceKind.ON_LINK
        direct: list[RecordSet] = []
        for answer, unicast in answers.items():
            # RFC 6762 §11: a host off the link would ignore a unicast response.
            if unicast and is_on_link and now < answer.unicast_until:
                direct.append(answer)
            elif at >= answer.multicast_at + MULTICAST_INTERVAL:
                self._plan.add(answer, at, Reason.ANSWER, may_wait=may_wait)
            else:
                # RFC 6762 §6: the querier has seen it just now, or will ask again.
                self._counters["repetitions suppressed"] += 1
        if not direct:
            return
        if at <= now:
            self._send_unicast(direct, source, now)
        elif not self._delayed.add(source, direct, at, key):
            # RFC 6762 Appendix D: one multicast answers all of them.
            self._counters["delayed responses over limit"] += 1
            for answer in direct:
                if at >= answer.multicast_at + MULTICAST_INTERVAL:
                    self._plan.add(answer, at, Reason.ANSWER, may_wait=may_wait)

    def _answer_legacy(
        self, message: Message, known: KnownAnswers, source: SocketAddress, now: float, key: bytes
    ) -> None:
        """Answer a legacy query at once, by unicast, in the form of conventional DNS (RFC 6762 §6.7).

        Without a random delay: the response goes to one ephemeral port, where it collides with no
        multicast, and the querier takes the first one that comes.
        """
        answers: dict[RecordSet, None] = {}
        for question in dict.fromkeys(message.questions):
            for answer in self._zone.answers(question):
                if not is_known(answer, known):
                    answers[answer] = None
        if answers and self._may_send(source, now):
            extras = self._zone.additionals(answers)
            payload = pack_legacy(message.id, message.questions, answers, extras, self._sizes)
            self._outbox.unicast(payload, source)
            if key:
                self.ready.make(key, message).legacy = payload[2:]
            self._counters["legacy responses"] += 1

    def _may_send(self, source: SocketAddress, now: float) -> bool:
        if self._context.neighbours.classify(source[0]) is SourceKind.NO_HOST:
            self._counters["unanswerable sources"] += 1
            return False
        if self._rate is not None and not self._rate.allows(source[0], now):
            self._counters["answers over rate"] += 1
            return False
        return True

    def _send_unicast(self, answers: list[RecordSet], destination: SocketAddress, now: float) -> None:
        if self._may_send(destination, now):
            payloads = self._pack_with_additionals(answers)
            for payload in payloads:
                self._outbox.unicast(payload, destination)
            self._counters["unicast responses"] += len(payloads)

    def _pack_with_additionals(self, answers: Collection[RecordSet]) -> list[bytes]:
        records = [answer.records for answer in answers]
        return pack_response(records, self._zone.additionals(answers), self._sizes)[0]

    # Responses

    def handle_response(self, message: Message, source: SocketAddress, multicast: bool, now: float) -> None:
        """Watch for conflicts, for answers that need not be given twice, and for records to be rescued."""
        self._watcher.watch_response(message, multicast, now)
        self._send_due(now)

    # What the schedule wakes

    def _probe(self, now: float) -> None:
        self._watcher.weigh_missing(now)
        for payload in self._publications.probe(now):
            self._outbox.multicast(payload)
            self._counters["probes"] += 1

    def _announce(self, now: float) -> None:
        for record_set in self._publications.announcer.due(now):
            at = max(now, record_set.multicast_at + MULTICAST_INTERVAL)
            self._plan.add(record_set, at, Reason.DUTY)

    def _answer_truncated(self, now: float) -> None:
        for query in self._truncated.take(now):
            # What was multicast since the query came has been seen by the querier.
            answers = {
                answer: unicast
                for answer, unicast in query.answers.items()
                if answer.is_current and answer.multicast_at < query.begun_at
            }
            self._respond(answers, query.source, now, now, may_wait=False)
        self._plan.expect()

    def _answer_delayed(self, now: float) -> None:
        for response in self._delayed.take(now):
            current = [answer for answer in response.answers if answer.is_current]
            if current:
                self._send_unicast(current, response.destination, now)

    def _say_goodbyes(self, now: float) -> None:
        goodbyes = [(record,) for record in self._publications.goodbyes.take(now)]
        for payload in pack_response(goodbyes, (), self._sizes)[0]:
            self._outbox.multicast(payload)
            self._counters["goodbyes"] += 1

    def _multicast_at(self) -> float | None:
        return self._plan.next_at(self._truncated.times)

    def _multicast(self, now: float) -> None:
        """Multicast the sets that are due, with what belongs to them, in as few messages as possible."""
        due, answers = self._plan.take(now)
        due = [record_set for record_set in due if record_set.is_current]
        wanted = self._zone.additionals([answer for answer in answers if answer.is_current])
        extras = [
            extra
            for extra in dict.fromkeys(wanted + self._zone.companions(due))
            if extra not in due and now >= extra.multicast_at + MULTICAST_INTERVAL
        ]
        payloads, room = pack_response([one.records for one in due], extras, self._sizes)
        for payload in payloads:
            self._outbox.multicast(payload)
        self._counters["multicast responses"] += len(payloads)
        for record_set in due + room:
            record_set.mark_multicast(now)
            self._plan.discard(record_set)
        self._publications.report_announced()

    def _send_due(self, now: float) -> None:
        """Send what a packet has made due at once: goodbyes first, then everything else."""
        if self._publications.goodbyes:
            self._say_goodbyes(now)
        at = self._multicast_at()
        if at is not None and at <= now:
            self._multicast(now)

    # The fast way

    def _make_ready(self, key: bytes, message: Message, answers: _Wanted, now: float) -> None:
        """Keep what a plain query got, for the next one like it."""
        ready = self.ready.make(key, message)
        if not all(answers.values()):
            ready.quiet_until = min([self._quiet_until(answer, now) for answer in answers])
            return
        ready.unicast_until = min([answer.unicast_until for answer in answers])
        if not all(answer.unique for answer in answers):
            ready.answers = list(answers)
        elif now < ready.unicast_until:
            payloads = self._pack_with_additionals(answers)
            # More than one message is not worth the memory.
            ready.unicast = payloads[0] if len(payloads) == 1 else b""

    def _quiet_until(self, answer: RecordSet, now: float) -> float:
        """Until when another question for a multicast of this set has no effect."""
        planned_at = self._plan.due_at(answer)
        if planned_at is not None and planned_at <= now + SHARED_DELAY[1]:
            return planned_at
        return answer.multicast_at + MULTICAST_INTERVAL - SHARED_DELAY[1]

    def answer_ready(
        self, ready: ReadyAnswer, datagram: bytes, source: SocketAddress, multicast: bool, now: float
    ) -> bytes | None:
        """Return the response to a query whose answer is ready, or None when it must go the long way.

        It is for the sender alone, and is empty when there is none, or none yet.

        The rules are those of `handle_query`: a legacy query is always answered at once by unicast; a host
        that wants a unicast response gets it if the records were multicast within a quarter of their TTL, at
        once or, for shared records, after a random delay.
        """
        origin = self._context.neighbours.classify(source[0])
        if source[1] != MDNS_PORT:
            if (
                not ready.legacy
                or origin is SourceKind.NO_HOST
                or (origin is SourceKind.OFF_LINK and not multicast)
            ):
                return None
            payload = datagram[:2] + ready.legacy
        elif now < ready.unicast_until and origin is SourceKind.ON_LINK:
            payload = ready.unicast
            if not payload:
                at = now + self._rng.uniform(*SHARED_DELAY)
                is_added = ready.answers and self._delayed.add(source, ready.answers, at, datagram[2:])
                return b"" if is_added else None
        else:
            return None
        if self._rate is None or self._rate.allows(source[0], now):
            self._counters["ready answers"] += 1
            return payload
        self._counters["answers over rate"] += 1
        return b""
