"""The contents of a file of services, whichever format it has."""

from __future__ import annotations

from dataclasses import dataclass

from mcast.dns.records import Record
from mcast.dnssd.service import Service
from mcast.dnssd.text import Note


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """A record that is to be published as it stands."""

    record: Record
    shared: bool = False
    """Whether other hosts may have records of the same name and type (RFC 6762 §2)."""


@dataclass(frozen=True, slots=True)
class ServicesFile:
    """The contents of one file."""

    services: tuple[Service, ...]
    hostname: str | None = None
    """The label that the host is to have, when the file says so."""

    notes: tuple[Note, ...] = ()
    """What was found and passed over, or is not advised; each names file and line."""

    records: tuple[RecordEntry, ...] = ()
