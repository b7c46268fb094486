"""Announcing: what was claimed is told to all, at least twice (RFC 6762 §8.3), with its TTLs (§10)."""

from __future__ import annotations

from itertools import pairwise

from mcast.conform.bench import Bench
from mcast.conform.packets import Packet
from mcast.conform.responder.catalogue import RESPONDER
from mcast.conform.responder.exchanges import listed
from mcast.conform.subjects import Action
from mcast.conform.verdicts import Judge, NotRunError, must, should
from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dns.records import Record, show_type

WATCH = 9.0
"""Seconds after the first announcement that are watched: enough for those after 1, 2 and 4 seconds."""

MOST = 8
"""Announcements at most (RFC 6762 §8.3)."""

HOST_TTL = 120
"""Seconds of records that have a host name (RFC 6762 §10)."""

OTHER_TTL = 4500
"""Seconds of all others (RFC 6762 §10)."""

ALL_RECORDS = must(
    "announcing.all-records",
    "M-8.3-1",
    "RFC 6762 §8.3",
    "Once names are claimed, everything that was registered is announced in the Answer Section of responses.",
    "An address of the host; PTR, SRV and TXT of the service.",
)
TWICE = must(
    "announcing.twice",
    "M-8.3-4",
    "RFC 6762 §8.3",
    "Each record is announced at least twice, since packets get lost.",
    "At least two unsolicited responses with each record.",
    "Not asked of records that only accompany others.",
)
APART = must(
    "announcing.one-second-apart",
    "M-8.3-4",
    "RFC 6762 §8.3",
    "Two announcements are one second apart.",
    "A second between the first two announcements of a record.",
    "700 to 1600 ms: a busy machine, and what is sent along with others; see duplicates.one-second-rule.",
    timed=True,
)
GROWING = must(
    "announcing.no-more",
    "M-8.3-5 M-8.3-6",
    "RFC 6762 §8.3",
    "Up to eight announcements may be sent if each interval is at least twice as long as the one before; "
    "there is no periodic announcement.",
    f"In {WATCH:.0f} seconds no further announcement of a record that comes sooner than that.",
    "A tenth less, for timers. Packets with the same answers are compared: what is sent along with others "
    "is announced no more often for that.",
    timed=True,
)
UNIQUE_FLUSH = must(
    "announcing.cache-flush",
    "M-8.3-3 M-10.2-6",
    "RFC 6762 §10.2",
    "Records that are ours alone are announced with the cache-flush bit, so that old ones are dropped.",
    "The bit on the records of names that were probed for: address, SRV, TXT.",
)
SHARED_NO_FLUSH = must(
    "announcing.no-cache-flush-on-shared",
    "M-8.3-2 M-10.2-11",
    "RFC 6762 §10.2",
    "A shared record never has the cache-flush bit: it would delete what other hosts said.",
    "No bit on the PTR records of the service type.",
)
TTL_HOST = should(
    "announcing.host-ttl",
    "M-10-1",
    "RFC 6762 §10",
    "Records that have a host name as owner or in their data live for 120 seconds.",
    "TTL 120 of address and SRV records.",
)
TTL_OTHER = should(
    "announcing.other-ttl",
    "M-10-2",
    "RFC 6762 §10",
    "All other records live for 75 minutes.",
    "TTL 4500 of PTR and TXT records of the service.",
)


def wanted_records(bench: Bench) -> list[tuple[Name, int, bool]]:
    """Return name, type and whether they are unique of what a subject publishes."""
    wanted: list[tuple[Name, int, bool]] = [(bench.names.host, RecordType.A, True)]
    if bench.names.service is not None and bench.names.type is not None:
        service = bench.names.service
        wanted += [(service, RecordType.SRV, True), (service, RecordType.TXT, True)]
        wanted.append((bench.names.type, RecordType.PTR, False))
    return wanted


def is_of(record: Record, name: Name, rtype: int) -> bool:
    """Tell whether a record is one of those; AAAA stands in for A."""
    types = (RecordType.A, RecordType.AAAA) if rtype == RecordType.A else (rtype,)
    return record.name == name and record.type in types and record.ttl > 0


@RESPONDER.scenario(
    "announcing/claim",
    *(ALL_RECORDS, TWICE, APART, GROWING, UNIQUE_FLUSH, SHARED_NO_FLUSH, TTL_HOST, TTL_OTHER),
    sends="The subject is started; we send nothing.",
    seconds=WATCH + 3,
    needs=[Action.START],
)
async def announced(bench: Bench, judge: Judge) -> None:
    """Start the subject and listen."""
    mark = await bench.start()
    first = await bench.awaited(lambda each: each.is_response and bool(each.answers), mark)
    if first is None:
        raise NotRunError("the subject was started, and announced nothing")
    await bench.sleep(WATCH)
    responses = [each for each in bench.theirs(mark) if each.is_response and each.is_multicast]
    for name, rtype, unique in wanted_records(bench):
        label = f"{name} {show_type(rtype)}"
        times = [each for each in responses if any(is_of(one, name, rtype) for one in each.answers)]
        if not judge.decide(ALL_RECORDS, bool(times), f"{label}: {len(times)} announcements", times):
            continue
        _judge_times(judge, label, times)
        records = [one for each in times for one in each.answers if is_of(one, name, rtype)]
        flushes = [one.cache_flush for one in records]
        if unique:
            said = f"{label}: {sum(flushes)} of {len(flushes)} with the cache-flush bit"
            judge.decide(UNIQUE_FLUSH, all(flushes), said, times)
        else:
            said = f"{label}: {sum(flushes)} of {len(flushes)} with the cache-flush bit"
            judge.decide(SHARED_NO_FLUSH, not any(flushes), said, times)
        has_host = rtype in (RecordType.A, RecordType.SRV)
        ttls = sorted({one.ttl for one in records})
        check, ttl = (TTL_HOST, HOST_TTL) if has_host else (TTL_OTHER, OTHER_TTL)
        judge.decide(check, ttls == [ttl], f"{label}: TTL {', '.join(map(str, ttls))}", times)


def _judge_times(judge: Judge, label: str, times: list[Packet]) -> None:
    judge.decide(TWICE, len(times) >= 2, f"{label}: {len(times)} announcements", times)
    gaps = [after.at - before.at for before, after in pairwise(times)]
    if not gaps:
        return
    said = f"{label}: intervals of {listed(gaps)}"
    judge.decide(APART, 0.7 <= gaps[0] <= 1.6, said, times)
    same = [each for each in times if _identities(each) == _identities(times[0])]
    own = [after.at - before.at for before, after in pairwise(same)]
    growing = all(after >= 2 * before * 0.9 for before, after in pairwise(own))
    judge.decide(GROWING, growing and len(same) <= MOST, f"{label}: intervals of {listed(own)}", same)


def _identities(packet: Packet) -> frozenset[object]:
    """Return what a packet announces, in whatever order."""
    return frozenset(record.identity for record in packet.answers)
