"""Sources: what is believed depends on where it comes from (RFC 6762 §6, §11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mcast.conform.bench import Bench
from mcast.conform.packets import Packet
from mcast.conform.responder.catalogue import RESPONDER
from mcast.conform.responder.exchanges import in_ms, other_address
from mcast.conform.verdicts import Judge, NotRunError, must, should

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
    sends="Another address of HOST: from 203.0.113.77 to the group; where that causes nothing, from our own "
    "address; then from a random port, and from 203.0.113.77 to the subject's own address.",
    seconds=14,
)
async def responses(bench: Bench, judge: Judge) -> None:
    """Send conflicts from wrong places, and see whether those from right ones cause anything."""
    await bench.up()
    far = "2001:db8:ffff::77" if bench.ipv6 else "203.0.113.77"
    counts = await _conflict(bench, source=far)
    if counts.probe is None and (await _conflict(bench)).probe is None:
        raise NotRunError("the subject reacts to no conflict at all: see conflicts.after-claim")
    for check, wanted, found in (
        (GROUP_COUNTS, True, counts),
        (PORT, False, await _conflict(bench, port=bench.random_port())),
        (OFF_LINK_UNICAST, False, await _conflict(bench, source=far, to=bench.subject_address)),
    ):
        judge.decide(check, (found.probe is not None) is wanted, found.said, (found.sent, found.probe))


@dataclass(frozen=True, slots=True)
class Reaction:
    """A conflict of ours and what came of it."""

    sent: Packet
    probe: Packet | None

    @property
    def said(self) -> str:
        return "no probe" if self.probe is None else f"a probe after {in_ms(self.probe.at - self.sent.at)}"


async def _conflict(bench: Bench, **where: Any) -> Reaction:
    """Say that the host has another address; where, see `Bench.send`."""
    host = bench.names.host
    await bench.up()
    mark = bench.respond(other_address(bench, host), **where)
    await bench.sent_at(mark)
    probe = await bench.next(lambda each: each.is_probe and each.asks_for(host), REACTION, mark)
    if probe is not None:
        bench.is_renamed = True  # or not: it may take a new name at once
        await bench.sleep(3)  # it goes through its startup steps
    return Reaction(bench.sent(mark), probe)
