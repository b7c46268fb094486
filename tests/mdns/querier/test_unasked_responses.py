"""Tests of `mcast.mdns.querier.unasked_responses`: what waits changes nothing of what is known."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.dns.records import Record, address
from mcast.mdns.constants import MDNS_PORT
from mcast.mdns.querier.unasked_responses import MAX_NAMES, MAX_OCTETS, OVERHEAD, UnaskedResponses
from tests.mdns.lab import ANY, PTR, SRV, TXT, A
from tests.mdns.querier.asking_lab import (
    FAR,
    FAR_A,
    FAR_AAAA,
    FAR_NSEC,
    FAR_OTHER_A,
    FAR_Q,
    ONE,
    ONE_PTR,
    ONE_SRV,
    ONE_SRV_Q,
    ONE_TXT,
    TWO_PTR,
    TYPE,
    TYPE_PTR,
    AskingLab,
)

THERE = ("192.168.1.7", MDNS_PORT)
ELSEWHERE = ("192.168.1.8", MDNS_PORT)


NAMES = (TYPE, ONE, FAR)
RECORDS = (ONE_PTR, TWO_PTR, ONE_SRV, ONE_TXT, FAR_A, FAR_OTHER_A, FAR_AAAA, FAR_NSEC)

Step = Callable[[AskingLab], object]
"""Something that happens to a link, and what came of it."""


def response(*records: Record) -> bytes:
    return encode(Message(flags=0x8400, answers=list(records)))


class Stored:
    """Notes what is taken in."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[Record], int, float]] = []
        self.unasked = UnaskedResponses(lambda *call: self.calls.append((list(call[0]), call[1], call[2])))

    def add(self, datagram: bytes, *records: Record, at: float, host: str = "there", mark: int = 1) -> None:
        names = {record.name.key for record in records}
        self.unasked.add(datagram, Message(answers=records), (host, mark), names, at)


class WaitingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.stored = Stored()
        self.unasked = self.stored.unasked

    def test_until_read(self) -> None:
        """It waits until somebody looks for a name, and only the records of that name are taken in."""
        self.stored.add(b"one", ONE_PTR, ONE_SRV, ONE_TXT, at=5.0)
        self.assertEqual(self.stored.calls, [])
        self.unasked.read(ONE.key)
        self.assertEqual(self.stored.calls, [([ONE_SRV, ONE_TXT], 1, 5.0)])
        self.assertIn(TYPE.key, self.unasked)
        self.assertNotIn(ONE.key, self.unasked)

    def test_in_order(self) -> None:
        """What waits of a name is taken in in the order in which it was heard, with its times."""
        self.stored.add(b"a", FAR_A, at=1.0)
        self.stored.add(b"b", FAR_OTHER_A, at=2.0)
        one = self.unasked.find(b"a", "there")
        assert one is not None
        self.unasked.hear_again(one, 3.0)
        self.unasked.read(FAR.key)
        self.assertEqual(self.stored.calls, [([FAR_A], 1, 1.0), ([FAR_OTHER_A], 1, 2.0), ([FAR_A], 1, 3.0)])

    def test_by_host(self) -> None:
        """The same from another host is another response: that two say it counts."""
        self.stored.add(b"a", FAR_A, at=1.0)
        self.assertIsNone(self.unasked.find(b"a", "elsewhere"))

    def test_nothing_is_left(self) -> None:
        """A response is gone when nothing of it waits, and all of them with `clear`."""
        self.stored.add(b"one", ONE_PTR, ONE_SRV, at=5.0)
        self.unasked.read_all()
        self.assertEqual((len(self.unasked), self.unasked.octets), (0, 0))
        self.assertIsNone(self.unasked.find(b"one", "there"))
        self.stored.add(b"two", TWO_PTR, at=6.0)
        self.unasked.clear()
        self.unasked.read_all()
        self.assertEqual((len(self.unasked), self.unasked.octets, len(self.stored.calls)), (0, 0, 2))

    def test_bound(self) -> None:
        """Beyond the limit the one that was heard longest ago is taken in."""
        room = MAX_OCTETS // (1000 + OVERHEAD)
        for number in range(room + 1):
            name = Name.parse(f"h{number}.local")
            self.stored.add(number.to_bytes(1000, "big"), address(name, "192.168.1.9", 120), at=number)
            if number == 1:
                first = self.unasked.find(bytes(1000), "there")
                assert first is not None
                self.unasked.hear_again(first, 1.5)
        self.assertEqual([at for _, _, at in self.stored.calls], [1.0])
        self.assertLessEqual(self.unasked.octets, MAX_OCTETS)


class LinkTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = AskingLab()

    def waits(self, name: Name) -> bool:
        return name.key in self.lab.querier._unasked

    def test_waits_until_asked(self) -> None:
        """Who asks gets what was heard before, with the time that is left of it."""
        self.lab.hear(ONE_PTR, ONE_SRV, FAR_A)
        self.assertTrue(self.waits(FAR))
        self.lab.pass_time(30.0)
        known, _ = self.lab.querier.ask_about(FAR, {A: False}, self.lab.now, "user")
        self.assertEqual([(record.identity, record.ttl) for record in known], [(FAR_A.identity, 90)])
        self.assertFalse(self.waits(FAR))

    def test_repeated(self) -> None:
        """What is heard again is valid for as long as if it had been heard for the first time."""
        self.lab.hear(FAR_A)
        self.lab.pass_time(100.0)
        self.lab.hear(FAR_A)
        self.lab.pass_time(100.0)
        self.assertEqual([record.ttl for record in self.lab.known(FAR_Q)], [20])

    def test_goodbye(self) -> None:
        """M-10.1-2: a goodbye ends a record that waits."""
        self.lab.hear(FAR_A)
        self.lab.pass_time(5.0)
        self.lab.hear(FAR_A.with_ttl(0))
        self.lab.pass_time(1.5)
        self.assertEqual(self.lab.known(FAR_Q), [])

    def test_flushed(self) -> None:
        """M-10.2-3: a newer set takes the place of a record that waits."""
        self.lab.hear(FAR_A)
        self.lab.pass_time(5.0)
        self.lab.hear(FAR_OTHER_A)
        self.lab.pass_time(1.5)
        self.assertEqual([one.identity for one in self.lab.known(FAR_Q)], [FAR_OTHER_A.identity])

    def test_asked_for(self) -> None:
        """A response with one name that is asked for does not wait, nor what was heard of its other names."""
        self.lab.hear(ONE_SRV)
        self.lab.want(TYPE_PTR)
        self.lab.hear(ONE_PTR, ONE_TXT)
        self.assertFalse(self.waits(ONE))
        self.assertEqual(len(self.lab.known(ONE_SRV_Q)), 1)
        self.assertEqual(self.lab.changes(), [("added", ONE_PTR)])

    def test_in_the_cache(self) -> None:
        """What is in the cache is kept up to date at once, and the rest of the response waits."""
        self.lab.want(FAR_Q)
        self.lab.hear(FAR_A)
        self.lab.drop(FAR_Q)
        self.lab.pass_time(10.0)
        for _ in range(2):
            self.lab.hear(ONE_SRV, FAR_A)
            self.assertTrue(self.waits(ONE))
            self.assertFalse(self.waits(FAR))
            self.assertEqual([record.ttl for record in self.lab.known(FAR_Q)], [120])
            self.lab.pass_time(10.0)

    def test_asked_for_since(self) -> None:
        """A response that waited tells who has begun to ask, when it comes again."""
        self.lab.hear(ONE_SRV, FAR_A)
        self.lab.want(FAR_Q)
        self.lab.pass_time(130.0)
        self.assertEqual([kind for kind, _ in self.lab.changes()], ["removed"])
        self.lab.hear(ONE_SRV, FAR_A)
        self.assertEqual(self.lab.changes(), [("added", FAR_A)])

    def test_looked_at(self) -> None:
        """The gauges count what waits, and the cache shows it."""
        self.lab.hear(ONE_PTR, ONE_SRV, FAR_A)
        gauges = self.lab.querier.gauges()
        self.assertEqual(gauges["records"], 3)
        self.assertGreater(gauges["octets"], 100)
        self.assertEqual(len(self.lab.querier.cache), 3)
        self.assertEqual(self.lab.querier.gauges()["records"], 3)

    def test_observed(self) -> None:
        """M-10.5-1: what others ask for in vain is given up, also when nobody here has asked."""
        self.lab.hear(FAR_A)
        for _ in range(2):
            self.lab.pass_time(2.0)
            self.lab.ask(FAR, A, ELSEWHERE)
        self.lab.pass_time(15.0)
        self.assertEqual(self.lab.known(FAR_Q), [])

    def test_many_names(self) -> None:
        """A response with more names than any packet has is taken in at once."""
        records = [
            address(Name.parse(f"h{number}.local"), "192.168.1.9", 120) for number in range(MAX_NAMES + 1)
        ]
        self.lab.hear(*records)
        self.assertFalse(self.waits(records[0].name))
        self.lab.hear(*records[:-1])
        self.assertFalse(self.waits(records[0].name))

    def test_link_down(self) -> None:
        """M-10.3-1: what waits is forgotten when the link may be another one."""
        self.lab.hear(FAR_A)
        self.lab.link.link_down(self.lab.now)
        self.lab.link.link_up(self.lab.now)
        self.assertEqual(self.lab.known(FAR_Q), [])


