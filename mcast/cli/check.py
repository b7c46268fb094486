"""Check whether multicast works on an interface, by sending to ourselves there."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol

from mcast.last_look import LastLook
from mcast.neighbours import SocketAddress
from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
from mcast.sockets.interface import Interface
from mcast.sockets.listen import listen_multicast
from mcast.sockets.settings import PortSettings

CHECK_GROUPS = {False: "224.0.0.123", True: "ff02::123"}
"""Groups sent to, for IPv4 and IPv6. Our choice: those of the echo responder, which the link should carry."""

HEARD_WITHIN = 0.5
"""Seconds in which our own datagram has to be back. Our choice: the kernel needs microseconds."""

_SETTINGS = Path("/proc/sys/net/ipv4/conf")

_CAUSES = {
    errno.ENETUNREACH: "no route for multicast",
    errno.EHOSTUNREACH: "no route for multicast",
    errno.EADDRNOTAVAIL: "no usable address yet",
    errno.ENETDOWN: "the interface is down",
    errno.ENODEV: "the interface is gone",
    errno.EPERM: "forbidden, by a firewall rule or a sandbox",
    errno.EACCES: "forbidden, by a firewall rule or a sandbox",
    errno.ENOBUFS: "no room: too many groups joined (net.ipv4.igmp_max_memberships)",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a check."""

    works: bool
    detail: str
    """The likely cause where it does not work; a remark where it does; may be empty."""


def obstacle(interface: Interface, *, ipv6: bool) -> str:
    """Return what can be seen without sending why multicast cannot work; empty when nothing can."""
    if not interface.up:
        return "down"
    if not interface.multicast and not interface.loopback:
        return "not capable of multicast (ip link set multicast on)"
    if not interface.has_family(ipv6):
        return f"no IPv{6 if ipv6 else 4} address"
    return ""


def remarks(interface: Interface, *, ipv6: bool, settings: Path = _SETTINGS) -> str:
    """Return what may keep other hosts from being heard although we hear ourselves."""
    found = []
    if not interface.carrier:
        found.append("no carrier: nobody else is reached")
    if not ipv6 and not interface.loopback and reverse_path_filter(interface.name, settings) == 1:
        found.append("rp_filter=1: senders are dropped whose route is not by this interface")
    return "; ".join(found)


def reverse_path_filter(name: str, settings: Path = _SETTINGS) -> int:
    """Return what Linux makes of the source of what arrives: 0 nothing, 1 strict, 2 loose."""
    values = []
    for folder in ("all", name):
        try:
            values.append(int((settings / folder / "rp_filter").read_text()))
        except (OSError, ValueError):
            continue
    return max(values, default=0)


def cause_of(problem: OSError) -> str:
    """Return the likely cause of a refused join or send."""
    number = problem.errno or 0
    return _CAUSES.get(number, problem.strerror or os.strerror(number))


async def check(reactor: Any, interface: Interface, *, ipv6: bool) -> Verdict:
    """Send to a group on an interface and listen for it there."""
    cause = obstacle(interface, ipv6=ipv6)
    if cause:
        return Verdict(False, cause)
    receiver = Receiver(os.urandom(16))
    try:
        # A port of our own, so that we hear nothing but ourselves.
        port = listen_multicast(
            reactor, 0, receiver, ipv6=ipv6, pinned=interface.index, settings=PortSettings(shared=False)
        )
    except OSError as problem:
        return Verdict(False, cause_of(problem))
    try:
        group = Group.parse(CHECK_GROUPS[ipv6], port.getHost().port)
        return await exchange(reactor, port, receiver, group, interface)
    finally:
        await port.stopListening()


async def exchange(
    reactor: Any, port: Any, receiver: Receiver, group: Group, interface: Interface
) -> Verdict:
    """Join a group by a port, send to it, and wait for that at the receiver."""
    try:
        port.join(group, interface.index)
    except OSError as problem:
        return Verdict(False, f"cannot join: {cause_of(problem)}")
    sent_at = time.perf_counter()
    address = (group.host, group.port)
    try:
        # Not by the port's send(), which tells the cause to the log.
        port.getHandle().sendto(receiver.token, (*address, 0, interface.index) if group.ipv6 else address)
    except OSError as problem:
        return Verdict(False, f"cannot send: {cause_of(problem)}")
    last_look = LastLook(reactor, receiver.give_up, lambda: receiver.heard.called)
    last_look.end_in(HEARD_WITHIN)
    try:
        heard_at = await receiver.heard
    finally:
        last_look.cancel()
    remark = remarks(interface, ipv6=group.ipv6)
    if not heard_at:
        parts = ["sent, but nothing heard: a firewall on this host may drop it", remark]
        return Verdict(False, "; ".join(filter(None, parts)))
    took = f"heard after {(heard_at - sent_at) * 1000:.3f} ms"
    return Verdict(True, f"{took}; {remark}" if remark else took)


class Receiver(DatagramProtocol):
    """Waits for one datagram of ours."""

    noisy = False

    def __init__(self, token: bytes) -> None:
        self.token = token
        self.heard: Deferred[float] = Deferred()
        """Fires with the time when the datagram is back; 0 when it is waited for no more."""

    def give_up(self) -> None:
        """Wait no more."""
        self.heard.callback(0.0)

    def datagram_arrived(self, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        if data == self.token and not self.heard.called:
            self.heard.callback(time.perf_counter())
