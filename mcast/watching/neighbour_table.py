"""The neighbour table of the system, which tells the MAC of each address, and who made that interface."""

from __future__ import annotations

import re
import socket
import struct
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

VENDOR_FILE = Path("/usr/share/ieee-data/oui.txt")
"""The list of the IEEE, as Debian's package ieee-data has it; without it no vendor is told."""

MAX_NEIGHBOURS = 4096
"""Neighbours that are read. Our choice: Linux keeps 1024 of each family unless told otherwise."""

VENDOR_LIMIT = 16 * 1024 * 1024
"""Octets of the list of vendors. Our choice: three times what it has now."""

RECEIVE_SIZE = 65536
"""Octets read at once. Our choice: the kernel fills at most 32 kB (rtnetlink(7))."""

TIMEOUT = 1.0
"""Seconds to wait for the kernel. Our choice: it answers at once, or something is wrong."""

# What we use of rtnetlink(7); there are no names for it in the standard library.
_GET_NEIGHBOURS = 30
_NEW_NEIGHBOUR = 28
_DONE, _ERROR = 3, 2
_REQUEST_DUMP = 0x301
_DESTINATION, _LINK_LAYER = 1, 2
_MESSAGE = struct.Struct("=IHHII")
_NEIGHBOUR = struct.Struct("=BxxxiHBB")
_ATTRIBUTE = struct.Struct("=HH")


class Neighbour(NamedTuple):
    """An entry of the table."""

    address: str
    """A link-local IPv6 address without its zone."""
    interface: int
    """The index of the interface."""
    mac: str
    """``02:00:00:00:00:01``."""


def neighbours() -> list[Neighbour]:
    """Return the table as it is now; none where the system does not tell it.

    :raises OSError: the system refuses.
    """
    if sys.platform != "linux":
        return []
    found: list[Neighbour] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as connection:
        connection.settimeout(TIMEOUT)
        connection.sendto(_MESSAGE.pack(28, _GET_NEIGHBOURS, _REQUEST_DUMP, 1, 0) + bytes(12), (0, 0))
        while len(found) < MAX_NEIGHBOURS:
            datagram = connection.recv(RECEIVE_SIZE)
            if not datagram or not read_neighbours(datagram, found):
                break
    return found[:MAX_NEIGHBOURS]


def read_neighbours(datagram: bytes, found: list[Neighbour]) -> bool:
    """Add what a datagram of netlink messages tells; return whether more follow."""
    position = 0
    while position + _MESSAGE.size <= len(datagram):
        length, kind, _, _, _ = _MESSAGE.unpack_from(datagram, position)
        if kind in (_DONE, _ERROR) or not _MESSAGE.size <= length <= len(datagram) - position:
            return False
        if kind == _NEW_NEIGHBOUR and length >= _MESSAGE.size + _NEIGHBOUR.size:
            body = datagram[position + _MESSAGE.size : position + length]
            family, interface, _, _, _ = _NEIGHBOUR.unpack_from(body)
            attributes = dict(_attributes(body[_NEIGHBOUR.size :]))
            destination, mac = attributes.get(_DESTINATION, b""), attributes.get(_LINK_LAYER, b"")
            if family in (socket.AF_INET, socket.AF_INET6) and len(destination) in (4, 16) and len(mac) == 6:
                found.append(Neighbour(str(ip_address(destination)), interface, mac.hex(":")))
        position += (length + 3) & ~3
    return True


def _attributes(octets: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position + _ATTRIBUTE.size <= len(octets):
        length, kind = _ATTRIBUTE.unpack_from(octets, position)
        if length < _ATTRIBUTE.size:
            return
        yield kind, octets[position + _ATTRIBUTE.size : position + length]
        position += (length + 3) & ~3


class Vendors:
    """Who made a network interface, by the first three octets of its MAC.

    :param path: the list of the IEEE, which `load` reads.
    """

    def __init__(self, path: Path = VENDOR_FILE) -> None:
        self._path = path
        self._names: dict[str, str] = {}

    def load(self) -> None:
        """Read the list, which takes some tenths of a second: call it in a thread.

        Where there is none, or it cannot be read, no vendor is known.
        """
        try:
            with self._path.open("rb") as stream:
                text = stream.read(VENDOR_LIMIT).decode("utf-8", "replace")
        except OSError:
            return
        lines = re.finditer(r"^([0-9A-F]{2})-([0-9A-F]{2})-([0-9A-F]{2})\s+\(hex\)\s+(.+?)\s*$", text, re.M)
        self._names = {":".join(line.group(1, 2, 3)).lower(): line.group(4) for line in lines}

    def of(self, mac: str) -> str | None:
        """Return the vendor; None for one that is unknown, and for a MAC that is made up by its host."""
        if int(mac[:2], 16) & 2:  # locally administered (IEEE 802)
            return None
        return self._names.get(mac[:8])
