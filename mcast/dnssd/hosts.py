"""Host names: the label that a host takes (RFC 6762 §3)."""

from __future__ import annotations

import re

from mcast.dns.names import LOCAL, Name
from mcast.dnssd.types import encoded
from mcast.errors import InvalidService

FALLBACK_LABEL = "host"
"""Our choice, for systems whose name has nothing that can serve; a conflict makes it "host-2"."""

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
    return _next(instance, _INSTANCE_NUMBER, " ({})")


def next_host(label: str) -> str:
    """Return the host label to try after this one: "printer", "printer-2", "printer-3"…."""
    return _next(label, _HOST_NUMBER, "-{}")


def shortened(text: str, limit: int = LABEL_LIMIT) -> str:
    """Return as much of a text as fits in ``limit`` octets of UTF-8, cut between two characters."""
    octets = encoded("name", text)
    if len(octets) <= limit:
        return octets.decode("utf-8")
    # What is cut in the middle of a character is no UTF-8, and is left out.
    return octets[:limit].decode("utf-8", "ignore")


def _next(name: str, numbered: re.Pattern[str], form: str) -> str:
    found = numbered.match(name)
    base, number = (found["base"], int(found["number"]) + 1) if found else (name, 2)
    suffix = form.format(number)
    return shortened(base, LABEL_LIMIT - len(suffix)).rstrip(" -" if form.startswith("-") else " ") + suffix