class SameTests(SynchronousTestCase):
    """Against a link on which nothing waits: what is asked, told and known must be the same."""

    def test_same(self) -> None:
        for seed in range(40):
            with self.subTest(seed=seed):
                self.compare(seed)

    def compare(self, seed: int) -> None:
        labs = [AskingLab(rng=Random(seed)), AskingLab(rng=Random(seed))]
        rng = Random(seed)
        for _ in range(150):
            step = self.step(rng)
            known = []
            for lab, is_eager in zip(labs, (False, True), strict=True):
                known.append(step(lab))
                if is_eager:
                    self.assertEqual(len(lab.querier.cache), lab.querier.gauges()["records"])
            self.assertEqual(*known)
            self.assertEqual(*[lab.changes() for lab in labs])
        self.assertEqual(*[[(one.at, one.payload) for one in lab.sent] for lab in labs])
        for name in NAMES:
            question = Question(name, ANY)
            self.assertEqual(*[sorted(map(repr, lab.known(question))) for lab in labs])

    def step(self, rng: Random) -> Step:
        kind = rng.choice("hhhhhhqqwdtttk")
        name = rng.choice(NAMES)
        question = Question(name, rng.choice((A, PTR, SRV, TXT)))
        if kind == "h":
            records = rng.sample(RECORDS, rng.randint(1, 4))
            if rng.random() < 0.2:
                records = [record.with_ttl(0) for record in records]
            datagram, source = response(*records), rng.choice((THERE, ELSEWHERE))
            return lambda lab: lab.feed(datagram, source) and None
        if kind == "q":
            known = [one for one in RECORDS if one.name == name and rng.random() < 0.3]
            source = rng.choice((THERE, ELSEWHERE))
            return lambda lab: lab.ask(name, question.type, source, known=known) and None
        if kind == "w":
            return lambda lab: lab.querier.ask_about(name, {question.type: False}, lab.now, "user")
        if kind == "d":
            return lambda lab: lab.drop(question)
        if kind == "k":
            return lambda lab: sorted(map(repr, lab.known(question)))
        duration = rng.choice((0.1, 0.7, 1.0, 3.0, 11.0, 90.0))
        return lambda lab: lab.pass_time(duration) and None
