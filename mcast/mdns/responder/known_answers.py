"""Which answers a querier lists as known (RFC 6762 §7.1)."""

from __future__ import annotations

from collections.abc import Mapping

from mcast.dns.records import Identity
from mcast.mdns.constants import KNOWN_ANSWER_FRACTION
from mcast.mdns.responder.record_set import RecordSet

KnownAnswers = Mapping[Identity, int]
"""The TTL with which a querier lists each answer that it knows."""


def is_known(record_set: RecordSet, known: KnownAnswers) -> bool:
    """Whether a querier knows all of a set, each record with at least half of its TTL (RFC 6762 §7.1).

    With one member missing the whole set is sent (RFC 6762 §10.2), so nothing less counts.
    """
    return bool(known) and all(
        known.get(record.identity, -1) >= record.ttl * KNOWN_ANSWER_FRACTION for record in record_set.records
    )
