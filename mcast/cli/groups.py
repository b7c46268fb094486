"""What the commands that take a group share: reading it, and finding the interfaces it is meant on."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import AddressValueError

from mcast.cli.command import CommandError, checked, whole
from mcast.sockets import places
from mcast.sockets.group import Group, parse_address, port_in_address
from mcast.sockets.interface import Interface, interfaces
from mcast.sockets.options import MAX_HOPS

DEFAULT_PORT = 7645
"""The port of a group that names none: that of the echo responder."""


def _group(text: str) -> Group:
    if meant := port_in_address(text):
        # With the default port it would be a group in which nobody is.
        raise ValueError(f"{text}: {meant}")
    return Group.parse(text, DEFAULT_PORT)


parse_group: Callable[[str], Group] = checked(_group)
"""Argument type: a group, with the default port."""

MAX_CHANNELS = 4096
"""Groups that one argument may stand for. Our choice: a /20; each takes a socket for each interface."""


@dataclass(frozen=True, slots=True)
class Channel:
    """What to receive: a group, perhaps from one source only (RFC 4607)."""

    group: Group
    source: str | None = None


def channels(text: str) -> tuple[Channel, ...]:
    """Read one group or many: ``239.1.2.3``, ``239.1.2.0/28:5004``, ``ff15::1+8``, ``192.0.2.9,232.1.2.3``.

    ``GROUP+COUNT`` is that many groups one after the other; ``SOURCE,GROUP`` receives from a source only.

    :raises ValueError: with one line that names the value and what is wrong with it.
    """
    source, comma, rest = text.rpartition(",")
    if comma:
        parse_address(source)
    several = re.fullmatch(r"([^+]+)\+(\d{1,9})(:\d+)?", rest)
    network = re.fullmatch(r"([^/]+)/(\d{1,3})(.*)", rest)
    if several:
        first, count = _group(several[1] + (several[3] or "")), int(several[2])
        if not count:
            raise ValueError(f"{text}: stands for no group")
    elif network:
        first = _group(network[1] + network[3])
        bits, length = first.address.max_prefixlen, int(network[2])
        if length > bits:
            raise ValueError(f"{text}: a prefix has {bits} bits at most")
        count = 1 << (bits - length)
        if int(first.address) % count:
            raise ValueError(f"{text}: the address does not begin a network of {length} bits")
    else:
        first, count = _group(rest), 1
    if count > MAX_CHANNELS:
        raise ValueError(f"{text}: stands for {count} groups, more than {MAX_CHANNELS}")
    try:
        groups = [replace(first, address=first.address + offset) for offset in range(count)]
    except (ValueError, AddressValueError):
        raise ValueError(f"{text}: goes beyond the addresses of groups") from None
    return tuple(Channel(group, source or None) for group in groups)


parse_channels: Callable[[str], tuple[Channel, ...]] = checked(channels)
"""Argument type: one group or many."""

hops = whole(0, MAX_HOPS)
"""Argument type: a TTL or hop limit."""


def add_sending_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every command takes that sends to a group."""
    parser.add_argument(
        "-t", "--ttl", type=hops, default=1, help="TTL or hop limit, 0-255 (default: 1, the own link)"
    )
    parser.add_argument(
        "--no-loopback", action="store_true", help="do not let programs on this host hear what is sent"
    )


def sending_interfaces(group: Group, selectors: Sequence[str], source: str = "") -> tuple[Interface, ...]:
    """Return the interfaces by which to send to a group; see `mcast.sockets.places`.

    :raises CommandError: where that raises ValueError.
    """
    try:
        return places.sending_interfaces(group, selectors, interfaces(), source)
    except ValueError as error:
        # What the function calls a source is an option here.
        option = "--" if str(error).startswith("source ") else ""
        raise CommandError(f"{option}{error}") from None
