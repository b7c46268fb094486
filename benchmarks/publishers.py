"""Publish services, for `memory.py`: ``python benchmarks/publishers.py mcast|zeroconf ADDRESS COUNT``.

Each service has a type of its own. When each has been announced twice, one JSON object on standard output
tells how many octets of memory they took, and how many seconds of processor time.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
import time
from pathlib import Path
from typing import Any

SETTLED = 4.0
"""Seconds after the last claim in which the second announcements leave, and what they took is free again."""

PAGE = 4096


def resident() -> int:
    """Return how many octets of memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


class Meter:
    """Measures from its making to `report`."""

    def __init__(self) -> None:
        gc.collect()
        self._memory = resident()
        self._cpu = time.process_time()

    def report(self) -> None:
        """Print what was measured."""
        cpu = time.process_time() - self._cpu
        gc.collect()
        print(json.dumps({"cpu": cpu, "memory": resident() - self._memory, "resident": resident()}))


def run_mcast(address: str, count: int) -> None:
    """Publish with a node, then end."""
    from twisted.internet import reactor as installed
    from twisted.internet.defer import gatherResults

    from mcast import Node, Service

    reactor: Any = installed
    node = Node(reactor, interfaces=[address], hostname="bench", ipv6=False)

    def start() -> None:
        node.startService()
        reactor.callLater(2.0, publish)

    def publish() -> None:
        meter = Meter()
        claims = [
            node.publish(
                Service(
                    f"Service {one:04}", f"_s{one:04}._tcp", 8000 + one % 1000, txt={"path": "/", "ver": "1"}
                )
            ).when_claimed()
            for one in range(count)
        ]
        # The registrations are the node's; the list of Deferreds is not kept.
        gatherResults(claims).addCallback(lambda _: reactor.callLater(SETTLED, end, meter))

    def end(meter: Meter) -> None:
        meter.report()
        reactor.stop()

    reactor.callWhenRunning(start)
    reactor.run()


async def run_zeroconf(address: str, count: int) -> None:
    """Publish with python-zeroconf, then end."""
    from zeroconf import IPVersion
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    zeroconf = AsyncZeroconf(interfaces=[address], ip_version=IPVersion.V4Only)
    await asyncio.sleep(2.0)
    meter = Meter()
    infos = [
        AsyncServiceInfo(
            f"_s{one:04}._tcp.local.",
            f"Service {one:04}._s{one:04}._tcp.local.",
            port=8000 + one % 1000,
            properties={"path": "/", "ver": "1"},
            server="bench.local.",
            addresses=[socket.inet_aton(address)],
        )
        for one in range(count)
    ]
    announced = await asyncio.gather(*(zeroconf.async_register_service(info) for info in infos))
    await asyncio.gather(*announced)
    del infos, announced
    await asyncio.sleep(SETTLED)
    meter.report()


def main() -> None:
    """Run what the arguments say."""
    kind, address, count = sys.argv[1:]
    if kind == "mcast":
        run_mcast(address, int(count))
    else:
        asyncio.run(run_zeroconf(address, int(count)))


if __name__ == "__main__":
    main()
