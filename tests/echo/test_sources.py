"""Tests for who is answered, and how often."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from mcast import rate_limit
from mcast.echo.counters import Drop
from mcast.echo.sources import Sources
from mcast.rate_limit import WINDOW
from mcast.sockets.interface import Interface, InterfaceAddress

ETH0 = Interface(
    "eth0",
    2,
    (
        InterfaceAddress(ip_address("192.0.2.1"), 24),
        InterfaceAddress(ip_address("fe80::1"), 64),
        InterfaceAddress(ip_address("2001:db8::1"), 64),
    ),
)
NEIGHBOUR = "192.0.2.9"
STRANGER = "198.51.100.9"


def made(max_rate: int = 3, own: tuple[str, ...] = (), interface: Interface = ETH0) -> Sources:
    table = Sources(lambda: [interface], own=lambda: map(ip_address, own), max_rate=max_rate)
    table.turn(100.0)
    return table


class AddressTests(SynchronousTestCase):
    """A reply goes to one host, and for a link-local group to one on the link."""

    def refused(self, host: str, cause: Drop | None, on_link_only: bool = False) -> None:
        self.assertEqual(made().admit(host, on_link_only), cause)

    def test_neighbour(self) -> None:
        self.refused(NEIGHBOUR, None, on_link_only=True)

    def test_ipv6_neighbours(self) -> None:
        self.refused("fe80::9", None, on_link_only=True)
        self.refused("2001:db8::9", None, on_link_only=True)

    def test_ipv4_multicast_source(self) -> None:
        self.refused("224.0.0.5", Drop.SOURCE)

    def test_ipv6_multicast_source(self) -> None:
        self.refused("ff02::1", Drop.SOURCE)

    def test_limited_broadcast(self) -> None:
        self.refused("255.255.255.255", Drop.SOURCE)

    def test_broadcast_of_the_link(self) -> None:
        self.refused("192.0.2.255", Drop.SOURCE)

    def test_no_broadcast_on_point_to_point(self) -> None:
        """A prefix of 31 bits has two hosts and no broadcast address (RFC 3021 §2.1)."""
        link = Interface("ppp0", 3, (InterfaceAddress(ip_address("192.0.2.254"), 31),))
        self.assertIsNone(made(interface=link).admit("192.0.2.255", True))

    def test_unspecified(self) -> None:
        self.refused("0.0.0.0", Drop.SOURCE)
        self.refused("::", Drop.SOURCE)

    def test_this_network(self) -> None:
        self.refused("0.1.2.3", Drop.SOURCE)

    def test_reserved_class(self) -> None:
        self.refused("240.0.0.1", Drop.SOURCE)

    def test_refused_again(self) -> None:
        """What is remembered of a bad source is that it is bad."""
        table = made()
        self.assertEqual([table.admit("192.0.2.255", False) for _ in range(3)], [Drop.SOURCE] * 3)

    def test_off_link_for_link_local_group(self) -> None:
        self.refused(STRANGER, Drop.OFF_LINK, on_link_only=True)
        self.refused("2001:db8:1::9", Drop.OFF_LINK, on_link_only=True)

    def test_off_link_for_wider_group(self) -> None:
        self.refused(STRANGER, None)

    def test_off_link_for_both(self) -> None:
        """An answer by way of a wider group opens no way to the link-local one."""
        table = made()
        self.assertIsNone(table.admit(STRANGER, False))
        self.assertEqual(table.admit(STRANGER, True), Drop.OFF_LINK)

    def test_own_host(self) -> None:
        table = made(own=("192.0.2.1",))
        self.assertEqual([table.admit("192.0.2.1", True) for _ in range(2)], [Drop.OWN_HOST] * 2)
        self.assertIsNone(table.admit(NEIGHBOUR, True))

    def test_new_addresses_count_in_the_next_window(self) -> None:
        found = [Interface("eth0", 2)]
        table = Sources(lambda: found)
        table.turn(0.0)
        self.assertEqual(table.admit(NEIGHBOUR, True), Drop.OFF_LINK)
        found[0] = ETH0
        table.turn(WINDOW)
        self.assertIsNone(table.admit(NEIGHBOUR, True))


class RateTests(SynchronousTestCase):
    """One source has at most so many replies in a second."""

    def test_so_many(self) -> None:
        table = made(max_rate=2)
        self.assertEqual(
            [table.admit(NEIGHBOUR, False) for _ in range(4)], [None, None, Drop.RATE, Drop.RATE]
        )

    def test_each_source_has_its_own(self) -> None:
        table = made(max_rate=1)
        table.admit(NEIGHBOUR, False)
        self.assertIsNone(table.admit("192.0.2.10", False))

    def test_off_link_sources_too(self) -> None:
        table = made(max_rate=1)
        self.assertEqual([table.admit(STRANGER, False) for _ in range(2)], [None, Drop.RATE])

    def test_again_in_the_next_second(self) -> None:
        table = made(max_rate=1)
        table.admit(NEIGHBOUR, False)
        table.turn(100.0 + WINDOW)
        self.assertIsNone(table.admit(NEIGHBOUR, False))

    def test_not_before(self) -> None:
        table = made(max_rate=1)
        table.admit(NEIGHBOUR, False)
        table.turn(100.0 + WINDOW - 0.001)
        self.assertEqual(table.admit(NEIGHBOUR, False), Drop.RATE)

    def test_clock_set_back(self) -> None:
        """A clock that is set back an hour does not lock a source out for that hour."""
        table = made(max_rate=1)
        table.admit(NEIGHBOUR, False)
        table.turn(100.0 - 3600)
        self.assertIsNone(table.admit(NEIGHBOUR, False))

    def test_no_limit(self) -> None:
        table = made(max_rate=0)
        self.assertEqual({table.admit(NEIGHBOUR, False) for _ in range(100_000)}, {None})


class BoundTests(SynchronousTestCase):
    """A flood of forged sources costs a bounded table."""

    def setUp(self) -> None:
        self.patch(rate_limit, "MAX_SOURCES", 4)
        self.table = made(max_rate=2)
        for last in range(2, 6):
            self.table.admit(f"192.0.2.{last}", True)

    def test_further_ones_share_an_allowance(self) -> None:
        self.assertEqual(
            [self.table.admit(f"192.0.2.{last}", True) for last in (6, 7, 8)], [None, None, Drop.RATE]
        )

    def test_known_ones_keep_theirs(self) -> None:
        for last in range(6, 20):
            self.table.admit(f"192.0.2.{last}", True)
        self.assertIsNone(self.table.admit("192.0.2.2", True))

    def test_rules_hold_for_further_ones(self) -> None:
        self.assertEqual(self.table.admit("224.0.0.1", True), Drop.SOURCE)
        self.assertEqual(self.table.admit("192.0.2.255", True), Drop.SOURCE)
        self.assertEqual(self.table.admit(STRANGER, True), Drop.OFF_LINK)
