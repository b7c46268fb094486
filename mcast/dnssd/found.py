"""Services as they are found, and what happens to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.names import Name
from mcast.dns.records import Record, ServiceData
from mcast.dnssd.instances import InstanceName
from mcast.dnssd.places import FoundAddress, LinkId
from mcast.dnssd.text import Text
from mcast.dnssd.types import ServiceType


class FoundService:
    """A service on the network; immutable. What is not asked for is not decoded.

    Two are equal when they say the same to a user: the family by which a service was seen on an interface
    is not part of that.

    :param service: the rdata of the SRV record; None where names alone were browsed for.
    :param text: the rdata of the TXT record, empty without one: the same (RFC 6763 §6.1).
    """

    __slots__ = ("_service", "_text", "addresses", "interfaces", "name", "places", "subtypes")

    def __init__(
        self,
        name: Name,
        service: bytes | None,
        text: bytes,
        addresses: tuple[FoundAddress, ...],
        places: tuple[LinkId, ...],
        interfaces: tuple[str, ...],
        subtypes: tuple[bytes, ...] = (),
    ) -> None:
        self.name: Final = name
        """The whole Service Instance Name."""
        self.addresses: Final = addresses
        """Of the host, in a stable order; those of one interface together, IPv4 first."""
        self.places: Final = places
        """The links on which the service was seen."""
        self.interfaces: Final = interfaces
        """The names of their interfaces."""
        self.subtypes: Final = subtypes
        """Those that were browsed for and list the service (RFC 6763 §7.1)."""
        self._service: Final = service
        self._text: Final = text

    @property
    def instance_name(self) -> InstanceName:
        """The instance name in its three portions."""
        return InstanceName(self.name)

    @property
    def instance(self) -> str:
        """What people see: the first label, nothing escaped (RFC 6763 §4.2)."""
        return self.instance_name.instance

    @property
    def type(self) -> ServiceType:
        """The service type; not always the one that was browsed for (RFC 6763 §4.2)."""
        return self.instance_name.type

    @property
    def domain(self) -> Name:
        """The domain; not always the one that was browsed."""
        return self.instance_name.domain

    @property
    def location(self) -> ServiceData | None:
        """Priority, weight, port and host; None while only the name is known."""
        if self._service is None:
            return None
        data = Record(self.name, RecordType.SRV, RecordClass.IN, 0, self._service).data
        return data if isinstance(data, ServiceData) else None

    @property
    def host(self) -> Name | None:
        """The name of the host."""
        location = self.location
        return None if location is None else location.target

    @property
    def port(self) -> int | None:
        """The port; 0 for a service that only gives information (RFC 6763 §8)."""
        location = self.location
        return None if location is None else location.port

    @property
    def txt(self) -> Text:
        """The attributes; none for a TXT record that is missing, empty or malformed (RFC 6763 §6.1)."""
        try:
            return Text.from_rdata(self._text)
        except ValueError:
            return Text()

    def _said(self) -> tuple[object, ...]:
        return (
            self.name,
            self._service,
            self._text or b"\0",
            self.addresses,
            self.interfaces,
            self.subtypes,
        )

    def __eq__(self, other: object) -> bool:
        return self._said() == other._said() if isinstance(other, FoundService) else NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, self._service, self._text or b"\0"))

    def __repr__(self) -> str:
        addresses = ", ".join([str(found.address) for found in self.addresses])
        return f"<FoundService {self.name} at {self.host}:{self.port} [{addresses}]>"


@dataclass(frozen=True, slots=True)
class Change:
    """The base of what happens to a service."""

    service: FoundService


@dataclass(frozen=True, slots=True)
class Added(Change):
    """A service has come."""


@dataclass(frozen=True, slots=True)
class Updated(Change):
    """Something about a service is different; the old state is in ``previous``."""

    previous: FoundService


@dataclass(frozen=True, slots=True)
class Removed(Change):
    """A service has gone; this is its last state."""
