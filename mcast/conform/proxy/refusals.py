"""What is not a Discovery Proxy's to answer (RFC 8766 §5.1: conventional DNS by UDP and TCP)."""

from __future__ import annotations

import struct

from mcast.conform.bench import Bench
from mcast.conform.proxy.catalogue import PROXY
from mcast.conform.proxy.clients import THE_ZONE, UDPClient, ask, connect, proxy_up
from mcast.conform.verdicts import Judge, must, rule
from mcast.dns.codes import RecordType
from mcast.dns.names import Name

AXFR = 252
"""The type of a question for a whole zone (RFC 5936)."""

FOREIGN = rule(
    "refusals.foreign-names",
    "P-5.1-2",
    "RFC 8766 §5.1",
    "A proxy is an authoritative server of its zones, and no resolver: other names are refused.",
    "REFUSED for a name of another zone, and for a name that ends in local.",
    "No response at all is as good.",
)
TRANSFER = rule(
    "refusals.transfer",
    "P-5.1-2",
    "RFC 8766 §5.1",
    "There is no whole zone that could be transferred.",
    "No record in the answer to AXFR by TCP, and an error.",
)
UPDATE = rule(
    "refusals.update",
    "P-5.1-2",
    "RFC 8766 §5.1",
    "What is on a link is not changed from elsewhere.",
    "An error in the response to an UPDATE.",
)
NO_PLAIN_PUSH = must(
    "refusals.push-needs-tls",
    "H-5-2",
    "RFC 8765 §5",
    "There are no subscriptions without TLS.",
    "No success of a SUBSCRIBE request by TCP.",
)


@PROXY.scenario(
    "refusals/all",
    *(FOREIGN, TRANSFER, UPDATE, NO_PLAIN_PUSH),
    sends="A name elsewhere and one in local; AXFR by TCP; an UPDATE; a SUBSCRIBE by TCP.",
    seconds=12,
)
async def refused(bench: Bench, judge: Judge) -> None:
    """Ask for what is not to be had."""
    await proxy_up(bench)
    for text in ("www.example.org", "device.local"):
        one = await ask(bench, Name.parse(text), RecordType.A)
        holds = one.reply is None or one.message.rcode == 5
        judge.decide(FOREIGN, holds, f"{text}: {one.said}", one.packets)
    stream = await connect(bench)
    one = await ask(bench, THE_ZONE, AXFR, stream)
    holds = one.reply is None or (one.message.rcode != 0 and not one.message.answers)
    judge.decide(TRANSFER, holds, one.said, one.packets)
    stream.close()
    client = UDPClient(bench)
    record = struct.pack("!HHIH", RecordType.A, 1, 10, 4) + bytes((10, 77, 0, 99))
    zone = THE_ZONE.wire + struct.pack("!HH", RecordType.SOA, 1)
    update = struct.pack("!6H", 4711, 5 << 11, 1, 0, 1, 0) + zone + b"\x03new" + THE_ZONE.wire + record
    reply = await client.reply(4711, client.send(update), 3.0)
    client.close()
    code = None if reply is None else struct.unpack("!H", reply.datagram.data[2:4])[0] & 0xF
    judge.decide(UPDATE, code != 0, f"rcode {code}" if reply else "no response", [reply])
    stream = await connect(bench)
    topic = THE_ZONE.wire + struct.pack("!HH", RecordType.PTR, 1)
    subscribe = struct.pack("!6H", 4712, 6 << 11, 0, 0, 0, 0) + struct.pack("!HH", 0x40, len(topic)) + topic
    reply = await stream.reply(4712, stream.send(subscribe), 3.0)
    stream.close()
    code = None if reply is None else struct.unpack("!H", reply.datagram.data[2:4])[0] & 0xF
    judge.decide(NO_PLAIN_PUSH, code != 0, f"rcode {code}" if reply else "no response", [reply])
