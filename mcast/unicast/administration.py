"""What a proxy answers of itself, at once and without a question on the link (RFC 8766 §5.2, §6)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from mcast.dns import records
from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.dnssd.enumeration import DomainList
from mcast.unicast.zone import IPV4_REVERSE, Delegation, ZoneKind, ZoneTable

TTL_LIMIT = 10
"""Seconds that an answer to a plain query lives at most, positive or negative (RFC 8766 §5.5.1, §6.1)."""

ADMINISTRATIVE_TTL = 120
"""Seconds that SOA, NS and the SRV record of Push live: they change when the proxy is configured anew.

Our choice: "MUST be capped" is said of what multicast DNS tells (RFC 8766 §5.5.1).
"""

SERIAL = 0
"""RFC 8766 §6.1: "The SERIAL field MUST be zero"."""

REFRESH, RETRY, EXPIRE, MINIMUM = 7200, 3600, 86400, 10
"""RFC 8766 §6.1, in seconds."""

PUSH_SERVICE: Final = (b"_dns-push-tls", b"_tcp")
"""Where a server says that it takes subscriptions (RFC 8765 §6.1, RFC 8766 §6.4)."""

ABSENT_SERVICES: Final = (
    (b"_dns-llq", b"_udp"),
    (b"_dns-llq", b"_tcp"),
    (b"_dns-llq-tls", b"_tcp"),
    (b"_dns-update", b"_udp"),
    (b"_dns-update", b"_tcp"),
    (b"_dns-update-tls", b"_tcp"),
)
"""What we do not have: Long-Lived Queries, and DNS Update (RFC 8766 §6.4)."""

NEVER_BELOW_APEX: Final = frozenset({int(RecordType.SOA), int(RecordType.NS), int(RecordType.DS)})
"""Types that no name below the apex has (RFC 8766 §6.3)."""

HOST_TYPES: Final = frozenset({int(RecordType.A), int(RecordType.AAAA)})

BROWSING: Final = (DomainList.BROWSING, DomainList.DEFAULT_BROWSING, DomainList.LEGACY_BROWSING)

_SOA_NUMBERS: Final = struct.Struct("!5I")
_IPV4_LABELS: Final = 6
_IPV6_LABELS: Final = 34


@dataclass(slots=True)
class Administration:
    """What is the same for all zones of a proxy.

    :raises ValueError: there is no name server.
    """

    name_servers: tuple[Name, ...]
    """The names of the proxies on the links: our own first, then those of our fellows (RFC 8766 §6.2)."""
    contact: Name
    """The mailbox of who is responsible, as a name (RFC 8766 §6.1)."""
    push_port: int | None = None
    """The TCP port where subscriptions are taken; None without, 0 until the system has chosen it."""

    def __post_init__(self) -> None:
        if not self.name_servers:
            raise ValueError("a zone has a name server: name this host, outside of the zones")

    def soa(self, delegation: Delegation) -> Record:
        """Return the SOA record of a zone (RFC 8766 §6.1)."""
        numbers = _SOA_NUMBERS.pack(SERIAL, REFRESH, RETRY, EXPIRE, MINIMUM)
        rdata = self.name_servers[0].wire + self.contact.wire + numbers
        return Record(delegation.apex, RecordType.SOA, RecordClass.IN, ADMINISTRATIVE_TTL, rdata)

    def negative_soa(self, delegation: Delegation) -> Record:
        """Return it as it stands beside a negative answer, which is cached as long (RFC 2308 §3)."""
        return self.soa(delegation).with_ttl(TTL_LIMIT)

    def name_server_records(self, delegation: Delegation) -> list[Record]:
        """Return the NS records of a zone (RFC 8766 §6.2)."""
        return [
            Record(delegation.apex, RecordType.NS, RecordClass.IN, ADMINISTRATIVE_TTL, name.wire)
            for name in self.name_servers
        ]

    def answer(self, delegation: Delegation, question: Question) -> list[Record] | None:
        """Return the answer that needs no question on the link; None when the link is to be asked.

        :returns: no records for an immediate negative answer.
        """
        labels = question.name.labels
        below = tuple(label.lower() for label in labels[: len(labels) - delegation.depth])
        rtype = question.type
        if not below:
            answers = [self.soa(delegation), *self.name_server_records(delegation)]
            if delegation.kind is not ZoneKind.REVERSE or not _is_address(question.name):
                return [record for record in answers if rtype in (record.type, RecordType.ANY)]
            # The zone of a single address: the name of the host is at the apex.
            return [one for one in answers if rtype == one.type] if rtype in NEVER_BELOW_APEX else None
        if rtype in NEVER_BELOW_APEX:
            return []
        if below == PUSH_SERVICE and self.push_port is not None:
            return self._push(question)
        if below == PUSH_SERVICE or below in ABSENT_SERVICES:
            return []
        if below[1:3] == (b"_dns-sd", b"_udp") and below[0] in _LISTS:
            return _browsing(delegation, question, below)
        if delegation.kind is ZoneKind.REVERSE:
            # Between the apex and the addresses there is nothing; a resolver that minimises names asks there.
            return None if _is_address(question.name) else []
        if below[0][:1] == b"_" and rtype in HOST_TYPES:
            # No host has such a name (RFC 8552 §1.1), and nobody would answer: minimised names again.
            return []
        return None

    def _push(self, question: Question) -> list[Record]:
        if question.type not in (RecordType.SRV, RecordType.ANY):
            return []
        assert self.push_port is not None
        target = self.name_servers[0]
        return [records.service(question.name, 0, 0, self.push_port, target, ttl=ADMINISTRATIVE_TTL)]


_LISTS: Final = frozenset(which.value for which in DomainList)


def browse_domains(which: DomainList, domains: tuple[Name, ...]) -> tuple[Name, ...]:
    """Return what a list of domains has in it, where these are recommended, the default one first.

    Nothing can be registered in a zone of a proxy (RFC 8766 §6.4), so that the other lists are empty. "The
    'db' domain MUST be one of the domains in the 'b' list" (§5.2.1).
    """
    if which not in BROWSING:
        return ()
    return domains[:1] if which is DomainList.DEFAULT_BROWSING else domains


def _browsing(delegation: Delegation, question: Question, below: tuple[bytes, ...]) -> list[Record]:
    if question.type not in (RecordType.PTR, RecordType.ANY):
        return []
    if delegation.kind is not ZoneKind.REVERSE and len(below) != 3:
        return []
    zone = delegation.zone
    domains = browse_domains(DomainList(below[0]), zone.browse_domains or (zone.name,))
    return [records.pointer(question.name, domain, ttl=ADMINISTRATIVE_TTL) for domain in domains]


def _is_address(name: Name) -> bool:
    """Whether a reverse name is that of a whole address."""
    count = _IPV4_LABELS if name.is_within(IPV4_REVERSE) else _IPV6_LABELS
    return len(name.labels) == count


def check_name_servers(name_servers: tuple[Name, ...], table: ZoneTable) -> None:
    """See that no name server is in a zone of ours.

    "The target host name in the RDATA of an NS record MUST NOT reference a name that falls within any zone
    delegated to a Discovery Proxy" (RFC 8766 §6.2).

    :raises ValueError: one is.
    """
    for name in name_servers:
        delegation = table.find(name)
        if delegation is not None:
            raise ValueError(
                f"{name} is within the zone {delegation.apex}: a name server has a name outside of all zones"
            )
