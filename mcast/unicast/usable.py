"""Which records of a link are of use to a client elsewhere (RFC 8766 §5.5.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dns.records import Record

PRIVATE: Final = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv6Network("fc00::/7"),
)
"""Addresses with a meaning in one realm only (RFC 1918, RFC 4193)."""

Lookup = Callable[[Name, int], "Sequence[Record] | None"]
"""Returns what is known of a name and type on a link: records, none when denied, None when unknown."""


class Realm(Enum):
    """How much of the addresses of a link a client can use."""

    SAME = "same"
    """Private addresses too."""
    OTHER = "other"
    """Addresses of the whole Internet only."""
    EVERYTHING = "everything"
    """Nothing is suppressed, as the operator wishes."""


def realm_of(client: str) -> Realm:
    """Tell in which address realm a client is, as far as its address tells.

    "in cases where the Discovery Proxy can determine that the querying client is in a different address
    realm" (RFC 8766 §5.5.2): a client with a global address has come without a translator of addresses in
    between, which a private network has at its edge.
    """
    address = ip_address(client.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return Realm.OTHER if address.is_global else Realm.SAME


def is_usable_address(address: IPv4Address | IPv6Address, realm: Realm) -> bool:
    """Whether a client of a realm can send to an address of the link."""
    if realm is Realm.EVERYTHING:
        return True
    if address.is_link_local or address.is_loopback or address.is_unspecified or address.is_multicast:
        return False
    return realm is Realm.SAME or not any(
        address in network for network in PRIVATE if network.version == address.version
    )


def usable_records(records: Iterable[Record], realm: Realm, lookup: Lookup) -> list[Record]:
    """Return those of the records of a link that are of use.

    Addresses that cannot be reached, SRV records whose target has only such, and PTR records of such services
    are left out (RFC 8766 §5.5.2).

    :param lookup: tells what is known without asking. Where that is not all, a record stays.
    """
    return [record for record in records if is_usable(record, realm, lookup)]


def is_usable(record: Record, realm: Realm, lookup: Lookup) -> bool:
    """Whether one record of a link is of use; see `usable_records`."""
    if realm is Realm.EVERYTHING:
        return True
    data = record.data
    if isinstance(data, IPv4Address | IPv6Address):
        return is_usable_address(data, realm)
    if record.type == RecordType.SRV:
        return not _is_unreachable(_target(record), realm, lookup)
    if record.type == RecordType.PTR and isinstance(data, Name):
        services = [each for each in lookup(data, RecordType.SRV) or () if each.type == RecordType.SRV]
        return not services or any(not _is_unreachable(_target(one), realm, lookup) for one in services)
    return True


def _target(record: Record) -> Name:
    return Name.from_wire(record.rdata[6:])


def _is_unreachable(host: Name, realm: Realm, lookup: Lookup) -> bool:
    """Whether all addresses of a host are known, and none is of use.

    Only when A and AAAA are both known or denied: an address that was not heard yet may be reachable.
    """
    found = [lookup(host, RecordType.A), lookup(host, RecordType.AAAA)]
    addresses = [record.data for known in found for record in known or ()]
    if any(isinstance(one, IPv4Address | IPv6Address) and is_usable_address(one, realm) for one in addresses):
        return False
    return bool(addresses) and None not in found
