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


async def main(words: Sequence[str]) -> None:
    """Browse until SIGTERM."""
    from zeroconf import InterfaceChoice, IPVersion, ServiceStateChange, Zeroconf
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

    of_type = f"{words[0]}.local."
    running: set[asyncio.Task[None]] = set()

    def write(event: str, name: str, **fields: Any) -> None:
        print(json.dumps({"event": event, "name": name.removesuffix(f".{of_type}"), **fields}), flush=True)

    async def resolve(zeroconf: Zeroconf, name: str) -> None:
        info = AsyncServiceInfo(of_type, name)
        if await info.async_request(zeroconf, 3000):
            write("updated", name, port=info.port, addresses=info.parsed_addresses())

    def changed(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is ServiceStateChange.Removed:
            write("removed", name)
            return
        if state_change is ServiceStateChange.Added:
            write("added", name)
        task = asyncio.get_running_loop().create_task(resolve(zeroconf, name))
        running.add(task)
        task.add_done_callback(running.discard)

    zeroconf = AsyncZeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.All)
    browser = AsyncServiceBrowser(zeroconf.zeroconf, of_type, handlers=[changed])
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    await browser.async_cancel()
    await zeroconf.async_close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
