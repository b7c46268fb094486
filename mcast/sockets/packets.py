"""Frames as they go over a link, both ways, with the time at which the kernel saw each. Linux, and root."""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.interfaces import ILoggingContext, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mcast.clock import clock_of
from mcast.sockets.options import read_stamp, set_receive_buffer, stamp_arrivals

ALL_PROTOCOLS = 0x0003
"""ETH_P_ALL of <linux/if_ether.h>: what is received, and what this host sends."""

OUTGOING = 4
"""PACKET_OUTGOING of <linux/if_packet.h>: this host sends the frame."""

IS_UP = 0x1
"""IFF_UP of <linux/if.h>."""

_GET_FLAGS = 0x8913
"""SIOCGIFFLAGS of <linux/sockios.h>."""

_SOL_PACKET, _STATISTICS = 263, 6
"""SOL_PACKET of <linux/socket.h>, PACKET_STATISTICS of <linux/if_packet.h>."""

BUFFER = 4 << 20
"""Octets of the receive buffer. Our choice: some thousand packets that wait while the program is busy."""

READ_BATCH = 256
"""Frames read at most before the reactor gets its turn. Our choice."""

OLDEST = 5.0
"""Seconds that a frame may have waited. Our choice: a greater age means that the wall clock was set."""

_MAX_FRAME = 1 << 16

Seen = Callable[[float, float, bool, bytes], None]
"""Called with the time on the reactor's clock, the wall time, whether this host sent it, and the frame."""


@implementer(IReadDescriptor, ILoggingContext)
class PacketView:
    """Tells of each frame of an interface.

    :param interface: its name, in the network namespace of the calling thread.
    :raises OSError: no such interface, or this user may not.
    """

    _log = Logger()

    def __init__(self, reactor: Any, interface: str, seen: Seen) -> None:
        self._reactor = reactor
        self._clock = clock_of(reactor)
        self._seen = seen
        self._socket = open_packet_socket(interface, receives=True)
        self.errors = 0
        """Errors of reading, such as that the interface went down."""
        self._missed = 0
        reactor.addReader(self)

    @property
    def missed(self) -> int:
        """Frames that came while the buffer was full."""
        if self._socket.fileno() >= 0:
            with suppress(OSError):
                statistics = self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 8)
                # The kernel begins anew each time that it is asked.
                self._missed += struct.unpack("@II", statistics)[1]
        return self._missed

    def fileno(self) -> int:
        """Return the descriptor, -1 when closed."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        return "packets"

    def doRead(self) -> None:
        for _ in range(READ_BATCH):
            try:
                frame, ancillary, _, address = self._receive()
            except BlockingIOError:
                return
            except OSError as problem:
                self.errors += 1
                self._log.debug("reading packets: {problem}", problem=problem)
                return
            wall, now = time.time(), self._clock.seconds()
            stamp = read_stamp(ancillary)
            age = 0.0 if stamp is None else wall - stamp
            if not 0 <= age <= OLDEST:
                age = 0.0
            self._seen(now - age, wall - age, address[2] == OUTGOING, frame)

    def _receive(self) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
        if sys.platform == "win32":
            raise NotImplementedError("Windows has no recvmsg()")
        return self._socket.recvmsg(_MAX_FRAME, 128)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Close: the reactor shuts down."""
        self._socket.close()

    def close(self) -> None:
        """See nothing more."""
        if self._socket.fileno() >= 0:
            self._reactor.removeReader(self)
            self._socket.close()


def open_packet_socket(interface: str, *, receives: bool) -> socket.socket:
    """Open a socket for whole frames of an interface.

    :param receives: whether it is told of frames; one that is not only sends. The kernel shows a socket no
        frame that the socket itself has sent.
    :raises OSError: no such interface, or this user may not.
    """
    if sys.platform != "linux":
        raise OSError(0, "whole frames are seen on Linux only")
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        opened.setblocking(False)
        if receives:
            set_receive_buffer(opened, BUFFER)
            stamp_arrivals(opened)
        opened.bind((interface, ALL_PROTOCOLS if receives else 0))
    except BaseException:
        opened.close()
        raise
    return opened


def hardware_address(opened: socket.socket) -> bytes:
    """Return the Ethernet address of the interface that a packet socket is bound to."""
    address: bytes = opened.getsockname()[4]
    return address


def interface_flags(opened: socket.socket, interface: str) -> int | None:
    """Return the flags of an interface that the namespace of a socket has, such as `IS_UP`; None for none."""
    if sys.platform == "linux":
        import fcntl

        request = struct.pack("16sH22x", interface.encode(), 0)
        with suppress(OSError):
            flags: int = struct.unpack("16sH22x", fcntl.ioctl(opened.fileno(), _GET_FLAGS, request))[1]
            return flags
    return None
