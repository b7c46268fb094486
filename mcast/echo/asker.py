"""The port from which a group is asked, and to which its hosts answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.protocol import DatagramProtocol

from mcast.clock import clock_of
from mcast.echo.counters import Drop
from mcast.echo.sources import SourceTables
from mcast.neighbours import SocketAddress
from mcast.sockets.arrival import UNKNOWN_ARRIVAL, Arrival
from mcast.sockets.group import Group, Scope
from mcast.sockets.interface import Interface
from mcast.sockets.interface import interfaces as all_interfaces
from mcast.sockets.listen import listen_multicast
from mcast.sockets.sending import SendResult
from mcast.sockets.settings import DEFAULT_SETTINGS, PortSettings

RECEIVE_BUFFER = 4 * 1024 * 1024
"""Octets of receive buffer asked for where the settings say nothing; the system gives what it allows. Our
choice: a thousand hosts that answer within 100 ms fill the usual 200 kB when we are kept from reading for
30 ms, and so do two answers of the largest size."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where questions go."""

    group: Group
    interfaces: tuple[Interface, ...]
    """Each question is sent by every one of them; each needs an address of the group's family."""
    source: str = ""
    """Send from this address of ours; "" lets the system choose."""
    settings: PortSettings = DEFAULT_SETTINGS
    """Of the port that questions are sent from; it is never shared, and has `RECEIVE_BUFFER` unless they say
    otherwise."""

    @property
    def is_on_link_only(self) -> bool:
        """Can the question not leave the link, so that an answer from beyond it must be forged?"""
        return self.group.scope <= Scope.LINK_LOCAL or self.settings.hop_limit <= 1


Heard = Callable[[bytes, SocketAddress, Arrival], object]
"""Takes an answer: its octets, where from, and how it arrived."""


class Asker(DatagramProtocol):
    """Sends to one group by each interface of a target, and hears what comes back to its own port.

    It joins nothing unless told to, and drops what cannot be the answer of one host: see `dropped`.

    :param heard: called with each datagram that may be an answer.
    """

    noisy = False

    def __init__(self, reactor: Any, target: Target, heard: Heard) -> None:
        self.dropped: dict[Drop, int] = {}
        """Datagrams that came back and were no answers, by cause."""
        self.target = target
        self._reactor = reactor
        self._seconds = clock_of(reactor).seconds
        self._heard = heard
        self._port: Any = None
        # Nothing is sent to a source, so that none needs a limit.
        self._sources = SourceTables(self._asked_interfaces, own=tuple, max_rate=0)

    def open(self) -> None:
        """Open the port.

        :raises OSError: the system refuses.
        """
        settings = replace(self.target.settings, shared=False)
        if settings.receive_buffer is None:
            settings = replace(settings, receive_buffer=RECEIVE_BUFFER)
        self._port = listen_multicast(
            self._reactor,
            0,
            self,
            interface=self.target.source,
            ipv6=self.target.group.ipv6,
            settings=settings,
        )

    def join(self) -> None:
        """Receive the group too, on each interface, as far as it is sent to our own port.

        :raises OSError: the system refuses.
        """
        for interface in self.target.interfaces:
            self._port.join(self.target.group, interface.index)

    def send(self, data: bytes, interface: int) -> SendResult:
        """Send to the group by the interface with this index."""
        if self._port is None:
            return SendResult.CLOSED
        result: SendResult = self._port.send(
            data, (self.target.group.host, self.target.group.port), interface
        )
        return result

    def close(self) -> Deferred[None]:
        """Close the port, which may be closed already; fires when it is."""
        port, self._port = self._port, None
        return succeed(None) if port is None else maybeDeferred(port.stopListening)

    def datagram_arrived(self, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        """Take what came back; `GroupPort` calls this."""
        drop = self._refusal(address, arrival)
        if drop is None:
            self._heard(data, address, arrival)
        else:
            self.dropped[drop] = self.dropped.get(drop, 0) + 1

    def datagramReceived(self, datagram: bytes, addr: SocketAddress) -> None:
        # A stock port calls this; it does not tell the interface.
        self.datagram_arrived(datagram, addr, UNKNOWN_ARRIVAL)

    def _refusal(self, address: SocketAddress, arrival: Arrival) -> Drop | None:
        if address[1] == 0:
            return Drop.PORT
        table = self._sources.on(arrival.interface)
        table.turn(self._seconds())
        return table.admit(address[0].partition("%")[0], self.target.is_on_link_only)

    def _asked_interfaces(self, index: int) -> list[Interface]:
        """Return the interface asked that has this index, as it is now; all of them for any other index.

        What another host of ours sends comes by another interface at times, the loopback one among them.
        """
        chosen = {each.index for each in self.target.interfaces}
        wanted = {index} if index in chosen else chosen
        return [each for each in all_interfaces() if each.index in wanted]


def source_host(address: SocketAddress, zone: Callable[[int], str] = str) -> str:
    """Return the host of a socket address, with the zone of a link-local one.

    :param zone: makes the zone of its number.
    """
    return f"{address[0]}%{zone(address[3])}" if len(address) > 3 and address[3] else address[0]
