"""Who gives way when strangers announce more than there is room for."""

from __future__ import annotations

import sys

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.dns.records import pointer, service, text
from mcast.dnssd.browsing import MAX_INSTANCES, MAX_TYPES, Browser, TypeBrowser
from mcast.dnssd.shares import SETTLED_AFTER, SPARE_PLACES, Shares
from mcast.dnssd.types import ServiceType, type_enumeration_name
from tests.dnssd.following_lab import (
    HTTP,
    FollowingLab,
    described,
    host,
    instance,
    listing,
    located,
    whole,
)
from tests.mdns.lab import PTR

FLOODER = "192.168.1.66"
REAL = "192.168.1.9"


class SharesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.backed: set[str] = set()
        self.confirmed: set[str] = set()
        self.repeated: set[str] = set()
        self.shares = self.made(4)

    def made(self, limit: int) -> Shares[str]:
        return Shares(
            limit,
            self.backed.__contains__,
            self.confirmed.__contains__,
            lambda key, since: key in self.repeated,
        )

    def fill(self, *entries: str) -> None:
        for entry in entries:
            self.assertEqual(self.shares.add(entry, entry[0], 0.0), None)

    def test_room(self) -> None:
        self.fill("a1", "a2", "a3", "a4")
        self.assertEqual(len(self.shares), 4)

    def test_who_holds_most_gives_its_oldest(self) -> None:
        self.fill("b1", "a1", "a2", "a3")
        self.assertEqual(self.shares.add("c1", "c", 0.0), "a1")
        self.assertEqual(len(self.shares), 4)

    def test_who_holds_most_gives_for_its_own(self) -> None:
        """What comes through a reflector has its address, be it real or not."""
        self.fill("b1", "a1", "a2", "a3")
        self.assertEqual(self.shares.add("a4", "a", 0.0), "a1")

    def test_what_is_backed_stays_longer(self) -> None:
        self.fill("b1", "a1", "a2", "a3")
        self.backed.add("a1")
        self.assertEqual(self.shares.add("c1", "c", 0.0), "a2")

    def test_backing_everything_keeps_nobody_out(self) -> None:
        """A flooder may send more than names."""
        self.fill("a1", "a2", "a3", "a4")
        self.backed.update(("a1", "a2", "a3", "a4"))
        self.assertEqual(self.shares.add("c1", "c", 0.0), "a1")

    def test_nobody_is_kept_out(self) -> None:
        """Whatever is known of those that are there."""
        for known in (self.backed, self.repeated, self.confirmed):
            shares = self.made(4)
            known.update(("a1", "b1", "c1", "d1", "e1"))
            for entry in ("a1", "b1", "c1", "d1"):
                shares.add(entry, entry[0], 0.0)
            self.assertEqual(shares.add("e1", "e", 0.0), "a1")
            self.assertEqual(shares.add("f1", "f", 0.0), "b1")

    def test_what_was_heard_again_stays_longer(self) -> None:
        shares = self.made(64)
        for number in range(64):
            shares.add(f"a{number}", f"a{number}", 0.0)
        self.backed.update(f"a{number}" for number in range(64))
        self.repeated.add("a0")
        self.assertEqual(shares.add("b", "b", 0.0), "a1")

    def test_what_has_settled_stays(self) -> None:
        """A part of the places only is for newcomers, then."""
        for entry in ("a1", "a2", "a3"):
            self.shares.add(entry, "a", 0.0)
        self.shares.add("b1", "b", SETTLED_AFTER)
        self.assertEqual(self.shares.add("c1", "c", SETTLED_AFTER), "b1")
        self.assertEqual(self.shares.add("d1", "d", SETTLED_AFTER), "c1")

    def test_settling_in_the_place_of_another(self) -> None:
        """What was heard again is preferred to what has been there for long."""
        for entry in ("a1", "b1", "c1"):
            self.shares.add(entry, entry[0], 0.0)
        self.shares.add("d1", "d", SETTLED_AFTER)
        self.confirmed.add("d1")
        self.assertEqual(self.shares.add("e1", "e", 2 * SETTLED_AFTER), "c1")

    def test_forged_addresses(self) -> None:
        """Each entry from another one: the oldest that nobody backs goes."""
        self.fill("a1", "b1", "c1", "d1")
        self.backed.add("a1")
        self.assertEqual(self.shares.add("e1", "e", 0.0), "b1")
        self.assertEqual(self.shares.add("f1", "f", 0.0), "c1")

    def test_confirmed(self) -> None:
        self.fill("a1", "a2", "a3", "b1")
        self.confirmed.add("a1")
        self.assertEqual(self.shares.add("c1", "c", 0.0), "a2")

    def test_all_confirmed(self) -> None:
        self.fill("a1", "a2", "a3", "a4")
        self.confirmed.update(("a1", "a2", "a3", "a4"))
        self.assertEqual(self.shares.add("c1", "c", 0.0), "a1")

    def test_what_comes_and_goes_leaves_nothing_behind(self) -> None:
        """In an hour of two hundred services that live for ten seconds, whatever the limit is."""
        shares = self.made(MAX_INSTANCES)

        def pass_time(times: int) -> int:
            for _ in range(times):
                for number in range(200):
                    shares.add(f"a{number}", "a", 0.0)
                for number in range(200):
                    shares.remove(f"a{number}")
            return sys.getallocatedblocks()

        self.assertLess(-pass_time(1) + pass_time(360), 500)

    def test_who_was_looked_at_longest_ago_gives(self) -> None:
        """However often others have changed meanwhile what they hold."""
        shares = self.made(4)
        for entry in ("a1", "a2", "b1", "b2"):
            shares.add(entry, entry[0], 0.0)
        for _ in range(50):
            shares.remove("a2")
            shares.add("a2", "a", 0.0)
        self.assertEqual(shares.add("c1", "c", 0.0), "b1")

    def test_unknown_holders(self) -> None:
        """What was known before is nobody's in particular."""
        for entry in ("x1", "x2"):
            self.shares.add(entry, None, 0.0)
        self.fill("a1", "a2")
        self.assertEqual(self.shares.add("c1", "c", 0.0), "a1")

    def test_removed(self) -> None:
        self.fill("a1", "a2", "b1", "b2")
        self.shares.remove("a1")
        self.shares.remove("a1")
        self.assertEqual(self.shares.add("c1", "c", 0.0), None)
        self.assertEqual(self.shares.add("c2", "c", 0.0), "b1")

    def test_long_use(self) -> None:
        """Its memory does not grow with what comes and goes."""
        for number in range(1000):
            self.shares.add(f"a{number}", "a", 0.0)
            self.shares.add(f"b{number}", "b", 0.0)
            self.shares.remove(f"a{number}")
            self.shares.remove(f"b{number}")
        self.assertLessEqual(len(self.shares._new._ranking), 2 * len(self.shares) + SPARE_PLACES)


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

    def test_a_hundred_forged_sources(self) -> None:
        """Each instance with all that belongs to it, so that the cache of the link is full as well."""
        self.lab.hear(*whole("Old"), source=REAL)
        self.lab.pass_time(20)
        for number in range(9000):
            label = f"Junk {number}"
            self.lab.hear(listing(label), located(label), described(label), source=f"10.0.0.{number % 100}")
            if number == 8500:
                self.lab.hear(*whole("During"), source="192.168.1.10")
        self.lab.told()
        self.lab.hear(*whole("After"), source="192.168.1.11")
        self.assertIn(("Added", "After"), self.lab.told())
        self.assertLessEqual({"Old", "During", "After"}, {found.name for found in self.browser.snapshot()})

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
        self.assertEqual(self.browser.counters["types displaced"], 2000 - MAX_TYPES + 1)

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


