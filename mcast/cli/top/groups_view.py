"""Who answers on the echo groups."""

from __future__ import annotations

from mcast.cli.top.cells import milliseconds, spark
from mcast.cli.top.data import Data
from mcast.cli.top.table import Column, Entry
from mcast.cli.top.view import (
    Detail,
    View,
    address_order,
    number_order,
    shown_field,
    text_order,
)


class Groups(View):
    """Who answers on the echo groups."""

    name = "Groups"
    first_sort = 1
    empty = 'no responder has answered; "twist mcast" is one, on any host of the link'
    bars = " ▁▂▃▄▅▆▇█"
    columns = (
        Column("GROUP", 16, shown_field("group"), text_order("group"), grow=1, rank=2),
        Column(
            "RESPONDER",
            16,
            shown_field("responder"),
            lambda entry, data: address_order([entry["responder"]]),
            grow=2,
        ),
        Column("IF", 6, shown_field("interface"), text_order("interface"), grow=1),
        Column("SENT", 5, shown_field("sent"), number_order("sent"), is_number=True, rank=3),
        Column("LOSS%", 6, lambda entry, data: f"{entry['loss']:.1f}", number_order("loss"), is_number=True),
        Column(
            "LAST MS",
            7,
            lambda entry, data: milliseconds(entry["last"]),
            number_order("last"),
            is_number=True,
        ),
        Column(
            "MEDIAN",
            7,
            lambda entry, data: milliseconds(entry["median"]),
            number_order("median"),
            is_number=True,
            rank=1,
        ),
        Column("RTT", 16, lambda entry, data: spark(entry["history"], 16), number_order("median"), grow=1),
    )

    def rows(self, data: Data) -> list[tuple[str, Entry]]:
        return list(data.groups.items())

    def count(self, data: Data) -> int:
        return len(data.groups)

    def style(self, entry: Entry, data: Data) -> str:
        # One that is missing, and not just late: the last two probes.
        history = entry["history"]
        return "bad" if len(history) >= 2 and history[-1] is None and history[-2] is None else "row"

    def name_of(self, entry: Entry, data: Data) -> str:
        return str(entry["responder"])

    address_of = name_of

    def detail(self, key: str, entry: Entry, data: Data) -> list[Detail]:
        return [
            (entry["responder"], ""),
            ("group", entry["group"]),
            ("interface", entry["interface"]),
            ("probes", f"{entry['received']} of {entry['sent']} answered, {entry['loss']:.1f} % lost"),
            (
                "RTT",
                f"min {milliseconds(entry['min'])}, median {milliseconds(entry['median'])}, "
                f"p95 {milliseconds(entry['p95'])}, max {milliseconds(entry['max'])} ms",
            ),
            ("", spark(entry["history"], 60)),
        ]
