"""The services, and those that have gone a short while ago."""

from __future__ import annotations

from mcast.cli.top.cells import age, joined, milliseconds
from mcast.cli.top.data import Data
from mcast.cli.top.table import Column, Entry
from mcast.cli.top.view import (
    Detail,
    View,
    address_order,
    first_of,
    freshness,
    number_order,
    plainest,
    sends,
    shown_field,
    text_order,
    time_of,
)
from mcast.showing import shown_attribute


def _since(entry: Entry, data: Data) -> str:
    """Tell for how long it has been there, or has gone."""
    if entry["gone"] is not None:
        return f"gone {age(data.now - entry['gone'])}"
    return age(data.now - entry["since"])


class Services(View):
    """The services, those that have gone a short while ago among them."""

    name = "Services"
    first_sort = 0
    empty = "no service is known yet"
    columns = (
        Column("NAME", 20, shown_field("name"), text_order("name"), grow=5),
        Column("TYPE", 12, shown_field("type"), text_order("type"), grow=1),
        Column("HOST", 12, shown_field("host"), text_order("host"), grow=3, rank=1),
        Column("PORT", 5, shown_field("port"), number_order("port"), is_number=True, rank=2),
        Column(
            "ADDRESS",
            13,
            lambda entry, data: first_of(entry["addresses"]),
            lambda entry, data: address_order(entry["addresses"]),
            grow=2,
            rank=3,
        ),
        Column(
            "IF",
            8,
            lambda entry, data: " ".join(entry["interfaces"]),
            lambda entry, data: entry["interfaces"] or None,
            grow=1,
            rank=5,
        ),
        Column("SINCE", 8, _since, number_order("since"), is_number=True, rank=4),
    )

    def rows(self, data: Data) -> list[tuple[str, Entry]]:
        return list(data.entries("services").items())

    def count(self, data: Data) -> int:
        return sum(1 for each in data.entries("services").values() if each["gone"] is None)

    def style(self, entry: Entry, data: Data) -> str:
        if entry["gone"] is not None:
            step = freshness(entry["gone"], data)
            return "gone" if step is None else f"went{step}"
        # A change is told as one, and what came lately as new.
        kind = "new" if entry["changed"] == entry["since"] else "changed"
        step = freshness(entry["changed"], data)
        return "row" if step is None else f"{kind}{step}"

    def address_of(self, entry: Entry, data: Data) -> str:
        return plainest(entry["addresses"])

    def detail(self, key: str, entry: Entry, data: Data) -> list[Detail]:
        host = data.host(entry["host_id"])
        details = [
            (entry["name"], ""),
            ("name", entry["full_name"]),
            ("host", "not resolved yet" if entry["host"] is None else f"{entry['host']}:{entry['port']}"),
            ("connect", _connected(entry)),
            *[("address", each) for each in entry["addresses"]],
            ("interfaces", joined(entry["interfaces"])),
            ("subtypes", joined(entry["subtypes"])),
            ("priority", _priority(entry)),
            ("since", f"{time_of(entry['since'], data)}, {age(data.now - entry['since'])} ago"),
        ]
        if entry["changes"]:
            details.append(
                ("changed", f"{entry['changes']} times, last {age(data.now - entry['changed'])} ago")
            )
        if entry["gone"] is not None:
            details.append(("gone", f"{age(data.now - entry['gone'])} ago"))
        if host is not None:
            details.append(("sends", sends(host)))
        details += [("TXT", "")] if entry["txt"] else []
        for name, value in entry["txt"]:
            details.append(("", shown_attribute(name, None if value is None else value.encode())))
        return [each for each in details if each[1] or each[0] in (entry["name"], "TXT")]


def _connected(entry: Entry) -> str:
    """Tell what came of a TCP connect; empty when nobody has asked for one."""
    connect = entry["connect"]
    if not connect:
        return ""
    seconds = milliseconds(connect["seconds"])
    return joined([connect["state"], seconds and f"{seconds} ms"])


def _priority(entry: Entry) -> str:
    """Tell priority and weight where they are of use: most services have neither (RFC 2782)."""
    if not (entry["priority"] or entry["weight"]):
        return ""
    return f"{entry['priority']}, weight {entry['weight']}"
