"""Queries by UDP: one that was answered a moment ago is answered again in a few microseconds."""

from __future__ import annotations

import errno
import socket
import sys
from collections import Counter
from ipaddress import ip_address
from typing import Any, Final

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IDelayedCall, IReactorFDSet
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.udp import Port
from twisted.logger import Logger

from mcast.clock import clock_of
from mcast.neighbours import SocketAddress, may_be_host
from mcast.proxy.answering import Answerer, Prepared
from mcast.proxy.listening import ipv6_only
from mcast.proxy.shares import Shares
from mcast.rate_limit import RateLimit
from mcast.sockets.listen import HAS_ANCILLARY_DATA
from mcast.sockets.options import AncillaryData, Options
from mcast.unicast.clients import Clients

READ_BATCH = 256
"""Datagrams that are read before others have their turn. Our choice: some milliseconds of work."""

READ_SLICE = 0.005
"""Seconds of reading after which others have their turn, however few were read: TCP, links, timers.

Our choice: a question that was not answered before costs a hundred times as much as one that was.
"""

READ_SIZE = 4096
"""Octets of a query. Our choice: more than a question and its options need; what is longer is cut, and is
malformed then."""

READ_BUFFER = 1 << 20
"""Octets that the system keeps for us while we are busy. Our choice: some thousand queries."""

WORK_SLICE = 0.005
"""Seconds of answering in a row. Our choice: as `READ_SLICE`; what comes meanwhile is read before the system
throws it away."""

UNPREPARED: Final[dict[bytes, Prepared]] = {}

_AGAIN: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR})


class DatagramServer:
    """Answers the queries that come by UDP, to whichever port.

    One that was answered a moment ago is answered as it is read. The others wait for what was read with them,
    and the sources take turns, so that a flood by some leaves time for all.

    :param max_rate: answers a second to one source; 0 for no limit. Who forges the source of a query has us
        send no more than that to anybody.
    """

    _log = Logger()

    def __init__(self, reactor: Any, answerer: Answerer, clients: Clients, max_rate: int) -> None:
        self.counters: Final[Counter[str]] = Counter()
        """What was received, and what was left unanswered, by cause."""
        self._answerer = answerer
        self._clients = clients
        self._known = clients.known
        self._ready = answerer.ready
        self._limit = RateLimit(max_rate)
        self._clock = clock_of(reactor)
        self._seconds = self._clock.seconds
        self._waiting: Shares[tuple[bytes, SocketAddress, Any]] = Shares()
        self._next: IDelayedCall | None = None

    def respond(self, datagram: bytes, source: SocketAddress, port: Any) -> bytes | None:
        """Return what goes back to the source at once; None when it goes back later, by `work`, or nothing.

        :param port: has ``write(octets, source)``, for what goes back later.
        """
        host = source[0]
        now = self._seconds()
        client = self._known.get(host)
        if client is None:
            client = self._clients.look(host)
        if not self._limit.allows(host, now):
            self.counters["queries beyond the rate"] += 1
            return None
        if client.is_allowed:
            key = datagram[2:]
            prepared = self._ready[client.realm].get(key)
            if prepared is not None and now >= prepared.valid_until:
                prepared = self._answerer.renewed(client.realm, key, prepared, now)
            if prepared is not None:
                self.counters["answered as prepared"] += 1
                return datagram[:2] + prepared.octets
        if source[1] == 0 or not _is_host(host):
            self.counters["unanswerable sources"] += 1
            return None
        if self._waiting.add(host, (datagram, source, port)):
            self.counters["queries"] += 1
        else:
            self.counters["queries beyond the share"] += 1
        return None

    def work(self) -> None:
        """Answer what waits, for a moment, and the rest in the next turns; called when all was read."""
        waiting = self._waiting
        if not waiting or self._next is not None:
            return
        until = self._seconds() + WORK_SLICE
        while waiting:
            self._answer(*waiting.take())
            if self._seconds() >= until:
                break
        if waiting:
            self._next = self._clock.callLater(0, self._go_on)

    def stop(self) -> None:
        """Answer nothing more."""
        self._waiting.clear()
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _go_on(self) -> None:
        self._next = None
        self.work()

    def _answer(self, datagram: bytes, source: SocketAddress, port: Any) -> None:
        def send(octets: bytes) -> None:
            if octets:
                port.write(octets, source)

        try:
            answer = self._answerer.answer(datagram, source[0], send, stream=False)
            if answer:
                send(answer)
        except Exception:
            self._log.failure("a query was not answered")


