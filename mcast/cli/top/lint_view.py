"""The rules that hosts break."""

from __future__ import annotations

from mcast.cli.top.cells import age, amount
from mcast.cli.top.data import Data
from mcast.cli.top.table import Column, Entry
from mcast.cli.top.view import (
    Detail,
    View,
    ago,
    freshness,
    number_order,
    plainest,
    shown_field,
    text_order,
    time_of,
)


def who_broke(entry: Entry, data: Data) -> str:
    """Return what the host that broke a rule is called."""
    host = data.host(entry["host_id"])
    return data.host_label(entry["host_id"]) if host else str(entry.get("host") or "")


class Lint(View):
    """The rules that hosts break, and what comparing packets shows."""

    name = "Lint"
    first_sort = 3
    empty = "nobody has broken a rule of RFC 6762"
    columns = (
        Column(
            "HOST",
            14,
            who_broke,
            lambda entry, data: who_broke(entry, data).lower(),
            grow=2,
        ),
        Column(
            "RULE",
            18,
            lambda entry, data: entry.get("rule") or entry.get("kind", ""),
            lambda entry, data: entry.get("rule") or entry.get("kind"),
            grow=1,
        ),
        Column("SECTION", 13, lambda entry, data: entry.get("section") or "", text_order("section"), rank=4),
        Column("COUNT", 6, lambda entry, data: amount(entry["count"]), number_order("count"), is_number=True),
        Column("LAST", 5, ago("last"), number_order("last"), is_number=True, rank=1),
        Column("DETAIL", 16, shown_field("detail"), text_order("detail"), grow=5),
    )

    def rows(self, data: Data) -> list[tuple[str, Entry]]:
        breaches = [(f"b{key}", entry) for key, entry in data.entries("breaches").items()]
        return breaches + [(f"f{key}", entry) for key, entry in data.entries("findings").items()]

    def count(self, data: Data) -> int:
        return len(data.entries("breaches")) + len(data.entries("findings"))

    def style(self, entry: Entry, data: Data) -> str:
        step = freshness(entry["last"], data)
        return "row" if step is None else f"changed{step}"

    def name_of(self, entry: Entry, data: Data) -> str:
        return who_broke(entry, data)

    def address_of(self, entry: Entry, data: Data) -> str:
        host = data.host(entry["host_id"])
        return plainest(host["addresses"]) if host else ""

    def detail(self, key: str, entry: Entry, data: Data) -> list[Detail]:
        host = data.host(entry["host_id"])
        return [
            (str(entry.get("rule") or entry.get("kind")), ""),
            ("host", who_broke(entry, data)),
            *[("address", each) for each in (host["addresses"] if host else ())],
            ("rule", entry.get("section") or "seen by comparing packets"),
            ("detail", entry["detail"]),
            ("count", str(entry["count"])),
            ("first", f"{time_of(entry['first'], data)}, {age(data.now - entry['first'])} ago"),
            ("last", f"{time_of(entry['last'], data)}, {age(data.now - entry['last'])} ago"),
        ]
