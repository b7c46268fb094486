"""Hosts as a program describes them, and the labels that they take (RFC 6762 §3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Literal

from mcast.dns.names import LOCAL, Name
from mcast.dnssd.types import encoded
from mcast.errors import InvalidService

FALLBACK_LABEL = "host"
"""Our choice, for systems whose name has nothing that can serve; a conflict makes it "host-2"."""


class Auto(Enum):
    """The type of `AUTO`."""

    AUTO = "auto"

    def __repr__(self) -> str:
        return "AUTO"


AUTO: Final = Auto.AUTO
"""In place of addresses: those that each interface has, followed as they change."""

HostAddresses = Iterable[str | IPv4Address | IPv6Address] | Literal[Auto.AUTO]
"""The addresses of a host as a caller gives them."""


@dataclass(frozen=True, slots=True, init=False)
class Host:
    """A host to publish: a name under ``local.`` and its addresses.

    :raises InvalidService: the name cannot be a host's, or an address is none.
    """

    name: str | None
    """The label before ``.local``, in NFC; None for the host that publishes it."""

    addresses: tuple[IPv4Address | IPv6Address, ...] | Literal[Auto.AUTO]
    """The addresses, each once, or `AUTO`."""

    def __init__(self, name: str | None = None, addresses: HostAddresses = AUTO) -> None:
        """Check and take over a description; ``kitchen.local`` is taken for ``kitchen``."""
        object.__setattr__(self, "name", None if name is None else checked_host_label(name))
        object.__setattr__(self, "addresses", _checked_addresses(addresses))


@dataclass(frozen=True, slots=True, init=False)
class Alias:
    """A further name of the host that publishes it, by a CNAME record.

    :raises InvalidService: the name cannot be a host's.
    """

    name: str
    """The label before ``.local``, in NFC."""

    def __init__(self, name: str) -> None:
        """Check and take over a name; ``www.local`` is taken for ``www``."""
        object.__setattr__(self, "name", checked_host_label(name))


def _checked_addresses(
    addresses: HostAddresses,
) -> tuple[IPv4Address | IPv6Address, ...] | Literal[Auto.AUTO]:
    if isinstance(addresses, Auto):
        return addresses
    if isinstance(addresses, str | bytes | IPv4Address | IPv6Address):
        raise InvalidService(f"addresses {addresses!r}", "they are a list, even when there is only one")
    return tuple(dict.fromkeys(_checked_address(address) for address in addresses))


def _checked_address(address: str | IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    part = f"address {address}"
    if isinstance(address, str):
        try:
            address = ip_address(address)
        except ValueError:
            raise InvalidService(part, "it is no IP address") from None
    elif not isinstance(address, IPv4Address | IPv6Address):
        raise InvalidService(f"address {address!r}", "it is no IP address")
    if address.is_multicast or address.is_unspecified:
        raise InvalidService(part, "no host has this address")
    return address


_NO_HOST_CHARACTERS = re.compile(r"[^0-9a-z-]+", re.IGNORECASE | re.ASCII)


def host_label(system_name: str) -> str:
    """Return the label for a host of this system name: its first label, made fit to be a host name.

    What is neither letter, digit nor hyphen becomes a hyphen: RFC 6762 allows any UTF-8, and programs that
    look up host names often do not. `checked_host_label` is for names that a person chose.
    """
    label = _NO_HOST_CHARACTERS.sub("-", system_name.strip().split(".")[0]).strip("-")
    if not label or label.lower() == "localhost":
        # A host that has not been named says "localhost", and so do all the others (RFC 6761 §6.3).
        return FALLBACK_LABEL
    return shortened(label).rstrip("-")


def checked_host_label(label: str) -> str:
    """Return a host label that somebody chose, in NFC; ``kitchen.local`` is taken for ``kitchen``.

    :raises InvalidService: when it cannot be the one label before ``local``.
    """
    part = f"host name {label!r}"
    if not isinstance(label, str):
        raise TypeError(f"{part}: it is a str")
    octets = encoded("host name", re.sub(r"\.local\.?$", "", label, flags=re.IGNORECASE))
    if not 1 <= len(octets) <= 63:
        raise InvalidService(part, f"{len(octets)} octets in UTF-8; it has 1 to 63")
    text = octets.decode("utf-8")
    if "." in text:
        raise InvalidService(part, 'it is one label; "local" follows by itself')
    if not text.isprintable() or " " in text:
        raise InvalidService(part, "it has spaces or control characters")
    return text


def host_name(label: str, domain: Name = LOCAL) -> Name:
    """Return the host's full name, ``kitchen.local.``"""
    return Name.from_labels((label, *domain.labels))


LABEL_LIMIT = 63
"""Octets in a label (RFC 1035 §2.3.4)."""

# Nine digits at most: a longer number at the end is nobody's count, and int() of a label stays cheap.
_INSTANCE_NUMBER = re.compile(r"^(?P<base>.*) \((?P<number>[1-9][0-9]{0,8})\)$", re.DOTALL)
_HOST_NUMBER = re.compile(r"^(?P<base>.+)-(?P<number>[1-9][0-9]{0,8})$", re.DOTALL)


def next_instance(instance: str) -> str:
    """Return the instance name to try after this one: "Music", "Music (2)", "Music (3)"….

    A name that has no room for the number is shortened between two characters.
    """
    return _numbered(instance, _INSTANCE_NUMBER, " ({})")


def numbered_instance(instance: str, number: int) -> str:
    """Return the instance name with this number in place of any other: "Music (57)"."""
    return _numbered(instance, _INSTANCE_NUMBER, " ({})", number)


def next_host(label: str) -> str:
    """Return the host label to try after this one: "printer", "printer-2", "printer-3"…."""
    return _numbered(label, _HOST_NUMBER, "-{}")


def numbered_host(label: str, number: int) -> str:
    """Return the host label with this number in place of any other: "printer-57"."""
    return _numbered(label, _HOST_NUMBER, "-{}", number)


def shortened(text: str, limit: int = LABEL_LIMIT) -> str:
    """Return as much of a text as fits in ``limit`` octets of UTF-8, cut between two characters."""
    octets = encoded("name", text)
    if len(octets) <= limit:
        return octets.decode("utf-8")
    # What is cut in the middle of a character is no UTF-8, and is left out.
    return octets[:limit].decode("utf-8", "ignore")


def _numbered(name: str, numbered: re.Pattern[str], form: str, number: int | None = None) -> str:
    """Return a name with a number, by default the next one."""
    found = numbered.match(name)
    base, following = (found["base"], int(found["number"]) + 1) if found else (name, 2)
    suffix = form.format(following if number is None else number)
    return shortened(base, LABEL_LIMIT - len(suffix)).rstrip(" -" if form.startswith("-") else " ") + suffix
