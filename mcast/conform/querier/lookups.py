"""What a querier asks for when it resolves, and what ends that (RFC 6762 §5.2, §6.1; RFC 6763 §12)."""

from __future__ import annotations

from mcast.conform.bench import Bench
from mcast.conform.packets import Packet
from mcast.conform.querier.browsing import Browse, asks, browse
from mcast.conform.querier.catalogue import QUERIER
from mcast.conform.verdicts import Judge, NotRunError, must, rule, should
from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dns.records import Record, address, next_secure, raw, service, text

LOOKS_UP = 5.0
"""Seconds in which a look-up begins. Our choice."""

SILENCE = 8.0
"""Seconds in which a question that goes on would come again: the intervals are one, two and four seconds."""

SETTLED = 0.3
"""Seconds after an answer in which a question may still come, since it was on its way. Our choice."""

HOST = must(
    "look-ups.without-additionals",
    "S-12-2",
    "RFC 6763 §12",
    "A client asks for what a responder does not add by itself.",
    "A query for the addresses of the host, after SRV and TXT records have come without them.",
)
UNIQUE = should(
    "look-ups.unique-ends",
    "M-5.2-14",
    "RFC 6762 §5.2",
    "A unique answer ends the series of its question.",
    "No query for the SRV record in the eight seconds after it has come with the cache-flush bit.",
)
DENIED = rule(
    "look-ups.denied-ends",
    "M-6.1-10",
    "RFC 6762 §6.1",
    "What an NSEC record denies is not asked for while that record lives.",
    "No query for addresses of the other family in the eight seconds after an NSEC record denied them.",
)
OTHER_NAME = must(
    "look-ups.next-name",
    "M-6.1-6",
    "RFC 6762 §6.1",
    "The next name of an NSEC record means nothing, and is no reason to ignore it.",
    "The same after an NSEC record whose next name is another one.",
)


async def _resolved(bench: Bench, next_name: Name | None = None) -> tuple[Browse, Name, Name, int]:
    """Play a service, step by step, and deny the other family; return its names, and the mark of the last."""
    browsing = await browse(bench)
    instance, host = browsing.named(), bench.random_name()
    mark = bench.respond(browsing.pointer(instance))
    if await browsing.asked(instance, RecordType.SRV, mark, LOOKS_UP) is None:
        raise NotRunError("the subject does not ask for the SRV record of what it finds")
    mark = bench.respond(service(instance, 0, 0, 4711, host, 120, True), text(instance, [b"a=b"], 4500, True))
    await browsing.bench.next(lambda each: _asks_addresses(each, host), LOOKS_UP, mark)
    last = bench.view.mark
    here, family = ("fd77::1", RecordType.AAAA) if bench.ipv6 else ("10.77.0.1", RecordType.A)
    denied = next_secure(host, [family], 120)
    if next_name is not None:
        rdata = next_name.wire + denied.rdata[len(host.wire) :]
        denied = raw(host, RecordType.NSEC, rdata, 120, cache_flush=True)
    known: list[Record] = [address(host, here, 120, True), denied]
    bench.respond(*known)
    await bench.sleep(SILENCE)
    return browsing, instance, host, last if last > mark else mark


def _asks_addresses(packet: Packet, host: Name) -> bool:
    return asks(packet, host, RecordType.A) or asks(packet, host, RecordType.AAAA)


def _later(browsing: Browse, name: Name, rtype: int, since: int) -> list[Packet]:
    """Return queries for a record that were no longer on their way when it was answered."""
    ours = browsing.bench.ours(since)
    start = ours[0].at if ours else 0.0
    return [
        each for each in browsing.bench.theirs(since) if asks(each, name, rtype) and each.at > start + SETTLED
    ]


@QUERIER.scenario(
    "look-ups/step-by-step",
    *(HOST, UNIQUE, DENIED),
    sends="A PTR record alone; SRV and TXT when they are asked for; then an address, and an NSEC record that "
    "denies the other family.",
    seconds=13,
)
async def step_by_step(bench: Bench, judge: Judge) -> None:
    """Tell what is asked for."""
    browsing, instance, host, last = await _resolved(bench)
    asked = [each for each in bench.theirs(browsing.mark) if _asks_addresses(each, host)]
    judge.decide(HOST, bool(asked), f"{len(asked)} queries for addresses", asked[:1])
    again = _later(browsing, instance, RecordType.SRV, last)
    judge.decide(UNIQUE, not again, f"{len(again)} further queries for SRV", again)
    _decide_denied(judge, browsing, host, last)


def _decide_denied(judge: Judge, browsing: Browse, host: Name, last: int, other: bool = False) -> None:
    bench = browsing.bench
    family = RecordType.A if bench.ipv6 else RecordType.AAAA
    asked = [each for each in bench.theirs(browsing.mark) if asks(each, host, family)]
    check = OTHER_NAME if other else DENIED
    if not asked:
        judge.skip(check, "the subject does not ask for the other family")
        return
    again = _later(browsing, host, family, last)
    judge.decide(check, not again, f"{len(again)} further queries", (*bench.ours(last)[:1], *again))


@QUERIER.scenario(
    "look-ups/next-name",
    OTHER_NAME,
    sends="The same, with another name as next name in the NSEC record.",
    seconds=13,
)
async def next_name(bench: Bench, judge: Judge) -> None:
    """Deny with another next name."""
    browsing, _, host, last = await _resolved(bench, bench.random_name())
    _decide_denied(judge, browsing, host, last, other=True)
