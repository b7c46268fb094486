"""A service as a program describes it, before it has records (RFC 6763 §4 to §8)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from mcast.dns.names import LOCAL, Name
from mcast.dnssd.instances import checked_instance, instance_name
from mcast.dnssd.text import MULTICAST_TEXT_LIMIT, Note, Text, TextInput
from mcast.dnssd.types import ServiceType, subtype_label, type_enumeration_name
from mcast.errors import InvalidService

_MAC_ADDRESS = re.compile(r"(?<![0-9a-f])[0-9a-f]{2}([-:._ ]?[0-9a-f]{2}){5}(?![0-9a-f])", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MACHINE_MADE = re.compile(r"(?<![0-9a-z])(?=[a-f]*[0-9])[0-9a-f]{6,}(?![0-9a-z])", re.IGNORECASE)
"""A run of six or more hexadecimal digits: the half of a MAC address, a serial number."""


@dataclass(frozen=True, slots=True, init=False)
class Service:
    """A service to publish: instance name, type and domain apart, never one string that must be split.

    Immutable; `dataclasses.replace` makes a changed copy, checked again. Everything is checked here, so that
    a service that exists can be published.

    :raises InvalidService: naming the part that is wrong.
    """

    name: str | None
    """The instance name, in NFC, up to 63 octets of UTF-8; None: the host names it (see `named`)."""

    type: ServiceType
    port: int
    """0 is for a service that only gives information, ``_device-info._tcp`` for example."""

    txt: Text
    host: Name | None
    """Where the service is, when it is not on the host that publishes it (None)."""

    subtypes: tuple[bytes, ...]
    """Labels of the subtypes, without those that repeat another in other case."""

    priority: int
    weight: int
    """Priority and weight of the SRV record; both 0 where there is but one (RFC 6763 §5)."""

    domain: Name
    flagship: ServiceType | None
    """Claims the name under this type too, by a placeholder SRV record (RFC 6763 §8).

    For a device that has a protocol of a fleet of protocols, but not the flagship: ``_printer._tcp`` for a
    printer without that protocol.
    """

    more_txt: tuple[Text, ...]
    """Further TXT records, for variants of the service, where its protocol has them (RFC 6763 §6.8)."""

    def __init__(
        self,
        name: str | None,
        type: str | ServiceType,
        port: int,
        *,
        txt: TextInput = None,
        host: str | Name | None = None,
        subtypes: Iterable[str | bytes] = (),
        priority: int = 0,
        weight: int = 0,
        domain: str | Name = LOCAL,
        flagship: str | ServiceType | None = None,
        more_txt: Iterable[TextInput] = (),
    ) -> None:
        """Check and take over a description.

        :param name: what people see; None for the name of the host.
        :param type: ``_http._tcp``; one given as text has to follow the rules of RFC 6335.
        :param txt: a mapping or pairs: str, bytes, or None or True for a key without a value; order is kept.
        :param host: ``printer`` stands for ``printer.local``; None for the publishing host.
        """
        domain = _parsed_name("domain", domain)
        set_field = object.__setattr__
        set_field(self, "name", None if name is None else checked_instance(name).decode("utf-8"))
        set_field(self, "type", _parsed_type(type))
        set_field(self, "port", _checked_number("port", port))
        set_field(self, "txt", Text.for_publishing(txt))
        set_field(self, "host", None if host is None else _parsed_host(host, domain))
        set_field(self, "subtypes", _checked_subtypes(subtypes))
        set_field(self, "priority", _checked_number("priority", priority))
        set_field(self, "weight", _checked_number("weight", weight))
        set_field(self, "domain", domain)
        set_field(self, "flagship", None if flagship is None else _parsed_type(flagship))
        set_field(self, "more_txt", tuple(Text.for_publishing(one) for one in more_txt))
        self._check_whole()

    def _check_whole(self) -> None:
        for text in self.texts:
            if text.size > MULTICAST_TEXT_LIMIT:
                raise InvalidService(
                    "TXT", f"{text.size} octets; a multicast packet holds {MULTICAST_TEXT_LIMIT} at most"
                )
        if self.flagship == self.type:
            raise InvalidService("flagship", f"{self.type} is the service's own type")
        if not self.domain.labels:
            raise InvalidService("domain", "services are not published in the root")
        type_enumeration_name(self.domain)
        for subtype in self.subtypes:
            self.type.subtype_in_domain(subtype, self.domain)
        instance = "x" if self.name is None else self.name
        instance_name(instance, self.type, self.domain)
        if self.flagship is not None:
            instance_name(instance, self.flagship, self.domain)

    @property
    def texts(self) -> tuple[Text, ...]:
        """All TXT records of the service, at least one (RFC 6763 §6)."""
        return (self.txt, *self.more_txt)

    @property
    def full_name(self) -> Name:
        """The whole Service Instance Name.

        :raises InvalidService: while the service has no name of its own; see `named`.
        """
        if self.name is None:
            raise InvalidService("instance name", "the service has none yet")
        return instance_name(self.name, self.type, self.domain).full_name

    def named(self, default: str) -> Service:
        """Return this service when it has a name, else a copy that is named after its host or type.

        :param default: the host's name; whatever looks like a MAC address or serial number in it is left out
            (RFC 6763 §4.1.1).
        """
        return self if self.name is not None else replace(self, name=default_name(self.type, default))

    def notes(self) -> tuple[Note, ...]:
        """Return what is allowed and not advised, for a log or a person (RFC 6763 §6.2, §6.4)."""
        notes = [note for text in self.texts for note in text.notes()]
        try:
            self.type.check()
        except InvalidService as error:
            # The type was given as a ServiceType: types that break the rules exist, and somebody may have to
            # publish them.
            notes.insert(0, Note(str(error), warning=True))
        return tuple(notes)


def default_name(type: ServiceType, host: str) -> str:
    """Return an instance name for a service whose owner chose none: short, descriptive, and not made unique.

    "The default name ... SHOULD NOT include the device's Media Access Control (MAC) address, serial number,
    or any similar incomprehensible hexadecimal string" (RFC 6763 §4.1.1).

    :param host: the host's name, of which the first label is taken.
    """
    label = host.split(".")[0]
    for pattern in (_UUID, _MAC_ADDRESS, _MACHINE_MADE):
        label = pattern.sub("", label)
    label = label.strip("-_: ")
    return label or type.service


def _parsed_type(type: str | ServiceType) -> ServiceType:
    return type if isinstance(type, ServiceType) else ServiceType.parse(type)


def _parsed_name(part: str, name: str | Name) -> Name:
    if isinstance(name, Name):
        return name
    try:
        return Name.parse(name)
    except ValueError as error:
        raise InvalidService(f"{part} {name!r}", str(error)) from None


def _parsed_host(host: str | Name, domain: Name) -> Name:
    name = _parsed_name("host", host)
    if not name.labels:
        # RFC 6763 §8: with a root label as target "no conflict would be detected".
        raise InvalidService("host", "the root is no host")
    if len(name.labels) == 1 and isinstance(host, str) and not host.endswith("."):
        return Name.from_labels((*name.labels, *domain.labels))
    return name


def _checked_number(part: str, number: int) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise InvalidService(f"{part} {number!r}", "it is a whole number")
    if not 0 <= number <= 65535:
        raise InvalidService(f"{part} {number}", "it is not between 0 and 65535")
    return number


def _checked_subtypes(subtypes: Iterable[str | bytes]) -> tuple[bytes, ...]:
    if isinstance(subtypes, (str, bytes)):
        raise InvalidService(f"subtypes {subtypes!r}", "they are a list, even when there is but one")
    distinct: dict[bytes, bytes] = {}
    for subtype in subtypes:
        label = subtype_label(subtype)
        distinct.setdefault(label.lower(), label)
    return tuple(distinct.values())
