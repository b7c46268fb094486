"""Tests for what a source address tells."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

from twisted.trial.unittest import SynchronousTestCase

from mcast.neighbours import Neighbours, SourceKind, broadcast_addresses, may_be_host

LINK = Neighbours([ip_interface("192.0.2.1/24"), ip_interface("2001:db8::1/64")])
NOBODY = (
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.5",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "ff02::1",
)


class NoHostTests(SynchronousTestCase):
    """Addresses that no single host has; nothing is sent there."""

    def test_by_their_block(self) -> None:
        """0/8, 240/4, multicast and unspecified addresses (RFC 1122 §3.2.1.3, RFC 6890 §2.2.2)."""
        self.assertEqual({LINK.classify(host) for host in NOBODY}, {SourceKind.NO_HOST})
        self.assertEqual({may_be_host(ip_address(host)) for host in NOBODY}, {False})

    def test_on_loopback_too(self) -> None:
        loopback = Neighbours([ip_interface("127.0.0.1/8")], loopback=True)
        self.assertEqual({loopback.classify(host) for host in NOBODY}, {SourceKind.NO_HOST})

    def test_broadcast_of_the_link(self) -> None:
        self.assertIs(LINK.classify("192.0.2.255"), SourceKind.NO_HOST)
        self.assertTrue(may_be_host(ip_address("192.0.2.255")))

    def test_no_broadcast_on_point_to_point(self) -> None:
        """A prefix of 31 bits has two hosts and no broadcast address (RFC 3021 §2.1)."""
        link = Neighbours([ip_interface("192.0.2.254/31")])
        self.assertIs(link.classify("192.0.2.255"), SourceKind.ON_LINK)

    def test_broadcast_addresses(self) -> None:
        networks = [ip_network(text) for text in ("192.0.2.0/24", "10.0.0.0/31", "2001:db8::/64")]
        self.assertEqual(broadcast_addresses(networks), {ip_address("192.0.2.255")})

    def test_no_address(self) -> None:
        self.assertIs(LINK.classify("localhost"), SourceKind.NO_HOST)


class OnLinkTests(SynchronousTestCase):
    """A neighbour is told by the networks of the link (RFC 6762 §11)."""

    def test_in_a_network_of_the_link(self) -> None:
        kinds = {LINK.classify(host) for host in ("192.0.2.77", "2001:db8::77", "2001:db8::77%eth0")}
        self.assertEqual(kinds, {SourceKind.ON_LINK})

    def test_in_another_network(self) -> None:
        kinds = {LINK.classify(host) for host in ("198.51.100.77", "2001:db8:1::77")}
        self.assertEqual(kinds, {SourceKind.OFF_LINK})

    def test_ipv6_link_local(self) -> None:
        self.assertIs(LINK.classify("fe80::77"), SourceKind.ON_LINK)

    def test_ipv4_link_local(self) -> None:
        """It is on the link when the link has that network: "(I & M) == (P & M)" (RFC 6762 §11)."""
        with_one = Neighbours([ip_interface("169.254.1.1/16")])
        kinds = [each.classify("169.254.3.4") for each in (LINK, with_one)]
        self.assertEqual(kinds, [SourceKind.OFF_LINK, SourceKind.ON_LINK])

    def test_loopback(self) -> None:
        """On loopback there is nobody but the host itself, whichever of its addresses it uses."""
        loopback = Neighbours([ip_interface("127.0.0.1/8")], loopback=True)
        self.assertIs(loopback.classify("192.0.2.1"), SourceKind.ON_LINK)


class OwnTests(SynchronousTestCase):
    """Which addresses are those of our own host."""

    def test_own_and_others(self) -> None:
        neighbours = Neighbours([ip_interface("192.168.1.2/24"), ip_interface("fe80::2/64")])
        hosts = ("192.168.1.2", "fe80::2", "fe80::2%eth0", "192.168.1.3", "x")
        self.assertEqual([neighbours.is_own(host) for host in hosts], [True, True, True, False, False])
