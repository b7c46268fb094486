"""`GroupProtocol` on its three kinds of port: who hears what, and who answers."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.interfaces import IListeningPort

from mcast.sockets.group import Group
from mcast.sockets.listen import GroupListener, listen_group, listen_multicast
from mcast.sockets.settings import PortSettings
from tests.network.listeners import RecordingGroups
from tests.network.reactors import ReactorLanTestCase, group_sender

PORT = 7645
GROUPS = [Group.parse("224.0.0.123", PORT), Group.parse("ff02::123", PORT)]


class ListenerTests(ReactorLanTestCase):
    """Three hosts on two links."""

    hosts = 3

    def listen(self, protocol: RecordingGroups, arrivals: bool | None = None) -> GroupListener:
        return self.close_later(listen_group(self.reactor, protocol, PortSettings(arrivals=arrivals)))

    def ask(self, group: Group, data: bytes, interface: str = "eth0", host: int = 1) -> socket.socket:
        """Send a datagram to a group from another host; return the socket it was sent from."""
        sender = group_sender(self.lan.hosts[host], group.ipv6, interface)
        scope = (0, self.lan.hosts[host].index(interface)) if group.ipv6 else ()
        sender.sendto(data, (group.host, group.port, *scope))
        return sender

    def answer_to(self, client: socket.socket) -> tuple[bytes, Any]:
        """Return what a client gets, and from where."""
        client.setblocking(False)
        got: list[tuple[bytes, Any]] = []

        def look() -> bool:
            try:
                got.append(client.recvfrom(2000))
            except BlockingIOError:
                return False
            return True

        self.until(look, "an answer")
        return got[0]

    def test_seed(self) -> None:
        """A client says "Hello from client!" to the IPv4 and the IPv6 group and gets an answer from each."""
        protocol = RecordingGroups(GROUPS, answers=True)
        self.listen(protocol)
        for group in GROUPS:
            client = self.ask(group, b"Hello from client!")
            data, address = self.answer_to(client)
            self.assertEqual(data, b"ack")
            self.assertEqual(address[0], self.here.link_local() if group.ipv6 else self.here.ipv4())
        self.assertEqual(protocol.data, [b"Hello from client!"] * 2)

    def test_all_interfaces(self) -> None:
        """Without a choice the group is joined on each interface that does multicast, not on one of them."""
        protocol = RecordingGroups(GROUPS)
        self.listen(protocol)
        for group in GROUPS:
            for interface in ("eth0", "eth1"):
                self.ask(group, interface.encode(), interface)
        self.until(lambda: len(protocol.data) >= 4, "a datagram on each interface and family")
        names = [socket.if_indextoname(arrival.interface).encode() for arrival in protocol.arrivals]
        self.assertEqual(names, protocol.data)

    def test_one_interface(self) -> None:
        """G-1112-7.2-1: joined on eth0 only, nothing arrives from eth1."""
        protocol = RecordingGroups(GROUPS, interfaces=["eth0"])
        self.listen(protocol)
        everywhere = RecordingGroups(GROUPS)
        self.listen(everywhere)
        for group in GROUPS:
            self.ask(group, b"one", "eth1")
            self.ask(group, b"zero", "eth0")
        self.until(lambda: len(everywhere.data) >= 4, "the other listener to hear all")
        self.until(lambda: len(protocol.data) >= 2, "what was sent on the first link")
        self.turn(0.05)
        self.assertEqual(protocol.data, [b"zero", b"zero"])

    def test_two_responders_on_one_host(self) -> None:
        """Both hear a datagram, and both answer."""
        responders = [RecordingGroups(GROUPS, answers=True) for _ in range(2)]
        for protocol in responders:
            self.listen(protocol)
        for group in GROUPS:
            client = self.ask(group, b"hello")
            self.assertEqual([self.answer_to(client)[0] for _ in range(2)], [b"ack", b"ack"])

    def test_two_responders_on_two_hosts(self) -> None:
        """A client on the third host gets an answer from each of two hosts."""
        self.listen(RecordingGroups(GROUPS, answers=True), arrivals=False)
        with self.lan.hosts[1].inside():
            self.listen(RecordingGroups(GROUPS, answers=True))
        for group in GROUPS:
            client = self.ask(group, b"hello", host=2)
            sources = {self.answer_to(client)[1][0] for _ in range(2)}
            expected = {host.link_local() if group.ipv6 else host.ipv4() for host in self.lan.hosts[:2]}
            self.assertEqual(sources, expected)

    def test_zone_of_a_group(self) -> None:
        """A group with a zone is joined there only."""
        protocol = RecordingGroups([Group.parse("ff02::123%eth1", PORT)])
        self.listen(protocol)
        self.assertEqual(protocol.events, [("joined", "ff02::123", "eth1")])

    def test_group_with_and_without_zone(self) -> None:
        """Given twice for one interface, a group is joined once, and a datagram comes once."""
        protocol = RecordingGroups([Group.parse("ff02::123", PORT), Group.parse("ff02::123%eth1", PORT)])
        self.listen(protocol)
        self.ask(GROUPS[1], b"once", "eth1")
        self.until(lambda: protocol.data, "the datagram")
        self.turn(0.05)
        self.assertEqual(protocol.data, [b"once"])

    def test_loopback_interface(self) -> None:
        """The loopback interface is joined when it is named."""
        protocol = RecordingGroups([GROUPS[0]], interfaces=["lo"], answers=True)
        self.listen(protocol)
        client = self.here.udp_socket(interface="lo")
        client.sendto(b"hello", (GROUPS[0].host, PORT))
        self.assertEqual(self.answer_to(client)[0], b"ack")

    def test_send_to_group(self) -> None:
        """What is sent to a group leaves by each interface where it is joined, or by the one named."""
        protocol = RecordingGroups(GROUPS)
        self.listen(protocol)
        with self.there.inside():
            peer = RecordingGroups(GROUPS)
            self.listen(peer)
        self.assertEqual(protocol.send_to_group(b"everywhere", GROUPS[1]), 2)
        self.until(lambda: len(peer.data) >= 2, "the datagram by both links")
        assert protocol.memberships is not None
        second = protocol.memberships.interfaces_of(GROUPS[0])[1]
        self.assertEqual(protocol.send_to_group(b"eth1", GROUPS[0], second), 1)
        self.until(lambda: len(peer.data) >= 3, "the datagram by one")
        self.assertEqual(peer.arrivals[-1].interface, self.there.index("eth1"))

    def test_hop_limits_on_request(self) -> None:
        """A listener that asks for arrivals is told the hop limit also."""
        protocol = RecordingGroups(GROUPS)
        self.listen(protocol, arrivals=True)
        for group in GROUPS:
            self.ask(group, b"hello")
        self.until(lambda: len(protocol.data) >= 2, "both")
        self.assertEqual([arrival.hop_limit for arrival in protocol.arrivals], [1, 1])

    def test_group_port(self) -> None:
        """On one port of ours the protocol joins each interface, and hears and answers there."""
        for group in GROUPS:
            protocol = RecordingGroups([group], answers=True)
            self.close_later(listen_multicast(self.reactor, PORT, protocol, ipv6=group.ipv6))
            for interface in ("eth0", "eth1"):
                client = self.ask(group, b"hello", interface)
                self.assertEqual(self.answer_to(client)[0], b"ack")
            indexes = [self.here.index(interface) for interface in ("eth0", "eth1")]
            self.assertEqual([arrival.interface for arrival in protocol.arrivals], indexes)

    def test_stock_port(self) -> None:
        """The same protocol runs on a stock port, for both families."""
        for group in GROUPS:
            protocol = RecordingGroups([group], interfaces=["eth1"], answers=True)
            self.listen_stock(protocol, group)
            client = self.ask(group, b"hello", "eth1")
            self.assertEqual(self.answer_to(client)[0], b"ack")
            self.assertEqual(protocol.arrivals[0].interface, self.here.index("eth1"))

    def test_stock_port_on_two_links(self) -> None:
        """A link-local sender is answered by its link, though Twisted drops the scope of its address."""
        protocol = RecordingGroups([GROUPS[1]], answers=True)
        self.listen_stock(protocol, GROUPS[1])
        for link, interface in enumerate(("eth0", "eth1")):
            client = self.ask(GROUPS[1], b"hello", interface)
            self.assertEqual(self.answer_to(client)[0], b"ack")
            index = self.here.index(interface)
            self.assertEqual(protocol.arrivals[-1].interface, index)
            self.assertEqual(protocol.addresses[-1][::3], (self.there.link_local(link), index))

    def test_stock_port_sends_by_interface(self) -> None:
        """A protocol on a stock port sends to its group by each interface where it is joined."""
        with self.there.inside():
            peer = RecordingGroups(GROUPS)
            self.listen(peer)
        for group in GROUPS:
            protocol = RecordingGroups([group])
            self.listen_stock(protocol, group)
            self.assertEqual(protocol.send_to_group(group.host.encode(), group), 2)
        self.until(lambda: len(peer.data) >= 4, "two datagrams of each family")
        self.assertEqual(sorted(peer.data), sorted(group.host.encode() for group in GROUPS for _ in range(2)))

    def listen_stock(self, protocol: RecordingGroups, group: Group) -> IListeningPort:
        port: IListeningPort = self.reactor.listenMulticast(
            PORT, protocol, interface="::" if group.ipv6 else "", listenMultiple=True
        )
        return self.close_later(port)

    def test_unknown_interface(self) -> None:
        with self.assertRaisesRegex(ValueError, "interface eth9: no such interface"):
            self.listen(RecordingGroups(GROUPS, interfaces=["eth0", "eth9"]))

    def test_unknown_zone(self) -> None:
        with self.assertRaisesRegex(ValueError, "interface eth9: no such interface"):
            self.listen(RecordingGroups([Group.parse("ff02::123%eth9", PORT)]))

    def test_interface_that_is_down(self) -> None:
        self.here.ip("link", "set", "eth1", "down")
        self.addCleanup(self.lan.restore, self.here, 1)
        with self.assertRaisesRegex(ValueError, "interface eth1: is down"):
            self.listen(RecordingGroups(GROUPS, interfaces=["eth1"]))

    def test_port_taken(self) -> None:
        """One family refused for the port is the end, though the other could be had."""
        blocker = self.here.open_socket(socket.AF_INET)
        blocker.bind(("", PORT))
        with self.assertRaisesRegex(OSError, f"UDP port {PORT} on 224.0.0.123: already in use"):
            self.listen(RecordingGroups(GROUPS))

    def test_refused_start_leaves_nothing(self) -> None:
        """After a start that failed no port is open."""
        blocker = self.here.open_socket(socket.AF_INET)
        blocker.bind(("", PORT))
        listener = GroupListener(self.reactor, RecordingGroups(list(reversed(GROUPS))))
        self.assertRaises(OSError, listener.startListening)
        self.assertEqual(listener.ports, ())

    def test_stopping(self) -> None:
        """Stopping fires when all ports are closed, and leaves the groups."""
        listener = self.listen(RecordingGroups(GROUPS))
        ports = listener.ports
        self.wait(listener.stopListening())
        self.assertEqual([port.getHandle() for port in ports], [None] * 4)


class AsyncioListenerTests(ListenerTests):
    """The same on the asyncio reactor."""

    reactor_name = "asyncio"
