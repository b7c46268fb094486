"""A Node in a plain program: publish a service, and print the services of its type until Ctrl-C.

The goodbyes leave when the reactor shuts down, so nothing has to be cleaned up here.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import react

from mcast import Node, Service


async def main(reactor: Any) -> None:
    """Run until the reactor stops."""
    node = Node(reactor)
    node.startService()
    registration = node.publish(Service("Plain", "_example._tcp", 7000, txt={"color": "blue"}))
    await registration.when_claimed()
    print("published as", registration.name, flush=True)
    async for change in node.browse("_example._tcp"):
        service = change.service
        print(type(change).__name__, service.name, service.host, service.port, flush=True)


if __name__ == "__main__":
    react(main)
