"""Print how many seconds a multicast client waits for each of some services (used by ``proxy.py``)."""

from __future__ import annotations

import sys
import time
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import deferLater, react

from mcast import Node, RecordType


async def ask(first: int, last: int) -> None:
    node = Node(reactor, interfaces=["eth0"])
    node.startService()
    await deferLater(reactor, 1.0)
    for number in range(first, last):
        await deferLater(reactor, 0.5)
        began = time.perf_counter()
        await node.query(f"web{number}._http._tcp.local", RecordType.SRV)
        print(time.perf_counter() - began)
    await node.stopService()


def main(_: Any) -> Any:
    return ensureDeferred(ask(int(sys.argv[1]), int(sys.argv[2])))


if __name__ == "__main__":
    react(main)
