"""Many services vanish at once: what a browser still asks, and what it shows (RFC 6762 §5.2, §10.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.records import Record
from mcast.dnssd.browsing import Browser
from mcast.dnssd.link_id import LinkId
from mcast.dnssd.service import Service
from mcast.node.node import Node
from mcast.testing import Capture, SimulatedLan
from tests.dnssd.following_lab import ETH0, ETH0_V6, HTTP, FollowingLab, at, listing, only, whole
from tests.mdns.lab import A
from tests.mdns.querier.asking_lab import TYPE_PTR, asked_at, gaps

AT_A_TIME = 20
"""Records in a packet that the lab hears."""


def batches(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    for start in range(0, len(records), AT_A_TIME):
        yield records[start : start + AT_A_TIME]


def services(count: int, *, hosts: int = 1) -> list[Record]:
    """All records of services that are spread over hosts."""
    records: list[Record] = []
    for number in range(count):
        on = f"host{number % hosts}"
        records += whole(f"Web {number}", 80, on)[:3]
    for number in range(hosts):
        records += [at(1 + number % 250, f"host{number}"), only(A, on=f"host{number}")]
    return records


class PowerCutTests(SynchronousTestCase):
    """S-F-3: nobody answers any more, and TTLs of 120 seconds run out."""

    def browse(self, count: int, *links: LinkId, hosts: int = 1) -> FollowingLab:
        lab = FollowingLab(*links)
        lab.follow(Browser([(HTTP, None)]))
        for link in lab.labs:
            for batch in batches(services(count, hosts=hosts)):
                lab.hear(*batch, link=link)
        lab.pass_time(90)
        self.assertEqual(len(lab.told()), count)
        for one in lab.labs.values():
            one.sent.clear()
        return lab

    def sent(self, lab: FollowingLab) -> list[Capture]:
        return [one.sent for one in lab.labs.values()]

    def test_a_thousand(self) -> None:
        """With the refresh queries of RFC 6762 §5.2, which are the first sign of it."""
        lab = self.browse(1000, ETH0, ETH0_V6)
        lab.pass_time(300)
        for sent in self.sent(lab):
            self.assertLessEqual(len(sent), 20)
            self.assertLess(max(len(packet.payload) for packet in sent), 1500)
        told = Counter(kind for kind, _ in lab.told())
        self.assertEqual(told, {"Removed": 1000})

    def test_the_types_are_forgotten(self) -> None:
        """RFC 6762 §10.4: the PTR records are in doubt without the SRV records, and nobody confirms them."""
        lab = self.browse(1000)
        lab.pass_time(60)
        (one,) = lab.labs.values()
        self.assertEqual(one.known(TYPE_PTR), [])

    def test_questions_are_distinct(self) -> None:
        """One question of a name and type in a batch, and none within a second of the last."""
        lab = self.browse(1000)
        lab.pass_time(300)
        (sent,) = self.sent(lab)
        times: dict[object, list[float]] = {}
        for packet in sent:
            keys = [(question.name.key, question.type) for question in packet.message.questions]
            self.assertEqual(len(set(keys)), len(keys))
            for key in keys:
                times.setdefault(key, []).append(packet.at)
        soonest = min(later - earlier for each in times.values() for earlier, later in pairwise(each))
        self.assertGreaterEqual(soonest, 1.0)

    def test_eight_thousand(self) -> None:
        """As many as a browser follows: one round of questions for each, and little more."""
        lab = self.browse(8192)
        lab.pass_time(300)
        (sent,) = self.sent(lab)
        self.assertLessEqual(len(sent), 120)
        self.assertEqual(len(lab.told()), 8192)

    def test_each_on_its_own_host(self) -> None:
        lab = self.browse(1000, hosts=1000)
        lab.pass_time(300)
        (sent,) = self.sent(lab)
        self.assertLessEqual(len(sent), 20)

    def test_heard_over_a_second(self) -> None:
        """As a real host announces them, and a network carries them: no two packets at the same moment."""
        lab = FollowingLab()
        lab.follow(Browser([(HTTP, None)]))
        for batch in batches(services(1000)):
            lab.hear(*batch)
            lab.pass_time(0.0101)
        lab.pass_time(90)
        (one,) = lab.labs.values()
        one.sent.clear()
        lab.pass_time(300)
        self.assertEqual(Counter(kind for kind, _ in lab.told()), {"Added": 1000, "Removed": 1000})
        self.assertLessEqual(len(one.sent), 20)

    def test_short_lives(self) -> None:
        """The same with TTLs so short that RFC 6762 §5.2 leaves a fraction of a second to each refresh."""
        lab = FollowingLab()
        lab.follow(Browser([(HTTP, None)]))
        records = [each.with_ttl(8) if each.ttl == 120 else each for each in services(1000)]
        for batch in batches(records):
            lab.hear(*batch)
            lab.pass_time(0.0101)
        # With the known answers of all, a browser that has just begun repeats its question meanwhile.
        lab.pass_time(4)
        (one,) = lab.labs.values()
        one.sent.clear()
        lab.pass_time(60)
        self.assertEqual(Counter(kind for kind, _ in lab.told()), {"Added": 1000, "Removed": 1000})
        self.assertLessEqual(len(one.sent), 20)

    def test_heard_over_two_minutes(self) -> None:
        """Known answers of a long list are not sent again for each record that runs out."""
        lab = FollowingLab()
        lab.follow(Browser([(HTTP, None)]))
        records = services(1000)
        lab.hear(*records[-2:])
        for number in range(1000):
            lab.hear(*records[3 * number : 3 * number + 3])
            lab.pass_time(0.095)
        (one,) = lab.labs.values()
        one.sent.clear()
        lab.told()
        lab.pass_time(400)
        self.assertEqual(Counter(kind for kind, _ in lab.told())["Removed"], 1000)
        # Small packets for the most part: the refresh queries of RFC 6762 §5.2, each for some of them.
        self.assertLess(sum(len(packet.payload) for packet in one.sent), 60_000)

    def test_one_of_them_lives(self) -> None:
        """The silence of the others is not taken for its own."""
        lab = self.browse(1000)
        (one,) = lab.labs.values()
        alive = whole("Web 7", 80, "host0")
        end = lab.now + 300
        while lab.now < end:
            lab.pass_time(0.5)
            for packet in one.sent:
                message = packet.message
                if any(question.name == alive[1].name for question in message.questions):
                    lab.hear(*alive[:3], at(1, "host0"), only(A, on="host0"))
            one.sent.clear()
        told = lab.told()
        self.assertEqual(len(told), 999)
        self.assertNotIn(("Removed", "Web 7"), told)

    def test_they_come_back(self) -> None:
        """When power is back, all is shown within a moment of what the hosts announce."""
        lab = self.browse(1000)
        lab.pass_time(200)
        lab.told()
        for batch in batches(services(1000)):
            lab.hear(*batch)
        lab.pass_time(1)
        self.assertEqual(Counter(kind for kind, _ in lab.told()), {"Added": 1000})


class OneListTests(SynchronousTestCase):
    """Doubts about records of one name and type share their questions."""

    def test_two_doubts_one_question(self) -> None:
        lab = FollowingLab()
        browser = Browser([(HTTP, None)])
        lab.follow(browser)
        for label in ("One", "Two", "Three"):
            lab.hear(*whole(label))
        lab.pass_time(50)
        (one,) = lab.labs.values()
        one.sent.clear()
        for label in ("One", "Two"):
            one.querier.reconfirm(listing(label), lab.now)
        lab.pass_time(9.9)
        times = asked_at(one.sent, TYPE_PTR)
        self.assertEqual(len(times), 4)
        self.assertGreaterEqual(min(gaps(times)), 1.0)
        self.assertEqual(
            [[record.rdata for record in packet.message.answers] for packet in one.sent],
            [[listing("Three").rdata]] * 4,
        )
        lab.pass_time(0.2)
        self.assertEqual([record.rdata for record in one.known(TYPE_PTR)], [listing("Three").rdata])

    def test_a_later_doubt_has_its_two_questions(self) -> None:
        """M-10.4-2: whenever it comes, two questions are asked and ten seconds pass before it is decided."""
        lab = FollowingLab()
        (one,) = lab.labs.values()
        lab.hear(listing("One"), listing("Two"))
        lab.pass_time(20)
        one.querier.reconfirm(listing("One"), lab.now)
        lab.pass_time(7.2)
        one.sent.clear()
        began = lab.now
        one.querier.reconfirm(listing("Two"), began)
        lab.pass_time(9.9)
        self.assertEqual([record.rdata for record in one.known(TYPE_PTR)], [listing("Two").rdata])
        self.assertGreaterEqual(len(asked_at(one.sent, TYPE_PTR)), 2)
        lab.pass_time(3.0)
        self.assertEqual(one.known(TYPE_PTR), [])


class NodeTests(SynchronousTestCase):
    """The same on a whole simulated network."""

    def test_a_host_loses_power(self) -> None:
        lan = SimulatedLan(seed=1)
        lan.link(delay=0.0)
        there = Node(lan.clock, network=lan.host("there"), hostname="there", rng=Random(1))
        here = Node(lan.clock, network=lan.host("here"), hostname="here", rng=Random(2))
        for node in (there, here):
            node.startService()
        self.addCleanup(lambda: lan.result(here.stopService()))
        for number in range(1000):
            there.publish(Service(f"Web {number}", "_http._tcp", 80))
        lan.advance(10)
        browser = here.browse("_http._tcp")
        self.addCleanup(browser.close)
        # Until the list of all that is known is not sent once more during the event.
        lan.advance(140)
        self.assertEqual(len(browser.snapshot()), 1000)
        lan.host("there").unplug()
        began = lan.now
        lan.advance(300)
        self.assertEqual(browser.snapshot(), ())
        sent = Counter(packet.ipv6 for packet in lan.packets.since(began).queries)
        self.assertLessEqual(max(sent.values()), 20)
