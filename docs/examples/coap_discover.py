"""Ask all CoAP nodes of a link, over IPv6, which resources they have (RFC 7252 §7, §8).

python coap_discover.py INTERFACE
"""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.internet.task import react

from mcast import Group, ask

ALL_COAP_NODES = "[ff02::fd%{}]:5683"
TOKEN = os.urandom(4)
# Version 1, non-confirmable, a token of 4 octets; GET; the message's number; the token; two options Uri-Path.
GET = bytes([0x54, 0x01]) + os.urandom(2) + TOKEN + b"\xbb.well-known\x04core"

LONGER = {13: 1, 14: 2}
"""Octets by which the delta and the length of an option go on, when they are this."""


def resources(data: bytes) -> str | None:
    """Return the payload of a response 2.05 (Content) to our request, or None for anything else."""
    if len(data) < 8 or data[0] >> 6 != 1 or data[1] != 0x45 or data[4 : 4 + (data[0] & 15)] != TOKEN:
        return None
    return payload(data[4 + len(TOKEN) :]).decode("utf-8", "backslashreplace")


def payload(rest: bytes) -> bytes:
    """Return what follows the options and the marker 0xFF after them (RFC 7252 §3.1)."""
    at = 0
    while at < len(rest) and rest[at] != 0xFF:  # an option, which may itself hold such an octet
        delta, length = divmod(rest[at], 16)
        at += 1 + LONGER.get(delta, 0)
        more = LONGER.get(length, 0)
        at += {13: 13, 14: 269}.get(length, length) + int.from_bytes(rest[at : at + more], "big") + more
    return rest[at + 1 :]


async def main(reactor: Any, interface: str) -> None:
    """Wait a little longer than servers may take their time: 5 seconds (RFC 7252 §8.2)."""
    group = Group.parse(ALL_COAP_NODES.format(interface))
    async for reply in ask(reactor, group, GET, wait=6.0, repeats=[0], key=lambda reply: reply.source):
        print(reply.source, ascii(resources(reply.data)), flush=True)


if __name__ == "__main__":
    react(main, sys.argv[1:])
