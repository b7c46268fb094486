"""A socket that sends unicast from a port beside the socket that receives there."""

from __future__ import annotations

import socket
import sys
from collections import Counter

from twisted.logger import Logger

from mcast.neighbours import SocketAddress
from mcast.sockets.options import Options
from mcast.sockets.routes import MAX_ROUTES, Routes
from mcast.sockets.sending import FailureLog, SendResult

if sys.platform != "win32":
    import fcntl
    import termios

_SENT = SendResult.SENT  # looked up once, since send() runs for each answer


class ApartSender:
    """Sends unicast datagrams from a port that another socket receives on; it receives nothing itself.

    What waits for a neighbour to be found is charged to the send buffer of its socket: here it keeps no
    multicast waiting. On Linux the socket bound last gets unicast, so this one is opened before the other.

    :raises OSError: the system refuses.
    """

    _log = Logger()

    def __init__(self, port: int, *, ipv6: bool, hop_limit: int, send_buffer: int) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.setblocking(False)
            options = Options(self.socket, ipv6=ipv6)
            if ipv6:
                options.set_v6only()
            options.receive_only_joined()
            options.set_unicast_hop_limit(hop_limit)
            options.set_receive_buffer(0)  # nobody reads it
            options.set_send_buffer(send_buffer)
            options.share_port()
            self.socket.bind(("::" if ipv6 else "", port))
            self.room = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
            """Octets of send buffer that the system granted, its own overhead among them."""
        except BaseException:
            self.socket.close()
            raise
        self.counters: Counter[str] = Counter()
        """send_full, send_refused."""
        self._routes = Routes(options, ipv6=ipv6)
        self._sendto = self.socket.sendto
        self._plain: set[str] = set()
        """Hosts to which a datagram goes as it is, where no interface is named; no more than `MAX_ROUTES`."""
        self._failures = FailureLog(self.counters, self._log, ipv6=ipv6)
        self._failures.port = port

    def send(self, data: bytes, address: SocketAddress, interface: int = 0) -> SendResult:
        """Send one datagram, by the interface with this index where one is given.

        :raises ValueError: no address of this family that can be sent to.
        """
        # A host of IPv4 that was sent to before needs nothing but its address: without a route found for each
        # answer 0.3 µs less.
        if interface or address[0] not in self._plain:
            return self._send_by_route(data, address, interface)
        try:
            self._sendto(data, address)
        except OSError as problem:
            return self._failures.send_failed(problem, interface)
        return _SENT

    def _send_by_route(self, data: bytes, address: SocketAddress, interface: int) -> SendResult:
        target, ancillary, _ = self._routes.find(address, interface)
        if target == address and ancillary is None and not interface and len(address) == 2:
            if len(self._plain) >= MAX_ROUTES:
                self._plain.clear()
            self._plain.add(address[0])
        try:
            if ancillary is None:
                self.socket.sendto(data, target)
            else:
                if sys.platform == "win32":
                    raise NotImplementedError("Windows has no sendmsg()")
                self.socket.sendmsg((data,), ancillary, 0, target)
        except OSError as problem:
            return self._failures.send_failed(problem, interface)
        return _SENT

    def waiting(self) -> int:
        """Return how many octets of the buffer are taken by what has not left."""
        if sys.platform != "win32":
            taken = fcntl.ioctl(self.socket.fileno(), termios.TIOCOUTQ, b"\0" * 4)
            return int.from_bytes(taken, sys.byteorder)
        raise NotImplementedError("Windows does not tell")

    def close(self) -> None:
        """Send no more; may be called twice."""
        self.socket.close()
