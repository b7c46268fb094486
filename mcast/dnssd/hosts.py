"""Host names: the label that a host takes (RFC 6762 §3)."""

from __future__ import annotations

import re

from mcast.dns.names import LOCAL, Name
from mcast.dnssd.renaming import shortened
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
