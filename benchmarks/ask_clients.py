"""What asks a group and gathers the answers, for ask.py: mcast, asyncio and a plain loop.

    python benchmarks/ask_clients.py mcast|asyncio|bare GROUP PORT INTERFACE WAIT

Prints one line of JSON: how many hosts were gathered, the processor time of it and the time until the last.
The other two look neither at who answers nor whether the answer was there already.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
import time
from typing import Any

QUESTION = b"who is there?"
BUFFER = 4 * 1024 * 1024


def asking_socket(interface: str) -> socket.socket:
    """Return a socket that sends to groups by an interface."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    index = struct.pack("@8xi", socket.if_nametoindex(interface))
    made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, index)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    made.bind(("", 0))
    return made


def run_bare(group: str, port: int, interface: str, wait: float) -> dict[str, float]:
    """Gather in the plainest loop that Python has."""
    sock = asking_socket(interface)
    before, started_at = time.process_time(), time.monotonic()
    sock.sendto(QUESTION, (group, port))
    heard: list[tuple[bytes, Any]] = []
    last = 0.0
    while (left := started_at + wait - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            heard.append(sock.recvfrom(65536))
        except TimeoutError:
            break
        last = time.monotonic() - started_at
    cpu = time.process_time() - before
    return {"gathered": len({data for data, _ in heard}), "cpu": cpu, "last": last}


class Gatherer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: list[tuple[bytes, Any]] = []
        self.last = 0.0

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.append((data, addr))
        self.last = time.monotonic()


async def run_asyncio(group: str, port: int, interface: str, wait: float) -> dict[str, float]:
    """Gather in a protocol of asyncio."""
    loop = asyncio.get_running_loop()
    before, started_at = time.process_time(), time.monotonic()
    transport, protocol = await loop.create_datagram_endpoint(Gatherer, sock=asking_socket(interface))
    transport.sendto(QUESTION, (group, port))
    await asyncio.sleep(wait)
    cpu = time.process_time() - before
    gathered = len({data for data, _ in protocol.heard})
    transport.close()
    return {"gathered": gathered, "cpu": cpu, "last": protocol.last - started_at}


def run_mcast(group: str, port: int, interface: str, wait: float) -> dict[str, float]:
    """Gather by `mcast.ask`."""
    from twisted.internet import epollreactor

    epollreactor.install()
    from twisted.internet import reactor
    from twisted.internet.defer import Deferred

    from mcast import Group, ask

    found: dict[str, float] = {}
    any_reactor: Any = reactor

    async def gather() -> None:
        before = time.process_time()
        heard = []
        group_asked = Group.parse(f"{group}:{port}")
        replies = ask(reactor, group_asked, QUESTION, interfaces=(interface,), wait=wait, repeats=(0,))
        async for reply in replies:
            heard.append(reply)
        cpu = time.process_time() - before
        found.update(gathered=len({reply.data for reply in heard}), cpu=cpu, last=heard[-1].seconds)

    def start() -> None:
        done = Deferred.fromCoroutine(gather())
        done.addErrback(lambda failure: failure.printTraceback(sys.stderr))
        done.addBoth(lambda _: any_reactor.stop())

    any_reactor.callWhenRunning(start)
    any_reactor.run()
    return found


def main() -> None:
    kind, group, port, interface, wait = sys.argv[1:]
    if kind == "mcast":
        found = run_mcast(group, int(port), interface, float(wait))
    elif kind == "asyncio":
        found = asyncio.run(run_asyncio(group, int(port), interface, float(wait)))
    else:
        found = run_bare(group, int(port), interface, float(wait))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
