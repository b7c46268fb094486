"""``twist mcast proxy`` with one behaviour broken; see `tests.conform.mutants`, which runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mcast.dns.codes import RecordType, ResponseCode
from mcast.dns.messages import Question
from mcast.dns.records import Record, service
from mcast.mdns.querier import query_queue, question_series
from mcast.proxy import answering, connections, watching
from mcast.unicast import (
    administration,
    composing,
    dso_server,
    dso_session,
    push_server,
    responses,
    usable,
    waiting,
)
from mcast.unicast.answer_set import AnswerSet
from mcast.unicast.dso import DSOMessage, DSOType, Item, Timeouts
from mcast.unicast.push import Topic
from mcast.unicast.responses import Query, Refusal
from tests.conform.mutant import Patch, mutant, replace, wrap

# The zone


@mutant("proxy-serial", "zone.serial")
def proxy_serial() -> None:
    replace(administration, "SERIAL", 2026)


@mutant("proxy-timers", "zone.timers")
def proxy_timers() -> None:
    replace(administration, "REFRESH", 60)


@mutant("proxy-mname", "zone.mname")
def proxy_mname() -> None:
    def around(real: Patch) -> Patch:
        def soa(self: Any, delegation: Any) -> Record:
            record: Record = real(self, delegation)
            rest = record.rdata[len(self.name_servers[0].wire) :]
            return Record(
                record.name, record.type, record.rclass, record.ttl, delegation.zone.host_apex.wire + rest
            )

        return soa

    wrap(administration.Administration, "soa", around)


@mutant("proxy-name-server-inside", "zone.name-servers", "zone.mname")
def proxy_name_server_inside() -> None:
    def records(self: Any, delegation: Any) -> list[Record]:
        return [Record(delegation.apex, RecordType.NS, 1, 10, delegation.apex.wire)]

    replace(administration.Administration, "name_server_records", records)


@mutant("proxy-recursion-available", "zone.header")
def proxy_recursion_available() -> None:
    def around(real: Patch) -> Patch:
        def encode(*given: Any, **options: Any) -> bytes:
            octets = bytearray(real(*given, **options))
            octets[3] |= 0x80
            return bytes(octets)

        return encode

    wrap(answering, "encode_response", around)


@mutant("proxy-asks-for-cuts", "zone.no-cut-below")
def proxy_asks_for_cuts() -> None:
    """SOA, NS and DS below the apex are asked for on the link."""
    replace(administration, "NEVER_BELOW_APEX", frozenset())
    replace(answering, "DENIAL_TYPES", frozenset())


@mutant("proxy-administrative-names-asked-for", "zone.no-llq")
def proxy_administrative_names_asked_for() -> None:
    replace(administration, "ABSENT_SERVICES", ())


@mutant("proxy-hides-push", "zone.push-service")
def proxy_hides_push() -> None:
    replace(administration.Administration, "_push", lambda *_: [])


@mutant("proxy-apex-asked-for", "zone.apex-at-once")
def proxy_apex_asked_for() -> None:
    """What the apex does not have is asked for on the link."""

    def around(real: Patch) -> Patch:
        def answer(self: Any, delegation: Any, question: Question) -> Sequence[Record] | None:
            found: Sequence[Record] | None = real(self, delegation, question)
            return found if found or question.name != delegation.apex else None

        return answer

    wrap(administration.Administration, "answer", around)


# What is on the link


@mutant("proxy-whole-ttl", "proxy-answers.ttl")
def proxy_whole_ttl() -> None:
    replace(composing, "TTL_LIMIT", 1_000_000)


@mutant("proxy-negative-ttl", "proxy-answers.negative-ttl")
def proxy_negative_ttl() -> None:
    replace(administration.Administration, "negative_soa", administration.Administration.soa)


@mutant("proxy-name-error", "proxy-answers.noerror")
def proxy_name_error() -> None:
    """Six seconds of silence are taken for a name that does not exist."""

    def around(real: Patch) -> Patch:
        def tell(self: Any, waiter: Any, response: bytes) -> None:
            is_silence = response[6:8] == bytes(2) and response[8:10] != bytes(2)
            if is_silence and waiter.query.question.type == RecordType.PTR:
                response = response[:3] + bytes([response[3] | ResponseCode.NXDOMAIN]) + response[4:]
            real(self, waiter, response)

        return tell

    wrap(answering.Answerer, "_tell", around)


@mutant("proxy-waits-no-time", "proxy-answers.six-seconds", "proxy-answers.repeated")
def proxy_waits_no_time() -> None:
    replace(waiting, "WAIT_LIMIT", 0.9)


@mutant("proxy-waits-for-more", "proxy-answers.first-at-once", "proxy-answers.denied-at-once")
def proxy_waits_for_more() -> None:
    def around(real: Patch) -> Patch:
        def news(self: Any, key: Any, now: float) -> None:
            self._access.clock.callLater(1.0, real, self, key, now + 1.0)

        return news

    wrap(answering.Answerer, "_news", around)


@mutant("proxy-known-waits", "proxy-answers.known")
def proxy_known_waits() -> None:
    """What is known is told as late as what is asked for."""

    def around(real: Patch) -> Patch:
        def ask_link(self: Any, message: bytes, query: Query, waiter: Any, client: str) -> bytes | None:
            answered: bytes | None = real(self, message, query, waiter, client)
            if answered is not None:
                self._access.clock.callLater(4.0, waiter.reply, answered)
            return None

        return ask_link

    wrap(answering.Answerer, "_ask_link", around)


@mutant("proxy-leaks-local", "proxy-answers.translated")
def proxy_leaks_local() -> None:
    """What PTR records lead to stays in local."""

    def around(real: Patch) -> Patch:
        def zone_record(delegation: Any, record: Record) -> Record | None:
            moved: Record | None = real(delegation, record)
            if moved is None or record.type != RecordType.PTR:
                return moved
            return Record(moved.name, moved.type, moved.rclass, moved.ttl, record.rdata)

        return zone_record

    wrap(composing, "zone_record", around)


@mutant("proxy-hosts-in-service-zone", "proxy-answers.host-names")
def proxy_hosts_in_service_zone() -> None:
    def around(real: Patch) -> Patch:
        def zone_record(delegation: Any, record: Record) -> Record | None:
            moved: Record | None = real(delegation, record)
            if moved is None or moved.type != RecordType.SRV:
                return moved
            data: Any = moved.data
            return service(moved.name, 0, 0, data.port, delegation.zone.name, moved.ttl)

        return zone_record

    wrap(composing, "zone_record", around)


@mutant("proxy-leaks-link-local", "proxy-answers.link-local", "proxy-answers.of-no-use")
def proxy_leaks_link_local() -> None:
    replace(usable, "is_usable_address", lambda *_: True)


@mutant("proxy-asks-too-often", "proxy-answers.one-question", "proxy-answers.repeated")
def proxy_asks_too_often() -> None:
    replace(question_series, "FIRST_QUERY_INTERVAL", 0.4)
    replace(question_series, "QUERY_INTERVAL_GROWTH", 1.0)
    replace(query_queue, "QUESTION_INTERVAL", 0.1)


@mutant("proxy-refuses-by-tcp", "proxy-answers.tcp")
def proxy_refuses_by_tcp() -> None:
    def around(real: Patch) -> Patch:
        def answer(self: Any, message: bytes, client: str, reply: Any, *, stream: bool) -> bytes | None:
            if stream:
                return responses.encode_response(read_query(message, stream=True), ResponseCode.REFUSED)
            octets: bytes | None = real(self, message, client, reply, stream=False)
            return octets

        return answer

    read_query = responses.read_query
    wrap(answering.Answerer, "answer", around)


# What is not a proxy's to answer


@mutant("proxy-answers-everything", "refusals.foreign-names")
def proxy_answers_everything() -> None:
    def around(real: Patch) -> Patch:
        def encode(query: Query, rcode: int = 0, *given: Any, **options: Any) -> bytes:
            if rcode == ResponseCode.REFUSED and not options.get("authoritative", True):
                rcode = ResponseCode.NOERROR
            octets: bytes = real(query, rcode, *given, **options)
            return octets

        return encode

    wrap(answering, "encode_response", around)


@mutant("proxy-transfers", "refusals.transfer")
def proxy_transfers() -> None:
    replace(responses, "TRANSFERS", frozenset())
    replace(responses, "META_TYPES", frozenset())
    replace(
        administration.Administration,
        "answer",
        _with_transfers(administration.Administration.answer),
    )


def _with_transfers(real: Patch) -> Patch:
    def answer(self: Any, delegation: Any, question: Question) -> Sequence[Record] | None:
        if question.type == 252:
            return [self.soa(delegation), *self.name_server_records(delegation), self.soa(delegation)]
        found: Sequence[Record] | None = real(self, delegation, question)
        return found

    return answer


@mutant("proxy-takes-updates", "refusals.update")
def proxy_takes_updates() -> None:
    def around(real: Patch) -> Patch:
        def read(message: bytes, *, stream: bool) -> Query:
            try:
                query: Query = real(message, stream=stream)
                return query
            except Refusal as refusal:
                if message[2] >> 3 & 0xF != 5:
                    raise
                done = refusal.response[:3] + bytes([refusal.response[3] & 0xF0]) + refusal.response[4:]
                raise Refusal(done, refusal.cause) from None

        return read

    wrap(answering, "read_query", around)


@mutant("proxy-pushes-without-tls", "refusals.push-needs-tls")
def proxy_pushes_without_tls() -> None:
    def around(real: Patch) -> Patch:
        def init(self: Any, server: Any, client: str, **_: Any) -> None:
            real(self, server, client, is_secure=True)

        return init

    wrap(connections.Connection, "__init__", around)


# Sessions


def _responses_around(change: Callable[[DSOMessage, list[Item], int], tuple[list[Item], int]]) -> None:
    """Have requests be answered by what a function makes of the right items and response code."""

    def around(real: Patch) -> Patch:
        def respond(
            self: Any, message: DSOMessage, now: float, items: Iterable[Item] = (), rcode: int = 0
        ) -> None:
            real(self, message, now, *change(message, list(items), rcode))

        return respond

    wrap(dso_session.Session, "respond", around)


@mutant("proxy-keepalive-twice", "push.session")
def proxy_keepalive_twice() -> None:
    _responses_around(
        lambda message, items, rcode: (
            items * 2 if message.primary.type == DSOType.KEEPALIVE else items,
            rcode,
        )
    )


@mutant("proxy-counts-items", "push.counts")
def proxy_counts_items() -> None:
    """Responses say that they have a question."""

    def around(real: Patch) -> Patch:
        def write(*given: Any, **options: Any) -> bytes:
            octets = bytearray(real(*given, **options))
            octets[5] = 1
            return bytes(octets)

        return write

    wrap(dso_session, "write_dso", around)


@mutant("proxy-keepalive-of-five-seconds", "push.keepalive-interval")
def proxy_keepalive_of_five_seconds() -> None:
    def grant(self: dso_server.Granted, wanted: Timeouts) -> Timeouts:
        return Timeouts(wanted.inactivity, min(max(wanted.keepalive, 5.0), self.keepalive))

    replace(dso_server.Granted, "grant", grant)


@mutant("proxy-unknown-requests-malformed", "push.unknown-request")
def proxy_unknown_requests_malformed() -> None:
    _responses_around(
        lambda _, items, rcode: (
            items,
            ResponseCode.FORMERR if rcode == ResponseCode.DSOTYPENI else rcode,
        )
    )


@mutant("proxy-one-item-only", "push.unknown-additional")
def proxy_one_item_only() -> None:
    _responses_around(
        lambda message, items, rcode: ([], ResponseCode.FORMERR) if message.items[1:] else (items, rcode)
    )


@mutant("proxy-unknown-messages-ignored", "push.unknown-unidirectional")
def proxy_unknown_messages_ignored() -> None:
    def around(real: Patch) -> Patch:
        def receive(self: Any, message: DSOMessage, now: float) -> None:
            if message.primary.type in self.requests | self.unidirectional:
                real(self, message, now)

        return receive

    wrap(dso_session.Session, "_receive_unidirectional", around)


# Subscriptions


@mutant("proxy-repeats-subscribe", "push.subscribe")
def proxy_repeats_subscribe() -> None:
    _responses_around(
        lambda message, items, rcode: (
            [message.primary] if message.primary.type == DSOType.SUBSCRIBE else items,
            rcode,
        )
    )


@mutant("proxy-push-no-additions", "push.existing")
def proxy_push_no_additions() -> None:
    wrap(push_server.PushServer, "note", lambda real: lambda self, added, removed: real(self, (), removed))


@mutant("proxy-push-with-id", "push.no-id")
def proxy_push_with_id() -> None:
    wrap(
        push_server,
        "write_pushes",
        lambda real: lambda changes: [b"\x70\x07" + octets[2:] for octets in real(changes)],
    )


@mutant("proxy-keeps-subscriptions", "push.unsubscribe")
def proxy_keeps_subscriptions() -> None:
    def around(real: Patch) -> Patch:
        def unidirectional(self: Any, message: DSOMessage, now: float) -> None:
            if message.primary.type != DSOType.UNSUBSCRIBE:
                real(self, message, now)

        return unidirectional

    wrap(push_server.PushServer, "_unidirectional", around)


@mutant("proxy-push-ten-seconds", "push.ttl")
def proxy_push_ten_seconds() -> None:
    def around(real: Patch) -> Patch:
        def change(self: Any, added: Sequence[Record], removed: Sequence[Record]) -> bool:
            done: bool = real(self, [each.with_ttl(min(each.ttl, 10)) for each in added], removed)
            return done

        return change

    wrap(AnswerSet, "change", around)


@mutant("proxy-push-no-removals", "push.removed", "push.reconfirm-removed")
def proxy_push_no_removals() -> None:
    wrap(push_server.PushServer, "note", lambda real: lambda self, added, removed: real(self, added, ()))


@mutant("proxy-reconfirms-nothing", "push.reconfirm", "push.reconfirm-removed")
def proxy_reconfirms_nothing() -> None:
    replace(watching.Watches, "reconfirm", lambda *_: True)


@mutant("proxy-ends-without-a-word", "push.retry-delay")
def proxy_ends_without_a_word() -> None:
    def shut_down(self: Any, delay: float, now: float, rcode: int = 0) -> None:
        self.finish("the server ends")

    replace(dso_server.ServerSession, "shut_down", shut_down)


@mutant("proxy-subscribes-twice", "push.duplicate")
def proxy_subscribes_twice() -> None:
    """The same question by another spelling is another one."""
    replace(Topic, "key", property(lambda self: (self.name.wire, self.type, self.rclass)))
