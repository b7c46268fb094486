"""The latest packets, and the log of what came, changed and went."""

from __future__ import annotations

from mcast.cli.top.cells import age
from mcast.cli.top.data import Data
from mcast.cli.top.table import Column, Entry
from mcast.cli.top.view import (
    Detail,
    View,
    freshness,
    number_order,
    shown_field,
    text_order,
    time_of,
)


class Packets(View):
    """The latest packets."""

    name = "Packets"
    first_sort = 0
    empty = "no packet was heard yet"
    columns = (
        Column(
            "TIME",
            12,
            lambda entry, data: time_of(entry["at"], data),
            lambda entry, data: entry["number"],
            is_number=True,
        ),
        Column("LINK", 9, shown_field("link"), text_order("link"), grow=1, rank=3),
        Column("SOURCE", 15, shown_field("source"), text_order("source"), grow=1),
        Column("KIND", 9, shown_field("kind"), text_order("kind")),
        Column("SIZE", 5, shown_field("size"), number_order("size"), is_number=True, rank=2),
        Column("WHAT", 20, shown_field("what"), text_order("what"), grow=6),
    )

    def rows(self, data: Data) -> list[tuple[str, Entry]]:
        return [(str(each["number"]), each) for each in data.packets]

    def count(self, data: Data) -> int:
        return len(data.packets)

    def style(self, entry: Entry, data: Data) -> str:
        return "bad" if entry["kind"] == "malformed" else "row"

    def name_of(self, entry: Entry, data: Data) -> str:
        return str(entry["what"])

    def address_of(self, entry: Entry, data: Data) -> str:
        return str(entry["source"])

    def detail(self, key: str, entry: Entry, data: Data) -> list[Detail]:
        return [
            (f"{entry['kind']} of {entry['source']}", ""),
            ("time", time_of(entry["at"], data)),
            ("link", entry["link"]),
            ("size", f"{entry['size']} octets"),
            *[("", each) for each in entry["lines"]],
        ]


class Log(View):
    """What came, changed and went."""

    name = "Log"
    first_sort = 0
    empty = "nothing has happened yet"
    columns = (
        Column(
            "TIME",
            12,
            lambda entry, data: time_of(entry["at"], data),
            lambda entry, data: entry["id"],
            is_number=True,
        ),
        Column("WHAT", 8, shown_field("what"), text_order("what")),
        Column("EVENT", 9, shown_field("kind"), text_order("kind")),
        Column("NAME", 16, shown_field("name"), text_order("name"), grow=3),
        Column("DETAIL", 12, shown_field("detail"), text_order("detail"), grow=4),
    )

    def rows(self, data: Data) -> list[tuple[str, Entry]]:
        return [(str(each["id"]), each) for each in data.state["events"]]

    def count(self, data: Data) -> int:
        return len(data.state["events"])

    def style(self, entry: Entry, data: Data) -> str:
        if entry["kind"] in ("conflict", "flood", "silence"):
            return "bad"
        kind = {"came": "new", "went": "went"}.get(entry["kind"], "changed")
        step = freshness(entry["at"], data)
        return "row" if step is None else f"{kind}{step}"

    def detail(self, key: str, entry: Entry, data: Data) -> list[Detail]:
        return [
            (entry["name"], ""),
            ("time", f"{time_of(entry['at'], data)}, {age(data.now - entry['at'])} ago"),
            ("event", f"{entry['what']} {entry['kind']}"),
            ("detail", entry["detail"]),
        ]
