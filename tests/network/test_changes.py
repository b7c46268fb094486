"""Interfaces that come, go, and lose and regain addresses while a listener runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcast.sockets.group import Group
from mcast.sockets.interface import Interface
from mcast.sockets.listen import GroupListener, listen_group, listen_multicast
from mcast.sockets.monitor import InterfaceMonitor
from tests.network.listeners import RecordingGroups
from tests.network.reactors import ReactorLanTestCase, group_sender

PORT = 7645
IPV4 = Group.parse("224.0.0.123", PORT)
IPV6 = Group.parse("ff02::123", PORT)
GROUPS = [IPV4, IPV6]


class ChangeTests(ReactorLanTestCase):
    """What a listener receives after its interfaces changed."""

    def listen(self, **settings: Any) -> RecordingGroups:
        self.protocol = RecordingGroups(GROUPS, **settings)
        self.listener: GroupListener = self.close_later(listen_group(self.reactor, self.protocol))
        return self.protocol

    def assert_heard(self, group: Group, interface: str) -> None:
        """A datagram sent to the group on the link of this interface arrives, once."""
        before = len(self.protocol.data)
        sender = group_sender(self.there, group.ipv6, interface)
        scope = (0, self.there.index(interface)) if group.ipv6 else ()
        sender.sendto(b"hello", (group.host, group.port, *scope))
        self.until(lambda: len(self.protocol.data) > before, f"{group} on {interface}")
        self.assertEqual(self.protocol.arrivals[-1].interface, self.here.index(interface))

    def told(self, *events: tuple[str, str, str]) -> None:
        """Wait until just these memberships were told, in any order."""
        self.until(lambda: len(self.protocol.events) >= len(events), f"{events}")
        self.assertEqual(sorted(self.protocol.events), sorted(events))
        self.protocol.events.clear()

    def start(self, **settings: Any) -> None:
        """Listen on both interfaces and both families."""
        self.listen(**settings)
        self.told(*(("joined", group.host, f"eth{link}") for group in GROUPS for link in (0, 1)))

    def test_down_and_up(self) -> None:
        self.start()
        self.here.ip("link", "set", "eth1", "down")
        self.addCleanup(self.lan.restore, self.here, 1)
        self.told(("left", IPV4.host, "eth1"), ("left", IPV6.host, "eth1"))
        self.lan.restore(self.here, 1)
        self.told(("joined", IPV4.host, "eth1"), ("joined", IPV6.host, "eth1"))
        self.assert_heard(IPV4, "eth1")
        self.assert_heard(IPV6, "eth1")

    def test_other_interface_is_untouched(self) -> None:
        """While one interface is down the other goes on."""
        self.start()
        self.here.ip("link", "set", "eth1", "down")
        self.addCleanup(self.lan.restore, self.here, 1)
        self.told(("left", IPV4.host, "eth1"), ("left", IPV6.host, "eth1"))
        self.assert_heard(IPV4, "eth0")
        self.assert_heard(IPV6, "eth0")

    def test_removed_and_added(self) -> None:
        """G-3493-5.2-4: an interface that comes again has another index, and is joined by that."""
        self.start()
        before = self.here.index("eth1")
        self.lan.unplug(self.here, 1)
        self.told(("left", IPV4.host, "eth1"), ("left", IPV6.host, "eth1"))
        self.lan.plug(self.here, 1)
        self.told(("joined", IPV4.host, "eth1"), ("joined", IPV6.host, "eth1"))
        self.assertNotEqual(self.here.index("eth1"), before)
        self.assert_heard(IPV4, "eth1")
        self.assert_heard(IPV6, "eth1")

    def test_new_interface(self) -> None:
        """An interface that was not there at the start is joined when it comes."""
        self.lan.unplug(self.here, 1)
        self.listen()
        self.told(("joined", IPV4.host, "eth0"), ("joined", IPV6.host, "eth0"))
        self.lan.plug(self.here, 1)
        self.told(("joined", IPV4.host, "eth1"), ("joined", IPV6.host, "eth1"))
        self.assert_heard(IPV4, "eth1")

    def test_address_lost(self) -> None:
        """Without an IPv4 address the kernel forgets the membership; so do we, and join with the next."""
        self.start()
        self.here.ip("addr", "del", f"{self.here.ipv4(1)}/24", "dev", "eth1")
        self.addCleanup(self.here.add_addresses, 1)
        self.until(lambda: ("left", IPV4.host, "eth1") in self.protocol.events, "leaving")
        self.here.ip("addr", "add", "10.78.0.1/24", "dev", "eth1")
        self.addCleanup(self.here.ip, "addr", "del", "10.78.0.1/24", "dev", "eth1")
        self.until(lambda: ("joined", IPV4.host, "eth1") in self.protocol.events, "joining")
        self.assert_heard(IPV4, "eth1")

    def test_address_lost_for_a_moment(self) -> None:
        """Taken and given back between two looks is noticed too, since the membership went with it."""
        self.start()
        address = f"{self.here.ipv4(1)}/24"
        self.here.ip("addr", "del", address, "dev", "eth1")
        self.here.ip("addr", "add", address, "brd", "+", "dev", "eth1")
        self.told(("left", IPV4.host, "eth1"), ("joined", IPV4.host, "eth1"))
        self.assert_heard(IPV4, "eth1")

    def test_second_address_changes_nothing(self) -> None:
        """Memberships belong to the interface: one address more or less is no reason to leave."""
        self.start()
        self.here.ip("addr", "add", "10.78.0.1/24", "dev", "eth1")
        self.here.ip("addr", "del", "10.78.0.1/24", "dev", "eth1")
        self.turn(0.5)
        self.assertEqual(self.protocol.events, [])
        self.assert_heard(IPV4, "eth1")

    def test_ipv6_addresses_lost(self) -> None:
        self.start()
        self.here.ip("-6", "addr", "flush", "dev", "eth1")
        self.addCleanup(self.here.add_addresses, 1)
        self.until(lambda: ("left", IPV6.host, "eth1") in self.protocol.events, "leaving")
        self.here.add_addresses(1)
        self.until(lambda: ("joined", IPV6.host, "eth1") in self.protocol.events, "joining")
        self.assert_heard(IPV6, "eth1")

    def test_named_interface_comes_back(self) -> None:
        """An interface that was named is waited for, and no other is taken in its place."""
        self.listen(interfaces=["eth1"])
        self.told(("joined", IPV4.host, "eth1"), ("joined", IPV6.host, "eth1"))
        self.lan.unplug(self.here, 1)
        self.told(("left", IPV4.host, "eth1"), ("left", IPV6.host, "eth1"))
        self.lan.plug(self.here, 1)
        self.told(("joined", IPV4.host, "eth1"), ("joined", IPV6.host, "eth1"))

    def test_bad_interface_at_start(self) -> None:
        """An interface without IPv6 is reported with the cause, and the others are joined."""
        self.here.ip("-6", "addr", "flush", "dev", "eth1")
        self.addCleanup(self.here.add_addresses, 1)
        self.listen()
        self.told(
            ("joined", IPV4.host, "eth0"),
            ("joined", IPV4.host, "eth1"),
            ("joined", IPV6.host, "eth0"),
            ("refused", IPV6.host, "eth1"),
        )
        self.assertEqual(self.protocol.problems[0].strerror, "eth1 has no IPv6 address")
        self.assert_heard(IPV6, "eth0")

    def test_one_port_of_ours(self) -> None:
        """The same holds on one port: what the kernel keeps of an old membership is cleared."""
        self.protocol = RecordingGroups([IPV4])
        self.close_later(listen_multicast(self.reactor, PORT, self.protocol, ipv6=False))
        self.assert_followed()

    def test_stock_port(self) -> None:
        """The same holds on a stock port."""
        self.protocol = RecordingGroups([IPV4])
        self.close_later(self.reactor.listenMulticast(PORT, self.protocol, listenMultiple=True))
        self.assert_followed()

    def assert_followed(self) -> None:
        self.told(("joined", IPV4.host, "eth0"), ("joined", IPV4.host, "eth1"))
        self.lan.unplug(self.here, 1)
        self.told(("left", IPV4.host, "eth1"))
        self.lan.plug(self.here, 1)
        self.told(("joined", IPV4.host, "eth1"))
        address = f"{self.here.ipv4(1)}/24"
        self.here.ip("addr", "del", address, "dev", "eth1")
        self.here.ip("addr", "add", address, "brd", "+", "dev", "eth1")
        self.told(("left", IPV4.host, "eth1"), ("joined", IPV4.host, "eth1"))
        group_sender(self.there, False, "eth1").sendto(b"hello", (IPV4.host, PORT))
        self.until(lambda: self.protocol.data, "the datagram")

    def test_refused_for_a_while(self) -> None:
        """M-B-1: a join refused for lack of room is tried again, and succeeds when there is some."""
        limit = Path("/proc/sys/net/ipv4/igmp_max_memberships")
        self.addCleanup(limit.write_text, "20")

        class Filling(RecordingGroups):
            """Leaves no room on any socket once it has joined."""

            def group_joined(self, group: Group, interface: Interface) -> None:
                super().group_joined(group, interface)
                if len(self.events) == 1:
                    limit.write_text("0")

        self.protocol = Filling([IPV4])
        self.close_later(listen_multicast(self.reactor, PORT, self.protocol, ipv6=False))
        self.told(("joined", IPV4.host, "eth0"), ("refused", IPV4.host, "eth1"))
        limit.write_text("20")
        self.told(("joined", IPV4.host, "eth1"))
        self.assert_heard(IPV4, "eth1")


class PollingTests(ReactorLanTestCase):
    """Where nothing rings we look every second."""

    def test_polled(self) -> None:
        seen: list[tuple[Interface, ...]] = []
        monitor = InterfaceMonitor(self.reactor, seen.append, use_netlink=False)
        monitor.start()
        self.addCleanup(monitor.stop)
        self.here.ip("link", "set", "eth1", "down")
        self.addCleanup(self.lan.restore, self.here, 1)
        self.until(lambda: seen, "the change to be told")
        self.assertEqual([each.up for each in seen[-1] if each.name == "eth1"], [False])


class AsyncioChangeTests(ChangeTests):
    """The same on the asyncio reactor."""

    reactor_name = "asyncio"
