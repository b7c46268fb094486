"""`mcast.proxy.listening`: ports of this machine, on loopback."""

from __future__ import annotations

import socket

from twisted.internet import reactor
from twisted.internet.protocol import Factory
from twisted.trial.unittest import TestCase

from mcast.proxy.datagrams import QueryPort
from mcast.proxy.listening import StreamPort, listen_for_connections


class ListeningTests(TestCase):
    def test_both_families_on_one_port(self) -> None:
        """``0.0.0.0`` and ``::`` have a port each, so that both can be named."""
        first = listen_for_connections(reactor, 0, Factory(), "0.0.0.0")
        self.addCleanup(first.stopListening)
        second = listen_for_connections(reactor, first.getHost().port, Factory(), "::")
        self.addCleanup(second.stopListening)
        self.assertIsInstance(second, StreamPort)

    def test_datagrams(self) -> None:
        sock = QueryPort(0, None, "::", reactor).createInternetSocket()  # type: ignore[arg-type]
        self.addCleanup(sock.close)
        self.assertTrue(sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))

    if not socket.has_ipv6:
        skip = "there is no IPv6"
