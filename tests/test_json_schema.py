"""docs/reference/json.schema.json is a schema, of every command; tests.network.test_json has their output."""

from __future__ import annotations

import re
from pathlib import Path

from jsonschema import Draft202012Validator
from twisted.trial.unittest import SynchronousTestCase

from mcast.cli import COMMANDS
from tests.schema import problems, schema_of

PAGE = Path(__file__).resolve().parents[1] / "docs/reference/json.md"


class SchemaTests(SynchronousTestCase):
    def test_is_one(self) -> None:
        Draft202012Validator.check_schema(schema_of())

    def test_has_every_command(self) -> None:
        """What `mcast top` prints is the format of the view."""
        named = re.findall(r"^\| `([a-z]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
        self.assertEqual({*named}, schema_of()["$defs"].keys() - {"addresses"})
        self.assertEqual(COMMANDS.keys() - set(named), {"top"})

    def test_a_wrong_object_is_noticed(self) -> None:
        lost = {"event": "lost", "name": "Web"}
        self.assertEqual(problems("publish", lost), [])
        for wrong in ({**lost, "name": 1}, {**lost, "more": 1}, {"event": "lost"}):
            self.assertNotEqual(problems("publish", wrong), [])
