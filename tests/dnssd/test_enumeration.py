"""Lists of recommended domains (RFC 6763 §11)."""

from __future__ import annotations

from ipaddress import ip_interface

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import LOCAL, Name
from mcast.dns.records import pointer
from mcast.dnssd.browsing import Browser
from mcast.dnssd.enumeration import DomainBrowser, DomainList, address_domains
from mcast.mdns.domains import is_multicast_name
from tests.dnssd.following_lab import ETH0, HTTP, WLAN0, FollowingLab, keys, whole
from tests.mdns.lab import PTR

EXAMPLE = Name.parse("example.com")
BROWSING = DomainList.BROWSING.in_domain()


class NameTests(SynchronousTestCase):
    def test_five_lists(self) -> None:
        """S-11-1: each list has its own name."""
        self.assertEqual(
            [str(which.in_domain()) for which in DomainList],
            [f"{label}._dns-sd._udp.local." for label in ("b", "db", "r", "dr", "lb")],
        )

    def test_of_a_network(self) -> None:
        """S-11-4: 192.168.12.34 with the mask 255.255.0.0 gives 0.0.168.192.in-addr.arpa."""
        (domain,) = address_domains([ip_interface("192.168.12.34/16")])
        name = DomainList.LEGACY_BROWSING.in_domain(domain)
        self.assertEqual(str(name), "lb._dns-sd._udp.0.0.168.192.in-addr.arpa.")

    def test_of_a_network_across_octets(self) -> None:
        """S-11-4: the address and the mask, whatever the mask is."""
        (domain,) = address_domains([ip_interface("10.1.250.34/20")])
        self.assertEqual(str(domain), "0.240.1.10.in-addr.arpa.")

    def test_of_an_ipv6_network(self) -> None:
        """S-11-4: the same for IPv6."""
        (domain,) = address_domains([ip_interface("2001:db8:1:2:3:4:5:6/64")])
        self.assertEqual(str(domain), "0." * 16 + "2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.")

    def test_not_of_link_local_networks(self) -> None:
        """S-11-5: link-local addresses give no domain."""
        self.assertEqual(address_domains([ip_interface("169.254.1.2/16"), ip_interface("fe80::1/64")]), ())

    def test_by_multicast_or_not(self) -> None:
        """S-11-3: in local. the lists are asked for by multicast, in other domains by unicast."""
        self.assertTrue(is_multicast_name(BROWSING))
        self.assertFalse(is_multicast_name(DomainList.BROWSING.in_domain(EXAMPLE)))


class BrowserTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = FollowingLab(ETH0, WLAN0)
        self.browser = DomainBrowser(DomainList.BROWSING)
        self.lab.follow(self.browser)

    def test_question(self) -> None:
        """S-11-1: a question for the PTR records of the list, in local. by multicast."""
        self.lab.pass_time(0.5)
        self.assertEqual(keys(self.lab.asked()), [("b._dns-sd._udp.local.", PTR)])

    def test_domains(self) -> None:
        self.lab.hear(pointer(BROWSING, EXAMPLE, 4500), link=ETH0)
        self.lab.hear(pointer(BROWSING, EXAMPLE, 4500), pointer(BROWSING, LOCAL, 4500), link=WLAN0)
        self.assertEqual(self.browser.domains, (EXAMPLE, LOCAL))
        self.lab.down(WLAN0)
        self.assertEqual(self.browser.domains, (EXAMPLE,))
        self.lab.hear(pointer(BROWSING, EXAMPLE, 0), link=ETH0)
        self.lab.pass_time(1)
        self.assertEqual(self.browser.domains, ())

    def test_is_advice(self) -> None:
        """S-11-2: a list with another domain in it does not keep anybody from browsing in local."""
        self.lab.hear(pointer(BROWSING, EXAMPLE, 4500))
        services = Browser([(HTTP, None)])
        self.lab.follow(services)
        self.lab.pass_time(0.5)
        self.assertIn(("_http._tcp.local.", PTR), keys(self.lab.asked()))
        self.lab.hear(*whole())
        self.assertEqual(self.lab.told(), [("Added", "One")])

    def test_is_bounded(self) -> None:
        for number in range(100):
            self.lab.hear(pointer(BROWSING, EXAMPLE.prefixed(str(number)), 4500))
        self.assertEqual(len(self.browser.domains), 64)
        self.assertEqual(self.browser.counters["domains beyond the limit"], 36)

    def test_closing(self) -> None:
        self.lab.hear(pointer(BROWSING, EXAMPLE, 4500))
        self.browser.close(self.lab.now)
        self.assertEqual(self.browser.domains, ())
        self.lab.pass_time(10)
        self.assertEqual(self.lab.asked(), [])
