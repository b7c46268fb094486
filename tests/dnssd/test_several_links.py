"""Services on several links (RFC 6762 §14)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Question
from mcast.dnssd.browsing import Browser
from mcast.dnssd.types import ServiceType
from tests.dnssd.following_lab import (
    ETH0,
    ETH0_V6,
    HTTP,
    LIST,
    WLAN0,
    FollowingLab,
    at,
    at_v6,
    keys,
    listing,
    located,
    shown,
    whole,
)
from tests.mdns.lab import PTR, SRV


class SeveralLinksTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = FollowingLab(ETH0, ETH0_V6, WLAN0)
        self.browser = Browser([(HTTP, None)])
        self.lab.follow(self.browser)
        self.lab.pass_time(1)

    def both_families(self) -> None:
        for link in (ETH0, ETH0_V6):
            self.lab.hear(*whole()[:3], at(9), at_v6("9"), link=link)

    def test_asked_on_every_link(self) -> None:
        """M-20-1: both families are asked."""
        self.assertEqual(
            [self.lab.asked(link)[0] for link in (ETH0, ETH0_V6, WLAN0)], [Question(LIST, PTR)] * 3
        )

    def test_two_families(self) -> None:
        """One service, though it is seen by IPv4 and by IPv6."""
        self.both_families()
        self.assertEqual(self.lab.told(), [("Added", "One")])
        (found,) = self.browser.snapshot()
        self.assertEqual(shown(found), ["192.168.1.9", "fe80::9%eth0"])

    def test_each_family_on_its_own_link(self) -> None:
        """M-20-1: a host that sends A by IPv4 and AAAA by IPv6 alone is told once, as a whole."""
        self.lab.hear(*whole()[:4], link=ETH0)
        self.lab.pass_time(0.2)
        self.lab.hear(*whole()[:3], at_v6("9"), link=ETH0_V6)
        self.assertEqual(shown(self.lab.last()), ["192.168.1.9", "fe80::9%eth0"])
        self.assertEqual(self.lab.told(), [("Added", "One")])

    def test_two_interfaces(self) -> None:
        """M-14-5: one service on several links; each address has its interface, link-local ones as
        zone."""
        self.both_families()
        self.lab.hear(*whole()[:3], at(209), at_v6("9"), link=WLAN0)
        self.assertEqual(self.lab.told(), [("Added", "One"), ("Updated", "One")])
        (found,) = self.browser.snapshot()
        self.assertEqual(
            [(str(one.address), one.interface) for one in found.addresses],
            [
                ("192.168.1.9", "eth0"),
                ("fe80::9%eth0", "eth0"),
                ("192.168.1.209", "wlan0"),
                ("fe80::9%wlan0", "wlan0"),
            ],
        )
        self.assertEqual(found.interfaces, ("eth0", "wlan0"))
        self.assertEqual(found.links, (ETH0, ETH0_V6, WLAN0))

    def test_details_are_asked_where_it_was_seen(self) -> None:
        self.lab.asked(WLAN0)
        self.lab.hear(listing("One"), link=ETH0)
        self.lab.pass_time(0.5)
        self.assertIn(SRV, [question.type for question in self.lab.asked(ETH0)])
        self.assertNotIn(SRV, [question.type for question in self.lab.asked(WLAN0)])

    def test_an_address_that_changes_on_both_families(self) -> None:
        """A change is told once, though each family brings it for itself."""
        self.both_families()
        self.lab.pass_time(5)
        self.lab.told()
        self.lab.hear(at(77), link=ETH0)
        self.lab.pass_time(0.2)
        self.lab.hear(at(77), link=ETH0_V6)
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [("Updated", "One")])
        self.assertEqual(shown(self.browser.snapshot()[0]), ["192.168.1.77", "fe80::9%eth0"])

    def test_a_port_that_changes_on_both_families(self) -> None:
        self.both_families()
        self.lab.pass_time(5)
        self.lab.told()
        self.lab.hear(located("One", 81), link=ETH0_V6)
        self.lab.pass_time(0.2)
        self.lab.hear(located("One", 81), link=ETH0)
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [("Updated", "One")])

    def test_one_of_two_interfaces_is_lost(self) -> None:
        """S-F-4: a service that is still seen elsewhere is updated, and not removed."""
        self.both_families()
        self.lab.hear(*whole()[:3], at(209), at_v6("9"), link=WLAN0)
        self.lab.told()
        self.lab.down(WLAN0)
        self.lab.pass_time(1)
        self.assertEqual(self.lab.told(), [("Updated", "One")])
        self.assertEqual(self.browser.snapshot()[0].interfaces, ("eth0",))

    def test_one_of_two_families_is_lost(self) -> None:
        """As long as the other family is there, nothing has changed."""
        self.both_families()
        self.lab.told()
        self.lab.down(ETH0_V6)
        self.lab.pass_time(1)
        self.assertEqual(self.lab.told(), [])

    def test_the_same_host_name_on_two_links(self) -> None:
        """M-14-4, M-3-9: a name may be another host's on another link; their addresses are not mixed."""
        self.lab.hear(*whole("One", on="twin"), link=ETH0)
        self.lab.hear(*whole("Two", on="twin", number=200), link=WLAN0)
        self.assertEqual(self.lab.told(), [("Added", "One"), ("Added", "Two")])
        self.assertEqual(
            {found.name: shown(found) for found in self.browser.snapshot()},
            {"One": ["192.168.1.9"], "Two": ["192.168.1.200"]},
        )

    def test_one_link_alone(self) -> None:
        """M-14-5: a browser that is given one link asks on that one only."""
        browser = Browser([(ServiceType("ipp", "tcp"), None)])
        browser.add_link(WLAN0, self.lab.labs[WLAN0].querier, self.lab.now)
        self.lab.asked(ETH0)
        self.lab.asked(WLAN0)
        self.lab.pass_time(0.5)
        ipp = ("_ipp._tcp.local.", PTR)
        self.assertIn(ipp, keys(self.lab.asked(WLAN0)))
        self.assertNotIn(ipp, keys(self.lab.asked(ETH0)))
