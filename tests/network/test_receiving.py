"""What a `GroupPort` receives, with real packets between two hosts on two links."""

from __future__ import annotations

import os
import socket
import struct
from typing import Any

from mcast.sockets import reading
from mcast.sockets.arrival import Arrival, Way
from mcast.sockets.group import Group
from mcast.sockets.reading import LOOK_EVERY, READ_BATCH
from tests.network.reactors import ReactorLanTestCase, Recorder, group_sender

PORT = 7645
IPV4 = "224.0.0.123"
LINK_LOCAL = "ff02::123"
SITE_LOCAL = "ff05::123"


class ReceivingTests(ReactorLanTestCase):
    """What a port receives, and what it is told with each datagram."""

    def receive(self, group: str, interface: str, **settings: Any) -> Recorder:
        recorder = Recorder()
        self.open(PORT, recorder, ipv6=":" in group, **settings).join(group, interface)
        return recorder

    def send(self, group: str, interface: str, data: bytes, hops: int = 1) -> None:
        sender = group_sender(self.there, ":" in group, interface, hops)
        scope = (0, self.there.index(interface)) if group.startswith("ff02") else ()
        sender.sendto(data, (group, PORT, *scope))

    def test_ipv4_arrival(self) -> None:
        """Interface, destination and TTL are told."""
        recorder = self.receive(IPV4, "eth1")
        self.send(IPV4, "eth1", b"hello", hops=7)
        self.heard(recorder, b"hello")
        self.assertEqual(recorder.arrivals, [Arrival(self.here.index("eth1"), IPV4, 7)])
        self.assertEqual(recorder.addresses[0][0], self.there.ipv4(1))

    def test_ipv6_arrival_interface(self) -> None:
        """G-3542-6.1-1: one socket on two links attributes each datagram to the right interface."""
        recorder = Recorder()
        port = self.open(PORT, recorder, ipv6=True)
        port.join(LINK_LOCAL, "eth0")
        port.join(LINK_LOCAL, "eth1")
        self.send(LINK_LOCAL, "eth0", b"zero")
        self.send(LINK_LOCAL, "eth1", b"one")
        self.heard(recorder, b"zero", b"one")
        told = {
            data: arrival.interface for data, arrival in zip(recorder.data, recorder.arrivals, strict=True)
        }
        self.assertEqual(told, {b"zero": self.here.index("eth0"), b"one": self.here.index("eth1")})

    def test_ways(self) -> None:
        """A protocol is asked once for each kind of arrival where such go, and again when it says so."""

        class Choosy(Recorder):
            asked: list[Arrival] = []  # noqa: RUF012

            def way_of(self, arrival: Arrival) -> Way:
                self.asked.append(arrival)
                return self.take, len(self.asked), 0

            def take(self, data: bytes, address: tuple[Any, ...], told: int) -> None:
                self.data.append(b"%s by way %d" % (data, told))

        recorder = Choosy()
        port = self.open(PORT, recorder, ipv6=False)
        port.join(IPV4, "eth0")
        self.send(IPV4, "eth0", b"one")
        self.send(IPV4, "eth0", b"two")
        self.heard(recorder, b"one by way 1", b"two by way 1")
        port.forget_ways()
        self.send(IPV4, "eth0", b"three")
        self.heard(recorder, b"one by way 1", b"two by way 1", b"three by way 2")

    def test_ipv6_destination(self) -> None:
        """G-3542-6.2-1: a unicast datagram is told apart from one to the group."""
        recorder = self.receive(LINK_LOCAL, "eth0")
        self.send(LINK_LOCAL, "eth0", b"group")
        self.there.udp_socket(True).sendto(b"unicast", (self.here.ipv6(), PORT))
        self.heard(recorder, b"group", b"unicast")
        told = {
            data: arrival.destination for data, arrival in zip(recorder.data, recorder.arrivals, strict=True)
        }
        self.assertEqual(told, {b"group": LINK_LOCAL, b"unicast": "fd77::1"})

    def test_ipv6_hop_limit(self) -> None:
        """G-3542-6.3-1: the hop limit it arrived with is told."""
        recorder = self.receive(LINK_LOCAL, "eth0")
        self.send(LINK_LOCAL, "eth0", b"hello", hops=9)
        self.heard(recorder, b"hello")
        self.assertEqual(recorder.arrivals[0].hop_limit, 9)

    def test_pinned_knows_arrival(self) -> None:
        """Bound to a group and joined on one interface, a port knows the arrival without asking."""
        for group in (IPV4, LINK_LOCAL):
            recorder = Recorder()
            index = self.here.index("eth1")
            self.open(PORT, recorder, group=Group.parse(group, PORT), pinned=index).join(group, index)
            self.send(group, "eth1", b"hello")
            self.heard(recorder, b"hello")
            self.assertEqual(recorder.arrivals, [Arrival(index, group, None)])

    def test_ipv4_not_joined_there(self) -> None:
        """G-1112-7.2-1: nothing comes from eth1 when joined on eth0 only, though another joined there."""
        recorder = self.receive(IPV4, "eth0")
        other = self.receive(IPV4, "eth1")
        self.send(IPV4, "eth1", b"elsewhere")
        self.send(IPV4, "eth0", b"here")
        self.heard(other, b"elsewhere")
        self.heard(recorder, b"here")

    def test_ipv6_not_joined_there(self) -> None:
        """G-1112-7.2-1 for IPv6, where the kernel looks at the group only: the port looks itself."""
        recorder = Recorder()
        port = self.open(PORT, recorder, ipv6=True)
        port.join(SITE_LOCAL, "eth0")
        other = self.receive(SITE_LOCAL, "eth1")
        self.send(SITE_LOCAL, "eth1", b"elsewhere")
        self.send(SITE_LOCAL, "eth0", b"here")
        self.heard(other, b"elsewhere")
        self.heard(recorder, b"here")
        self.assertEqual(port.counters["not_joined"], 1)

    def test_ipv6_pinned_not_joined_there(self) -> None:
        """G-1112-7.2-1 for a pinned IPv6 port of a group wider than the link."""
        recorder = Recorder()
        group = Group.parse(SITE_LOCAL, PORT)
        self.open(PORT, recorder, group=group, pinned=self.here.index("eth0")).join(group, "eth0")
        other = self.receive(SITE_LOCAL, "eth1")
        self.send(SITE_LOCAL, "eth1", b"elsewhere")
        self.send(SITE_LOCAL, "eth0", b"here")
        self.heard(other, b"elsewhere")
        self.heard(recorder, b"here")

    def test_kernel_filters_ipv4(self) -> None:
        """G-1112-7.2-1: a port that is told no arrivals relies on IP_MULTICAST_ALL being off."""
        recorder = self.receive(IPV4, "eth0", arrivals=False)
        other = self.receive(IPV4, "eth1")
        self.send(IPV4, "eth1", b"elsewhere")
        self.send(IPV4, "eth0", b"here")
        self.heard(other, b"elsewhere")
        self.heard(recorder, b"here")

    def test_kernel_filters_ipv6_groups(self) -> None:
        """IPV6_MULTICAST_ALL is off: without arrivals, a group that only another socket joined stays away."""
        recorder = self.receive(LINK_LOCAL, "eth0", arrivals=False)
        other = self.receive("ff02::124", "eth0")
        self.send("ff02::124", "eth0", b"other")
        self.send(LINK_LOCAL, "eth0", b"ours")
        self.heard(other, b"other")
        self.heard(recorder, b"ours")

    def test_group_of_another_socket(self) -> None:
        """IP_MULTICAST_ALL is off: a wildcard-bound port gets no group that only another socket joined."""
        recorder = self.receive(IPV4, "eth0")
        self.receive("224.0.0.124", "eth0")
        self.send("224.0.0.124", "eth0", b"other")
        self.send(IPV4, "eth0", b"ours")
        self.heard(recorder, b"ours")

    def test_several_groups_on_one_port(self) -> None:
        recorder = Recorder()
        port = self.open(PORT, recorder, ipv6=False)
        port.join(IPV4, "eth0")
        port.join("239.1.2.3", "eth0")
        self.send(IPV4, "eth0", b"first")
        self.send("239.1.2.3", "eth0", b"second")
        self.heard(recorder, b"first", b"second")

    def test_ipv6_bound_to_wildcard_hears_both(self) -> None:
        """G-3493-5.2-5: bound to :: and joined, a socket receives unicast and multicast."""
        recorder = self.receive(LINK_LOCAL, "eth0")
        self.there.udp_socket(True).sendto(b"unicast", (self.here.ipv6(), PORT))
        self.send(LINK_LOCAL, "eth0", b"group")
        self.heard(recorder, b"unicast", b"group")

    def test_ipv6_bound_to_group_hears_only_that(self) -> None:
        """G-3493-5.2-5: bound to the group, a socket receives only what is sent to the group."""
        recorder = Recorder()
        port = self.open(PORT, recorder, group=Group.parse(f"{LINK_LOCAL}%eth0", PORT))
        port.join(LINK_LOCAL, "eth0")
        self.there.udp_socket(True).sendto(b"unicast", (self.here.ipv6(), PORT))
        self.send(LINK_LOCAL, "eth0", b"group")
        self.heard(recorder, b"group")

    def test_ipv6_socket_gets_no_ipv4(self) -> None:
        """G-3493-5.3-1: both families bind one port, and IPv4 is never seen as ::ffff:a.b.c.d."""
        six = Recorder()
        self.open(PORT, six, ipv6=True).join(LINK_LOCAL, "eth0")
        four = Recorder()
        self.open(PORT, four, ipv6=False, shared=False).join(IPV4, "eth0")
        self.send(IPV4, "eth0", b"four")
        self.send(LINK_LOCAL, "eth0", b"six")
        self.heard(four, b"four")
        self.heard(six, b"six")

    def test_ttl_of_one_is_accepted(self) -> None:
        """G-1112-7.2-2: an incoming TTL of 1 is no reason to refuse a datagram."""
        recorder = self.receive(IPV4, "eth0")
        self.send(IPV4, "eth0", b"near", hops=1)
        self.heard(recorder, b"near")
        self.assertEqual(recorder.arrivals[0].hop_limit, 1)

    def test_multicast_source_is_dropped(self) -> None:
        """G-1112-7.2-2: a datagram whose source is a group never reaches the protocol."""
        recorder = self.receive(IPV4, "eth0")
        wire = self.there.open_socket(socket.AF_PACKET, socket.SOCK_RAW)
        wire.bind(("eth0", 0x0800))
        wire.send(ethernet_datagram("224.0.0.5", IPV4, b"forged"))
        wire.send(ethernet_datagram(self.there.ipv4(), IPV4, b"honest"))
        self.heard(recorder, b"honest")

    def test_group_with_same_mac(self) -> None:
        """G-1112-6.4-1: 225.0.0.123 shares its MAC address with 224.0.0.123, and is not delivered."""
        recorder = self.receive(IPV4, "eth0")
        self.send("225.0.0.123", "eth0", b"other")
        self.send(IPV4, "eth0", b"ours")
        self.heard(recorder, b"ours")

    def test_largest_and_smallest(self) -> None:
        """Datagrams of 0 and of 65507 octets come whole."""
        recorder = self.receive(IPV4, "eth0")
        sender = group_sender(self.there, False, "eth0")
        sender.sendto(b"", (IPV4, PORT))
        sender.sendto(b"x" * 65507, (IPV4, PORT))
        self.until(lambda: len(recorder.data) == 2, "both")
        self.assertEqual([len(data) for data in recorder.data], [0, 65507])

    def test_longer_than_wanted(self) -> None:
        """What would be cut is counted and not delivered."""
        recorder = Recorder()
        port = self.open(PORT, recorder, ipv6=False, max_packet_size=100)
        port.join(IPV4, "eth0")
        self.send(IPV4, "eth0", b"x" * 101)
        self.send(IPV4, "eth0", b"y" * 100)
        self.heard(recorder, b"y" * 100)
        self.assertEqual(port.counters["truncated"], 1)

    def test_longer_than_wanted_on_a_pinned_port(self) -> None:
        recorder = Recorder()
        group = Group.parse(IPV4, PORT)
        port = self.open(PORT, recorder, group=group, pinned=self.here.index("eth0"), max_packet_size=100)
        port.join(group, "eth0")
        self.send(IPV4, "eth0", b"x" * 101)
        self.send(IPV4, "eth0", b"y" * 100)
        self.heard(recorder, b"y" * 100)
        self.assertEqual(port.counters["truncated"], 1)

    def test_more_than_one_batch(self) -> None:
        """What is left after a bounded read is read in the next turns of the reactor."""
        recorder = self.receive(IPV4, "eth0", receive_buffer=1 << 20)
        sender = group_sender(self.there, False, "eth0")
        count = READ_BATCH + 50
        # Each processor has a queue of what was sent on it: in order is what is sent on one.
        processors = os.sched_getaffinity(0)
        self.addCleanup(os.sched_setaffinity, 0, processors)
        os.sched_setaffinity(0, {min(processors)})
        for number in range(count):
            sender.sendto(b"%d" % number, (IPV4, PORT))
        self.until(lambda: len(recorder.data) == count, "all of them")
        self.assertEqual(recorder.data, [b"%d" % number for number in range(count)])

    def send_all(self, port: int, count: int) -> None:
        """Send so many datagrams to a port that has joined, and return when it has them all."""
        # A socket that has them shows that the port has, too: what was sent is not there at once.
        witness = self.here.udp_socket(port=port)
        witness.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        membership = struct.pack("=4s4si", socket.inet_aton(IPV4), bytes(4), self.here.index("eth0"))
        witness.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        sender = group_sender(self.there, False, "eth0")
        for _ in range(count):
            sender.sendto(b"x", (IPV4, port))
        for _ in range(count):
            witness.recv(100)

    def test_reads_a_batch_at_most(self) -> None:
        """One wake-up delivers no more than a batch, so that timers get their turn."""
        self.patch(reading, "READ_SLICE", 3600.0)
        self.patch(reading, "LONE_INTERVAL", 3600.0)
        recorder = Recorder()
        port = self.open(PORT, recorder, ipv6=False, receive_buffer=1 << 20)
        port.join(IPV4, "eth0")
        self.send_all(PORT, READ_BATCH + 2)
        port.doRead()  # after a pause, so it reads one
        port.doRead()
        self.assertEqual(len(recorder.data), 1 + READ_BATCH)

    def test_reads_a_moment_at_most(self) -> None:
        """Where each datagram costs much, fewer of them make a turn, for either way to read."""
        self.patch(reading, "READ_SLICE", 0.0)
        self.patch(reading, "LONE_INTERVAL", 3600.0)
        for arrivals in (False, True):
            recorder = Recorder()
            port = self.open(PORT + arrivals, recorder, ipv6=False, arrivals=arrivals)
            port.join(IPV4, "eth0")
            self.send_all(PORT + arrivals, LOOK_EVERY + 2)
            port.doRead()  # after a pause, so it reads one
            port.doRead()
            self.assertEqual(len(recorder.data), 1 + LOOK_EVERY)

    def test_failing_protocol(self) -> None:
        """A protocol that raises is logged, and the next datagram still comes."""

        class Failing(Recorder):
            def datagram_arrived(self, data: bytes, address: tuple[Any, ...], arrival: Arrival) -> None:
                super().datagram_arrived(data, address, arrival)
                if data == b"bad":
                    raise RuntimeError("as meant")

        recorder = Failing()
        port = self.open(PORT, recorder, ipv6=False)
        port.join(IPV4, "eth0")
        self.send(IPV4, "eth0", b"bad")
        self.send(IPV4, "eth0", b"good")
        self.heard(recorder, b"bad", b"good")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(port.counters["protocol_errors"], 1)

    def test_refused_by_the_peer(self) -> None:
        """A connected port is told that nobody listens there, and stays open; epoll sees an end in it."""

        class Refused(Recorder):
            count = 0

            def connectionRefused(self) -> None:
                self.count += 1

        refused = Refused()
        port = self.open(0, refused, interface="127.0.0.1")
        port.connect("127.0.0.1", 9)
        port.write(b"anybody?")
        self.until(lambda: refused.count == 1, "the refusal")
        port.write(b"and now?")
        self.until(lambda: refused.count == 2, "another one")
        self.assertFalse(port.disconnected)

    def test_stopped_from_within(self) -> None:
        """A port closed by its protocol delivers nothing more."""

        class Once(Recorder):
            def datagram_arrived(self, data: bytes, address: tuple[Any, ...], arrival: Arrival) -> None:
                super().datagram_arrived(data, address, arrival)
                port.stopListening()

        recorder = Once()
        port = self.open(PORT, recorder, ipv6=False)
        port.join(IPV4, "eth0")
        sender = group_sender(self.there, False, "eth0")
        sender.sendto(b"first", (IPV4, PORT))
        sender.sendto(b"second", (IPV4, PORT))
        self.until(lambda: port.disconnected, "the port to close")
        self.assertEqual(recorder.data, [b"first"])


