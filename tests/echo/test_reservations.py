"""Which echo responder of a host answers from the port of the group."""

from __future__ import annotations

import sys
from unittest import skipUnless

from twisted.trial.unittest import SynchronousTestCase

from mcast.echo.reservations import PortReservations

PLACE = (1, True)
"""No responder serves this port, so that the test meets nobody."""


@skipUnless(sys.platform == "linux", "elsewhere the port itself is looked at")
class ReservationTests(SynchronousTestCase):
    def reservations(self) -> PortReservations:
        made = PortReservations()
        self.addCleanup(made.release)
        return made

    def test_first(self) -> None:
        self.assertEqual(self.reservations().reserve([PLACE]), frozenset())

    def test_second(self) -> None:
        self.reservations().reserve([PLACE])
        self.assertEqual(self.reservations().reserve([PLACE, (1, False)]), {PLACE})

    def test_released(self) -> None:
        first = self.reservations()
        first.reserve([PLACE])
        first.release()
        self.assertEqual(self.reservations().reserve([PLACE]), frozenset())

    def test_given_twice(self) -> None:
        """Two groups may have the same port."""
        self.assertEqual(self.reservations().reserve([PLACE, PLACE]), frozenset())
