"""List the interfaces of this host, and with --check see whether multicast works on them.

Exit status: 0 good. With --check: 0 when each interface works that mcast would use, or that is named
by -I, 1 when only some do, 2 when none does.
"""

from __future__ import annotations

import argparse
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from mcast.cli.check import check
from mcast.cli.command import FAILED, GOOD, NOT_ALL, CommandError, Output, add_interface_argument
from mcast.cli.kernel import joined_groups
from mcast.sockets.interface import (
    AddressState,
    Interface,
    InterfaceAddress,
    default_interfaces,
    find_interface,
    interfaces,
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_interface_argument(parser)
    parser.add_argument(
        "--check", action="store_true", help="send to ourselves on each interface, by IPv4 and IPv6"
    )


async def run(reactor: Any, arguments: argparse.Namespace, output: Output) -> int:
    """List, and check where asked to."""
    chosen = chosen_interfaces(arguments.interfaces, interfaces())
    groups = joined_groups()
    # One that is down, or loopback beside others, is checked too, but is not expected to work.
    counted = chosen if arguments.interfaces else default_interfaces(chosen)
    checks: list[bool] = []
    for interface in chosen:
        joined = None if groups is None else groups.get(interface.index, [])
        describe(output, interface, joined)
        if not arguments.check:
            continue
        for ipv6 in (False, True):
            verdict = await check(reactor, interface, ipv6=ipv6)
            family = "IPv6" if ipv6 else "IPv4"
            output.text(f"    {family}: {'works' if verdict.works else 'does not work'}: {verdict.detail}")
            output.event(
                event="check",
                interface=interface.name,
                family=family,
                works=verdict.works,
                detail=verdict.detail,
            )
            if interface in counted:
                checks.append(verdict.works)
    if all(checks):
        return GOOD if counted or not arguments.check else FAILED
    return NOT_ALL if any(checks) else FAILED


def chosen_interfaces(selectors: list[str], available: tuple[Interface, ...]) -> tuple[Interface, ...]:
    """Return what the selectors name, down ones too; all when there are none.

    :raises CommandError: a selector fits nothing.
    """
    if not selectors:
        return available
    chosen: dict[int, Interface] = {}
    for selector in selectors:
        found = find_interface(selector, available)
        if found is None:
            raise CommandError(f"interface {selector}: no such interface, index or address on this host")
        chosen[found.index] = found
    return tuple(chosen.values())


def describe(output: Output, interface: Interface, groups: list[IPv4Address | IPv6Address] | None) -> None:
    """Print one interface; ``groups`` is None where the system does not tell them."""
    flags = [
        name
        for name, holds in (
            ("up" if interface.up else "down", True),
            ("multicast", interface.multicast),
            ("loopback", interface.loopback),
            ("point-to-point", interface.point_to_point),
            ("no-carrier", interface.up and not interface.carrier),
        )
        if holds
    ]
    output.event(
        event="interface",
        name=interface.name,
        index=interface.index,
        addresses=[str(each) for each in interface.addresses],
        flags=flags,
        mtu=interface.mtu,
        groups=None if groups is None else [str(each) for each in groups],
    )
    output.text(f"{interface.index}: {interface.name}  {' '.join(flags)}  mtu {interface.mtu}")
    output.text(f"    addresses: {' '.join(map(_shown, interface.addresses)) or 'none'}")
    if groups is not None:
        output.text(f"    groups: {' '.join(map(str, groups)) or 'none'}")


def _shown(address: InterfaceAddress) -> str:
    if address.state is AddressState.PREFERRED:
        return str(address)
    return f"{address} ({address.state.name.lower()})"
