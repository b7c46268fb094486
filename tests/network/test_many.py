"""More groups and interfaces than the system lets one socket join: Linux allows 20 (igmp_max_memberships)."""

from __future__ import annotations

import gc
import os
import socket
from collections import Counter
from typing import Any

from twisted.trial.unittest import SkipTest

from mcast.echo.service import EchoService
from mcast.node.network import SocketNetwork
from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
from mcast.sockets.interface import interfaces
from mcast.sockets.listen import listen_group
from tests.network.listeners import RecordingGroups
from tests.network.reactors import PlainRecorder, ReactorLanTestCase, Recorder, group_sender, readable

PORT = 7645
IPV4, IPV6, WIDE = "224.0.0.123", "ff02::123", "ff05::123"
LINKS = 25


class ManyTestCase(ReactorLanTestCase):
    """Two hosts on 25 links."""

    links = LINKS

    def setUp(self) -> None:
        super().setUp()
        self.names = [f"eth{link}" for link in range(LINKS)]
        self.indexes = [self.here.index(name) for name in self.names]

    def send_everywhere(self, group: str, port: int = PORT) -> None:
        """Send the name of each link to a group there, from the other host."""
        for name in self.names:
            sender = group_sender(self.there, ":" in group, name)
            scope = (0, self.there.index(name)) if ":" in group else ()
            sender.sendto(name.encode(), (group, port, *scope))
            sender.close()

    def heard_once_each(self, data: list[bytes]) -> None:
        """Wait for one datagram of each link, and for no other."""
        self.until(lambda: len(data) >= LINKS, "a datagram by each link")
        self.turn(0.05)
        self.assertEqual(Counter(data), Counter(name.encode() for name in self.names))

    def descriptors(self) -> int:
        # What earlier tests of this process left in cycles closes now, not while it is counted.
        gc.collect()
        return len(os.listdir("/proc/self/fd"))


