"""The mutants are what they claim: each breaks something that is there, and names checks that there are."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.conform.proxy import PROXY
from mcast.conform.querier import QUERIER
from mcast.conform.responder import RESPONDER
from tests.conform.mutant import MUTANTS, replace, restore
from tests.conform.mutants import Reversed, called, never_broken, recorded


class MutantTests(SynchronousTestCase):
    def test_checks(self) -> None:
        scenarios = [*RESPONDER.scenarios, *QUERIER.scenarios, *PROXY.scenarios]
        known = {check.id for scenario in scenarios for check in scenario.checks}
        named = {check for mutant in MUTANTS.values() for check in mutant.all_broken}
        self.assertEqual(named - known, set())

    def test_of_one_group(self) -> None:
        """What falls beside it in another group has a reason."""
        for name, mutant in MUTANTS.items():
            groups = {check.partition(".")[0] for check in mutant.breaks}
            self.assertEqual(len(groups), 1, name)
            self.assertNotIn("", mutant.follows.values())
            for check in mutant.follows:
                self.assertNotIn(check.partition(".")[0], groups)

    def test_every_check_is_broken(self) -> None:
        """A check that has never been seen to fail is not in."""
        self.assertEqual(never_broken(), [])

    def test_recorded(self) -> None:
        """Each fell as named when it was judged last; `tests.conform.mutants --record` writes that down."""
        fell = {name: set(row["fell"].split()) for name, row in recorded().items()}
        self.assertEqual(fell, {name: set(mutant.all_broken) for name, mutant in MUTANTS.items()})

    def test_several_as_one(self) -> None:
        both = called("legacy-ttl+one-probe")
        wanted = MUTANTS["legacy-ttl"].breaks | MUTANTS["one-probe"].breaks
        self.assertEqual((both.breaks, both.groups), (wanted, ["legacy", "probing"]))

    def test_each_breaks_something_else(self) -> None:
        broken = [mutant.all_broken for mutant in MUTANTS.values()]
        self.assertEqual(len(set(broken)), len(broken))

    def test_what_is_not_there_cannot_be_broken(self) -> None:
        with self.assertRaises(AttributeError):
            replace(self, "nothing_of_this_name", 1)

    def test_what_each_replaces_is_there(self) -> None:
        """What moved is broken no more by a mutant that looks for it where it was."""
        self.addCleanup(restore)
        gone = {}
        for name, mutant in MUTANTS.items():
            try:
                mutant.apply()
            except AttributeError as error:
                gone[name] = str(error)
            if restore() == 0:
                gone.setdefault(name, "it replaces nothing")
        self.assertEqual(gone, {})

    def test_restored(self) -> None:
        class Base:
            value = 1

        class Derived(Base):
            pass

        for owner, name, value in ((Base, "value", 2), (Base, "value", 3), (Derived, "value", 4)):
            replace(owner, name, value)
        self.assertEqual((Base.value, Derived.value, restore()), (3, 4, 3))
        self.assertEqual((Base.value, Derived.value, restore()), (1, 1, 0))
        self.assertNotIn("value", vars(Derived))

    def test_reversed(self) -> None:
        self.assertLess(Reversed([2]), Reversed([1]))
        self.assertFalse(Reversed([1]) < Reversed([1]))
