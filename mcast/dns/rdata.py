"""Where names stand in the rdata of the types that have names, and how a pointer looks."""

from __future__ import annotations

from typing import Final, NamedTuple

from mcast.dns.codes import RecordType
from mcast.dns.names import end_of_wire

POINTER: Final = 0xC000
"""The bits that tell a pointer from a label; the other bits say where it leads (RFC 1035 §4.1.4)."""

ANY_TAIL: Final = -1
"""A `Layout.tail` of any length."""


class Layout(NamedTuple):
    """The order of things in rdata: fixed octets, character strings, names, and what is left."""

    fixed: int
    """Octets before everything else."""
    strings: int
    """Character strings (a length octet, then as many octets) after those."""
    names: int
    """Names after those."""
    tail: int = 0
    """Octets after the names, or `ANY_TAIL`."""


_NAME = Layout(0, 0, 1)
_TWO_NAMES = Layout(0, 0, 2)
_PREFERENCE_NAME = Layout(2, 0, 1)

LAYOUTS: Final[dict[int, Layout]] = {
    RecordType.NS: _NAME,
    RecordType.MD: _NAME,
    RecordType.MF: _NAME,
    RecordType.CNAME: _NAME,
    RecordType.SOA: Layout(0, 0, 2, 20),
    RecordType.MB: _NAME,
    RecordType.MG: _NAME,
    RecordType.MR: _NAME,
    RecordType.PTR: _NAME,
    RecordType.MINFO: _TWO_NAMES,
    RecordType.MX: _PREFERENCE_NAME,
    RecordType.RP: _TWO_NAMES,
    RecordType.AFSDB: _PREFERENCE_NAME,
    RecordType.RT: _PREFERENCE_NAME,
    RecordType.PX: Layout(2, 0, 2),
    RecordType.NXT: Layout(0, 0, 1, ANY_TAIL),
    RecordType.SRV: Layout(6, 0, 1),
    RecordType.NAPTR: Layout(4, 3, 1),
    RecordType.KX: _PREFERENCE_NAME,
    RecordType.DNAME: _NAME,
    RecordType.RRSIG: Layout(18, 0, 1, ANY_TAIL),
    RecordType.NSEC: Layout(0, 0, 1, ANY_TAIL),
    RecordType.SVCB: Layout(2, 0, 1, ANY_TAIL),
    RecordType.HTTPS: Layout(2, 0, 1, ANY_TAIL),
}
"""The types whose rdata holds names, so that compressed ones can be read (RFC 6762 §18.14)."""

COMPRESSED_TYPES: Final = frozenset(
    int(rtype)
    for rtype in {
        RecordType.NS,
        RecordType.CNAME,
        RecordType.PTR,
        RecordType.DNAME,
        RecordType.SOA,
        RecordType.MX,
        RecordType.AFSDB,
        RecordType.RT,
        RecordType.KX,
        RecordType.RP,
        RecordType.PX,
        RecordType.SRV,
        RecordType.NSEC,
    }
)
"""The types whose rdata we compress: exactly those that RFC 6762 §18.14 lists, and no other."""


def name_span(layout: Layout, rdata: bytes) -> tuple[int, int]:
    """Return where the names in uncompressed rdata begin, and where the last one ends.

    :raises ValueError: the rdata has another layout.
    """
    start = layout.fixed
    for _ in range(layout.strings):
        if start >= len(rdata):
            raise ValueError("rdata is cut short")
        start += 1 + rdata[start]
    end = start
    for _ in range(layout.names):
        end = end_of_wire(rdata, end)
    if layout.tail != ANY_TAIL and len(rdata) - end != layout.tail:
        raise ValueError("rdata is too long or too short")
    return start, end


def fold_rdata(rtype: int, rdata: bytes) -> bytes:
    """Return uncompressed rdata with the ASCII letters of its names, and of nothing else, in lower case.

    That is the very object where nothing changes, so that a record keeps its rdata once.
    """
    layout = LAYOUTS.get(rtype)
    if layout is None:
        return rdata
    if layout is _NAME:
        folded = rdata.lower()
    else:
        try:
            start, end = name_span(layout, rdata)
        except ValueError:
            return rdata
        folded = rdata[:start] + rdata[start:end].lower() + rdata[end:]
    return rdata if folded == rdata else folded
