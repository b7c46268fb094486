"""Listening for connections on one address: IPv6 addresses take IPv6 alone."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.tcp import Port

from mcast.sockets.options import Options

BACKLOG = 128
"""Connections that the system holds for us. Our choice: what a burst of clients makes before we run."""


class StreamPort(Port):
    """A TCP port that, on ``::``, leaves IPv4 to a port of its own.

    Otherwise ``::`` and ``0.0.0.0`` could not be listened on together.
    """

    def createInternetSocket(self) -> socket.socket:
        """Return a socket that is not bound yet."""
        return ipv6_only(super().createInternetSocket())


def ipv6_only(sock: socket.socket) -> socket.socket:
    """Have a socket of IPv6 take nothing that comes by IPv4; return it."""
    if sock.family == socket.AF_INET6:
        Options(sock, ipv6=True).set_v6only()
    return sock


def listen_for_connections(reactor: Any, port: int, factory: Any, address: str, tls: Any = None) -> Any:
    """Listen on a TCP port; returns what has ``stopListening`` and ``getHost``.

    :param tls: makes the contexts of a TLS port.
    :raises CannotListenError: the port is taken, or no such address is ours.
    """
    if tls is not None:
        from twisted.protocols.tls import TLSMemoryBIOFactory

        factory = TLSMemoryBIOFactory(tls, False, factory)
    if not IReactorFDSet.providedBy(reactor):
        return reactor.listenTCP(port, factory, BACKLOG, address)
    made = StreamPort(port, factory, BACKLOG, address, reactor)
    made.startListening()
    return made
