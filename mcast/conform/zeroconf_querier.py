"""python-zeroconf as a querier: browses for a type and resolves, and writes what it has found as JSON.

Usage: ``python -m mcast.conform.zeroconf_querier TYPE``.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from typing import Any

LOOK_INTERVAL = 0.3
"""Seconds between two looks at what is known. Our choice: a client that shows what the library has."""


async def main(words: Sequence[str]) -> None:
    """Browse until SIGTERM."""
    from zeroconf import InterfaceChoice, IPVersion, ServiceStateChange, Zeroconf
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

    of_type = f"{words[0]}.local."
    running: set[asyncio.Task[None]] = set()
    there: set[str] = set()

    def write(event: str, name: str, **fields: Any) -> None:
        print(json.dumps({"event": event, "name": name.removesuffix(f".{of_type}"), **fields}), flush=True)

    told: dict[str, tuple[int | None, list[str]]] = {}

    def show(info: Any) -> None:
        found = (info.port, sorted(info.parsed_addresses()))
        if told.get(info.name) != found:
            told[info.name] = found
            write("updated", info.name, port=found[0], addresses=found[1])

    async def resolve(zeroconf: Zeroconf, name: str) -> None:
        info = AsyncServiceInfo(of_type, name)
        if await info.async_request(zeroconf, 3000) and name in there:
            show(info)

    async def follow(zeroconf: Zeroconf) -> None:
        """Show what changes without an event, as when an address expires."""
        while True:
            await asyncio.sleep(LOOK_INTERVAL)
            for name in sorted(told):
                info = AsyncServiceInfo(of_type, name)
                if info.load_from_cache(zeroconf):
                    show(info)

    def changed(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is ServiceStateChange.Removed:
            there.discard(name)
            told.pop(name, None)
            write("removed", name)
            return
        there.add(name)
        if state_change is ServiceStateChange.Added:
            write("added", name)
        task = asyncio.get_running_loop().create_task(resolve(zeroconf, name))
        running.add(task)
        task.add_done_callback(running.discard)

    zeroconf = AsyncZeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.All)
    browser = AsyncServiceBrowser(zeroconf.zeroconf, of_type, handlers=[changed])
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    following = asyncio.get_running_loop().create_task(follow(zeroconf.zeroconf))
    await ended.wait()
    following.cancel()
    await browser.async_cancel()
    await zeroconf.async_close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
