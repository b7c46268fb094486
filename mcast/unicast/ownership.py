"""How names in a zone are known as ours: a marker beside the records, and a list of what we have.

The marker is a DHCID record (RFC 4701), which was made for this: DHCP servers and their clients tell by it
whose a name is before they touch it (RFC 4703). A TXT record would be read as attributes of the service
(RFC 6763 §6.8), and the target of an SRV record is not ours alone: two programs of one host have the same. No
client of DNS-SD asks for DHCID, and every server that takes updates knows it. It holds a digest, so that
nobody learns from it who we are, or that two names have one owner.

The list is a set of PTR records at a name that only the owner can work out. It is written in the same update
as what it lists, and so after a crash tells the next start what was left.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from mcast.dns import records
from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.names import Name
from mcast.dns.records import Record

LIST_LABEL = b"_mcast-owner"
"""Above the lists of all owners in a zone. Our choice: an underscore keeps it apart from hosts."""

_DUID = b"\x00\x02"
"""The identifier is a DUID (RFC 4701 §3.3)."""
_SHA_256 = b"\x01"
"""The digest is SHA-256 (RFC 4701 §3.4)."""
_DUID_UUID = b"\x00\x04"
"""The DUID is a UUID (RFC 6355 §4)."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who registers: the same after a crash and a restart, another one for each program and host."""

    identity: bytes
    """16 octets."""
    ttl: int = 120

    @classmethod
    def of(cls, *parts: str) -> Owner:
        """Make one of texts that together are this program's alone, such as the machine's id and a label."""
        digest = hashlib.sha256(b"\0".join([b"mcast owner", *(part.encode() for part in parts)]))
        return cls(digest.digest()[:16])

    def marker(self, name: Name) -> Record:
        """Return the record that says that a name is ours (RFC 4701 §3.5)."""
        rdata = _DUID + _SHA_256 + self._digest(name)
        return Record(name, RecordType.DHCID, RecordClass.IN, self.ttl, rdata)

    def list_name(self, zone: Name) -> Name:
        """Return the name at which all names of ours in a zone are listed."""
        return Name.from_labels((self._digest(zone).hex()[:32].encode(), LIST_LABEL, *zone.labels))

    def listed(self, name: Name, zone: Name) -> Record:
        """Return the record that lists a name."""
        return records.pointer(self.list_name(zone), name, ttl=self.ttl)

    def subtypes_name(self, name: Name, zone: Name) -> Name:
        """Return the name at which the subtypes of a service of ours are listed."""
        return self.list_name(zone).prefixed(self._digest(name).hex()[:32].encode())

    def _digest(self, name: Name) -> bytes:
        return hashlib.sha256(_DUID_UUID + self.identity + name.key).digest()
