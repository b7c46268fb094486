"""What the cache knows of a question: what answers it, and what denies an answer (RFC 6762 §6.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.names import Name
from mcast.dns.records import NextSecure, Record
from mcast.mdns.constants import REFRESH_POINTS
from mcast.mdns.querier.cache import Cache
from mcast.mdns.querier.cache_cells import FLUSHED, LEAVING, UNIQUE, CachedRecord, Lifetime, record_key
from mcast.mdns.querier.cache_table import as_record
from mcast.mdns.querier.question_series import QuestionSeries
from mcast.mdns.querier.questions import Questions

# The members of an enumeration are slower to compare.
ANY: Final = int(RecordType.ANY)
NSEC: Final = int(RecordType.NSEC)
CNAME: Final = int(RecordType.CNAME)

_ROOT: Final = Name(b"\0")

Denial = tuple[CachedRecord, frozenset[int]]
"""An NSEC record, and the types that it says there are."""


def known_records(cache: Cache, questions: Questions, key: bytes, now: float) -> list[CachedRecord]:
    """Return the records of a name, but for those that expired while nobody asked.

    They were reported to nobody, and must not count as known now.
    """
    known = cache.records(key, ANY)
    unreported = [
        record_key(one.type, one.rdata)
        for one in known
        if one.received_at + one.ttl <= now and not questions.is_wanted(key, one.type)
    ]
    if not unreported:
        return known
    cache.take(key, unreported)
    return cache.records(key, ANY)


def denials_of(cache: Cache, key: bytes, rtype: int) -> Sequence[Lifetime]:
    """Return those of the records that deny that there is one of a name and type (RFC 6762 §6.1)."""
    if rtype in (ANY, NSEC):
        return ()
    denials = [(lifetime, listed_types(lifetime.folded)) for lifetime in cache.lifetimes(key, (NSEC,))]
    return [one for one, listed in denials if listed is not None and rtype not in listed]


def denials_among(known: Iterable[CachedRecord]) -> list[Denial]:
    """Return the NSEC records that can be read."""
    found = [(one, listed_types(one.rdata)) for one in known if one.type == NSEC]
    return [(one, listed) for one, listed in found if listed is not None]


def listed_types(rdata: bytes) -> frozenset[int] | None:
    """Return the types that an NSEC record says there are (RFC 6762 §6.1); None when it cannot be read."""
    data = Record(_ROOT, NSEC, RecordClass.IN, 0, rdata).data
    return data.types if isinstance(data, NextSecure) else None


def about(
    rtype: int, known: list[CachedRecord], denials: Iterable[Denial]
) -> tuple[list[CachedRecord], list[CachedRecord]]:
    """Return which records of a name answer a question for a type, and which deny that there is an answer."""
    if rtype == ANY:
        return known, []
    # An alias answers every question (RFC 1034 §3.6.2).
    answers = [one for one in known if one.type == rtype or one.type == CNAME]
    return answers, [] if rtype == NSEC else [one for one, listed in denials if rtype not in listed]


def has_valid(records: Iterable[CachedRecord], rtype: int, now: float) -> bool:
    """Whether there is a valid record of a type."""
    return any(one.type == rtype and one.received_at + one.ttl > now for one in records)


def lasting(
    owner: Name, known: Sequence[CachedRecord], types: Collection[int], now: float, whole: bool
) -> list[Record]:
    """Return the valid records that answer questions for types, but for those that newer ones have replaced.

    Each has the TTL that is left, rounded up, or with ``whole`` the one that it came with.
    """
    return [
        as_record(owner, one).with_ttl(one.ttl if whole else -int(now - one.received_at - one.ttl))
        for one in known
        if (one.type in types or one.type == CNAME or ANY in types)
        and not one.flags & FLUSHED
        and one.received_at + one.ttl > now
    ]


def is_final(series: QuestionSeries, lifetime: Lifetime, now: float) -> bool:
    """Whether a record is the whole answer, and stays so for some time (RFC 6762 §7.1)."""
    return (
        series.type != ANY
        and lifetime.flags & (UNIQUE | LEAVING) == UNIQUE
        and lifetime.expires_at - now > (1 - REFRESH_POINTS[0]) * lifetime.ttl
    )
