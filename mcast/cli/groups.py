"""What the commands that take a group share: reading it, and finding the interfaces it is meant on."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from mcast.cli.command import CommandError, checked, whole
from mcast.sockets.group import Group, parse_address
from mcast.sockets.interface import Interface, find_interface, interfaces, select_interfaces
from mcast.sockets.options import MAX_HOPS

DEFAULT_PORT = 7645
"""The port of a group that names none: that of the echo responder."""

parse_group: Callable[[str], Group] = checked(lambda text: Group.parse(text, DEFAULT_PORT))
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
    """Return the interfaces by which to send to a group.

    That is the one of its zone, the selected ones, or all that are usable.

    :param source: an address of ours to send from; it selects its interface when nothing else does.
    :raises CommandError: an unknown interface or zone, one that is down or has no address of the group's
        family, an interface that is not the zone's, or none usable.
    """
    if source:
        _check_source(group, source)
    if group.zone:
        _check_zone(group, selectors)
        selectors = (group.zone,)
    elif source and not selectors:
        selectors = (source,)
    try:
        chosen = select_interfaces(selectors, interfaces())
    except ValueError as error:
        raise CommandError(f"{group}: {error}" if group.zone else str(error)) from None
    usable = tuple(each for each in chosen if each.has_family(group.ipv6))
    if not usable:
        names = ", ".join(each.name for each in chosen)
        raise CommandError(f"{group}: no IPv{group.family} address on {names}")
    if selectors and len(usable) < len(chosen):
        bare = next(each for each in chosen if each not in usable)
        raise CommandError(f"interface {bare.name}: has no IPv{group.family} address, for {group}")
    return usable


def _check_zone(group: Group, selectors: Sequence[str]) -> None:
    """Refuse interfaces that are not the one of the group's zone, rather than pass over them."""
    known = interfaces()
    meant = find_interface(group.zone, known)
    for selector in selectors:
        found = find_interface(selector, known)
        if found is None:
            raise CommandError(f"interface {selector}: no such interface, index or address on this host")
        if meant is not None and found.index != meant.index:
            raise CommandError(f"interface {selector}: is not that of {group}")


def _check_source(group: Group, source: str) -> None:
    try:
        address, _ = parse_address(source)
    except ValueError as error:
        raise CommandError(f"--source {error}") from None
    if address.version != group.family:
        raise CommandError(f"--source {source}: is not an IPv{group.family} address as {group} is")
    if not any(address == own.address for each in interfaces() for own in each.addresses):
        raise CommandError(f"--source {source}: not an address of this host")
