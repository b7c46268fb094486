"""Show which requirement of the RFCs is shown by which test.

    python docs/conformance.py              writes docs/conformance.md
    python docs/conformance.py --check      exit status 1 when that page is out of date, or a requirement open
    python docs/conformance.py --missing    lists what no test shows; --role ROLE and --level LEVEL choose

``docs/conformance/requirements.csv`` is the table (id, rfc, section, level, role, requirement, how_to_test),
and ``requirements-*.csv`` beside it are its parts beyond one link;
``docs/conformance/README.md`` tells how it was made. A test shows a requirement when its ID stands inside the
test method, or in the docstring of its class. ``docs/conformance/waived.csv`` (id, reason) lists waivers.
"""

from __future__ import annotations

import argparse
import ast
import csv
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).resolve().parent
TESTS = DOCS.parent / "tests"
TABLES = [DOCS / "conformance" / "requirements.csv", *sorted(DOCS.glob("conformance/requirements-*.csv"))]
WAIVED = DOCS / "conformance" / "waived.csv"
PAGE = DOCS / "conformance.md"
REQUIREMENT_ID = re.compile(r"\b[MSGPHDUT]-[0-9A-Z][0-9A-Za-z.]*(?:-[0-9.]+)?-\d+\b")

Row = dict[str, str]


def read_table(path: Path) -> list[Row]:
    """Return the rows of a table, each by the names of its columns."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def tests_by_requirement(tests: Path) -> dict[str, list[str]]:
    """Return, for each requirement ID, the tests that name it as ``module.Class.test``, sorted."""
    found: dict[str, set[str]] = {}
    for path in sorted(tests.rglob("test_*.py")):
        module = ".".join(path.relative_to(tests.parent).with_suffix("").parts)
        for name, requirement in _named_in(path.read_text(encoding="utf-8")):
            found.setdefault(requirement, set()).add(f"{module}.{name}")
    return {requirement: sorted(names) for requirement, names in found.items()}


def _named_in(source: str) -> Iterator[tuple[str, str]]:
    lines = source.splitlines()
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for requirement in REQUIREMENT_ID.findall(ast.get_docstring(node) or ""):
            yield node.name, requirement
        for member in node.body:
            if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and member.name.startswith("test"):
                text = "\n".join(lines[member.lineno - 1 : member.end_lineno])
                for requirement in REQUIREMENT_ID.findall(text):
                    yield f"{node.name}.{member.name}", requirement


class Conformance:
    """Knows of every requirement whether it is shown, waived or open."""

    def __init__(self) -> None:
        self.rows = [row for table in TABLES for row in read_table(table)]
        self.shown = tests_by_requirement(TESTS)
        self.waived = {row["id"]: row["reason"] for row in read_table(WAIVED)}

    def state(self, row: Row) -> str:
        """Return ``shown``, ``waived`` or ``open``."""
        if row["id"] in self.shown:
            return "shown"
        return "waived" if row["id"] in self.waived else "open"

    @property
    def open(self) -> list[Row]:
        """The requirements that no test shows, and that nobody has waived."""
        return [row for row in self.rows if self.state(row) == "open"]

    @property
    def unknown(self) -> list[str]:
        """The IDs that tests or waivers name, and that are not in the table."""
        return sorted((self.shown.keys() | self.waived.keys()) - {row["id"] for row in self.rows})

    def page(self) -> str:
        """Return the page as Markdown."""
        totals = Counter(map(self.state, self.rows))
        lines = [
            "# Conformance",
            "",
            "Written by `python docs/conformance.py` from [the table](conformance/README.md) and the tests, "
            "not by hand.",
            "M rows are RFC 6762, S rows RFC 6763, G rows the RFCs on groups, sockets and names below them, "
            "P rows RFC 8766, H rows RFC 8765, D rows RFC 8490, U rows RFC 2136, T rows RFC 8945.",
            "",
            f"{len(self.rows)} requirements: {totals['shown']} shown by a test, {totals['waived']} waived, "
            f"{totals['open']} open.",
            "",
            "| id | level | role | requirement | shown by |",
            "| --- | --- | --- | --- | --- |",
        ]
        for row in self.rows:
            requirement = row["requirement"].replace("|", "\\|")
            lines.append(
                f"| {row['id']} | {row['level']} | {row['role']} | {requirement} | {self._proof(row)} |"
            )
        return "\n".join([*lines, ""])

    def _proof(self, row: Row) -> str:
        state = self.state(row)
        if state == "waived":
            return f"waived: {self.waived[row['id']]}"
        if state == "open":
            return "**open**"
        first, *others = self.shown[row["id"]]
        return f"`{first.removeprefix('tests.')}`" + (f" and {len(others)} more" if others else "")

    def counts(self, roles: list[str], levels: list[str]) -> str:
        """Return what is open, and how much of each role and level is shown.

        :param roles: only these roles; empty: all of them. Likewise ``levels``.
        """
        rows = [
            row
            for row in self.rows
            if (not roles or row["role"] in roles) and (not levels or row["level"] in levels)
        ]
        lines = [
            f"{row['id']:<14} {row['level']:<6} {row['role']:<9} {row['requirement']}"
            for row in rows
            if self.state(row) == "open"
        ]
        for role, level in sorted({(row["role"], row["level"]) for row in rows}):
            of = Counter(self.state(row) for row in rows if (row["role"], row["level"]) == (role, level))
            lines.append(
                f"{role:<9} {level:<6} shown {of['shown']:>3} of {of.total():>3}, waived {of['waived']}"
            )
        return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Write or check the page, or list what is missing; return the exit status."""
    parser = argparse.ArgumentParser(description="Show which requirement is shown by which test.")
    parser.add_argument("--check", action="store_true", help="write nothing, tell whether the page is right")
    parser.add_argument("--missing", action="store_true", help="write nothing, list what no test shows")
    parser.add_argument("--role", action="append", default=[], help="only this role (repeatable)")
    parser.add_argument("--level", action="append", default=[], help="only this level (repeatable)")
    options = parser.parse_args(arguments)
    conformance = Conformance()
    if options.missing:
        print(conformance.counts(options.role, options.level))
        return 1 if conformance.open else 0
    page = conformance.page()
    if not options.check:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    faults = [f"{row['id']} is open: no test shows it" for row in conformance.open]
    faults += [f"{identity} is named, and is not in the table" for identity in conformance.unknown]
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
        faults.append("docs/conformance.md is out of date: run python docs/conformance.py")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
