"""`Routes`: what the socket is told for an address and an interface, on each platform."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address
from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from mcast.sockets.options import Options
from mcast.sockets.platforms import LINUX, MACOS, Platform
from mcast.sockets.routes import Routes

INDEX = struct.pack("=I", 5)


def routes(ipv6: bool, platform: Platform = LINUX, pinned: int = 0, source: str = "") -> Routes:
    """Return routes that never touch a socket."""
    options = Options(cast(socket.socket, None), ipv6=ipv6, platform=platform)
    return Routes(options, ipv6=ipv6, pinned=pinned, source=IPv4Address(source) if source else None)


class RouteTests(SynchronousTestCase):
    """Target, ancillary data, and what is set before."""

    def test_ipv4_by_interface(self) -> None:
        """G-1112-6.1-2: in_pktinfo carries the index."""
        expected = (("224.0.0.123", 9), [(0, 8, INDEX + bytes(8))], None)
        self.assertEqual(routes(False).find(("224.0.0.123", 9), 5), expected)

    def test_ipv4_from_a_bound_address(self) -> None:
        """The address the socket is bound to is named again, or in_pktinfo would hide it."""
        found = routes(False, source="192.0.2.1").find(("224.0.0.123", 9), 5)
        self.assertEqual(found.ancillary, [(0, 8, INDEX + bytes((192, 0, 2, 1)) + bytes(4))])

    def test_ipv4_on_macos(self) -> None:
        """G-1112-6.1-2: where a datagram cannot carry it, IP_MULTICAST_IF is set before."""
        self.assertEqual(routes(False, MACOS).find(("224.0.0.123", 9), 5), (("224.0.0.123", 9), None, 5))

    def test_ipv4_on_macos_without_interface(self) -> None:
        """What an earlier datagram set is set back to what was chosen for the socket."""
        found = routes(False, MACOS)
        found.outgoing = 7
        self.assertEqual(found.find(("224.0.0.123", 9), 0).outgoing, 7)

    def test_ipv4_unicast_on_macos(self) -> None:
        """Unicast is left to the routing table."""
        self.assertEqual(routes(False, MACOS).find(("192.0.2.7", 9), 5), (("192.0.2.7", 9), None, None))

    def test_ipv4_unicast(self) -> None:
        self.assertEqual(routes(False).find(("192.0.2.7", 9), 0), (("192.0.2.7", 9), None, None))

    def test_ipv6_link_local_group(self) -> None:
        """G-3493-3.3-1, G-4007-7-1: the scope id is the interface's index."""
        self.assertEqual(routes(True).find(("ff02::123", 9), 5), (("ff02::123", 9, 0, 5), None, None))

    def test_ipv6_link_local_address(self) -> None:
        """G-3493-3.3-1: the scope id that came with an address goes with it."""
        self.assertEqual(routes(True).find(("fe80::1", 9, 0, 5), 0).target, ("fe80::1", 9, 0, 5))

    def test_ipv6_zone_is_taken_off(self) -> None:
        """G-4007-6-1: the zone of the host becomes a scope id, and the host is the bare address."""
        self.assertEqual(routes(True).find(("fe80::1%1", 9), 0).target, ("fe80::1", 9, 0, 1))

    def test_ipv6_wider_group(self) -> None:
        """G-3542-6.7-1: IPV6_PKTINFO with the index, which goes before what is set for the socket."""
        found = routes(True)
        found.outgoing = 7
        self.assertEqual(found.find(("ff05::123", 9), 5).ancillary, [(41, 50, bytes(16) + INDEX)])

    def test_pinned(self) -> None:
        """A socket that sends by one interface anyhow is told nothing more."""
        self.assertEqual(routes(False, pinned=5).find(("224.0.0.123", 9), 5).ancillary, None)
        self.assertEqual(routes(True, pinned=5).find(("ff05::123", 9), 5).ancillary, None)

    def test_outgoing_names_the_link(self) -> None:
        """A link-local group goes by the interface that was set, where none is named."""
        found = routes(True)
        found.outgoing = 7
        self.assertEqual(found.find(("ff02::123", 9), 0).target, ("ff02::123", 9, 0, 7))

    def test_a_host_is_remembered_once(self) -> None:
        """Whoever asks from a new port each time takes no more memory by it, and is answered there."""
        found = routes(True)
        targets = [found.find(("fe80::1", port, 0, 5), 0).target for port in (9, 10, 9)]
        self.assertEqual(targets, [("fe80::1", port, 0, 5) for port in (9, 10, 9)])
        self.assertEqual(len(found), 1)

    def test_each_port_is_looked_at(self) -> None:
        """A group with a port that cannot be is refused, also after one that can."""
        found = routes(False)
        found.find(("224.0.0.123", 9), 5)
        self.assertRaises(ValueError, found.find, ("224.0.0.123", 0), 5)
