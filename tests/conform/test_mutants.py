"""The mutants are what they claim: each breaks something that is there, and names checks that there are."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.conform.proxy import PROXY
from mcast.conform.querier import QUERIER
from mcast.conform.responder import RESPONDER
from tests.conform.mutant import MUTANTS, replace
from tests.conform.mutants import Reversed


class MutantTests(SynchronousTestCase):
    def test_checks(self) -> None:
        scenarios = [*RESPONDER.scenarios, *QUERIER.scenarios, *PROXY.scenarios]
        known = {check.id for scenario in scenarios for check in scenario.checks}
        named = {check for mutant in MUTANTS.values() for check in mutant.breaks}
        self.assertEqual(named - known, set())

    def test_each_breaks_something_else(self) -> None:
        broken = [mutant.breaks for mutant in MUTANTS.values()]
        self.assertEqual(len(set(broken)), len(broken))

    def test_what_is_not_there_cannot_be_broken(self) -> None:
        with self.assertRaises(AttributeError):
            replace(self, "nothing_of_this_name", 1)

    def test_reversed(self) -> None:
        self.assertLess(Reversed([2]), Reversed([1]))
        self.assertFalse(Reversed([1]) < Reversed([1]))
