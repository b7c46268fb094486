"""The quick echo: one group on one interface, read and answered in one loop."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.protocol import DatagramProtocol

from mcast.clock import clock_of
from mcast.echo.counters import Drop, EchoCounters
from mcast.echo.sources import Sources
from mcast.neighbours import SocketAddress
from mcast.sockets.group import Group, Scope
from mcast.sockets.port import GroupPort
from mcast.sockets.reading import READ_BATCH
from mcast.sockets.settings import DEFAULT_SETTINGS, MAX_DATAGRAM, Binding, PortSettings

_RECEIVE_SIZE = MAX_DATAGRAM + 1
"""Octets; larger than any UDP datagram can be (RFC 768), so that none is ever cut."""


@dataclass(frozen=True, slots=True)
class Answering:
    """How a port answers."""

    sources: Sources
    """Who is answered; may be shared by the ports of one interface."""
    counters: EchoCounters
    """Where to count; may be shared by all ports."""
    reply: bytes | None = None
    """Answered in place of the payload; None for an echo."""


class EchoPort(GroupPort):
    """A port that is bound to one group, joined on one interface, and answers what arrives.

    Since the system delivers nothing else to it, arrival interface and destination are known without being
    asked for with each datagram; and since it does nothing else, a datagram costs one look-up and two system
    calls. `EchoResponder` is the same as a protocol, for any port.

    :param interface: index of the interface.
    """

    def __init__(
        self,
        reactor: IReactorFDSet,
        group: Group,
        interface: int,
        answering: Answering,
        settings: PortSettings = DEFAULT_SETTINGS,
    ) -> None:
        binding = Binding(group.port, group.ipv6, group=group, pinned=interface)
        super().__init__(reactor, _NoProtocol(), binding, settings)
        self._answering = answering
        self._seconds = clock_of(reactor).seconds
        self._on_link_only = group.scope <= Scope.LINK_LOCAL

    def startListening(self) -> None:
        super().startListening()
        assert self._sockets is not None
        if not self._sockets.pinned:
            self.connectionLost()
            raise OSError(errno.EPERM, "cannot bind to one interface: that takes Linux 5.7 or more rights")
        self._receive: Callable[[int], tuple[bytes, SocketAddress]] = self._sockets.receiver.recvfrom
        self._send: Callable[[bytes, Any], int] = self._sockets.sender.sendto

    def doRead(self) -> None:
        """Answer what has arrived, at most `READ_BATCH` datagrams."""
        # One loop with names looked up once, since all of it runs for each datagram of an echo.
        answering = self._answering
        sources, counters, reply = answering.sources, answering.counters, answering.reply
        sources.turn(self._seconds())
        left, receive, send = sources.left, self._receive, self._send
        received = dropped = 0
        try:
            for received in range(READ_BATCH):  # noqa: B007
                # Counted by the loop, for the time after it, however it ends.
                data, address = receive(_RECEIVE_SIZE)
                host = address[0]
                # The common case of `Sources.admit`, without the call.
                try:
                    allowance = left[host]
                except KeyError:
                    allowance = 0
                if allowance > 0:
                    left[host] = allowance - 1
                else:
                    drop = sources.admit(host, self._on_link_only)
                    if drop is not None:
                        counters.drop(drop)
                        dropped += 1
                        continue
                try:
                    send(data if reply is None else reply, address)
                except OSError as problem:
                    counters.drop(self._not_sent(problem, address))
                    dropped += 1
            received += 1
        except OSError as problem:
            if problem.errno != errno.EAGAIN:
                self._reader.failed(problem)
        counters.received += received
        counters.answered += received - dropped

    def _not_sent(self, problem: OSError, address: SocketAddress) -> Drop:
        if address[1] == 0:
            return Drop.PORT  # every system refuses it, so it need not be looked for in each datagram
        self._failures.send_failed(problem, self.binding.pinned)
        return Drop.SEND


class _NoProtocol(DatagramProtocol):
    """What a port needs to have; `EchoPort` delivers nothing to it."""

    noisy = False
