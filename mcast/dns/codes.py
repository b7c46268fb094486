"""The code points of DNS that Multicast DNS uses or must know the layout of."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class RecordType(IntEnum):
    """TYPE values (RFC 1035 §3.2.2 and the RFC named beside each later one).

    A type that is not listed is carried as a plain integer: an unknown type is no error.
    """

    A = 1
    NS = 2
    MD = 3
    MF = 4
    CNAME = 5
    SOA = 6
    MB = 7
    MG = 8
    MR = 9
    PTR = 12
    HINFO = 13
    MINFO = 14
    MX = 15
    TXT = 16
    RP = 17  # RFC 1183
    AFSDB = 18  # RFC 1183
    RT = 21  # RFC 1183
    SIG = 24  # RFC 2931: with "type covered" 0 it signs the message, and is a pseudo-record
    PX = 26  # RFC 2163
    AAAA = 28  # RFC 3596
    LOC = 29  # RFC 1876
    NXT = 30  # RFC 2535
    SRV = 33  # RFC 2782
    NAPTR = 35  # RFC 3403
    KX = 36  # RFC 2230
    DNAME = 39  # RFC 6672
    OPT = 41  # RFC 6891, a pseudo-record
    DS = 43  # RFC 4034
    SSHFP = 44  # RFC 4255
    RRSIG = 46  # RFC 4034
    NSEC = 47  # RFC 4034, RFC 6762 §6.1
    DNSKEY = 48  # RFC 4034
    DHCID = 49  # RFC 4701
    TLSA = 52  # RFC 6698
    SMIMEA = 53  # RFC 8162
    HIP = 55  # RFC 8005
    CDS = 59  # RFC 7344
    CDNSKEY = 60  # RFC 7344
    SVCB = 64  # RFC 9460
    HTTPS = 65  # RFC 9460
    TKEY = 249  # RFC 2930, a pseudo-record
    TSIG = 250  # RFC 8945, a pseudo-record
    ANY = 255
    CAA = 257  # RFC 8659


class RecordClass(IntEnum):
    """CLASS values (RFC 1035 §3.2.4); only 15 bits of the field hold the class (RFC 6762 §22)."""

    IN = 1
    NONE = 254  # RFC 2136
    ANY = 255


class Opcode(IntEnum):
    """OPCODE values (RFC 1035 §4.1.1); Multicast DNS knows only QUERY (RFC 6762 §18.3)."""

    QUERY = 0
    NOTIFY = 4
    UPDATE = 5
    DSO = 6  # RFC 8490


class ResponseCode(IntEnum):
    """RCODE values (RFC 1035 §4.1.1); Multicast DNS knows only NOERROR (RFC 6762 §18.11)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    NOTAUTH = 9  # RFC 2136
    DSOTYPENI = 11  # RFC 8490


class Flag(IntEnum):
    """Bits of the second 16-bit word of the header (RFC 6762 §18.2 to §18.11)."""

    RESPONSE = 0x8000
    AUTHORITATIVE = 0x0400
    TRUNCATED = 0x0200
    RECURSION_DESIRED = 0x0100
    RECURSION_AVAILABLE = 0x0080
    ZERO = 0x0040
    AUTHENTIC_DATA = 0x0020
    CHECKING_DISABLED = 0x0010


OPCODE_MASK: Final = 0x7800
"""The bits of the flags that hold the OPCODE (RFC 6762 §18.3)."""

OPCODE_SHIFT: Final = 11
"""How far the OPCODE is shifted to the left within the flags."""

RCODE_MASK: Final = 0x000F
"""The bits of the flags that hold the RCODE (RFC 6762 §18.11)."""

TOP_BIT: Final = 0x8000
"""The top bit of a class field.

In a question it means "unicast response wanted" (RFC 6762 §18.12), in a record "cache flush"
(RFC 6762 §18.13).
"""

CLASS_MASK: Final = 0x7FFF
"""The bits of a class field that hold the class, and so the highest class (RFC 6762 §22)."""

QUERY_FLAGS: Final = 0
"""The flags of every query that we send: all bits zero (RFC 6762 §18.2 to §18.11)."""

RESPONSE_FLAGS: Final = int(Flag.RESPONSE | Flag.AUTHORITATIVE)
"""The flags of every multicast response that we send: QR and AA (RFC 6762 §18.2, §18.4)."""

PSEUDO_TYPES: Final = frozenset({int(RecordType.OPT), int(RecordType.TKEY), int(RecordType.TSIG)})
"""Types that describe the message and are no data.

The cache-flush bit does not apply to them, and they never enter a cache (RFC 6762 §10.2). A SIG record is one
as well when its "type covered" is 0.
"""
