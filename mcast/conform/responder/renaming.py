"""A new name is claimed like the first one, and the old one is taken back (RFC 6762 §8.1, §8.3, §10.1)."""

from __future__ import annotations

from mcast.conform.bench import Bench
from mcast.conform.packets import Packet
from mcast.conform.responder.catalogue import RESPONDER
from mcast.conform.responder.changes import REACTION, SETTLED
from mcast.conform.subjects import Action
from mcast.conform.verdicts import Judge, must, should
from mcast.dns.codes import RecordType
from mcast.dns.names import LOCAL, Name

CLAIMED = 2.0
"""Seconds after the new name is announced in which the old one is taken back. Our choice: the probes took
most of one."""

PROBED = must(
    "changes.rename-probes",
    "M-8.1-1",
    "RFC 6762 §8.1",
    "A new name may be another host's: it is asked for before it is used.",
    "A probe for the new name before it is announced.",
)
ANNOUNCED = must(
    "changes.rename-announces",
    "M-8.3-1",
    "RFC 6762 §8.3",
    "What was claimed is announced.",
    "A response with the SRV record, or the address, of the new name within twelve seconds.",
)
TAKEN_BACK = should(
    "changes.rename-goodbye",
    "M-10.1-1",
    "RFC 6762 §10.1",
    "Records that are about to become invalid are taken back.",
    "A record of the old name, or the PTR record that leads to it, with a TTL of zero.",
    "Until two seconds after the new name was announced.",
)


@RESPONDER.scenario(
    "changes/rename",
    *(PROBED, ANNOUNCED, TAKEN_BACK),
    sends="The service of the subject gets a random name, and its old one again; the host, where it has no "
    "service.",
    seconds=20,
    needs=[Action.RENAME],
)
async def rename(bench: Bench, judge: Judge) -> None:
    """Give another name, and the old one again."""
    await bench.up()
    await bench.view.quiet(SETTLED)
    names = bench.names
    old = names.service or names.host
    rtype = RecordType.SRV if names.service is not None else bench.address_type
    label = bench.random_name().labels[0]
    new = Name.from_labels((label, *(old.parent or LOCAL).labels))
    mark = bench.view.mark
    await bench.subject.act(Action.RENAME, label.decode())

    def announces(packet: Packet) -> bool:
        return packet.is_multicast and any(
            each.type == rtype and each.ttl and each.name == new for each in packet.answers
        )

    found = await bench.next(lambda each: each.is_response and announces(each), REACTION, mark)
    said = "no announcement" if found is None else "an announcement"
    probes = [each for each in bench.theirs(mark) if each.is_probe and each.asks_for(new)]
    if judge.decide(ANNOUNCED, found is not None, said, [*probes, found]) and found is not None:
        before = [each for each in probes if each.at < found.at]
        judge.decide(PROBED, bool(before), f"{len(before)} probes", [*probes, found])
        await bench.sleep(max(0.0, found.at + CLAIMED - bench.now))
        goodbyes = [each for each in bench.theirs(mark) if _takes_back(each, old)]
        judge.decide(TAKEN_BACK, bool(goodbyes), f"{len(goodbyes)} goodbyes", [*goodbyes, found])
    await _rename_back(bench, old)


def _takes_back(packet: Packet, old: Name) -> bool:
    return packet.is_response and any(
        not each.ttl and (each.name == old or each.rdata == old.wire) for each in packet.answers
    )


async def _rename_back(bench: Bench, old: Name) -> None:
    """Leave the subject as it was."""
    mark = bench.view.mark
    await bench.subject.act(Action.RENAME, old.labels[0].decode(errors="replace"))
    await bench.next(lambda each: bool(each.answers_of(old)), REACTION, mark)
    await bench.view.quiet(SETTLED)
