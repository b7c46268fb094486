"""More of ``twist mcast mdns`` with one behaviour broken; see `tests.conform.mutants`, which runs them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.names import Name
from mcast.dns.records import Record, pack_bitmaps
from mcast.mdns.responder import (
    allowances,
    announcer,
    answerer,
    conflicts,
    negative_responses,
    record_set,
    zone,
)
from tests.conform.mutant import Patch, mutant, replace, wrap
from tests.conform.querier_mutants import clear_bits, respond_around


@mutant("no-denial", "negative.denied")
def no_denial() -> None:
    replace(zone, "negative_response", lambda _: None)


@mutant("denial-with-nsec-bit", "negative.form")
def denial_with_nsec_bit() -> None:
    def denial(name: Name, types: Iterable[int], ttl: int) -> Record:
        bitmaps = pack_bitmaps([*types, RecordType.NSEC])
        return Record(name, RecordType.NSEC, RecordClass.IN, ttl, name.wire + bitmaps, True)

    replace(negative_responses, "next_secure", denial)


@mutant("denial-lives-short", "negative.ttl")
def denial_lives_short() -> None:
    wrap(negative_responses, "next_secure", lambda real: lambda name, types, ttl: real(name, types, 10))


@mutant("announced-once", "announcing.twice")
def announced_once() -> None:
    wrap(announcer.Announcer, "__init__", lambda real: lambda self, _: real(self, 1))


def _flush_bits(given: bool) -> None:
    def around(real: Patch) -> Patch:
        def replaced(self: Any, records: Any) -> None:
            real(self, records)
            self.records = tuple(record.with_cache_flush(given) for record in records)

        return replaced

    wrap(record_set.RecordSet, "replace", around)


@mutant(
    "shared-with-cache-flush",
    "announcing.no-cache-flush-on-shared",
    follows={"probing.before-use": "by the bit the type is claimed, and nobody has probed for it"},
)
def shared_with_cache_flush() -> None:
    _flush_bits(True)


@mutant(
    "unique-without-cache-flush",
    "announcing.cache-flush",
    follows={"unicast.cache-flush": "the records are the same ones, and a unicast response has its rules"},
)
def unique_without_cache_flush() -> None:
    _flush_bits(False)


@mutant("shared-at-once", "answers.shared-delay", "answers.several-delay")
def shared_at_once() -> None:
    replace(answerer, "SHARED_DELAY", (0.0, 0.001))


@mutant("no-additionals", "answers.browse-additionals", "answers.srv-additionals")
def no_additionals() -> None:
    replace(zone.Zone, "additionals", lambda *_: [])


@mutant("says-what-was-said", "duplicates.answer-of-another")
def says_what_was_said() -> None:
    replace(conflicts, "drop_duplicates", lambda *_: None)


@mutant(
    "never-unicast",
    "unicast.question",
    follows={"conflicts.defends-by-unicast": "a defence by unicast is a unicast response as well"},
)
def never_unicast() -> None:
    replace(allowances.Allowances, "reaches", lambda *_: False)


@mutant("conflicts-from-any-port", "sources.port")
def conflicts_from_any_port() -> None:
    respond_around(lambda self, message, source, multicast: (source[0], 5353, *source[2:]))


@mutant("queries-of-any-opcode", "messages.opcode")
def queries_of_any_opcode() -> None:
    clear_bits(0x7800)


@mutant("queries-of-any-rcode", "messages.rcode")
def queries_of_any_rcode() -> None:
    clear_bits(0x000F)
