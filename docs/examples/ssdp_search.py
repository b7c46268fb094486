"""Search the network for UPnP devices by SSDP, and print where each is.

python ssdp_search.py [INTERFACE …]
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.task import react

from mcast import Group, PortSettings, ask

GROUPS = [Group.parse("239.255.255.250:1900"), Group.parse("[ff02::c]:1900")]
SEARCH = (
    b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
    b'MAN: "ssdp:discover"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n'
)


def header(data: bytes, name: bytes) -> str:
    """Return a header of a response, made safe to print."""
    lines = (line.partition(b":") for line in data.split(b"\r\n"))
    found = next((value.strip() for key, _, value in lines if key.strip().upper() == name), b"")
    return found.decode("ascii", "backslashreplace").encode("unicode_escape").decode("ascii")


async def main(reactor: Any, *interfaces: str) -> None:
    """Search for three seconds; a device that is heard several times is one, known by its USN."""
    replies = ask(
        reactor,
        GROUPS,
        SEARCH,
        interfaces=interfaces,
        key=lambda reply: header(reply.data, b"USN"),
        settings=PortSettings(hop_limit=2),  # as UPnP has it
    )
    async for reply in replies:
        print(reply.source, reply.interface, header(reply.data, b"USN"), header(reply.data, b"LOCATION"))


if __name__ == "__main__":
    react(main, sys.argv[1:])
