"""The records that publish a host (RFC 6762 §4, §6.2, §10)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from mcast.dns import records
from mcast.dns.names import Name
from mcast.mdns.groups import RecordGroup
from mcast.mdns.timing import HOST_TTL


def host_records(host: Name, addresses: Iterable[IPv4Address | IPv6Address]) -> RecordGroup:
    """Return what a link claims and announces for a host: its addresses and their reverse mappings.

    The name of the host is probed for. The reverse mappings are not: an address that is ours has no other
    host, or there is a fault that no renaming would mend (RFC 6762 §8.1 allows it for what is known to be
    unique).

    :param host: the full name of the host.
    :param addresses: those that are valid on the link (RFC 6762 §6.2), or those of the host that is spoken
    for.
    """
    distinct = tuple(dict.fromkeys(addresses))
    return RecordGroup(
        unique=tuple(records.address(host, address, ttl=HOST_TTL, cache_flush=True) for address in distinct),
        verified=tuple(
            records.pointer(reverse_name(address), host, ttl=HOST_TTL, cache_flush=True)
            for address in distinct
        ),
    )


def alias_records(name: Name, host: Name) -> RecordGroup:
    """Return what a link claims and announces for a further name of a host."""
    return RecordGroup(unique=(records.alias(name, host, ttl=HOST_TTL, cache_flush=True),))


def reverse_name(address: IPv4Address | IPv6Address) -> Name:
    """Return the name whose PTR record leads from an address to its host (RFC 1035 §3.5, RFC 3596 §2.5)."""
    # Not by reverse_pointer, which fails on an address with a zone; what is packed has none.
    if isinstance(address, IPv4Address):
        return Name.from_labels([*(str(octet) for octet in reversed(address.packed)), "in-addr", "arpa"])
    return Name.from_labels([*reversed(address.packed.hex()), "ip6", "arpa"])
