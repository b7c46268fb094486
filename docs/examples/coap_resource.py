"""Be found by CoAP clients that ask a group for /.well-known/core, until Ctrl-C.

python coap_resource.py GROUP
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from mcast import Asked, Group, answer

WELL_KNOWN_CORE = b".well-known\x04core"  # two options Uri-Path; the second one's length between them
LINKS = b'</lamp>;rt="light";title="A lamp"'


def handler(asked: Asked) -> bytes | None:
    """Answer a GET for the list of resources, and be silent on anything else, as a group wants it."""
    data = asked.data
    length = data[0] & 15 if data else 0
    if len(data) < 4 + length or data[0] >> 6 != 1 or data[1] != 0x01:
        return None
    token, options = data[4 : 4 + length], data[4 + length :]
    if WELL_KNOWN_CORE not in options:
        return None
    # Non-confirmable, 2.05 (Content), with the number and the token of the request; Content-Format 40.
    return bytes([0x50 | length, 0x45]) + data[2:4] + token + b"\xc1\x28\xff" + LINKS


async def main(reactor: Any, group: str) -> None:
    """Answer until the reactor stops."""
    answer(reactor, Group.parse(group, 5683), handler, jitter=(0, 0.5))
    print("ready", flush=True)
    await Deferred()


if __name__ == "__main__":
    react(main, sys.argv[1:])
