"""Publish one service and browse one type, for `office.py`: ``office_subjects.py mcast|zeroconf ADDRESS``.

Says ``ready`` on standard output when it has begun, and ends with a signal.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any


def run_mcast(address: str) -> None:
    """Run a node."""
    from twisted.internet import reactor as installed

    from mcast import Node, Service

    reactor: Any = installed
    node = Node(reactor, interfaces=[address], hostname="office", ipv6=False)

    def start() -> None:
        node.startService()
        node.publish(Service("Own", "_own._tcp", 8000))
        node.browse("_bench._tcp").add_listener(lambda _: None)
        print("ready", flush=True)

    reactor.callWhenRunning(start)
    reactor.run()


async def run_zeroconf(address: str) -> None:
    """Run python-zeroconf; each service that is found is resolved, as ours is."""
    from zeroconf import IPVersion, ServiceStateChange, Zeroconf
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

    tasks: set[asyncio.Task[Any]] = set()

    def changed(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is ServiceStateChange.Added:
            task = asyncio.ensure_future(AsyncServiceInfo(service_type, name).async_request(zeroconf, 3000))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    own = AsyncZeroconf(interfaces=[address], ip_version=IPVersion.V4Only)
    info = AsyncServiceInfo(
        "_own._tcp.local.",
        "Own._own._tcp.local.",
        port=8000,
        server="office.local.",
        addresses=[socket.inet_aton(address)],
    )
    await own.async_register_service(info)
    AsyncServiceBrowser(own.zeroconf, "_bench._tcp.local.", handlers=[changed])
    print("ready", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Run what the arguments say."""
    kind, address = sys.argv[1:]
    if kind == "mcast":
        run_mcast(address)
    else:
        asyncio.run(run_zeroconf(address))


if __name__ == "__main__":
    main()
