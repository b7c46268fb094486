"""`mcast.node.network.SocketNetwork`: port 5353 as the wire and the kernel have it."""

from __future__ import annotations

import socket
from functools import partial
from typing import Any

from mcast.mdns.constants import IPV4_GROUP, IPV6_GROUP, MDNS_PORT
from mcast.neighbours import SocketAddress
from mcast.node.network import SocketNetwork, SocketPort
from mcast.sockets.interface import Interface, interfaces
from mcast.sockets.sending import SendResult
from tests.interop.probe import Packet, Sniffer
from tests.network.reactors import ReactorLanTestCase
from tests.network.test_membership import joined


class Heard:
    """Keeps what a port passes on."""

    def __init__(self) -> None:
        self.datagrams: list[tuple[bytes, SocketAddress, int, bool]] = []
        self.answer: bytes | None = None

    def __call__(self, index: int, datagram: bytes, source: SocketAddress, multicast: bool) -> bytes | None:
        self.datagrams.append((datagram, source, index, multicast))
        return self.answer


class SocketPortTests(ReactorLanTestCase):
    """One port for each family, on two interfaces."""

    def setUp(self) -> None:
        super().setUp()
        self.network = SocketNetwork(self.reactor)
        named = {each.name: each for each in interfaces()}
        self.first, self.second = named["eth0"], named["eth1"]
        self.sniffers = [Sniffer(self.there, name) for name in ("eth0", "eth1")]
        for sniffer in self.sniffers:
            self.addCleanup(sniffer.close)

    def port(self, *joined_on: Interface, ipv6: bool = False) -> tuple[SocketPort, Heard]:
        heard = Heard()
        port = self.network.open(ipv6)
        self.addCleanup(lambda: self.wait(port.close()))
        for interface in joined_on or (self.first, self.second):
            port.join(interface, partial(heard, interface.index))
        return port, heard

    def seen(self, number: int, count: int = 1) -> list[Packet]:
        """Return what an interface of the other host sees: so many packets, and what comes in a moment."""
        self.until(lambda: len(self.sniffers[number].poll()) >= count, f"{count} packets")
        self.turn(0.1)
        return self.sniffers[number].poll()

    def test_multicast_by_the_named_interface(self) -> None:
        """M-11-1, M-5.2-15, G-1112-6.1-2: from port 5353, with hop limit 255, there and nowhere else."""
        port, _ = self.port()
        self.assertTrue(port.send(b"hello", self.second.index, None))
        (packet,) = self.seen(1)
        self.assertEqual(
            (packet.source, packet.source_port, packet.destination, packet.hop_limit),
            (self.here.ipv4(1), 5353, IPV4_GROUP, 255),
        )
        self.assertEqual(self.seen(0, 0), [])

    def test_ipv6_multicast_by_the_named_interface(self) -> None:
        """M-11-1, G-4007-7-1: the same by IPv6, from the link-local address."""
        port, _ = self.port(ipv6=True)
        self.assertTrue(port.send(b"hello", self.second.index, None))
        (packet,) = self.seen(1)
        self.assertEqual((packet.source_port, packet.destination, packet.hop_limit), (5353, IPV6_GROUP, 255))
        self.assertTrue(packet.source.startswith("fe80"))
        self.assertEqual(self.seen(0, 0), [])

    def test_unicast(self) -> None:
        """M-11-1, M-6-14: unicast too, from port 5353 with hop limit 255."""
        port, _ = self.port()
        self.assertTrue(port.send(b"hello", self.first.index, (self.there.ipv4(0), 40000)))
        (packet,) = self.seen(0)
        self.assertEqual((packet.source_port, packet.destination_port, packet.hop_limit), (5353, 40000, 255))

    def test_unicast_by_ipv6(self) -> None:
        """M-11-1: and by IPv6, to a link-local address."""
        port, _ = self.port(ipv6=True)
        destination = (self.there.link_local(1), 40000, 0, self.second.index)
        self.assertTrue(port.send(b"hello", self.second.index, destination))
        (packet,) = self.seen(1)
        self.assertEqual((packet.source_port, packet.hop_limit), (5353, 255))

    def test_what_is_returned_is_sent_back(self) -> None:
        _, heard = self.port()
        heard.answer = b"world"
        peer = self.there.udp_socket(interface="eth1")
        peer.sendto(b"hello", (IPV4_GROUP, MDNS_PORT))
        self.until(lambda: heard.datagrams, "the datagram")
        self.assertEqual(peer.recvfrom(100), (b"world", (self.here.ipv4(1), MDNS_PORT)))

    def test_how_it_arrived(self) -> None:
        """G-3542-6.1-1, G-3542-6.2-1: the interface is told, and multicast from unicast."""
        _, heard = self.port()
        peer = self.there.udp_socket(interface="eth1")
        peer.sendto(b"to all", (IPV4_GROUP, MDNS_PORT))
        peer.sendto(b"to one", (self.here.ipv4(0), MDNS_PORT))
        self.until(lambda: len(heard.datagrams) == 2, "both datagrams")
        found = sorted(
            (datagram, interface, multicast) for datagram, _, interface, multicast in heard.datagrams
        )
        self.assertEqual(found, [(b"to all", self.second.index, True), (b"to one", self.first.index, False)])

    def test_broadcast_is_for_nobody(self) -> None:
        port, heard = self.port()
        peer = self.there.udp_socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        peer.sendto(b"to all", (self.here.ipv4(0).rpartition(".")[0] + ".255", MDNS_PORT))
        self.until(lambda: port.counters["elsewhere"], "the count")
        self.assertEqual(heard.datagrams, [])

    def test_memberships(self) -> None:
        """M-22-1, M-5.2-16: 224.0.0.251 and ff02::fb are joined on each interface, ff05::fb is not."""
        self.port()
        self.port(ipv6=True)
        for interface in (self.first, self.second):
            self.assertTrue(joined(interface.index, IPV4_GROUP))
            self.assertTrue(joined(interface.index, IPV6_GROUP))
            self.assertFalse(joined(interface.index, "ff05::fb"))

    def test_leaving(self) -> None:
        port, _ = self.port()
        port.leave(self.first)
        port.leave(self.first)
        self.assertEqual(
            [joined(each.index, IPV4_GROUP) for each in (self.first, self.second)], [False, True]
        )

    def test_port_is_shared(self) -> None:
        """M-15.1-1: two open it, and both get what is multicast."""
        _, first = self.port()
        _, second = self.port()
        self.there.udp_socket().sendto(b"hello", (IPV4_GROUP, MDNS_PORT))
        self.until(lambda: first.datagrams and second.datagrams, "the datagram, twice")
        self.assertEqual(first.datagrams, second.datagrams)

    def test_knows_that_it_is_not_the_first(self) -> None:
        """M-15.1-2: a trial bind without the options for sharing shows it."""
        self.assertEqual([self.port()[0].shared, self.port()[0].shared], [False, True])

    def test_each_family_for_itself(self) -> None:
        """G-3493-5.3-1: IPv4 and IPv6 are held apart."""
        self.assertEqual([self.port()[0].shared, self.port(ipv6=True)[0].shared], [False, False])

    def test_a_held_port_is_refused(self) -> None:
        holder = self.here.open_socket(socket.AF_INET)
        holder.bind(("", MDNS_PORT))
        with self.assertRaises(OSError) as caught:
            self.network.open(False)
        self.assertIn("already in use", str(caught.exception))

    def test_no_route(self) -> None:
        """What cannot be sent is counted, and raises nothing."""
        port, _ = self.port()
        self.assertFalse(port.send(b"hello", self.first.index, ("224.0.0.1", 0)))
        self.assertFalse(port.send(b"hello", 9999, None))

    def test_full_buffer(self) -> None:
        """Multicast that finds the send buffer full leaves a moment later, in order."""
        port, _ = self.port()
        send = port._port.send

        def full(data: bytes, address: tuple[Any, ...], interface: int = 0) -> SendResult:
            return SendResult.FULL

        port._port.send = full  # type: ignore[method-assign]
        for payload in (b"one", b"two", b"three"):
            self.assertTrue(port.send(payload, self.first.index, None))
        port._port.send = send  # type: ignore[method-assign]
        self.assertEqual([packet.payload for packet in self.seen(0, 3)], [b"one", b"two", b"three"])

    def test_large_datagrams(self) -> None:
        """M-17-5: 9000 octets with headers are sent, in fragments, and received whole."""
        port, heard = self.port()
        payload = bytes(9000 - 28)
        self.there.udp_socket().sendto(payload, (IPV4_GROUP, MDNS_PORT))
        self.until(lambda: heard.datagrams, "the datagram")
        self.assertEqual(heard.datagrams[0][0], payload)
        self.assertTrue(port.send(payload, self.first.index, None))
