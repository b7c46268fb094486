"""The datagram that `mcast ping` sends: numbered, and known again when it comes back."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_LAYOUT = struct.Struct("!4sIII")
_MAGIC = b"mcp1"

PROBE_HEADER_SIZE = _LAYOUT.size
"""Octets of a probe before its filling: a mark, the session, the interface and the number. Our choice."""

MAX_PROBE_SIZE = 65_507
"""The largest UDP payload over IPv4 (RFC 768, RFC 791).

65,535 octets less 20 of IP header and 8 of UDP header."""

DEFAULT_PROBE_SIZE = 56
"""Octets of a probe when none are asked for. Our choice: what ``ping`` has always sent."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe, as it was sent on one interface."""

    session: int
    """A random number of 32 bits that tells the probes of one client from another's."""
    interface: int
    """The index of the interface it was sent by."""
    number: int
    """Counted from 0 in each session; the same on every interface."""

    def encode(self, size: int) -> bytes:
        """Return a datagram of ``size`` octets.

        One that is shorter than `PROBE_HEADER_SIZE` is cut, and has no number.
        """
        header = _LAYOUT.pack(_MAGIC, self.session, self.interface, self.number & 0xFFFFFFFF)
        # Filled with counting octets and not with zeros, so that a capture shows where a datagram was cut.
        filling = bytes(range(256)) * ((max(size, 0) >> 8) + 1)
        return (header + filling[: max(size - len(header), 0)])[:size]

    @classmethod
    def decode(cls, data: bytes) -> Probe | None:
        """Return the probe that was echoed, or None when ``data`` is something else."""
        if len(data) < PROBE_HEADER_SIZE or not data.startswith(_MAGIC):
            return None
        _, session, interface, number = _LAYOUT.unpack_from(data)
        return cls(session, interface, number)
