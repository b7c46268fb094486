"""The echo servers that `twist mcast` is compared with: what one would write without it.

    python benchmarks/echo_servers.py bare|asyncio|twisted GROUP PORT INTERFACE

None of them looks at who asks, how often, or by which interface.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from typing import Any

MAX_DATAGRAM = 65_536


def listening_socket(group: str, port: int, interface: str) -> socket.socket:
    """Return a socket bound to the group and joined on the interface."""
    index = socket.if_nametoindex(interface)
    ipv6 = ":" in group
    made = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ipv6:
        made.bind((group, port, 0, index))
        packed = socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", index)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, packed)
    else:
        made.bind((group, port))
        packed = struct.pack("@4s4si", socket.inet_aton(group), bytes(4), index)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, packed)
    return made


def run_bare(group: str, port: int, interface: str) -> None:
    """Run the fastest loop that plain Python has: one blocking call to read, one to answer."""
    sock = listening_socket(group, port, interface)
    receive, send = sock.recvfrom, sock.sendto
    while True:
        data, address = receive(MAX_DATAGRAM)
        send(data, address)


class AsyncioEcho(asyncio.DatagramProtocol):
    transport: asyncio.DatagramTransport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.transport.sendto(data, addr)


async def run_asyncio(group: str, port: int, interface: str) -> None:
    loop = asyncio.get_running_loop()
    await loop.create_datagram_endpoint(AsyncioEcho, sock=listening_socket(group, port, interface))
    await asyncio.Event().wait()


def run_twisted(group: str, port: int, interface: str) -> None:
    """Run stock Twisted, on its default reactor; IPv4 only, since it joins no IPv6 group on an interface."""
    from twisted.internet import reactor
    from twisted.internet.protocol import DatagramProtocol

    from mcast.sockets.interface import find_interface, interfaces

    found = find_interface(interface, interfaces())
    assert found is not None
    address = str(found.ipv4[0].address)

    class TwistedEcho(DatagramProtocol):
        def startProtocol(self) -> None:
            self.transport.joinGroup(group, address)  # type: ignore[union-attr]

        def datagramReceived(self, datagram: bytes, addr: Any) -> None:
            self.transport.write(datagram, addr)  # type: ignore[union-attr]

    any_reactor: Any = reactor
    any_reactor.listenMulticast(port, TwistedEcho(), maxPacketSize=MAX_DATAGRAM, listenMultiple=True)
    any_reactor.run()


def main() -> None:
    kind, group, port, interface = sys.argv[1:]
    if kind == "asyncio":
        asyncio.run(run_asyncio(group, int(port), interface))
    elif kind == "twisted":
        run_twisted(group, int(port), interface)
    else:
        run_bare(group, int(port), interface)


if __name__ == "__main__":
    main()
