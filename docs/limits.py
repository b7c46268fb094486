"""Make the table of limits in docs/security.md from the code and docs/limits.csv.

``python docs/limits.py`` writes it, and adds to the file what is missing there. ``--check`` only tells if
the page is up to date. Name, default and reason are read from the code, where each limit that we chose is a
constant with "Our choice: …" in its docstring. The file adds the counter that shows when it was reached, and
the test that holds it.
"""

from __future__ import annotations

import ast
import csv
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
PAGE = TOP / "docs" / "security.md"
TABLE = TOP / "docs" / "limits.csv"
BEGIN, END = "<!-- limits -->\n", "<!-- end of limits -->\n"

ROOMS = (
    *("dns", "dnssd", "echo", "mdns", "node", "sockets"),
    *("conform", "dns_client", "live", "proxy", "unicast", "view", "watching"),
)
"""The folders of mcast, beside the modules at its top, where what strangers send is kept."""

NAMES = re.compile(r"(MAX_\w+|\w+_LIMIT)$")


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of our choice, as the code has it."""

    name: str
    """``module.CONSTANT`` without ``mcast.``."""
    default: str
    what: str
    reason: str


def limits() -> Iterator[Limit]:
    """Yield the limits that the code has, in the order of its modules."""
    folder = TOP / "mcast"
    for path in sorted(
        [*folder.glob("*.py"), *(one for room in ROOMS for one in (folder / room).rglob("*.py"))]
    ):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        module = ".".join(path.relative_to(folder).with_suffix("").parts)
        for statement, after in pairwise(body):
            name, value = assigned(statement)
            if value is None or not NAMES.match(name):
                continue
            if not isinstance(after, ast.Expr) or not isinstance(after.value, ast.Constant):
                continue
            text = " ".join(str(after.value.value).split())
            what, chosen, reason = text.partition("Our choice")
            if chosen:
                yield Limit(f"{module}.{name}", shown(value), what.strip(), reason.lstrip(":. ") or "—")


def assigned(statement: ast.stmt) -> tuple[str, ast.expr | None]:
    """Return the constant that a statement sets, whether or not it has a type, and its value."""
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id, statement.value
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        return statement.target.id, statement.value
    return "", None


def shown(value: ast.expr) -> str:
    """Return a number as people read it."""
    number = eval(compile(ast.Expression(value), "limit", "eval"), {"__builtins__": {}})
    return f"{number:,}"


def rows() -> dict[str, dict[str, str]]:
    """Return the rows of the file by the names of the limits."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {row["limit"]: row for row in csv.DictReader(file)}


def complete_rows() -> None:
    """Give each limit a row in the file, and no row to what is none."""
    known = rows()
    with TABLE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["limit", "counter", "test"])
        for limit in limits():
            row = known.get(limit.name, {"counter": "", "test": ""})
            writer.writerow([limit.name, row["counter"], row["test"]])


def table() -> str:
    """Return the table as Markdown."""
    added = rows()
    lines = ["| limit | default | of what | why | counter | test |", "| --- | ---: | --- | --- | --- | --- |"]
    for limit in limits():
        row = added.get(limit.name, {"counter": "", "test": ""})
        counter = f"`{row['counter']}`" if row["counter"] else "—"
        test = f"`{row['test'].removeprefix('tests.')}`" if row["test"] else "—"
        words = (f"`{limit.name}`", limit.default, limit.what, limit.reason, counter, test)
        lines.append("| " + " | ".join(word.replace("|", "\\|") for word in words) + " |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """Return the page with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + "\n" + table() + "\n" + END + rest.partition(END)[2]


def main() -> None:
    """Write the page, or check it."""
    text = PAGE.read_text(encoding="utf-8")
    if "--check" in sys.argv[1:]:
        raise SystemExit(0 if page(text) == text else "docs/security.md: run python docs/limits.py")
    complete_rows()
    PAGE.write_text(page(text), encoding="utf-8")


if __name__ == "__main__":
    main()
