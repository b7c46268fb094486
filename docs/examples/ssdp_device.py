"""Be found as a UPnP device by whoever searches by SSDP, until Ctrl-C."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from mcast import Asked, Group, answer

GROUP = Group.parse("239.255.255.250:1900")
TYPE = b"urn:schemas-upnp-org:device:Basic:1"
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nEXT:\r\nLOCATION: %s\r\n"
    b"SERVER: Twisted UPnP/1.1 mcast/1\r\nST: %s\r\n"
    b"USN: uuid:5d794fc2-5c5e-4460-a023-f04a51363300::%s\r\n\r\n"
)


async def main(reactor: Any, location: str) -> None:
    """Answer searches for our type or for all, each after up to half a second."""

    def handler(asked: Asked) -> bytes | None:
        lines = asked.data.split(b"\r\n")
        if not lines[0].startswith(b"M-SEARCH"):
            return None
        fields = {
            key.strip().upper(): value.strip() for key, _, value in (each.partition(b":") for each in lines)
        }
        if fields.get(b"ST") not in (b"ssdp:all", TYPE):
            return None
        return RESPONSE % (location.encode(), TYPE, TYPE)

    answer(reactor, GROUP, handler, jitter=(0, 0.5))
    print("ready", flush=True)
    await Deferred()


if __name__ == "__main__":
    react(main, sys.argv[1:])
