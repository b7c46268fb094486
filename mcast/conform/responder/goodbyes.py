"""Goodbyes: what ends is taken back (RFC 6762 §10.1)."""

from __future__ import annotations

from mcast.conform.bench import Bench
from mcast.conform.responder.announcing import wanted_records
from mcast.conform.responder.catalogue import RESPONDER
from mcast.conform.subjects import Action
from mcast.conform.verdicts import Judge, should
from mcast.dns.codes import RecordType
from mcast.dns.records import Record, show_type

WAIT = 6.0
"""Seconds after the end that goodbyes are waited for. Our choice: on a busy machine."""

SHARED = should(
    "goodbyes.shared",
    "M-10.1-1",
    "RFC 6762 §10.1",
    "Records that become invalid, as on a clean shutdown, are taken back by a response with TTL 0.",
    "A goodbye for the PTR of the service.",
)
UNIQUE = should(
    "goodbyes.unique",
    "M-10.1-1",
    "RFC 6762 §10.1",
    "The SRV, TXT and address records of a service are taken back by a response with TTL 0, too.",
    "Goodbyes for SRV and TXT of the service, and an address of the host.",
)
SAME_DATA = should(
    "goodbyes.same-data",
    "M-10.1-1",
    "RFC 6762 §10.1",
    "A goodbye has the name, type, class and data of the record, or no cache finds what it means.",
    "The data of each goodbye are those that were announced.",
)


@RESPONDER.scenario(
    "goodbyes/stop",
    *(SHARED, UNIQUE, SAME_DATA),
    sends="The subject is started, and ended in good order.",
    seconds=12,
    needs=[Action.START, Action.STOP],
)
async def stop(bench: Bench, judge: Judge) -> None:
    """End the subject."""
    start = await bench.start()
    await bench.until_up()
    mark = bench.view.mark
    await bench.subject.act(Action.STOP)
    await bench.sleep(WAIT)
    announced = {record.identity for each in bench.theirs(start) for record in each.records if record.ttl}
    packets = [
        each for each in bench.theirs(mark) if each.is_response and any(not one.ttl for one in each.answers)
    ]
    goodbyes = [record for each in packets for record in each.answers if not record.ttl]
    for name, rtype, unique in wanted_records(bench):
        found = [each for each in goodbyes if _is_of(each, rtype) and each.name == name]
        said = f"{name} {show_type(rtype)}: {len(found)} goodbyes"
        judge.decide(UNIQUE if unique else SHARED, bool(found), said, packets)
    strange = [each for each in goodbyes if each.identity not in announced]
    said = f"{len(goodbyes)} goodbyes, {len(strange)} of them for data that were never announced"
    if goodbyes:
        judge.decide(SAME_DATA, not strange, said, packets)


def _is_of(record: Record, rtype: int) -> bool:
    return record.type in ((RecordType.A, RecordType.AAAA) if rtype == RecordType.A else (rtype,))
