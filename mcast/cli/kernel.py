"""The groups that this host has joined, from the tables of the Linux kernel."""

from __future__ import annotations

import sys
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

Groups = dict[int, list[IPv4Address | IPv6Address]]
"""By interface index."""

_TABLES = Path("/proc/net")


def joined_groups(tables: Path = _TABLES) -> Groups | None:
    """Return the groups that any program joined, by interface; None where the system does not tell."""
    groups: Groups = {}
    found = False
    for name, read in (("igmp", read_igmp), ("igmp6", read_igmp6)):
        try:
            text = (tables / name).read_text("ascii", "replace")
        except OSError:
            continue
        found = True
        for index, joined in read(text).items():
            groups.setdefault(index, []).extend(joined)
    return groups if found else None


def read_igmp(text: str, byteorder: str = sys.byteorder) -> Groups:
    """Read /proc/net/igmp: a line for each interface, then one for each group, indented."""
    groups: Groups = {}
    index: int | None = None
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if not line[0].isspace():
            index = int(words[0]) if words[0].isdigit() else None
        elif index is not None and len(words[0]) == 8:
            # The kernel prints the word as the processor has it, not as the network has.
            packed = int(words[0], 16).to_bytes(4, "little" if byteorder == "little" else "big")
            groups.setdefault(index, []).append(IPv4Address(packed))
    return groups


def read_igmp6(text: str) -> Groups:
    """Read /proc/net/igmp6: index, interface and group in each line."""
    groups: Groups = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 3 and words[0].isdigit() and len(words[2]) == 32:
            groups.setdefault(int(words[0]), []).append(IPv6Address(bytes.fromhex(words[2])))
    return groups
