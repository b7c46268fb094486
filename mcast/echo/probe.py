"""The datagram that `mcast ping` sends: numbered, and known again when it comes back."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum

_LAYOUT = struct.Struct("!4sIII")


class ProbeKind(Enum):
    """What a probe asks for, or what of it came back; the value is the mark it begins with. Our choice."""

    PLAIN = b"mcp1"
    """To be echoed, by unicast."""
    BOTH = b"mcb1"
    """To be echoed, and answered to the group besides. It comes back so where that is not done."""
    PROMISE = b"mca1"
    """The echo, by unicast, of one that was answered to the group as well."""
    GROUP = b"mcg1"
    """The answer to the group."""


_KINDS = {kind.value: kind for kind in ProbeKind}

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
    kind: ProbeKind = ProbeKind.PLAIN

    def encode(self, size: int) -> bytes:
        """Return a datagram of ``size`` octets.

        One that is shorter than `PROBE_HEADER_SIZE` is cut, and has no number.
        """
        header = _LAYOUT.pack(self.kind.value, self.session, self.interface, self.number & 0xFFFFFFFF)
        # Filled with counting octets and not with zeros, so that a capture shows where a datagram was cut.
        filling = bytes(range(256)) * ((max(size, 0) >> 8) + 1)
        return (header + filling[: max(size - len(header), 0)])[:size]

    @classmethod
    def decode(cls, data: bytes) -> Probe | None:
        """Return the probe that was echoed, or None when ``data`` is something else."""
        kind = _KINDS.get(data[:4])
        if len(data) < PROBE_HEADER_SIZE or kind is None:
            return None
        _, session, interface, number = _LAYOUT.unpack_from(data)
        return cls(session, interface, number, kind)


def marked(data: bytes, kind: ProbeKind) -> bytes:
    """Return a probe with the mark of another kind."""
    return kind.value + data[4:]
