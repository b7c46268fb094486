"""A UDP port for multicast on any reactor with file descriptors, in place of Twisted's MulticastPort."""

from __future__ import annotations

import errno
import socket
import sys
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address as IPv4

from twisted.internet import abstract, defer
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone, DNSLookupError, MessageLengthError
from twisted.internet.interfaces import (
    IListeningPort,
    ILoggingContext,
    IMulticastTransport,
    IReactorCore,
    IReactorFDSet,
    IReadDescriptor,
)
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mcast.neighbours import SocketAddress
from mcast.sockets.errors import AddressError, MembershipError
from mcast.sockets.further import FurtherSockets
from mcast.sockets.group import Group, parse_address
from mcast.sockets.interface import Interface, first_ipv4, interface_index, is_interface
from mcast.sockets.joins import Joins, Seat
from mcast.sockets.opening import PortSockets, open_sockets, outgoing_source
from mcast.sockets.options import Options
from mcast.sockets.reading import Reader
from mcast.sockets.routes import Routes
from mcast.sockets.sending import FailureLog, SendResult
from mcast.sockets.settings import DEFAULT_SETTINGS, Binding, PortSettings

_SENT = SendResult.SENT  # looked up once, since send() runs for each datagram


@implementer(IListeningPort, IMulticastTransport, IReadDescriptor, ILoggingContext)
class GroupPort:
    """A UDP socket that joins groups on the interfaces it is told, and is never closed by an error.

    Open it by `listen_multicast`. Where the protocol has a method ``datagram_arrived(data, address,
    arrival)`` it gets each datagram with its `Arrival`, and the address as the system gave it: for IPv6
    ``(host, port, flow, scope)``; bytes that it returns are sent back by the interface the datagram came
    from, the fastest way to answer. Any other protocol gets ``datagramReceived(data, (host, port))``, the
    host of a link-local sender with its scope (``fe80::1%2``), so that an answer can be sent there.

    Where the protocol is ``noisy`` the log says what Twisted's says when a port starts and ends.
    """

    disconnected = False
    _log = Logger()

    def __init__(
        self,
        reactor: IReactorFDSet,
        protocol: DatagramProtocol,
        binding: Binding,
        settings: PortSettings = DEFAULT_SETTINGS,
    ) -> None:
        self.reactor = reactor
        self.protocol = protocol
        self.binding = binding
        self.ipv6 = binding.ipv6
        self.addressFamily = socket.AF_INET6 if binding.ipv6 else socket.AF_INET
        self.peer: SocketAddress | None = None
        """Host and port that it is connected to."""
        self.counters: Counter[str] = Counter()
        """received, truncated, not_joined, read_errors, protocol_errors, send_full, send_refused."""
        self._port = binding.port
        self.settings = settings
        self._hop_limit = settings.hop_limit
        self._loopback = settings.loopback
        self._broadcast = False
        self._sockets: PortSockets | None = None
        self._sender: socket.socket | None = None
        self._outgoing = binding.pinned  # what the sockets are set to
        self._outgoing_address = ""
        self._failures = FailureLog(self.counters, self._log, ipv6=self.ipv6)
        self._log_prefix = ""
        self._stopping = False
        self._waiting: list[defer.Deferred[None]] = []

    def __repr__(self) -> str:
        return f"<GroupPort {self._port} for {self.protocol!r}>"

    # Opening and closing

    def startListening(self) -> None:
        """Open and bind the socket, and start reading.

        :raises ListenError: what is wrong with the port or address, in one line; and whatever the protocol
            raises when it starts, the socket being closed then.
        """
        sockets = self._open_sockets()
        self._sockets, self._sender = sockets, sockets.sender
        self._port = self._failures.port = sockets.receiver.getsockname()[1]
        self._options = Options(sockets.receiver, ipv6=self.ipv6)
        self._routes = Routes(
            self._options, ipv6=self.ipv6, pinned=sockets.pinned, source=_bound_address(self.binding)
        )
        seat = Seat(self._options)
        self._further = FurtherSockets(self, sockets, self._failures)
        self._joins = Joins(seat, self._open_further, self._routes, ipv6=self.ipv6)
        name = self._name_in_log()
        self._say(f"{name} starting on {self._port}", "{name} starting on {port}")
        # Made once, as in Twisted's ports: the reactor asks for both in each turn, where each takes 4 µs.
        self._log_prefix = f"{name} (UDP)"
        self.fileno = sockets.receiver.fileno  # type: ignore[method-assign]
        try:
            self._reader = Reader(self, sockets, seat, self._failures, self)
            self.protocol.makeConnection(self)
        except BaseException:
            # Not started, so it is not stopped either; but it may be given to another port.
            self.protocol.transport = None
            self._close()
            raise
        if not self._stopping:
            self.reactor.addReader(self)

    def _open_sockets(self) -> PortSockets:
        """Open the sockets; a test overrides this to have some that fail."""
        return open_sockets(self.binding, self.settings)

    def stopListening(self) -> defer.Deferred[None]:
        """Leave every group and close the socket; fires when the protocol has been told."""
        if self.disconnected:
            return defer.succeed(None)
        if not self._stopping:
            self._stopping = self._reader.stopped = True
            self._further.stop()
            self.reactor.removeReader(self)
            # Not at once: a port may be stopped from within its own datagram_arrived.
            self.reactor.callLater(0, self.connectionLost)  # type: ignore[attr-defined]
        stopped: defer.Deferred[None] = defer.Deferred()
        self._waiting.append(stopped)
        return stopped

    loseConnection = stopListening

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Close the socket. Called by us, and by the reactor when it shuts down."""
        if self.disconnected:
            return
        if reason is not None and reason.check(ConnectionDone) and self._sockets is not None:
            self._reader.take_errors()
            return
        self._say(f"(UDP Port {self._port} Closed)", "(UDP Port {port} Closed)")
        self._close()
        self.protocol.doStop()
        waiting, self._waiting = self._waiting, []
        for stopped in waiting:
            stopped.callback(None)

    def _close(self) -> None:
        self.disconnected = self._stopping = True
        self.reactor.removeReader(self)
        if self._sockets is not None:
            self._reader.stopped = True
            self._further.close()
            self._sockets.close()
        self._sockets = self._sender = None

    def _say(self, text: str, log_format: str) -> None:
        """Log what Twisted's ports log; one that reads the old events finds the same there, too."""
        if getattr(self.protocol, "noisy", True):
            self._log.info(log_format, name=self._name_in_log(), port=self._port, message=(text,))

    def _name_in_log(self) -> str:
        if ILoggingContext.providedBy(self.protocol):
            return str(self.protocol.logPrefix())
        return type(self.protocol).__name__

    # What the reactor asks

    def fileno(self) -> int:
        """Return the descriptor of the receiving socket, -1 when closed."""
        return -1 if self._sockets is None else self._sockets.receiver.fileno()

    def logPrefix(self) -> str:
        return self._log_prefix

    def getHost(self) -> IPv4Address | IPv6Address:
        """Return where the receiving socket is bound."""
        name = self._require_socket().getsockname()
        if self.ipv6:
            return IPv6Address("UDP", name[0], name[1], 0, name[3])
        return IPv4Address("UDP", *name)

    def getHandle(self) -> socket.socket | None:
        """Return the receiving socket."""
        return None if self._sockets is None else self._sockets.receiver

    @property
    def _realPortNumber(self) -> int | None:
        """The bound port, None when closed; by this name Twisted's own tests ask a port for it."""
        return None if self._sockets is None else self._port

    # Receiving

    def doRead(self) -> None:
        """Deliver what has arrived, at most `READ_BATCH` datagrams."""
        if self._sockets is not None:
            self._reader.read()

    # Sending

    def send(self, data: bytes, address: SocketAddress, interface: int = 0) -> SendResult:
        """Send one datagram, by the interface with this index where one is given.

        :param address: (host, port) or what a datagram came from; the host may have a zone.
        :returns: `SendResult.SENT`, or why the system refused it: a full buffer, no route, a datagram too
            large. A refusal is counted, and logged once for each interface and cause; the port stays open.
        :raises AddressError: no address of this family.
        :raises ValueError: an unknown zone, a group of scope 0, or a group that needs an interface and got
            none on a host with several.
        """
        sock = self._require_sender()
        target, ancillary, outgoing = self._routes.find(address, interface)
        try:
            if outgoing is not None and outgoing != self._outgoing:
                self._set_outgoing(outgoing)
            if ancillary is None:
                sock.sendto(data, target)
            else:
                if sys.platform == "win32":
                    raise NotImplementedError("Windows has no sendmsg()")
                sock.sendmsg((data,), ancillary, 0, target)
        except OSError as problem:
            scope = target[3] if len(target) > 2 else 0
            return self._refused(problem, interface or scope or self._routes.outgoing)
        return _SENT

    def _refused(self, problem: OSError, interface: int) -> SendResult:
        if problem.errno == errno.ECONNREFUSED and self.peer is not None:
            self.protocol.connectionRefused()
        return self._failures.send_failed(problem, interface)

    def write(self, datagram: bytes, addr: SocketAddress | None = None) -> None:
        """Send as `send` does, by the outgoing interface that was set.

        :param addr: may be None where the port is connected.
        :raises AddressError: no address of this family; a host name is none.
        :raises ValueError: as `send` does, and for no address where the port is not connected.
        :raises MessageLengthError: it is larger than UDP, or the interface, carries.
        """
        if addr is not None:
            result = self.send(datagram, addr)
        elif self.peer is None:
            raise ValueError("no address to send to: the port is not connected")
        else:
            result = self._send_to_peer(datagram)
        if result is SendResult.TOO_LARGE:
            raise MessageLengthError("message too long")

    def _send_to_peer(self, datagram: bytes) -> SendResult:
        try:
            self._require_socket().send(datagram)
        except OSError as problem:
            return self._refused(problem, self._routes.outgoing)
        return _SENT

    def writeSequence(self, seq: list[bytes], addr: SocketAddress | None = None) -> None:
        """Send the parts as one datagram."""
        self.write(b"".join(seq), addr)

    # Membership

    def join(
        self, group: Group | str, interface: Interface | int | str = 0, source: str | None = None
    ) -> None:
        """Join a group on an interface, given as it is or by index, name or address.

        :param source: receive from this source only; repeat with others for more (RFC 4607).
        :raises ValueError: no group of this family, an unknown interface, a link-local group without
            an interface on a host with several links (RFC 4007 §6), a source-specific group without
            source (RFC 4604 §2.2), a source of the other family.
        :raises MembershipError: the system refused. That one socket has no room for more is no reason: the
            port takes a further one, where a socket can be bound to a group.
        """
        self._joins.join(self._group(group), interface, source)
        self._forget()

    def leave(
        self, group: Group | str, interface: Interface | int | str = 0, source: str | None = None
    ) -> None:
        """Undo one `join`, with the same arguments.

        :raises ValueError: as `join` does.
        :raises MembershipError: it was not joined.
        """
        self._forget()
        self._joins.leave(self._group(group), interface, source)

    def _forget(self) -> None:
        self._reader.forget()
        self._further.forget()

    def forget_ways(self) -> None:
        """Ask the protocol anew for the `Way` of each kind of arrival."""
        if self._sockets is not None:
            self._forget()

    def _open_further(self, group: Group, interface: int) -> Seat:
        if self.ipv6:
            self._reader.ask()  # or it would take what a further socket has joined, see `Seat.covers`
        return self._further.open(group, interface)

    @property
    def memberships(self) -> tuple[tuple[str, int, str | None], ...]:
        """What is joined: group, interface index, source or None."""
        return () if self._sockets is None else self._joins.memberships

    def _group(self, group: Group | str) -> Group:
        self._require_socket()
        if isinstance(group, Group):
            return group
        address, zone = parse_address(group)
        return Group(address, self._port, zone)

    def joinGroup(
        self, addr: Group | str, interface: Interface | int | str = "", source: str | None = None
    ) -> defer.Deferred[None]:
        """Join as `join` does; fires with None, or fails with a `MembershipError` whatever the cause."""
        return defer.execute(self._change_membership, self.join, addr, interface, source)

    def leaveGroup(
        self, addr: Group | str, interface: Interface | int | str = "", source: str | None = None
    ) -> defer.Deferred[None]:
        """Leave as `leave` does; fires with None, or fails with a `MembershipError` whatever the cause."""
        return defer.execute(self._change_membership, self.leave, addr, interface, source)

    def _change_membership(
        self,
        change: Callable[[Group | str, Interface | int | str, str | None], None],
        group: Group | str,
        interface: Interface | int | str,
        source: str | None,
    ) -> None:
        try:
            refused = abstract.isIPAddress if self.ipv6 else abstract.isIPv6Address
            if isinstance(interface, str) and refused(interface):
                raise AddressError(
                    interface, f"interface {interface}: not an IPv{6 if self.ipv6 else 4} address"
                )
            change(group, interface, source)
        except ValueError as problem:
            raise MembershipError(errno.EINVAL, str(problem)) from None

    # Settings

    def getOutgoingInterface(self) -> str | int:
        """Return the interface for multicast that names none: for IPv4 an address of it, for IPv6 its index.

        "0.0.0.0" or 0 says that the system chooses.
        """
        if self.ipv6:
            return self._routes.outgoing
        return self._outgoing_address or first_ipv4(self._routes.outgoing)

    def setOutgoingInterface(self, addr: Interface | int | str) -> defer.Deferred[int]:
        """Choose the interface for multicast that names none; fires with its index.

        :param addr: the interface, or its index, name or address; or, for IPv4, a host name, which is
            looked up.
        """
        return defer.Deferred.fromCoroutine(self._choose_outgoing(addr))

    async def _choose_outgoing(self, interface: Interface | int | str) -> int:
        if isinstance(interface, str) and not self.ipv6 and not is_interface(interface):
            interface = await self._look_up(interface)
        index = interface_index(interface)
        self._set_outgoing(index)
        self._routes.outgoing = index
        is_address = isinstance(interface, str) and abstract.isIPAddress(interface)
        self._outgoing_address = str(interface) if is_address else ""
        return index

    async def _look_up(self, host: str) -> str:
        """Return the address of a host name; what has none as it is."""
        try:
            return str(await IReactorCore(self.reactor).resolve(host))
        except (DNSLookupError, TypeError):  # TypeError: the reactor looks up nothing
            return host

    def _set_outgoing(self, index: int) -> None:
        source = outgoing_source(index, self.ipv6)
        for options in self._all_options():
            options.set_outgoing(index, source)
        self._outgoing = index

    def getLoopbackMode(self) -> bool:
        """Tell whether members on this host hear what we send."""
        return self._loopback

    def setLoopbackMode(self, mode: bool) -> None:
        for options in self._all_options():
            options.set_loopback(mode)
        self._loopback = bool(mode)  # whoever keeps to Twisted's interface gives 0 or 1

    def getTTL(self) -> int:
        """Return TTL or hop limit of multicast sent."""
        return self._hop_limit

    def setTTL(self, ttl: int) -> None:
        """Set TTL or hop limit of multicast sent.

        :raises ValueError: outside 0-255.
        """
        for options in self._all_options():
            options.set_hop_limit(ttl)
        self._hop_limit = ttl

    def setBroadcastAllowed(self, enabled: bool) -> None:
        for options in self._all_options():
            options.set_broadcast(enabled)
        self._broadcast = enabled

    def getBroadcastAllowed(self) -> bool:
        return self._broadcast

    def connect(self, host: str, port: int) -> None:
        """Send to, and receive from, one address only.

        :raises AddressError: no address of this family.
        :raises RuntimeError: it is connected already.
        """
        if self.peer is not None:
            raise RuntimeError(f"already connected to {self.peer[0]}; a port is connected once")
        self._require_socket().connect(self._routes.find((host, port), 0).target)
        self.peer = (host, port)

    def _all_options(self) -> list[Options]:
        if self._sockets is None:
            return []
        each = dict.fromkeys((self._sockets.receiver, self._sockets.sender))
        return [Options(sock, ipv6=self.ipv6) for sock in each]

    def _require_socket(self) -> socket.socket:
        return self._require(self.getHandle())

    def _require_sender(self) -> socket.socket:
        return self._require(self._sender)

    def _require(self, sock: socket.socket | None) -> socket.socket:
        if sock is None:
            raise OSError(errno.EBADF, f"UDP port {self._port} is closed")
        return sock


def _bound_address(binding: Binding) -> IPv4 | None:
    """Return the address that an IPv4 socket sends from, where it is bound to one."""
    if binding.ipv6 or binding.group is not None or not binding.address:
        return None
    return IPv4(binding.address)
