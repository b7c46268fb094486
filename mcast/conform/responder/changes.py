"""Changes: the link comes back, an address is added (RFC 6762 §8, §8.4, §10.2)."""

from __future__ import annotations

from collections.abc import Iterable

from mcast.conform.bench import Bench
from mcast.conform.packets import Packet
from mcast.conform.responder.catalogue import RESPONDER
from mcast.conform.responder.exchanges import ask
from mcast.conform.subjects import Action
from mcast.conform.verdicts import Judge, must
from mcast.dns.messages import Question

REACTION = 12.0
"""Seconds in which a change is noticed, probed for and announced. Our choice: some only look now and then."""

SETTLED = 5.0
"""Seconds of silence after which a start is over: announcements come after 1, 2 and 4 seconds."""

CHANGES = 3
"""Times that a subject in a lab gets a further address. Our choice: what one in four tries hides is seen."""

UNPLUGGED = 4.0
"""Seconds without a link. Our choice: longer than a glitch."""

PROBES = must(
    "changes.link-probes",
    "M-8-2 M-10.2-1",
    "RFC 6762 §8",
    "Whenever the link may be another one, the host probes for its names again: somebody may have "
    "them there.",
    "A probe for the host name within twelve seconds after the link has come back.",
)
ANNOUNCES = must(
    "changes.link-announces",
    "M-8-2 M-10.2-2",
    "RFC 6762 §8",
    "Whenever the link may be another one, the host announces all its records again.",
    "A response with the host's address within twelve seconds after the link has come back.",
)


@RESPONDER.scenario(
    "changes/link",
    *(PROBES, ANNOUNCES),
    sends="The cable of the subject is pulled for four seconds.",
    seconds=28,
    needs=[Action.UNPLUG, Action.PLUG],
)
async def link(bench: Bench, judge: Judge) -> None:
    """Pull the cable."""
    await bench.up()
    host = bench.names.host
    await bench.subject.act(Action.UNPLUG)
    await bench.sleep(UNPLUGGED)
    mark = bench.view.mark
    await bench.subject.act(Action.PLUG)
    found = await bench.next(lambda each: each.is_multicast and bool(each.answers_of(host)), REACTION, mark)
    probes = [each for each in bench.theirs(mark) if each.is_probe and each.asks_for(host)]
    judge.decide(PROBES, bool(probes), f"{len(probes)} probes", [*probes, found])
    said = "an announcement" if found is not None else "no announcement"
    judge.decide(ANNOUNCES, found is not None, said, [*probes, found])


UPDATED = must(
    "changes.address-announced",
    "M-8.4-1",
    "RFC 6762 §8.4",
    "When the data of a record change, such as an address, it is announced again.",
    "A response with the new address within twelve seconds.",
)
WHOLE_SET = must(
    "changes.whole-set",
    "M-10.2-5 M-6.2-1",
    "RFC 6762 §10.2",
    "With one record of a set that has the cache-flush bit come all of them, or caches drop the others.",
    "The first address beside the new one, in the same packet or in one of the same moment.",
    "20 ms before, 100 ms after: for packets that follow each other on a busy machine.",
    timed=True,
)
ALL_ADDRESSES = must(
    "changes.all-addresses",
    "M-6.2-1",
    "RFC 6762 §6.2",
    "An answer with an address has all addresses that are valid on the link.",
    "Both addresses in the answer to HOST type A.",
)


@RESPONDER.scenario(
    "changes/address",
    *(UPDATED, WHOLE_SET, ALL_ADDRESSES),
    sends="The subject gets a further address, in a lab three times; after the first one HOST type A (AAAA).",
    seconds=70,
    needs=[Action.START, Action.ADDRESS],
)
async def address(bench: Bench, judge: Judge) -> None:
    """Give the subject a further address; several times, since what it has just said decides what it says."""
    for number in range(CHANGES if bench.is_lab else 1):
        before, is_whole = await _judge_change(bench, judge)
        if not before:
            return
        if not number:
            await bench.sleep(3)
            rtype = bench.address_type
            one = await ask(bench, Question(bench.names.host, rtype))
            found = [] if one.answer is None else one.answer.answers_of(bench.names.host, rtype)
            told = {each.identity for each in found}
            judge.decide(ALL_ADDRESSES, len(told) > before, f"{len(told)} addresses", one.packets)
        if not is_whole:
            return  # broken once is enough, and the longer it takes, the more a busy machine spoils


async def _judge_change(bench: Bench, judge: Judge) -> tuple[int, bool]:
    """Give the subject a further address.

    :returns: how many it had, or 0 where it does not announce the new one; whether all were announced.
    """
    await bench.start()
    await bench.until_up()
    host = bench.names.host
    rtype = bench.address_type
    before = {each.identity for each in await bench.records(host, rtype)}
    # What it still announces of its start would be taken for news of the change.
    await bench.view.quiet(SETTLED)
    mark = bench.view.mark
    await bench.subject.act(Action.ADDRESS)

    def has_new(packet: Packet) -> bool:
        return packet.is_multicast and any(
            each.identity not in before for each in packet.answers_of(host, rtype)
        )

    found = await bench.next(has_new, REACTION, mark)
    said = "no announcement" if found is None else "an announcement"
    if not judge.decide(UPDATED, found is not None, said, [found]) or found is None:
        return 0, False
    await bench.sleep(0.3)
    burst = burst_of(found, bench.theirs(mark))
    told = {one.identity for each in burst for one in each.answers_of(host, rtype)}
    flushes = any(one.cache_flush for one in found.answers_of(host, rtype) if one.identity not in before)
    said = f"a new address {'with' if flushes else 'without'} the cache-flush bit"
    said += f", and {len(told & before)} of {len(before)} earlier ones of its family beside it"
    return len(before), judge.decide(WHOLE_SET, before <= told or not flushes, said, burst)


def burst_of(found: Packet, packets: Iterable[Packet]) -> list[Packet]:
    """Return what belongs together with a packet; an answer that was given before is no part of it."""
    return [each for each in packets if -0.02 <= each.at - found.at <= 0.1]
