"""Duplicate questions: when another host's question takes the place of ours (RFC 6762 §7.3)."""

from __future__ import annotations

from collections.abc import Iterable

from mcast.dns.records import Record
from mcast.mdns.querier.cache import Cache
from mcast.mdns.querier.cache_cells import Lifetime
from mcast.mdns.querier.query_queue import is_known_answer

MAX_SPARED = 100
"""Records of a name up to which another host's question can take the place of ours.

Our choice: a longer list of known answers has the TC bit, and its end is not waited for.
"""


def brings_as_much(
    answers: Iterable[Lifetime], known: Iterable[Record], cache: Cache, source: int, now: float
) -> bool:
    """Whether another host's question will bring all the answers that ours would.

    :param answers: what we have heard in answer to the question.
    :param known: the answers that the other host lists as known.
    :param source: the mark of that host in the cache.
    """
    if any(lifetime.source == source for lifetime in answers):
        # That host has such a record itself, and may ignore what it asks.
        return False
    for record in known:
        cached = cache.find(record, now)
        if cached is None or not is_known_answer(cached, now):
            # Its owner will not send it, since the other host knows it.
            return False
    return True
