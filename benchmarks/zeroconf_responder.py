"""Publish services with python-zeroconf, for benchmarks: ``python zeroconf_responder.py ADDRESS FILE``.

FILE is a JSON list of ``{"name", "type", "port", "txt"}``; the host name is ``bench``. Ends with a signal.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path

from zeroconf import IPVersion
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf


async def main() -> None:
    address, file = sys.argv[1:]
    zeroconf = AsyncZeroconf(interfaces=[address], ip_version=IPVersion.V4Only)
    infos = [
        AsyncServiceInfo(
            f"{one['type']}.local.",
            f"{one['name']}.{one['type']}.local.",
            port=one["port"],
            properties=one["txt"],
            server="bench.local.",
            addresses=[socket.inet_aton(address)],
        )
        for one in json.loads(Path(file).read_text(encoding="utf-8"))
    ]
    announced = await asyncio.gather(*(zeroconf.async_register_service(info) for info in infos))
    await asyncio.gather(*announced)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
