"""Thousands of names on one link: no call takes long, and what comes in between is answered."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Message, Question, decode, encode
from mcast.mdns.link import Link
from mcast.mdns.responder.goodbyes import MAX_SAID
from mcast.mdns.responder.prober import MAX_DUE
from mcast.mdns.responder.response_aggregation import MAX_SETS
from mcast.neighbours import SocketAddress
from tests.mdns.lab import (
    HOST,
    HOST_GROUP,
    HTTP,
    IPV4,
    PEER,
    PTR,
    RESOLVER,
    A,
    Draw,
    interface,
    service_group,
)

ADDRESS = "192.168.1.2/24"

MANY = 3000
"""Names that fall due in one moment."""

RECORDS = 3 * MAX_SAID
"""Records multicast in one go, at most."""


class ManyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.link = Link(IPV4, [interface(ADDRESS)], rng=Draw(1), now=0.0)
        self.now = 0.0
        self.most = 0

    def claim(self, number: int = MANY) -> None:
        self.link.responder.register("host", HOST_GROUP, 0.0)
        for index in range(number):
            self.link.responder.register(index, service_group(index), 0.0)

    def run_until(self, end: float) -> None:
        """Do what is due, as a shell does, and note how many records one call has sent at most."""
        while (at := self.link.next_wakeup()) is not None and at <= end:
            self.now = max(self.now, at)
            self.link.advance(self.now)
            self.take()
        self.now = end

    def take(self) -> list[Message]:
        messages = [decode(payload) for payload, to in self.link.transmissions() if to is None]
        records = sum(len(each.answers) + len(each.authorities) for each in messages)
        self.most = max(self.most, records)
        return messages

    def test_claiming(self) -> None:
        """Names become ours and are announced in portions, and all are."""
        self.claim()
        self.run_until(5.0)
        self.assertEqual(len(self.link.events()), MANY + 1)
        self.assertLess(self.most, RECORDS)

    def test_probes(self) -> None:
        self.claim()
        self.link.advance(1.0)
        asked = [question for each in self.take() for question in each.questions]
        self.assertEqual(len(asked), MAX_DUE)

    def test_goodbyes(self) -> None:
        self.claim(1000)
        self.run_until(5.0)
        self.most = 0
        for index in range(1000):
            self.link.responder.withdraw(index, 6.0)
        self.run_until(6.0)
        self.assertTrue(self.link.responder.goodbye_done)
        self.assertLess(self.most, RECORDS)

    def ask(self, source: SocketAddress = RESOLVER) -> list[Message]:
        query = Message(questions=[Question(HOST, A)], id=7)
        answer = self.link.receive(encode(query), source, True, self.now)
        sent = [payload for payload, to in self.link.transmissions() if to is not None]
        return [decode(payload) for payload in [*sent, *([] if answer is None else [answer])]]

    def test_answers(self) -> None:
        """A list of thousands of services is multicast in portions, too."""
        self.claim()
        self.run_until(5.0)
        self.most = 0
        question = Message(questions=[Question(HTTP, PTR)])
        self.link.receive(encode(question), PEER, True, 6.0)
        self.run_until(6.0 + 1.0)
        self.assertEqual(self.link.responder._plan.next_at(()), None)
        self.assertLess(self.most, 2 * MAX_SETS)

    def test_answered_meanwhile(self) -> None:
        """A question that comes while much is due is answered at once, and costs no more than ever."""
        self.claim(1000)
        self.run_until(5.0)
        for index in range(1000):
            self.link.responder.withdraw(index, 6.0)
        self.now = 6.0
        self.link.advance(6.0)
        self.take()
        self.assertEqual(len(self.ask()), 1)
        self.assertEqual(self.take(), [])
        self.assertFalse(self.link.responder.goodbye_done)

    def test_a_host_that_is_claimed_late(self) -> None:
        """Thousands that point to it are published in portions."""
        for index in range(1000):
            self.link.responder.register(index, service_group(index), 0.0)
        self.link.responder.register("host", HOST_GROUP, 0.5)
        self.run_until(5.0)
        self.assertEqual(len(self.link.events()), 1001)
        self.assertLess(self.most, RECORDS)

    def test_own_probes_are_passed_over(self) -> None:
        self.link.responder.register("host", HOST_GROUP, 0.0)
        self.link.advance(0.25)
        ((probe, _),) = self.link.transmissions()
        self.link.receive(probe, (ADDRESS.partition("/")[0], 5353), True, 0.25)
        self.assertEqual(self.link.counters["own probes heard"], 1)
        self.assertEqual(self.link.counters["queries received"], 0)

    def test_ending(self) -> None:
        """When all is to end questions are answered, and what others say is not looked at."""
        self.claim(3)
        self.run_until(5.0)
        self.link.end()
        self.link.receive(encode(Message(flags=0x8400, id=0)), RESOLVER, True, 5.0)
        self.assertEqual(len(self.ask()), 1)
        self.assertEqual(self.link.counters["responses from another port"], 0)
