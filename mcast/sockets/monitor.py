"""Watching the network interfaces of this host for change.

On Linux a netlink socket in the reactor rings when something changed; elsewhere we look every second. What
changed is found by enumerating again. The bell is also asked what was lost: an address deleted and given back
within a moment looks the same before and after, but the kernel dropped the group memberships with it.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from twisted.internet.interfaces import IDelayedCall, ILoggingContext, IReactorFDSet, IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mcast.clock import clock_of
from mcast.sockets.interface import Interface, interfaces

SETTLE_DELAY = 0.2
"""Seconds of quiet waited for before looking. Our choice: scripts and DHCP change several things in a row."""

SETTLE_LIMIT = 1.0
"""Seconds after the first change at which we look even if it goes on.

Our choice: nobody waits longer than that for an interface, however the others change.
"""

POLL_INTERVAL = 1.0
"""Seconds between two looks where nothing rings. Our choice: enumerating costs less than a millisecond."""

AGAIN_DELAY = 1.0
"""Seconds until the interfaces are looked at again after that failed; doubled each time, to `AGAIN_LIMIT`.

Our choice: it fails while no descriptor is free, which mostly is over soon."""

AGAIN_LIMIT = 30.0
"""Seconds to which the delay grows. Our choice: what came meanwhile is used within half a minute."""

MAX_LOSSES = 1024
"""Losses remembered until the next look; beyond, everything counts as lost once.

Our choice: more than a host has addresses.
"""

MAX_MESSAGES = 64
"""Netlink datagrams read in one go before the reactor gets its turn.

Our choice: reading them takes less than a millisecond.
"""


@dataclass(frozen=True, slots=True)
class Loss:
    """An interface went, went down, or lost an address."""

    index: int
    address: IPv4Address | IPv6Address | None = None
    """The address that was lost; None when it was the interface itself."""
    down: bool = False
    """Is the interface still there, but down or without carrier?"""


class InterfaceMonitor:
    """Tells when the interfaces of this host changed.

    :param changed: called with all interfaces as they are now, by index. Something lost and regained
        between two looks is told in two calls, first without it.
    :param enumerate_interfaces: where the interfaces come from.
    :param use_netlink: listen to the kernel; None for "on Linux, where the reactor reads descriptors".
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        changed: Callable[[tuple[Interface, ...]], None],
        *,
        enumerate_interfaces: Callable[[], tuple[Interface, ...]] = interfaces,
        use_netlink: bool | None = None,
    ) -> None:
        if use_netlink is None:
            use_netlink = sys.platform == "linux" and IReactorFDSet.providedBy(reactor)
        self.interfaces: tuple[Interface, ...] = ()
        """What was told last, or found at the start."""
        self._reactor = reactor
        self._clock = clock_of(reactor)
        self._changed = changed
        self._enumerate = enumerate_interfaces
        self._use_netlink = use_netlink
        self._bell: NetlinkBell | None = None
        self._losses: set[Loss] = set()
        self._all_lost = False
        self._timer: IDelayedCall | None = None
        self._first_at: float | None = None
        self._again_delay = AGAIN_DELAY
        self._running = False

    def start(self) -> None:
        """Enumerate once and begin to watch.

        :raises OSError: the interfaces cannot be enumerated.
        """
        self._running = True
        if self._use_netlink:
            try:
                self._bell = NetlinkBell(self._reactor, self.ring)
            except OSError as problem:  # a sandbox without netlink
                self._log.info("no netlink ({cause}): polling the interfaces", cause=problem.strerror)
        # After the bell was set up, so that no change between the two is missed.
        self.interfaces = self._enumerate()
        if self._bell is None:
            self._timer = self._clock.callLater(POLL_INTERVAL, self._look)

    def stop(self) -> None:
        """Watch no more; may be called twice."""
        self._running = False
        if self._bell is not None:
            self._bell.close()
            self._bell = None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        self._losses.clear()

    def ring(self, losses: Iterable[Loss] | None) -> None:
        """Look soon, since something changed.

        :param losses: what was lost; None when that is not known and may be anything.
        """
        if losses is None:
            self._all_lost = True
        else:
            self._losses.update(losses)
        if len(self._losses) > MAX_LOSSES:
            self._all_lost = True
            self._losses.clear()
        now = self._clock.seconds()
        if self._first_at is None or self._timer is None:
            self._first_at = now
        delay = min(SETTLE_DELAY, max(0.0, self._first_at + SETTLE_LIMIT - now))
        if self._timer is None:
            self._timer = self._clock.callLater(delay, self._look)
        else:
            self._timer.reset(delay)

    def _look(self) -> None:
        self._timer = self._first_at = None
        losses, self._losses = self._losses, set()
        all_lost, self._all_lost = self._all_lost, False
        try:
            now = self._enumerate()
        except OSError as problem:
            self._losses |= losses
            self._all_lost |= all_lost
            if self._again_delay == AGAIN_DELAY:
                self._log.warn(
                    "cannot enumerate interfaces: {cause}; tried again until it succeeds",
                    cause=problem.strerror,
                )
            if self._running:
                self._timer = self._clock.callLater(self._again_delay, self._look)
            self._again_delay = min(2 * self._again_delay, AGAIN_LIMIT)
            return
        self._again_delay = AGAIN_DELAY
        between = () if all_lost else without(losses, now)
        if between != now:
            self._tell(between)
        self._tell(now)
        if self._running and self._bell is None and self._timer is None:
            self._timer = self._clock.callLater(POLL_INTERVAL, self._look)

    def _tell(self, found: tuple[Interface, ...]) -> None:
        if found == self.interfaces or not self._running:
            return
        self.interfaces = found
        try:
            self._changed(found)
        except Exception:
            self._log.failure("{changed!r} failed on changed interfaces", changed=self._changed)


