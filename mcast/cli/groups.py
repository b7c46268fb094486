"""What the commands that take a group share: reading it, and finding the interfaces it is meant on."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from mcast.cli.command import CommandError, checked, whole
from mcast.sockets import places
from mcast.sockets.group import Group, port_in_address
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
