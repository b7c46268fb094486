"""python-zeroconf as a subject: one service, until SIGTERM, then its goodbyes.

Usage: ``python -m mcast.conform.zeroconf_subject HOST INSTANCE TYPE PORT KEY=VALUE``.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence

from mcast.sockets.interface import interfaces


async def main(words: Sequence[str]) -> None:
    """Publish until SIGTERM."""
    from zeroconf import InterfaceChoice, IPVersion
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

    host, instance, kind, port, pair = words
    of_type = f"{kind}.local."
    addresses = [
        each.address.packed
        for interface in interfaces()
        for each in interface.addresses
        if not interface.loopback
    ]
    zeroconf = AsyncZeroconf(interfaces=InterfaceChoice.All, ip_version=IPVersion.All)
    key, _, value = pair.partition("=")
    info = AsyncServiceInfo(
        of_type,
        f"{instance}.{of_type}",
        port=int(port),
        server=f"{host}.local.",
        addresses=addresses,
        properties={key: value},
    )
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await (await zeroconf.async_register_service(info, allow_name_change=True))
    await ended.wait()
    await zeroconf.async_unregister_all_services()
    await zeroconf.async_close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
