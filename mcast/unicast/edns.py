"""EDNS(0): what a querier can take, and what a server tells of itself (RFC 6891)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, PseudoRecord
from mcast.dns.names import ROOT

VERSION = 0
"""The highest version of EDNS that we speak (RFC 6891 §6.1.3)."""

BADVERS = 16
"""The extended RCODE for a higher version (RFC 6891 §9)."""

MIN_PAYLOAD = 512
"""Octets that every requestor can take; a lower value is taken for this one (RFC 6891 §6.2.3)."""

DEFAULT_PAYLOAD = 1232
"""The UDP payload size that we tell, and the most that we send by UDP.

Our choice: what the packet of 1280 octets that every IPv6 link carries has room for, so that no answer is
fragmented (DNS flag day 2020).
"""

DNSSEC_OK: Final = 0x8000
"""The DO bit in the lower half of the TTL field (RFC 3225 §3, RFC 6891 §6.1.4)."""

_OPTION: Final = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class Option:
    """An option of EDNS (RFC 6891 §6.1.2)."""

    code: int
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Edns:
    """What an OPT record says (RFC 6891 §6.1)."""

    payload: int = DEFAULT_PAYLOAD
    """Octets of UDP payload that the sender can take; at least 512 (§6.2.3)."""
    version: int = VERSION
    dnssec_ok: bool = False
    extended_rcode: int = 0
    """The upper eight bits of a response code (§6.1.3)."""
    options: tuple[Option, ...] = ()

    def record(self) -> PseudoRecord:
        """Return the OPT record that says this."""
        ttl = self.extended_rcode << 24 | self.version << 16 | (DNSSEC_OK if self.dnssec_ok else 0)
        rdata = b"".join([_OPTION.pack(each.code, len(each.data)) + each.data for each in self.options])
        return PseudoRecord(ROOT, RecordType.OPT, self.payload, ttl, rdata)


class MalformedEdns(ValueError):
    """The OPT record of a message breaks a rule: the answer is FORMERR (RFC 6891 §6.1.1)."""


def edns_of(message: Message) -> Edns | None:
    """Return what the OPT record of a message says; None when it has none.

    :raises MalformedEdns: there is more than one, its name is not the root, or its options are cut short.
    """
    found = [each for each in message.pseudo if each.type == RecordType.OPT]
    if not found:
        return None
    if len(found) > 1:
        raise MalformedEdns("more than one OPT record")
    (opt,) = found
    if opt.name != ROOT:
        raise MalformedEdns("the name of an OPT record is the root")
    return Edns(
        payload=max(opt.rclass, MIN_PAYLOAD),
        version=opt.ttl >> 16 & 0xFF,
        dnssec_ok=bool(opt.ttl & DNSSEC_OK),
        extended_rcode=opt.ttl >> 24,
        options=tuple(_options(opt.rdata)),
    )


def _options(rdata: bytes) -> Iterable[Option]:
    position = 0
    while position < len(rdata):
        if position + _OPTION.size > len(rdata):
            raise MalformedEdns("an option is cut short")
        code, length = _OPTION.unpack_from(rdata, position)
        position += _OPTION.size
        if position + length > len(rdata):
            raise MalformedEdns("an option is cut short")
        yield Option(code, rdata[position : position + length])
        position += length
