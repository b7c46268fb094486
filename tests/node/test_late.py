"""A node whose process got no processor for a while: what arrived meanwhile is read before it speaks."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.names import Name
from mcast.node.link_driver import LATE_LIMIT
from tests.node.node_lab import NodeTestCase, drivers


class LateTests(NodeTestCase):
    """A reactor calls what is due, and reads after that; here each turn of it is told apart."""

    def setUp(self) -> None:
        super().setUp()
        node = self.settled("here")
        self.register(node)
        self.lan.advance(3.0)
        self.driver = drivers(node)[0]
        self.advanced: list[float] = []
        advance = self.driver.link.advance

        def recorded(now: float) -> None:
            self.advanced.append(now)
            advance(now)

        self.patch(self.driver.link, "advance", recorded)

    def turn_late(self, seconds: float, *waiting: Deferred[None]) -> None:
        """Ask, let the answer be due for so long, and do only what a late reactor does at first.

        :param waiting: who waits until everything has been sent.
        """
        self.multicast("lan", Message(questions=[Question(Name.parse("_http._tcp.local."), RecordType.PTR)]))
        self.lan.advance(0.001)
        at, timer = self.driver._timer_at, self.driver._timer
        assert at is not None
        assert timer is not None
        timer.cancel()
        clock = self.lan.clock
        assert isinstance(clock, Clock)
        clock.rightNow = at + seconds
        self.advanced.clear()
        self.driver._waiting.extend(waiting)
        self.driver._on_timer()

    def test_in_time(self) -> None:
        self.turn_late(LATE_LIMIT / 2)
        self.assertEqual(len(self.advanced), 1)

    def test_goodbyes_leave_at_once(self) -> None:
        """The time after which the stop of a node waits no longer may have come, too."""
        self.turn_late(0.3, Deferred())
        self.assertEqual(len(self.advanced), 1)

    def test_reads_first(self) -> None:
        """The timer waits for the next turn, and no longer."""
        self.turn_late(0.3)
        self.assertEqual(self.advanced, [])
        self.lan.advance(0)
        self.assertEqual(set(self.advanced), {self.lan.clock.seconds()})
        self.assertEqual(len(self.lan.packets.responses.since(self.lan.clock.seconds())), 1)
