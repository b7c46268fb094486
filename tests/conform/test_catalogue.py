"""What the catalogues hold: each check is tied to rows of the requirement table, and can be read."""

from __future__ import annotations

import csv
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from mcast.conform.querier import QUERIER
from mcast.conform.responder import RESPONDER
from mcast.conform.scenarios import Catalogue
from mcast.conform.verdicts import Level

TOP = Path(__file__).resolve().parents[2]


def rows() -> dict[str, str]:
    """Return the level of each requirement."""
    found = {}
    for path in sorted((TOP / "docs/conformance").glob("requirements*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found.update({row["id"]: row["level"] for row in csv.DictReader(file)})
    return found


class CatalogueTests(SynchronousTestCase):
    """The responder role."""

    catalogue: Catalogue = RESPONDER

    def test_rows(self) -> None:
        known = rows()
        missing = {
            f"{check.id}: {row}"
            for scenario in self.catalogue.scenarios
            for check in scenario.checks
            for row in check.rows
            if row not in known
        }
        self.assertEqual(sorted(missing), [])

    def test_levels(self) -> None:
        """No check says MUST or fails where the RFC does not say so; "should" in lower case warns, too."""
        known = rows()
        allowed = {Level.MUST: {"MUST"}, Level.RULE: {"RULE"}, Level.SHOULD: {"SHOULD", "RULE"}}
        strays = {
            check.id
            for scenario in self.catalogue.scenarios
            for check in scenario.checks
            if not allowed[check.level] & {known[row] for row in check.rows}
        }
        self.assertEqual(strays, set())

    def test_every_check_stands_once(self) -> None:
        ids = [check.id for scenario in self.catalogue.scenarios for check in scenario.checks]
        self.assertEqual(sorted({each for each in ids if ids.count(each) > 1}), [])

    def test_every_group_is_told(self) -> None:
        used = {scenario.group for scenario in self.catalogue.scenarios}
        self.assertEqual(used, set(self.catalogue.groups))

    def test_checks_belong_to_the_group_of_their_scenario(self) -> None:
        strays = {
            check.id
            for scenario in self.catalogue.scenarios
            for check in scenario.checks
            if check.group != scenario.group
        }
        self.assertEqual(strays, set())

    def test_sentences(self) -> None:
        """What people read are whole sentences."""
        bad = {
            check.id
            for scenario in self.catalogue.scenarios
            for check in scenario.checks
            for text in (check.says, check.expects, scenario.sends, check.tolerance or "Nothing.")
            if text[-1] not in ".?!" or text[0].islower()
        }
        self.assertEqual(bad, set())


class QuerierTests(CatalogueTests):
    """The querier role."""

    catalogue = QUERIER

    def test_groups_of_their_own(self) -> None:
        """A mutant names the checks that must fall, and not the role."""
        self.assertEqual(set(QUERIER.groups) & set(RESPONDER.groups), set())
