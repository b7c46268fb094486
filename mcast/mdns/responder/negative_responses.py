"""Negative responses: the NSEC record that says which types a name has no record of (RFC 6762 §6.1)."""

from __future__ import annotations

from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.records import next_secure
from mcast.mdns.responder.record_set import NameSets, RecordSet

ADDRESS_TYPES = (RecordType.A, RecordType.AAAA)
"""The types of the records that hold the addresses of a host."""


def negative_response(of_name: NameSets) -> RecordSet | None:
    """Return a new NSEC record of a name that only we have, else None.

    RFC 6762 §6.1 allows a negative response only for a name claimed with ANY, or known beforehand to be ours.
    Every unique record that we publish is one or the other, so a name without shared records qualifies.
    """
    if of_name.shared:
        return None
    types = list(
        dict.fromkeys([found.type for found in of_name if found.records[0].rclass == RecordClass.IN])
    )
    if not types:
        return None
    # RFC 6762 §6.1: as long as the missing record would live. At a host name that is an address; elsewhere
    # the longest TTL under the name, since a service instance is more likely to lack a TXT than an SRV
    # record.
    likely = [rtype for rtype in types if rtype in ADDRESS_TYPES] or types
    ttl = max([found.ttl for found in of_name if found.type in likely])
    return RecordSet((next_secure(of_name.name, types, ttl),), unique=True)
