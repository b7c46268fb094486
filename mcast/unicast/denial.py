"""NSEC and NSEC3 records about a single name (RFC 8766 §5.5.3, §7.2)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import Final

from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Record, pack_bitmaps
from mcast.unicast.administration import TTL_LIMIT
from mcast.unicast.zone import Delegation

NSEC3: Final = 50
"""RFC 5155 §11."""

DENIAL_TYPES: Final = frozenset({int(RecordType.NSEC), NSEC3})

_SHA1: Final = b"\x01\0\0\0\0"
"""Hash algorithm 1, no flags, no further iterations, no salt (RFC 5155 §3.2, RFC 9276 §3.1)."""


def denial_records(
    delegation: Delegation, question: Question, found: Iterable[Record], types: Iterable[int]
) -> list[Record]:
    """Return the NSEC or NSEC3 record that tells which types just this name has.

    Its span ends right behind the name, so that it denies no other one.

    :param found: what the link has of the name.
    :param types: those that its owner has told by a negative response of multicast DNS. That record is not
        passed on, since it lacks the NSEC bit (RFC 8766 §5.5.3).
    :returns: nothing where nothing is known of the name.
    """
    present = {record.type for record in found} | set(types)
    if not present:
        return []
    if question.type == NSEC3:
        return [_nsec3(delegation, question.name, present)]
    present.add(int(RecordType.NSEC))
    try:
        following = question.name.prefixed(b"\0")
    except ValueError:
        following = delegation.apex
    rdata = following.wire + pack_bitmaps(present)
    return [Record(question.name, RecordType.NSEC, RecordClass.IN, TTL_LIMIT, rdata)]


def _nsec3(delegation: Delegation, name: Name, present: set[int]) -> Record:
    digest = hashlib.sha1(name.key, usedforsecurity=False).digest()
    following = ((int.from_bytes(digest, "big") + 1) % (1 << 160)).to_bytes(20, "big")
    owner = delegation.apex.prefixed(base64.b32hexencode(digest).lower())
    rdata = _SHA1 + bytes((len(following),)) + following + pack_bitmaps(present)
    return Record(owner, NSEC3, RecordClass.IN, TTL_LIMIT, rdata)
