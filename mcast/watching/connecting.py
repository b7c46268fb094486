"""Whether a service takes a TCP connection, found out when a person asks."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectionRefusedError, TimeoutError
from twisted.internet.protocol import Protocol

CONNECT_LIMIT = 3
"""Seconds to wait for a connection. Our choice: a host on the link answers within milliseconds, or never."""


def try_connect(reactor: Any, address: str, port: int) -> Deferred[str]:
    """Connect, and close at once; fires with ``open``, ``refused``, ``timeout`` or ``failed``."""
    kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
    endpoint = kind(reactor, address, port, timeout=CONNECT_LIMIT)
    connected = connectProtocol(endpoint, Protocol())

    def is_open(protocol: Protocol) -> str:
        assert protocol.transport is not None
        protocol.transport.loseConnection()
        return "open"

    def is_not(failure: Any) -> str:
        if failure.check(ConnectionRefusedError):
            return "refused"
        return "timeout" if failure.check(TimeoutError) else "failed"

    answered: Deferred[str] = connected.addCallbacks(is_open, is_not)
    return answered
