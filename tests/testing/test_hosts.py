"""Tests for mcast.testing.hosts and mcast.testing.ports: the network that a Node sees."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from mcast.node.network import MulticastPort, Network
from mcast.sockets.interface import Interface
from mcast.testing import SimulatedHost, SimulatedLan


def nothing(*_: object) -> None:
    """Hear nothing."""


class InterfaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lan = SimulatedLan()
        self.host = self.lan.host("a", "one", "two")

    def test_as_a_system_tells(self) -> None:
        first, second = self.host.interfaces()
        self.assertEqual((first.name, first.index, first.mtu), ("eth0", 2, 1500))
        self.assertEqual((second.name, second.index), ("eth1", 3))
        self.assertEqual([str(one) for one in first.addresses], ["10.0.1.1/24", "fe80::1:1/64"])
        self.assertEqual([str(one) for one in second.addresses], ["10.0.2.1/24", "fe80::2:1/64"])

    def test_same_host_again(self) -> None:
        self.assertIs(self.lan.host("a"), self.host)
        self.assertIs(self.host.interface("eth1"), self.host.interface("eth1"))
        self.assertRaises(LookupError, self.host.interface, "eth9")

    def test_given_addresses(self) -> None:
        third = self.host.connect(self.lan.link("one"), "192.0.2.7/28", name="wlan0")
        self.assertEqual(self.host.interfaces()[-1].name, "wlan0")
        self.assertEqual([str(one) for one in third.current.addresses], ["192.0.2.7/28"])

    def test_mtu_of_the_link(self) -> None:
        self.lan.link("one", mtu=1280)
        self.assertEqual([one.mtu for one in self.host.interfaces()], [1280, 1500])


class WatchTests(SynchronousTestCase):
    """Changes of interfaces are told."""

    def setUp(self) -> None:
        self.lan = SimulatedLan()
        self.host = self.lan.host("a")
        self.lan.advance(1)
        self.told: list[Sequence[Interface]] = []
        self.stop = self.host.watch(self.told.append)

    def test_each_kind_of_change(self) -> None:
        interface = self.host.interface()
        for change in (
            interface.unplug,
            interface.plug,
            lambda: interface.set_up(False),
            lambda: interface.set_up(True),
            lambda: interface.set_addresses("192.0.2.7/24"),
            lambda: self.host.connect(self.lan.link("other")),
            interface.remove,
        ):
            before = len(self.told)
            change()
            self.assertEqual(len(self.told), before)
            self.lan.advance(1)
            self.assertEqual(len(self.told), before + 1)
            self.assertEqual(self.told[-1], self.host.interfaces())

    def test_what_is_told(self) -> None:
        interface = self.host.interface()
        interface.unplug()
        self.lan.advance(1)
        interface.set_up(False)
        self.lan.advance(1)
        self.assertEqual(
            [(told[0].carrier, told[0].up) for told in self.told], [(False, True), (False, False)]
        )

    def test_once_for_all_at_one_time(self) -> None:
        self.host.interface().unplug()
        self.host.interface().set_addresses("192.0.2.7/24")
        self.lan.advance(1)
        self.assertEqual(len(self.told), 1)

    def test_no_change(self) -> None:
        self.host.interface().plug()
        self.host.interface().set_up(True)
        self.lan.advance(1)
        self.assertEqual(self.told, [])

    def test_stopped(self) -> None:
        self.stop()
        self.stop()
        self.host.interface().unplug()
        self.lan.advance(1)
        self.assertEqual(self.told, [])


class PortTests(SynchronousTestCase):
    """Port 5353 of a host."""

    def setUp(self) -> None:
        self.lan = SimulatedLan()
        self.host = self.lan.host("a")

    def test_provides_what_a_node_needs(self) -> None:
        """mypy checks it here; the attributes are there at run time too."""
        network: Network = self.host
        port: MulticastPort = network.open(False)
        self.assertFalse(port.shared)
        self.assertEqual(dict(port.counters), {})

    def test_shared(self) -> None:
        """The second port knows of the first, and each family is by itself."""
        self.assertFalse(self.host.open(False).shared)
        self.assertTrue(self.host.open(False).shared)
        self.assertFalse(self.host.open(True).shared)

    def test_unicast_reaches_one_port(self) -> None:
        heard: list[str] = []
        for name in ("first", "second"):
            port = self.host.open(False)
            port.join(self.host.interfaces()[0], lambda *_, name=name: heard.append(name))
        other = self.lan.host("b").open(False)
        other.send(b"x", 2, ("10.0.1.1", 5353))
        self.lan.advance(1)
        self.assertEqual(heard, ["second"])
        other.send(b"x", 2, None)
        self.lan.advance(1)
        self.assertEqual(heard, ["second", "first", "second"])

    def test_join_where_nothing_is(self) -> None:
        port = self.host.open(False)
        (interface,) = self.host.interfaces()
        self.host.interface().remove()
        self.assertRaises(OSError, port.join, interface, nothing)
        port.leave(interface)

    def test_membership_goes_with_the_interface(self) -> None:
        port = self.host.open(False)
        port.join(self.host.interfaces()[0], nothing)
        self.host.interface().remove()
        self.assertEqual(port.memberships, set())

    def test_refused(self) -> None:
        """Down, gone, without address, too large: False, and counted."""
        port = self.host.open(False)
        self.assertFalse(port.send(b"x", 9, None))
        self.assertFalse(port.send(b"x" * 65508, 2, None))
        self.host.interface().set_addresses("fe80::7/64")
        self.assertFalse(port.send(b"x", 2, None))
        self.host.interface().set_up(False)
        self.assertFalse(port.send(b"x", 2, None))
        self.assertEqual(port.counters["send_refused"], 4)
        self.assertEqual(len(self.lan.packets), 0)

    def test_closed(self) -> None:
        heard: list[object] = []
        port = self.host.open(False)
        port.join(self.host.interfaces()[0], lambda *_: heard.append(_))
        port.send(b"last", 2, None)
        closed = port.close()
        self.assertNoResult(closed)
        self.lan.advance(0)
        self.assertIsNone(self.successResultOf(closed))
        self.assertEqual(len(self.lan.packets), 1)
        self.assertFalse(port.send(b"x", 2, None))
        self.lan.host("b").open(False).send(b"x", 2, None)
        self.lan.advance(1)
        self.assertEqual(heard, [])

    def test_hop_limit(self) -> None:
        self.host.open(False).send(b"x", 2, None)
        self.assertEqual(self.lan.packets[0].hop_limit, 255)

    def test_to_itself(self) -> None:
        """What a host sends to its own address is on no link."""
        heard: list[bytes] = []
        port = self.host.open(False)
        port.join(self.host.interfaces()[0], lambda payload, *_: heard.append(payload))
        port.send(b"x", 2, ("10.0.1.1", 5353))
        self.lan.advance(1)
        self.assertEqual((heard, len(self.lan.packets)), ([b"x"], 0))


class SourceTests(SynchronousTestCase):
    """Which address a packet comes from."""

    def setUp(self) -> None:
        self.host: SimulatedHost = SimulatedLan().host("a")

    def test_scope_of_the_destination(self) -> None:
        interface = self.host.interface()
        interface.set_addresses("2001:db8::7/64", "fe80::7/64")
        self.assertEqual(interface.source_for("ff02::fb"), "fe80::7")
        self.assertEqual(interface.source_for("fe80::9"), "fe80::7")
        self.assertEqual(interface.source_for("2001:db8::9"), "2001:db8::7")

    def test_only_one_there_is(self) -> None:
        self.host.interface().set_addresses("2001:db8::7/64")
        self.assertEqual(self.host.interface().source_for("ff02::fb"), "2001:db8::7")
        self.assertTrue(self.host.interface().has(ip_address("2001:db8::7")))


class AnswerTests(SynchronousTestCase):
    def test_what_the_receiver_returns_is_sent_back(self) -> None:
        """By the interface it came by, to where it came from."""
        lan = SimulatedLan()
        heard: list[object] = []
        answering = lan.host("a", "one", "two").open(True)
        for interface in lan.host("a").interfaces():
            answering.join(interface, lambda payload, *_: b"re: " + payload)
        asking = lan.host("b", "two").open(True)
        asking.join(lan.host("b").interfaces()[0], lambda *datagram: heard.append(datagram))
        asking.send(b"who", 2, None)
        lan.advance(1)
        self.assertEqual(heard[1:], [(b"re: who", ("fe80::2:1", 5353, 0, 2), False)])
