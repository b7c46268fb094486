"""What a session brings about on the link, and how it ends (RFC 8765 §6.5, RFC 8490 §6.6.1)."""

from __future__ import annotations

import struct

from twisted.internet.defer import Deferred

from mcast.conform.bench import Bench
from mcast.conform.packets import Packet
from mcast.conform.proxy.answers import thing
from mcast.conform.proxy.catalogue import PROXY
from mcast.conform.proxy.clients import LinkDevice, asked_on_link
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
    "A question for the PTR record on the link within five seconds after RECONFIRM.",
)
GONE = rule(
    "push.reconfirm-removed",
    "H-6.5-2",
    "RFC 8765 §6.5",
    "A record that nobody answers for any more is taken back from all who follow it.",
    "A PUSH message that removes the PTR record, within fifteen seconds after RECONFIRM of what is gone.",
)


@PROXY.scenario(
    "push/reconfirm",
    *(RECONFIRMED, GONE),
    sends="By TLS: SUBSCRIBE to the PTR of a type that a device has; the device is gone without a goodbye; "
    "RECONFIRM.",
    seconds=20,
)
async def reconfirm(bench: Bench, judge: Judge) -> None:
    """Doubt a record."""
    client = await open_session(bench)
    one = thing(bench)
    device = LinkDevice(bench, one.records)
    mark = bench.view.mark
    _, answer = await request(client, subscribe(7, one.type_in_zone, RecordType.PTR))
    pushed = None if answer is None or answer.rcode else await client.message(is_push, mark, PUSHED)
    device.close()
    if pushed is None or not list(changes(pushed)):
        client.close()
        raise NotRunError("the proxy pushes nothing: see push.existing")
    # Its questions of the subscription have been asked.
    await bench.sleep(2.0)
    mark = bench.view.mark
    record = one.type_in_zone.wire + struct.pack("!HH", RecordType.PTR, 1) + one.in_zone.wire
    client.send(message(0, item(RECONFIRM, record)))
    asked = await bench.next(
        lambda each: each.is_multicast and each.is_query and each.asks_for(one.type_on_link), PUSHED, mark
    )
    judge.decide(RECONFIRMED, asked is not None, "asked" if asked else "not asked", [asked])
    gone = await client.message(is_push, mark, FLUSHED)
    removed = [] if gone is None else [each for each in changes(gone) if each.ttl >= REMOVED]
    questions = asked_on_link(bench, one.type_on_link, mark)
    said = f"{len(removed)} records removed, {len(questions)} questions on the link"
    judge.decide(GONE, bool(removed), said, [*questions, gone])
    client.close()


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
    client = await open_session(bench)
    mark = bench.view.mark
    stopping = Deferred.fromCoroutine(bench.subject.act(Action.STOP))
    last = await client.message(lambda data: data[2] >> 3 & 0xF == 6, mark, PUSHED)
    # Who is told so closes the connection.
    client.close()
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
