"""``mcast browse`` with one behaviour broken; see `tests.conform.mutants`, which runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mcast.cli import browse
from mcast.dns.building import MessageBuilder
from mcast.dns.codes import Flag, RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.names import Name
from mcast.mdns import link
from mcast.mdns.querier import (
    cache,
    observed_queries,
    querier,
    query_packets,
    query_queue,
    question_series,
    responses,
)
from mcast.neighbours import SourceKind
from tests.conform.mutant import Patch, mutant, replace, wrap

# Questions


@mutant("asked-again-soon", "questions.first-interval")
def asked_again_soon() -> None:
    replace(question_series, "FIRST_QUERY_INTERVAL", 0.6)
    replace(query_queue, "QUESTION_INTERVAL", 0.1)


@mutant("intervals-grow-slowly", "questions.growth")
def intervals_grow_slowly() -> None:
    replace(question_series, "QUERY_INTERVAL_GROWTH", 1.5)


@mutant("asked-once", "questions.goes-on")
def asked_once() -> None:
    replace(question_series.QuestionSeries, "step", lambda self, *_: self.stop())


@mutant("query-id", "questions.id")
def query_id() -> None:
    replace(query_packets, "MessageBuilder", lambda *sizes, flags: MessageBuilder(*sizes, flags=flags, id=7))


@mutant("query-authoritative", "questions.header")
def query_authoritative() -> None:
    replace(query_packets, "QUERY_FLAGS", int(Flag.AUTHORITATIVE))


@mutant("always-unicast", "questions.multicast-again")
def always_unicast() -> None:
    def around(real: Patch) -> Patch:
        return lambda self, one, now: real(self, Question(one.name, one.type, one.rclass, True), now)

    wrap(query_queue.QueryQueue, "ask", around)


@mutant("spares-nothing", "questions.duplicate")
def spares_nothing() -> None:
    replace(observed_queries.ObservedQueries, "_spare", lambda *_: None)


@mutant("spared-by-any-list", "questions.other-list")
def spared_by_any_list() -> None:
    replace(observed_queries, "brings_as_much", lambda *_: True)


@mutant("spared-by-unicast", "questions.other-unicast")
def spared_by_unicast() -> None:
    def around(real: Patch) -> Patch:
        def observe(self: Any, message: Message, *rest: Any) -> Any:
            plain = [Question(each.name, each.type, each.rclass) for each in message.questions]
            return real(self, Message(questions=plain, answers=message.answers), *rest)

        return observe

    wrap(querier.Querier, "observe_query", around)


# Known answers


@mutant("lists-nothing", "listing.known")
def lists_nothing() -> None:
    replace(query_queue, "is_known_answer", lambda *_: False)


@mutant("lists-stale", "listing.fresh-only")
def lists_stale() -> None:
    replace(query_queue, "KNOWN_ANSWER_FRACTION", 0.0)


@mutant("lists-with-flush-bit", "listing.no-cache-flush")
def lists_with_flush_bit() -> None:
    def around(real: Patch) -> Patch:
        return lambda *given: (record.with_cache_flush(True) for record in real(*given))

    wrap(query_queue.QueryQueue, "_known_answers", around)


@mutant("believes-lists", "listing.not-of-others")
def believes_lists() -> None:
    def around(real: Patch) -> Patch:
        def observe(self: Any, message: Message, source: Any, multicast: bool, now: float) -> Any:
            self.handle_response(message, source, multicast, now)
            return real(self, message, source, multicast, now)

        return observe

    wrap(querier.Querier, "observe_query", around)


@mutant("list-without-tc", "listing.truncated")
def list_without_tc() -> None:
    class Builder(MessageBuilder):
        def build(self, *, truncated: bool = False) -> bytes:
            return super().build()

    replace(query_packets, "MessageBuilder", Builder)


@mutant("list-cut", "listing.complete")
def list_cut() -> None:
    def around(real: Patch) -> Patch:
        def packets(*given: Any) -> Iterator[bytes]:
            yield from list(real(*given))[:1]

        return packets

    wrap(query_queue, "query_packets", around)


@mutant("list-in-large-packets", "listing.size")
def list_in_large_packets() -> None:
    wrap(query_queue, "query_packets", lambda real: lambda asked, _: real(asked, 2800))


# Refresh


@mutant("no-refresh", "refresh.reissued", "refresh.schedule")
def no_refresh() -> None:
    replace(question_series.QuestionSeries, "needs_refresh", lambda *_: False)


@mutant("one-refresh", "refresh.schedule")
def one_refresh() -> None:
    def around(real: Patch) -> Patch:
        return lambda self, one, now: real(self, one, now) and self.is_first_refresh(one, now)

    wrap(question_series.QuestionSeries, "needs_refresh", around)


@mutant("refresh-answered-in-vain", "refresh.answered")
def refresh_answered_in_vain() -> None:
    def around(real: Patch) -> Patch:
        def renewed(times: Any, record: Any, source: int, now: float) -> Any:
            if record.type == RecordType.PTR and record.ttl and now - times[0] > 1:
                return cache.Outcome.IGNORED, times
            return real(times, record, source, now)

        return renewed

    wrap(cache, "_renewed", around)


@mutant("lives-twice-as-long", "refresh.reissued", "refresh.schedule", "refresh.expires")
def lives_twice_as_long() -> None:
    def around(real: Patch) -> Patch:
        def renewed(record: Any) -> Any:
            return record.with_ttl(2 * record.ttl) if record.ttl == 30 else record

        def handle(self: Any, message: Message, *rest: Any) -> Any:
            kept = [renewed(one) for one in message.answers]
            return real(
                self, Message(flags=message.flags, answers=kept, additionals=message.additionals), *rest
            )

        return handle

    wrap(responses.ResponseHandler, "handle", around)


# Goodbyes and the cache-flush bit


@mutant("goodbyes-ignored", "withdrawal.goodbye")
def goodbyes_ignored() -> None:
    def around(real: Patch) -> Patch:
        def renewed(times: Any, record: Any, source: int, now: float) -> Any:
            return real(times, record, source, now) if record.ttl else (cache.Outcome.IGNORED, times)

        return renewed

    wrap(cache, "_renewed", around)


@mutant("goodbyes-at-once", "withdrawal.rescued")
def goodbyes_at_once() -> None:
    replace(cache, "GOODBYE_DELAY", 0.0)
    replace(responses, "GOODBYE_DELAY", 0.0)


@mutant("flush-ignored", "withdrawal.flushed")
def flush_ignored() -> None:
    replace(responses.ResponseHandler, "_flush", lambda *_: None)


@mutant("flushes-same-set", "withdrawal.same-set")
def flushes_same_set() -> None:
    replace(cache, "FLUSH_AGE", 0.1)


# Where responses come from


def respond_around(change: Callable[[Any, Message, Any, bool], Any]) -> None:
    """Have the source of responses be what a function returns; None drops them."""

    def around(real: Patch) -> Patch:
        def receive(
            self: Any, message: Message, datagram: bytes, source: Any, multicast: bool, now: float
        ) -> Any:
            changed = change(self, message, source, multicast)
            if changed is not None:
                return real(self, message, datagram, changed, multicast, now)
            return None

        return receive

    wrap(link.Link, "_receive_response", around)


@mutant("any-port", "origins.port")
def any_port() -> None:
    respond_around(lambda self, message, source, multicast: (source[0], 5353, *source[2:]))


@mutant("unasked-unicast", "origins.unasked-unicast")
def unasked_unicast() -> None:
    replace(responses.ResponseHandler, "_awaits", lambda *_: True)


@mutant("unicast-from-anywhere", "origins.unasked-unicast", "origins.off-link")
def unicast_from_anywhere() -> None:
    replace(responses.ResponseHandler, "_awaits", lambda *_: True)
    respond_around(
        lambda self, message, source, multicast: source if multicast else ("10.77.0.1", *source[1:])
    )


@mutant("group-from-the-subnet-only", "origins.group-counts-as-local")
def group_from_the_subnet_only() -> None:
    def change(self: Any, message: Message, source: Any, multicast: bool) -> Any:
        return source if self._context.neighbours.classify(source[0]) is SourceKind.ON_LINK else None

    respond_around(change)


# What is read of them


@mutant("id-matters", "responses.id")
def id_matters() -> None:
    respond_around(lambda self, message, source, multicast: None if message.id else source)


@mutant("authority-matters", "responses.flags")
def authority_matters() -> None:
    respond_around(lambda self, message, source, multicast: source if message.authoritative else None)


@mutant("question-matters", "responses.question")
def question_matters() -> None:
    respond_around(lambda self, message, source, multicast: None if message.questions else source)


@mutant("broken-nsec-matters", "responses.broken-nsec")
def broken_nsec_matters() -> None:
    respond_around(lambda self, message, source, multicast: None if message.skipped else source)


@mutant("additionals-ignored", "responses.unsought-section")
def additionals_ignored() -> None:
    def around(real: Patch) -> Patch:
        return lambda self, message, *rest: real(
            self, Message(flags=message.flags, answers=message.answers), *rest
        )

    wrap(responses.ResponseHandler, "handle", around)


@mutant("case-matters", "responses.case")
def case_matters() -> None:
    def around(real: Patch) -> Patch:
        def handle(self: Any, message: Message, *rest: Any) -> Any:
            kept = [one for one in message.answers if one.type != RecordType.PTR or one.name.wire.islower()]
            return real(
                self, Message(flags=message.flags, answers=kept, additionals=message.additionals), *rest
            )

        return handle

    wrap(responses.ResponseHandler, "handle", around)


def clear_bits(mask: int) -> None:
    def around(real: Patch) -> Patch:
        def decoded(data: bytes) -> Message:
            message: Message = real(data)
            message.flags &= ~mask
            return message

        return decoded

    wrap(link, "decode", around)


@mutant("opcode-ignored", "responses.opcode")
def opcode_ignored() -> None:
    clear_bits(0x7800)


@mutant("rcode-ignored", "responses.rcode")
def rcode_ignored() -> None:
    clear_bits(0x000F)


# Look-ups, names, floods


@mutant("unique-goes-on", "look-ups.unique-ends", "look-ups.denied-ends", "look-ups.next-name")
def unique_goes_on() -> None:
    replace(question_series.QuestionSeries, "stop", lambda _: None)


@mutant("denial-ignored", "look-ups.denied-ends", "look-ups.next-name")
def denial_ignored() -> None:
    replace(responses.ResponseHandler, "_heard_denial", lambda *_: None)


@mutant("next-name-matters", "look-ups.next-name")
def next_name_matters() -> None:
    def around(real: Patch) -> Patch:
        def heard(self: Any, among: Any, record: Any, *rest: Any) -> Any:
            if record.data.next_name == record.name:
                return real(self, among, record, *rest)
            return None

        return heard

    wrap(responses.ResponseHandler, "_heard_denial", around)


@mutant("no-address-look-up", "look-ups.without-additionals")
def no_address_look_up() -> None:
    def around(real: Patch) -> Patch:
        def ask(self: Any, one: Question, now: float) -> bool:
            return one.type not in (RecordType.A, RecordType.AAAA) and bool(real(self, one, now))

        return ask

    wrap(query_queue.QueryQueue, "ask", around)


@mutant("names-in-lower-case", "names.looked-up")
def names_in_lower_case() -> None:
    def around(real: Patch) -> Patch:
        return lambda self, one, now: real(
            self, Question(Name(one.name.key), one.type, one.rclass, one.unicast), now
        )

    wrap(query_queue.QueryQueue, "ask", around)


@mutant("dots-escaped", "names.shown")
def dots_escaped() -> None:
    def around(real: Patch) -> Patch:
        def fields(found: Any) -> dict[str, Any]:
            said: dict[str, Any] = real(found)
            return {**said, "name": said["name"].replace(".", "\\.")}

        return fields

    wrap(browse, "service_fields", around)


@mutant("unusual-names-refused", "names.listed", "names.looked-up", "names.shown")
def unusual_names_refused() -> None:
    def around(real: Patch) -> Patch:
        def handle(self: Any, message: Message, *rest: Any) -> Any:
            kept = [one for one in message.answers if b"." not in one.rdata]
            return real(
                self, Message(flags=message.flags, answers=kept, additionals=message.additionals), *rest
            )

        return handle

    wrap(responses.ResponseHandler, "handle", around)


def _deaf_after(packets: int) -> None:
    count = 0

    def around(real: Patch) -> Patch:
        def receive(*given: Any) -> Any:
            nonlocal count
            count += 1
            return real(*given) if count < packets else None

        return receive

    wrap(link.Link, "receive", around)


@mutant("deaf-after-1000", "floods.senseless", "floods.of-others")
def deaf_after_1000() -> None:
    _deaf_after(1000)


@mutant("deaf-after-2200", "floods.of-others")
def deaf_after_2200() -> None:
    _deaf_after(2200)


@mutant("forgets-in-floods", "floods.kept", "floods.senseless")
def forgets_in_floods() -> None:
    count = 0

    def around(real: Patch) -> Patch:
        def receive(self: Any, datagram: bytes, source: Any, multicast: bool, now: float) -> Any:
            nonlocal count
            count += 1
            if count == 2500:
                self.querier.set_up(now)
            return real(self, datagram, source, multicast, now)

        return receive

    wrap(link.Link, "receive", around)
