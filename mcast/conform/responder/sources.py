"""Sources: what is believed depends on where it comes from (RFC 6762 §6, §11)."""

from __future__ import annotations

from typing import Any

from mcast.conform.bench import Bench
from mcast.conform.responder.catalogue import RESPONDER
from mcast.conform.responder.exchanges import in_ms
from mcast.conform.verdicts import Check, Judge, must, should
from mcast.dns.records import address

REACTION = 2.0
"""Seconds in which a subject would have reacted. Our choice."""

PORT = must(
    "sources.port",
    "M-6-15",
    "RFC 6762 §6",
    "A response from another UDP port than 5353 is ignored.",
    "No probe within two seconds after a conflicting response from another port.",
)
OFF_LINK_UNICAST = must(
    "sources.off-link-unicast",
    "M-11-2",
    "RFC 6762 §11",
    "A unicast response from elsewhere than the link is discarded.",
    "No probe within two seconds after a conflicting response to the subject's own address from "
    "203.0.113.77.",
)
GROUP_COUNTS = should(
    "sources.group-counts-as-local",
    "M-11-3",
    "RFC 6762 §11",
    "What comes to the group is local whatever its source address says: no router forwards it.",
    "A probe within two seconds after a conflicting response to the group from 203.0.113.77.",
    "A subject that is more careful is not to blame, but may not see a rival on another subnet of its link.",
)


@RESPONDER.scenario(
    "sources/responses",
    *(PORT, OFF_LINK_UNICAST, GROUP_COUNTS),
    sends="Another address of HOST: from a random port; from 203.0.113.77 to the subject's own address; from "
    "there to the group.",
    seconds=14,
)
async def responses(bench: Bench, judge: Judge) -> None:
    """Send conflicts from wrong places."""
    await bench.up()
    far = "2001:db8:ffff::77" if bench.ipv6 else "203.0.113.77"
    await _conflict(bench, judge, PORT, False, port=bench.random_port())
    await _conflict(bench, judge, OFF_LINK_UNICAST, False, source=far, to=bench.subject_address)
    await _conflict(bench, judge, GROUP_COUNTS, True, source=far)


async def _conflict(bench: Bench, judge: Judge, check: Check, wanted: bool, **where: Any) -> None:
    host = bench.names.host
    await bench.up()
    mark = bench.respond(address(host, "10.77.99.99", 120, True), **where)
    await bench.sent_at(mark)
    probe = await bench.next(lambda each: each.is_probe and each.asks_for(host), REACTION, mark)
    sent = bench.sent(mark)
    said = "no probe" if probe is None else f"a probe after {in_ms(probe.at - sent.at)}"
    judge.decide(check, (probe is not None) is wanted, said, (sent, probe))
    if probe is not None:
        bench.is_renamed = True  # or not: it may take a new name at once
        await bench.sleep(3)  # it goes through its startup steps
