"""Which way a `GroupPort` sends, and with what."""

from __future__ import annotations

import socket
import struct
from typing import Any

from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
from mcast.sockets.sending import SendResult
from tests.network.reactors import PlainRecorder, ReactorLanTestCase, Recorder, group_sender, readable

PORT = 7645
IPV4 = "224.0.0.123"
LINK_LOCAL = "ff02::123"
SITE_LOCAL = "ff05::123"
IP_RECVTTL = 12  # <linux/in.h>; the standard library has no name for it


class SendingTests(ReactorLanTestCase):
    """Which way a datagram leaves, and with what."""

    def listen(self, ipv6: bool, interface: str, group: str) -> socket.socket:
        """Return a socket of the other host that hears a group on one of its links only."""
        made = self.there.udp_socket(ipv6, PORT, interface)
        index = self.there.index(interface)
        if ipv6:
            made.setsockopt(
                socket.IPPROTO_IPV6,
                socket.IPV6_JOIN_GROUP,
                socket.inet_pton(socket.AF_INET6, group) + struct.pack("=I", index),
            )
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        else:
            packed = socket.inet_aton(group) + bytes(4) + struct.pack("=I", index)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, packed)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        return made

    def assert_silent(self, listener: socket.socket) -> None:
        listener.settimeout(0.05)
        self.assertRaises(TimeoutError, listener.recvfrom, 100)

    def assert_leaves_by_eth1(self, group: str) -> None:
        ipv6 = ":" in group
        wrong, right = self.listen(ipv6, "eth0", group), self.listen(ipv6, "eth1", group)
        port = self.open(0, ipv6=ipv6)
        self.assertTrue(port.send(b"by one", (group, PORT), self.here.index("eth1")))
        self.assertEqual(right.recvfrom(100)[0], b"by one")
        self.assert_silent(wrong)

    def test_ipv4_interface(self) -> None:
        """G-1112-6.1-2: a datagram leaves by the interface it names, and by no other."""
        self.assert_leaves_by_eth1(IPV4)

    def test_loopback_interface(self) -> None:
        """Linux would send IPv4 multicast there from 0.0.0.0, which nobody can answer."""
        heard = self.open(PORT, group=Group.parse(IPV4, PORT), protocol=(recorder := Recorder()))
        heard.join(IPV4, "lo")
        self.open(0, ipv6=False).send(b"named", (IPV4, PORT), 1)
        self.open(0, ipv6=False, pinned=1).write(b"pinned", (IPV4, PORT))
        chosen = self.open(0, ipv6=False)
        chosen.setOutgoingInterface("lo")
        chosen.write(b"chosen", (IPV4, PORT))
        self.heard(recorder, b"named", b"pinned", b"chosen")
        self.assertEqual({host for host, _ in recorder.addresses}, {"127.0.0.1"})

    def test_ipv6_link_local_interface(self) -> None:
        """G-4007-7-1: to a link-local group the datagram goes to the zone that is named."""
        self.assert_leaves_by_eth1(LINK_LOCAL)

    def test_ipv6_wider_interface(self) -> None:
        self.assert_leaves_by_eth1(SITE_LOCAL)

    def test_scoped_host(self) -> None:
        """G-4007-7-1: the zone may stand with the host."""
        right = self.listen(True, "eth1", LINK_LOCAL)
        self.open(0, ipv6=True).write(b"scoped", (f"{LINK_LOCAL}%eth1", PORT))
        self.assertEqual(right.recvfrom(100)[0], b"scoped")

    def test_no_zone(self) -> None:
        """G-4007-6-2, G-4007-7-1: with two links, sending to a link-local group needs an interface."""
        port = self.open(0, ipv6=True)
        with self.assertRaisesRegex(ValueError, "name an interface"):
            port.send(b"guess", (LINK_LOCAL, PORT))

    def test_outgoing_index(self) -> None:
        """G-3493-5.2-1: IPV6_MULTICAST_IF is an index; two sockets with two of them send on two links."""
        listeners = [self.listen(True, name, SITE_LOCAL) for name in ("eth0", "eth1")]
        for name in ("eth0", "eth1"):
            port = self.open(0, ipv6=True)
            index = self.here.index(name)
            self.assertEqual(self.successResultOf(port.setOutgoingInterface(name)), index)
            handle = port.getHandle()
            assert handle is not None
            self.assertEqual(handle.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF), index)
            port.write(name.encode(), (SITE_LOCAL, PORT))
        self.assertEqual([each.recvfrom(100)[0] for each in listeners], [b"eth0", b"eth1"])
        self.assert_silent(listeners[0])

    def test_packet_information_wins(self) -> None:
        """G-3542-6.7-1: the interface of one datagram goes before the one that was set for the socket."""
        right = self.listen(True, "eth1", SITE_LOCAL)
        port = self.open(0, ipv6=True)
        port.setOutgoingInterface("eth0")
        port.send(b"by eth1", (SITE_LOCAL, PORT), self.here.index("eth1"))
        self.assertEqual(right.recvfrom(100)[0], b"by eth1")

    def test_reply_leaves_where_it_came(self) -> None:
        """G-4007-8-1, G-4007-5-1, G-3493-3.3-1: fe80::99 on two links is two peers, both answered."""
        index = {name: self.there.index(name) for name in ("eth0", "eth1")}
        peers = {}
        recorder = Recorder()
        port = self.open(PORT, recorder, ipv6=True)
        for name in ("eth0", "eth1"):
            port.join(LINK_LOCAL, name)
            self.there.ip("addr", "add", "fe80::99/64", "dev", name, "nodad")
            self.addCleanup(self.there.ip, "addr", "del", "fe80::99/64", "dev", name)
            peers[name] = self.there.open_socket(socket.AF_INET6)
            peers[name].bind(("fe80::99", 7000, 0, index[name]))
            peers[name].sendto(name.encode(), (LINK_LOCAL, PORT, 0, index[name]))
        self.heard(recorder, b"eth0", b"eth1")
        for data, address in zip(recorder.data, recorder.addresses, strict=True):
            self.assertEqual(address, ("fe80::99", 7000, 0, self.here.index(data.decode())))
            port.send(b"answer to " + data, address)
        self.assertEqual(peers["eth0"].recvfrom(100)[0], b"answer to eth0")
        self.assertEqual(peers["eth1"].recvfrom(100)[0], b"answer to eth1")

    def test_plain_protocol_may_answer(self) -> None:
        """G-4007-8-1: a protocol for stock Twisted gets fe80::2%index, and answering that finds the way."""
        recorder = PlainRecorder()
        port = self.open(PORT, recorder, ipv6=True)
        port.join(LINK_LOCAL, "eth1")
        peer = group_sender(self.there, True, "eth1")
        peer.sendto(b"hello", (LINK_LOCAL, PORT, 0, self.there.index("eth1")))
        self.heard(recorder, b"hello")
        self.assertEqual(recorder.addresses[0][0], f"{self.there.link_local(1)}%{self.here.index('eth1')}")
        port.write(b"answer", recorder.addresses[0])
        self.assertEqual(peer.recvfrom(100)[0], b"answer")

    def test_default_hops(self) -> None:
        """G-1112-6.1-1: without being told, multicast goes one hop."""
        self.assertEqual(self.hops_heard(IPV4), 1)

    def test_ipv4_ttl(self) -> None:
        """G-1112-6.1-1: the TTL of multicast can be set."""
        self.assertEqual(self.hops_heard(IPV4, hop_limit=255), 255)

    def test_ipv6_default_hops(self) -> None:
        """G-3493-5.2-2: unset it is 1."""
        self.assertEqual(self.hops_heard(LINK_LOCAL), 1)

    def test_ipv6_hops(self) -> None:
        """G-3493-5.2-2: the hop limit of multicast can be set."""
        self.assertEqual(self.hops_heard(LINK_LOCAL, hop_limit=255), 255)

    def test_ipv6_unicast_hops(self) -> None:
        """G-3542-6.3-1, M-11-1: unicast answers have a hop limit of their own, which can be 255."""
        self.assertEqual(self.hops_heard(self.there.ipv6(), unicast_hop_limit=255), 255)

    def test_ipv4_unicast_ttl(self) -> None:
        """M-11-1: as test_ipv6_unicast_hops for IPv4."""
        self.assertEqual(self.hops_heard(self.there.ipv4(), unicast_hop_limit=255), 255)

    def hops_heard(self, destination: str, **settings: Any) -> int:
        """Return the TTL or hop limit with which a datagram arrives at the other host."""
        ipv6 = ":" in destination
        listener = self.listen(ipv6, "eth0", LINK_LOCAL if ipv6 else IPV4)
        level, option = (
            (socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT) if ipv6 else (socket.IPPROTO_IP, IP_RECVTTL)
        )
        listener.setsockopt(level, option, 1)
        self.open(0, ipv6=ipv6, **settings).send(b"hops", (destination, PORT), self.here.index("eth0"))
        _, ancillary, _, _ = listener.recvmsg(100, 100)
        return int(struct.unpack("=i", ancillary[0][2])[0])

    def test_loopback_on(self) -> None:
        """G-1112-6.1-3: another program on this host hears what we send, by default."""
        self.assertEqual(self.heard_on_this_host(IPV4, loopback=True), [b"loop"])

    def test_loopback_off(self) -> None:
        """G-1112-6.1-3: the sender can keep it from this host."""
        self.assertEqual(self.heard_on_this_host(IPV4, loopback=False), [])

    def test_ipv6_loopback_on(self) -> None:
        """G-3493-5.2-3: on by default, and set on the sending socket."""
        self.assertEqual(self.heard_on_this_host(LINK_LOCAL, loopback=True), [b"loop"])

    def test_ipv6_loopback_off(self) -> None:
        """G-3493-5.2-3: the sender can keep it from this host."""
        self.assertEqual(self.heard_on_this_host(LINK_LOCAL, loopback=False), [])

    def test_loopback_while_open(self) -> None:
        """The switch may be turned while the port is open."""
        port = self.open(0, ipv6=False)
        port.setLoopbackMode(0)  # type: ignore[arg-type]  # as Twisted's own examples do
        self.assertIs(port.getLoopbackMode(), False)
        recorder = Recorder()
        self.open(PORT, recorder, ipv6=False).join(IPV4, "eth0")
        port.send(b"loop", (IPV4, PORT), self.here.index("eth0"))
        self.turn()
        self.assertEqual(recorder.data, [])

    def heard_on_this_host(self, group: str, loopback: bool) -> list[bytes]:
        ipv6 = ":" in group
        remote = self.listen(ipv6, "eth0", group)
        recorder = Recorder()
        self.open(PORT, recorder, ipv6=ipv6).join(group, "eth0")
        self.open(0, ipv6=ipv6, loopback=loopback).send(b"loop", (group, PORT), self.here.index("eth0"))
        self.assertEqual(remote.recvfrom(100)[0], b"loop")
        if loopback:
            self.heard(recorder, b"loop")
        self.turn(0.05)
        return recorder.data

    def test_group_is_never_the_source(self) -> None:
        """G-1112-6.2-1: what a group-bound port sends has an address of the interface as source."""
        for group, source in ((IPV4, self.here.ipv4(1)), (LINK_LOCAL, self.here.link_local(1))):
            peer = self.listen(":" in group, "eth1", group)
            index = self.here.index("eth1")
            port = self.open(PORT, group=Group.parse(group, PORT), pinned=index)
            self.assertTrue(port.send(b"from where?", (group, PORT)))
            self.assertEqual(peer.recvfrom(100)[1][0], source)

    def test_returned_answer(self) -> None:
        """What a protocol returns goes back to the sender, by the interface it came from."""

        class Answering(Recorder):
            def datagram_arrived(self, data: bytes, address: tuple[Any, ...], arrival: Arrival) -> bytes:
                return b"answer"

        for group in (IPV4, LINK_LOCAL):
            index = self.here.index("eth1")
            peer = group_sender(self.there, ":" in group, "eth1")
            self.open(PORT, Answering(), group=Group.parse(group, PORT), pinned=index).join(group, index)
            scope = (0, self.there.index("eth1")) if ":" in group else ()
            peer.sendto(b"question", (group, PORT, *scope))
            self.until(lambda peer=peer: readable(peer), "an answer")  # type: ignore[misc]
            self.assertEqual(peer.recvfrom(100)[0], b"answer")

    def assert_answered_by_eth1(self, ipv6: bool, *, pinned: bool) -> None:
        """A request that came by eth1 is answered by eth1, though the routes prefer eth0 for the asker."""

        class Answering(Recorder):
            def datagram_arrived(self, data: bytes, address: tuple[Any, ...], arrival: Arrival) -> bytes:
                return b"answer"

        group = Group.parse(SITE_LOCAL if ipv6 else IPV4, PORT)
        index = self.here.index("eth1")
        settings: dict[str, Any] = {"group": group, "pinned": index} if pinned else {"ipv6": ipv6}
        self.open(PORT, Answering(), **settings).join(group, index)
        wire = self.there.open_socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        wire.bind(("eth1", 0x0003))
        wire.setblocking(False)
        asker = self.there.open_socket(socket.AF_INET6 if ipv6 else socket.AF_INET)
        # Its address on the first link, but sending by the second.
        asker.bind((self.there.ipv6(0) if ipv6 else self.there.ipv4(0), 0))
        if ipv6:
            asker.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, self.there.index("eth1"))
            # IPv6 wants a route by that interface, and a neighbour who would not answer there for himself.
            route = ("route", "fd77::/64", "dev", "eth1", "metric", "5000")
            neighbour = ("neigh", self.there.ipv6(0), "lladdr", "02:77:00:00:01:02", "dev", "eth1")
            for what, *how in (route, neighbour):
                self.here.ip("-6", what, "replace", *how)
                self.addCleanup(self.here.ip, "-6", what, "del", *how)
        else:
            packed = bytes(8) + struct.pack("=I", self.there.index("eth1"))
            asker.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, packed)
        asker.sendto(b"question", (group.host, PORT))
        self.until(lambda: b"answer" in read_all(wire), "the answer on the second link")

    def test_ipv4_answer_by_arrival_interface(self) -> None:
        """G-3542-6.1-1: for IPv4, by IP_PKTINFO."""
        self.assert_answered_by_eth1(False, pinned=False)

    def test_ipv6_answer_by_arrival_interface(self) -> None:
        """G-3542-6.1-1: each reply leaves on the interface the request came by, also for global addresses."""
        self.assert_answered_by_eth1(True, pinned=False)

    def test_ipv4_pinned_answer(self) -> None:
        """The same for a pinned port, which is told its interface once."""
        self.assert_answered_by_eth1(False, pinned=True)

    def test_ipv6_pinned_answer(self) -> None:
        self.assert_answered_by_eth1(True, pinned=True)

    def test_mac_of_the_group(self) -> None:
        """G-1112-6.4-1: 224.0.0.251 goes to 01:00:5e:00:00:fb."""
        wire = self.there.open_socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        wire.bind(("eth0", 0x0800))
        self.open(0, ipv6=False).send(b"mac?", ("224.0.0.251", PORT), self.here.index("eth0"))
        frame = b""
        while b"mac?" not in frame:
            frame = wire.recv(2000)
        self.assertEqual(frame[:6].hex(":"), "01:00:5e:00:00:fb")

    def test_unreachable(self) -> None:
        """No route: unreachable, counted, logged once, and the port goes on."""
        port = self.open(0, ipv6=False)
        results = [port.send(b"x", ("198.51.100.1", PORT)) for _ in range(3)]
        self.assertEqual(results, [SendResult.UNREACHABLE] * 3)
        self.assertEqual(port.counters["send_refused"], 3)
        peer = self.there.udp_socket(False, PORT)
        self.assertTrue(port.send(b"works", (self.there.ipv4(), PORT)))
        self.assertEqual(peer.recvfrom(100)[0], b"works")

    def test_interface_is_down(self) -> None:
        """ENETUNREACH or ENETDOWN of an interface that is down is a refusal, not an exception."""
        self.here.ip("link", "set", "eth1", "down")
        self.addCleanup(self.lan.restore, self.here, 1)
        port = self.open(0, ipv6=True)
        self.assertIs(port.send(b"x", (LINK_LOCAL, PORT), self.here.index("eth1")), SendResult.UNREACHABLE)
        self.assertEqual(port.counters["send_refused"], 1)

    def test_too_large(self) -> None:
        """65508 octets fit into no UDP datagram over IPv4: refused and counted."""
        port = self.open(0, ipv6=False)
        self.assertIs(port.send(b"x" * 65508, (self.there.ipv4(), PORT)), SendResult.TOO_LARGE)
        self.assertEqual(port.counters["send_refused"], 1)


class AsyncioSendingTests(SendingTests):
    """The same on the asyncio reactor."""

    reactor_name = "asyncio"


def read_all(sock: socket.socket) -> bytes:
    """Return all that has arrived at a socket that does not block."""
    found = b""
    while True:
        try:
            found += sock.recv(2000)
        except BlockingIOError:
            return found
