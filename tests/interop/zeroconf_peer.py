"""Run python-zeroconf as a host of its own: commands come in, events go out, a JSON object a line.

Usage: ``python zeroconf_peer.py ADDRESS-OR-INDEX…``. Commands are ``register`` (instance, type, port, host,
addresses, txt, and perhaps ttl in seconds), ``update`` (instance, type, txt), ``unregister`` (instance,
type), ``browse`` (type) and ``resolve`` (instance, type). The end of standard input ends it, with its
goodbyes.

What a command has announced of a service is announced to the end before the next command for it, or the end,
begins: python-zeroconf itself would go on to send the earlier announcements after the goodbyes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from ipaddress import ip_address
from typing import Any

from zeroconf import IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

RESOLVE_TIMEOUT = 60_000
"""Milliseconds that a service is asked for: as long as tests wait."""


def tell(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


def qualified(service_type: str) -> str:
    return f"{service_type}.local."


def describe(info: AsyncServiceInfo) -> dict[str, object]:
    return {
        "host": info.server,
        "port": info.port,
        "addresses": sorted(info.parsed_scoped_addresses(IPVersion.All)),
        "txt": {
            key.decode(): None if value is None else value.decode() for key, value in info.properties.items()
        },
    }


class Peer:
    """One AsyncZeroconf and what was asked of it."""

    def __init__(self, interfaces: list[str | int]) -> None:
        version = IPVersion.All if any(isinstance(one, int) for one in interfaces) else IPVersion.V4Only
        self._zeroconf = AsyncZeroconf(interfaces=interfaces, ip_version=version)
        self._services: dict[str, AsyncServiceInfo] = {}
        self._browsers: list[AsyncServiceBrowser] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._announcing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def register(
        self,
        instance: str,
        type: str,
        port: int,
        host: str,
        addresses: list[str],
        txt: dict[str, str],
        ttl: int | None = None,
    ) -> None:
        info = AsyncServiceInfo(
            qualified(type),
            f"{instance}.{qualified(type)}",
            port=port,
            server=f"{host}.local.",
            addresses=[ip_address(one).packed for one in addresses],
            properties=txt,
        )
        if ttl is not None:
            info.host_ttl = info.other_ttl = ttl
        async with self._announcing[key := f"{instance}.{type}"]:
            await (await self._zeroconf.async_register_service(info, allow_name_change=True))
            self._services[key] = info
        tell("registered", name=info.name)

    async def update(self, instance: str, type: str, txt: dict[str, str]) -> None:
        async with self._announcing[key := f"{instance}.{type}"]:
            info = self._services[key]
            changed = AsyncServiceInfo(
                info.type,
                info.name,
                port=info.port,
                server=info.server,
                addresses=info.addresses,
                properties=txt,
            )
            self._services[key] = changed
            await (await self._zeroconf.async_update_service(changed))

    async def unregister(self, instance: str, type: str) -> None:
        async with self._announcing[key := f"{instance}.{type}"]:
            await (await self._zeroconf.async_unregister_service(self._services.pop(key)))
        tell("unregistered")

    async def browse(self, type: str) -> None:
        self._browsers.append(
            AsyncServiceBrowser(self._zeroconf.zeroconf, qualified(type), handlers=[self._changed])
        )

    def _changed(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        if state_change is ServiceStateChange.Removed:
            tell("removed", name=name)
        else:
            self._later(self._found(state_change.name.lower(), service_type, name))

    async def _found(self, event: str, service_type: str, name: str) -> None:
        info = AsyncServiceInfo(service_type, name)
        found = await info.async_request(self._zeroconf.zeroconf, RESOLVE_TIMEOUT)
        tell(event, name=name, resolved=found, **(describe(info) if found else {}))

    async def resolve(self, instance: str, type: str) -> None:
        await self._found("resolved", qualified(type), f"{instance}.{qualified(type)}")

    def _later(self, coroutine: Any) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for browser in self._browsers:
            await browser.async_cancel()
        for announcing in self._announcing.values():
            await announcing.acquire()
        await self._zeroconf.async_close()

    async def run(self) -> None:
        """Obey until standard input ends, then say goodbye."""
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
        await self._zeroconf.zeroconf.async_wait_for_start()
        tell("ready")
        while line := await reader.readline():
            command = json.loads(line)
            self._later(getattr(self, command.pop("do"))(**command))
        await self.close()


async def main() -> None:
    await Peer([int(one) if one.isdigit() else one for one in sys.argv[1:]]).run()


if __name__ == "__main__":
    asyncio.run(main())
