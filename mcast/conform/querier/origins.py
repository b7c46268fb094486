"""Where responses come from, and how (RFC 6762 §6, §11)."""

from __future__ import annotations

from typing import Any

from mcast.conform.bench import OFF_LINK_IPV4, OFF_LINK_IPV6, Bench
from mcast.conform.querier.browsing import browse
from mcast.conform.querier.catalogue import QUERIER
from mcast.conform.verdicts import Check, Judge, must, rule

UNICAST_OVER = 2.5
"""Seconds after a question that asks for unicast responses, when these are no longer believed: two seconds,
by the example of RFC 6762 §6, and some more."""

PORT = must(
    "origins.port",
    "M-6-15",
    "RFC 6762 §6",
    "A response from another UDP port than 5353 is ignored.",
    "An instance told from another port is neither listed nor shown.",
)
UNASKED = must(
    "origins.unasked-unicast",
    "M-6-17",
    "RFC 6762 §6",
    "A unicast response is believed only when it answers a question that asked for one a moment ago.",
    "An instance told by unicast, when nothing asked for that for 2.5 seconds, is neither listed nor shown.",
)
OFF_LINK = must(
    "origins.off-link",
    "M-11-2",
    "RFC 6762 §11",
    "A unicast response from elsewhere than the link is discarded.",
    "An instance told by unicast from 203.0.113.77 is neither listed nor shown.",
)
GROUP_COUNTS = rule(
    "origins.group-counts-as-local",
    "M-11-3",
    "RFC 6762 §11",
    "What comes to the group is local whatever its source address says: no router forwards it.",
    "An instance told to the group from 203.0.113.77 is listed or shown.",
)


@QUERIER.scenario(
    "origins/of-responses",
    *(PORT, UNASKED, OFF_LINK, GROUP_COUNTS),
    sends="A PTR record each: as it should be; from a random port; by unicast; by unicast from 203.0.113.77; "
    "to the group from there.",
    seconds=14,
)
async def of_responses(bench: Bench, judge: Judge) -> None:
    """Tell of instances from right and from wrong places."""
    browsing = await browse(bench)
    await browsing.second()
    asked = [each.at for each in browsing.queries() if any(one.unicast for one in each.questions)]
    if asked:
        await bench.sleep(max(0.0, asked[-1] + UNICAST_OVER - bench.now))
    far = OFF_LINK_IPV6 if bench.ipv6 else OFF_LINK_IPV4
    ways: list[tuple[Check, bool, dict[str, Any]]] = [
        (PORT, False, {"port": bench.random_port()}),
        (UNASKED, False, {"to": bench.subject_address}),
        (OFF_LINK, False, {"to": bench.subject_address, "source": far}),
        (GROUP_COUNTS, True, {"source": far}),
    ]
    good = browsing.named()
    mark = bench.respond(browsing.pointer(good))
    named = [(check, wanted, browsing.named(), where) for check, wanted, where in ways]
    for _, _, instance, where in named:
        bench.respond(browsing.pointer(instance), **where)
    beliefs = await browsing.beliefs(mark, good)
    for check, wanted, instance, _ in named:
        told = [each for each in bench.ours(mark) if any(one.rdata == instance.wire for one in each.answers)]
        beliefs.decide(judge, check, instance, wanted, told)
