"""What a view of `mcast top` is, and what the views share."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, ClassVar, Protocol

from mcast.cli.top.cells import age, amount
from mcast.cli.top.data import Data
from mcast.cli.top.table import Column, Entry

FRESH = (1.0, 3.0, 8.0)
"""Seconds after which a change is marked less: first turned over, then bold, then coloured. Our choice."""

Detail = tuple[str, str]
"""What a detail is called, and what it says; a name alone is a heading."""


class View(Protocol):
    """A table of the screen."""

    name: ClassVar[str]
    columns: ClassVar[Sequence[Column]]
    first_sort: ClassVar[int]
    """The column by which rows are ordered at first."""
    empty: ClassVar[str]
    """What is said where there is no row."""

    @abstractmethod
    def rows(self, data: Data) -> list[tuple[str, Entry]]:
        """Return the entries by identifier."""

    @abstractmethod
    def detail(self, key: str, entry: Entry, data: Data) -> list[Detail]:
        """Return what is known of an entry."""

    def style(self, entry: Entry, data: Data) -> str:
        """Return the style of a row."""
        return "row"

    def name_of(self, entry: Entry, data: Data) -> str:
        """Return the name that is copied."""
        return str(entry.get("name") or "")

    def address_of(self, entry: Entry, data: Data) -> str:
        """Return the address that is copied."""
        return ""

    def count(self, data: Data) -> int:
        """Return how many rows there are without a filter."""
        return len(self.rows(data))


def freshness(at: float | None, data: Data) -> int | None:
    """Return which step of fading a change has reached; None when it is no news."""
    if at is None:
        return None
    passed = data.now - at
    return next((step for step, limit in enumerate(FRESH) if passed < limit), None)


def text_order(key: str) -> Any:
    """Return what orders by a field that is text, in any case of its letters."""

    def sort(entry: Entry, data: Data) -> Any:
        value = entry.get(key)
        return str(value).lower() if value not in (None, "") else None

    return sort


def number_order(key: str) -> Any:
    """Return what orders by a field that is a number."""
    return lambda entry, data: entry.get(key)


def shown_field(key: str) -> Any:
    """Return what shows a field as it is."""
    return lambda entry, data: "" if entry.get(key) is None else str(entry[key])


def address_order(addresses: Sequence[str]) -> Any:
    """Return what puts addresses where a person looks for them: .9 before .10."""
    if not addresses:
        return None
    host = plainest(addresses).partition("%")[0]
    try:
        number = ip_address(host)
    except ValueError:
        return 0, 0, host
    return number.version, int(number), ""


def first_of(addresses: Sequence[str]) -> str:
    """Return the plainest of some addresses, and how many more there are."""
    if not addresses:
        return ""
    more = f" +{len(addresses) - 1}" if len(addresses) > 1 else ""
    return f"{plainest(addresses)}{more}"


def plainest(addresses: Sequence[str]) -> str:
    """Return the address that a person takes first: of IPv4, else one that needs no zone; empty for none."""
    return min(addresses, key=lambda each: (":" in each, each.startswith("fe80:")), default="")


def time_of(at: float | None, data: Data) -> str:
    """Return the time of day of an instant on the clock of the state."""
    wall = data.state["time"]
    if at is None:
        return ""
    if wall is None:
        return f"{at:.3f}"
    moment = wall - (data.state["now"] - at)
    try:
        return time.strftime("%H:%M:%S", time.localtime(moment)) + f".{int(moment % 1 * 1000):03d}"
    except (OverflowError, ValueError, OSError):
        return f"{at:.3f}"


def ago(key: str) -> Any:
    """Return what shows how long ago the instant in a field was."""
    return lambda entry, data: age(None if entry.get(key) is None else data.now - entry[key])


def sends(host: Entry) -> str:
    """Return how much a host sends."""
    packets, octets = host["rate"]
    return f"{amount(packets)} packets/s, {amount(octets)} octets/s; {host['packets']} packets in all"
