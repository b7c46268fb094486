"""A stock Twisted multicast port, made to join and send as a `GroupPort` does."""

from __future__ import annotations

import socket
from collections import Counter
from typing import Any

from twisted.internet import defer
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from mcast.neighbours import SocketAddress
from mcast.sockets.arrival import UNKNOWN_ARRIVAL, Arrival
from mcast.sockets.group import Group, check_source, parse_address
from mcast.sockets.interface import zone_index
from mcast.sockets.opening import outgoing_source
from mcast.sockets.options import Options
from mcast.sockets.sending import FailureLog, SendResult
from mcast.sockets.settings import PortSettings


class StockPort:
    """What ``reactor.listenMulticast`` returned, with the options of its socket set by us.

    The port stays Twisted's: it does not tell how a datagram arrived, cuts what is over its maxPacketSize,
    and cannot be bound to a group. Only the interface of a link-local IPv6 sender is known, by its scope.

    :param port: the port or, for its protocol, the transport.
    """

    _log = Logger()

    def __init__(self, port: Any, protocol: DatagramProtocol) -> None:
        self.port = port
        self.protocol = protocol
        self.reactor: Any = port.reactor
        self.counters: Counter[str] = Counter()
        """send_full, send_refused."""
        self.ipv6 = port.addressFamily == socket.AF_INET6
        self._options = Options(port.getHandle(), ipv6=self.ipv6)
        self._options.receive_only_joined()
        self._scopes: _ScopeReader | None = None
        if self.ipv6 and isinstance(getattr(port, "socket", None), (socket.socket, _ScopeReader)):
            port.socket = self._scopes = _ScopeReader(port.socket)
        self._outgoing = 0
        self._joined: set[tuple[str, int, str | None]] = set()
        self._failures = FailureLog(self.counters, self._log, ipv6=self.ipv6)

    def configure(self, settings: PortSettings, pinned: int = 0) -> None:
        """Set what a `GroupPort` is set to when it is opened.

        :param pinned: index of the only interface the port is used with; 0 for none.
        """
        self._options.set_hop_limit(settings.hop_limit)
        if settings.unicast_hop_limit is not None:
            self._options.set_unicast_hop_limit(settings.unicast_hop_limit)
        self._options.set_loopback(settings.loopback)
        if settings.receive_buffer is not None:
            self._options.set_receive_buffer(settings.receive_buffer)
        if pinned:
            self._set_outgoing(pinned)
            self._options.set_unicast_outgoing(pinned)

    def join(self, group: Group, interface: int, source: str | None = None) -> None:
        """Join on the interface with this index.

        :raises ValueError: a group of the other family, or what `check_source` refuses.
        :raises OSError: the system refuses.
        """
        if group.ipv6 is not self.ipv6:
            raise ValueError(f"{group.host}: not an IPv{6 if self.ipv6 else 4} group")
        self._options.join(group.address, interface, check_source(group, source))
        self._joined.add((group.host, interface, source))

    def leave(self, group: Group, interface: int, source: str | None = None) -> None:
        """Undo a `join`.

        :raises OSError: the system refuses.
        """
        self._joined.discard((group.host, interface, source))
        self._options.leave(group.address, interface, check_source(group, source))

    @property
    def scope(self) -> int:
        """The index of the interface that the last datagram came by, from a link-local sender; else 0."""
        return 0 if self._scopes is None else self._scopes.last

    def arrival(self) -> Arrival:
        """Return what can be told of the last datagram.

        That is the interface, when groups are joined on one only, or when the sender's address tells it
        (RFC 4007 §8).
        """
        if self.scope:
            return Arrival(self.scope, None, None)
        indexes = {interface for _, interface, _ in self._joined}
        return Arrival(indexes.pop(), None, None) if len(indexes) == 1 else UNKNOWN_ARRIVAL

    def send(self, data: bytes, address: SocketAddress, interface: int = 0) -> SendResult:
        """Send one datagram, and tell what became of it; a refusal is counted and logged once.

        :param interface: its index. A stock port cannot choose it for IPv4 unicast.
        """
        target, zone = parse_address(address[0])
        index = interface or zone_index(zone) or (address[3] if len(address) > 3 else 0)
        if target.is_multicast and index and index != self._outgoing:
            self._set_outgoing(index)
        scoped = target.version == 6 and index and (target.is_link_local or target.is_multicast)
        try:
            # Given a pair, Twisted looks for the scope in vain; four it hands on as they are.
            self.port.write(
                data, (str(target), address[1], 0, index) if scoped else (str(target), address[1])
            )
        except OSError as problem:
            self._failures.port = self.getHost().port
            return self._failures.send_failed(problem, index)
        return SendResult.SENT

    def _set_outgoing(self, index: int) -> None:
        self._options.set_outgoing(index, outgoing_source(index, self.ipv6))
        self._outgoing = index

    def getHandle(self) -> Any:
        """Return the socket."""
        return self.port.getHandle()

    def __repr__(self) -> str:
        return f"<StockPort of {self.port!r}>"

    def getHost(self) -> Any:
        """Return where the port is bound."""
        return self.port.getHost()

    def startListening(self) -> None:
        """Do nothing: the port listens already."""

    def stopListening(self) -> defer.Deferred[None]:
        """Close the port; fires when it is closed."""
        return defer.maybeDeferred(self.port.stopListening)


def check_stock_settings(settings: PortSettings) -> None:
    """Refuse what a stock port cannot do.

    :raises ValueError: naming the setting.
    """
    for name in ("arrivals", "sends_apart", "reports_full"):
        if getattr(settings, name):
            raise ValueError(
                f"{name}=True: not on this reactor or system: it needs file descriptors and recvmsg()"
            )


class _ScopeReader:
    """A socket of IPv6 that remembers the scope of the last sender; Twisted keeps host and port only.

    :param sock: the socket of a stock port.
    """

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self.last = 0

    def recvfrom(self, size: int) -> tuple[bytes, SocketAddress]:
        """Receive as the socket does."""
        data, address = self._sock.recvfrom(size)
        self.last = address[3]
        return data, address

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)