class ManyMembershipsTests(ManyTestCase):
    """A port takes a further socket when one is full."""

    def check_interfaces(self, group: str, recorder: Recorder | PlainRecorder, **settings: Any) -> None:
        port = self.open(PORT, recorder, ipv6=":" in group, **settings)
        for index in self.indexes:
            port.join(group, index)
        self.assertEqual(len(port.memberships), LINKS)
        self.send_everywhere(group)
        self.heard_once_each(recorder.data)
        if isinstance(recorder, Recorder):
            names = [socket.if_indextoname(arrival.interface).encode() for arrival in recorder.arrivals]
            self.assertEqual(names, recorder.data)

    def test_interfaces(self) -> None:
        self.check_interfaces(IPV4, Recorder())

    def test_plain_protocol(self) -> None:
        self.check_interfaces(IPV4, PlainRecorder())

    def test_port_that_is_not_shared(self) -> None:
        """The further socket has the port, too, and nobody else gets it."""
        self.check_interfaces(IPV4, Recorder(), shared=False)
        other = self.here.open_socket(socket.AF_INET)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with self.assertRaises(OSError):
            other.bind(("", PORT))

    def fill_ipv6(self) -> None:
        """Make the system full at once: what IPv6 memberships take is counted as option memory."""
        limit = "/proc/sys/net/core/optmem_max"
        if not os.path.exists(limit):
            raise SkipTest("before Linux 6.7 all namespaces have one limit")
        with open(limit, encoding="ascii") as file:
            before = file.read()
        self.addCleanup(self.write, limit, before)
        self.write(limit, "1000")

    def write(self, path: str, text: str) -> None:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)

    def test_ipv6_interfaces(self) -> None:
        self.fill_ipv6()
        self.check_interfaces(IPV6, Recorder())

    def test_ipv6_plain_protocol(self) -> None:
        self.fill_ipv6()
        self.check_interfaces(WIDE, PlainRecorder())

    def test_groups(self) -> None:
        """Fifty groups on one interface, each heard once."""
        recorder = Recorder()
        port = self.open(PORT, recorder)
        groups = [f"239.7.7.{number}" for number in range(50)]
        for group in groups:
            port.join(group, self.indexes[0])
        sender = group_sender(self.there, False, "eth0")
        for group in groups:
            sender.sendto(group.encode(), (group, PORT))
        self.heard(recorder, *(group.encode() for group in groups))
        self.assertEqual(
            [arrival.destination for arrival in recorder.arrivals], [data.decode() for data in recorder.data]
        )

    def test_sources(self) -> None:
        """More sources of one group than one socket filters (igmp_max_msf, 10)."""
        recorder = Recorder()
        port = self.open(PORT, recorder)
        sources = [f"10.77.0.{number}" for number in range(100, 125)] + [self.there.ipv4()]
        for source in sources:
            port.join("232.1.2.3", self.indexes[0], source)
        group_sender(self.there, False, "eth0").sendto(b"wanted", ("232.1.2.3", PORT))
        self.heard(recorder, b"wanted")

    def test_unicast_and_broadcast_come_once(self) -> None:
        recorder = Recorder()
        port = self.open(PORT, recorder)
        for index in self.indexes:
            port.join(IPV4, index)
        sender = self.there.udp_socket()
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sender.sendto(b"unicast", (self.here.ipv4(), PORT))
        sender.sendto(b"broadcast", ("10.77.0.255", PORT))
        self.heard(recorder, b"unicast", b"broadcast")
        self.turn(0.05)
        self.assertEqual(len(recorder.data), 2)

    def test_leaving_gives_back(self) -> None:
        """The further socket goes with its last membership, and all of them with the port."""
        port = self.open(PORT)
        before = self.descriptors()
        for index in self.indexes:
            port.join(IPV4, index)
        self.assertEqual(self.descriptors(), before + 1)
        for index in self.indexes:
            port.leave(IPV4, index)
        self.assertEqual((self.descriptors(), port.memberships), (before, ()))
        for index in self.indexes:
            port.join(IPV4, index)
        self.wait(port.stopListening())
        self.assertEqual(self.descriptors(), before - 1)

    def test_joined_twice(self) -> None:
        """A membership of a further socket is not had twice, though the first has room again."""
        recorder = Recorder()
        port = self.open(PORT, recorder)
        for index in self.indexes:
            port.join(IPV4, index)
        port.leave(IPV4, self.indexes[0])
        with self.assertRaises(OSError):
            port.join(IPV4, self.indexes[-1])
        self.send_everywhere(IPV4)
        self.until(lambda: len(recorder.data) >= LINKS - 1, "the others")
        self.turn(0.05)
        self.assertEqual(sorted(recorder.data), sorted(name.encode() for name in self.names[1:]))

    def test_leaving_while_reading(self) -> None:
        """The protocol may leave, or stop the port, from within what a further socket delivers."""

        class Leaver(Recorder):
            def datagram_arrived(self, data: bytes, address: tuple[Any, ...], arrival: Arrival) -> None:
                super().datagram_arrived(data, address, arrival)
                port.leave(IPV4, arrival.interface)

        port = self.open(PORT, leaver := Leaver())
        for index in self.indexes:
            port.join(IPV4, index)
        self.send_everywhere(IPV4)
        self.heard_once_each(leaver.data)
        self.assertEqual((port.memberships, port.counters["protocol_errors"]), ((), 0))


class ManyListenersTests(ManyTestCase):
    """What stands on ports works on each of many interfaces."""

    def test_group_listener(self) -> None:
        protocol = RecordingGroups([Group.parse(IPV4, PORT)])
        self.close_later(listen_group(self.reactor, protocol))
        self.send_everywhere(IPV4)
        self.heard_once_each(protocol.data)

    def test_echo(self) -> None:
        service = EchoService(self.reactor, [Group.parse(IPV4, PORT), Group.parse(IPV6, PORT)])
        service.startService()
        self.addCleanup(lambda: self.wait(service.stopService()))
        for ipv6 in (False, True):
            for name in self.names:
                client = group_sender(self.there, ipv6, name)
                group = (IPV6, PORT, 0, self.there.index(name)) if ipv6 else (IPV4, PORT)
                client.sendto(name.encode(), group)
                self.until(lambda client=client: readable(client), f"an answer by {name}")  # type: ignore[misc]
                self.assertEqual(client.recvfrom(100)[0], name.encode())

    def check_node(self, ipv6: bool) -> None:
        port = self.close_later(_Stoppable(SocketNetwork(self.reactor).open(ipv6))).port
        heard: list[bytes] = []
        for each in interfaces():
            if each.name in self.names:
                port.join(each, lambda data, address, multicast: heard.append(data))
        self.send_everywhere("ff02::fb" if ipv6 else "224.0.0.251", 5353)
        self.heard_once_each(heard)

    def test_node_ipv4(self) -> None:
        self.check_node(False)

    def test_node_ipv6(self) -> None:
        self.check_node(True)


class _Stoppable:
    def __init__(self, port: Any) -> None:
        self.port = port
        self.stopListening = port.close
