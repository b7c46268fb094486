"""A socket that sends unicast from a port beside the socket that receives there."""

from __future__ import annotations

import socket
import struct
import sys
from collections import Counter

from twisted.logger import Logger

from mcast.neighbours import SocketAddress
from mcast.sockets.options import Options
from mcast.sockets.routes import Routes
from mcast.sockets.sending import FailureLog, SendResult


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
        self._failures = FailureLog(self.counters, self._log, ipv6=ipv6)
        self._failures.port = port

    def send(self, data: bytes, address: SocketAddress, interface: int = 0) -> SendResult:
        """Send one datagram, by the interface with this index where one is given.

        :raises ValueError: no address of this family that can be sent to.
        """
        target, ancillary, _ = self._routes.find(address, interface)
        try:
            if ancillary is None:
                self.socket.sendto(data, target)
            else:
                if sys.platform == "win32":
                    raise NotImplementedError("Windows has no sendmsg()")
                self.socket.sendmsg((data,), ancillary, 0, target)
        except OSError as problem:
            return self._failures.send_failed(problem, interface)
        return SendResult.SENT

    def waiting(self) -> int:
        """Return how many octets of the buffer are taken by what has not left."""
        if sys.platform == "win32":
            raise NotImplementedError("Windows does not tell")
        import fcntl
        import termios

        (taken,) = struct.unpack("i", fcntl.ioctl(self.socket.fileno(), termios.TIOCOUTQ, b"\0" * 4))
        return int(taken)

    def close(self) -> None:
        """Send no more; may be called twice."""
        self.socket.close()
