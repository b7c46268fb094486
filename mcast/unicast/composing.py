"""The answer to a query, made of what the link has: filtered, translated, with what goes along."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.unicast.administration import TTL_LIMIT
from mcast.unicast.translation import zone_record
from mcast.unicast.usable import Lookup, Realm, usable_records
from mcast.unicast.zone import Delegation, Zone, ZoneKind

DETAILED_ANSWERS = 16
"""Answers up to which additional records go along. Our choice: more would fill a datagram without them."""

MAX_ALIASES = 8
"""Aliases that are followed. Our choice: as resolvers do."""

ADDRESSES: Final = (int(RecordType.A), int(RecordType.AAAA))
DETAILS: Final = (int(RecordType.SRV), int(RecordType.TXT))


class Composed(NamedTuple):
    """What a response is made of."""

    answers: list[Record]
    additionals: list[Record]
    suppressed: int
    """How many records of the link were left out as of no use (RFC 8766 §5.5.2)."""
    lifetime: int
    """Seconds until the first of these records ends on the link; 0 without any."""


class Composer:
    """Makes answers of what is known of a link.

    :param lookup: returns for a zone what tells the known records of a name and type.
    """

    def __init__(self, lookup: Callable[[Zone], Lookup]) -> None:
        self._lookup = lookup

    def compose(
        self, delegation: Delegation, question: Question, found: Sequence[Record], realm: Realm
    ) -> Composed:
        """Return the answer to a question of a zone.

        :param found: what answers it on the link.
        """
        lookup = self._lookup(delegation.zone)
        usable = usable_records(found, realm, lookup)
        chain = [*usable, *self._behind_aliases(usable, question.type, realm, lookup)]
        asked = found[0].name.key if found else b""
        answers = self._moved(delegation, asked, chain)
        # In the case in which it was asked for, so that it is the same name to anybody.
        for place, record in enumerate(answers):
            if record.name == question.name:
                answers[place] = Record(question.name, record.type, record.rclass, record.ttl, record.rdata)
        additionals: list[Record] = []
        details: list[Record] = []
        if len(usable) <= DETAILED_ANSWERS:
            details = list(self._details(usable, realm, lookup))
            known = {record.identity for record in chain}
            additionals = self._moved(
                delegation, asked, [one for one in details if one.identity not in known]
            )
        lifetime = min([record.ttl for record in (*chain, *details)], default=0)
        return Composed(answers, additionals, len(found) - len(usable), lifetime)

    def _behind_aliases(
        self, records: Iterable[Record], rtype: int, realm: Realm, lookup: Lookup
    ) -> list[Record]:
        """Return what is known behind a CNAME record (RFC 1034 §4.3.2, step 3a)."""
        behind: list[Record] = []
        aliases = [record for record in records if record.type == RecordType.CNAME]
        for _ in range(MAX_ALIASES):
            if not aliases or rtype in (RecordType.CNAME, RecordType.ANY):
                break
            target = Name.from_wire(aliases[0].rdata)
            following = usable_records(lookup(target, rtype) or (), realm, lookup)
            behind += following
            aliases = [record for record in following if record.type == RecordType.CNAME]
        return behind

    def _details(self, records: Iterable[Record], realm: Realm, lookup: Lookup) -> Iterable[Record]:
        """Yield what a client asks for next, as far as it is known (RFC 6763 §12)."""
        hosts: dict[Name, None] = {}
        seen: dict[Name, None] = {}
        for record in records:
            if record.type == RecordType.SRV:
                hosts[Name.from_wire(record.rdata[6:])] = None
            elif record.type == RecordType.PTR:
                target = Name.from_wire(record.rdata)
                (seen if any(label[:1] == b"_" for label in target.labels) else hosts)[target] = None
        for name in seen:
            for rtype in DETAILS:
                for detail in usable_records(lookup(name, rtype) or (), realm, lookup):
                    yield detail
                    if detail.type == RecordType.SRV:
                        hosts[Name.from_wire(detail.rdata[6:])] = None
        for host in hosts:
            for rtype in ADDRESSES:
                yield from usable_records(lookup(host, rtype) or (), realm, lookup)

    def _moved(self, delegation: Delegation, asked: bytes, records: Iterable[Record]) -> list[Record]:
        """Return records of the link as they are in the zone, with a TTL of ten seconds at most (§5.5.1)."""
        moved: list[Record] = []
        for record in records:
            translated = zone_record(_delegation_of(delegation, record.name, asked), record)
            if translated is not None:
                moved.append(translated.with_ttl(min(translated.ttl, TTL_LIMIT)))
        return moved


def _delegation_of(delegation: Delegation, owner: Name, asked: bytes) -> Delegation:
    """Return the delegation that a name of the link is moved to.

    The name that was asked for stays in the zone where it was asked for (RFC 8766 §5.5); another one is where
    names in rdata are moved to.
    """
    zone = delegation.zone
    if delegation.kind is ZoneKind.HOSTS or owner.key == asked:
        return delegation
    if any(label[:1] == b"_" for label in owner.labels):
        return Delegation(zone, ZoneKind.SERVICES, zone.name)
    return Delegation(zone, ZoneKind.SERVICES if zone.host_zone is None else ZoneKind.HOSTS, zone.host_apex)
