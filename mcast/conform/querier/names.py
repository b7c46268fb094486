"""Names of instances as people write them (RFC 6763 §4.1, Appendix E; RFC 6762 §16)."""

from __future__ import annotations

from mcast.conform.bench import Bench
from mcast.conform.querier.browsing import browse, label_of
from mcast.conform.querier.catalogue import QUERIER
from mcast.conform.verdicts import Judge, NotRunError, rule
from mcast.dns.codes import RecordType

LABELS = (
    "Dr. Who v1.2",
    "back\\slash \\032 ;semicolon",
    " spaces  around ",
    "Küche – 厨房 🎵",
    "x" * 63,
)
"""Dots, escapes that are none, spaces, other scripts, the longest label."""

BELIEVED = rule(
    "names.listed",
    "S-E-1",
    "RFC 6763 Appendix E",
    "A label is any string of up to 63 octets.",
    "Instances with dots, backslashes, spaces, other scripts and 63 octets are listed or shown.",
)
ASKED = rule(
    "names.looked-up",
    "S-E-1 S-5-1",
    "RFC 6763 Appendix E",
    "A name is looked up as it came, octet by octet.",
    "For each of them a query for SRV, or for any type, with the very same labels.",
)
SHOWN = rule(
    "names.shown",
    "S-13.1-1",
    "RFC 6763 §13.1",
    "People see the plain name.",
    "Each name is shown as it is.",
)


@QUERIER.scenario(
    "names/of-instances",
    *(BELIEVED, ASKED, SHOWN),
    sends="After the first query PTR records to instances with such names.",
    seconds=9,
)
async def of_instances(bench: Bench, judge: Judge) -> None:
    """Tell of instances with unusual names."""
    browsing = await browse(bench)
    good = browsing.named()
    instances = [browsing.named(label) for label in LABELS]
    mark = bench.respond(*map(browsing.pointer, (good, *instances)))
    beliefs = await browsing.beliefs(mark, good)
    for instance in instances:
        beliefs.decide(judge, BELIEVED, instance, True)
    await bench.sleep(2.0)
    asked = {
        question.name.labels
        for packet in bench.theirs(mark)
        if packet.is_query
        for question in packet.questions
        if question.type in (RecordType.SRV, RecordType.ANY)
    }
    if good.labels in asked:
        missing = [label_of(each) for each in instances if each.labels not in asked]
        judge.decide(ASKED, not missing, f"not asked for: {missing}" if missing else "all asked for")
    else:
        judge.skip(ASKED, "the subject does not ask for the SRV record of what it finds")
    browsing.tell(good, *instances)
    await browsing.until(lambda: browsing.shows(good) is not None, 3.0)
    await bench.sleep(0.5)
    shown = browsing.shown()
    if shown is None or label_of(good) not in shown:
        raise NotRunError("what the subject shows is not read")
    missing = [label for label in LABELS if label not in shown]
    judge.decide(SHOWN, not missing, f"not shown: {missing}" if missing else "all shown")
