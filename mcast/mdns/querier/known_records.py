"""What the cache knows of a question: what answers it, and what denies an answer (RFC 6762 §6.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from math import ceil
from typing import Final

from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.names import Name
from mcast.dns.records import NextSecure, Record
from mcast.mdns.constants import REFRESH_POINTS
from mcast.mdns.querier.cache import Cache
from mcast.mdns.querier.cache_cells import FLUSHED, LEAVING, UNIQUE, CachedRecord, Lifetime, record_key
from mcast.mdns.querier.question_series import QuestionSeries
from mcast.mdns.querier.questions import Questions

# The members of an enumeration are slower to compare.
ANY: Final = int(RecordType.ANY)
NSEC: Final = int(RecordType.NSEC)
CNAME: Final = int(RecordType.CNAME)

_ROOT: Final = Name(b"\0")
_FIRST_POINT: Final = REFRESH_POINTS[0]

_IN: Final = int(RecordClass.IN)

Denial = tuple[CachedRecord, frozenset[int]]
"""An NSEC record, and the types that it says there are."""


def known_records(cache: Cache, questions: Questions, key: bytes, now: float) -> list[CachedRecord]:
    """Return the records of a name, but for those that expired while nobody asked.

    They were reported to nobody, and must not count as known now.
    """
    known = cache.records(key, ANY)
    # Nearly always none has expired, which a loop finds out in a third of the time.
    for one in known:
        if one.received_at + one.ttl <= now:
            break
    else:
        return known
    unreported = [
        record_key(one.type, one.rdata)
        for one in known
        if one.received_at + one.ttl <= now and not questions.is_wanted(key, one.type)
    ]
    if not unreported:
        return known
    cache.take(key, unreported)
    return cache.records(key, ANY)


def lifetimes_of(cache: Cache, series: QuestionSeries) -> Sequence[Lifetime]:
    """Return those of the answers to a question, or else of the denials, with the expired ones."""
    lifetimes = cache.lifetimes(series.key, series.answer_types)
    return lifetimes or denials_of(cache, series.key, series.type)


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


def settled_records(known: Iterable[CachedRecord], now: float) -> dict[int, CachedRecord | None]:
    """Return the records of a name by type, where each is the whole answer and new.

    That is so of all that comes in a service that comes complete: there is one of the type, unique and not to
    be asked for again yet. None stands for any other; where the name is an alias, nothing is settled.
    """
    found: dict[int, CachedRecord | None] = {}
    for one in known:
        received_at, ttl, rtype, flags, _, _ = one
        if rtype == CNAME:
            return {}
        if rtype in found or flags & (UNIQUE | LEAVING) != UNIQUE or received_at + _FIRST_POINT * ttl <= now:
            found[rtype] = None
        else:
            found[rtype] = one
    return found


def settled_answer(rtype: int, settled: dict[int, CachedRecord | None]) -> CachedRecord | None:
    """Return the one record that answers a question for a type, or that denies that there is an answer."""
    if rtype == ANY or rtype in settled:
        return settled.get(rtype)
    denial = settled.get(NSEC)
    return denial if denial is not None and denies(denial.rdata, rtype) else None


def denies(rdata: bytes, rtype: int) -> bool:
    """Whether an NSEC record says that there is no record of a type (RFC 6762 §6.1).

    As `listed_types` does, but the one bit is looked at and nothing is made of the others. The record was
    found to be well-formed when it came.
    """
    size = len(rdata)
    position = 0
    while position < size and rdata[position]:
        position += 1 + rdata[position]
    position += 1
    while position + 2 <= size:
        length = rdata[position + 1]
        if rdata[position] == rtype >> 8:
            octet = (rtype & 0xFF) >> 3
            return octet >= length or not rdata[position + 2 + octet] & 0x80 >> (rtype & 7)
        position += 2 + length
    return position == size


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


def answering(
    owner: Name,
    known: Sequence[CachedRecord],
    types: Collection[int],
    now: float,
    *,
    flushed: bool = False,
    whole: bool = False,
) -> list[Record]:
    """Return the valid records that answer questions for types, with the TTL that is left, rounded up.

    :param owner: the name that they are of.
    :param flushed: also those that newer ones have replaced, and that end within a second.
    :param whole: with the TTL that each came with.
    """
    hidden = 0 if flushed else FLUSHED
    found = []
    # No comprehension: for one or two records, to make its function takes longer than the loop.
    for received_at, ttl, rtype, flags, _, rdata in known:
        left = received_at + ttl - now
        if left <= 0 or flags & hidden:
            continue
        if rtype in types or rtype == CNAME or ANY in types:
            # Made at once, as `as_record` makes it: a record with another TTL is one more object. What was
            # heard within the last second has its whole TTL, and no more however the times were rounded.
            if not whole and left <= ttl - 1:
                ttl = ceil(left)
            found.append(Record(owner, rtype, _IN, ttl, rdata, flags & UNIQUE != 0))
    return found


def is_final(series: QuestionSeries, lifetime: Lifetime, now: float) -> bool:
    """Whether a record is the whole answer, and stays so for some time (RFC 6762 §7.1)."""
    return (
        series.type != ANY
        and lifetime.flags & (UNIQUE | LEAVING) == UNIQUE
        and lifetime.expires_at - now > (1 - REFRESH_POINTS[0]) * lifetime.ttl
    )
