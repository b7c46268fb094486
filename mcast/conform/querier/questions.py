"""The series of a question (RFC 6762 §5.2), and whose question takes its place (§7.3)."""

from __future__ import annotations

from itertools import pairwise

from mcast.conform.bench import Bench
from mcast.conform.packets import MDNS_PORT, Packet
from mcast.conform.querier.browsing import BUSY, NEXT_QUERY, browse
from mcast.conform.querier.catalogue import QUERIER
from mcast.conform.verdicts import Judge, NotRunError, must, rule, should
from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.records import Record

SERIES = 4
"""Queries that are looked at. Our choice: three intervals, some seven seconds."""

SLACK = 0.03
"""Seconds that an interval may be short of twice the one before. Our choice: the one before was stretched by
so much when the machine held up its second query."""

HELD_UP = 0.05
"""Seconds that the first interval may be short of. Our choice: a busy machine holds up the first query, which
comes while the subject starts, by so much between its decision and the wire, and not the second one."""

FIRST_INTERVAL = must(
    "questions.first-interval",
    "M-5.2-2",
    "RFC 6762 §5.2",
    "Between the first two queries of a series there is at least one second.",
    "At least one second between the first two queries.",
    "50 ms less: a busy machine may hold up the first one.",
    timed=True,
)
GROWTH = must(
    "questions.growth",
    "M-5.2-3",
    "RFC 6762 §5.2",
    "Each interval of a series is at least twice as long as the one before.",
    "The second and third interval are at least twice as long as the one before.",
    "30 ms a query, which a busy machine may be late by.",
    timed=True,
)
GOES_ON = rule(
    "questions.goes-on",
    "M-5.2-1",
    "RFC 6762 §5.2",
    "A browse goes on asking until its client ends it.",
    "A second query within ten seconds.",
)
PORT = must(
    "questions.port",
    "M-5.2-15",
    "RFC 6762 §5.2",
    "Who is fully compliant asks from UDP port 5353.",
    "Every query comes from port 5353.",
)
GROUP = must(
    "questions.group",
    "M-3-3",
    "RFC 6762 §3",
    "Queries for names in .local go to the group.",
    "Every query goes to 224.0.0.251 or ff02::fb, port 5353.",
)
AGAIN = should(
    "questions.multicast-again",
    "M-5.4-4",
    "RFC 6762 §5.4",
    "Only the first query of a series asks for unicast responses.",
    "No unicast-response bit in the second and later queries.",
)
HEADER = must(
    "questions.header",
    "M-18.2-1 M-18.3-1 M-18.4-1 M-18.7-1 M-18.8-1 M-18.9-1 M-18.10-1 M-18.11-1",
    "RFC 6762 §18",
    "In queries QR, OPCODE, AA, RA, Z, AD, CD and RCODE are zero.",
    "Of the flags at most TC and RD are set.",
)
ID = should(
    "questions.id",
    "M-18.1-4 M-18.6-1",
    "RFC 6762 §18.1",
    "The ID of multicast queries is zero, and so is RD.",
    "ID and RD of every query are zero.",
)


@QUERIER.scenario(
    "questions/series",
    *(GOES_ON, FIRST_INTERVAL, GROWTH, PORT, GROUP, AGAIN, HEADER, ID),
    sends="Nothing: the subject browses for a type that nobody has.",
    seconds=12,
)
async def series(bench: Bench, judge: Judge) -> None:
    """Answer nothing."""
    browsing = await browse(bench)
    second = await browsing.nth(2)
    judge.decide(GOES_ON, second is not None, "asked once" if second is None else "asked again")
    # The third interval may be longer than its due, and a subject may give up before.
    await browsing.nth(SERIES, 2 * NEXT_QUERY)
    queries = browsing.queries()[:SERIES]
    _form(judge, queries)
    if second is None:
        raise NotRunError("the subject asks only once")
    times = [each.at for each in queries]
    intervals = [later - earlier for earlier, later in pairwise(times)]
    said = "intervals of " + ", ".join(f"{each:.3f}" for each in intervals) + " s"
    judge.decide(FIRST_INTERVAL, intervals[0] >= 1.0 - HELD_UP, said, queries)
    for earlier, later in pairwise(intervals):
        judge.decide(GROWTH, later >= 2 * (earlier - SLACK), said, queries)
    for query in queries[1:]:
        unicast = any(each.unicast for each in query.questions if each.name == browsing.kind)
        judge.decide(AGAIN, not unicast, "QU" if unicast else "QM", [query])


