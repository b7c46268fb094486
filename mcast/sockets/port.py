"""A UDP port for multicast on any reactor with file descriptors, in place of Twisted's MulticastPort."""

from __future__ import annotations

import errno
import os
import socket
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address as IPv4

from twisted.internet import defer
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IListeningPort,
    ILoggingContext,
    IMulticastTransport,
    IReactorFDSet,
    IReadDescriptor,
)
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mcast.neighbours import SocketAddress
from mcast.sockets.arrival import UNKNOWN_ARRIVAL, Arrival
from mcast.sockets.group import MAX_PORT, Group, parse_address
from mcast.sockets.interface import Interface, interface_index, loopback_source, zone_index
from mcast.sockets.joins import Joins, MembershipError
from mcast.sockets.options import Options, check_hops
from mcast.sockets.routes import Routes
from mcast.sockets.sending import FailureLog, SendResult

__all__ = ["MAX_DATAGRAM", "READ_BATCH", "GroupPort", "MembershipError"]

MAX_DATAGRAM = 65535
"""Octets of the largest datagram read whole by default; UDP over IPv4 carries 65507 (RFC 768, RFC 791)."""

READ_BATCH = 256
"""Datagrams read at most before the reactor gets its turn. Our choice: at 10 µs each, timers wait some ms."""

MAX_ARRIVALS = 1024
"""Different arrivals remembered. Our choice: some 200 kB at most."""

MAX_READ_ERRORS = 16
"""Errors in a row after which reading rests for `READ_PAUSE`, so that a broken socket makes no busy loop."""

READ_PAUSE = 1.0
"""Seconds that reading rests. Our choice."""

_SENT = SendResult.SENT  # looked up once, since send() runs for each datagram
_ANCILLARY_SIZE = 256  # octets; four control messages of 12 to 28 octets with their headers


