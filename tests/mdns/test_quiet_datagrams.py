"""A datagram of which a link says that it changes nothing changes nothing."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.dns.records import Record, address, pointer, service
from mcast.mdns.context import CacheLimits
from mcast.mdns.link import LinkSettings
from tests.mdns.lab import (
    HOST,
    HOST_A,
    HOST_GROUP,
    HTTP,
    OTHER_PEER,
    PEER,
    PTR,
    RESOLVER,
    SRV,
    STRANGER,
    WEB,
    WEB_GROUP,
    WEB_PTR,
    A,
    Lab,
    flushed,
    query,
    response,
)

IPP = Name.parse("_ipp._tcp.local")
FAR = Name.parse("far.local")
NAMES = [IPP.prefixed(f"Printer {number}") for number in range(5)]
SSH = Name.parse("_ssh._tcp.local")
SOURCES = [*[PEER, OTHER_PEER] * 4, RESOLVER, STRANGER, ("192.168.1.2", 5353)]


class Traffic:
    """What a link with a service and a question hears, most of it of no concern to anybody here."""

    def __init__(self, seed: int, settings: LinkSettings) -> None:
        self.rng = Random(seed)
        self.lab = Lab(settings, rng=self.rng)
        self.lab.settle(HOST_GROUP, WEB_GROUP)
        self.lab.link.querier.ask(Question(SSH, PTR), self.lab.now, "somebody")
        self.quiet = self.others = 0
        self.told: list[object] = []
        """What came of datagrams that were said to change nothing."""

    def records(self) -> list[Record]:
        ttl = self.rng.choice([0, 10, 120, 4500, 4500])
        number = self.rng.randrange(5)
        foreign = [
            pointer(IPP, NAMES[number], ttl),
            flushed(service(NAMES[number], 0, 0, 631, FAR, ttl)),
            flushed(address(FAR, f"192.168.1.{20 + number % 2}", ttl)),
        ]
        asked = pointer(SSH, SSH.prefixed(f"Host {number}"), ttl)
        rare = [asked, HOST_A, WEB_PTR, flushed(address(HOST, "192.168.1.77", ttl))]
        return foreign if self.rng.random() < 0.9 else [self.rng.choice(rare)]

    def message(self) -> Message:
        if self.rng.random() < 0.5:
            return response(*self.records())
        common = [Question(IPP, PTR), Question(NAMES[0], SRV), Question(FAR, A)]
        rare = [Question(SSH, PTR), Question(HTTP, PTR), Question(HOST, A), Question(WEB, SRV, unicast=True)]
        question = self.rng.choice(common if self.rng.random() < 0.9 else rare)
        known = self.records() if self.rng.random() < 0.5 else []
        if self.rng.random() < 0.03:
            return Message(questions=[question], authorities=known)
        return query(question, known=known, truncated=self.rng.random() < 0.03)

    def hear(self) -> None:
        """Hear one datagram, and note what came of it if nothing should."""
        lab, link = self.lab, self.lab.link
        lab.pass_time(self.rng.expovariate(1))
        if self.rng.random() < 0.1:
            lab.now += self.rng.expovariate(1)  # the timer is late
        wakes_at = link.next_wakeup()
        datagram = encode(self.message())
        answer = link.receive(datagram, self.rng.choice(SOURCES), self.rng.random() < 0.9, lab.now)
        if answer != b"":
            self.others += 1
            lab.collect()
            return
        self.quiet += 1
        self.told += [*link.transmissions(), *link.events()]
        if link.next_wakeup() != wakes_at:
            self.told.append((wakes_at, link.next_wakeup()))


class QuietTests(SynchronousTestCase):
    def test_nothing_follows(self) -> None:
        """Nothing is to be sent, to be told or to be done at another time."""
        for seed in range(5):
            traffic = Traffic(seed, LinkSettings(ipv6=False, max_rate=0))
            for _ in range(1000):
                traffic.hear()
            self.assertEqual(traffic.told, [])
            self.assertGreater(traffic.quiet, 400)
            self.assertGreater(traffic.others, 100)

    def test_full_cache(self) -> None:
        """Nor where each record takes the place of another."""
        traffic = Traffic(0, LinkSettings(ipv6=False, cache=CacheLimits(records=4)))
        for _ in range(1000):
            traffic.hear()
        self.assertEqual(traffic.told, [])
