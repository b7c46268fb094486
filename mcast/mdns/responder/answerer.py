"""Which answers a query gets, when and by which way (RFC 6762 §5.4, §5.5, §6, §6.7, §7.1, §7.2)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
from mcast.mdns.responder.delayed_responses import DelayedResponses
from mcast.mdns.responder.known_answers import KnownAnswers, TruncatedQueries, is_known
from mcast.mdns.responder.message_sizes import pack_legacy, pack_response
from mcast.mdns.responder.prepared_answers import ReadyAnswer, ReadyAnswers
from mcast.mdns.responder.record_set import RecordSet
from mcast.mdns.responder.response_aggregation import MulticastPlan, Reason
from mcast.mdns.responder.siblings import Siblings
from mcast.mdns.responder.zone import Zone
from mcast.neighbours import SocketAddress, SourceKind
from mcast.rate_limit import MAX_OCTET_RATE, RateLimit

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
        self.delayed: Final = DelayedResponses()
        self._context: Final = context
        self._outbox: Final = context.outbox
        self._rng: Final = context.rng
        self._sizes: Final = context.sizes
        self._counters: Final = context.counters
        max_rate = context.settings.max_rate
        self._rate: Final = RateLimit(max_rate) if max_rate else None
        """How many unicast answers a source gets; None for any number."""
        self._octets: Final = RateLimit(MAX_OCTET_RATE) if max_rate else None
        """How many octets of them."""
        self._zone: Final = zone
        self._plan: Final = plan
        self._ready: Final = ready
        self._siblings: Final = siblings

    def clear(self) -> None:
        """Forget the answers that wait."""
        self.truncated.clear()
        self.delayed.clear()

    def handle(
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
        if known and host in self.truncated:
            self.truncated.strike(host, known)
            self._plan.expect()
        defences, answers, is_complete = self._find_answers(message, known, multicast)
        if self._context.neighbours.is_own(host):
            defences = _against(message.authorities, defences)
        if defences:
            self._defend(defences, source, now)
        if message.truncated:
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
        may_be_direct = self._hears_unicast(source[0])
        direct = [answer for answer, unicast in defences.items() if unicast and may_be_direct]
        if direct:
            # RFC 6762 §5.4: "the responder should always generate the requested unicast response".
            self._send_unicast(direct, source, now)
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
        may_be_direct = self._hears_unicast(source[0])
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
            self._send_unicast(direct, source, now)
        elif not self.delayed.add(source, direct, at, key):
            # RFC 6762 Appendix D: one multicast answers all of them.
            self._counters["delayed responses over limit"] += 1
            for answer in direct:
                if at >= self.possible_at(answer):
                    self._plan.add(answer, at, Reason.ANSWER, may_wait=may_wait)

    def possible_at(self, record_set: RecordSet) -> float:
        """Return from when on our host may multicast a set again (RFC 6762 §6)."""
        return max(record_set.multicast_at, self._siblings.said_at(record_set)) + MULTICAST_INTERVAL

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
            self._send(payload, source, now)
            if key:
                self._ready.make(key, message).legacy = payload[2:]
            self._counters["legacy responses"] += 1

    def _hears_unicast(self, host: str) -> bool:
        """Whether a unicast response reaches the program on port 5353 of this host that has asked.

        A host off the link ignores it (RFC 6762 §11). On our own host the system gives it to one of the
        sockets bound to the port, on Linux to the one bound last, whichever of them has asked (RFC 6762
        §15.1); so all that our host asks is answered by multicast.
        """
        neighbours = self._context.neighbours
        return neighbours.classify(host) is SourceKind.ON_LINK and not neighbours.is_own(host)

    def _may_send(self, source: SocketAddress, now: float) -> bool:
        """Whether a source on the link gets one more unicast answer; if so, count it."""
        if self._octets is not None and not self._octets.allows(source[0], now, 0):
            self._counters["answers over octet rate"] += 1
            return False
        if self._rate is not None and not self._rate.allows(source[0], now):
            self._counters["answers over rate"] += 1
            return False
        return True

    def _send(self, payload: bytes, destination: SocketAddress, now: float) -> None:
        """Send by unicast what `_may_send` has allowed, and count its octets."""
        self._outbox.unicast(payload, destination)
        if self._octets is not None:
            self._octets.allows(destination[0], now, len(payload))

    def _send_unicast(self, answers: list[RecordSet], destination: SocketAddress, now: float) -> None:
        if self._may_send(destination, now):
            payloads = self._pack_with_additionals(answers)
            for payload in payloads:
                self._send(payload, destination, now)
            self._counters["unicast responses"] += len(payloads)

    def _pack_with_additionals(self, answers: Collection[RecordSet]) -> list[bytes]:
        records = [answer.records for answer in answers]
        return pack_response(records, self._zone.additionals(answers), self._sizes)[0]

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

    def answer_delayed(self, now: float) -> None:
        """Send the unicast responses whose random delay is over."""
        for response in self.delayed.take(now):
            current = [answer for answer in response.answers if answer.is_current]
            if current:
                self._send_unicast(current, response.destination, now)

    # The fast way

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

        The rules are those of `handle`: a legacy query is always answered at once by unicast; a host
        that wants a unicast response gets it if the records were multicast within a quarter of their TTL, at
        once or, for shared records, after a random delay.
        """
        if source[1] != MDNS_PORT:
            if not ready.legacy or self._context.neighbours.classify(source[0]) is not SourceKind.ON_LINK:
                return None
            payload = datagram[:2] + ready.legacy
        elif now < ready.unicast_until and self._hears_unicast(source[0]):
            payload = ready.unicast
            if not payload:
                at = now + self._rng.uniform(*SHARED_DELAY)
                is_added = ready.answers and self.delayed.add(source, ready.answers, at, datagram[2:])
                return b"" if is_added else None
        else:
            return None
        if not self._may_send(source, now):
            return b""
        if self._octets is not None:
            self._octets.allows(source[0], now, len(payload))
        self._counters["ready answers"] += 1
        return payload


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
