"""Services as they are found, and what happens to them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.names import Name
from mcast.dns.records import Record, ServiceData
from mcast.dnssd.instances import InstanceName
from mcast.dnssd.link_id import BEYOND, LinkId, interfaces_of
from mcast.dnssd.text import Text
from mcast.dnssd.types import ServiceType


class FoundAddress(NamedTuple):
    """An address, and the interface by which it is reached; none for one from outside of multicast DNS.

    A link-local IPv6 address has that interface as its zone, since it is ambiguous without (RFC 4007 §6).
    """

    address: IPv4Address | IPv6Address
    interface: str

    @classmethod
    def from_rdata(cls, rdata: bytes, interface: str) -> FoundAddress:
        """Read the rdata of an A or AAAA record.

        :raises ValueError: it has neither 4 nor 16 octets.
        """
        if len(rdata) == 4:
            return cls(IPv4Address(rdata), interface)
        address = IPv6Address(rdata)
        if address.is_link_local:
            address = IPv6Address(f"{address}%{interface}")
        return cls(address, interface)


class FoundService:
    """A service on the network; immutable. Records are decoded when a property needs them.

    Two are equal when they say the same to a user. The address family by which a service was seen does not
    count.

    :param service: the rdata of the SRV record; None where names alone were browsed for.
    :param text: the rdata of the TXT record; without one it is empty, which means the same (RFC 6763 §6.1).
    """

    __slots__ = ("_service", "_text", "addresses", "full_name", "interfaces", "links", "subtypes")

    def __init__(
        self,
        full_name: Name,
        service: bytes | None,
        text: bytes,
        addresses: tuple[FoundAddress, ...],
        links: tuple[LinkId, ...],
        subtypes: tuple[bytes, ...] = (),
    ) -> None:
        self.full_name: Final = full_name
        """The whole Service Instance Name."""
        self.addresses: Final = addresses
        """The addresses of the host, ordered by interface, IPv4 first."""
        # Who asks servers asks on no link.
        self.links: Final = () if links and links[0] is BEYOND else links
        """The links on which the service was seen; none for one that DNS servers told of."""
        self.interfaces: Final = interfaces_of(links)
        """The names of their interfaces."""
        self.subtypes: Final = subtypes
        """The subtypes that were browsed for and that list the service (RFC 6763 §7.1)."""
        self._service: Final = service
        self._text: Final = text

    @property
    def name(self) -> str:
        """What people see: the first label, nothing escaped (RFC 6763 §4.2).

        Octets that are no UTF-8 are shown as ``\\xNN``, so `full_name` is what to look the service up by.
        """
        return InstanceName(self.full_name).name

    @property
    def type(self) -> ServiceType:
        """The service type; not always the one that was browsed for (RFC 6763 §4.2)."""
        return InstanceName(self.full_name).type

    @property
    def domain(self) -> Name:
        """The domain; not always the one that was browsed."""
        return InstanceName(self.full_name).domain

    @property
    def _location(self) -> ServiceData | None:
        if self._service is None:
            return None
        data = Record(self.full_name, RecordType.SRV, RecordClass.IN, 0, self._service).data
        return data if isinstance(data, ServiceData) else None

    @property
    def host(self) -> Name | None:
        """The name of the host; like the port, None where names alone were browsed for."""
        location = self._location
        return None if location is None else location.target

    @property
    def port(self) -> int | None:
        """The port; 0 for a service that only gives information (RFC 6763 §8)."""
        location = self._location
        return None if location is None else location.port

    @property
    def priority(self) -> int | None:
        """The priority: services with the lowest number are tried first (RFC 2782)."""
        location = self._location
        return None if location is None else location.priority

    @property
    def weight(self) -> int | None:
        """The weight: how often to choose it among services of the same priority (RFC 2782)."""
        location = self._location
        return None if location is None else location.weight

    @property
    def txt(self) -> Text:
        """The attributes; none for a TXT record that is missing, empty or malformed (RFC 6763 §6.1)."""
        try:
            return Text.from_rdata(self._text)
        except ValueError:
            return Text()

    def _said(self) -> tuple[object, ...]:
        return (
            self.full_name,
            self._service,
            self._text or b"\0",
            self.addresses,
            self.interfaces,
            self.subtypes,
        )

    def __eq__(self, other: object) -> bool:
        return self._said() == other._said() if isinstance(other, FoundService) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.full_name, self._service, self._text or b"\0"))

    def __repr__(self) -> str:
        addresses = ", ".join([str(found.address) for found in self.addresses])
        return f"<FoundService {self.full_name} at {self.host}:{self.port} [{addresses}]>"


@dataclass(frozen=True, slots=True)
class Change:
    """The base of what happens to a service."""

    service: FoundService


@dataclass(frozen=True, slots=True)
class Added(Change):
    """A service has appeared."""


@dataclass(frozen=True, slots=True)
class Updated(Change):
    """Something about a service is different; the old state is in ``previous``."""

    previous: FoundService


@dataclass(frozen=True, slots=True)
class Removed(Change):
    """A service has gone; this is its last state."""


def service_change(old: FoundService | None, new: FoundService | None) -> Change | None:
    """Return what has happened to a service, None when it says the same to a user as before."""
    if new is None:
        return None if old is None else Removed(old)
    if old is None:
        return Added(new)
    return None if old == new else Updated(new, old)


@dataclass(frozen=True, slots=True)
class TypeAdded:
    """There are services of a type now."""

    type: ServiceType


@dataclass(frozen=True, slots=True)
class TypeRemoved:
    """There are no services of a type any more."""

    type: ServiceType


TypeChange = TypeAdded | TypeRemoved


def type_change(old: ServiceType | None, new: ServiceType | None) -> TypeChange | None:
    """Return what has happened to a service type, None when it is there as before."""
    if old is None:
        return None if new is None else TypeAdded(new)
    return TypeRemoved(old) if new is None else None
