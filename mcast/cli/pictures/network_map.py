"""The map of what was found: each link as a line, its hosts below it, and on each host its services."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mcast.cli.pictures.svg import SERIES, Drawing, cut, text_width

MAX_HOSTS = 400
"""Hosts of one link that are drawn. Our choice: some pages of print."""

MAX_SERVICES = 40
"""Services of one host that are drawn. Our choice: the height of a page."""

MAX_ADDRESSES = 4
"""Addresses of one host that are drawn. Our choice: one of IPv4, and three of IPv6."""

_COLUMNS = 3
_CARD = 300
_GUTTER = 28
_MARGIN = 24
_WIDE = 2 * _MARGIN + _COLUMNS * (_CARD + _GUTTER)
_LINE = 17


@dataclass(frozen=True, slots=True)
class MappedService:
    """A service on the map."""

    name: str
    type: str
    port: int | None


@dataclass(frozen=True, slots=True)
class MappedHost:
    """A host on the map, and what is on it."""

    name: str
    """Empty for services of which nobody says where they are."""
    addresses: Sequence[str]
    interfaces: Sequence[str]
    """Those on which it was found; the first is where it is drawn."""
    services: Sequence[MappedService]


def draw_map(title: str, subtitle: str, hosts: Sequence[MappedHost]) -> str:
    """Return the map as SVG: links and hosts by name, so that two maps can be laid side by side."""
    drawing = Drawing(title, subtitle)
    drawing.text((_MARGIN, 34), cut(title, 18, _WIDE - 48), "ink strong", size=18)
    drawing.text((_MARGIN, 54), cut(subtitle, 12, _WIDE - 48), "dim")
    links: dict[str, list[MappedHost]] = {}
    for host in sorted(hosts, key=lambda each: (not each.name, each.name.lower())):
        links.setdefault(host.interfaces[0] if host.interfaces else "no link", []).append(host)
    # A link that hosts are drawn on by way of another one has its colour, too.
    names = sorted({name for host in hosts for name in host.interfaces} | links.keys())
    colors = {name: f"c{place % SERIES}" for place, name in enumerate(names)}
    top = 76.0
    for name in sorted(links):
        top = _draw_link(drawing, top, name, links[name], colors)
    if not hosts:
        drawing.text((_MARGIN, top + 18), "nothing was found", "bad strong", size=14)
        top += 34
    return drawing.finish(_WIDE, top)


def _draw_link(
    drawing: Drawing, top: float, name: str, hosts: Sequence[MappedHost], colors: dict[str, str]
) -> float:
    """Draw a link and its hosts; return where the next one begins."""
    color = colors[name]
    told = hosts[:MAX_HOSTS]
    services = sum(len(host.services) for host in hosts)
    drawing.text((_MARGIN, top + 12), name, f"{color} strong", size=14)
    drawing.text(
        (_MARGIN + text_width(name, 14) + 14, top + 12),
        f"{len(hosts)} host{'s' * (len(hosts) != 1)}, {services} service{'s' * (services != 1)}",
        "dim",
    )
    bus = top + 24
    drawing.line((_MARGIN, bus), (_WIDE - _MARGIN, bus), color, wide=3)
    ends = [bus + 14.0] * min(_COLUMNS, max(len(told), 1))
    joints = [bus] * len(ends)
    for host in told:
        column = ends.index(min(ends))
        left = _MARGIN + column * (_CARD + _GUTTER) + _GUTTER
        joint = ends[column] + 19
        drawing.line((left - 14, joint), (left, joint), color, wide=1.5)
        joints[column] = joint
        ends[column] = _draw_host(drawing, left, ends[column], host, colors) + 12
    for column, joint in enumerate(joints):
        spine = _MARGIN + column * (_CARD + _GUTTER) + _GUTTER - 14
        drawing.line((spine, bus), (spine, joint), color, wide=1.5)
    end = max(ends)
    if len(hosts) > len(told):
        drawing.text((_MARGIN, end + 10), f"and {len(hosts) - len(told)} more hosts", "dim")
        end += 20
    return end + 20


def _draw_host(drawing: Drawing, left: float, top: float, host: MappedHost, colors: dict[str, str]) -> float:
    """Draw the card of a host; return where it ends."""
    addresses = list(_told(host.addresses, MAX_ADDRESSES, "addresses"))
    lines = len(addresses) + min(len(host.services), MAX_SERVICES) + (len(host.services) > MAX_SERVICES)
    height = 34 + lines * _LINE + (6 if host.services and addresses else 0)
    drawing.rect((left, top), (_CARD, height), "card rule-edge", round=6)
    right = left + _CARD - 10
    for name in reversed(host.interfaces[1:4]):
        drawing.text((right, top + 23), name, f"{colors[name]} strong", size=11, anchor="end")
        right -= text_width(name, 11) + 10
    name = host.name or "on a host that nobody tells"
    kind = "ink strong" if host.name else "dim strong"
    drawing.text((left + 10, top + 23), cut(name, 13, right - left - 16), kind, size=13, title=name)
    at = top + 24
    for address in addresses:
        at += _LINE
        drawing.text(
            (left + 10, at), cut(address, 11, _CARD - 20, mono=True), "dim mono", size=11, title=address
        )
    at += 6 if host.services and addresses else 0
    for service in host.services[:MAX_SERVICES]:
        at += _LINE
        _draw_service(drawing, left, at, service)
    if len(host.services) > MAX_SERVICES:
        more = f"and {len(host.services) - MAX_SERVICES} more services"
        drawing.text((left + 22, at + _LINE), more, "dim", size=11)
    return top + height


def _draw_service(drawing: Drawing, left: float, at: float, service: MappedService) -> None:
    port = "" if service.port is None else f" :{service.port}"
    kind = cut(f"{service.type}{port}", 11, _CARD * 0.6, mono=True)
    drawing.text(
        (left + _CARD - 10, at), kind, "dim mono", size=11, anchor="end", title=f"{service.type}{port}"
    )
    drawing.dot((left + 14, at - 4), 2.5, "ink")
    room = _CARD - 42 - text_width(kind, 11, mono=True)
    drawing.text((left + 22, at), cut(service.name, 12, room), "ink", title=service.name)


def _told(texts: Sequence[str], most: int, what: str) -> Iterator[str]:
    yield from texts[:most]
    if len(texts) > most:
        yield f"and {len(texts) - most} more {what}"
