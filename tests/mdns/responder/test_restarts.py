"""A link with hundreds of record groups works again: they begin anew a part at a time (RFC 6762 §8)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Message, Question, decode, encode
from mcast.mdns.events import Event, GroupClaimed, GroupReprobing
from mcast.mdns.link import Link
from mcast.mdns.responder.restarts import MAX_RESTARTS
from tests.mdns.lab import HOST_GROUP, HTTP, IPV4, RESOLVER, SRV, Draw, interface, service_group

MANY = 3 * MAX_RESTARTS

LAST = MANY - 1
"""The service that is the last one to begin."""


class RestartTests(SynchronousTestCase):
    """A host with services, all announced; after `link_up` some have begun to probe, and the rest wait."""

    def setUp(self) -> None:
        self.link = Link(IPV4, [interface("192.168.1.2/24")], rng=Draw(1), now=0.0)
        self.now = 0.0
        self.link.responder.register("host", HOST_GROUP, 0.0)
        for index in range(MANY):
            self.link.responder.register(index, service_group(index), 0.0)
        self.pass_time(6.0)

    def pass_time(self, seconds: float) -> list[Event]:
        """Do what is due, and return what was reported."""
        end = self.now + seconds
        events = self.link.events()
        while (at := self.link.next_wakeup()) is not None and at <= end:
            self.now = max(self.now, at)
            self.link.advance(self.now)
            self.link.transmissions()
            events += self.link.events()
        self.now = end
        return events

    def claimed(self, seconds: float = 5.0) -> set[object]:
        return {event.owner for event in self.pass_time(seconds) if isinstance(event, GroupClaimed)}

    def test_a_part_at_a_time(self) -> None:
        self.link.link_up(self.now)
        parts = [self.link.events()]
        for _ in range(3):
            self.link.advance(self.now)
            parts.append(self.link.events())
        begun = [[event for event in part if isinstance(event, GroupReprobing)] for part in parts]
        self.assertEqual([len(part) for part in begun], [MAX_RESTARTS] * 3 + [1])

    def test_all_are_claimed_again(self) -> None:
        self.link.link_up(self.now)
        self.assertEqual(self.claimed(), {"host", *range(MANY)})

    def test_after_the_link_was_down(self) -> None:
        self.link.link_down(self.now)
        self.now += 1.0
        self.link.link_up(self.now)
        self.assertEqual(self.claimed(), {"host", *range(MANY)})

    def test_up_once_more(self) -> None:
        """Those that waited begin with all others."""
        self.link.link_up(self.now)
        self.link.link_up(self.now)
        self.assertEqual(self.claimed(), {"host", *range(MANY)})

    def test_down_meanwhile(self) -> None:
        """Nothing waits for anything."""
        self.link.link_up(self.now)
        self.link.link_down(self.now)
        self.assertIsNone(self.link.next_wakeup())

    def test_withdrawn_meanwhile(self) -> None:
        self.link.link_up(self.now)
        self.link.responder.withdraw(LAST, self.now)
        self.assertEqual(self.claimed(), {"host", *range(LAST)})
        self.assertNotIn(LAST, self.link.responder)

    def test_registered_meanwhile(self) -> None:
        self.link.link_up(self.now)
        self.link.responder.register("new", service_group(MANY), self.now)
        self.assertEqual(self.claimed(), {"host", "new", *range(MANY)})

    def test_registered_meanwhile_with_a_name_that_waits(self) -> None:
        """It does not wait for a group that may be withdrawn."""
        self.link.link_up(self.now)
        self.link.responder.register("new", service_group(LAST), self.now)
        self.link.responder.withdraw(LAST, self.now)
        self.assertEqual(self.claimed(), {"host", "new", *range(LAST)})

    def test_answered_meanwhile(self) -> None:
        """What waits was in use until now, and is a moment longer."""
        self.link.link_up(self.now)
        self.link.transmissions()
        question = Question(HTTP.prefixed(f"Web {LAST}"), SRV)
        answer = self.link.receive(encode(Message(questions=[question], id=7)), RESOLVER, True, self.now)
        sent = [payload for payload, to in self.link.transmissions() if to == RESOLVER]
        (response,) = [decode(each) for each in [*sent, *([answer] if answer else [])]]
        self.assertEqual(len(response.answers), 1)

    def test_a_target_that_has_begun(self) -> None:
        """What points to a host is not published before the host's name is ours again (RFC 6762 §8.1)."""
        self.link.link_up(self.now)
        events = self.pass_time(5.0)
        claimed = [event.owner for event in events if isinstance(event, GroupClaimed)]
        self.assertEqual(claimed[0], "host")
