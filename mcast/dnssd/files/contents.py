"""What a file of services says, whichever format it has."""

from __future__ import annotations

from dataclasses import dataclass

from mcast.dnssd.service import Service
from mcast.dnssd.text import Note


@dataclass(frozen=True, slots=True)
class ServicesFile:
    """The contents of one file."""

    services: tuple[Service, ...]
    hostname: str | None = None
    """The label the host is to have, when the file says so."""

    notes: tuple[Note, ...] = ()
    """What was found and passed over, or is not advised; each names file and line."""
