"""By which interfaces something is sent to a group."""

from __future__ import annotations

from collections.abc import Sequence

from mcast.sockets.group import Group, parse_address
from mcast.sockets.interface import Interface, find_interface, select_interfaces


def sending_interfaces(
    group: Group, selectors: Sequence[str], available: Sequence[Interface], source: str = ""
) -> tuple[Interface, ...]:
    """Return the interfaces by which to send to a group.

    That is the one of its zone, the selected ones, or all that are usable.

    :param selectors: names, indexes or addresses; none for all.
    :param available: the interfaces of this host.
    :param source: an address of ours to send from; it selects its interface when nothing else does.
    :raises ValueError: an unknown interface or zone, one that is down or has no address of the group's
        family, an interface that is not the zone's, a source that is not ours or of the other family, or
        none usable.
    """
    if source:
        _check_source(group, source, available)
    if group.zone:
        _check_zone(group, selectors, available)
        selectors = (group.zone,)
    elif source and not selectors:
        selectors = (source,)
    try:
        chosen = select_interfaces(selectors, available)
    except ValueError as error:
        raise ValueError(f"{group}: {error}" if group.zone else str(error)) from None
    usable = tuple(each for each in chosen if each.has_family(group.ipv6))
    if not usable:
        names = ", ".join(each.name for each in chosen)
        raise ValueError(f"{group}: no IPv{group.family} address on {names}")
    if selectors and len(usable) < len(chosen):
        bare = next(each for each in chosen if each not in usable)
        raise ValueError(f"interface {bare.name}: has no IPv{group.family} address, for {group}")
    return usable


def _check_zone(group: Group, selectors: Sequence[str], available: Sequence[Interface]) -> None:
    """Refuse interfaces that are not the one of the group's zone, rather than pass over them."""
    meant = find_interface(group.zone, available)
    for selector in selectors:
        found = find_interface(selector, available)
        if found is None:
            raise ValueError(f"interface {selector}: no such interface, index or address on this host")
        if meant is not None and found.index != meant.index:
            raise ValueError(f"interface {selector}: is not that of {group}")


def _check_source(group: Group, source: str, available: Sequence[Interface]) -> None:
    try:
        address, _ = parse_address(source)
    except ValueError as error:
        raise ValueError(f"source {error}") from None
    if address.version != group.family:
        raise ValueError(f"source {source}: is not an IPv{group.family} address as {group} is")
    if not any(address == own.address for each in available for own in each.addresses):
        raise ValueError(f"source {source}: not an address of this host")
