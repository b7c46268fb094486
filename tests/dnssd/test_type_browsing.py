"""Service types that come and go (RFC 6763 §9)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.dns.records import pointer
from mcast.dnssd.browsing import MAX_TYPES, TypeBrowser
from mcast.dnssd.found import TypeAdded, TypeRemoved
from mcast.dnssd.types import ServiceType, type_enumeration_name
from tests.dnssd.following_lab import (
    ETH0,
    HTTP,
    LIST,
    WLAN0,
    FollowingLab,
    host,
    keys,
)
from tests.effort import least_effort
from tests.mdns.lab import PTR


class TypeBrowserTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = FollowingLab(ETH0, WLAN0)
        self.browser = TypeBrowser()
        self.lab.follow(self.browser)
        self.all = type_enumeration_name()

    def names(self) -> list[str]:
        self.browser.changes(self.lab.now)
        return [str(one) for one in self.browser.snapshot()]

    def test_question(self) -> None:
        """RFC 6763 §9: the types of a domain are listed by a name of their own."""
        self.lab.pass_time(0.5)
        self.assertEqual(keys(self.lab.asked()), [("_services._dns-sd._udp.local.", PTR)])

    def test_types(self) -> None:
        self.lab.hear(pointer(self.all, LIST, 4500), pointer(self.all, Name.parse("_ipp._tcp.local"), 4500))
        self.assertTrue(self.browser.has_news)
        self.assertEqual(
            self.browser.changes(self.lab.now), [TypeAdded(HTTP), TypeAdded(ServiceType("ipp", "tcp"))]
        )
        self.assertEqual(self.names(), ["_http._tcp", "_ipp._tcp"])
        self.assertFalse(self.browser.has_news)
        self.assertEqual(self.browser.changes(self.lab.now), [])

    def test_only_two_labels_matter(self) -> None:
        """S-9-2: the domain in the rdata says nothing."""
        self.lab.hear(pointer(self.all, Name.parse("_http._tcp.example.com"), 4500))
        self.assertEqual(self.names(), ["_http._tcp"])

    def test_gone(self) -> None:
        self.lab.hear(pointer(self.all, LIST, 4500))
        self.browser.changes(self.lab.now)
        self.lab.hear(pointer(self.all, LIST, 0))
        self.lab.pass_time(2)
        self.assertEqual(self.browser.changes(self.lab.now), [TypeRemoved(HTTP)])

    def test_there_for_a_moment(self) -> None:
        """What came and went before the owner has looked is no news, and neither is what went and came."""
        self.lab.hear(pointer(self.all, LIST, 4500))
        self.lab.hear(pointer(self.all, LIST, 0))
        self.lab.pass_time(2)
        self.assertFalse(self.browser.has_news)
        self.assertEqual(self.browser.changes(self.lab.now), [])
        self.lab.hear(pointer(self.all, LIST, 4500))
        self.browser.changes(self.lab.now)
        self.lab.hear(pointer(self.all, LIST, 0))
        self.lab.pass_time(2)
        self.lab.hear(pointer(self.all, LIST, 4500))
        self.assertFalse(self.browser.has_news)
        self.assertEqual(self.browser.changes(self.lab.now), [])
        self.assertEqual(self.names(), ["_http._tcp"])

    def invent(self, first: int, last: int) -> None:
        """Have types of a flood heard, and the owner look after each."""
        for number in range(first, last):
            self.lab.hear(pointer(self.all, Name.parse(f"_t{number}._tcp.local"), 4500))
            self.assertTrue(self.browser.has_news)
            self.browser.changes(self.lab.now)
            self.assertFalse(self.browser.has_news)

    def test_one_more_of_a_thousand(self) -> None:
        """One more type costs the same whether there are many or few: others come while it is looked at."""
        first = 0

        def prepared() -> Callable[[], object]:
            nonlocal first
            if not first:
                self.invent(0, MAX_TYPES)
            first += 100
            return partial(self.invent, MAX_TYPES + first - 100, MAX_TYPES + first)

        self.assertLess(least_effort(prepared, 15), 15)
        self.assertEqual(len(self.names()), MAX_TYPES)

    def test_two_links(self) -> None:
        self.lab.hear(pointer(self.all, LIST, 4500), link=ETH0)
        self.lab.hear(pointer(self.all, LIST, 4500), link=WLAN0)
        self.assertEqual(self.names(), ["_http._tcp"])
        self.assertEqual(self.browser.interfaces(HTTP), ("eth0", "wlan0"))
        self.lab.down(ETH0)
        self.assertEqual(self.names(), ["_http._tcp"])
        self.browser.remove_link(WLAN0, self.lab.now)
        self.assertEqual(self.names(), [])

    def test_no_type(self) -> None:
        self.lab.hear(pointer(self.all, host("far"), 4500), pointer(self.all, Name(b"\0"), 4500))
        self.assertEqual(self.names(), [])
        self.assertEqual(self.browser.counters["pointers to no type"], 2)

    def test_closing(self) -> None:
        self.browser.close(self.lab.now)
        self.lab.pass_time(100)
        self.assertEqual(self.lab.asked(), [])