def without(losses: Iterable[Loss], available: Iterable[Interface]) -> tuple[Interface, ...]:
    """Return the interfaces as they were after the losses, before what they regained since."""
    by_index = {each.index: each for each in available}
    for loss in losses:
        interface = by_index.get(loss.index)
        if interface is None:
            continue
        if loss.address is not None:
            kept = tuple(each for each in interface.addresses if each.address != loss.address)
            by_index[loss.index] = replace(interface, addresses=kept)
        elif loss.down:
            by_index[loss.index] = replace(interface, up=False, carrier=False)
        else:
            del by_index[loss.index]
    return tuple(by_index.values())


# What we read of rtnetlink(7); there are no names for it in the standard library.
_GROUPS = 0x1 | 0x10 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_NEW_LINK, _DELETED_LINK, _DELETED_ADDRESS = 16, 17, 21
_UP_AND_RUNNING = 0x1 | 0x40
_HEADER = struct.Struct("=IHHII")
_ADDRESS_ATTRIBUTES = (2, 1)  # IFA_LOCAL is our address where there is one; else IFA_ADDRESS


def read_losses(datagram: bytes) -> list[Loss]:
    """Return what a datagram of netlink messages says was lost. What is cut short is left out."""
    losses = []
    offset = 0
    while offset + _HEADER.size <= len(datagram):
        length, kind, _, _, _ = _HEADER.unpack_from(datagram, offset)
        if length < _HEADER.size:
            break
        body = datagram[offset + _HEADER.size : offset + length]
        if kind in (_NEW_LINK, _DELETED_LINK) and len(body) >= 16:
            index, flags = struct.unpack_from("=iI", body, 4)
            # A bridge port's own news come as family AF_BRIDGE and are no deletion of the interface.
            if kind == _DELETED_LINK and body[0] == socket.AF_UNSPEC:
                losses.append(Loss(index))
            elif kind == _NEW_LINK and flags & _UP_AND_RUNNING != _UP_AND_RUNNING:
                losses.append(Loss(index, down=True))
        elif kind == _DELETED_ADDRESS and len(body) >= 8:
            (index,) = struct.unpack_from("=I", body, 4)
            address = _read_address(body[8:])
            if address is not None:
                losses.append(Loss(index, address))
        offset += (length + 3) & ~3
    return losses


def _read_address(attributes: bytes) -> IPv4Address | IPv6Address | None:
    found: dict[int, bytes] = {}
    offset = 0
    while offset + 4 <= len(attributes):
        length, kind = struct.unpack_from("=HH", attributes, offset)
        if length < 4:
            break
        found[kind] = attributes[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    for kind in _ADDRESS_ATTRIBUTES:
        if len(found.get(kind, b"")) in (4, 16):
            return ip_address(found[kind])
    return None


def _netlink_socket() -> socket.socket:
    if sys.platform != "linux":
        raise NotImplementedError("netlink is Linux's")
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)


@implementer(IReadDescriptor, ILoggingContext)
class NetlinkBell:
    """A netlink socket that rings when the kernel's interfaces or addresses change.

    :raises OSError: the system gives us no such socket.
    """

    def __init__(self, reactor: IReactorFDSet, ring: Callable[[Iterable[Loss] | None], None]) -> None:
        self._reactor = reactor
        self._ring = ring
        self._socket = _netlink_socket()
        try:
            self._socket.setblocking(False)
            self._socket.bind((0, _GROUPS))
            reactor.addReader(self)
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor, -1 when closed."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        return "interface monitor"

    def doRead(self) -> None:
        losses: list[Loss] | None = []
        for _ in range(MAX_MESSAGES):
            try:
                datagram = self._socket.recv(65536)
            except BlockingIOError:
                break
            except OSError as problem:
                if problem.errno == errno.EINTR:
                    continue
                # ENOBUFS: the kernel had more messages than room, so we do not know what was lost.
                losses = None
                break
            if losses is not None:
                losses += read_losses(datagram)
        else:
            losses = losses or []
        self._ring(losses)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Close the socket; the reactor calls this when it shuts down."""
        self.close()

    def close(self) -> None:
        """Ring no more; may be called twice."""
        self._reactor.removeReader(self)
        self._socket.close()