class ForgedSourcesTests(SynchronousTestCase):
    """Two thousand invented types at 500 a second, each with an instance that looks whole."""

    def setUp(self) -> None:
        self.lab = FollowingLab()
        self.browser = TypeBrowser()
        self.lab.follow(self.browser)

    def announce(self, label: str, source: str) -> None:
        under = Name.parse(f"_{label}._tcp.local")
        name = instance("One", under)
        self.lab.hear(
            pointer(type_enumeration_name(), under, 4500),
            pointer(under, name, 4500),
            service(name, 0, 0, 80, host("far"), 120, cache_flush=True),
            text(name, (), 4500, cache_flush=True),
            source=source,
        )

    def forge(self, first: int, sources: int, count: int = 1000) -> None:
        for number in range(first, first + count):
            address = number % sources
            self.announce(f"junk{number}", f"10.0.{address // 250}.{1 + address % 250}")
            self.lab.pass_time(1 / 500)

    def has(self, label: str) -> bool:
        self.browser.changes(self.lab.now)
        return ServiceType(label, "tcp") in self.browser.snapshot()

    def scene(self, sources: int) -> None:
        before = [f"before{number}" for number in range(20)]
        for label in before:
            self.announce(label, REAL)
        self.lab.pass_time(20)
        self.forge(0, sources, 1500)
        self.announce("during", "192.168.1.10")
        self.assertTrue(self.has("during"))
        self.forge(1500, sources, 500)
        self.announce("during", "192.168.1.10")
        self.forge(2000, sources, 2000)
        self.assertTrue(self.has("during"))
        self.announce("after", "192.168.1.11")
        self.assertTrue(self.has("after"))
        self.lab.pass_time(20)
        self.announce("later", "192.168.1.12")
        for label in ("during", "after", "later", *before):
            self.assertTrue(self.has(label), label)
        self.assertLessEqual(len(self.browser.snapshot()), MAX_TYPES)

    def test_a_hundred_sources(self) -> None:
        self.scene(100)

    def test_as_many_sources_as_records(self) -> None:
        self.scene(4000)

    def test_one_source(self) -> None:
        self.scene(1)

    def test_what_is_forged_again(self) -> None:
        """It takes no place of what was there before, and keeps no newcomer out."""
        for number in range(20):
            self.announce(f"before{number}", REAL)
        self.lab.pass_time(20)
        for first in (0, 0, 1500, 1500):
            self.forge(first, 100, 1500)
            self.lab.pass_time(15)
        self.announce("after", "192.168.1.10")
        for label in ("after", *[f"before{number}" for number in range(20)]):
            self.assertTrue(self.has(label), label)
