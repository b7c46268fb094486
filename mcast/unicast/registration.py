"""What a service, and a host, want to stand in a zone (RFC 6763 §10)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from mcast.dns import records
from mcast.dns.names import Name
from mcast.dnssd.service import Service
from mcast.unicast.claims import Wanted
from mcast.unicast.usable import Realm, is_usable_address

REGISTRATION_TTL = 120
"""Seconds that resolvers may keep what we register.

Our choice: that of a host on a link (RFC 6762 §10). A service that goes is found for two minutes at most.
"""

MAX_ADDRESSES = 16
"""Addresses of one host that are registered. Our choice: more than a host has; they come from a link, too."""


def wanted_service(service: Service, host: Name) -> Wanted:
    """Return what stands for a service.

    The placeholder of a flagship type is left out: it makes multicast DNS notice a conflict (RFC 6763 §8),
    and here a prerequisite does that.

    :param service: with a name, in the domain where it is registered.
    :param host: the target, unless the service names another one.
    """
    name = service.full_name
    target = host if service.host is None else service.host
    ttl = REGISTRATION_TTL
    located = records.service(name, service.priority, service.weight, service.port, target, ttl=ttl)
    texts = {text.strings: records.text(name, text.strings, ttl=ttl) for text in service.texts}
    subtypes = tuple(service.type.subtype_in_domain(each, service.domain) for each in service.subtypes)
    return Wanted(name, (located, *texts.values()), service.type.in_domain(service.domain), subtypes)


def wanted_host(name: Name, addresses: Iterable[IPv4Address | IPv6Address]) -> Wanted:
    """Return what stands for a host: those of its addresses that are of use elsewhere."""
    usable = usable_addresses(addresses)
    return Wanted(name, tuple(records.address(name, each, ttl=REGISTRATION_TTL) for each in usable))


def usable_addresses(
    addresses: Iterable[IPv4Address | IPv6Address],
) -> tuple[IPv4Address | IPv6Address, ...]:
    """Return the addresses that mean the same beyond the link, each once: none that is link-local."""
    usable = (each for each in addresses if is_usable_address(each, Realm.SAME))
    return tuple(dict.fromkeys(usable))[:MAX_ADDRESSES]
