"""The records that publish a service (RFC 6763 §4 to §9)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from mcast.dns import records
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.dnssd.instances import instance_name
from mcast.dnssd.service import Service
from mcast.dnssd.types import type_enumeration_name
from mcast.mdns.constants import HOST_TTL, OTHER_TTL
from mcast.mdns.responder.record_group import RecordGroup


def service_records(service: Service, host: Name) -> RecordGroup:
    """Return what a link claims and announces for a service.

    SRV and TXT are unique; the pointers to them are shared, since other hosts have instances of the same
    type. A subtype adds a pointer to the unchanged instance name and nothing else (RFC 6763 §7.1).

    :param host: the full name of the publishing host: the target, unless the service names another one, and
        the instance's name, unless it has one.
    :raises InvalidService: when a name made with ``host`` is too long.
    """
    service = service.named(host.labels[0].decode("utf-8", "replace"))
    target = host if service.host is None else service.host
    instance = service.full_name
    unique = [
        records.service(
            instance, service.priority, service.weight, service.port, target, ttl=HOST_TTL, cache_flush=True
        ),
        *(records.text(instance, text.strings, ttl=OTHER_TTL, cache_flush=True) for text in service.texts),
    ]
    if service.flagship is not None:
        unique.append(_placeholder(service, target))
    type_name = service.type.in_domain(service.domain)
    shared = [
        records.pointer(type_name, instance, ttl=OTHER_TTL),
        *(
            records.pointer(service.type.subtype_in_domain(subtype, service.domain), instance, ttl=OTHER_TTL)
            for subtype in service.subtypes
        ),
        records.pointer(type_enumeration_name(service.domain), type_name, ttl=OTHER_TTL),
    ]
    return RecordGroup(unique=tuple(unique), shared=tuple(shared))


def _placeholder(service: Service, target: Name) -> Record:
    """Return the SRV record that claims an instance name under the flagship type (RFC 6763 §8).

    It has the host as its target, never the root: the placeholders of two hosts for one name have to differ,
    or "no conflict would be detected". No PTR record leads to it, since nobody is to find it.
    """
    assert service.name is not None
    assert service.flagship is not None
    name = instance_name(service.name, service.flagship, service.domain).full_name
    return records.service(name, 0, 0, 0, target, ttl=HOST_TTL, cache_flush=True)


def host_records(host: Name, addresses: Iterable[IPv4Address | IPv6Address]) -> RecordGroup:
    """Return what a link claims and announces for a host: its addresses and their reverse mappings.

    The name of the host is probed for. The reverse mappings are not, as RFC 6762 §8.1 allows for records that
    are known to be unique: no other host has an address of ours; another name would not mend that.

    :param host: the full name of the host.
    :param addresses: those that are valid on the link (RFC 6762 §6.2), or those of another host that this one
        publishes.
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
