"""Who gives way when strangers announce more than there is room for."""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.dns.records import pointer
from mcast.dnssd.browsing import MAX_INSTANCES, MAX_TYPES, Browser, TypeBrowser
from mcast.dnssd.shares import SPARE_PLACES, Shares
from mcast.dnssd.types import ServiceType, type_enumeration_name
from tests.dnssd.following_lab import HTTP, FollowingLab, described, listing, located, whole
from tests.mdns.lab import PTR

FLOODER = "192.168.1.66"
REAL = "192.168.1.9"


class SharesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.backed: set[str] = set()
        self.confirmed: set[str] = set()
        self.shares: Shares[str] = Shares(4, self.backed.__contains__, self.confirmed.__contains__)

    def fill(self, *entries: str) -> None:
        for entry in entries:
            self.assertEqual(self.shares.add(entry, entry[0]), (True, None))

    def test_room(self) -> None:
        self.fill("a1", "a2", "a3", "a4")
        self.assertEqual(len(self.shares), 4)

    def test_who_holds_most_gives_its_oldest(self) -> None:
        self.fill("b1", "a1", "a2", "a3")
        self.assertEqual(self.shares.add("c1", "c"), (True, "a1"))
        self.assertEqual(len(self.shares), 4)

    def test_who_holds_most_gets_no_more(self) -> None:
        self.fill("b1", "a1", "a2", "a3")
        self.assertEqual(self.shares.add("a4", "a"), (False, None))

    def test_what_is_backed_stays_longer(self) -> None:
        self.fill("b1", "a1", "a2", "a3")
        self.backed.add("a1")
        self.assertEqual(self.shares.add("c1", "c"), (True, "a2"))

    def test_backing_everything_keeps_nobody_out(self) -> None:
        """A flooder may send more than names."""
        self.fill("a1", "a2", "a3", "a4")
        self.backed.update(("a1", "a2", "a3", "a4"))
        self.assertEqual(self.shares.add("c1", "c"), (True, "a1"))

    def test_equal_shares_that_are_backed_stay(self) -> None:
        self.fill("a1", "b1", "c1", "d1")
        self.backed.update(("a1", "b1", "c1", "d1"))
        self.assertEqual(self.shares.add("e1", "e"), (False, None))

    def test_forged_addresses(self) -> None:
        """Each entry from another one: the oldest that nobody backs goes."""
        self.fill("a1", "b1", "c1", "d1")
        self.backed.add("a1")
        self.assertEqual(self.shares.add("e1", "e"), (True, "b1"))
        self.assertEqual(self.shares.add("f1", "f"), (True, "c1"))

    def test_confirmed(self) -> None:
        self.fill("a1", "a2", "a3", "b1")
        self.confirmed.add("a1")
        self.assertEqual(self.shares.add("c1", "c"), (True, "a2"))

    def test_all_confirmed(self) -> None:
        self.fill("a1", "a2", "a3", "a4")
        self.confirmed.update(("a1", "a2", "a3", "a4"))
        self.assertEqual(self.shares.add("c1", "c"), (False, None))

    def test_what_comes_and_goes_leaves_nothing_behind(self) -> None:
        """In an hour of two hundred services that live for ten seconds, whatever the limit is."""
        shares: Shares[str] = Shares(MAX_INSTANCES, self.backed.__contains__, self.confirmed.__contains__)

        def pass_time(times: int) -> int:
            for _ in range(times):
                for number in range(200):
                    shares.add(f"a{number}", "a")
                for number in range(200):
                    shares.remove(f"a{number}")
            return sys.getallocatedblocks()

        self.assertLess(-pass_time(1) + pass_time(360), 500)

    def test_who_was_looked_at_longest_ago_gives(self) -> None:
        """However often others have changed meanwhile what they hold."""
        shares: Shares[str] = Shares(4, self.backed.__contains__, self.confirmed.__contains__)
        for entry in ("a1", "a2", "b1", "b2"):
            shares.add(entry, entry[0])
        for _ in range(50):
            shares.remove("a2")
            shares.add("a2", "a")
        self.assertEqual(shares.add("c1", "c"), (True, "b1"))

    def test_unknown_holders(self) -> None:
        """What was known before is nobody's in particular."""
        for entry in ("x1", "x2"):
            self.shares.add(entry, None)
        self.fill("a1", "a2")
        self.assertEqual(self.shares.add("c1", "c"), (True, "a1"))

    def test_removed(self) -> None:
        self.fill("a1", "a2", "b1", "b2")
        self.shares.remove("a1")
        self.shares.remove("a1")
        self.assertEqual(self.shares.add("c1", "c"), (True, None))
        self.assertEqual(self.shares.add("c2", "c"), (True, "b1"))

    def test_long_use(self) -> None:
        """Its memory does not grow with what comes and goes."""
        for number in range(1000):
            self.shares.add(f"a{number}", "a")
            self.shares.add(f"b{number}", "b")
            self.shares.remove(f"a{number}")
            self.shares.remove(f"b{number}")
        self.assertLessEqual(len(self.shares._ranking), 2 * len(self.shares) + SPARE_PLACES)


