"""Fetch a page from a host by its .local name: python fetch_local.py http://printer.local:8080/

All of Twisted that connects by host name finds such names once the resolver is installed.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.web.client import Agent, readBody

from mcast.resolver import install


async def main(reactor: Any, url: str) -> None:
    """Fetch and print."""
    install(reactor)
    response = await Agent(reactor, connectTimeout=10).request(b"GET", url.encode("ascii"))
    page = await readBody(response)
    print(page.decode("utf-8", "replace"), end="", flush=True)


if __name__ == "__main__":
    react(lambda reactor, url: Deferred.fromCoroutine(main(reactor, url)), sys.argv[1:])