class AsyncioReceivingTests(ReceivingTests):
    """The same on the asyncio reactor."""

    reactor_name = "asyncio"


class PollReceivingTests(ReceivingTests):
    """The same on the poll reactor."""

    reactor_name = "poll"


class SelectReceivingTests(ReceivingTests):
    """The same on the select reactor."""

    reactor_name = "select"


def ethernet_datagram(source: str, group: str, payload: bytes) -> bytes:
    """Return an Ethernet frame with a UDP datagram to a group, from any source (RFC 791, RFC 768)."""
    udp = struct.pack("!HHHH", 5000, PORT, 8 + len(payload), 0) + payload
    header = struct.pack(
        "!BBHHHBBH4s4s",
        0x45,
        0,
        20 + len(udp),
        1,
        0,
        1,
        17,
        0,
        socket.inet_aton(source),
        socket.inet_aton(group),
    )
    words = struct.unpack("!10H", header)
    total = sum(words)
    total = (total & 0xFFFF) + (total >> 16)
    header = header[:10] + struct.pack("!H", ~total & 0xFFFF) + header[12:]
    low = socket.inet_aton(group)
    mac = bytes((0x01, 0x00, 0x5E, low[1] & 0x7F, low[2], low[3]))
    return mac + bytes.fromhex("027700000099") + struct.pack("!H", 0x0800) + header + udp
