"""Twisted's own tests of UDP and multicast ports, on ours.

`test_contract` runs them, in a namespace, on each reactor. Nothing of them is copied: their classes come
from the installed Twisted, and find ``reactor.listenMulticast`` and ``reactor.listenUDP`` replaced. All of
them are to pass: there is no list of exceptions.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.test import test_udp as built
from twisted.test import test_udp

from mcast.sockets.listen import listen_multicast

REACTORS = [
    "twisted.internet.selectreactor.SelectReactor",
    "twisted.internet.pollreactor.PollReactor",
    "twisted.internet.epollreactor.EPollReactor",
    "twisted.internet.test.reactormixins.AsyncioSelectorReactor",
]
"""Those on which Twisted's reactor builder runs each of its tests."""


def stand_in(case: Any, reactor: Any) -> None:
    """Let a reactor open ports of ours until the test ends."""

    def open_port(
        port: int,
        protocol: DatagramProtocol,
        interface: str = "",
        maxPacketSize: int = 8192,
        listenMultiple: bool = False,
    ) -> Any:
        return listen_multicast(reactor, port, protocol, interface, maxPacketSize, listenMultiple)

    case.patch(reactor, "listenUDP", open_port)
    case.patch(reactor, "listenMulticast", open_port)


PATIENCE = 10.0
"""Seconds that Twisted's tests wait at least, where they wait at all. Our choice: they send a datagram again
after 0.1 s, and count one too many where the machine was busy for as long; in a namespace none is lost."""


class _OnTheGlobalReactor:
    def setUp(self: Any) -> Any:
        stand_in(self, global_reactor)
        call_later = global_reactor.callLater

        def call_patiently(delay: float, *call: Any, **words: Any) -> Any:
            return call_later(max(delay, PATIENCE) if delay else 0, *call, **words)

        self.patch(global_reactor, "callLater", call_patiently)
        return super().setUp()  # type: ignore[misc]


class UDPTests(_OnTheGlobalReactor, test_udp.UDPTests):
    """``twisted.test.test_udp.UDPTests``."""


class ReactorShutdownInteractionTests(_OnTheGlobalReactor, test_udp.ReactorShutdownInteractionTests):
    """``twisted.test.test_udp.ReactorShutdownInteractionTests``."""


class MulticastTests(_OnTheGlobalReactor, test_udp.MulticastTests):
    """``twisted.test.test_udp.MulticastTests``."""


class MulticastTestsIPv6(_OnTheGlobalReactor, test_udp.MulticastTestsIPv6):
    """``twisted.test.test_udp.MulticastTestsIPv6``."""


class Built(built.UDPServerTestsBuilder):
    """``twisted.internet.test.test_udp.UDPServerTestsBuilder``."""

    _reactors = REACTORS

    def buildReactor(self) -> Any:
        reactor = super().buildReactor()
        stand_in(self, reactor)
        return reactor


globals().update(Built.makeTestCaseClasses())
