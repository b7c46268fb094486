"""What a querier shows of the services it has found, read from the lines that it writes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Service:
    """A service as a querier shows it; what it has not resolved is empty."""

    port: int = 0
    addresses: frozenset[str] = frozenset()


Shown = dict[str, Service]
"""By the names of the instances."""

Reader = Callable[[Iterable[str], bool], Shown]
"""Given all lines so far, and whether IPv6 is judged: what is shown now."""


def read_json(lines: Iterable[str], ipv6: bool) -> Shown:
    """Read ``mcast browse --follow --json``: one object a line."""
    shown: Shown = {}
    for line in lines:
        with suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict) and isinstance(found.get("name"), str):
                if found.get("event") == "removed":
                    shown.pop(found["name"], None)
                else:
                    addresses = (_plain(each) for each in found.get("addresses") or ())
                    shown[found["name"]] = Service(found.get("port") or 0, frozenset(addresses))
    return shown


def _plain(address: object) -> str:
    """Return an address without its zone."""
    text = address.get("address", "") if isinstance(address, dict) else address
    return str(text).partition("%")[0]


_ESCAPE = re.compile(rb"\\(\d{3}|.)", re.DOTALL)


def _unescaped(text: str) -> str:
    def octet(found: re.Match[bytes]) -> bytes:
        code = found[1]
        return bytes([int(code) & 0xFF]) if len(code) == 3 else code

    return _ESCAPE.sub(octet, text.encode()).decode(errors="replace")


def read_avahi(lines: Iterable[str], ipv6: bool) -> Shown:
    """Read ``avahi-browse --parsable --resolve``; it shows a service again only when it comes back."""
    shown: Shown = {}
    for line in lines:
        sign, *fields = line.split(";")
        if sign not in ("+", "=", "-") or len(fields) < 5 or fields[1] != ("IPv6" if ipv6 else "IPv4"):
            continue
        name = _unescaped(fields[2])
        if sign == "-":
            shown.pop(name, None)
        elif sign == "+":
            shown.setdefault(name, Service())
        elif len(fields) >= 8 and fields[7].isdigit():
            shown[name] = Service(int(fields[7]), frozenset([fields[6]]))
    return shown


@dataclass(frozen=True, slots=True)
class Way:
    """How the lines of a querier are read."""

    read: Reader
    follows: bool
    """Whether it shows a service again when its port or its addresses change."""


WAYS: dict[str, Way] = {"mcast": Way(read_json, True), "avahi": Way(read_avahi, False)}
"""By the name that ``--shows`` takes."""
