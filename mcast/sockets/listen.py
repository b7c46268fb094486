"""Opening a port that listens to groups."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.protocol import DatagramProtocol

from mcast.sockets.group import Group
from mcast.sockets.port import GroupPort


def listen_multicast(
    reactor: IReactorFDSet,
    port: int,
    protocol: DatagramProtocol,
    *,
    interface: str = "",
    group: Group | None = None,
    ipv6: bool | None = None,
    **settings: Any,
) -> GroupPort:
    """Open a UDP port for multicast and return it, listening.

    :param interface: the local address to bind; "" for all of IPv4, "::" for all of IPv6.
    :param group: bind to this group's address instead (it must still be joined).
    :param ipv6: the family, where neither ``interface`` nor ``group`` says it.
    :param settings: as `GroupPort` has them.
    :raises OSError: the port is taken by a socket that does not share it, and the like.
    """
    if ipv6 is None:
        ipv6 = group.ipv6 if group is not None else ":" in interface
    listening = GroupPort(reactor, port, protocol, ipv6=ipv6, interface=interface, group=group, **settings)
    listening.startListening()
    return listening
