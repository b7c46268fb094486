"""Signatures of DNS messages by a shared secret, on dnspython (RFC 8945).

The time is that of the day, in seconds, and is passed in: both sides compare it, and so it cannot be a
duration. dnspython comes with the extra ``txmcast[update]`` and is imported when a key is first used.
"""

from __future__ import annotations

import hmac
import struct
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any, Final

from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.names import Name, end_of_wire
from mcast.dns.reading import HEADER_SIZE
from mcast.errors import McastError

FUDGE = 300
"""Seconds that the clocks of both sides may differ (RFC 8945 §10)."""

MIN_SECRET = 16
"""Octets of a secret below which a warning is due.

Our choice: RFC 8945 §10 wants one as long as the output of the hash; 128 bits are what nobody guesses.
"""

ALGORITHMS: Final = {
    "hmac-sha256": 32,
    "hmac-sha384": 48,
    "hmac-sha512": 64,
    "hmac-sha256-128": 16,
    "hmac-sha384-192": 24,
    "hmac-sha512-256": 32,
    "hmac-sha224": 28,
    "hmac-sha1": 20,
}
"""The algorithms, and how many octets their MACs have (RFC 8945 §6).

HMAC-MD5 is left out, as RFC 8945 §6 wants it; GSS-TSIG is another protocol.
"""

_RECORD: Final = struct.Struct("!HHIH")


class MissingExtra(McastError):
    """A package that a function needs is not installed; one line names the extra that has it."""


class TsigError(IntEnum):
    """The error field of a TSIG record (RFC 8945 §3)."""

    BADSIG = 16
    BADKEY = 17
    BADTIME = 18
    BADTRUNC = 22


class Fault(Enum):
    """Why a response is not believed."""

    UNSIGNED = "unsigned"
    MALFORMED = "malformed"
    OTHER_KEY = "signed with another key"
    FORGED = "the signature is wrong"
    TRUNCATED = "the signature is cut short"
    UNTIMELY = "signed at another time"


class NotAuthentic(McastError):
    """A response whose signature does not hold; the network is to blame."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"the response is not authentic: {fault.value}")
        self.fault = fault


@dataclass(frozen=True, slots=True)
class UpdateKey:
    """A secret that is shared with a server, under a name. Neither repr nor errors show the secret.

    :raises ValueError: the algorithm is none of those of RFC 8945, or there is no secret.
    """

    name: Name
    secret: bytes = field(repr=False)
    algorithm: str = "hmac-sha256"

    def __post_init__(self) -> None:
        if not isinstance(self.name, Name):
            raise TypeError(f"key name {self.name!r}: it is no Name")
        if self.algorithm not in ALGORITHMS:
            known = ", ".join(ALGORITHMS)
            raise ValueError(f"key {self.name}: algorithm {self.algorithm!r:.80} is none of {known}")
        if not isinstance(self.secret, bytes) or not self.secret:
            raise ValueError(f"key {self.name}: it has no secret")


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed message, and the MAC that its response is bound to (RFC 8945 §5.3)."""

    wire: bytes
    mac: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a server says of our signature."""

    error: int = 0
    """0, or a `TsigError`: then nothing was done."""
    server_time: int | None = None
    """The time of the server, when it says that ours is off (RFC 8945 §5.2.3)."""


def dnspython() -> Any:
    """Return the package dnspython, with what signs.

    :raises MissingExtra: it is not installed.
    """
    try:
        import dns.exception
        import dns.name
        import dns.rdtypes.ANY.TSIG
        import dns.tsig
        import dns.wire
    except ImportError:
        raise MissingExtra("a key for DNS updates needs dnspython: pip install 'txmcast[update]'") from None
    return dns


def sign(wire: bytes, key: UpdateKey, time: int, request_mac: bytes = b"") -> Signed:
    """Return a message with its signature as the last record (RFC 8945 §5.1).

    :param time: the time of the day, in seconds since 1970.
    :param request_mac: that of the request, when this is a response (RFC 8945 §5.3).
    """
    dns = dnspython()
    signing = _key_of(dns, key)
    (identifier,) = struct.unpack_from("!H", wire)
    empty = dns.rdtypes.ANY.TSIG.TSIG(
        RecordClass.ANY, RecordType.TSIG, signing.algorithm, time, FUDGE, b"", identifier, 0, b""
    )
    signature, _ = dns.tsig.sign(wire, signing, empty, time, request_mac)
    rdata: bytes = signature.to_wire()
    (count,) = struct.unpack_from("!H", wire, 10)
    record = _RECORD.pack(RecordType.TSIG, RecordClass.ANY, 0, len(rdata)) + rdata
    signed = wire[:10] + struct.pack("!H", count + 1) + wire[HEADER_SIZE:] + key.name.wire + record
    return Signed(signed, signature.mac)


def check(wire: bytes, key: UpdateKey, time: int, request_mac: bytes) -> Verdict:
    """Check the signature of a response to a signed request (RFC 8945 §5.4).

    An error that the server could not sign, since it does not share the key, is returned unchecked: it says
    that nothing was done, and whoever forges it gains a further try of ours.

    :param time: the time of the day, in seconds since 1970.
    :raises NotAuthentic: the response cannot be believed.
    """
    at = _signature_at(wire)
    owner, rdata = _signature(wire, at)
    dns = dnspython()
    try:
        signature = dns.rdtypes.ANY.TSIG.TSIG.from_wire_parser(
            RecordClass.ANY, RecordType.TSIG, dns.wire.Parser(rdata)
        )
    except (dns.exception.DNSException, ValueError, struct.error):
        raise NotAuthentic(Fault.MALFORMED) from None
    if signature.error in (TsigError.BADKEY, TsigError.BADSIG, TsigError.BADTRUNC):
        return Verdict(int(signature.error))
    signing = _key_of(dns, key)
    if owner != key.name or signature.algorithm != signing.algorithm:
        raise NotAuthentic(Fault.OTHER_KEY)
    _check_size(len(signature.mac), ALGORITHMS[key.algorithm])
    if not hmac.compare_digest(_mac_of(dns, wire[:at], signing, signature, request_mac), signature.mac):
        raise NotAuthentic(Fault.FORGED)
    if signature.error == TsigError.BADTIME:
        told = int.from_bytes(signature.other, "big") if len(signature.other) == 6 else None
        return Verdict(TsigError.BADTIME, told)
    if abs(signature.time_signed - time) > signature.fudge:
        raise NotAuthentic(Fault.UNTIMELY)
    return Verdict(int(signature.error))


def _check_size(size: int, whole: int) -> None:
    """Refuse a MAC of a wrong length (RFC 8945 §5.2.2.1).

    Our policy is that nothing but the whole MAC of the algorithm counts: the algorithms with two numbers in
    their name are those that are cut.
    """
    if size > whole or size < max(10, whole // 2):
        raise NotAuthentic(Fault.MALFORMED)
    if size != whole:
        raise NotAuthentic(Fault.TRUNCATED)


def _mac_of(dns: Any, unsigned: bytes, key: Any, signature: Any, request_mac: bytes) -> bytes:
    """Return the MAC that a response has when it is the server's."""
    (count,) = struct.unpack_from("!H", unsigned, 10)
    plain = unsigned[:10] + struct.pack("!H", count - 1) + unsigned[HEADER_SIZE:]
    expected, _ = dns.tsig.sign(plain, key, signature, signature.time_signed, request_mac)
    mac: bytes = expected.mac
    return mac


