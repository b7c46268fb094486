"""What a program looks for: names and types, in each form in which a caller may give them.

A name that came from the network is looked for exactly as it came, in whatever form its octets are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mcast.dns.names import LOCAL, Name
from mcast.dns.presentation import parse_type
from mcast.dnssd.instances import INSTANCE_LIMIT, InstanceName
from mcast.dnssd.types import SUBTYPE_LABEL, ServiceType, encoded, parse_types, subtype_label
from mcast.errors import InvalidService
from mcast.mdns.domains import is_multicast_name

SoughtName = str | bytes | Name | InstanceName
"""A whole name: text as zone files write it, octets in wire form, or what a found service has."""

SoughtType = str | bytes | ServiceType
"""A service type; as text or octets, its subtypes may follow after commas."""


def sought_name(name: SoughtName) -> Name:
    """Return the whole name that is meant.

    :raises TypeError: it is none of the forms of a name.
    :raises ValueError: the text or the octets are no name.
    """
    if isinstance(name, Name):
        return name
    if isinstance(name, InstanceName):
        return name.full_name
    if isinstance(name, bytes):
        return Name.from_wire(name)
    if isinstance(name, str):
        return Name.parse(name)
    raise TypeError(f"a name is str, bytes, Name or InstanceName, not {name!r}")


def on_link(name: Name) -> Name:
    """Return a name that is looked up by multicast.

    :raises ValueError: it is not: anybody on the link could answer for it (RFC 6762 §3, §13).
    """
    if not is_multicast_name(name):
        raise ValueError(
            f"{name}: outside of .local; anybody on the link could answer for it, so it is not asked for"
        )
    return name


def sought_hosts(host: SoughtName) -> tuple[Name, ...]:
    """Return the whole names under which a host is looked for, mostly one; see `sought_services`.

    :raises TypeError: it is none of the forms of a name.
    :raises ValueError: the text or the octets are no name.
    """
    names = _spellings(host) if isinstance(host, str) else (sought_name(host),)
    return tuple(map(sought_host, names))


def sought_host(host: SoughtName) -> Name:
    """Return the whole name of a host: "local." is appended to a single label only (RFC 6762 §21).

    :raises TypeError: it is none of the forms of a name.
    :raises ValueError: the text or the octets are no name.
    """
    name = sought_name(host)
    return Name.from_labels((*name.labels, *LOCAL.labels)) if len(name.labels) == 1 else name


def sought_type(service_type: SoughtType) -> ServiceType:
    """Return a type that has no subtypes; the rules of RFC 6335 do not apply to what others publish.

    :raises TypeError: it is none of the forms of a type.
    :raises InvalidService: the text or the octets are no type.
    """
    if isinstance(service_type, ServiceType):
        return service_type
    if isinstance(service_type, bytes):
        return ServiceType.parse(service_type.decode("latin-1"), strict=False)
    if isinstance(service_type, str):
        return ServiceType.parse(service_type, strict=False)
    raise TypeError(f"a service type is str, bytes or ServiceType, not {service_type!r}")


def sought_types(*types: SoughtType) -> tuple[tuple[ServiceType, bytes | None], ...]:
    """Return each type with each of its subtypes, or with None where all its services are meant.

    :param types: such as ``_http._tcp``, or ``_http._tcp,_printer,_scanner`` for those services only that
        have one of these subtypes.
    :raises TypeError: there is none, or one is none of the forms of a type.
    :raises InvalidService: a type or subtype cannot be one.
    """
    if not types:
        raise TypeError("at least one service type is needed; browse_types() tells which there are")
    wanted: list[tuple[ServiceType, bytes | None]] = []
    for each in types:
        service_type, subtypes = _divided(each)
        wanted += [(service_type, subtype_label(subtype)) for subtype in subtypes] or [(service_type, None)]
    return tuple(wanted)


def sought_services(
    name: SoughtName, service_type: SoughtType | None = None, domain: SoughtName = LOCAL
) -> tuple[Name, ...]:
    """Return the whole names under which a service is looked for, mostly one.

    Text is looked for as it was typed, and in NFC, in which it should have been published (RFC 6762 §16).
    Octets that are no UTF-8 may stand in it as they are shown (``\\xe9``), or as Python takes them from a
    command line (PEP 383). So may the dots of an instance name before a type in ``local.``.

    :param name: beside a type, text and octets are the instance name alone, one label; without, the whole.
    :param service_type: may be left out when the name is whole.
    :param domain: where an instance name belongs.
    :raises TypeError: the name or the type is none of its forms.
    :raises InvalidService: the name or type cannot be one, or a whole name is of another type or domain.
    """
    wanted = None if service_type is None else sought_type(service_type)
    within = sought_name(domain)
    if wanted is not None and isinstance(name, str | bytes):
        return tuple([InstanceName.from_label(label, wanted, within).full_name for label in _labels_of(name)])
    wholes = _wholes_of(name)
    for whole in wholes:
        if wanted is not None and whole.type != wanted:
            raise InvalidService(f"instance name {str(whole)!r}", f"its type is not {wanted}")
        if within not in (LOCAL, whole.domain):
            raise InvalidService(f"instance name {str(whole)!r}", f"its domain is not {within}")
    return tuple([whole.full_name for whole in wholes])


def sought_record_type(record_type: int | str) -> int:
    """Return the number of a record type; ``"AAAA"`` and ``"TYPE65"`` are read too.

    :raises TypeError: it is neither a number nor text.
    :raises ValueError: the text is no type, or the number is not between 1 and 65535.
    """
    if isinstance(record_type, str):
        return parse_type(record_type)
    if isinstance(record_type, bool) or not isinstance(record_type, int):
        raise TypeError(f"a record type is str or int, not {record_type!r}")
    if not 0 < record_type <= 0xFFFF:
        raise ValueError(f"record type {record_type}: it is not between 1 and 65535")
    return record_type


def _divided(service_type: SoughtType) -> tuple[ServiceType, Sequence[str | bytes]]:
    """Return a type without its subtypes, and these."""
    if isinstance(service_type, str):
        return parse_types(service_type, strict=False)
    if isinstance(service_type, bytes):
        octets, *labels = service_type.split(b",")
        return sought_type(octets), labels
    return sought_type(service_type), ()


def _labels_of(instance: str | bytes) -> tuple[bytes, ...]:
    if isinstance(instance, bytes):
        labels = [instance]
    else:
        if _OCTETS.search(instance):
            labels = [instance.encode("utf-8", "surrogateescape")]
        else:
            labels = [
                encoded("instance name", instance, normalize=False),
                encoded("instance name", instance),
            ]
        if _SHOWN.search(instance):
            labels.append(_SHOWN.sub(_surrogates, instance).encode("utf-8", "surrogateescape"))
    fitting = tuple(dict.fromkeys([label for label in labels if 1 <= len(label) <= INSTANCE_LIMIT]))
    if not fitting:
        raise InvalidService(
            f"instance name {instance!r}", f"{len(labels[-1])} octets; it has 1 to {INSTANCE_LIMIT}"
        )
    return fitting


def _completed(name: Name) -> Name:
    """Return a name that ends with its type, ``My Web._http._tcp``, in the domain that is meant then."""
    if len(name.labels) == 3 and name.labels[2].lower() in (b"_tcp", b"_udp"):
        return Name.from_labels((*name.labels, *LOCAL.labels))
    return name


def _joined(name: Name) -> Name:
    """Return a name whose instance was typed with its dots as they are shown, ``Dr. Who._http._tcp``.

    What else could stand before a type in ``local.`` is a subtype, and that is no service.
    """
    labels, domain = (name.labels[:-1], LOCAL.labels) if name.is_within(LOCAL) else (name.labels, ())
    *instance, service, protocol = labels if len(labels) > 3 else (b"", b"")
    if protocol.lower() not in (b"_tcp", b"_udp") or not service.startswith(b"_"):
        return name
    joined = b".".join(instance)
    if instance[-1].lower() == SUBTYPE_LABEL or len(joined) > INSTANCE_LIMIT:
        return name
    return Name.from_labels((joined, service, protocol, *domain))


def _wholes_of(name: SoughtName) -> tuple[InstanceName, ...]:
    try:
        names: Sequence[Name] = _spellings(name) if isinstance(name, str) else (sought_name(name),)
    except ValueError as error:
        raise InvalidService(f"instance name {name!r}", str(error)) from None
    if isinstance(name, str):
        names = [_joined(one) for one in names]
    names = [_completed(one) for one in names]
    return tuple([InstanceName.from_name(one) for one in names])


def _spellings(text: str) -> tuple[Name, ...]:
    """Return the whole names that a text may mean: as it stands, in NFC, and as it would be shown."""
    octets = _OCTETS.sub(_zone_form, text)
    names = [Name.parse(octets, normalize=False), Name.parse(octets)]
    if _SHOWN.search(text):
        names.append(Name.parse(_SHOWN.sub(_zone_form, octets), normalize=False))
    if _LONE.search(octets):
        names.append(Name.parse(_LONE.sub(r"\\\\", octets), normalize=False))
    # Two names are equal when they differ at most in the case of ASCII letters.
    return tuple(dict.fromkeys(names))


_OCTETS = re.compile("[\udc80-\udcff]")
"""Octets that are no UTF-8, as Python takes them from a command line (PEP 383)."""

_LONE = re.compile(r"\\(?![.\\]|[0-9]{3})(?<!\\\\)")
"""A backslash that a list shows as it is: before a dot, another or digits it is one of zone files."""

_SHOWN = re.compile(r"\\x([89a-f][0-9a-f])|\\u([0-9a-f]{4})|\\U(00[01][0-9a-f]{5})")
"""Octets and characters that are not shown as they are; see `mcast.showing`."""


def _surrogates(found: re.Match[str]) -> str:
    """Return what was shown: octets by PEP 383, so that all is text."""
    octet, *characters = found.groups()
    if octet is not None:
        return chr(0xDC00 + int(octet, 16))
    character = chr(int(characters[0] or characters[1], 16))
    # A surrogate is no character, and stays as it was typed.
    return found[0] if "\ud800" <= character <= "\udfff" else character


def _zone_form(found: re.Match[str]) -> str:
    """Return a match of `_OCTETS` or of `_SHOWN` as the text of zone files has it."""
    text = found[0] if found.re is _OCTETS else _surrogates(found)
    return "".join([f"\\{octet:03d}" for octet in text.encode("utf-8", "surrogateescape")])
