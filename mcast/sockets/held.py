"""Whether another socket has a UDP port."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from mcast.sockets.options import Options

_TABLES = Path("/proc/thread-self/net")
"""Of the network namespace of this thread; `/proc/net` is that of the process."""


def is_port_held(port: int, *, ipv6: bool, tables: Path = _TABLES) -> bool:
    """Tell whether another socket is bound to this UDP port.

    Unicast to a shared port reaches only one of the sockets, so mDNS must not ask for it then
    (RFC 6762 §15.1). Ask before opening the port oneself.

    :raises OSError: as the system says, such as for a family that is not supported.
    """
    if sys.platform == "linux":
        told = _told_by_tables(port, ipv6, tables)
        if told is not None:
            return told
    # Only when the tables tell nothing: a program that opens the port just now, to share it, would be refused
    # because of the socket of this trial.
    with socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM) as trial:
        if ipv6:
            Options(trial, ipv6=True).set_v6only()
        try:
            trial.bind(("::" if ipv6 else "", port))
        except OSError as problem:
            if problem.errno == errno.EADDRINUSE:
                return True
            raise
    return False


def is_port_held_beside(own: socket.socket, *more: socket.socket, tables: Path = _TABLES) -> bool | None:
    """Tell whether another socket than these has their port now; None where the system does not tell.

    A socket that is bound to a group takes no unicast datagrams, and does not count. A socket for both
    families, bound to "::" by another program, is overlooked for IPv4: the tables do not tell it from one for
    IPv6 alone.
    """
    if sys.platform != "linux":
        return None
    table = tables / ("udp6" if own.family == socket.AF_INET6 else "udp")
    try:
        port = own.getsockname()[1]
        inodes = {os.fstat(each.fileno()).st_ino for each in (own, *more)}
        return any(
            other not in inodes and not _is_group(address)
            for address, bound, other in _bound(table)
            if bound == port
        )
    except (OSError, ValueError, IndexError):
        return None


def _told_by_tables(port: int, ipv6: bool, tables: Path) -> bool | None:
    """Return what the kernel's tables tell; None when they tell nothing certain."""
    try:
        if ipv6:
            return port in (bound for _, bound, _ in _bound(tables / "udp6"))
        if port in (bound for _, bound, _ in _bound(tables / "udp")):
            return True
        # A socket bound to "::" may take IPv4 as well, which the table does not tell.
        any_address = "0" * 32
        taken = any((each, bound) == (any_address, port) for each, bound, _ in _bound(tables / "udp6"))
        return None if taken else False
    except (OSError, ValueError, IndexError):
        return None


def _bound(table: Path) -> Iterator[tuple[str, int, int]]:
    """Yield address, in hexadecimal, port and inode of each socket in a table."""
    for line in table.read_text("ascii").splitlines()[1:]:
        fields = line.split()
        address, _, port = fields[1].partition(":")
        yield address, int(port, 16), int(fields[9])


def _is_group(address: str) -> bool:
    """Whether an address of a table, in hexadecimal words of this machine, is that of a group."""
    first = int(address[6:8] if sys.byteorder == "little" else address[:2], 16)
    return first == 0xFF if len(address) > 8 else 224 <= first < 240