def _form(judge: Judge, queries: list[Packet]) -> None:
    for query in queries:
        datagram, message = query.datagram, query.message
        assert message is not None
        judge.decide(PORT, datagram.source_port == MDNS_PORT, f"from port {datagram.source_port}", [query])
        where = f"to {datagram.destination}:{datagram.destination_port}"
        to_group = query.is_multicast and datagram.destination_port == MDNS_PORT
        judge.decide(GROUP, to_group, where, [query])
        flags = message.flags
        judge.decide(HEADER, not flags & ~0x0300, f"flags {flags:#06x}", [query])
        judge.decide(
            ID, not message.id and not flags & 0x0100, f"ID {message.id}, flags {flags:#06x}", [query]
        )


DUPLICATE = should(
    "questions.duplicate",
    "M-7.3-1",
    "RFC 6762 §7.3",
    "A question that another host asks, with no more known answers, takes the place of one's own.",
    "No query at the time of the fourth one, when another host asks the same half a second before.",
    "Looked for until one second after that time.",
    timed=True,
)
OTHER_LIST = rule(
    "questions.other-list",
    "M-7.3-2",
    "RFC 6762 §7.3",
    "A question whose known answers one would not list oneself takes no other's place.",
    "A query within one second of the time of the fourth one, when another host asks the same and lists what "
    "the subject has never heard.",
    "150 ms, and a tenth of the interval.",
    timed=True,
)
ASKED_UNICAST = rule(
    "questions.other-unicast",
    "M-7.3-2",
    "RFC 6762 §7.3",
    "A question that asks for unicast responses takes no other's place.",
    "A query within one second of the time of the fourth one, when another host asks the same by QU.",
    "150 ms, and a tenth of the interval.",
    timed=True,
)
BEFORE = 0.5
"""Seconds before its own time at which another host asks."""


@QUERIER.scenario(
    "questions/of-another",
    *(DUPLICATE, OTHER_LIST, ASKED_UNICAST),
    sends="The question of the subject, half a second before its fourth query: as it is, with a known "
    "answer, and with the unicast-response bit; the subject is started anew for each.",
    seconds=36,
)
async def of_another(bench: Bench, judge: Judge) -> None:
    """Ask the same."""
    for check, known, unicast, wanted in (
        (DUPLICATE, False, False, False),
        (OTHER_LIST, True, False, True),
        (ASKED_UNICAST, False, True, True),
    ):
        browsing = await browse(bench)
        third = await browsing.nth(3, 2 * NEXT_QUERY)
        if third is None:
            raise NotRunError("the subject asks less than three times")
        last = third.at - browsing.queries()[1].at
        due = third.at + 2 * last
        await bench.sleep(due - BEFORE - bench.now)
        early = browsing.queries()[3:]
        if early:
            raise NotRunError(
                "the intervals of the subject do not double, so that its next query is not known"
            )
        listed: list[Record] = [browsing.pointer(browsing.named())] if known else []
        mark = bench.ask(Question(browsing.kind, RecordType.PTR, unicast=unicast), known=listed)
        within = BEFORE + (1.0 if not wanted else 0.2 * last + BUSY + 1.0)
        seen = await browsing.query(mark, within)
        said = "asks all the same" if seen is not None else f"does not ask within {within:.1f} s"
        judge.decide(check, (seen is not None) is wanted, said, (*bench.ours(mark), seen))
