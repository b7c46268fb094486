"""A Node beside asyncio code, in one event loop: a server of asyncio's is published, and found again.

Twisted's asyncioreactor runs on the loop. A Deferred is awaited in asyncio code as a future of that loop.
"""

from __future__ import annotations

import asyncio
from typing import Any

from twisted.internet import asyncioreactor
from twisted.internet.defer import Deferred

from mcast import Node, Service


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one connection, as asyncio has it."""
    writer.write(b"hello from asyncio\n")
    await writer.drain()
    writer.close()


async def main(reactor: Any) -> None:
    """Run as a task of asyncio."""
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(greet, "0.0.0.0", 0)
    node = Node(reactor)
    node.startService()  # says goodbye when the reactor stops
    port = server.sockets[0].getsockname()[1]
    registration = node.publish(Service("Greeter", "_greet._tcp", port))
    await registration.when_claimed().asFuture(loop)
    found = await node.resolve(registration.name, "_greet._tcp").asFuture(loop)
    print("published", found.name, "on port", found.port, flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncioreactor.install()
    from twisted.internet.task import react  # after the reactor is chosen

    react(lambda reactor: Deferred.fromFuture(asyncio.ensure_future(main(reactor))))