def _key_of(dns: Any, key: UpdateKey) -> Any:
    name = dns.name.Name((*key.name.labels, b""))
    return dns.tsig.Key(name, key.secret, dns.name.from_text(key.algorithm))


def _signature_at(wire: bytes) -> int:
    """Return where the last record of a message begins.

    :raises NotAuthentic: the message has no record, or ends before it.
    """
    try:
        _, _, questions, answers, authorities, additionals = struct.unpack_from("!6H", wire)
        if not additionals:
            raise NotAuthentic(Fault.UNSIGNED)
        at = HEADER_SIZE
        for _ in range(questions):
            at = _after_name(wire, at) + 4
        for _ in range(answers + authorities + additionals - 1):
            at = _after_name(wire, at)
            at += _RECORD.size + _RECORD.unpack_from(wire, at)[3]
    except (IndexError, struct.error):
        raise NotAuthentic(Fault.MALFORMED) from None
    return at


def _signature(wire: bytes, at: int) -> tuple[Name, bytes]:
    """Return owner and rdata of the TSIG record that is the last in a message (RFC 8945 §5.2)."""
    try:
        after = _after_name(wire, at)
        rtype, rclass, _, length = _RECORD.unpack_from(wire, after)
        if rtype != RecordType.TSIG:
            raise NotAuthentic(Fault.UNSIGNED)
        rdata = wire[after + _RECORD.size :]
        # RFC 8945 §5.2: the name is not compressed by those who sign it, so that it stands for itself.
        owner = Name(wire[at : end_of_wire(wire, at)])
    except (IndexError, ValueError, struct.error):
        raise NotAuthentic(Fault.MALFORMED) from None
    if rclass != RecordClass.ANY or len(rdata) != length:
        raise NotAuthentic(Fault.MALFORMED)
    return owner, rdata


def _after_name(wire: bytes, at: int) -> int:
    """Return the position after a name, which a pointer may end."""
    while length := wire[at]:
        if length >= 0xC0:
            return at + 2
        at += 1 + length
    return at + 1
