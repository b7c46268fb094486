"""Browse for ``_bench._tcp`` and resolve what is found, for `browse.py`.

    python benchmarks/browsers.py mcast|zeroconf ADDRESS COUNT SECONDS      until COUNT are resolved
    python benchmarks/browsers.py mcast|zeroconf ADDRESS 0 SECONDS          for so long

One JSON object on standard output: how many were resolved, after how many seconds, with how many seconds of
processor time since the start of browsing, and the growth of the peak of memory, in octets.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any


def peak() -> int:
    """Return the most octets of memory that this process had at one time."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else 0


class Meter:
    """Measures from its making to `report`."""

    def __init__(self) -> None:
        gc.collect()
        # Begins the peak anew; getrusage would tell that of the parent process, too.
        Path("/proc/self/clear_refs").write_text("5")
        self._memory = peak()
        self._cpu = time.process_time()
        self._began = self.last_at = time.monotonic()
        self.found = 0
        print("ready", flush=True)

    def note(self) -> None:
        """Count one resolved service."""
        self.found += 1
        self.last_at = time.monotonic()

    def report(self, received: int = 0) -> None:
        """Print what was measured."""
        result = {
            "found": self.found,
            "seconds": self.last_at - self._began,
            "cpu": time.process_time() - self._cpu,
            "memory": peak() - self._memory,
            "received": received,
        }
        print(json.dumps(result), flush=True)


def run_mcast(address: str, count: int, seconds: float) -> None:
    from twisted.internet import reactor as installed

    from mcast.dnssd.found import Added, Change
    from mcast.node.node import Node

    reactor: Any = installed
    node = Node(reactor, interfaces=[address], ipv6=False)
    meter: Meter

    def changed(change: Change) -> None:
        if isinstance(change, Added):
            meter.note()
            if meter.found == count:
                end()

    def start() -> None:
        nonlocal meter
        meter = Meter()
        node.startService()
        node.browse("_bench._tcp").add_listener(changed)
        reactor.callLater(seconds, end)

    def end() -> None:
        if reactor.running:
            meter.report(sum(port["received"] for port in node.statistics()["ports"].values()))
            reactor.stop()

    reactor.callWhenRunning(start)
    reactor.run()


async def run_zeroconf(address: str, count: int, seconds: float) -> None:
    from zeroconf import IPVersion, ServiceStateChange, Zeroconf
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

    done = asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    async def resolve(zeroconf: Zeroconf, service_type: str, name: str) -> None:
        # Again until it succeeds, as a program does that wants them all.
        while not await AsyncServiceInfo(service_type, name).async_request(zeroconf, 3000):
            pass
        meter.note()
        if meter.found == count:
            done.set()

    def changed(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is ServiceStateChange.Added:
            task = asyncio.ensure_future(resolve(zeroconf, service_type, name))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    meter = Meter()
    own = AsyncZeroconf(interfaces=[address], ip_version=IPVersion.V4Only)
    AsyncServiceBrowser(own.zeroconf, "_bench._tcp.local.", handlers=[changed])
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(done.wait(), seconds)
    meter.report()


def main() -> None:
    kind, address, count, seconds = sys.argv[1:]
    if kind == "mcast":
        run_mcast(address, int(count), float(seconds))
    else:
        asyncio.run(run_zeroconf(address, int(count), float(seconds)))


if __name__ == "__main__":
    main()
