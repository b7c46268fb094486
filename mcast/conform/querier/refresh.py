"""Answers are asked for again before they expire (RFC 6762 §5.2)."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from mcast.conform.bench import Bench
from mcast.conform.querier.browsing import BUSY, EARLY, browse
from mcast.conform.querier.catalogue import QUERIER
from mcast.conform.verdicts import Judge, NotRunError, rule, should

TTL = 30
"""Seconds that an answer lives that is not told again: its refreshes fall between the queries of the series,
some 15 and 31 seconds after the first."""

ANSWERED_TTL = 10
"""Seconds that an answer lives that is told again: its first refresh comes some 8 seconds after the first
query, and the series is silent from 7 to 15."""

POINTS = (0.80, 0.85, 0.90, 0.95)
VARIATION = 0.02
"""When to ask again, in parts of the TTL, and the random part that is added (RFC 6762 §5.2)."""

REISSUED = should(
    "refresh.reissued",
    "M-5.2-8",
    "RFC 6762 §5.2",
    "While a client wants a record, it is asked for again before it expires.",
    "A query between 80 % and 100 % of the TTL of an answer that is not told again.",
)
SCHEDULE = should(
    "refresh.schedule",
    "M-5.2-9 M-5.2-10",
    "RFC 6762 §5.2",
    "A record is asked for again at 80 to 82, 85 to 87, 90 to 92 and 95 to 97 % of its TTL.",
    "One query in each of the four windows of an answer with a TTL of 30 s that is not told again.",
    "5 ms earlier, for timers; 150 ms later, for a busy machine.",
    timed=True,
)
EXPIRES = should(
    "refresh.expires",
    "M-5.2-7 M-5.2-12",
    "RFC 6762 §5.2",
    "A record that nobody tells again is gone when its TTL has passed.",
    "Shown until then, and not 1.5 seconds later.",
)


@QUERIER.scenario(
    "refresh/unanswered",
    *(REISSUED, SCHEDULE, EXPIRES),
    sends="After the first query a PTR record with a TTL of 30 s, and nothing more.",
    seconds=35,
)
async def unanswered(bench: Bench, judge: Judge) -> None:
    """Tell once."""
    browsing = await browse(bench)
    instance = browsing.named()
    mark = browsing.tell(instance, ttl=TTL)
    told_at = await bench.sent_at(mark)
    await bench.sleep(told_at + 0.5 * TTL - bench.now)
    shown_once = browsing.shows(instance) is not None
    await bench.sleep(told_at + 0.97 * TTL - bench.now)
    before = browsing.shows(instance)
    await bench.sleep(told_at + TTL + 1.5 - bench.now)
    after = browsing.shows(instance)
    queries = [each for each in browsing.queries() if each.at - told_at <= TTL]
    if len(queries) < 2:
        raise NotRunError("the subject asks only once")
    late = [each for each in queries if each.at >= told_at + POINTS[0] * TTL - EARLY]
    parts = ", ".join(f"{(each.at - told_at) / TTL:.1%}" for each in late)
    said = f"queries at {parts} of the TTL" if late else "no query from 80 % of the TTL on"
    judge.decide(REISSUED, bool(late), said, late)
    met = [
        sum(
            told_at + point * TTL - EARLY <= each.at <= told_at + (point + VARIATION) * TTL + BUSY
            for each in late
        )
        for point in POINTS
    ]
    judge.decide(SCHEDULE, met == [1] * len(POINTS), said, late)
    if not shown_once:
        judge.skip(EXPIRES, "what the subject shows is not read")
    else:
        said = f"{'shown' if before else 'not shown'} at 97 %, {'shown' if after else 'gone'} afterwards"
        judge.decide(EXPIRES, before is not None and after is None, said, browsing.queries(mark)[-1:])


def next_of_series(times: Sequence[float]) -> float:
    """Return when a series asks next that goes on as it began."""
    if len(times) < 3:
        return inf
    before, last = times[-2] - times[-3], times[-1] - times[-2]
    return times[-1] + last * last / before


ANSWERED = rule(
    "refresh.answered",
    "M-5.2-11",
    "RFC 6762 §5.2",
    "An answer gives a record its whole TTL again.",
    "After an answer at 80 % of a TTL of 10 s there is no query until 120 %, and the service is shown.",
)


@QUERIER.scenario(
    "refresh/answered",
    ANSWERED,
    sends="After the first query a PTR record with a TTL of 10 s, and again when it is asked for at 80 %.",
    seconds=15,
)
async def answered(bench: Bench, judge: Judge) -> None:
    """Tell again when asked to."""
    browsing = await browse(bench)
    instance = browsing.named()
    mark = browsing.tell(instance, ttl=ANSWERED_TTL)
    told_at = await bench.sent_at(mark)
    await bench.sleep(told_at + POINTS[0] * ANSWERED_TTL - EARLY - bench.now)
    if next_of_series([each.at for each in browsing.queries()]) < told_at + 1.25 * ANSWERED_TTL:
        raise NotRunError("the series of the subject asks at this time, too: see questions.growth")
    asked = await browsing.query(bench.view.mark, 0.2 * ANSWERED_TTL)
    if asked is None:
        raise NotRunError("the subject does not ask before the record expires")
    was_shown = browsing.shows(instance) is not None
    again = bench.respond(browsing.pointer(instance, ANSWERED_TTL))
    await bench.sent_at(again)
    await bench.sleep(told_at + 1.2 * ANSWERED_TTL - bench.now)
    more = browsing.queries(again)
    gone = was_shown and browsing.shows(instance) is None
    said = f"{len(more)} further queries" + (", no longer shown" if gone else "")
    judge.decide(ANSWERED, not more and not gone, said, (asked, *bench.ours(again), *more))
