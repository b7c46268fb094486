"""Thousands of services leave the links without a turn of the reactor that takes long."""

from __future__ import annotations

from functools import partial
from math import inf
from typing import Any

from twisted.logger import LogLevel, capturedLogs

from mcast.dnssd.service import Service
from mcast.node.departures import SLICE
from mcast.node.node import REFUSED_LIMIT, STOP_LIMIT, WITHDRAW_LIMIT
from tests.node.node_lab import SETTLED, WEB, NodeTestCase, drivers, web


class DepartureTests(NodeTestCase):
    """On a clock that runs while items leave: each takes a quarter of a slice."""

    services = 20

    def setUp(self) -> None:
        super().setUp()
        self.subject = self.settled("kitchen")
        self.found = [self.subject.publish(Service(f"Web {n}", WEB, 80)) for n in range(self.services)]
        self.lan.advance(SETTLED)
        self.left = 0
        leave = self.subject._publisher._departures._leave

        def slowly(item: Any) -> None:
            self.left += 1
            self.lan.clock.rightNow += SLICE / 4
            leave(item)

        departures = self.subject._publisher._departures
        departures._leave = slowly
        turn = departures._turn

        def counted() -> None:
            before = self.left
            turn()
            self.portions.append(self.left - before)

        departures._turn = counted  # type: ignore[method-assign]
        self.portions: list[int] = []

    def turns(self) -> list[int]:
        """Return how many left in the first turn of the reactor, and in each of those until all had."""
        first = self.left
        for _ in range(self.services):
            self.lan.clock.advance(2 * SLICE)
        self.assertGreaterEqual(self.left, self.services)
        return [first, *self.portions]

    def test_withdrawn_at_once(self) -> None:
        """The first of a turn has left when the call returns."""
        self.found[0].withdraw()
        self.assertEqual(self.left, 1)

    def test_withdrawn_together(self) -> None:
        """Many in one turn leave in several, and each call tells when its goodbyes have left."""
        ends = [registration.withdraw() for registration in self.found]
        self.assertEqual([each for each in self.subject.registrations if each in self.found], [])
        self.assertLessEqual(max(self.turns()), 4)
        self.lan.advance(1.0)
        for each in ends:
            self.successResultOf(each)

    def test_published_again_meanwhile(self) -> None:
        """What waits to leave has left before its name is published anew."""
        for registration in self.found:
            registration.withdraw()
        again = self.subject.publish(Service("Web 19", WEB, 81))
        self.assertEqual(again.name, "Web 19")
        self.turns()
        self.lan.advance(SETTLED)
        self.assertTrue(again.is_claimed)
        self.assertEqual(again.service.port, 81)

    def test_link_gone_meanwhile(self) -> None:
        """What waits to leave a link that goes is told nothing of it, and ends."""
        ends = [registration.withdraw() for registration in self.found]
        for driver in drivers(self.subject):
            self.subject._links._detach((driver.interface.index, driver.ipv6))
        self.turns()
        for each in ends:
            self.successResultOf(each)

    def test_stop(self) -> None:
        """Stopping takes several turns, and the host goes last."""
        ended = self.subject.stopService()
        self.assertLessEqual(max(self.turns()), 4)
        self.assertTrue(self.subject.registrations)
        self.lan.advance(1.1)
        self.successResultOf(ended)
        self.assertEqual(len(drivers(self.subject)), 0)

    def stop_refused(self, seconds: float) -> float:
        """Stop while the system refuses to send, and until some seconds after all has been withdrawn.

        Withdrawing takes `REFUSED_LIMIT`.

        :returns: how long the stop took.
        """
        last_left = inf

        def send_later(send: Any, *args: Any) -> Any:
            is_withdrawn = self.left == self.services + 1
            return is_withdrawn and self.lan.now >= last_left + seconds and send(*args)

        for driver in drivers(self.subject):
            self.patch(driver.port, "send", partial(send_later, driver.port.send))
        before = self.subject._publisher._departures._leave

        def very_slowly(item: Any) -> None:
            nonlocal last_left
            self.lan.clock.rightNow += REFUSED_LIMIT / self.services
            before(item)
            last_left = self.lan.now

        self.subject._publisher._departures._leave = very_slowly
        began = self.lan.now
        self.lan.result(self.subject.stopService(), within=WITHDRAW_LIMIT)
        self.assertEqual(self.left, self.services + 1)
        self.assertGreater(last_left - began, REFUSED_LIMIT)
        return self.lan.now - began

    def test_stop_of_many_with_a_system_that_refuses(self) -> None:
        """What the withdrawing takes is not added to how long a full send buffer is waited for."""
        self.assertLess(self.stop_refused(inf), REFUSED_LIMIT + 0.2)
        self.assertEqual(self.lan.packets.goodbyes, [])

    def test_stop_of_many_with_a_system_that_refuses_for_a_moment(self) -> None:
        """However long the withdrawing took, a send buffer that is full still has the time to get room."""
        self.stop_refused(0.05)
        said = {str(record.name) for record in self.lan.packets.goodbyes}
        self.assertLessEqual({web(f"Web {n}") for n in range(self.services)}, said)

    def test_stop_takes_too_long(self) -> None:
        """What is not withdrawn in time goes without a goodbye, is counted, and told in one line."""
        before = self.subject._publisher._departures._leave

        def very_slowly(item: Any) -> None:
            self.lan.clock.rightNow += WITHDRAW_LIMIT / 8
            before(item)

        self.subject._publisher._departures._leave = very_slowly
        with capturedLogs() as logged:
            ended = self.subject.stopService()
            self.lan.result(ended, within=WITHDRAW_LIMIT + STOP_LIMIT)
        (told,) = [event for event in logged if event["log_level"] is LogLevel.warn]
        left = self.subject.statistics()["node"]["left without goodbye"]
        self.assertGreater(left, 0)
        self.assertEqual(left + self.left, self.services + 1)
        self.assertEqual(told["count"], left)
        self.assertEqual(len(drivers(self.subject)), 0)
        self.subject.startService()
        self.lan.advance(SETTLED)
        self.assertTrue(all(registration.is_claimed for registration in self.found))

    def test_start_while_stopping(self) -> None:
        """A start ends the stop, and all is published anew."""
        self.subject.stopService()
        self.subject.startService()
        self.lan.advance(SETTLED)
        self.assertTrue(all(registration.is_claimed for registration in self.found))
