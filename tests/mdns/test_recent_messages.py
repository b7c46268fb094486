"""Tests of `mcast.mdns.recent_messages`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Message, Question, encode
from mcast.mdns.recent_messages import MAX_OCTETS, OVERHEAD, RecentMessages
from tests.mdns.lab import HTTP, PTR, Lab

SIZE = 1000
ROOM = MAX_OCTETS // (SIZE + OVERHEAD)
"""How many datagrams of this size a generation has."""


class RecentMessagesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.recent = RecentMessages()

    def keep(self, *numbers: int) -> None:
        for number in numbers:
            self.recent.keep(number.to_bytes(SIZE, "big"), Message(id=number))

    def knows(self, number: int) -> bool:
        message = self.recent.get(number.to_bytes(SIZE, "big"))
        return message is not None and message.id == number

    def test_known(self) -> None:
        self.keep(7)
        self.assertTrue(self.knows(7))
        self.assertFalse(self.knows(8))

    def test_bound(self) -> None:
        """Two generations are remembered and no more."""
        self.keep(*range(5 * ROOM))
        self.assertLessEqual(len(self.recent), 2 * ROOM + 2)
        self.assertFalse(self.knows(0))
        self.assertTrue(self.knows(5 * ROOM - 1))

    def test_what_is_repeated_stays(self) -> None:
        """What is heard again while it is remembered outlives what is not."""
        self.keep(0)
        for number in range(1, 4 * ROOM):
            self.keep(number)
            if number % (ROOM // 2) == 0:
                self.assertTrue(self.knows(0))
        self.assertTrue(self.knows(0))
        self.assertFalse(self.knows(1))


class LinkTests(SynchronousTestCase):
    def test_counted_each_time(self) -> None:
        """A datagram that comes again is judged and counted again."""
        lab = Lab()
        counters = lab.link.counters
        bad = encode(Message(flags=0x8403))
        for _ in range(3):
            lab.feed(bad)
            lab.feed(b"no message")
            lab.ask(HTTP)
        self.assertEqual(counters["datagrams with opcode or rcode"], 3)
        self.assertEqual(counters["malformed datagrams"], 3)
        self.assertEqual(counters["queries received"], 3)

    def test_decoded_once(self) -> None:
        """What is a message is remembered, and nothing else."""
        lab = Lab()
        lab.feed(b"no message")
        self.assertEqual(len(lab.link._recent), 0)
        lab.ask(HTTP)
        lab.ask(HTTP)
        self.assertEqual(len(lab.link._recent), 1)

    def test_own(self) -> None:
        """What comes from our own host, as the echo of what we announce, is not remembered."""
        lab = Lab()
        lab.feed(Message(questions=[Question(HTTP, PTR)]), ("192.168.1.2", 5353))
        self.assertEqual(len(lab.link._recent), 0)
