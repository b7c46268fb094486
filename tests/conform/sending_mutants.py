"""``twist mcast mdns`` with wrong messages, and at a loss with links; see `tests.conform.mutants`."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from typing import Any

from mcast.dns import records
from mcast.dns.building import MessageBuilder
from mcast.dns.codes import Flag, RecordClass, RecordType
from mcast.dns.messages import Message, Question, decode
from mcast.dns.names import LOCAL, Name
from mcast.dns.records import Record
from mcast.errors import MalformedMessage
from mcast.mdns import link
from mcast.mdns.querier import query_queue
from mcast.mdns.responder import prober, responder, zone
from mcast.neighbours import SourceKind
from mcast.node import link_driver, network
from tests.conform.altered import (
    Answers,
    answers_around,
    from_another_port,
    no_ready_answers,
    octets_altered,
    responses_otherwise,
)
from tests.conform.answering_mutants import NOWHERE, has_capitals
from tests.conform.mutant import Patch, mutant, replace, wrap
from tests.conform.querier_mutants import respond_around

IS_RESPONSE = 0x80
"""In the third octet of a message (RFC 1035 §4.1.1)."""


def _answer_types(payload: bytes) -> list[int]:
    return [record.type for record in decode(payload).answers]


# Messages that are sent


@mutant("responses-with-id", "messages.id")
def responses_with_id() -> None:
    responses_otherwise(id=lambda _: 7)


@mutant("responses-without-authority", "messages.authoritative")
def responses_without_authority() -> None:
    responses_otherwise(flags=lambda message: message.flags & ~Flag.AUTHORITATIVE)


@mutant("responses-with-zero-bits", "messages.zero-bits")
def responses_with_zero_bits() -> None:
    responses_otherwise(flags=lambda message: message.flags | 0x0080)


@mutant("responses-truncated", "messages.no-tc-in-responses")
def responses_truncated() -> None:
    responses_otherwise(flags=lambda message: message.flags | Flag.TRUNCATED)


@mutant("recursion-desired", "messages.no-rd")
def recursion_desired() -> None:
    responses_otherwise(flags=lambda message: message.flags | 0x0100)


@mutant("hop-limit-of-64", "messages.hop-limit")
def hop_limit_of_64() -> None:
    replace(network, "MAX_HOPS", 64)


def _in_full(message: Message, payload: bytes) -> bytes:
    """Return a message without any compression."""
    sections = (message.answers, message.authorities, message.additionals)
    if not message.is_response or message.questions:
        return payload
    counts = [0, *map(len, sections)]
    octets = struct.pack("!6H", message.id, message.flags, *counts)
    for record in (record for section in sections for record in section):
        rclass = record.rclass | record.cache_flush << 15
        head = struct.pack("!HHIH", record.type, rclass, record.ttl, len(record.rdata))
        octets += record.name.wire + head + record.rdata
    return octets


@mutant("no-compression", "messages.compression")
def no_compression() -> None:
    octets_altered(_in_full)


@mutant("responses-with-ns", "messages.no-zone")
def responses_with_ns() -> None:
    server = Record(LOCAL, 2, RecordClass.IN, 120, NOWHERE.wire)
    responses_otherwise(additionals=lambda message: [*message.additionals, server])


@mutant("large-packets", "messages.size")
def large_packets() -> None:
    filler = records.text(NOWHERE, [b"x" * 250] * 8, 120)

    def additionals(message: Message) -> Sequence[Record]:
        types = {record.type for record in message.answers}
        is_whole = {RecordType.SRV, RecordType.TXT} <= types and all(each.ttl for each in message.answers)
        return [*message.additionals, filler] if is_whole else message.additionals

    responses_otherwise(additionals=additionals)


@mutant("answers-from-another-port", "answers.source-port")
def answers_from_another_port() -> None:
    from_another_port(lambda payload, destination: not destination and _answer_types(payload) == [1])


@mutant("announcements-from-another-port", "messages.ports")
def announcements_from_another_port() -> None:
    from_another_port(lambda payload, destination: not destination and len(_answer_types(payload)) > 2)


@mutant("questions-from-another-port", "questions.port")
def questions_from_another_port() -> None:
    from_another_port(lambda payload, destination: not destination and not payload[2] & IS_RESPONSE)


@mutant("questions-to-one-host", "questions.group")
def questions_to_one_host() -> None:
    number = 0

    def around(real: Patch) -> Patch:
        def send(self: Any, payload: bytes, interface: int, destination: Any) -> bool:
            nonlocal number
            if not self._ipv6 and destination is None and not payload[2] & IS_RESPONSE:
                number += 1
                if number == 3:
                    destination = ("10.77.0.1", 5353)
            return bool(real(self, payload, interface, destination))

        return send

    wrap(network.SocketPort, "send", around)


@mutant("list-repeats-question", "listing.continuation")
def list_repeats_question() -> None:
    def around(real: Patch) -> Patch:
        def packets(asked: Any, size: int) -> Any:
            asked = list(asked)
            for packet in real(asked, size - 100):
                message = decode(packet)
                if message.questions:
                    yield packet
                    continue
                builder = MessageBuilder(size, flags=message.flags)
                builder.add_question(asked[0].question)
                for record in message.answers:
                    builder.add_answer(record)
                yield builder.build()

        return packets

    wrap(query_queue, "query_packets", around)


# Messages that are heard


def _deaf_to(is_meant: Any) -> None:
    """Have queries be dropped for which a function of message and octets says so."""
    no_ready_answers()

    def around(real: Patch) -> Patch:
        def receive(self: Any, message: Message, datagram: bytes, *rest: Any) -> Any:
            if not is_meant(message, datagram):
                return real(self, message, datagram, *rest)
            return None

        return receive

    wrap(link.Link, "_receive_query", around)


@mutant("authoritative-queries-dropped", "messages.bits-ignored")
def authoritative_queries_dropped() -> None:
    _deaf_to(lambda message, _: message.authoritative)


def _has_pointer_in_question(message: Message, datagram: bytes) -> bool:
    whole = sum(len(question.name.wire) + 4 for question in message.questions)
    return len(message.questions) > 1 and datagram[12 : 12 + whole] != b"".join(
        question.name.wire + struct.pack("!HH", question.type, question.rclass | question.unicast << 15)
        for question in message.questions
    )


@mutant(
    "compressed-questions-dropped",
    "messages.compressed-question",
    follows={
        "answers.several-questions": "the second of our questions is compressed",
        "conflicts.defends-several": "the second question of our probe is compressed",
    },
)
def compressed_questions_dropped() -> None:
    _deaf_to(_has_pointer_in_question)


def _at_malformed(react: Any) -> None:
    def around(real: Patch) -> Patch:
        def receive(self: Any, datagram: bytes, source: Any, *rest: Any) -> Any:
            try:
                decode(datagram)
            except MalformedMessage:
                return react(datagram)
            return real(self, datagram, source, *rest)

        return receive

    wrap(link.Link, "receive", around)


@mutant("ended-by-malformed", "malformed.survives")
def ended_by_malformed() -> None:
    _at_malformed(lambda _: os._exit(1))


@mutant("complains-of-malformed", "malformed.no-response")
def complains_of_malformed() -> None:
    _at_malformed(lambda datagram: struct.pack("!6H", 0, 0x8401, 0, 0, 0, 0))


# Sources


@mutant("conflicts-from-off-link", "sources.off-link-unicast")
def conflicts_from_off_link() -> None:
    def around(real: Patch) -> Patch:
        def receive(self: Any, message: Message, datagram: bytes, source: Any, *rest: Any) -> Any:
            return real(self, message, datagram, source, True, rest[-1])

        return receive

    wrap(link.Link, "_receive_response", around)


@mutant("conflicts-of-the-subnet-only", "sources.group-counts-as-local")
def conflicts_of_the_subnet_only() -> None:
    def change(self: Any, message: Message, source: Any, multicast: bool) -> Any:
        return source if self._context.neighbours.classify(source[0]) is SourceKind.ON_LINK else None

    respond_around(change)


# Changes of the link


@mutant("link-not-watched", "changes.link-probes", "changes.link-announces")
def link_not_watched() -> None:
    replace(link_driver.LinkDriver, "suspend", lambda *_: None)
    replace(link_driver.LinkDriver, "resume", lambda *_: None)


@mutant("new-link-not-probed", "changes.link-probes")
def new_link_not_probed() -> None:
    def reset(self: Any) -> None:
        self._is_suspended = False
        for probed in self.names.values():
            probed.is_held = True
            self._stop(probed)

    replace(prober.Prober, "reset", reset)


@mutant("new-address-not-told", "changes.address-announced")
def new_address_not_told() -> None:
    replace(responder.Responder, "update", lambda *_: None)


@mutant("new-address-alone", "changes.whole-set", "changes.all-addresses")
def new_address_alone() -> None:
    def around(real: Patch) -> Patch:
        def pack(answers: Any, *rest: Any) -> Any:
            kept = [each[-1:] if each[0].type == RecordType.A else each for each in answers]
            return real(kept, *rest)

        return pack

    wrap(responder, "pack_response", around)


@mutant("new-name-not-used", "changes.rename-announces")
def new_name_not_used() -> None:
    def around(real: Patch) -> Patch:
        def register(self: Any, owner: Any, group: Any, now: float) -> None:
            # What the judge makes up begins so.
            if not any(record.name.labels[0].startswith(b"mcast-") for record in group):
                real(self, owner, group, now)

        return register

    wrap(responder.Responder, "register", around)


# Discovery


@mutant("no-subtypes", "discovery.subtype", "discovery.subtype-case")
def no_subtypes() -> None:
    def change(_: zone.Zone, question: Question, found: Answers) -> Answers:
        return [] if b"_sub" in question.name.key else found

    answers_around(change)


@mutant("case-of-subtypes-matters", "discovery.subtype-case")
def case_of_subtypes_matters() -> None:
    def change(_: zone.Zone, question: Question, found: Answers) -> Answers:
        return [] if b"_sub" in question.name.key and has_capitals(question.name) else found

    answers_around(change)


@mutant("any-subtype", "discovery.subtype-of-others")
def any_subtype() -> None:
    def change(owner: zone.Zone, question: Question, found: Answers) -> Answers:
        if found or b"_sub" not in question.name.key:
            return found
        kind = Name.from_labels(question.name.labels[2:])
        return list(owner.sets(kind.key, RecordType.PTR))

    answers_around(change)


@mutant("types-not-listed", "discovery.types")
def types_not_listed() -> None:
    def change(_: zone.Zone, question: Question, found: Answers) -> Answers:
        return [] if question.name.labels[0] == b"_services" else found

    answers_around(change)


def _pointers_otherwise(change: Any) -> None:
    def around(real: Patch) -> Patch:
        def pointer(name: Name, target: Name, ttl: int, cache_flush: bool = False) -> Record:
            record: Record = real(*change(name, target, ttl), cache_flush)
            return record

        return pointer

    wrap(records, "pointer", around)


@mutant("types-with-instance", "discovery.types", "discovery.types-without-instance")
def types_with_instance() -> None:
    def change(name: Name, target: Name, ttl: int) -> Any:
        listed = name.labels[0] == b"_services"
        return name, target.prefixed("Conform Subject") if listed else target, ttl

    _pointers_otherwise(change)


@mutant("reverse-leads-elsewhere", "discovery.reverse-target")
def reverse_leads_elsewhere() -> None:
    _pointers_otherwise(
        lambda name, target, ttl: (name, NOWHERE if name.labels[-1] == b"arpa" else target, ttl)
    )


@mutant("reverse-lives-long", "discovery.reverse-ttl")
def reverse_lives_long() -> None:
    _pointers_otherwise(lambda name, target, ttl: (name, target, 4500 if name.labels[-1] == b"arpa" else ttl))
