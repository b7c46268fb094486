"""Write docs/conformance.md: every requirement of the matrix, and the tests that show it.

    python docs/conformance.py MATRIX            writes docs/conformance.md
    python docs/conformance.py MATRIX --check    exit status 1 when the page is not what would be written

MATRIX is the folder with ``requirements.csv`` (id, rfc, section, level, role, requirement, how_to_test). A
test shows a requirement when its ID stands inside the test method, or in the docstring of its class.
``docs/conformance.csv`` (id, reason) lists what is waived.
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
PAGE = DOCS / "conformance.md"
REQUIREMENT_ID = re.compile(r"\b[MSG]-[0-9A-Z][0-9A-Za-z.]*(?:-[0-9.]+)?-\d+\b")


def tests_by_requirement(tests: Path) -> dict[str, list[str]]:
    """Return, for each requirement ID, the tests that name it as ``module.Class.test``, sorted."""
    found: dict[str, set[str]] = {}
    for path in sorted(tests.rglob("test_*.py")):
        module = ".".join(path.relative_to(tests.parent).with_suffix("").parts)
        for name, requirement in _named_in(path.read_text(encoding="utf-8")):
            found.setdefault(requirement, set()).add(f"{module}.{name}")
    return {requirement: sorted(names) for requirement, names in found.items()}


def _named_in(source: str) -> Iterator[tuple[str, str]]:
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for requirement in REQUIREMENT_ID.findall(ast.get_docstring(node) or ""):
            yield node.name, requirement
        for member in node.body:
            if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and member.name.startswith("test"):
                segment = ast.get_source_segment(source, member) or ""
                for requirement in REQUIREMENT_ID.findall(segment):
                    yield f"{node.name}.{member.name}", requirement


def render(rows: list[dict[str, str]], shown: dict[str, list[str]], waived: dict[str, str]) -> str:
    """Return the page as Markdown."""
    totals: Counter[str] = Counter()
    lines = []
    for row in rows:
        identity = row["id"]
        if identity in shown:
            totals["shown"] += 1
            names = shown[identity]
            proof = f"`{names[0].removeprefix('tests.')}`" + (
                f" and {len(names) - 1} more" if names[1:] else ""
            )
        elif identity in waived:
            totals["waived"] += 1
            proof = f"waived: {waived[identity]}"
        else:
            totals["open"] += 1
            proof = "**open**"
        requirement = row["requirement"].replace("|", "\\|")
        lines.append(f"| {identity} | {row['level']} | {row['role']} | {requirement} | {proof} |")
    head = [
        "# Conformance",
        "",
        "Written by `python docs/conformance.py MATRIX` from the matrix and the tests, not by hand.",
        "M rows are RFC 6762, S rows RFC 6763, G rows the RFCs on groups, sockets and names below them.",
        "",
        f"{len(rows)} requirements: {totals['shown']} shown by a test, {totals['waived']} waived, "
        f"{totals['open']} open.",
        "",
        "| id | level | role | requirement | shown by |",
        "| --- | --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *lines, ""])


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit status."""
    parser = argparse.ArgumentParser(description="Write docs/conformance.md.")
    parser.add_argument("matrix", type=Path, help="the folder that holds requirements.csv")
    parser.add_argument(
        "--check", action="store_true", help="write nothing, tell whether the page is up to date"
    )
    options = parser.parse_args(arguments)
    with (options.matrix / "requirements.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    with (DOCS / "conformance.csv").open(newline="", encoding="utf-8") as stream:
        waived = {row["id"]: row["reason"] for row in csv.DictReader(stream)}
    page = render(rows, tests_by_requirement(TESTS), waived)
    if options.check:
        current = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        if current != page:
            print(
                "docs/conformance.md is out of date: run python docs/conformance.py MATRIX", file=sys.stderr
            )
            return 1
        return 0
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
