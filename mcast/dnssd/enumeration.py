"""Domains that are recommended for browsing and registering (RFC 6763 §11)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from ipaddress import IPv4Interface, IPv6Interface
from typing import Final

from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import LOCAL, Name
from mcast.dnssd.following import Follower
from mcast.dnssd.link_id import LinkId
from mcast.dnssd.publishing import reverse_name
from mcast.mdns.events import RecordChange, RecordFlushed, RecordRemoved

MAX_DOMAINS = 64
"""Domains that are listed at a time. Our choice: as many as a person can choose from."""


class DomainList(Enum):
    """The lists of domains, by their labels (RFC 6763 §11)."""

    BROWSING = b"b"
    DEFAULT_BROWSING = b"db"
    REGISTERING = b"r"
    DEFAULT_REGISTERING = b"dr"
    LEGACY_BROWSING = b"lb"
    """The domains that a client browses without being told to (RFC 6763 §11)."""

    def in_domain(self, domain: Name = LOCAL) -> Name:
        """Return the name whose PTR records are the list.

        :param domain: ``local.``, or a domain learned from DHCP or `address_domains`, for example.
        :raises ValueError: the whole is too long.
        """
        return Name.from_labels((self.value, b"_dns-sd", b"_udp", *domain.labels))


def address_domains(addresses: Iterable[IPv4Interface | IPv6Interface]) -> tuple[Name, ...]:
    """Return the domains to enumerate that follow from the addresses of a host.

    These are the reverse names of its networks. Link-local networks give none, since they are the same
    everywhere (RFC 6763 §11).
    """
    networks = [one.network for one in addresses if not (one.is_link_local or one.is_loopback)]
    return tuple(dict.fromkeys([reverse_name(network.network_address) for network in networks]))


class DomainBrowser(Follower):
    """Follows one list of domains.

    What it finds is advice: services can be browsed and registered in any other domain (RFC 6763 §11).
    """

    def __init__(self, which: DomainList, domain: Name = LOCAL) -> None:
        super().__init__(domain)
        self.question: Final = Question(which.in_domain(domain), RecordType.PTR)
        self._listed: dict[Name, list[LinkId]] = {}

    @property
    def domains(self) -> tuple[Name, ...]:
        """The domains that are listed now, oldest first."""
        return tuple(self._listed)

    def _begin_on(self, link: LinkId, now: float) -> None:
        self._ask(link, self.question.name, {self.question.type: False}, now)

    def _end_on(self, link: LinkId, now: float) -> None:
        self._cancel(link, self.question, now)
        for domain in list(self._listed):
            self._drop(domain, link)

    def _record(self, link: LinkId, change: RecordChange, now: float) -> None:
        if change.record.type != RecordType.PTR:
            return
        domain = Name.from_wire(change.record.rdata)
        self._drop(domain, link)
        if isinstance(change, RecordFlushed | RecordRemoved):
            return
        if domain in self._listed or len(self._listed) < MAX_DOMAINS:
            self._listed.setdefault(domain, []).append(link)
        else:
            self.counters["domains beyond the limit"] += 1

    def _drop(self, domain: Name, link: LinkId) -> None:
        links = self._listed.get(domain, [])
        if link in links:
            links.remove(link)
            if not links:
                del self._listed[domain]

    def _denied(self, link: LinkId, question: Question, now: float) -> None:
        """Do nothing: without an answer there are no domains."""
