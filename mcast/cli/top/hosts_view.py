"""The hosts, and who of them sends how much."""

from __future__ import annotations

from mcast.cli.top.cells import age, amount, joined, milliseconds
from mcast.cli.top.data import Data
from mcast.cli.top.table import Column, Entry
from mcast.cli.top.view import (
    Detail,
    View,
    address_order,
    ago,
    first_of,
    freshness,
    number_order,
    plainest,
    sends,
    shown_field,
    text_order,
    time_of,
)


def _name(entry: Entry, data: Data) -> str:
    """Name a host; the one that watches publishes nothing, and so mostly has no name on the network."""
    return entry["name"] or ("this host" if entry["self"] else "")


def _rtt(entry: Entry, data: Data) -> str:
    rtt = entry["rtt"]
    if not rtt:
        return ""
    return "lost" if rtt["missed"] else milliseconds(rtt["last"])


class Hosts(View):
    """The hosts: who sends how much, and how long they take to answer."""

    name = "Hosts"
    first_sort = 0
    empty = "no host was heard yet"
    columns = (
        Column("NAME", 14, _name, text_order("name"), grow=3),
        Column(
            "ADDRESS",
            15,
            lambda entry, data: first_of(entry["addresses"]),
            lambda entry, data: address_order(entry["addresses"]),
            grow=2,
        ),
        Column(
            "VENDOR",
            8,
            lambda entry, data: entry["vendor"] or entry["mac"] or "",
            text_order("vendor"),
            grow=2,
            rank=6,
        ),
        Column(
            "PKT/S",
            6,
            lambda entry, data: amount(entry["rate"][0]),
            lambda entry, data: entry["rate"][0],
            is_number=True,
        ),
        Column(
            "OCT/S",
            6,
            lambda entry, data: amount(entry["rate"][1]),
            lambda entry, data: entry["rate"][1],
            is_number=True,
            rank=3,
        ),
        Column(
            "PACKETS",
            7,
            lambda entry, data: amount(entry["packets"]),
            number_order("packets"),
            is_number=True,
            rank=4,
        ),
        Column("SVC", 4, shown_field("services"), number_order("services"), is_number=True, rank=1),
        Column(
            "RTT MS", 6, _rtt, lambda entry, data: (entry["rtt"] or {}).get("last"), is_number=True, rank=2
        ),
        Column(
            "LINT",
            5,
            lambda entry, data: amount(entry["breaches"]) if entry["breaches"] else "",
            number_order("breaches"),
            is_number=True,
            rank=2,
        ),
        Column("LAST", 5, ago("last"), number_order("last"), is_number=True, rank=1),
    )

    def rows(self, data: Data) -> list[tuple[str, Entry]]:
        return list(data.entries("hosts").items())

    def style(self, entry: Entry, data: Data) -> str:
        if entry["flooding"]:
            return "bad"
        if entry["silent"]:
            return "gone"
        step = freshness(entry["first"], data)
        return "row" if step is None else f"new{step}"

    def address_of(self, entry: Entry, data: Data) -> str:
        return plainest(entry["addresses"])

    def detail(self, key: str, entry: Entry, data: Data) -> list[Detail]:
        title = data.host_label(key)
        marks = [
            mark
            for mark, holds in (
                ("this host", entry["self"]),
                ("floods", entry["flooding"]),
                ("silent", entry["silent"]),
            )
            if holds
        ]
        details: list[Detail] = [(title, "")]
        details += [("name", each) for each in entry["names"]]
        details += [("address", each) for each in entry["addresses"]]
        details += [
            ("links", joined(entry["links"])),
            ("MAC", joined([entry["mac"] or "", entry["vendor"] or ""])),
            ("is", ", ".join(marks)),
            ("sends", sends(entry)),
            ("", f"{entry['octets']} octets, {entry['records']} records, {entry['questions']} questions"),
            ("first", f"{time_of(entry['first'], data)}, {age(data.now - entry['first'])} ago"),
        ]
        if entry["rtt"]:
            rtt = entry["rtt"]
            details.append(
                (
                    "RTT",
                    f"last {milliseconds(rtt['last']) or '-'}, best {milliseconds(rtt['best']) or '-'}, mean "
                    f"{milliseconds(rtt['mean']) or '-'} ms; {rtt['lost']} of {rtt['asked']} lost",
                )
            )
        services = [each for each in data.entries("services").values() if each["host_id"] == key]
        if services:
            details.append(("services", ""))
            details += [
                ("", _service_line(each)) for each in sorted(services, key=lambda each: each["name"].lower())
            ]
        breaches = [
            each
            for part in ("breaches", "findings")
            for each in data.entries(part).values()
            if each["host_id"] == key
        ]
        if breaches:
            details.append(("lint", ""))
            details += [
                ("", f"{each.get('rule') or each.get('kind')}: {each['count']}, {each['detail']}")
                for each in breaches
            ]
        return [each for each in details if each[1] or each[0] in (title, "services", "lint")]


def _service_line(entry: Entry) -> str:
    gone = " (gone)" if entry["gone"] is not None else ""
    return f"{entry['name']}  {entry['type']} {entry['port'] or ''}{gone}"
