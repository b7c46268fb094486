"""Responses to legacy queries: conventional DNS over unicast (RFC 6762 §6.7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from mcast.dns.building import MessageBuilder
from mcast.dns.codes import RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.records import Record
from mcast.mdns.constants import LEGACY_TTL
from mcast.mdns.context import LinkContext, Sizes
from mcast.mdns.responder.known_answers import KnownAnswers, is_known
from mcast.mdns.responder.message_sizes import add_additionals
from mcast.mdns.responder.prepared_answers import ReadyAnswers
from mcast.mdns.responder.record_set import RecordSet
from mcast.mdns.responder.unicast_responses import UnicastResponses
from mcast.mdns.responder.zone import Zone
from mcast.neighbours import SocketAddress


class LegacyResponder:
    """Answers legacy queries, which are those that come from another port than 5353.

    :param ready: the answers kept in encoded form, which this fills.
    """

    def __init__(
        self, context: LinkContext, zone: Zone, ready: ReadyAnswers, unicast: UnicastResponses
    ) -> None:
        self._sizes: Final = context.sizes
        self._counters: Final = context.counters
        self._zone: Final = zone
        self._ready: Final = ready
        self._unicast: Final = unicast

    def answer(
        self, message: Message, known: KnownAnswers, source: SocketAddress, now: float, key: bytes
    ) -> None:
        """Answer a legacy query at once, by unicast, in the form of conventional DNS.

        Without a random delay: the response goes to one ephemeral port, where it collides with no
        multicast, and the querier takes the first one that comes.
        """
        answers: dict[RecordSet, None] = {}
        for question in dict.fromkeys(message.questions):
            for answer in self._zone.answers(question):
                if not is_known(answer, known):
                    answers[answer] = None
        if answers and self._unicast.may_send(source, now):
            extras = self._zone.additionals(answers)
            payload = pack_legacy(message.id, message.questions, answers, extras, self._sizes)
            self._unicast.send(payload, source, now)
            if key:
                self._ready.make(key, message).legacy = payload[2:]
            self._counters["legacy responses"] += 1


def pack_legacy(
    identifier: int,
    questions: Sequence[Question],
    answers: Iterable[RecordSet],
    additionals: Iterable[RecordSet],
    sizes: Sizes,
) -> bytes:
    """Return the response to a legacy query: a conventional unicast response (RFC 6762 §6.7).

    A negative response goes to the authority section, where conventional resolvers look for it (RFC 4035
    §3.1.3.1): in the answer section some report a record of the wrong type.
    """
    builder = MessageBuilder(
        sizes.normal, flags=RESPONSE_FLAGS, id=identifier, legacy=True, oversize=sizes.single
    )
    fits = all(builder.add_question(question) for question in questions)
    denials: list[Record] = []
    for answer in answers:
        records = [_for_legacy(record) for record in answer.records]
        if answer.type == RecordType.NSEC:
            denials += records
        else:
            fits = all(builder.add_answer(record) for record in records) and fits
    fits = all(builder.add_authority(record) for record in denials) and fits
    for extra in additionals:
        add_additionals(builder, [_for_legacy(record) for record in extra.records])
    return builder.build(truncated=not fits)


def _for_legacy(record: Record) -> Record:
    """Return a record as conventional DNS has it: no cache-flush bit, and a TTL that is soon over.

    A resolver without multicast hears of no change (RFC 6762 §6.7).
    """
    return record.with_ttl(min(record.ttl, LEGACY_TTL)).with_cache_flush(False)
