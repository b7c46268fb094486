"""Reading what has arrived at a port, and handing it to the port's protocol."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger

from mcast.clock import clock_of
from mcast.neighbours import SocketAddress
from mcast.sockets.arrival import UNKNOWN_ARRIVAL, Arrival, Way
from mcast.sockets.joins import Seat
from mcast.sockets.opening import PortSockets
from mcast.sockets.options import Options
from mcast.sockets.sending import FailureLog

if TYPE_CHECKING:
    from mcast.sockets.port import GroupPort

READ_BATCH = 256
"""Datagrams read at most before the reactor gets its turn. Our choice: at 10 µs each, timers wait some ms."""

READ_SLICE = 0.005
"""Seconds of reading after which the reactor gets its turn, too, however few datagrams were read.

Our choice: where a flood keeps the port busy and each datagram costs a millisecond, whoever has asked by TCP
waits for some of these turns. A turn costs a hundredth of it.
"""

LONE_INTERVAL = 0.0005
"""Seconds without reading after which one datagram is read, and no look is taken whether there are more.

Our choice: some turns of the reactor. Nearly always there are none, and to be told so takes 10 to 15 µs of
the 150 of a datagram that comes alone. If there are more the reactor calls again at once, and all are read.
"""

LOOK_EVERY = 8
"""Datagrams between two looks at the clock. Our choice: a look costs next to nothing then."""

MAX_ARRIVALS = 1024
"""Different arrivals remembered. Our choice: some 200 kB at most."""

MAX_READ_ERRORS = 16
"""Errors in a row after which reading rests for `READ_PAUSE`, so that a broken socket makes no busy loop."""

READ_PAUSE = 1.0
"""Seconds that reading rests. Our choice."""

_ANCILLARY_SIZE = 256  # octets; four control messages of 12 to 28 octets with their headers


class Reader:
    """Reads the socket of a port.

    A protocol with a method ``way_of(arrival)`` is asked once for each kind of arrival where such datagrams
    go, and need not find out for each of them. One with a method ``send_answer`` is given what it returned,
    to send it itself; for any other it goes back by the port's ``send``.

    :param port: whose datagrams these are.
    :param seat: what the socket has joined; decides whether a datagram is for us.
    :param descriptor: what the reactor watches.
    """

    _log = Logger()

    def __init__(
        self,
        port: GroupPort,
        sockets: PortSockets,
        seat: Seat,
        failures: FailureLog,
        descriptor: IReadDescriptor,
    ) -> None:
        self.stopped = False
        """Set to deliver nothing more, whatever has arrived."""
        self._port = port
        self._sockets = sockets
        self._seat = seat
        self._failures = failures
        self._settings = port.settings
        self._descriptor = descriptor
        self._options = Options(sockets.receiver, ipv6=port.ipv6)
        self._counters = port.counters
        self._seconds = clock_of(port.reactor).seconds
        self._seen: dict[tuple[tuple[int, int, bytes], ...], Way | None] = {}
        self._last: list[tuple[int, int, bytes]] | None = None
        """The ancillary data of the datagram before, and with what `_seen` has for it."""
        self._way: Way | None = None
        self._errors = 0
        self._read_at = -inf
        """When reading ended last."""
        arrived = getattr(port.protocol, "datagram_arrived", None)
        self._deliver: Callable[[bytes, SocketAddress, Arrival], bytes | None] = (
            self._deliver_plainly if arrived is None else arrived
        )
        self._way_of: Callable[[Arrival], Way] = getattr(port.protocol, "way_of", self._usual_way)
        self._answer: Callable[[bytes, SocketAddress, int], object] = getattr(
            port.protocol, "send_answer", port.send
        )
        self._asks = self._asks_the_system(tells=arrived is not None)
        if self._asks:
            self.ask()

    def ask(self) -> None:
        """Ask the system from now on how each datagram arrived."""
        self._asks = True
        self._options.receive_arrival(hops=self._settings.hop_limits)

    def _asks_the_system(self, tells: bool) -> bool:
        """Must the system be asked how each datagram arrived?

        :param tells: the protocol is told it.
        """
        pinned = self._sockets.pinned
        if pinned != self._port.binding.pinned:
            return True  # what arrives on other interfaces has to be told apart
        wanted = self._settings.arrivals
        return not pinned and tells if wanted is None else wanted

    def forget(self) -> None:
        """Judge every kind of arrival anew, since the memberships have changed."""
        self._seen.clear()
        self._last = None

    def read(self) -> None:
        """Deliver what has arrived: one datagram, or at most `READ_BATCH` where they come close together."""
        received = 0
        now = self._seconds()
        most = READ_BATCH if now - self._read_at < LONE_INTERVAL else 1
        until = now + READ_SLICE
        try:
            read = self._read_with_arrivals if self._asks else self._read_plainly
            received = read(most, until)
        except OSError as problem:
            self.failed(problem)
        if received:
            self._errors = 0
            self._counters["received"] += received
        self._read_at = self._seconds()

    def _read_plainly(self, most: int, until: float) -> int:
        # One loop for many datagrams, with names looked up once: what stands here runs for each of them. Two
        # loops, and no count of what is left until the next look: that is 0.05 µs of each.
        receive = self._sockets.receiver.recvfrom
        limit = self._settings.max_packet_size
        size = limit + 1  # one octet more than wanted shows that a datagram was cut, on every system
        deliver, told, interface = self._way_of(self._pinned_arrival())
        # A pinned port has nothing to choose, so what it sends back goes straight to the socket.
        answer = self._sockets.sender.sendto if self._sockets.pinned else None
        seconds = self._seconds
        count = 0
        for first in range(0, most, LOOK_EVERY):
            if first and seconds() >= until:
                break
            for count in range(first, min(most, first + LOOK_EVERY)):
                try:
                    data, address = receive(size)
                except BlockingIOError:
                    return count
                except OSError as problem:
                    self.failed(problem)
                    return count
                if len(data) > limit:
                    self._counters["truncated"] += 1
                    continue
                try:
                    reply = deliver(data, address, told)
                except Exception:
                    self._protocol_failed()
                    continue
                if reply is not None:
                    if answer is None:
                        self._answer(reply, address, interface)
                    else:
                        try:
                            answer(reply, address)
                        except OSError as problem:
                            self._failures.send_failed(problem, self._sockets.pinned)
                if self.stopped:
                    return count + 1
        return count + 1

    def _read_with_arrivals(self, most: int, until: float) -> int:
        # The same with ancillary data. One loop for both would ask for each datagram which of them it is.
        if sys.platform == "win32":
            raise NotImplementedError("Windows has no recvmsg()")
        receive = self._sockets.receiver.recvmsg
        limit = self._settings.max_packet_size
        size = limit + 1
        answer = self._answer
        seconds = self._seconds
        count = 0
        for first in range(0, most, LOOK_EVERY):
            if first and seconds() >= until:
                break
            for count in range(first, min(most, first + LOOK_EVERY)):
                try:
                    data, ancillary, _, address = receive(size, _ANCILLARY_SIZE)
                except BlockingIOError:
                    return count
                except OSError as problem:
                    self.failed(problem)
                    return count
                if len(data) > limit:
                    self._counters["truncated"] += 1
                    continue
                # Most arrive as the one before, which is seen without the 0.15 µs of a look-up.
                if ancillary != self._last:
                    self._turn_to(ancillary)
                way = self._way
                if way is None:
                    self._counters["not_joined"] += 1
                    continue
                deliver, told, interface = way
                try:
                    reply = deliver(data, address, told)
                except Exception:
                    self._protocol_failed()
                    continue
                if reply is not None:
                    answer(reply, address, interface)
                if self.stopped:
                    return count + 1
        return count + 1

    def _pinned_arrival(self) -> Arrival:
        if not self._sockets.pinned:
            return UNKNOWN_ARRIVAL
        bound = self._port.binding.group if self._options.binds_groups else None
        return Arrival(self._sockets.pinned, None if bound is None else bound.host, None)

    def _turn_to(self, ancillary: list[tuple[int, int, bytes]]) -> None:
        """Take the way of datagrams with this ancillary data from now on."""
        # Few different ones come in millions of datagrams: taken apart once.
        key = tuple(ancillary)
        try:
            self._way = self._seen[key]
        except KeyError:
            arrival = Arrival(*self._options.read_arrival(key))
            if len(self._seen) >= MAX_ARRIVALS:
                self._seen.clear()
            self._way = self._seen[key] = self._way_of(arrival) if self._seat.covers(arrival) else None
        self._last = ancillary

    def _usual_way(self, arrival: Arrival) -> Way:
        return self._deliver, arrival, arrival.interface

    def _deliver_plainly(self, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        host, port = address[0], address[1]
        if len(address) > 2 and address[3]:
            host = f"{host}%{address[3]}"
        self._port.protocol.datagramReceived(data, (host, port))

    # What goes wrong

    def _protocol_failed(self) -> None:
        self._counters["protocol_errors"] += 1
        self._log.failure("{protocol!r} failed on a datagram", protocol=self._port.protocol)

    def failed(self, problem: OSError) -> None:
        """Count an error of receiving, and rest after many of them."""
        if self.stopped or problem.errno in (errno.EINTR, errno.EAGAIN):
            return
        if problem.errno == errno.ECONNREFUSED:
            # An earlier datagram met a closed port; a socket that is not connected cannot tell which one.
            if self._port.peer is not None:
                self._port.protocol.connectionRefused()
            return
        if problem.errno == errno.EMSGSIZE or getattr(problem, "winerror", None) == 10040:
            self._counters["truncated"] += 1
            return
        self._counters["read_errors"] += 1
        self._errors += 1
        self._failures.note(problem, "receive", 0)
        if self._errors >= MAX_READ_ERRORS:
            self._errors = 0
            reactor = self._port.reactor
            reactor.removeReader(self._descriptor)
            clock_of(reactor).callLater(READ_PAUSE, self._resume)

    def _resume(self) -> None:
        if not self.stopped:
            self._port.reactor.addReader(self._descriptor)

    def take_errors(self) -> None:
        """Read what is wrong with the socket, in which the epoll and poll reactors see its end."""
        sock = self._sockets.receiver
        self._port.reactor.addReader(self._descriptor)
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            self.failed(OSError(number, os.strerror(number)))
        if self._settings.reports_full and sys.platform == "linux":
            for _ in range(READ_BATCH):
                try:
                    sock.recvmsg(1, _ANCILLARY_SIZE, socket.MSG_ERRQUEUE)
                except OSError:
                    return
