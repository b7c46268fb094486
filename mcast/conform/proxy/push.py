"""Subscriptions over TLS (RFC 8765) in sessions of DNS Stateful Operations (RFC 8490), by octets of ours."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mcast.conform.bench import Bench
from mcast.conform.packets import Packet
from mcast.conform.proxy.answers import OTHER_TTL, thing
from mcast.conform.proxy.catalogue import PROXY
from mcast.conform.proxy.clients import LinkDevice, StreamClient, asked_on_link, connect, proxy_up
from mcast.conform.verdicts import Judge, NotRunError, must, rule, should
from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dns.reading import read_name

KEEPALIVE, SUBSCRIBE, PUSH, UNSUBSCRIBE = 0x01, 0x40, 0x41, 0x42
UNKNOWN = 0xF800
"""A type for experiments (RFC 8490 §10.3), which nobody knows."""

DSOTYPENI = 11
REMOVED = 0xFFFFFFFE
"""TTLs from here on take records away (RFC 8765 §6.3.1)."""

SOON = 6.0
"""Seconds in which a server has reacted. Our choice."""

PUSHED = 8.0
"""Seconds in which what the link says is pushed. Our choice: a goodbye takes effect after one."""


def item(kind: int, data: bytes = b"") -> bytes:
    """Return an item of a DSO message (RFC 8490 §5.4.4)."""
    return struct.pack("!HH", kind, len(data)) + data


def message(number: int, *items: bytes) -> bytes:
    """Return a DSO request, or a unidirectional message where the number is zero (RFC 8490 §5.4)."""
    return struct.pack("!6H", number, 6 << 11, 0, 0, 0, 0) + b"".join(items)


def keepalive(number: int) -> bytes:
    """Return a request that opens a session (RFC 8490 §7.1)."""
    return message(number, item(KEEPALIVE, struct.pack("!II", 60_000, 3_600_000)))


def subscribe(number: int, name: Name, rtype: int) -> bytes:
    """Return a SUBSCRIBE request (RFC 8765 §6.2)."""
    return message(number, item(SUBSCRIBE, name.wire + struct.pack("!HH", rtype, 1)))


@dataclass(frozen=True, slots=True)
class DSO:
    """A DSO message as it was read."""

    number: int
    is_response: bool
    rcode: int
    counts: tuple[int, ...]
    items: tuple[tuple[int, bytes, int], ...]
    """Type, octets, and where they begin in the message."""

    def of(self, kind: int) -> list[bytes]:
        """Return the items of a type."""
        return [data for each, data, _ in self.items if each == kind]


def read(packet: Packet) -> DSO | None:
    """Return a packet as a DSO message; None if it is none."""
    data = packet.datagram.data
    if len(data) < 12:
        return None
    number, flags, *counts = struct.unpack("!6H", data[:12])
    if flags >> 11 & 0xF != 6:
        return None
    items, start = [], 12
    while len(data) - start >= 4:
        kind, size = struct.unpack("!HH", data[start : start + 4])
        items.append((kind, data[start + 4 : start + 4 + size], start + 4))
        start += 4 + size
    return DSO(number, bool(flags & 0x8000), flags & 0xF, tuple(counts), tuple(items))


@dataclass(frozen=True, slots=True)
class Change:
    """One change that a PUSH message tells."""

    name: Name
    rtype: int
    ttl: int


def changes(packet: Packet) -> Iterator[Change]:
    """Yield the changes of a PUSH message (RFC 8765 §6.3.1); names point into the whole message."""
    found, data = read(packet), packet.datagram.data
    for kind, octets, start in found.items if found is not None else ():
        if kind != PUSH:
            continue
        end = start + len(octets)
        while start < end:
            name, start = read_name(data, start, {})
            rtype, _, ttl, size = struct.unpack("!HHIH", data[start : start + 10])
            start += 10 + size
            yield Change(name, rtype, ttl)


def is_push(data: bytes) -> bool:
    """Tell whether octets are a PUSH message."""
    return len(data) >= 16 and data[2] >> 3 & 0xF == 6 and data[12:14] == struct.pack("!H", PUSH)


async def request(client: StreamClient, data: bytes) -> tuple[Packet | None, DSO | None]:
    """Send a request, and wait for its response."""
    (number,) = struct.unpack("!H", data[:2])
    reply = await client.reply(number, client.send(data), SOON)
    return reply, None if reply is None else read(reply)


@asynccontextmanager
async def connection(bench: Bench) -> AsyncIterator[StreamClient]:
    """Have a connection by TLS, for a while.

    :raises NotRunError: there is none.
    """
    await proxy_up(bench)
    client = await connect(bench, tls=True)
    try:
        yield client
    finally:
        client.close()


@asynccontextmanager
async def open_session(bench: Bench) -> AsyncIterator[StreamClient]:
    """Have a session that stands, for a while.

    :raises NotRunError: there is none.
    """
    async with connection(bench) as client:
        _, answer = await request(client, keepalive(1))
        if answer is None or answer.rcode:
            raise NotRunError("the proxy opens no session: see push.session")
        yield client


SESSION = must(
    "push.session",
    "D-5.2-1 D-7.1-7",
    "RFC 8490 §5.2",
    "A Keepalive request opens a session.",
    "NOERROR with the same ID, and exactly one Keepalive item.",
)
COUNTS = must(
    "push.counts",
    "D-5.4-1",
    "RFC 8490 §5.4",
    "DSO messages have items in place of sections.",
    "Zero in all four counts.",
)
INTERVAL = must(
    "push.keepalive-interval",
    "D-6.5.2-2",
    "RFC 8490 §6.5.2",
    "Keepalives more often than every ten seconds are a burden.",
    "A keepalive interval of at least ten seconds, though one second was asked for.",
)
UNKNOWN_REQUEST = must(
    "push.unknown-request",
    "D-5.4.5-1 D-5.4.5-2",
    "RFC 8490 §5.4.5",
    "A request of a type that the server does not know is answered, and the session goes on.",
    "DSOTYPENI with the same ID, and no copy of the item.",
)
UNKNOWN_ADDITIONAL = must(
    "push.unknown-additional",
    "D-5.4.5-4",
    "RFC 8490 §5.4.5",
    "Items behind the first that the server does not know are ignored.",
    "NOERROR to a Keepalive request with an unknown item behind.",
)
UNKNOWN_ALONE = must(
    "push.unknown-unidirectional",
    "D-5.4.5-3",
    "RFC 8490 §5.4.5",
    "A message that asks for no response, of a type that the server does not know, cannot be answered.",
    "The connection is ended within six seconds.",
)


@PROXY.scenario(
    "push/session",
    *(SESSION, COUNTS, INTERVAL, UNKNOWN_REQUEST, UNKNOWN_ADDITIONAL, UNKNOWN_ALONE),
    sends="By TLS: Keepalive; a request of an unknown type; Keepalive with an unknown item; an unknown "
    "message without an ID.",
    seconds=6,
)
async def session(bench: Bench, judge: Judge) -> None:
    """Open a session, and say strange things."""
    async with connection(bench) as client:
        await _strange_things(client, judge)


async def _strange_things(client: StreamClient, judge: Judge) -> None:
    first = message(1, item(KEEPALIVE, struct.pack("!II", 60_000, 1_000)))
    reply, answer = await request(client, first)
    told = [] if answer is None else answer.of(KEEPALIVE)
    good = answer is not None and answer.is_response and answer.rcode == 0 and len(told) == 1
    said = "no response" if answer is None else f"rcode {answer.rcode}, {len(told)} Keepalive items"
    judge.decide(SESSION, good, said, [reply])
    if answer is None or not told or len(told[0]) != 8:
        return
    judge.decide(COUNTS, not any(answer.counts), f"counts {answer.counts}", [reply])
    _, interval = struct.unpack("!II", told[0])
    judge.decide(INTERVAL, interval >= 10_000, f"{interval} ms", [reply])
    reply, answer = await request(client, message(2, item(UNKNOWN, b"?")))
    good = answer is not None and answer.rcode == DSOTYPENI and not answer.of(UNKNOWN)
    said = "no response" if answer is None else f"rcode {answer.rcode}, {len(answer.items)} items"
    judge.decide(UNKNOWN_REQUEST, good, said, [reply])
    reply, answer = await request(client, keepalive(3) + item(UNKNOWN, b"?"))
    good = answer is not None and answer.rcode == 0
    judge.decide(
        UNKNOWN_ADDITIONAL, good, "no response" if answer is None else f"rcode {answer.rcode}", [reply]
    )
    client.send(message(0, item(UNKNOWN, b"?")))
    lost = await client.until_lost(SOON)
    judge.decide(UNKNOWN_ALONE, lost, f"ended: {client.reason}" if lost else "the connection stays", [])


SUBSCRIBED = must(
    "push.subscribe",
    "H-6.2.1-3 H-6.2.2-1",
    "RFC 8765 §6.2",
    "A subscription is accepted under the ID of its request.",
    "NOERROR with the same ID, and no SUBSCRIBE item.",
)
EXISTING = rule(
    "push.existing",
    "H-6.3-1 P-5.6-10",
    "RFC 8765 §6.3",
    "What is there already is pushed at once.",
    "A PUSH message that adds the PTR record, within eight seconds.",
)
PUSH_ID = must(
    "push.no-id",
    "H-6.3.1-1",
    "RFC 8765 §6.3.1",
    "PUSH messages are not answered.",
    "ID zero in each PUSH message.",
)
REAL_TTL = should(
    "push.ttl",
    "P-5.5.1-3",
    "RFC 8766 §5.5.1",
    "Who is told of changes may know how long a record lives.",
    "The TTL of the record, 4500, and not ten seconds.",
    "A tenth less, for the time that it was known.",
)
TAKEN_BACK = must(
    "push.removed",
    "H-6.2.1-9",
    "RFC 8765 §6.2.1",
    "Changes are pushed as they happen.",
    "A PUSH message that removes the PTR record, within eight seconds after a goodbye.",
)
DUPLICATE = must(
    "push.duplicate",
    "H-6.2.1-5",
    "RFC 8765 §6.2.1",
    "A client that subscribes twice to the same has lost count.",
    "The connection is ended within six seconds.",
)
ENDED = rule(
    "push.unsubscribe",
    "P-5.6-10",
    "RFC 8766 §5.6",
    "After a subscription was cancelled nothing is pushed, and the link is not asked for it any more.",
    "No PUSH message after UNSUBSCRIBE, though a further instance comes; no question on the link afterwards.",
)


@PROXY.scenario(
    "push/subscription",
    *(SUBSCRIBED, EXISTING, PUSH_ID, REAL_TTL, TAKEN_BACK, ENDED),
    sends="By TLS: SUBSCRIBE to the PTR of a type that a device has; the device says goodbye; UNSUBSCRIBE; "
    "the device comes back.",
    seconds=20,
)
async def subscription(bench: Bench, judge: Judge) -> None:
    """Follow a service that comes and goes."""
    async with open_session(bench) as client:
        await _come_and_go(bench, client, judge)


async def _come_and_go(bench: Bench, client: StreamClient, judge: Judge) -> None:
    one = thing(bench)
    device = LinkDevice(bench, one.records)
    mark = bench.view.mark
    reply, answer = await request(client, subscribe(7, one.type_in_zone, RecordType.PTR))
    good = answer is not None and answer.rcode == 0 and not answer.of(SUBSCRIBE)
    said = "no response" if answer is None else f"rcode {answer.rcode}, {len(answer.items)} items"
    if not judge.decide(SUBSCRIBED, good, said, [reply]):
        device.close()
        return
    pushed = await client.message(is_push, mark, PUSHED)
    added = [] if pushed is None else [each for each in changes(pushed) if each.ttl < REMOVED]
    mine = [each for each in added if each.name == one.type_in_zone and each.rtype == RecordType.PTR]
    judge.decide(EXISTING, bool(mine), f"{len(added)} records added", [reply, pushed])
    if pushed is not None and mine:
        number = pushed.datagram.data[:2]
        judge.decide(PUSH_ID, number == b"\0\0", f"ID {int.from_bytes(number, 'big')}", [pushed])
        ttl = mine[0].ttl
        judge.decide(REAL_TTL, OTHER_TTL * 0.9 <= ttl <= OTHER_TTL, f"TTL {ttl}", [pushed])
        device.close()
        mark = bench.respond(*(each.with_ttl(0) for each in one.records), host=1)
        gone = await client.message(is_push, mark, PUSHED)
        removed = [] if gone is None else [each for each in changes(gone) if each.ttl >= REMOVED]
        judge.decide(TAKEN_BACK, bool(removed), f"{len(removed)} records removed", [gone])
    else:
        device.close()
    client.send(message(0, item(UNSUBSCRIBE, struct.pack("!H", 7))))
    # On a busy machine it takes a while until the proxy has read that.
    await bench.sleep(3.0)
    mark = bench.view.mark
    bench.respond(*one.records, host=1)
    late = await client.message(is_push, mark, 6.0)
    asked = asked_on_link(bench, one.type_on_link, mark)
    said = f"{'a' if late else 'no'} PUSH message, {len(asked)} questions on the link"
    judge.decide(ENDED, late is None and not asked, said, [late, *asked])


@PROXY.scenario(
    "push/duplicate",
    DUPLICATE,
    sends="By TLS: the same SUBSCRIBE twice, the second one in capital letters.",
    seconds=5,
)
async def duplicate(bench: Bench, judge: Judge) -> None:
    """Subscribe twice."""
    one = thing(bench)
    async with open_session(bench) as client:
        _, answer = await request(client, subscribe(7, one.type_in_zone, RecordType.PTR))
        if answer is None or answer.rcode:
            raise NotRunError("the proxy takes no subscription: see push.subscribe")
        turned = Name.from_labels(label.swapcase() for label in one.type_in_zone.labels)
        client.send(subscribe(8, turned, RecordType.PTR))
        lost = await client.until_lost(SOON)
        judge.decide(DUPLICATE, lost, f"ended: {client.reason}" if lost else "the connection stays", [])