class InstancesTests(SynchronousTestCase):
    """A browser among invented instances."""

    def setUp(self) -> None:
        self.lab = FollowingLab()
        self.browser = Browser([(HTTP, None)])
        self.lab.follow(self.browser)

    def flood(self, count: int, *, located_too: bool = False) -> None:
        for start in range(0, count, 50):
            labels = [f"Junk {number}" for number in range(start, start + 50)]
            records = [listing(label) for label in labels]
            if located_too:
                records += [record for label in labels for record in (located(label), described(label))]
            self.lab.hear(*records, source=FLOODER)

    def test_a_real_one_after_the_flood(self) -> None:
        self.flood(MAX_INSTANCES + 2000)
        self.lab.told()
        self.lab.hear(*whole("Real"), source=REAL)
        self.assertEqual(self.lab.told(), [("Added", "Real")])
        self.assertLessEqual(len(self.browser._instances), MAX_INSTANCES)

    def test_a_real_one_during_the_flood(self) -> None:
        self.flood(MAX_INSTANCES)
        self.lab.hear(*whole("Real"), source=REAL)
        self.flood(MAX_INSTANCES + 2000)
        self.assertIn("Real", [found.name for found in self.browser.snapshot()])

    def test_whatever_the_flooder_says(self) -> None:
        self.flood(MAX_INSTANCES, located_too=True)
        self.lab.told()
        self.lab.hear(*whole("Real"), source=REAL)
        self.assertIn(("Added", "Real"), self.lab.told())
        self.assertGreater(self.browser.counters["instances displaced"], 0)

    def test_what_was_left_out_comes_again(self) -> None:
        """When the flood has gone, all that is there is shown."""
        for number in range(60):
            self.lab.hear(*whole(f"Old {number}"), source=REAL)
        self.flood(MAX_INSTANCES)
        self.lab.pass_time(1)
        self.assertEqual(len(self.browser.snapshot()), 60)


class TypesTests(SynchronousTestCase):
    """The list of types among invented ones."""

    def setUp(self) -> None:
        self.lab = FollowingLab()
        self.browser = TypeBrowser()
        self.lab.follow(self.browser)

    def hear(self, *labels: str, source: str = FLOODER) -> None:
        for start in range(0, len(labels), 50):
            types = [Name.parse(f"_{label}._tcp.local") for label in labels[start : start + 50]]
            records = [pointer(type_enumeration_name(), name, 4500) for name in types]
            self.lab.hear(*records, source=source)

    def has(self, label: str) -> bool:
        return f"_{label}._tcp" in self.types()

    def types(self) -> set[str]:
        self.browser.changes(self.lab.now)
        return {str(each) for each in self.browser.snapshot()}

    def test_a_real_one_after_the_flood(self) -> None:
        self.hear(*[f"junk{number}" for number in range(2000)])
        self.assertEqual(len(self.types()), MAX_TYPES)
        self.hear("http", source=REAL)
        self.assertTrue(self.has("http"))
        self.assertEqual(len(self.types()), MAX_TYPES)
        self.assertEqual(self.browser.counters["types beyond the limit"], 2000 - MAX_TYPES)
        self.assertEqual(self.browser.counters["types displaced"], 1)

    def test_forged_addresses(self) -> None:
        """A type with an instance stays, whoever else comes."""
        self.hear("http", source=REAL)
        self.lab.hear(listing("Real"), source=REAL)
        for number in range(2000):
            self.hear(f"junk{number}", source=f"192.168.{2 + number // 250}.{1 + number % 250}")
        self.assertTrue(self.has("http"))
        self.hear("ipp", source=REAL)
        self.assertTrue(self.has("ipp"))

    def test_what_two_hosts_have(self) -> None:
        self.hear("http", source=REAL)
        self.hear("http", source="192.168.1.10")
        for number in range(2000):
            self.hear(f"junk{number}", source=f"192.168.{2 + number // 250}.{1 + number % 250}")
        self.assertTrue(self.has("http"))

    def test_taken_in_again(self) -> None:
        """What had to give way is listed when others have gone."""
        labels = [f"type{number}" for number in range(MAX_TYPES + 100)]
        self.hear(*labels)
        gone = labels[: MAX_TYPES // 2]
        for start in range(0, len(gone), 50):
            types = [Name.parse(f"_{label}._tcp.local") for label in gone[start : start + 50]]
            self.lab.hear(*[pointer(type_enumeration_name(), name, 0) for name in types], source=FLOODER)
        self.lab.pass_time(2)
        self.assertEqual(self.types(), {f"_{label}._tcp" for label in labels[MAX_TYPES // 2 :]})

    def test_backed_by_the_cache(self) -> None:
        self.hear("http", source=REAL)
        self.lab.hear(listing("Real"), source=REAL)
        (one,) = self.lab.labs.values()
        self.assertTrue(one.querier.has(ServiceType("http", "tcp").in_domain(), PTR))
        self.assertFalse(one.querier.has(ServiceType("ipp", "tcp").in_domain(), PTR))
