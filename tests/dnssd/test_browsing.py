"""Services that come, by type and subtype (RFC 6763 §4, §6, §7.1)."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import next_secure, pointer, raw, service, text
from mcast.dnssd.browsing import MAX_INSTANCES, Browser, preferred
from mcast.dnssd.found import FoundAddress
from mcast.dnssd.types import ServiceType
from tests.dnssd.following_lab import (
    ETH0,
    HTTP,
    LIST,
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
        elsewhere = Name.parse("Web._web._tcp.Printers.local")
        self.lab.hear(
            pointer(LIST, elsewhere, 4500),
            service(elsewhere, 0, 0, 80, host("far"), 120, True),
            text(elsewhere, [], 4500, True),
            at(9),
            only(A),
        )
        found = self.lab.last()
        self.assertEqual((str(found.type), str(found.domain)), ("_web._tcp", "Printers.local."))

    def test_in_a_domain_of_unicast_dns(self) -> None:
        """M-13-1: what a stranger lists there is not asked for by multicast, and not believed."""
        elsewhere = Name.parse("Web._http._tcp.example.com")
        self.lab.hear(
            pointer(LIST, elsewhere, 4500), service(elsewhere, 0, 0, 80, host("far"), 120, True), at(9)
        )
        self.lab.pass_time(10)
        self.assertEqual(self.lab.told(), [])
        self.assertEqual({one.name for one in self.lab.asked()}, {LIST})
        self.assertEqual(self.browser.counters["names outside of multicast DNS"], 2)

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
        self.lab.pass_time(0.24)
        self.assertEqual(self.lab.told(), [])
        self.lab.pass_time(0.01)
        self.assertEqual(self.lab.told(), [("Added", "One")])

    def test_denied_addresses(self) -> None:
        """A host that denies all addresses is shown without, after the same time."""
        self.lab.hear(*whole()[:3], only(SRV))
        self.lab.pass_time(0.24)
        self.assertEqual(self.lab.told(), [])
        self.lab.pass_time(0.01)
        self.assertEqual(self.lab.last().addresses, ())
        self.assertEqual(self.lab.told(), [("Added", "One")])

    def test_address_after_denial(self) -> None:
        self.lab.hear(*whole()[:3], only(SRV))
        self.lab.pass_time(0.1)
        self.lab.hear(at(9), only(A))
        self.assertEqual(shown(self.lab.last()), ["192.168.1.9"])
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
