"""What a session brings about on the link, and how it ends (RFC 8765 §6.5, RFC 8490 §6.6.1)."""

from __future__ import annotations

import struct

from twisted.internet.defer import Deferred

from mcast.conform.bench import Bench
from mcast.conform.packets import Packet
from mcast.conform.proxy.answers import thing
from mcast.conform.proxy.catalogue import PROXY
from mcast.conform.proxy.clients import LinkDevice, asked_on_link, in_host_zone, on_link
from mcast.conform.proxy.push import (
    PUSHED,
    REMOVED,
    changes,
    is_push,
    item,
    message,
    open_session,
    read,
    request,
    subscribe,
)
from mcast.conform.subjects import Action
from mcast.conform.verdicts import Judge, NotRunError, rule, should
from mcast.dns.codes import RecordType

RETRY_DELAY, RECONFIRM = 0x02, 0x43

FLUSHED = 15.0
"""Seconds in which a record that nobody answers for is dropped: ten after the first question (RFC 6762
§10.4), and some for a busy machine."""

RECONFIRMED = rule(
    "push.reconfirm",
    "H-6.5-1",
    "RFC 8765 §6.5",
    "A client that could not use a record has the proxy ask on the link whether it is still valid.",
    "A question for the SRV record on the link within eight seconds after RECONFIRM.",
    "A subscription that goes on asking for a unique record is not told apart.",
)
GONE = rule(
    "push.reconfirm-removed",
    "H-6.5-2",
    "RFC 8765 §6.5",
    "A record that nobody answers for any more is taken back from all who follow it.",
    "A PUSH message that removes the SRV record, within fifteen seconds after RECONFIRM of what is gone.",
)


@PROXY.scenario(
    "push/reconfirm",
    *(RECONFIRMED, GONE),
    sends="By TLS: SUBSCRIBE to the SRV record of a device; the device is gone without a goodbye; RECONFIRM.",
    seconds=20,
)
async def reconfirm(bench: Bench, judge: Judge) -> None:
    """Doubt a record."""
    one = thing(bench)
    async with open_session(bench) as client:
        device = LinkDevice(bench, one.records)
        mark = bench.view.mark
        # A unique answer ends the questions of the subscription (RFC 6762 §5.2).
        _, answer = await request(client, subscribe(7, one.in_zone, RecordType.SRV))
        pushed = None if answer is None or answer.rcode else await client.message(is_push, mark, PUSHED)
        device.close()
        if pushed is None or not list(changes(pushed)):
            raise NotRunError("the proxy pushes nothing: see push.existing")
        await bench.sleep(2.0)
        mark = bench.view.mark
        owner = on_link(one.instance, one.kind, "_tcp")
        rdata = struct.pack("!3H", 0, 0, 631) + in_host_zone(one.host).wire
        record = one.in_zone.wire + struct.pack("!HH", RecordType.SRV, 1) + rdata
        client.send(message(0, item(RECONFIRM, record)))
        asked = await bench.next(
            lambda each: each.is_multicast and each.is_query and each.asks_for(owner), PUSHED, mark
        )
        judge.decide(RECONFIRMED, asked is not None, "asked" if asked else "not asked", [asked])
        gone = await client.message(is_push, mark, FLUSHED)
        removed = [] if gone is None else [each for each in changes(gone) if each.ttl >= REMOVED]
        questions = asked_on_link(bench, owner, mark)
        said = f"{len(removed)} records removed, {len(questions)} questions on the link"
        judge.decide(GONE, bool(removed), said, [*questions, gone])


RETRY = should(
    "push.retry-delay",
    "D-6.6.1-1",
    "RFC 8490 §6.6.1",
    "A server that ends tells its clients when they may come back, and does not just cut them off.",
    "A Retry Delay message, whose ID is zero, in each session when the proxy is stopped in good order.",
)


@PROXY.scenario(
    "push/shutdown",
    RETRY,
    sends="By TLS: a session; then the proxy is stopped in good order.",
    seconds=6,
    needs=[Action.STOP],
)
async def shutdown(bench: Bench, judge: Judge) -> None:
    """Stop the proxy."""
    async with open_session(bench) as client:
        mark = bench.view.mark
        stopping = Deferred.fromCoroutine(bench.subject.act(Action.STOP))
        last = await client.message(lambda data: data[2] >> 3 & 0xF == 6, mark, PUSHED)
        # Who is told so closes the connection.
    await stopping
    judge.decide(RETRY, _is_retry_delay(last), _said(last), [last])


def _is_retry_delay(packet: Packet | None) -> bool:
    found = None if packet is None else read(packet)
    return (
        found is not None
        and not found.is_response
        and found.number == 0
        and [len(data) for data in found.of(RETRY_DELAY)] == [4]
    )


def _said(packet: Packet | None) -> str:
    found = None if packet is None else read(packet)
    if found is None:
        return "no DSO message"
    return f"ID {found.number}, items of type {', '.join(f'{kind:#x}' for kind, _, _ in found.items)}"
