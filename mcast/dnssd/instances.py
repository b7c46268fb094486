"""Service Instance Names: ``<Instance>.<Service>.<Domain>`` (RFC 6763 §4.1 and §4.3)."""

from __future__ import annotations

from dataclasses import dataclass

from mcast.dns.names import LOCAL, Name
from mcast.dnssd.types import ServiceType, encoded
from mcast.errors import InvalidService
from mcast.showing import shown

INSTANCE_LIMIT = 63
"""Octets in an instance name: it is one label (RFC 6763 §4.1.1)."""


@dataclass(frozen=True, slots=True)
class InstanceName:
    """The name of one service instance, in its three portions.

    `instance_name` makes one from what a person typed, `from_name` from what came over the network. Two are
    equal when their whole names are.
    """

    full_name: Name
    """The whole name, owner of the SRV and TXT records."""

    @classmethod
    def from_label(cls, label: bytes, type: ServiceType, domain: Name = LOCAL) -> InstanceName:
        """Join the three portions, the first one as the octets that are given.

        :raises InvalidService: when the whole is too long.
        """
        try:
            return cls(Name.from_labels((label, *type.labels, *domain.labels)))
        except ValueError as error:
            text = label.decode("utf-8", "backslashreplace")
            raise InvalidService(f"instance name {text!r} in domain {str(domain)!r}", str(error)) from None

    @classmethod
    def from_name(cls, name: Name) -> InstanceName:
        """Take apart a received name, without assuming which type or domain it has (RFC 6763 §4.2).

        :raises InvalidService: when it has no ``<Instance>`` followed by a service type.
        """
        labels = name.labels
        if len(labels) < 4:
            raise InvalidService(f"instance name {str(name)!r}", "it has no instance, type and domain")
        ServiceType.from_labels(labels[1], labels[2])
        return cls(name)

    @classmethod
    def parse(cls, text: str) -> InstanceName:
        r"""Read the single string that ``str`` gives, in which dots in the instance are escaped as ``\.``.

        :raises InvalidService: when it does not have the form ``<Instance>.<Service>.<Domain>``.
        """
        try:
            name = Name.parse(text)
        except ValueError as error:
            raise InvalidService(f"instance name {text!r}", str(error)) from None
        return cls.from_name(name)

    @property
    def name(self) -> str:
        """The first label as text, nothing escaped; octets that are no UTF-8 are shown as ``\\xNN``."""
        return self.full_name.labels[0].decode("utf-8", "backslashreplace")

    @property
    def display(self) -> str:
        """The first label as it may be shown: like `name`, with what acts on a terminal escaped."""
        return shown(self.name)

    @property
    def type(self) -> ServiceType:
        """The ``<Service>`` portion."""
        _, service, protocol = self.full_name.labels[:3]
        return ServiceType.from_labels(service, protocol)

    @property
    def domain(self) -> Name:
        """The ``<Domain>`` portion."""
        return Name.from_labels(self.full_name.labels[3:])

    def __str__(self) -> str:
        r"""Join the portions, dots and backslashes of each label escaped (RFC 6763 §4.3).

        Spaces stay as they are: ``\032`` is for tools that read zone files (RFC 6763 §13.1).
        """
        return str(self.full_name)


def instance_name(instance: str, type: ServiceType, domain: Name = LOCAL) -> InstanceName:
    """Join the three portions that a caller gives.

    :raises InvalidService: when the instance is no name (`checked_instance`), or the whole is too long.
    """
    return InstanceName.from_label(checked_instance(instance), type, domain)


def checked_instance(instance: str) -> bytes:
    """Return the label of an instance name, in NFC and UTF-8 (RFC 6763 §4.1.1).

    :raises InvalidService: when it is empty, longer than 63 octets, or has ASCII control characters.
    """
    label = encoded("instance name", instance)
    for octet in label:
        if octet < 0x20 or octet == 0x7F:
            raise InvalidService(f"instance name {instance!r}", f"control character 0x{octet:02X}")
    if not 1 <= len(label) <= INSTANCE_LIMIT:
        raise InvalidService(
            f"instance name {instance!r}", f"{len(label)} octets in UTF-8; it has 1 to {INSTANCE_LIMIT}"
        )
    return label