class QueryProtocol(DatagramProtocol):
    """The protocol of one UDP port."""

    noisy = False

    def __init__(self, server: DatagramServer) -> None:
        self._server = server

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Answer a query (called where the port reads in Twisted's own way)."""
        answer = self._server.respond(datagram, addr, self.transport)
        if answer:
            assert self.transport is not None
            self.transport.write(answer, addr)
        self._server.work()


def _is_host(host: str) -> bool:
    try:
        return may_be_host(ip_address(host.partition("%")[0]))
    except ValueError:
        return False


class QueryPort(Port):
    """A UDP port that reads several datagrams in one go, and answers from the address that was asked.

    On all addresses, a host with several has to say by which it answers, or the client takes the answer for a
    stranger's. Twisted's own port leaves that to the routing table.
    """

    _log = Logger()

    def __init__(self, port: int, server: DatagramServer, interface: str, reactor: Any) -> None:
        super().__init__(port, QueryProtocol(server), interface, READ_SIZE, reactor)
        self._server = server
        self._seconds = clock_of(reactor).seconds
        self._options: Options | None = None

    def createInternetSocket(self) -> socket.socket:
        """Return a socket that is not bound yet."""
        return ipv6_only(super().createInternetSocket())

    def _bindSocket(self) -> None:
        super()._bindSocket()
        sock: socket.socket = self.socket
        options = Options(sock, ipv6=self.addressFamily == socket.AF_INET6)
        try:
            options.set_receive_buffer(READ_BUFFER)
            is_all = ip_address(self.interface.partition("%")[0] or "0.0.0.0").is_unspecified
            if is_all and HAS_ANCILLARY_DATA:
                options.receive_arrival()
                self._options = options
        except OSError as problem:
            self._log.debug("a socket option was refused: {problem}", problem=str(problem))

    def doRead(self) -> None:
        """Answer what has arrived."""
        if self._options is not None:
            self._read_with_arrival(self._options)
        else:
            self._read_plainly()
        self._server.work()

    def _read_plainly(self) -> None:
        sock: socket.socket = self.socket
        receive, send, respond = sock.recvfrom, sock.sendto, self._server.respond
        seconds = self._seconds
        until = seconds() + READ_SLICE
        for _ in range(READ_BATCH):
            try:
                datagram, source = receive(READ_SIZE)
            except OSError as problem:
                if problem.errno in _AGAIN:
                    return
                # Of an earlier answer: the client has closed its port.
                self._server.counters["receive errors"] += 1
                continue
            try:
                answer = respond(datagram, source, self)
                if answer:
                    send(answer, source)
            except OSError:
                self._server.counters["answers not sent"] += 1
            except Exception:
                self._log.failure("a query was not answered")
            if seconds() >= until:
                return

    def _read_with_arrival(self, options: Options) -> None:
        if sys.platform == "win32":
            raise NotImplementedError("Windows has no recvmsg()")
        sock: socket.socket = self.socket
        seconds = self._seconds
        until = seconds() + READ_SLICE
        for _ in range(READ_BATCH):
            try:
                datagram, ancillary, _flags, source = sock.recvmsg(READ_SIZE, 256)
            except OSError as problem:
                if problem.errno in _AGAIN:
                    return
                self._server.counters["receive errors"] += 1
                continue
            interface, destination, _ = options.read_arrival(ancillary)
            back = _From(self._server, sock, _ancillary(options, interface, destination))
            try:
                answer = self._server.respond(datagram, source, back)
            except Exception:
                self._log.failure("a query was not answered")
                continue
            if answer:
                back.write(answer, source)
            if seconds() >= until:
                return

    def write(self, datagram: bytes, addr: Any = None) -> None:
        """Send an answer; what the system refuses is lost, as on the way."""
        try:
            self.socket.sendto(datagram, addr)
        except OSError:
            self._server.counters["answers not sent"] += 1


class _From:
    """Sends from the address that a query was sent to."""

    def __init__(self, server: DatagramServer, sock: socket.socket, ancillary: AncillaryData) -> None:
        self._server = server
        self._sock = sock
        self._ancillary = ancillary

    def write(self, datagram: bytes, addr: SocketAddress) -> None:
        if sys.platform == "win32":
            raise NotImplementedError("Windows has no sendmsg()")
        try:
            self._sock.sendmsg([datagram], self._ancillary, 0, addr)
        except OSError:
            self._server.counters["answers not sent"] += 1


def _ancillary(options: Options, interface: int, destination: str | None) -> AncillaryData:
    """Return what has an answer leave from the address that was asked."""
    if destination is None:
        return []
    address = ip_address(destination.partition("%")[0])
    # A way back by another interface is the routing table's business, but for what is on one link only.
    return options.outgoing_ancillary(interface if address.is_link_local else 0, address) or []


def listen_for_queries(reactor: Any, port: int, server: DatagramServer, interface: str) -> Any:
    """Listen on a UDP port; returns what has ``stopListening`` and ``getHost``.

    :raises CannotListenError: the port is taken, or no such address is ours.
    """
    if not IReactorFDSet.providedBy(reactor):
        return reactor.listenUDP(port, QueryProtocol(server), interface, READ_SIZE)
    query_port = QueryPort(port, server, interface, reactor)
    query_port.startListening()
    return query_port


__all__ = ["CannotListenError", "DatagramServer", "QueryPort", "listen_for_queries"]
