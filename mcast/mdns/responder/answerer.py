"""Which answers a query gets, when and by which way (RFC 6762 §6, §6.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message
from mcast.dns.records import Identity, Record
from mcast.mdns.constants import (
    DEFENCE_INTERVAL,
    MDNS_PORT,
    MULTICAST_INTERVAL,
    SHARED_DELAY,
    TRUNCATED_DELAY,
)
from mcast.mdns.context import LinkContext
from mcast.mdns.responder.known_answers import KnownAnswers, is_known
from mcast.mdns.responder.legacy_responses import LegacyResponder
from mcast.mdns.responder.prepared_answers import ReadyAnswers
from mcast.mdns.responder.record_set import RecordSet
from mcast.mdns.responder.response_aggregation import MulticastPlan, Reason
from mcast.mdns.responder.siblings import Siblings
from mcast.mdns.responder.truncated_queries import TruncatedQueries
from mcast.mdns.responder.unicast_responses import UnicastResponses
from mcast.mdns.responder.zone import Zone
from mcast.neighbours import SocketAddress

_Wanted = dict[RecordSet, bool]
"""Sets to send, and whether a unicast response is wanted for each."""


class Answerer:
    """Answers queries from the zone: at once by unicast, or by the plan of what is multicast.

    :param ready: the answers kept in encoded form, which this fills.
    """

    def __init__(
        self,
        context: LinkContext,
        zone: Zone,
        plan: MulticastPlan,
        ready: ReadyAnswers,
        siblings: Siblings,
    ) -> None:
        self.truncated: Final = TruncatedQueries()
        self.unicast: Final = UnicastResponses(context, zone)
        self._legacy: Final = LegacyResponder(context, zone, ready, self.unicast)
        self._context: Final = context
        self._rng: Final = context.rng
        self._counters: Final = context.counters
        self._zone: Final = zone
        self._plan: Final = plan
        self._ready: Final = ready
        self._siblings: Final = siblings

    def clear(self) -> None:
        """Forget the answers that wait."""
        self.truncated.clear()
        self.unicast.delayed.clear()

    def handle(
        self, message: Message, source: SocketAddress, multicast: bool, now: float, key: bytes = b""
    ) -> bool:
        """Answer a query, or plan to.

        :param key: the datagram without its ID if it is a plain query (one question and nothing else), so
            that the next one like it is answered by `ReadyAnswerer.answer_ready`.
        :returns: whether anything of ours is asked for, or more of what was asked for; if not, nothing has
            changed.
        """
        host = source[0]
        names = self._zone.names
        for question in message.questions:
            if question.name.key in names:
                break
        else:
            # Nothing of ours is asked for: so it is with most queries.
            if host not in self.truncated:
                return False
        known: KnownAnswers = {record.identity: record.ttl for record in message.answers}
        if source[1] != MDNS_PORT:
            self._legacy.answer(message, known, source, now, key)
            return True
        if known and host in self.truncated:
            self.truncated.strike(host, known)
            self._plan.expect()
        defences, answers, is_complete = self._find_answers(message, known, multicast)
        if self._context.neighbours.is_own(host):
            defences = _against(message.authorities, defences)
        if defences:
            self._defend(defences, source, now)
        if message.truncated:
            # RFC 6762 §7.2: "a pause of 400-500 ms after the last such packet", for further known answers.
            due_at = now + self._rng.uniform(*TRUNCATED_DELAY)
            if not self.truncated.hold(source, answers, known, now, due_at):
                self._counters["truncated queries over limit"] += 1
                self._respond(answers, source, now, due_at, may_wait=True)
            self._plan.expect()
        elif answers:
            # RFC 6762 §6, §6.3: no delay only if no other host can have an answer to anything in this
            # message.
            at_once = is_complete and len(message.questions) == 1 and all(map(_is_ours_alone, answers))
            delay = 0.0 if at_once else self._rng.uniform(*SHARED_DELAY)
            self._respond(answers, source, now, now + delay, may_wait=not at_once, key=key)
            if key:
                self._make_ready(key, message, answers, now)
        return True

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
        may_be_direct = self.unicast.allowances.reaches(source[0])
        direct = [answer for answer, unicast in defences.items() if unicast and may_be_direct]
        if direct:
            # RFC 6762 §5.4: "the responder should always generate the requested unicast response".
            self.unicast.send_sets(direct, source, now)
        for answer in defences:
            if answer not in direct or now >= answer.unicast_until:
                at = max(now, answer.multicast_at + DEFENCE_INTERVAL)
                if answer.has_sibling:
                    # It defends the set too: whoever draws the shorter delay does it for both.
                    self._plan.add(answer, at + self._rng.uniform(*SHARED_DELAY), Reason.CORRECTION)
                else:
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
        may_be_direct = self.unicast.allowances.reaches(source[0])
        direct: list[RecordSet] = []
        for answer, unicast in answers.items():
            if unicast and may_be_direct and now < answer.unicast_until:
                direct.append(answer)
            elif at >= self.possible_at(answer):
                self._plan.add(answer, at, Reason.ANSWER, may_wait=may_wait)
            else:
                # RFC 6762 §6: the querier has seen it just now, or will ask again.
                self._counters["repetitions suppressed"] += 1
        if not direct:
            return
        if at <= now:
            self.unicast.send_sets(direct, source, now)
        elif not self.unicast.delayed.add(source, direct, at, key):
            # RFC 6762 Appendix D: one multicast answers all of them.
            self._counters["delayed responses over limit"] += 1
            for answer in direct:
                if at >= self.possible_at(answer):
                    self._plan.add(answer, at, Reason.ANSWER, may_wait=may_wait)

    def possible_at(self, record_set: RecordSet) -> float:
        """Return from when on our host may multicast a set again (RFC 6762 §6)."""
        return max(record_set.multicast_at, self._siblings.said_at(record_set)) + MULTICAST_INTERVAL

    # What waited

    def answer_truncated(self, now: float) -> None:
        """Answer the truncated queries that need not wait any longer for known answers."""
        for query in self.truncated.take(now):
            # What was multicast since the query came has been seen by the querier.
            answers = {
                answer: unicast
                for answer, unicast in query.answers.items()
                if answer.is_current and answer.multicast_at < query.begun_at
            }
            self._respond(answers, query.source, now, now, may_wait=False)
        self._plan.expect()

    # For the fast way

    def _make_ready(self, key: bytes, message: Message, answers: _Wanted, now: float) -> None:
        """Keep what a plain query got, for the next one like it."""
        ready = self._ready.make(key, message)
        if not all(answers.values()):
            ready.quiet_until = min([self._quiet_until(answer, now) for answer in answers])
            return
        ready.unicast_until = min([answer.unicast_until for answer in answers])
        if not all(map(_is_ours_alone, answers)):
            ready.answers = list(answers)
        elif now < ready.unicast_until:
            payloads = self.unicast.pack(answers)
            # More than one message is not worth the memory.
            ready.unicast = payloads[0] if len(payloads) == 1 else b""

    def _quiet_until(self, answer: RecordSet, now: float) -> float:
        """Until when another question for a multicast of this set has no effect."""
        planned_at = self._plan.due_at(answer)
        if planned_at is not None and planned_at <= now + SHARED_DELAY[1]:
            return planned_at
        return answer.multicast_at + MULTICAST_INTERVAL - SHARED_DELAY[1]


def _is_ours_alone(answer: RecordSet) -> bool:
    """Whether nobody else can answer with a set: no other host, and no other program of ours."""
    return answer.unique and not answer.has_sibling


def _against(proposals: Sequence[Record], defences: _Wanted) -> _Wanted:
    """Return what is to be defended against another program of our own host.

    A name under which it proposes the very records that we have is no matter of dispute (RFC 6762 §9).
    """
    theirs: dict[bytes, set[Identity]] = {}
    ours: dict[bytes, set[Identity]] = {}
    for record in proposals:
        theirs.setdefault(record.name.key, set()).add(record.identity)
    for answer in defences:
        ours.setdefault(answer.name.key, set()).update(answer.identities)
    return {
        answer: unicast
        for answer, unicast in defences.items()
        if ours[answer.name.key] != theirs.get(answer.name.key)
    }
