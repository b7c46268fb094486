"""What other programs of our host multicast counts as said by our host (RFC 6762 §6, §15)."""

from __future__ import annotations

from math import inf

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Message
from mcast.dns.names import Name
from mcast.dns.records import address
from mcast.mdns.responder.record_set import RecordSet
from mcast.mdns.responder.siblings import MAX_HEARD, MAX_SENT, Siblings
from mcast.neighbours import SocketAddress
from tests.mdns.lab import (
    HOST,
    HOST_A,
    HOST_GROUP,
    HOST_REVERSE,
    A,
    Lab,
    answers,
    flushed,
    response,
    settled,
)

SIBLING: SocketAddress = ("192.168.1.2", 5353)
"""Another program of our own host."""

RIVAL_A = address(HOST, "192.168.1.77", 120)


class AnsweringTests(SynchronousTestCase):
    """A host that was announced long ago, by us and by a sibling."""

    def setUp(self) -> None:
        self.lab = settled()

    def test_no_repetition(self) -> None:
        """M-6-6: what a sibling has multicast within the second is not multicast by us."""
        self.lab.hear(flushed(HOST_A), source=SIBLING)
        self.lab.pass_time(0.5)
        self.lab.ask(HOST, A)
        self.assertEqual(list(self.lab.pass_time(2.0)), [])

    def test_a_second_later(self) -> None:
        self.lab.hear(flushed(HOST_A), source=SIBLING)
        self.lab.pass_time(1.0)
        self.lab.ask(HOST, A)
        self.assertIn(flushed(HOST_A), answers(self.lab.pass_time(2.0)))

    def test_another_host(self) -> None:
        """What another host multicasts is its own matter once it is over."""
        self.lab.hear(flushed(HOST_A))
        self.lab.pass_time(0.5)
        self.assertIn(flushed(HOST_A), answers(self.lab.ask(HOST, A)))

    def test_lower_ttl(self) -> None:
        """M-7.4-1: what would leave the caches earlier does not count."""
        self.lab.hear(flushed(HOST_A.with_ttl(100)), source=SIBLING)
        self.lab.pass_time(0.5)
        self.assertIn(flushed(HOST_A), answers(self.lab.ask(HOST, A)))

    def test_answers_take_turns(self) -> None:
        """M-6-10: where a sibling may answer too, there is a random delay, and one of us answers."""
        self.lab.hear(flushed(HOST_A), source=SIBLING)
        self.lab.pass_time(5.0)
        self.assertEqual(list(self.lab.ask(HOST, A)), [])
        self.lab.pass_time(0.05)
        self.lab.hear(flushed(HOST_A), source=SIBLING)
        self.assertEqual(list(self.lab.pass_time(2.0)), [])

    def test_own_echo(self) -> None:
        """Our own packet that comes back to us is no sibling's."""
        (sent,) = self.lab.ask(HOST, A)
        self.lab.feed(sent.payload, SIBLING)
        self.lab.pass_time(1.0)
        self.assertIn(flushed(HOST_A), answers(self.lab.ask(HOST, A)))

    def test_identical_probe(self) -> None:
        """M-9-2: a sibling that wants the very records that we have is not told to keep off."""
        self.assertEqual(list(self.lab.probe(HOST, HOST_A, source=SIBLING)), [])

    def test_incomplete_probe(self) -> None:
        """M-8.1-8: one that would have others, or fewer, is."""
        self.assertIn(flushed(HOST_A), answers(self.lab.probe(HOST, RIVAL_A, source=SIBLING)))


class AnnouncingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = Lab(point=0.0)
        self.lab.register(HOST_GROUP)

    def test_spared(self) -> None:
        """M-8.3-3: an announcement that a sibling has just made need not be made again."""
        self.lab.run(0.7)
        self.lab.hear(flushed(HOST_A), flushed(HOST_REVERSE), source=SIBLING)
        self.assertEqual(list(self.lab.run(1.7).responses), [])
        self.assertEqual(len(self.lab.run(3.0).responses), 1)

    def test_not_by_another_host(self) -> None:
        """M-8.3-3: another host's does not do for ours."""
        self.lab.run(0.7)
        self.lab.hear(flushed(HOST_A), flushed(HOST_REVERSE))
        self.assertEqual(len(self.lab.run(0.8).responses), 1)

    def test_counts_as_announced(self) -> None:
        """M-10.1-1: it deserves a goodbye like what we announced ourselves."""
        self.lab.run(0.7)
        self.lab.hear(flushed(HOST_A), flushed(HOST_REVERSE), source=SIBLING)
        self.lab.run(0.8)
        self.lab.responder.withdraw(1, self.lab.now)
        self.assertIn(flushed(HOST_A.with_ttl(0)), answers(self.lab.run(3.0)))


class MemoryTests(SynchronousTestCase):
    def hear(self, siblings: Siblings, *texts: str, now: float = 0.0) -> None:
        records = [address(HOST, text, 120) for text in texts]
        message = response(*records)
        siblings.hear(message, now)

    def test_whole_sets_only(self) -> None:
        siblings = Siblings()
        record_set = RecordSet((HOST_A, address(HOST, "192.168.1.3", 120)), True)
        self.hear(siblings, "192.168.1.2")
        self.assertEqual(siblings.said_at(record_set), -inf)
        self.hear(siblings, "192.168.1.3", now=0.5)
        self.assertEqual(siblings.said_at(record_set), 0.0)
        self.assertTrue(record_set.has_sibling)

    def test_goodbye(self) -> None:
        siblings = Siblings()
        self.hear(siblings, "192.168.1.2")
        gone = response(HOST_A.with_ttl(0))
        siblings.hear(gone, 0.1)
        self.assertEqual(siblings.said_at(RecordSet((HOST_A,), True)), -inf)

    def test_forgotten_after_a_second(self) -> None:
        siblings = Siblings()
        self.hear(siblings, "192.168.1.2")
        self.hear(siblings, "192.168.1.3", now=1.5)
        self.assertEqual(len(siblings), 1)

    def test_bounded(self) -> None:
        siblings = Siblings()
        records = [
            address(Name.parse(f"h{number}.local"), "192.168.1.2", 120) for number in range(MAX_HEARD + 9)
        ]
        siblings.hear(Message(answers=records), 0.0)
        self.assertEqual(len(siblings), MAX_HEARD)

    def test_sent_is_bounded(self) -> None:
        siblings = Siblings()
        for number in range(2 * MAX_SENT):
            siblings.note_sent(number.to_bytes(2, "big"), 0.0)
        self.assertEqual(len(siblings._sent), MAX_SENT)
