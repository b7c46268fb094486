"""The schema of what commands print with ``--json``, for tests."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

PATH = Path(__file__).resolve().parents[1] / "docs/reference/json.schema.json"


@cache
def schema_of(command: str | None = None) -> dict[str, Any]:
    """Return the schema, of one command where one is named.

    Readers are to expect further fields; a test is not: here the schema is closed.
    """
    whole: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    if command is None:
        return whole
    closed = copy.deepcopy(whole)
    _close(closed["$defs"])
    return {"$ref": f"#/$defs/{command}", "$defs": closed["$defs"]}


def _close(part: Any) -> None:
    if isinstance(part, dict):
        if "required" in part:
            part["additionalProperties"] = False
        for inner in part.values():
            _close(inner)
    elif isinstance(part, list):
        for inner in part:
            _close(inner)


def problems(command: str, printed: dict[str, Any]) -> list[str]:
    """Return what the schema has against an object that a command printed."""
    found = Draft202012Validator(schema_of(command)).iter_errors(printed)
    return [f"{command}: {error.message[:500]}" for error in found]
