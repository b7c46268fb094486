"""Interfaces: which is meant, and who is a neighbour."""

from __future__ import annotations

import socket
import sys
from ipaddress import ip_address, ip_interface
from pathlib import Path
from unittest import skipUnless

from twisted.trial.unittest import SynchronousTestCase

from mcast.sockets.interface import (
    AddressState,
    Interface,
    InterfaceAddress,
    address_states,
    default_interfaces,
    find_interface,
    interfaces,
    select_interfaces,
    zone_index,
)


def interface(name: str, index: int, *addresses: str, **flags: bool) -> Interface:
    """Return an interface with addresses written as 192.0.2.1/24."""
    parsed = [ip_interface(each) for each in addresses]
    return Interface(
        name, index, tuple(InterfaceAddress(each.ip, each.network.prefixlen) for each in parsed), **flags
    )


LO = interface("lo", 1, "127.0.0.1/8", "::1/128", loopback=True, multicast=False)
ETH0 = interface("eth0", 2, "192.0.2.1/24", "2001:db8::1/64", "fe80::1/64")
ETH1 = interface("eth1", 3, "198.51.100.1/24", "fe80::1/64")
DOWN = interface("eth2", 4, "203.0.113.1/24", up=False)
TUN = interface("tun0", 5, "10.8.0.1/32", multicast=False, point_to_point=True)
ALL = (LO, ETH0, ETH1, DOWN, TUN)


class SelectionTests(SynchronousTestCase):
    """Interfaces by name, index or address."""

    def test_default(self) -> None:
        """Each that is up and does multicast; not loopback, while there are others."""
        self.assertEqual(default_interfaces(ALL), (ETH0, ETH1))

    def test_default_is_loopback_alone(self) -> None:
        self.assertEqual(default_interfaces((LO, DOWN)), (LO,))

    def test_by_name(self) -> None:
        self.assertEqual(select_interfaces(["eth1"], ALL), (ETH1,))

    def test_by_index(self) -> None:
        self.assertEqual(select_interfaces(["3"], ALL), (ETH1,))

    def test_by_ipv4_address(self) -> None:
        self.assertEqual(select_interfaces(["198.51.100.1"], ALL), (ETH1,))

    def test_by_ipv6_address(self) -> None:
        self.assertEqual(select_interfaces(["2001:db8::1"], ALL), (ETH0,))

    def test_by_scoped_address(self) -> None:
        """G-4007-11.2-2: fe80::1%eth1 and fe80::1%3 are the same, and not fe80::1%eth0."""
        found = [find_interface(text, ALL) for text in ("fe80::1%eth1", "fe80::1%3", "fe80::1%eth0")]
        self.assertEqual(found, [ETH1, ETH1, ETH0])

    def test_loopback_by_name(self) -> None:
        self.assertEqual(select_interfaces(["lo"], ALL), (LO,))

    def test_each_once(self) -> None:
        self.assertEqual(select_interfaces(["eth0", "2", "192.0.2.1"], ALL), (ETH0,))

    def test_unknown(self) -> None:
        with self.assertRaisesRegex(ValueError, "interface eth9: no such interface"):
            select_interfaces(["eth9"], ALL)

    def test_down(self) -> None:
        with self.assertRaisesRegex(ValueError, "interface eth2: is down"):
            select_interfaces(["eth2"], ALL)

    def test_none_usable(self) -> None:
        with self.assertRaisesRegex(ValueError, "no usable interface"):
            select_interfaces([], (DOWN,))

    def test_unknown_while_running(self) -> None:
        """While running an interface may be gone for a while."""
        self.assertEqual(select_interfaces(["eth9", "eth2", "eth0"], ALL, strict=False), (ETH0,))

    def test_zone_by_name_and_index(self) -> None:
        """G-4007-11.2-2: %eth0 means the same as its index."""
        self.assertEqual((zone_index("eth0", ALL), zone_index("2", ALL)), (2, 2))

    def test_unknown_zone(self) -> None:
        """G-4007-11.2-2: an unknown name is a clear error."""
        with self.assertRaisesRegex(ValueError, "zone eth9: no such interface"):
            zone_index("eth9")

    def test_default_zone(self) -> None:
        """G-4007-11.2-1: none and 0 mean the default zone."""
        self.assertEqual((zone_index("", ALL), zone_index("0", ALL)), (0, 0))


class NeighbourTests(SynchronousTestCase):
    """`Interface.has_neighbour`."""

    def test_same_network(self) -> None:
        self.assertTrue(ETH0.has_neighbour("192.0.2.77"))

    def test_other_network(self) -> None:
        self.assertFalse(ETH0.has_neighbour("198.51.100.77"))

    def test_link_local(self) -> None:
        """G-4007-5-1: a link-local address heard on a link belongs to that link."""
        self.assertTrue(ETH1.has_neighbour("fe80::77"))

    def test_scoped_text(self) -> None:
        self.assertTrue(ETH1.has_neighbour("fe80::77%eth1"))

    def test_global_ipv6(self) -> None:
        self.assertEqual([each.has_neighbour("2001:db8::77") for each in (ETH0, ETH1)], [True, False])

    def test_loopback(self) -> None:
        """On loopback there is nobody but the host itself."""
        self.assertTrue(LO.has_neighbour("192.0.2.1"))


class EnumerationTests(SynchronousTestCase):
    """`interfaces` on this machine."""

    def test_loopback_is_there(self) -> None:
        found = [each for each in interfaces() if each.loopback]
        self.assertIn("127.0.0.1", [str(own.address) for each in found for own in each.ipv4])

    def test_names_and_indexes_agree(self) -> None:
        for each in interfaces():
            self.assertEqual(socket.if_nametoindex(each.name), each.index)

    def test_by_index(self) -> None:
        found = [each.index for each in interfaces()]
        self.assertEqual(found, sorted(set(found)))


class StateTests(SynchronousTestCase):
    """What may be done with an IPv6 address, from its flags."""

    def states(self, *flags: str) -> list[AddressState]:
        table = Path(self.mktemp())
        lines = [f"fe80000000000000000000000000000{n} 02 40 20 {each} eth0" for n, each in enumerate(flags)]
        table.write_text("".join(f"{line}\n" for line in lines))
        found = address_states(table)
        return [found.get((2, ip_address(f"fe80::{n}")), AddressState.PREFERRED) for n in range(len(flags))]

    @skipUnless(sys.platform == "linux", "the table is Linux's")
    def test_flags(self) -> None:
        """Permanent; temporary; deprecated and temporary; tentative; tentative and found to be another's."""
        self.assertEqual(
            self.states("80", "01", "21", "c0", "48"),
            [
                AddressState.PREFERRED,
                AddressState.TEMPORARY,
                AddressState.DEPRECATED,
                AddressState.TENTATIVE,
                AddressState.DUPLICATE,
            ],
        )

    def test_without_table(self) -> None:
        self.assertEqual(address_states(Path(self.mktemp())), {})

    def test_not_ours(self) -> None:
        tentative = InterfaceAddress(ip_address("fe80::1"), 64, AddressState.TENTATIVE)
        waiting = Interface("eth0", 2, (tentative,))
        self.assertEqual(waiting.networks, ())
        self.assertTrue(waiting.has_family(ipv6=True))
