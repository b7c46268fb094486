"""Duplicate answers: when another host's answer takes the place of ours (RFC 6762 §7.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from mcast.dns.records import Identity
from mcast.mdns.responder.record_set import RecordSet
from mcast.mdns.responder.response_aggregation import MulticastPlan


def drop_duplicates(
    copies: Mapping[RecordSet, Mapping[Identity, int]], plan: MulticastPlan, counters: Counter[str]
) -> None:
    """Take another host's answer for ours if it says as much: the whole set, with TTLs not below ours.

    :param copies: the TTLs that it gave records of ours.
    """
    for ours, ttls in copies.items():
        is_whole = all(ttls.get(record.identity, -1) >= record.ttl for record in ours.records)
        if is_whole and plan.spare(ours):
            counters["duplicates suppressed"] += 1