@implementer(IListeningPort, IMulticastTransport, IReadDescriptor, ILoggingContext)
class GroupPort:
    """A UDP socket that joins groups on the interfaces it is told, and is never closed by an error.

    Open it by `listen_multicast`. Where the protocol has a method ``datagram_arrived(data, address,
    arrival)`` it gets each datagram with its `Arrival`, and the address as the system gave it: for IPv6
    ``(host, port, flow, scope)``; bytes that it returns are sent back by the interface the datagram came
    from, the fastest way to answer. Any other protocol gets ``datagramReceived(data, (host, port))``, the
    host of a link-local sender with its scope (``fe80::1%2``), so that an answer finds the way back.

    :param group: bind to this group's address, so that nothing else is received. What is sent comes from
        the group's port by a second socket, and never from the group's address (RFC 1112 §6.2).
    :param pinned: index of the only interface this port is used with. Arrivals then need no ancillary
        data from the system, and what is sent leaves there.
    :param arrivals: ask the system how each datagram arrived, which takes a good part of the receive
        rate; None for "where it is not known otherwise".
    :param hop_limit: of multicast sent, 0-255.
    :param unicast_hop_limit: of unicast sent; None for the system's default.
    :param shared: let other sockets bind the same port.
    :param sends_apart: where ``group`` is given, send from another port than the group's, which the system
        chooses: two programs on one host can then be told apart.
    :param reports_full: refuse what does not fit into the queue of the interface, which Linux drops without
        a word otherwise; for ports that send to groups only.
    :raises ValueError: a port or hop limit out of range.
    """

    disconnected = False
    _log = Logger()

    def __init__(
        self,
        reactor: IReactorFDSet,
        port: int,
        protocol: DatagramProtocol,
        *,
        ipv6: bool,
        interface: str = "",
        group: Group | None = None,
        pinned: int = 0,
        arrivals: bool | None = None,
        max_packet_size: int = MAX_DATAGRAM,
        hop_limit: int = 1,
        unicast_hop_limit: int | None = None,
        loopback: bool = True,
        receive_buffer: int | None = None,
        shared: bool = True,
        sends_apart: bool = False,
        reports_full: bool = False,
    ) -> None:
        if not 0 <= port <= MAX_PORT:
            raise ValueError(f"port {port}: outside 0-{MAX_PORT}")
        check_hops(hop_limit)
        if unicast_hop_limit is not None:
            check_hops(unicast_hop_limit)
        self.reactor = reactor
        self.protocol = protocol
        self.ipv6 = ipv6
        self.group = group
        self.counters: Counter[str] = Counter()
        """received, truncated, not_joined, read_errors, protocol_errors, send_full, send_refused."""
        self._port = port
        self._interface = interface
        self._pinned = pinned
        self._arrivals = arrivals
        self._max_packet_size = max_packet_size
        self._hop_limit = hop_limit
        self._unicast_hop_limit = unicast_hop_limit
        self._loopback = loopback
        self._receive_buffer = receive_buffer
        self._shared = shared
        self._sends_apart = sends_apart
        self._reports_full = reports_full
        self._broadcast = False
        self._connected = False
        self._socket: socket.socket | None = None
        self._sender: socket.socket | None = None
        self._outgoing = pinned  # what the sockets are set to
        self._seen: dict[tuple[tuple[int, int, bytes], ...], Arrival | None] = {}
        self._failures = FailureLog(self.counters, self._log)
        self._read_errors = 0
        self._deliver: Callable[[bytes, SocketAddress, Arrival], bytes | None] = self._deliver_plainly
        self._stopping = False
        self._waiting: list[defer.Deferred[None]] = []

    def __repr__(self) -> str:
        return f"<GroupPort {self._port} for {self.protocol!r}>"

    # Opening and closing

    def startListening(self) -> None:
        """Open and bind the socket, and start reading.

        :raises OSError: what is wrong with the port or address, in one line; and whatever the protocol
            raises when it starts, the socket being closed then.
        """
        sock = self._open()
        try:
            self._bind(sock)
        except BaseException:
            sock.close()
            raise
        self._socket = sock
        self._options = Options(sock, ipv6=self.ipv6)
        source = None if self.ipv6 or self.group is not None or not self._interface else IPv4(self._interface)
        self._routes = Routes(self._options, ipv6=self.ipv6, pinned=self._pinned, source=source)
        self._joins = Joins(self._options, self._routes, ipv6=self.ipv6)
        self._port = sock.getsockname()[1]
        arrived = getattr(self.protocol, "datagram_arrived", None)
        self._deliver = self._deliver_plainly if arrived is None else arrived
        if self._arrivals is None:
            self._arrivals = not self._pinned and arrived is not None
        if self._arrivals:
            self._options.receive_arrival()
        try:
            # Here and not with the first answer, when a lack of descriptors would come too late.
            self._sender = self._open_sender(sock)
            self.protocol.makeConnection(self)
        except BaseException:
            # Not started, so it is not stopped either; but it may be given to another port.
            self.protocol.transport = None
            self._close()
            raise
        if not self._stopping:
            self.reactor.addReader(self)

    def _open(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if self.ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            options = Options(sock, ipv6=self.ipv6)
            if self.ipv6:
                options.set_v6only()
            options.receive_only_joined()
            options.set_hop_limit(self._hop_limit)
            if self._unicast_hop_limit is not None:
                options.set_unicast_hop_limit(self._unicast_hop_limit)
            options.set_loopback(self._loopback)
            if self._reports_full:
                options.report_full()
            if self._outgoing:
                options.set_outgoing(self._outgoing, self._source_on(self._outgoing))
            if self._pinned:
                options.set_unicast_outgoing(self._pinned)
        except BaseException:
            sock.close()
            raise
        return sock

    def _bind(self, sock: socket.socket) -> None:
        options = Options(sock, ipv6=self.ipv6)
        if self._shared:
            options.share_port()
        if self._receive_buffer is not None:
            options.set_receive_buffer(self._receive_buffer)
        address: SocketAddress
        if self.group is not None and options.binds_groups:
            address = (self.group.host, self._port)
            scope = self._pinned or zone_index(self.group.zone)
            if self.ipv6 and self.group.requires_interface:
                address = (*address, 0, scope)
            elif self.ipv6 and self._pinned and not options.bind_to_interface(self._pinned):
                # Linux looks at the group only when it chooses the sockets for an IPv6 datagram: without
                # a bound interface, a membership of another socket would let other links in.
                self._arrivals, self._pinned = True, 0
        else:
            host, _, zone = self._interface.partition("%")
            address = (host or ("::" if self.ipv6 else ""), self._port)
            if zone:
                address = (*address, 0, zone_index(zone))
        try:
            sock.bind(address)
        except OSError as problem:
            cause = problem.strerror
            if problem.errno == errno.EADDRINUSE:
                cause = "already in use by a socket that does not share it"
            raise OSError(
                problem.errno, f"UDP port {self._port} on {address[0] or '0.0.0.0'}: {cause}"
            ) from None

    def stopListening(self) -> defer.Deferred[None]:
        """Leave every group and close the socket; fires when the protocol has been told."""
        if self.disconnected:
            return defer.succeed(None)
        if not self._stopping:
            self._stopping = True
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
        if reason is not None and reason.check(ConnectionDone) and self._socket is not None:
            self._take_errors(self._socket)
            return
        self._close()
        self.protocol.doStop()
        waiting, self._waiting = self._waiting, []
        for stopped in waiting:
            stopped.callback(None)

    def _close(self) -> None:
        self.disconnected = self._stopping = True
        self.reactor.removeReader(self)
        for sock in (self._socket, self._sender):
            if sock is not None:
                sock.close()
        self._socket = self._sender = None

    # What the reactor asks

    def fileno(self) -> int:
        """Return the descriptor of the receiving socket, -1 when closed."""
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        return f"{self.protocol.__class__.__name__} (UDP)"

    def getHost(self) -> IPv4Address | IPv6Address:
        """Return where the receiving socket is bound."""
        name = self._require_socket().getsockname()
        if self.ipv6:
            return IPv6Address("UDP", name[0], name[1], 0, name[3])
        return IPv4Address("UDP", *name)

    def getHandle(self) -> socket.socket | None:
        """Return the receiving socket."""
        return self._socket

    # Receiving

    def doRead(self) -> None:
        """Deliver what has arrived, at most `READ_BATCH` datagrams."""
        if self._socket is None:
            return
        received = 0
        try:
            if self._arrivals:
                received = self._read_with_arrivals(self._socket)
            else:
                received = self._read_plainly(self._socket)
        except OSError as problem:
            self._read_failed(problem)
        if received:
            self._read_errors = 0
            self.counters["received"] += received

    def _read_plainly(self, sock: socket.socket) -> int:
        receive = sock.recvfrom
        deliver = self._deliver
        limit = self._max_packet_size
        size = limit + 1  # one octet more than wanted shows that a datagram was cut, on every system
        arrival = self._pinned_arrival()
        # A pinned port has nothing to choose, so what it sends back goes straight to the socket.
        answer = self._require_sender().sendto if self._pinned else None
        count = 0
        for count in range(READ_BATCH):
            try:
                data, address = receive(size)
            except BlockingIOError:
                return count
            except OSError as problem:
                self._read_failed(problem)
                return count
            if len(data) > limit:
                self.counters["truncated"] += 1
                continue
            try:
                reply = deliver(data, address, arrival)
            except Exception:
                self._protocol_failed()
                continue
            if reply is not None:
                if answer is None:
                    self.send(reply, address, arrival.interface)
                else:
                    try:
                        answer(reply, address)
                    except OSError as problem:
                        self._send_failed(problem, self._pinned)
            if self._stopping:
                break
        return count + 1

    def _read_with_arrivals(self, sock: socket.socket) -> int:
        receive = sock.recvmsg
        deliver = self._deliver
        limit = self._max_packet_size
        size = limit + 1
        seen = self._seen
        count = 0
        for count in range(READ_BATCH):
            try:
                data, ancillary, _, address = receive(size, _ANCILLARY_SIZE)
            except BlockingIOError:
                return count
            except OSError as problem:
                self._read_failed(problem)
                return count
            if len(data) > limit:
                self.counters["truncated"] += 1
                continue
            # Few different ones come in millions of datagrams: taken apart once.
            key = tuple(ancillary)
            try:
                arrival = seen[key]
            except KeyError:
                arrival = self._arrival(key)
            if arrival is None:
                self.counters["not_joined"] += 1
                continue
            try:
                reply = deliver(data, address, arrival)
            except Exception:
                self._protocol_failed()
                continue
            if reply is not None:
                self.send(reply, address, arrival.interface)
            if self._stopping:
                break
        return count + 1

    def _pinned_arrival(self) -> Arrival:
        if not self._pinned:
            return UNKNOWN_ARRIVAL
        bound = self.group if self._options.binds_groups else None
        return Arrival(self._pinned, None if bound is None else bound.host, None)

    def _arrival(self, key: tuple[tuple[int, int, bytes], ...]) -> Arrival | None:
        arrival: Arrival | None = Arrival(*self._options.read_arrival(key))
        assert arrival is not None
        if not self._joins.covers(arrival):
            arrival = None
        if len(self._seen) >= MAX_ARRIVALS:
            self._seen.clear()
        self._seen[key] = arrival
        return arrival

    def _deliver_plainly(self, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        host, port = address[0], address[1]
        if len(address) > 2 and address[3]:
            host = f"{host}%{address[3]}"
        self.protocol.datagramReceived(data, (host, port))

    def _protocol_failed(self) -> None:
        self.counters["protocol_errors"] += 1
        self._log.failure("{protocol!r} failed on a datagram", protocol=self.protocol)

    def _read_failed(self, problem: OSError) -> None:
        if self._socket is None or problem.errno in (errno.EINTR, errno.EAGAIN):
            return
        if problem.errno == errno.ECONNREFUSED:
            # An earlier datagram met a closed port; only a connected socket is told.
            self.protocol.connectionRefused()
            return
        if problem.errno == errno.EMSGSIZE or getattr(problem, "winerror", None) == 10040:
            self.counters["truncated"] += 1
            return
        self.counters["read_errors"] += 1
        self._read_errors += 1
        self._failures.note(problem, "receive", self._port, 0)
        if self._read_errors >= MAX_READ_ERRORS:
            self._read_errors = 0
            self.reactor.removeReader(self)
            self.reactor.callLater(READ_PAUSE, self._resume)  # type: ignore[attr-defined]

    def _take_errors(self, sock: socket.socket) -> None:
        """Read what is wrong with the socket, in which the epoll and poll reactors see its end."""
        self.reactor.addReader(self)
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self._read_failed(OSError(number, os.strerror(number)))
        if self._reports_full:
            for _ in range(READ_BATCH):
                try:
                    sock.recvmsg(1, _ANCILLARY_SIZE, socket.MSG_ERRQUEUE)
                except OSError:
                    return

    def _resume(self) -> None:
        if self._socket is not None and not self._stopping:
            self.reactor.addReader(self)

    # Sending

    def send(self, data: bytes, address: SocketAddress, interface: int = 0) -> SendResult:
        """Send one datagram, by the interface with this index where one is given.

        :param address: (host, port) or what a datagram came from; the host may have a zone.
        :returns: `SendResult.SENT`, or why the system refused it: a full buffer, no route, a datagram too
            large. That is counted, and logged once for each interface and cause; the port goes on.
        :raises ValueError: no address of this family, an unknown zone, a group of scope 0, or a
            group that needs an interface and got none on a host with several.
        """
        sock = self._require_sender()
        target, ancillary, outgoing = self._routes.find(address, interface)
        try:
            if outgoing is not None and outgoing != self._outgoing:
                self._set_outgoing(outgoing)
            if ancillary is None:
                sock.sendto(data, target)
            else:
                sock.sendmsg((data,), ancillary, 0, target)
        except OSError as problem:
            scope = target[3] if len(target) > 2 else 0
            return self._send_failed(problem, interface or scope or self._routes.outgoing)
        return _SENT

    def write(self, datagram: bytes, addr: SocketAddress | None = None) -> None:
        """Send as `send` does, by the outgoing interface that was set; None where connected."""
        if addr is None:
            if not self._connected:
                raise ValueError("no address to send to: the port is not connected")
            try:
                self._require_socket().send(datagram)
            except OSError as problem:
                self._send_failed(problem, self._routes.outgoing)
            return
        self.send(datagram, addr)

    def writeSequence(self, seq: list[bytes], addr: SocketAddress | None = None) -> None:
        """Send the parts as one datagram."""
        self.write(b"".join(seq), addr)

    def _open_sender(self, own: socket.socket) -> socket.socket:
        if self.group is None:
            return own
        # A second socket on Linux too, where the first could send: the reactor watches the first, and the
        # kernel would wake it for each datagram that has left, which takes a tenth of the rate of an echo.
        sock = self._open()
        try:
            options = Options(sock, ipv6=self.ipv6)
            # Nobody reads it: let a stranger fill no more than the system's minimum.
            options.set_receive_buffer(0)
            if self._sends_apart:
                sock.bind(("::" if self.ipv6 else "", 0))
                return sock
            # From the group's port: there a firewall, or a connected socket, expects an answer to come from.
            options.share_port()
            sock.bind(own.getsockname() if options.group_sends else ("::" if self.ipv6 else "", self._port))
        except BaseException:
            sock.close()
            raise
        return sock

    def _send_failed(self, problem: OSError, interface: int) -> SendResult:
        return self._failures.send_failed(problem, self._port, interface)

    # Membership

    def join(
        self, group: Group | str, interface: Interface | int | str = 0, source: str | None = None
    ) -> None:
        """Join a group on an interface, given as it is or by index, name or address.

        :param source: receive from this source only; repeat with others for more (RFC 4607).
        :raises ValueError: no group of this family, an unknown interface, a link-local group without
            an interface on a host with several links (RFC 4007 §6), a source-specific group without
            source (RFC 4604 §2.2), a source of the other family.
        :raises MembershipError: the system refused.
        """
        self._joins.join(self._group(group), interface, source)
        self._seen.clear()

    def leave(
        self, group: Group | str, interface: Interface | int | str = 0, source: str | None = None
    ) -> None:
        """Undo one `join`, with the same arguments.

        :raises ValueError: as `join` does.
        :raises MembershipError: it was not joined.
        """
        self._seen.clear()
        self._joins.leave(self._group(group), interface, source)

    @property
    def memberships(self) -> tuple[tuple[str, int, str | None], ...]:
        """What is joined: group, interface index, source or None."""
        return () if self._socket is None else self._joins.memberships

    def _group(self, group: Group | str) -> Group:
        self._require_socket()
        if isinstance(group, Group):
            return group
        address, zone = parse_address(group)
        return Group(address, self._port, zone)

    def joinGroup(
        self, addr: Group | str, interface: Interface | int | str = "", source: str | None = None
    ) -> defer.Deferred[None]:
        """Join as `join` does; fires with None, or fails with what that raises."""
        return defer.execute(self.join, addr, interface, source)

    def leaveGroup(
        self, addr: Group | str, interface: Interface | int | str = "", source: str | None = None
    ) -> defer.Deferred[None]:
        """Leave as `leave` does; fires with None, or fails with what that raises."""
        return defer.execute(self.leave, addr, interface, source)

    # Settings

    def getOutgoingInterface(self) -> int:
        """Return the index of the interface for multicast that names none; 0: the system chooses."""
        return self._routes.outgoing

    def setOutgoingInterface(self, addr: Interface | int | str) -> defer.Deferred[int]:
        """Choose the interface for multicast that names none; fires with its index."""
        return defer.execute(self._choose_outgoing, addr)

    def _choose_outgoing(self, interface: Interface | int | str) -> int:
        index = interface_index(interface)
        self._set_outgoing(index)
        self._routes.outgoing = index
        return index

    def _set_outgoing(self, index: int) -> None:
        source = self._source_on(index)
        for options in self._all_options():
            options.set_outgoing(index, source)
        self._outgoing = index

    def _source_on(self, index: int) -> IPv4 | None:
        return None if self.ipv6 or not index else loopback_source(index)

    def getLoopbackMode(self) -> bool:
        """Tell whether members on this host hear what we send."""
        return self._loopback

    def setLoopbackMode(self, mode: bool) -> None:
        for options in self._all_options():
            options.set_loopback(mode)
        self._loopback = mode

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

        :raises ValueError: no address of this family.
        """
        self._require_socket().connect(self._routes.find((host, port), 0).target)
        self._connected = True

    def _all_options(self) -> list[Options]:
        return [Options(each, ipv6=self.ipv6) for each in (self._socket, self._sender) if each is not None]

    def _require_socket(self) -> socket.socket:
        return self._require(self._socket)

    def _require_sender(self) -> socket.socket:
        return self._require(self._sender)

    def _require(self, sock: socket.socket | None) -> socket.socket:
        if sock is None:
            raise OSError(errno.EBADF, f"UDP port {self._port} is closed")
        return sock
