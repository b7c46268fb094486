"""Known answers in queries (RFC 6762 §7.1), also when they take several packets (§7.2)."""

from __future__ import annotations

from mcast.conform.bench import Bench
from mcast.conform.querier.browsing import TOGETHER, browse
from mcast.conform.querier.catalogue import QUERIER
from mcast.conform.verdicts import Judge, NotRunError, must, rule, should
from mcast.dns.codes import RecordType
from mcast.dns.messages import Question

SHORT = 5
"""The TTL of a record that is more than half gone at the third query, some three seconds after the first."""

MANY = 80
"""Instances that take several packets: some fifty octets each."""

LISTED = must(
    "listing.known",
    "M-5.2-4 M-7.1-1",
    "RFC 6762 §5.2",
    "Who asks again lists the answers that it has.",
    "The second query lists the PTR record that was told after the first.",
)
FRESH = should(
    "listing.fresh-only",
    "M-7.1-4",
    "RFC 6762 §7.1",
    "A record with less than half its TTL left is not listed, so that it is told again.",
    "No query lists a record with a TTL of 5 seconds later than 2.8 seconds after it was told.",
)
FLUSH = must(
    "listing.no-cache-flush",
    "M-10.2-10",
    "RFC 6762 §10.2",
    "The cache-flush bit is never set in a list of known answers.",
    "No record that is listed has the bit.",
)
OF_OTHERS = must(
    "listing.not-of-others",
    "M-7.1-5",
    "RFC 6762 §7.1",
    "What another host lists as known is not cached: it may be wrong.",
    "An instance that only a query of another host lists is neither listed nor shown.",
)


@QUERIER.scenario(
    "listing/one-packet",
    *(LISTED, FRESH, FLUSH, OF_OTHERS),
    sends="After the first query two PTR records, one with a TTL of 5 s; then a query that "
    "lists a third one.",
    seconds=10,
)
async def one_packet(bench: Bench, judge: Judge) -> None:
    """Tell of instances, and look at the lists."""
    browsing = await browse(bench)
    long, short, foreign = browsing.named(), browsing.named(), browsing.named()
    told = bench.respond(browsing.pointer(long), browsing.pointer(short, SHORT))
    told_at = await bench.sent_at(told)
    second = await browsing.second()
    await bench.sleep(TOGETHER)
    listed = {record.rdata for record in browsing.known(second)}
    judge.decide(LISTED, long.wire in listed, f"{len(listed)} records listed", browsing.list_of(second))
    # It asks for something else, so that it takes the place of no query.
    name = bench.random_name()
    bench.ask(Question(name, RecordType.A), known=[browsing.pointer(foreign)])
    await bench.sleep(max(0.0, told_at + SHORT * 0.5 + 0.3 - bench.now))
    late = bench.view.mark
    beliefs = await browsing.beliefs(late)
    beliefs.decide(judge, OF_OTHERS, foreign, False)
    if not beliefs.packets:
        raise NotRunError("the subject does not ask again")
    judge.decide(
        FRESH,
        short.wire not in beliefs.known,
        f"listed {beliefs.packets[0].at - told_at:.1f} s after it was told"
        if short.wire in beliefs.known
        else "not listed",
        beliefs.packets,
    )
    for query in browsing.queries():
        flushing = [each for each in query.answers if each.cache_flush]
        judge.decide(FLUSH, not flushing, f"{len(flushing)} records with the bit", [query])


COMPLETE = rule(
    "listing.complete",
    "M-7.2-1 M-7.2-3",
    "RFC 6762 §7.2",
    "Known answers that do not fit into the query follow in further packets.",
    "The second query and what follows it lists all 80 records that were told.",
)
TRUNCATED = must(
    "listing.truncated",
    "M-7.2-2",
    "RFC 6762 §7.2",
    "Every packet of the list but the last has the TC bit.",
    "TC in all packets but the last.",
)
CONTINUES = must(
    "listing.continuation",
    "M-7.2-3",
    "RFC 6762 §7.2",
    "What continues a list follows at once and has no question.",
    "Packets without a question, within 150 ms.",
    "150 ms stand for at once, on a busy machine.",
    timed=True,
)
SIZE = should(
    "listing.size",
    "M-17-6",
    "RFC 6762 §17",
    "Packets are best kept under 1500 octets.",
    "No packet of the list is longer than 1500 octets, with its IP and UDP headers.",
)


@QUERIER.scenario(
    "listing/several-packets",
    *(COMPLETE, TRUNCATED, CONTINUES, SIZE),
    sends="After the first query, 80 PTR records in packets of 16.",
    seconds=5,
)
async def several_packets(bench: Bench, judge: Judge) -> None:
    """Tell of more than fits."""
    browsing = await browse(bench)
    instances = [browsing.named(f"{bench.random_name().labels[0].decode()} {'x' * 30}") for _ in range(MANY)]
    for start in range(0, MANY, 16):
        bench.respond(*map(browsing.pointer, instances[start : start + 16]))
    second = await browsing.second()
    await bench.sleep(4 * TOGETHER)
    packets = browsing.list_of(second)
    listed = {record.rdata for record in browsing.known(second)}
    missing = sum(each.wire not in listed for each in instances)
    said = f"{MANY - missing} of {MANY} records in {len(packets)} packets"
    if missing == MANY:
        raise NotRunError("the subject lists nothing")
    judge.decide(COMPLETE, not missing, said, packets)
    overhead = 48 if bench.ipv6 else 28
    longest = max(len(each.datagram.data) for each in packets) + overhead
    judge.decide(SIZE, longest <= 1500, f"{longest} octets", packets)
    if len(packets) < 2:
        judge.skip_rest("the subject sends one packet only")
        return
    *others, last = [bool(each.message and each.message.truncated) for each in packets]
    marks = ", ".join("TC" if each else "no TC" for each in (*others, last))
    judge.decide(TRUNCATED, all(others) and not last, marks, packets)
    asking = sum(bool(each.questions) for each in packets[1:])
    judge.decide(CONTINUES, not asking, f"{asking} of {len(packets) - 1} with questions", packets)
