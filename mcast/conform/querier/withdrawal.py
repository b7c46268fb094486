"""What was told is taken back: goodbyes (RFC 6762 §10.1) and the cache-flush bit (§10.2)."""

from __future__ import annotations

from mcast.conform.bench import Bench
from mcast.conform.querier.browsing import Browse, browse
from mcast.conform.querier.catalogue import QUERIER
from mcast.conform.verdicts import Judge, NotRunError, rule, should
from mcast.dns.names import Name
from mcast.dns.records import address, service, text

GONE = rule(
    "withdrawal.goodbye",
    "S-F-3 M-10.1-2",
    "RFC 6762 §10.1",
    "A record whose TTL is zero is deleted after one second.",
    "More than two seconds after its goodbye an instance is neither listed nor shown.",
)
RESCUED = should(
    "withdrawal.rescued",
    "M-10.1-2",
    "RFC 6762 §10.1",
    "A goodbye is not heeded at once, so that another host can say that the record lives.",
    "An instance that is told again 300 ms after its goodbye is listed or shown, and was never gone.",
)


@QUERIER.scenario(
    "withdrawal/goodbyes",
    *(GONE, RESCUED),
    sends="After the first query two PTR records, after the second their goodbyes, and one of them "
    "again 300 ms later.",
    seconds=12,
)
async def goodbyes(bench: Bench, judge: Judge) -> None:
    """Take back."""
    browsing = await browse(bench)
    gone, rescued = browsing.named(), browsing.named()
    mark = browsing.tell(gone, rescued)
    await browsing.beliefs(mark, gone)
    was_shown = browsing.shows(rescued) is not None
    mark = bench.respond(browsing.pointer(gone, 0), browsing.pointer(rescued, 0))
    await bench.sleep(0.3)
    vanished = was_shown and browsing.shows(rescued) is None
    bench.respond(browsing.pointer(rescued))
    await bench.sleep(2.2)
    late = bench.view.mark
    beliefs = await browsing.beliefs(late)
    packets = (*bench.ours(mark), *beliefs.packets)
    holds = beliefs.hold(gone)
    judge.decide(GONE, not holds, "still believed" if holds else "gone", packets)
    still = beliefs.hold(rescued) and not vanished
    said = "gone at once" if vanished else "believed" if still else "gone although it was told again"
    judge.decide(RESCUED, still, said, packets)


FLUSHED = rule(
    "withdrawal.flushed",
    "M-10.2-3",
    "RFC 6762 §10.2",
    "A record with the cache-flush bit takes the place of what was told more than a second ago.",
    "Within three seconds the new address is shown, and the old one is not.",
)
KEPT = rule(
    "withdrawal.same-set",
    "M-10.2-4",
    "RFC 6762 §10.2",
    "Records that came within the last second are not flushed: a set may come in several packets.",
    "Two addresses that are told 300 ms apart, both with the cache-flush bit, are shown three seconds later.",
)


@QUERIER.scenario(
    "withdrawal/cache-flush",
    *(FLUSHED, KEPT),
    sends="A service with one address; three seconds later another address with the cache-flush bit, and "
    "300 ms later a further one.",
    seconds=12,
)
async def cache_flush(bench: Bench, judge: Judge) -> None:
    """Change an address."""
    way = bench.subject.way
    if way is None or not way.follows:
        raise NotRunError("what the subject shows does not tell when addresses change")
    browsing = await browse(bench)
    first, second, third = _addresses(bench.ipv6)
    instance, host = browsing.named(), bench.random_name()
    told = [
        browsing.pointer(instance),
        service(instance, 0, 0, 4711, host, 120, True),
        text(instance, [b"a=b"], TEXT_TTL, True),
    ]
    bench.respond(*told, additionals=[address(host, first, 120, True)])
    if not await browsing.until(lambda: first in _shown(browsing, instance), 5.0):
        raise NotRunError("the subject does not show the address of a service")
    await bench.sleep(3.0)
    mark = bench.respond(address(host, second, 120, True))
    await bench.sleep(0.3)
    bench.respond(address(host, third, 120, True))
    await bench.sleep(3.0)
    shown = _shown(browsing, instance)
    said = "shown: " + (", ".join(sorted(shown)) or "none")
    packets = bench.ours(mark)
    judge.decide(FLUSHED, first not in shown and third in shown, said, packets)
    judge.decide(KEPT, {second, third} <= shown, said, packets)


TEXT_TTL = 4500
"""Seconds that a TXT record lives (RFC 6762 §10)."""


def _addresses(ipv6: bool) -> tuple[str, str, str]:
    return ("fd77::31", "fd77::32", "fd77::33") if ipv6 else ("10.77.0.31", "10.77.0.32", "10.77.0.33")


def _shown(browsing: Browse, instance: Name) -> frozenset[str]:
    found = browsing.shows(instance)
    return frozenset() if found is None else found.addresses
