"""Many packets that are of no use, and a querier that goes on (RFC 6762 §18, RFC 6763 Appendix F)."""

from __future__ import annotations

from mcast.conform.bench import Bench
from mcast.conform.querier.browsing import browse
from mcast.conform.querier.catalogue import QUERIER
from mcast.conform.verdicts import Judge, rule
from mcast.dns.codes import RESPONSE_FLAGS
from mcast.dns.messages import Message, encode
from mcast.dns.records import address, pointer

PACKETS = 1_500
"""Packets of a flood. Our choice: more than a receive buffer holds of what is not read."""

TTL = 10
"""Seconds that the records of others live. Our choice: on a cable, where real hosts hear them, they are soon
forgotten."""

AT_ONCE = 30
PAUSE = 0.04
"""So many at a time, so many seconds apart: some 750 a second, which a slow device can read."""

SENSELESS = rule(
    "floods.senseless",
    "S-F-2",
    "RFC 6763 Appendix F",
    "The list stays live, whatever else is on the link.",
    "An instance told after 1500 packets that make no sense is listed or shown.",
)
OTHERS = rule(
    "floods.of-others",
    "S-F-2",
    "RFC 6763 Appendix F",
    "The list stays live, whatever else is on the link.",
    "An instance told after 1500 responses of other hosts is listed or shown.",
)
KEPT = rule(
    "floods.kept",
    "S-F-3",
    "RFC 6763 Appendix F",
    "What has not gone stays in the list.",
    "An instance told before the floods is listed or shown after them.",
)


def _senseless(bench: Bench) -> bytes:
    """Return octets that begin like a response."""
    head = b"\x00\x00\x84\x00\x00\x00\x00\x03\x00\x00\x00\x00"
    return head + bench.dice.randbytes(bench.dice.randrange(1, 90))


def _of_others(bench: Bench) -> bytes:
    """Return a response about another host and another type."""
    host, instance = bench.random_name(), bench.random_name("_other", "_udp")
    answers = [pointer(instance.parent, instance, TTL), address(host, "10.77.0.99", TTL, True)]
    return encode(Message(flags=RESPONSE_FLAGS, answers=answers))


@QUERIER.scenario(
    "floods/both",
    *(SENSELESS, OTHERS, KEPT),
    sends="A PTR record; 1500 packets that make no sense; another PTR record; 1500 responses about others; a "
    "third PTR record.",
    seconds=20,
)
async def both(bench: Bench, judge: Judge) -> None:
    """Flood, and tell of instances between."""
    browsing = await browse(bench)
    before, between, after = browsing.named(), browsing.named(), browsing.named()
    browsing.tell(before)
    for make, then in ((_senseless, between), (_of_others, after)):
        for number in range(PACKETS):
            bench.send(make(bench), host=number % len(bench.link.hosts))
            if number % AT_ONCE == 0:
                await bench.sleep(PAUSE)
        await bench.sleep(1.0)
        bench.require_running()
        browsing.tell(then)
    beliefs = await browsing.beliefs(bench.view.mark)
    for check, instance in ((KEPT, before), (SENSELESS, between), (OTHERS, after)):
        beliefs.decide(judge, check, instance, True)
