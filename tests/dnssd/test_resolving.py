"""From an instance or a host name to addresses (RFC 6763 §5, RFC 2782)."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import ServiceData, alias, service
from mcast.dnssd.following import MAX_ELSEWHERE
from mcast.dnssd.resolving import HostLookup, Resolver, in_order
from tests.dnssd.following_lab import (
    ETH0,
    ETH0_V6,
    WLAN0,
    FollowingLab,
    at,
    at_v6,
    described,
    host,
    instance,
    located,
    only,
    shown,
    whole,
)
from tests.mdns.lab import AAAA, SRV, TXT, A


def target(label: str, priority: int = 0, weight: int = 0) -> ServiceData:
    return ServiceData(priority, weight, 80, host(label))


def labels(targets: list[ServiceData]) -> list[str]:
    return [str(one.target).split(".")[0] for one in targets]


class ResolverTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = FollowingLab(ETH0, WLAN0)
        self.resolver = Resolver(instance("One"))
        self.lab.follow(self.resolver)

    def test_questions(self) -> None:
        """S-5-1: SRV and TXT are asked for in one packet, on every link."""
        self.lab.pass_time(0.5)
        expected = [Question(instance("One"), SRV), Question(instance("One"), TXT)]
        self.assertEqual(self.lab.asked(ETH0), expected)
        self.assertEqual(self.lab.asked(WLAN0), expected)

    def test_answer(self) -> None:
        """What one interface tells is whole; another one that is silent is not waited for."""
        self.assertIsNone(self.resolver.service)
        self.lab.hear(*whole()[1:])
        found = self.resolver.service
        assert found is not None
        self.assertEqual((found.port, shown(found)), (80, ["192.168.1.9"]))

    def test_answer_from_the_cache(self) -> None:
        """M-D-2: what was heard for others is enough."""
        lab = FollowingLab()
        lab.hear(*whole()[1:])
        resolver = Resolver(instance("One"))
        lab.follow(resolver)
        self.assertIsNotNone(resolver.service)
        lab.pass_time(1)
        self.assertEqual(lab.asked(), [])

    def test_stored_name(self) -> None:
        """S-3-1: the name of a service stays good when its port and address change."""
        self.lab.hear(*whole()[1:])
        self.lab.pass_time(20)
        self.lab.hear(located("One", 81), at(77))
        self.lab.pass_time(1)
        found = self.resolver.service
        assert found is not None
        self.assertEqual((found.port, shown(found)), (81, ["192.168.1.77"]))

    def test_lowest_priority_counts(self) -> None:
        """S-5-2: of several SRV records the one of lowest priority is the service."""
        first = service(instance("One"), 10, 0, 1000, host("last"), 120, True)
        second = service(instance("One"), 0, 0, 2000, host("far"), 120, True)
        self.lab.hear(second, first, described("One"), at(9), only(A))
        self.lab.pass_time(1)
        found = self.resolver.service
        assert found is not None
        self.assertEqual(found.port, 2000)

    def test_closing(self) -> None:
        self.resolver.close(self.lab.now)
        self.lab.pass_time(100)
        self.assertEqual(self.lab.asked(ETH0), [])
        self.assertIsNone(self.lab.labs[ETH0].link.next_wakeup())


class LookupTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = FollowingLab(ETH0, ETH0_V6)
        self.lookup = HostLookup(host("far"))
        self.lab.follow(self.lookup)

    def addresses(self) -> list[str]:
        return [str(found.address) for found in self.lookup.addresses]

    def test_one_packet(self) -> None:
        """A and AAAA are asked for in one packet."""
        self.lab.pass_time(0.5)
        (packet,) = self.lab.labs[ETH0].sent
        self.assertEqual(packet.message.questions, [Question(host("far"), A), Question(host("far"), AAAA)])

    def test_both_families(self) -> None:
        """It is complete when both are known."""
        self.lab.hear(at(9))
        self.assertFalse(self.lookup.is_done(self.lab.now))
        self.lab.hear(at_v6("9"))
        self.assertTrue(self.lookup.is_done(self.lab.now))
        self.assertEqual(self.addresses(), ["192.168.1.9", "fe80::9%eth0"])

    def test_denied_family(self) -> None:
        """RFC 6762 §6.1: or when the host says that there is no other."""
        self.lab.hear(at(9), only(A))
        self.assertTrue(self.lookup.is_complete)

    def test_no_addresses(self) -> None:
        """A host without addresses is an answer as well."""
        self.lab.hear(only(SRV))
        self.assertTrue(self.lookup.is_complete)
        self.assertEqual(self.addresses(), [])

    def test_silent_about_the_other_family(self) -> None:
        """A host that does not say so is waited for a moment longer."""
        self.lab.hear(at(9))
        self.assertFalse(self.lookup.is_done(self.lab.now))
        at_time = self.lookup.next_wakeup()
        assert at_time is not None
        self.assertLess(at_time - self.lab.now, 0.3)
        self.assertTrue(self.lookup.is_done(at_time))

    def test_one_family(self) -> None:
        lookup = HostLookup(host("near"), ipv6=False)
        self.lab.follow(lookup)
        self.lab.pass_time(0.5)
        self.assertNotIn(Question(host("near"), AAAA), self.lab.asked())
        self.lab.hear(at(50, "near"))
        self.assertTrue(lookup.is_complete)

    def test_families_of_different_links(self) -> None:
        """M-20-1: what is known of a host by one link is enough."""
        self.lab.hear(at(9), at_v6("9"), link=ETH0_V6)
        self.assertTrue(self.lookup.is_complete)

    def test_alias(self) -> None:
        """The addresses of an alias are those of the name that it stands for."""
        self.lab.hear(alias(host("far"), host("real"), 120))
        self.lab.pass_time(0.5)
        self.assertIn(Question(host("real"), A), self.lab.asked())
        self.lab.hear(at(9, "real"), only(A, on="real"))
        self.assertTrue(self.lookup.is_complete)
        self.assertEqual(self.addresses(), ["192.168.1.9"])

    def test_alias_of_itself(self) -> None:
        self.lab.hear(alias(host("far"), host("real"), 120), alias(host("real"), host("far"), 120))
        self.lab.pass_time(1)
        self.assertEqual(self.addresses(), [])

    def test_many_aliases(self) -> None:
        """A stranger cannot make us ask for ever."""
        names = ["far", *[f"alias{number}" for number in range(20)]]
        for name, target in pairwise(names):
            self.lab.hear(alias(host(name), host(target), 120))
            self.lab.pass_time(1)
        asked = {question.name for question in self.lab.asked()}
        self.assertEqual(asked, {host(name) for name in names[:9]})
        self.assertGreater(self.lookup.counters["aliases beyond the limit"], 0)

    def test_lost_link(self) -> None:
        self.lab.hear(at(9), at_v6("9"))
        self.lookup.remove_link(ETH0, self.lab.now)
        self.assertEqual(self.addresses(), [])
        self.assertFalse(self.lookup.is_done(self.lab.now))

    def test_moved(self) -> None:
        """An address that was replaced is no longer an answer."""
        self.lab.hear(at(9), only(A))
        self.lab.pass_time(5)
        self.lab.hear(at(77))
        self.assertEqual(self.addresses(), ["192.168.1.77"])

    def test_closing(self) -> None:
        self.lookup.close(self.lab.now)
        self.lab.pass_time(100)
        self.assertEqual(self.lab.asked(), [])


class ElsewhereTests(SynchronousTestCase):
    def test_hosts_elsewhere_are_bounded(self) -> None:
        """Each of them has the system ask a DNS server, at the word of a stranger."""
        names = [Name.parse(f"host{number}.example.com") for number in range(MAX_ELSEWHERE + 5)]
        lookup = HostLookup(*names)
        self.assertEqual(len(lookup.elsewhere), MAX_ELSEWHERE)
        self.assertEqual(lookup.counters["hosts elsewhere beyond the limit"], 5)

    def test_servers_tell_of_them(self) -> None:
        """Where DNS servers are asked, nobody else is wanted."""
        lookup = HostLookup(Name.parse("host.example.com"), asks_servers=True)
        self.assertEqual(lookup.elsewhere, {})


class OrderTests(SynchronousTestCase):
    """In which order the targets of SRV records are tried."""

    def test_priority(self) -> None:
        """S-5-2: lower priorities come first."""
        targets = [target("last", 10), target("first", 0, 1), target("second", 5)]
        self.assertEqual(labels(in_order(targets, Random(1))), ["first", "second", "last"])

    def test_weight(self) -> None:
        """S-5-2: among equal priorities the first is drawn in proportion to the weights."""
        rng = Random(2782)
        targets = [target("light", 0, 1), target("heavy", 0, 3), target("last", 10, 0)]
        orders = [labels(in_order(targets, rng)) for _ in range(4000)]
        self.assertEqual({order[2] for order in orders}, {"last"})
        share = Counter(order[0] for order in orders)["heavy"] / len(orders)
        self.assertLess(abs(share - 0.75), 0.03)

    def test_weight_zero(self) -> None:
        """It has a very small chance beside others, and an equal one among its like."""
        rng = Random(2782)
        beside = [labels(in_order([target("zero"), target("one", 0, 1)], rng))[0] for _ in range(2000)]
        self.assertLess(Counter(beside)["zero"], 100)
        alike = [labels(in_order([target("a"), target("b")], rng))[0] for _ in range(2000)]
        self.assertGreater(Counter(alike)["a"], 800)
        self.assertGreater(Counter(alike)["b"], 800)

    def test_nothing(self) -> None:
        self.assertEqual(in_order([], Random(1)), [])
