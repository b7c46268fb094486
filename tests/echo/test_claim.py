"""Which echo responder of a host answers from the port of the group."""

from __future__ import annotations

import sys
from unittest import skipUnless

from twisted.trial.unittest import SynchronousTestCase

from mcast.echo.claim import Claims

PLACE = (1, True)
"""No responder serves this port, so that the test meets nobody."""


@skipUnless(sys.platform == "linux", "elsewhere the port itself is looked at")
class ClaimsTests(SynchronousTestCase):
    def claims(self) -> Claims:
        made = Claims()
        self.addCleanup(made.release)
        return made

    def test_first(self) -> None:
        self.assertEqual(self.claims().take([PLACE]), frozenset())

    def test_second(self) -> None:
        self.claims().take([PLACE])
        self.assertEqual(self.claims().take([PLACE, (1, False)]), {PLACE})

    def test_released(self) -> None:
        first = self.claims()
        first.take([PLACE])
        first.release()
        self.assertEqual(self.claims().take([PLACE]), frozenset())

    def test_given_twice(self) -> None:
        """Two groups may have the same port."""
        self.assertEqual(self.claims().take([PLACE, PLACE]), frozenset())
