"""``twist mcast mdns`` that answers what it should not, or otherwise; see `tests.conform.mutants`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcast.dns import records
from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.names import LOCAL, Name
from mcast.mdns import link
from mcast.mdns.constants import MDNS_PORT
from mcast.mdns.responder import (
    answerer,
    legacy_responses,
    negative_responses,
    record_set,
    truncated_queries,
    zone,
)
from mcast.mdns.responder.negative_responses import ADDRESS_TYPES
from mcast.neighbours import SourceKind
from tests.conform.altered import (
    Answers,
    answers_around,
    from_another_port,
    multicast_answers_around,
    no_ready_answers,
    responses_otherwise,
)
from tests.conform.mutant import Patch, mutant, replace, wrap

NOWHERE = Name.from_labels(("nowhere", *LOCAL.labels))


def is_host(name: Name) -> bool:
    """Tell whether a name may be that of a host."""
    return len(name.labels) == 2


def is_type(name: Name) -> bool:
    """Tell whether a name may be that of a service type."""
    return len(name.labels) == 3 and name.labels[0][:1] == b"_"


def has_capitals(name: Name) -> bool:
    """Tell whether a name is not spelt in lower case."""
    return name.wire != name.key


# What is answered


@mutant(
    "no-address-answers",
    *("answers.address", "answers.several-questions", "answers.any-class", "answers.case"),
    "answers.srv-target",
)
def no_address_answers() -> None:
    def change(_: zone.Zone, question: Question, found: Answers) -> Answers:
        return [one for one in found if question.type != RecordType.A or one.type != RecordType.A]

    multicast_answers_around(change)


@mutant("addresses-by-unicast", "answers.multicast")
def addresses_by_unicast() -> None:
    no_ready_answers()

    def around(real: Patch) -> Patch:
        def find(*given: Any) -> Any:
            defences, answers, is_complete = real(*given)
            asked = {one: unicast or one.type in ADDRESS_TYPES for one, unicast in answers.items()}
            return defences, asked, is_complete

        return find

    wrap(answerer.Answerer, "_find_answers", around)
    # Our own querier would miss the answers, and ask again (RFC 6762 §10.5): those are multicast.
    replace(link.Link, "_observe_query", lambda *_: None)


@mutant("answers-repeat-questions", "answers.no-question")
def answers_repeat_questions() -> None:
    def questions(message: Message) -> list[Question]:
        types = {record.type for record in message.answers}
        return [Question(message.answers[0].name, RecordType.A)] if types == {RecordType.A} else []

    responses_otherwise(questions=questions)


@mutant("addresses-alone", "answers.other-family")
def addresses_alone() -> None:
    def around(real: Patch) -> Patch:
        def additionals(self: Any, answers: Any) -> Any:
            answers = list(answers)
            return [] if all(one.type in ADDRESS_TYPES for one in answers) else real(self, answers)

        return additionals

    wrap(zone.Zone, "additionals", around)
    replace(zone.Zone, "companions", lambda *_: [])


@mutant("no-browse-answers", "answers.browse")
def no_browse_answers() -> None:
    def change(_: zone.Zone, question: Question, found: Answers) -> Answers:
        return [] if question.type == RecordType.PTR and is_type(question.name) else found

    def spare_types(owner: zone.Zone, question: Question, found: Answers) -> Answers:
        return found if question.name.labels[0] == b"_services" else change(owner, question, found)

    multicast_answers_around(spare_types)


@mutant("last-question-only", "answers.several-questions", "answers.several-delay")
def last_question_only() -> None:
    no_ready_answers()

    def around(real: Patch) -> Patch:
        def handle(self: Any, message: Message, *rest: Any) -> Any:
            if not message.authorities:
                message.questions = list(message.questions)[-1:]
            return real(self, message, *rest)

        return handle

    wrap(answerer.Answerer, "handle", around)


@mutant("any-type-cut", "answers.any-type")
def any_type_cut() -> None:
    def change(_: zone.Zone, question: Question, found: Answers) -> Answers:
        return found[:1] if question.type == RecordType.ANY else found

    answers_around(change)


@mutant("any-class-ignored", "answers.any-class")
def any_class_ignored() -> None:
    def change(_: zone.Zone, question: Question, found: Answers) -> Answers:
        return [] if question.rclass == RecordClass.ANY else found

    answers_around(change)


@mutant("class-does-not-matter", "answers.other-class")
def class_does_not_matter() -> None:
    no_ready_answers()

    def around(real: Patch) -> Patch:
        return lambda self, one: real(self, Question(one.name, one.type, RecordClass.IN, one.unicast))

    wrap(zone.Zone, "answers", around)


@mutant("case-of-hosts-matters", "answers.case")
def case_of_hosts_matters() -> None:
    def change(_: zone.Zone, question: Question, found: Answers) -> Answers:
        return [] if is_host(question.name) and has_capitals(question.name) else found

    answers_around(change)


@mutant("answers-for-any-host", "answers.unknown-name")
def answers_for_any_host() -> None:
    def change(owner: zone.Zone, question: Question, found: Answers) -> Answers:
        if found or question.type != RecordType.A or not is_host(question.name):
            return found
        return [one for one in owner if one.type == RecordType.A] if question.rclass == 1 else []

    answers_around(change)


@mutant(
    "target-without-address",
    *("answers.srv-target", "answers.srv-additionals", "answers.browse-additionals"),
)
def target_without_address() -> None:
    def around(real: Patch) -> Patch:
        return lambda name, priority, weight, port, _, **rest: real(
            name, priority, weight, port, NOWHERE, **rest
        )

    wrap(records, "service", around)


@mutant("no-text", "answers.txt")
def no_text() -> None:
    def change(_: zone.Zone, question: Question, found: Answers) -> Answers:
        return [] if question.type == RecordType.TXT else found

    answers_around(change)


# Known answers


@mutant("known-whatever-its-ttl", "known-answers.below-half")
def known_whatever_its_ttl() -> None:
    replace(answerer, "is_known", lambda one, known: one.identities <= set(known))


@mutant("known-whatever-its-data", "known-answers.other-data")
def known_whatever_its_data() -> None:
    def is_known(one: record_set.RecordSet, known: Any) -> bool:
        mine = one.records[0]
        return any(
            identity[:3] == mine.identity[:3] and ttl >= mine.ttl / 2 for identity, ttl in known.items()
        )

    replace(answerer, "is_known", is_known)


@mutant("known-to-any-host", "known-answers.other-host")
def known_to_any_host() -> None:
    def around(real: Patch) -> Patch:
        def strike(self: Any, _: str, known: Any) -> None:
            for host in list(self._waiting):
                real(self, host, known)

        return strike

    wrap(truncated_queries.TruncatedQueries, "strike", around)
    replace(truncated_queries.TruncatedQueries, "__contains__", lambda self, _: bool(self._waiting))


@mutant("later-packets-ignored", "known-answers.later-packet")
def later_packets_ignored() -> None:
    replace(truncated_queries.TruncatedQueries, "strike", lambda *_: None)


@mutant("waits-for-one-packet-only", "known-answers.extended")
def waits_for_one_packet_only() -> None:
    def around(real: Patch) -> Patch:
        def hold(self: Any, source: Any, answers: Any, known: Any, now: float, due_at: float) -> bool:
            waiting = self._waiting.get(source[0])
            at = due_at if waiting is None else waiting.wake_at
            return bool(real(self, source, answers, known, now, at))

        return hold

    wrap(truncated_queries.TruncatedQueries, "hold", around)


# Duplicates


@mutant("answers-again-at-once", "duplicates.one-second-rule")
def answers_again_at_once() -> None:
    replace(answerer, "MULTICAST_INTERVAL", 0.0)


@mutant("tired-of-questions", "duplicates.answered-again")
def tired_of_questions() -> None:
    no_ready_answers()
    asked: list[float] = []

    def around(real: Patch) -> Patch:
        def handle(self: Any, message: Message, source: Any, multicast: bool, now: float, *rest: Any) -> Any:
            asked[:] = [at for at in asked if now - at < 4.0]
            recent = sum(now - at < 2.0 for at in asked)
            asked.append(now)
            if len(asked) < 6 or recent > 4:
                return real(self, message, source, multicast, now, *rest)
            return None

        return handle

    wrap(answerer.Answerer, "handle", around)


@mutant("defends-after-a-second", "duplicates.probe-within-a-second")
def defends_after_a_second() -> None:
    replace(answerer, "DEFENCE_INTERVAL", 1.5)


# Unicast


@mutant("unicast-from-another-port", "unicast.source-port")
def unicast_from_another_port() -> None:
    from_another_port(lambda _, destination: destination is not None and destination[1] == MDNS_PORT)


@mutant("unicast-for-ever", "unicast.stale")
def unicast_for_ever() -> None:
    replace(record_set, "UNICAST_TTL_FRACTION", 1.0)


def _queries_around(change: Any) -> None:
    no_ready_answers()
    wrap(link.Link, "_receive_query", change)


def _direct_queries_otherwise(take: Callable[[Any, Message, Any, float], Any]) -> None:
    """Have what comes by unicast, and is no legacy query, be taken by a function."""

    def around(real: Patch) -> Patch:
        def receive(
            self: Any, message: Message, datagram: bytes, source: Any, multicast: bool, now: float
        ) -> Any:
            if multicast or source[1] != MDNS_PORT:
                return real(self, message, datagram, source, multicast, now)
            return take(self, message, source, now)

        return receive

    _queries_around(around)


@mutant("direct-queries-ignored", "unicast.direct")
def direct_queries_ignored() -> None:
    _direct_queries_otherwise(lambda *_: None)


@mutant("direct-queries-from-anywhere", "unicast.direct-off-link")
def direct_queries_from_anywhere() -> None:
    _direct_queries_otherwise(
        lambda self, message, source, now: self.responder.handle_query(message, source, False, now)
    )


@mutant("queries-of-the-subnet-only", "unicast.off-link-source")
def queries_of_the_subnet_only() -> None:
    def around(real: Patch) -> Patch:
        def receive(self: Any, message: Message, datagram: bytes, source: Any, *rest: Any) -> Any:
            if self._context.neighbours.classify(source[0]) is SourceKind.ON_LINK:
                return real(self, message, datagram, source, *rest)
            return None

        return receive

    _queries_around(around)


# Legacy queries


@mutant("no-legacy-answers", "legacy.unicast")
def no_legacy_answers() -> None:
    replace(legacy_responses.LegacyResponder, "answer", lambda *_: None)


def _legacy_otherwise(**changes: Any) -> None:
    no_ready_answers()

    def around(real: Patch) -> Patch:
        def pack(identifier: int, questions: Any, *rest: Any) -> Any:
            given = {"identifier": identifier, "questions": questions, **changes}
            return real(given["identifier"], given["questions"], *rest)

        return pack

    wrap(legacy_responses, "pack_legacy", around)


@mutant("legacy-without-id", "legacy.id")
def legacy_without_id() -> None:
    _legacy_otherwise(identifier=0)


@mutant("legacy-without-question", "legacy.question")
def legacy_without_question() -> None:
    _legacy_otherwise(questions=())


@mutant("legacy-with-cache-flush", "legacy.no-cache-flush")
def legacy_with_cache_flush() -> None:
    replace(legacy_responses, "_for_legacy", lambda record: record.with_ttl(min(record.ttl, 10)))


@mutant("legacy-from-another-port", "legacy.source-port")
def legacy_from_another_port() -> None:
    from_another_port(lambda _, destination: destination is not None and destination[1] != MDNS_PORT)


# Negative responses


@mutant("denies-what-is-there", "negative.true")
def denies_what_is_there() -> None:
    def around(real: Patch) -> Patch:
        return lambda name, types, ttl: real(name, [one for one in types if one != RecordType.A], ttl)

    wrap(negative_responses, "next_secure", around)
