"""Services that come, change and go (RFC 6763 §4, §6, §7.1, §9, Appendix F)."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import next_secure, pointer, raw, service, text
from mcast.dnssd.browsing import MAX_INSTANCES, Browser, TypeBrowser, preferred
from mcast.dnssd.found import Removed, Updated
from mcast.dnssd.places import FoundAddress
from mcast.dnssd.types import ServiceType, type_enumeration_name
from mcast.mdns.events import RecordAdded
from tests.dnssd.following_lab import (
    ETH0,
    ETH0_V6,
    HTTP,
    LIST,
    WLAN0,
    FollowingLab,
    at,
    at_v6,
    described,
    host,
    instance,
    keys,
    listing,
    located,
    only,
    shown,
    whole,
)
from tests.mdns.lab import AAAA, PTR, SRV, TXT, A


class QuestionTests(SynchronousTestCase):
    def test_browsing(self) -> None:
        """S-4.1-1: browsing is a question for the PTR records of the type."""
        lab = FollowingLab()
        lab.follow(Browser([(HTTP, None)]))
        lab.pass_time(0.5)
        self.assertEqual(lab.asked(), [Question(LIST, PTR)])
        self.assertEqual(lab.told(), [])

    def test_subtype(self) -> None:
        """S-7.1-1: browsing for a subtype is one for the PTR records of its own name."""
        lab = FollowingLab()
        lab.follow(Browser([(HTTP, "_printer")]))
        lab.pass_time(0.5)
        self.assertEqual(keys(lab.asked()), [("_printer._sub._http._tcp.local.", PTR)])

    def test_instances(self) -> None:
        """S-5-1, S-12-2: of an instance that is listed alone, SRV and TXT are asked for in one packet, then
        addresses."""
        lab = FollowingLab()
        lab.follow(Browser([(HTTP, None)]))
        lab.pass_time(0.5)
        lab.hear(listing("One"))
        lab.asked()
        lab.pass_time(0.3)
        self.assertEqual(lab.asked(), [Question(instance("One"), SRV), Question(instance("One"), TXT)])
        lab.hear(located("One"), described("One", b"a=1"))
        lab.pass_time(0.3)
        self.assertEqual(lab.asked(), [Question(host("far"), A), Question(host("far"), AAAA)])
        lab.hear(at(9), only(A))
        self.assertEqual(lab.told(), [("Added", "One")])

    def test_additional_records(self) -> None:
        """What comes along with the listing is not asked for."""
        lab = FollowingLab()
        lab.follow(Browser([(HTTP, None)]))
        lab.pass_time(0.5)
        lab.asked()
        lab.hear(*whole())
        lab.pass_time(0.4)
        self.assertEqual(lab.asked(), [])
        self.assertEqual(lab.told(), [("Added", "One")])

    def test_closing(self) -> None:
        """M-5.2-1: when the browser is closed, nothing more is asked for it."""
        lab = FollowingLab()
        browser = Browser([(HTTP, None)])
        lab.follow(browser)
        lab.pass_time(0.5)
        lab.hear(*whole())
        browser.close(lab.now)
        lab.asked()
        lab.pass_time(10000)
        self.assertEqual(lab.asked(), [])

    def test_of_what_has_left(self) -> None:
        """The questions about an instance end when it is no longer listed, those about its host too."""
        lab = FollowingLab()
        lab.follow(Browser([(HTTP, None)]))
        lab.pass_time(0.5)
        lab.hear(*whole())
        lab.hear(listing("One", 0))
        lab.pass_time(2)
        lab.asked()
        lab.pass_time(5000)
        self.assertEqual({question.type for question in lab.asked()}, {PTR})

    def test_names_only(self) -> None:
        """Without resolving, a service is reported as soon as it is listed, and nothing else is asked."""
        lab = FollowingLab()
        lab.follow(Browser([(HTTP, None)], resolve=False))
        lab.hear(listing("One"))
        self.assertIsNone(lab.last().host)
        self.assertEqual(lab.told(), [("Added", "One")])
        lab.pass_time(3)
        self.assertEqual({question.type for question in lab.asked()}, {PTR})
        lab.hear(listing("One", 0))
        lab.pass_time(1)
        self.assertEqual(lab.told(), [("Removed", "One")])


class ServiceTests(SynchronousTestCase):
    """What is told of a service."""

    def setUp(self) -> None:
        self.lab = FollowingLab()
        self.browser = Browser([(HTTP, None)])
        self.lab.follow(self.browser)
        self.lab.pass_time(1)

    def test_everything(self) -> None:
        self.lab.hear(listing("One"), located("One", 8080), described("One", b"path=/", b"flag"))
        self.lab.hear(at(9), at_v6("9"))
        found = self.lab.last()
        self.assertEqual((found.name, found.type, str(found.domain)), ("One", HTTP, "local."))
        self.assertEqual((str(found.host), found.port), ("far.local.", 8080))
        self.assertEqual(dict(found.txt), {"path": b"/", "flag": None})
        self.assertEqual(
            found.addresses,
            (
                FoundAddress(ip_address("192.168.1.9"), "eth0"),
                FoundAddress(ip_address("fe80::9%eth0"), "eth0"),
            ),
        )
        self.assertEqual(found.interfaces, ("eth0",))
        self.assertEqual(self.browser.snapshot(), (found,))

    def test_dotted_name(self) -> None:
        """S-4.1.1-2, S-4.2-2, S-13.1-1: an instance name with dots, spaces and accents comes back as it
        was."""
        label = "A.b \\ c, dé 日本"
        self.lab.hear(*whole(label))
        self.assertEqual(self.lab.told(), [("Added", label)])

    def test_unknown_keys(self) -> None:
        """S-6.3-2: attributes that nobody knows are no obstacle."""
        self.lab.hear(*whole()[:2], described("One", b"x-unknown=1", b"path=/"), at(9), only(A))
        self.assertEqual(self.lab.last().txt["path"], b"/")

    def test_ipv6_only(self) -> None:
        """S-14-1: a host with AAAA records only is found, link-local addresses with their zone."""
        self.lab.hear(*whole()[:3], at_v6("9"), only(AAAA))
        self.assertEqual(shown(self.lab.last()), ["fe80::9%eth0"])

    def test_in_another_domain_and_type(self) -> None:
        """S-4.2-1: type and domain are those of the result, not those that were asked for."""
        elsewhere = Name.parse("Web._web._tcp.example.com")
        self.lab.hear(
            pointer(LIST, elsewhere, 4500),
            service(elsewhere, 0, 0, 80, host("far"), 120, True),
            text(elsewhere, [], 4500, True),
            at(9),
            only(A),
        )
        found = self.lab.last()
        self.assertEqual((str(found.type), str(found.domain)), ("_web._tcp", "example.com."))

    def test_pointer_to_no_instance(self) -> None:
        self.lab.hear(pointer(LIST, host("far"), 4500))
        self.lab.pass_time(10)
        self.assertEqual(self.lab.told(), [])
        self.assertEqual(self.browser.counters["pointers to no instance"], 1)

    def test_empty_text(self) -> None:
        """S-6.1-4: a TXT record with one zero octet is no attributes."""
        self.lab.hear(*whole()[:2], described("One"), at(9), only(A))
        self.assertEqual(dict(self.lab.last().txt), {})

    def test_text_without_octets(self) -> None:
        """S-6.1-4: so is one with no octets."""
        empty = raw(instance("One"), TXT, b"", 4500, cache_flush=True)
        self.lab.hear(*whole()[:2], empty, at(9), only(A))
        self.assertEqual(dict(self.lab.last().txt), {})

    def test_denied_text(self) -> None:
        """S-6.1-4: and so is none, as the owner says at once."""
        denial = next_secure(instance("One"), [SRV], 120)
        self.lab.hear(listing("One"), located("One"), denial, at(9), only(A))
        self.assertEqual(dict(self.lab.last().txt), {})

    def test_missing_text(self) -> None:
        """S-6.1-4: or as it turns out after some seconds of asking."""
        self.lab.hear(listing("One"), located("One"), at(9), only(A))
        self.assertEqual(self.lab.told(), [])
        self.lab.pass_time(3)
        self.assertEqual(self.lab.told(), [("Added", "One")])

    def test_missing_family(self) -> None:
        """When a host says nothing of its other family, the service is told without delay that anybody
        would notice."""
        self.lab.hear(*whole()[:4])
        self.assertEqual(self.lab.told(), [])
        self.lab.pass_time(0.05)
        self.assertEqual(self.lab.told(), [("Added", "One")])

    def test_late_service(self) -> None:
        """A service whose SRV record comes late is told when it comes."""
        self.lab.hear(listing("One"), described("One"), at(9), only(A))
        self.lab.pass_time(500)
        self.assertEqual(self.lab.told(), [])
        self.lab.hear(located("One"))
        self.lab.pass_time(0.5)
        self.lab.hear(at(9), only(A))
        self.assertEqual(self.lab.told(), [("Added", "One")])

    def test_late_address(self) -> None:
        """One without an address is told after some seconds, and updated when the address comes."""
        self.lab.hear(*whole()[:3])
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [("Added", "One")])
        self.lab.pass_time(60)
        self.lab.hear(at(9), only(A))
        self.assertEqual(self.lab.told(), [("Updated", "One")])
        self.assertEqual(shown(self.browser.snapshot()[0]), ["192.168.1.9"])

    def test_at_once_from_the_cache(self) -> None:
        """S-F-1, M-18.1-3: a second browser knows at once what the first has found."""
        self.lab.hear(*whole())
        second = Browser([(HTTP, None)])
        second.add_link(ETH0, self.lab.labs[ETH0].querier, self.lab.now)
        self.assertEqual([change.service.name for change in second.changes(self.lab.now)], ["One"])

    def test_as_soon_as_answered(self) -> None:
        """S-F-1: each service is told when its answer comes; there is no time of searching."""
        self.lab.hear(*whole("One"))
        self.assertEqual(self.lab.told(), [("Added", "One")])
        self.lab.hear(*whole("Two"))
        self.assertEqual(self.lab.told(), [("Added", "Two")])

    def test_a_day_later(self) -> None:
        """S-F-2: the list stays live."""
        self.lab.pass_time(86400)
        self.lab.hear(*whole())
        self.assertEqual(self.lab.told(), [("Added", "One")])


class ChangeTests(SynchronousTestCase):
    """Each real change is told once."""

    def setUp(self) -> None:
        self.lab = FollowingLab()
        self.browser = Browser([(HTTP, None)])
        self.lab.follow(self.browser)
        self.lab.pass_time(1)
        self.lab.hear(*whole())
        self.lab.pass_time(5)
        self.lab.told()

    def test_announced_again(self) -> None:
        self.lab.hear(*whole())
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [])

    def test_port(self) -> None:
        self.lab.hear(located("One", 81))
        self.assertEqual(self.lab.last().port, 81)
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [("Updated", "One")])

    def test_previous_state(self) -> None:
        self.lab.hear(located("One", 81))
        change = self.lab.changes[-1]
        assert isinstance(change, Updated)
        self.assertEqual((change.previous.port, change.service.port), (80, 81))

    def test_text(self) -> None:
        self.lab.hear(described("One", b"path=/new"))
        self.assertEqual(self.lab.last().txt["path"], b"/new")
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [("Updated", "One")])

    def test_address(self) -> None:
        """A service that moves to a new address is updated once, to the new one alone."""
        self.lab.hear(at(77))
        self.assertEqual(shown(self.lab.last()), ["192.168.1.77"])
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [("Updated", "One")])

    def test_address_with_goodbye(self) -> None:
        """The same when the old address is taken leave of first."""
        self.lab.hear(at(9, ttl=0))
        self.lab.pass_time(0.3)
        self.lab.hear(at(77))
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [("Updated", "One")])
        self.assertEqual(shown(self.browser.snapshot()[0]), ["192.168.1.77"])

    def test_host(self) -> None:
        """S-3-1, S-C-1: the same name on another host is the same service, with a new target."""
        self.lab.hear(located("One", 80, "near"), at(50, "near"), only(A, on="near"))
        self.assertEqual(str(self.lab.last().host), "near.local.")
        self.assertEqual(shown(self.lab.last()), ["192.168.1.50"])
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [("Updated", "One")])

    def test_host_in_two_steps(self) -> None:
        """While the addresses of the new host are not known, the old state stays; no update is without
        addresses."""
        self.lab.hear(located("One", 80, "near"))
        self.assertEqual(self.lab.told(), [])
        self.lab.pass_time(0.3)
        self.assertIn(Question(host("near"), A), self.lab.asked())
        self.lab.hear(at(50, "near"), only(A, on="near"))
        self.assertEqual(self.lab.told(), [("Updated", "One")])

    def test_back_and_forth(self) -> None:
        """A port that is changed back within the second is what it was; what counts is what was said last."""
        self.lab.hear(located("One", 81))
        self.lab.pass_time(0.5)
        self.lab.hear(located("One", 80))
        self.assertEqual(self.lab.last().port, 80)
        self.lab.pass_time(5)
        self.assertEqual(self.browser.snapshot()[0].port, 80)
        self.assertEqual(self.lab.told(), [("Updated", "One"), ("Updated", "One")])

    def test_many_changes_before_anybody_looks(self) -> None:
        """A slow consumer gets one change for each service, from what it knew to what is."""
        for port in range(100, 120):
            self.browser.handle(ETH0, RecordAdded(located("One", port), (self.browser,)), self.lab.now)
        changes = self.browser.changes(self.lab.now)
        self.assertEqual([change.service.port for change in changes], [119])

    def test_gone_and_back_before_anybody_looks(self) -> None:
        """Nothing is told of a service that is as it was when somebody looks."""
        querier = self.lab.labs[ETH0].querier
        self.browser.remove_link(ETH0, self.lab.now)
        self.browser.add_link(ETH0, querier, self.lab.now)
        self.assertEqual(self.browser.changes(self.lab.now), [])
        self.assertEqual(len(self.browser.snapshot()), 1)

    def test_another_address_more(self) -> None:
        self.lab.hear(at(9), at(10))
        self.assertEqual(shown(self.lab.last()), ["192.168.1.9", "192.168.1.10"])
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [("Updated", "One")])

    def test_case_of_the_type(self) -> None:
        """S-7-3: a listing in another case is the same service."""
        self.lab.hear(pointer(Name.parse("_HTTP._TCP.LOCAL"), Name.parse("ONE._http._TCP.local"), 4500))
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [])


class RemovalTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = FollowingLab()
        self.browser = Browser([(HTTP, None)])
        self.lab.follow(self.browser)
        self.lab.pass_time(1)
        self.lab.hear(*whole())
        self.lab.told()

    def test_goodbye(self) -> None:
        """S-F-3: a service that takes leave is removed once."""
        self.lab.hear(*[record.with_ttl(0) for record in whole()])
        self.assertEqual(self.lab.told(), [])
        self.lab.pass_time(20)
        self.assertEqual(self.lab.told(), [("Removed", "One")])
        self.assertEqual(self.browser.snapshot(), ())

    def test_last_state(self) -> None:
        self.lab.hear(listing("One", 0))
        self.lab.pass_time(2)
        change = self.lab.changes[-1]
        assert isinstance(change, Removed)
        self.assertEqual(change.service.port, 80)

    def test_goodbye_taken_back(self) -> None:
        """M-10.1-2: a goodbye that is taken back in time removes nothing."""
        self.lab.hear(*[record.with_ttl(0) for record in whole()])
        self.lab.pass_time(0.6)
        self.lab.hear(*whole())
        self.lab.pass_time(20)
        self.assertEqual(self.lab.told(), [])

    def test_killed(self) -> None:
        """S-F-3: without a goodbye it is gone when its SRV record expires, and stays gone."""
        self.lab.pass_time(119)
        self.assertEqual(self.lab.told(), [])
        self.lab.pass_time(300)
        self.assertEqual(self.lab.told(), [("Removed", "One")])

    def test_killed_with_addresses_first(self) -> None:
        """A host whose address records expire before its SRV records is one event, not two."""
        self.lab.pass_time(60)
        self.lab.hear(located("One"))
        self.lab.pass_time(120)
        self.assertEqual(self.lab.told(), [("Removed", "One")])

    def test_an_address_lost_for_good(self) -> None:
        """A service that is confirmed, on a host without an address, is shown so in the end."""
        self.lab.pass_time(60)
        self.lab.hear(located("One"))
        self.lab.pass_time(61)
        self.lab.hear(located("One"))
        self.lab.pass_time(30)
        self.assertEqual(shown(self.lab.last()), [])
        self.assertEqual(self.lab.told(), [("Updated", "One")])

    def test_the_listing_of_a_killed_one(self) -> None:
        """RFC 6762 §10.4: an SRV record that nobody confirms makes the PTR record that led to it doubtful."""
        self.lab.pass_time(140)
        self.assertFalse(self.lab.labs[ETH0].knows(listing("One")))

    def test_back_again(self) -> None:
        self.lab.pass_time(200)
        self.lab.told()
        self.lab.hear(*whole())
        self.assertEqual(self.lab.told(), [("Added", "One")])

    def test_observed_failure(self) -> None:
        """S-F-3: others that ask for it in vain show that it is gone."""
        self.lab.pass_time(5)
        for _ in range(2):
            self.lab.labs[ETH0].ask(instance("One"), SRV)
            self.lab.pass_time(1)
        self.lab.pass_time(10)
        self.assertEqual(self.lab.told(), [("Removed", "One")])

    def test_reconfirmed_in_vain(self) -> None:
        """M-10.4-1: a user who cannot reach a service says so, and it goes within ten seconds."""
        self.browser.reconfirm(instance("One"), self.lab.now)
        self.lab.pass_time(10)
        self.assertEqual(self.lab.told(), [("Removed", "One")])

    def test_reconfirmed(self) -> None:
        self.browser.reconfirm(instance("One"), self.lab.now)
        self.lab.pass_time(1)
        self.lab.hear(*whole())
        self.lab.pass_time(15)
        self.assertEqual(self.lab.told(), [])

    def test_of_several(self) -> None:
        self.lab.hear(*whole("Two", on="near", number=20))
        self.lab.told()
        self.lab.hear(listing("One", 0))
        self.lab.pass_time(2)
        self.assertEqual(self.lab.told(), [("Removed", "One")])
        self.assertEqual([found.name for found in self.browser.snapshot()], ["Two"])

    def test_link_down(self) -> None:
        """S-F-4, M-10.3-1: what was found on a lost link is removed, and found again when it returns."""
        self.lab.down(ETH0)
        self.assertEqual(self.lab.told(), [("Removed", "One")])
        self.lab.pass_time(10)
        self.lab.up(ETH0)
        self.lab.pass_time(1)
        self.lab.hear(*whole())
        self.assertEqual(self.lab.told(), [("Added", "One")])

    def test_link_removed(self) -> None:
        """S-F-4: so is what was found on an interface that is gone."""
        self.browser.remove_link(ETH0, self.lab.now)
        self.assertEqual([type(one) for one in self.browser.changes(self.lab.now)], [Removed])
        self.assertEqual(self.browser.links, ())

    def test_host_without_users_is_forgotten(self) -> None:
        self.lab.hear(listing("One", 0))
        self.lab.pass_time(2)
        self.assertEqual(self.browser._hosts, {})
        self.assertEqual(self.browser._instances, {})


class SeveralLinksTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = FollowingLab(ETH0, ETH0_V6, WLAN0)
        self.browser = Browser([(HTTP, None)])
        self.lab.follow(self.browser)
        self.lab.pass_time(1)

    def both_families(self) -> None:
        for place in (ETH0, ETH0_V6):
            self.lab.hear(*whole()[:3], at(9), at_v6("9"), place=place)

    def test_asked_on_every_link(self) -> None:
        """M-20-1: both families are asked."""
        self.assertEqual(
            [self.lab.asked(place)[0] for place in (ETH0, ETH0_V6, WLAN0)], [Question(LIST, PTR)] * 3
        )

    def test_two_families(self) -> None:
        """One service, though it is seen by IPv4 and by IPv6."""
        self.both_families()
        self.assertEqual(self.lab.told(), [("Added", "One")])
        (found,) = self.browser.snapshot()
        self.assertEqual(shown(found), ["192.168.1.9", "fe80::9%eth0"])

    def test_two_interfaces(self) -> None:
        """M-14-5: one service with several places; each address has its interface, link-local ones as
        zone."""
        self.both_families()
        self.lab.hear(*whole()[:3], at(209), at_v6("9"), place=WLAN0)
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
        self.lab.hear(listing("One"), place=ETH0)
        self.lab.pass_time(0.5)
        self.assertIn(SRV, [question.type for question in self.lab.asked(ETH0)])
        self.assertNotIn(SRV, [question.type for question in self.lab.asked(WLAN0)])

    def test_an_address_that_changes_on_both_families(self) -> None:
        """A change is told once, though each family brings it for itself."""
        self.both_families()
        self.lab.pass_time(5)
        self.lab.told()
        self.lab.hear(at(77), place=ETH0)
        self.lab.pass_time(0.2)
        self.lab.hear(at(77), place=ETH0_V6)
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [("Updated", "One")])
        self.assertEqual(shown(self.browser.snapshot()[0]), ["192.168.1.77", "fe80::9%eth0"])

    def test_a_port_that_changes_on_both_families(self) -> None:
        self.both_families()
        self.lab.pass_time(5)
        self.lab.told()
        self.lab.hear(located("One", 81), place=ETH0_V6)
        self.lab.pass_time(0.2)
        self.lab.hear(located("One", 81), place=ETH0)
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [("Updated", "One")])

    def test_one_of_two_interfaces_is_lost(self) -> None:
        """S-F-4: a service that is still seen elsewhere is updated, and not removed."""
        self.both_families()
        self.lab.hear(*whole()[:3], at(209), at_v6("9"), place=WLAN0)
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
        self.lab.hear(*whole("One", on="twin"), place=ETH0)
        self.lab.hear(*whole("Two", on="twin", number=200), place=WLAN0)
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


class SubtypeTests(SynchronousTestCase):
    def test_found_by_subtype(self) -> None:
        """S-4.2-1: a result of a subtype has the plain type in its name."""
        lab = FollowingLab()
        lab.follow(Browser([(HTTP, "_printer")]))
        lab.hear(listing("One", under=HTTP.subtype_in_domain("_printer")), *whole()[1:])
        self.assertEqual(lab.last().type, HTTP)
        self.assertEqual(lab.last().subtypes, (b"_printer",))

    def test_any_octets(self) -> None:
        """S-7.1-4: a subtype may be any octets; the case of ASCII letters does not matter."""
        lab = FollowingLab()
        lab.follow(Browser([(HTTP, b"\xff\x61")]))
        lab.hear(listing("One", under=HTTP.subtype_in_domain(b"\xff\x41")), *whole()[1:])
        self.assertEqual(lab.told(), [("Added", "One")])

    def test_type_and_subtype(self) -> None:
        """One service, though it is listed twice; it is there until it is listed nowhere."""
        lab = FollowingLab()
        browser = Browser([(HTTP, None), (HTTP, "_printer")])
        lab.follow(browser)
        special = listing("One", under=HTTP.subtype_in_domain("_printer"))
        lab.hear(special, *whole())
        self.assertEqual(lab.told(), [("Added", "One")])
        lab.hear(special.with_ttl(0))
        lab.pass_time(2)
        self.assertEqual(lab.told(), [("Updated", "One")])
        self.assertEqual(browser.snapshot()[0].subtypes, ())
        lab.hear(listing("One", 0))
        lab.pass_time(2)
        self.assertEqual(lab.told(), [("Removed", "One")])


class SeveralTypesTests(SynchronousTestCase):
    def test_each_instance_name_once(self) -> None:
        """S-8-1: of several types that mean the same to a user, each instance is shown once, by the best of
        them."""
        types = [ServiceType(name, "tcp") for name in ("ipp", "printer", "pdl-datastream")]
        lab = FollowingLab()
        browser = Browser([(service_type, None) for service_type in types], resolve=False)
        lab.follow(browser)
        for service_type in reversed(types):
            name = service_type.in_domain()
            lab.hear(pointer(name, name.prefixed("Laser"), 4500))
        self.assertEqual(len(browser.snapshot()), 3)
        (found,) = preferred(browser.snapshot(), types)
        self.assertEqual((found.name, found.type), ("Laser", types[0]))


class BoundTests(SynchronousTestCase):
    def test_invented_instances(self) -> None:
        """What strangers invent has an end."""
        lab = FollowingLab()
        browser = Browser([(HTTP, None)], resolve=False)
        lab.follow(browser)
        for start in range(0, MAX_INSTANCES + 500, 100):
            lab.hear(*[listing(f"Junk {number}") for number in range(start, start + 100)])
        self.assertLessEqual(len(browser._instances), MAX_INSTANCES)

    def test_a_change_of_thousands_is_told_in_parts(self) -> None:
        """The host of many services gets another address: what that changes is told some hundreds at a
        time."""
        lab = FollowingLab()
        browser = Browser([(HTTP, None)])
        lab.follow(browser)
        lab.hear(at(9), only(A))
        for number in range(1200):
            label = f"Instance {number}"
            lab.hear(listing(label), located(label), described(label))
        lab.told()
        lab.labs[ETH0].hear(at(77))
        for event in lab.labs[ETH0].events:
            browser.handle(ETH0, event, lab.now)  # type: ignore[arg-type]
        sizes = []
        while browser.has_news:
            sizes.append(len(browser.changes(lab.now)))
        self.assertEqual(sum(sizes), 1200)
        self.assertLessEqual(max(sizes), 500)


class TypeBrowserTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = FollowingLab(ETH0, WLAN0)
        self.browser = TypeBrowser()
        self.lab.follow(self.browser)
        self.all = type_enumeration_name()

    def names(self) -> list[str]:
        return [str(one) for one in self.browser.snapshot()]

    def test_question(self) -> None:
        """RFC 6763 §9: the types of a domain are listed by a name of their own."""
        self.lab.pass_time(0.5)
        self.assertEqual(keys(self.lab.asked()), [("_services._dns-sd._udp.local.", PTR)])

    def test_types(self) -> None:
        self.lab.hear(pointer(self.all, LIST, 4500), pointer(self.all, Name.parse("_ipp._tcp.local"), 4500))
        self.assertEqual(self.names(), ["_http._tcp", "_ipp._tcp"])
        self.assertEqual(self.browser.changes(), ([HTTP, ServiceType("ipp", "tcp")], []))
        self.assertEqual(self.browser.changes(), ([], []))

    def test_only_two_labels_matter(self) -> None:
        """S-9-2: the domain in the rdata says nothing."""
        self.lab.hear(pointer(self.all, Name.parse("_http._tcp.example.com"), 4500))
        self.assertEqual(self.names(), ["_http._tcp"])

    def test_gone(self) -> None:
        self.lab.hear(pointer(self.all, LIST, 4500))
        self.browser.changes()
        self.lab.hear(pointer(self.all, LIST, 0))
        self.lab.pass_time(2)
        self.assertEqual(self.browser.changes(), ([], [HTTP]))

    def test_two_links(self) -> None:
        self.lab.hear(pointer(self.all, LIST, 4500), place=ETH0)
        self.lab.hear(pointer(self.all, LIST, 4500), place=WLAN0)
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
