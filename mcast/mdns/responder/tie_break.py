"""The tie-break of two hosts that probe for one name at the same time (RFC 6762 §8.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message
from mcast.dns.records import Record
from mcast.mdns.context import LinkContext
from mcast.mdns.responder.prober import ProbedName, Prober

ProbeData = list[tuple[int, int, bytes]]
"""What the tie-break compares (RFC 6762 §8.2.1).

Class, type and uncompressed rdata of each record, sorted.
"""


def probe_data(records: Iterable[Record]) -> ProbeData:
    """Return the data of ``records`` in the order of RFC 6762 §8.2.1.

    Lists of tuples compare as the section says: pairwise until a difference, octets as unsigned numbers, and
    what goes on where the other one ends is later.
    """
    return sorted([(record.rclass, int(record.type), record.rdata) for record in records])


def break_ties(
    message: Message,
    prober: Prober,
    proposals: Callable[[ProbedName], Iterable[Record]],
    context: LinkContext,
    now: float,
) -> None:
    """Compare what another host proposes for a name with what we do; have our probes wait if it wins.

    :param proposals: returns the records that we propose for a name.
    """
    is_own = context.others.holds
    for question in dict.fromkeys(message.questions):
        probed = prober.probing(question.name.key)
        if probed is None:
            continue
        theirs = [
            record
            for record in message.authorities
            if record.name == question.name and question.type in (record.type, RecordType.ANY)
        ]
        # Nothing proposed: a mere query. All of it ours on another link: a bridge between our links.
        if not theirs or all(map(is_own, theirs)):
            continue
        if probe_data(proposals(probed)) < probe_data(theirs):
            context.counters["probes deferred"] += 1
            prober.defer(probed, now)
