"""The zones of a Discovery Proxy, and to which of them a name belongs (RFC 8766 §5.1, §5.3, §5.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from mcast.dns.names import LOCAL, Name

IPV4_REVERSE: Final = Name.from_labels((b"in-addr", b"arpa"))
"""Above the reverse names of all IPv4 addresses (RFC 1035 §3.5)."""

IPV6_REVERSE: Final = Name.from_labels((b"ip6", b"arpa"))
"""Above the reverse names of all IPv6 addresses (RFC 3596 §2.5)."""

IPNetwork = IPv4Network | IPv6Network


class ZoneKind(Enum):
    """What a delegated subdomain is for (RFC 8766 §5)."""

    SERVICES = "services"
    """DNS-SD records; the name may be rich text (§5.1)."""
    HOSTS = "hosts"
    """Host names, of letters, digits and hyphens (§5.3)."""
    REVERSE = "reverse"
    """Reverse mappings (§5.4)."""


@dataclass(frozen=True, slots=True)
class Zone:
    """One link, and the names under which it is asked by unicast.

    :raises ValueError: a name cannot be one, the host zone has other characters than letters, digits and
        hyphens, or a name is a part of multicast DNS.
    """

    name: Name
    """The subdomain for DNS-SD, such as ``Building 1.example.com``; text is read as `Name.parse` does."""
    interface: str
    """The name, index or address of the interface; its IPv4 and its IPv6 link are asked together."""
    host_zone: Name | None = None
    """The subdomain for host names; without it they are in ``name``."""
    reverse: tuple[IPv4Network | IPv6Network, ...] | None = None
    """The networks whose reverse names are answered, text as well; None for those that the interface has."""
    browse_domains: tuple[Name, ...] = ()
    """The domains that are recommended for browsing, the default one first; ``name`` when there is none."""

    def __post_init__(self) -> None:
        for field in ("name", "host_zone"):
            value = getattr(self, field)
            if isinstance(value, str):
                object.__setattr__(self, field, Name.parse(value))
        domains = tuple(Name.parse(each) if isinstance(each, str) else each for each in self.browse_domains)
        object.__setattr__(self, "browse_domains", domains)
        if self.reverse is not None:
            networks = tuple(ip_network(each) if isinstance(each, str) else each for each in self.reverse)
            object.__setattr__(self, "reverse", networks)
        for name in (self.name, self.host_zone):
            if name is not None:
                _check_apex(name)
        if self.host_zone is not None and not all(map(_is_letters_digits_hyphens, self.host_zone.labels)):
            raise ValueError(f"{self.host_zone}: a host zone has letters, digits and hyphens only")
        if self.host_zone == self.name:
            object.__setattr__(self, "host_zone", None)

    @property
    def host_apex(self) -> Name:
        """Where host names are (RFC 8766 §5.5)."""
        return self.name if self.host_zone is None else self.host_zone


class Delegation:
    """One delegated subdomain of a link: a zone that we are authoritative for."""

    __slots__ = ("apex", "depth", "kind", "zone")

    def __init__(self, zone: Zone, kind: ZoneKind, apex: Name) -> None:
        self.zone: Final = zone
        self.kind: Final = kind
        self.apex: Final = apex
        self.depth: Final = len(apex.labels)

    def __repr__(self) -> str:
        return f"<Delegation {self.apex} of {self.zone.interface}>"


class ZoneTable:
    """Finds the zone that a name belongs to: the closest one above it.

    :raises ValueError: two zones have one name.
    """

    def __init__(self, zones: Sequence[Zone]) -> None:
        self.zones: Final = tuple(zones)
        self._by_apex: Final[dict[bytes, Delegation]] = {}
        self._networks: dict[Zone, tuple[IPNetwork, ...]] = {}
        self._reverse: dict[bytes, Delegation] = {}
        for zone in zones:
            self._add(Delegation(zone, ZoneKind.SERVICES, zone.name))
            if zone.host_zone is not None:
                self._add(Delegation(zone, ZoneKind.HOSTS, zone.host_zone))
            if zone.reverse is not None:
                self.set_networks(zone, zone.reverse)

    def _add(self, delegation: Delegation) -> None:
        if self._by_apex.setdefault(delegation.apex.key, delegation) is not delegation:
            raise ValueError(f"{delegation.apex} is named twice: each link has a name of its own")

    @property
    def delegations(self) -> tuple[Delegation, ...]:
        """All zones, those of reverse mappings last."""
        return (*self._by_apex.values(), *self._reverse.values())

    def set_networks(self, zone: Zone, networks: Iterable[IPNetwork]) -> None:
        """Say which networks a link has now.

        A network whose prefix ends within a label is several zones (RFC 8766 §5.4 speaks of prefixes that end
        where a label does). Link-local networks are everywhere, and no zone of anybody.
        """
        self._networks[zone] = tuple(one for one in networks if is_delegated(one))
        self._reverse = {}
        for owner, owned in self._networks.items():
            for network in owned:
                for apex in reverse_zones(network):
                    self._reverse.setdefault(apex.key, Delegation(owner, ZoneKind.REVERSE, apex))

    def find(self, name: Name) -> Delegation | None:
        """Return the zone that a name is in; None when it is in none of ours."""
        key = name.key
        by_apex, reverse = self._by_apex, self._reverse
        position = 0
        while key[position]:
            ending = key[position:]
            found = by_apex.get(ending) or reverse.get(ending)
            if found is not None:
                return found
            position += key[position] + 1
        return None


def is_delegated(network: IPNetwork) -> bool:
    """Whether the reverse names of a network are delegated to anybody: not those that are everywhere."""
    return not (network.is_link_local or network.is_loopback or network.is_multicast)


def reverse_zones(network: IPNetwork) -> tuple[Name, ...]:
    """Return the reverse zones that make up a network (RFC 8766 §5.4): 128 at most."""
    bits, root = (8, IPV4_REVERSE) if isinstance(network, IPv4Network) else (4, IPV6_REVERSE)
    count = -(-network.prefixlen // bits)
    step = 1 << (network.max_prefixlen - count * bits)
    first = int(network.network_address)
    size = network.max_prefixlen // bits
    zones = []
    for number in range(network.num_addresses // step):
        packed = (first + number * step).to_bytes(network.max_prefixlen // 8, "big")
        labels = [str(octet) for octet in packed] if bits == 8 else list(packed.hex())
        assert len(labels) == size
        zones.append(Name.from_labels([*reversed(labels[:count]), *root.labels]))
    return tuple(zones)


def _check_apex(name: Name) -> None:
    if not name.labels:
        raise ValueError("the root is no zone of a proxy")
    if name.is_within(LOCAL):
        raise ValueError(f"{name}: this is multicast DNS's own; a zone has a name in conventional DNS")
    if name.is_within(IPV4_REVERSE) or name.is_within(IPV6_REVERSE):
        raise ValueError(f"{name}: reverse zones are named by their networks")


def _is_letters_digits_hyphens(label: bytes) -> bool:
    return label.replace(b"-", b"").isalnum() and label[:1] != b"-" and label[-1:] != b"-"
