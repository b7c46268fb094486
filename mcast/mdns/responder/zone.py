"""The records that we publish on one link, and which of them answer a question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf

from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Identity, Record, next_secure
from mcast.mdns.constants import ECHO_MEMORY, UNICAST_TTL_FRACTION

MAX_ALIASES = 8
"""How many CNAME records in a row are followed. Our choice: more than anybody needs; it ends a circle of
aliases."""

_ADDRESS_TYPES = (RecordType.A, RecordType.AAAA)

Entry = tuple[Record, bool]
"""A record to publish, and whether it is unique."""


class RecordSet:
    """Records that are always sent together: the whole of a unique RRset, or one shared record.

    RFC 6762 §10.2: "Any time a host sends a response packet containing some members of a unique RRSet, it
    MUST send the entire RRSet". Everything that is planned, sent or suppressed is therefore a set, and never
    part of one.

    :param records: not empty, all of one name, type and class.
    """

    __slots__ = (
        "identities",
        "is_announced",
        "is_current",
        "multicast_at",
        "records",
        "ttl",
        "unique",
        "whole_at",
    )

    def __init__(self, records: tuple[Record, ...], unique: bool) -> None:
        self.unique = unique
        self.multicast_at = -inf
        """When a member was last multicast on this link."""
        self.whole_at = -inf
        """When the set as it is now was last multicast; ``-inf`` again when a member is new."""
        self.is_announced = False
        """Whether others have heard of the set, so that it deserves a goodbye."""
        self.is_current = True
        """Whether the set is still in the zone."""
        self.replace(records)

    def replace(self, records: tuple[Record, ...]) -> None:
        """Hold these records from now on; the times stay as they are."""
        self.records = tuple([record.with_cache_flush(self.unique) for record in records])
        self.identities = frozenset([record.identity for record in records])
        self.ttl = min([record.ttl for record in records])

    @property
    def type(self) -> int:
        """The type of the records."""
        return self.records[0].type

    @property
    def name(self) -> Name:
        """The owner name of the records."""
        return self.records[0].name

    @property
    def unicast_until(self) -> float:
        """Until when a question for a unicast response gets one (RFC 6762 §5.4)."""
        return self.whole_at + self.ttl * UNICAST_TTL_FRACTION

    def mark_multicast(self, now: float) -> None:
        """Remember that the whole set was multicast."""
        self.multicast_at = self.whole_at = now
        self.is_announced = True


@dataclass(frozen=True, slots=True)
class FormerRecord:
    """A record that others know of and that is ours no longer."""

    record: Record
    unique: bool
    multicast_at: float
    """When it was last multicast."""


@dataclass(slots=True)
class Changes:
    """What a change of the zone means for the network."""

    announce: list[RecordSet] = field(default_factory=list)
    """Sets that are new or have new content."""
    gone: list[FormerRecord] = field(default_factory=list)
    """Records of sets that are no more; others have them in their caches."""


class _Owner:
    """Everything under one name."""

    __slots__ = ("denial", "name", "shared", "types")

    def __init__(self, name: Name) -> None:
        self.name = name
        self.types: dict[int, dict[object, RecordSet]] = {}
        """By type, then by class when unique and by identity when shared."""
        self.shared = 0
        """How many of the sets are shared."""
        self.denial: RecordSet | None = None
        """The NSEC record, made when first needed."""


class Zone:
    """Published records by name; it knows no probing and no time but what it is told.

    Records that several groups have in common are counted: they are one record on the wire, and are gone when
    the last group gives them up.
    """

    def __init__(self) -> None:
        self._owners: dict[bytes, _Owner] = {}
        self._uses: dict[tuple[Identity, bool], int] = {}
        self._former: dict[Identity, tuple[float, float]] = {}

    def __contains__(self, name_key: bytes) -> bool:
        return name_key in self._owners

    def __iter__(self) -> Iterator[RecordSet]:
        for owner in self._owners.values():
            for sets in owner.types.values():
                yield from sets.values()

    def apply(self, removed: Iterable[Entry], added: Iterable[Entry], now: float) -> Changes:
        """Take records out and put others in, as one change.

        A record that is in both is not touched. Sets whose content stays the same are not in the result.
        """
        self._forget(now)
        touched: dict[tuple[bytes, int, object, bool], dict[Identity, Record]] = {}
        for record, unique in removed:
            use = (record.identity, unique)
            self._uses[use] -= 1
            if not self._uses[use]:
                del self._uses[use]
                self._members(touched, record, unique).pop(record.identity, None)
        for record, unique in added:
            use = (record.identity, unique)
            self._uses[use] = self._uses.get(use, 0) + 1
            # The newest TTL and spelling count.
            self._members(touched, record, unique)[record.identity] = record
        changes = Changes()
        for (name_key, rtype, place, unique), members in touched.items():
            self._put(name_key, rtype, place, unique, tuple(members.values()), now, changes)
        return changes

    def _members(
        self,
        touched: dict[tuple[bytes, int, object, bool], dict[Identity, Record]],
        record: Record,
        unique: bool,
    ) -> dict[Identity, Record]:
        """Return the members that the set of ``record`` will have, to be changed."""
        place: object = record.rclass if unique else record.identity
        key = (record.name.key, int(record.type), place, unique)
        members = touched.get(key)
        if members is None:
            existing = self._find(*key[:3])
            members = touched[key] = (
                {member.identity: member for member in existing.records} if existing else {}
            )
        return members

    def _find(self, name_key: bytes, rtype: int, place: object) -> RecordSet | None:
        owner = self._owners.get(name_key)
        return owner.types.get(rtype, {}).get(place) if owner else None

    def _put(
        self,
        name_key: bytes,
        rtype: int,
        place: object,
        unique: bool,
        records: tuple[Record, ...],
        now: float,
        changes: Changes,
    ) -> None:
        existing = self._find(name_key, rtype, place)
        if existing is None:
            if records:
                changes.announce.append(self._insert(place, RecordSet(records, unique), now))
            return
        for record in existing.records:
            self._former[record.identity] = (existing.multicast_at, now)
        if not records:
            self._remove(name_key, rtype, place, existing, now)
            if existing.is_announced:
                changes.gone += [
                    FormerRecord(record, unique, existing.multicast_at) for record in existing.records
                ]
            return
        before = set(map(_content, existing.records))
        identities = existing.identities
        existing.replace(records)
        self._inherit(existing, keep=bool(identities & existing.identities))
        if before != set(map(_content, existing.records)):
            self._drop_denial(self._owners[name_key], now)
            existing.whole_at = -inf
            changes.announce.append(existing)

    def _insert(self, place: object, fresh: RecordSet, now: float) -> RecordSet:
        name = fresh.name
        owner = self._owners.get(name.key)
        if owner is None:
            owner = self._owners[name.key] = _Owner(name)
        owner.types.setdefault(int(fresh.type), {})[place] = fresh
        owner.shared += not fresh.unique
        self._drop_denial(owner, now)
        self._inherit(fresh, keep=False)
        return fresh

    def _remove(self, name_key: bytes, rtype: int, place: object, existing: RecordSet, now: float) -> None:
        owner = self._owners[name_key]
        del owner.types[rtype][place]
        if not owner.types[rtype]:
            del owner.types[rtype]
        owner.shared -= not existing.unique
        self._drop_denial(owner, now)
        existing.is_current = False
        if not owner.types:
            del self._owners[name_key]

    def _drop_denial(self, owner: _Owner, now: float) -> None:
        """Have the NSEC record made anew, since the types of the name may be others."""
        if owner.denial is not None:
            for identity in owner.denial.identities:
                self._former[identity] = (owner.denial.multicast_at, now)
            owner.denial.is_current = False
            owner.denial = None

    def _inherit(self, record_set: RecordSet, keep: bool) -> None:
        """Set when a member was last multicast, also as part of a set that is no more: one multicast a second
        is a rule for records (RFC 6762 §6), whatever happened to the groups that they belong to.

        :param keep: the time that the set has already counts as well.
        """
        times = [record_set.multicast_at] if keep else []
        for identity in record_set.identities:
            former = self._former.pop(identity, None)
            if former is not None:
                times.append(former[0])
        record_set.multicast_at = max(times, default=-inf)

    def _forget(self, now: float) -> None:
        # A dict keeps the order of insertion, and a record that goes again is put at the end: oldest first.
        for identity, (_, removed_at) in list(self._former.items()):
            if removed_at > now - ECHO_MEMORY:
                break
            del self._former[identity]

    def was_ours(self, record: Record, now: float) -> bool:
        """Whether we published this very record a moment ago, so that it may be an echo of our own packet."""
        former = self._former.get(record.identity)
        return former is not None and now - former[1] < ECHO_MEMORY

    def sets(self, name_key: bytes, rtype: int) -> Iterable[RecordSet]:
        """Return the sets of one name and type, of any class."""
        owner = self._owners.get(name_key)
        sets = owner.types.get(rtype) if owner else None
        return sets.values() if sets else ()

    def unique_set(self, record: Record) -> RecordSet | None:
        """Return the unique set of the name, type and class of ``record``."""
        return self._find(record.name.key, record.type, record.rclass)

    def published(self, record: Record) -> RecordSet | None:
        """Return the set that ``record`` is a member of, whatever its TTL says."""
        for place in (record.rclass, record.identity):
            found = self._find(record.name.key, record.type, place)
            if found is not None and record.identity in found.identities:
                return found
        return None

    def users(self, record: Record, unique: bool) -> int:
        """Return how many groups have this record."""
        return self._uses.get((record.identity, unique), 0)

    def answers(self, question: Question) -> list[RecordSet]:
        """Return the sets that answer a question, a denial included; empty when we have nothing to say
        (RFC 6762 §6, §6.1)."""
        found: dict[RecordSet, None] = {}
        key = question.name.key
        for _ in range(MAX_ALIASES):
            owner = self._owners.get(key)
            if owner is None:
                break
            matching = list(_matching(owner, question.type, question.rclass))
            if not matching and question.rclass in (RecordClass.IN, RecordClass.ANY):
                denial = self.denial(key)
                matching = [denial] if denial else []
            found.update(dict.fromkeys(matching))
            aliases = owner.types.get(RecordType.CNAME)
            if not aliases or question.type in (RecordType.CNAME, RecordType.ANY):
                break
            # As a conventional server does: what the alias stands for comes with it (RFC 6762 §16).
            target = next(iter(aliases.values())).records[0].data
            assert isinstance(target, Name)
            key = target.key
        return list(found)

    def denial(self, name_key: bytes) -> RecordSet | None:
        """Return the NSEC record of a name that only we have, else None.

        RFC 6762 §6.1 allows a denial only for a name claimed with ANY, or known beforehand to be ours. Every
        unique record in here is one or the other, so a name without shared records qualifies.
        """
        owner = self._owners.get(name_key)
        if owner is None or owner.shared:
            return None
        if owner.denial is None:
            types = [
                rtype
                for rtype, sets in owner.types.items()
                if any(found.records[0].rclass == RecordClass.IN for found in sets.values())
            ]
            if not types:
                return None
            # RFC 6762 §6.1: as long as the missing record would live. At a host name that is an address;
            # elsewhere the longest of what is there, since a service instance lacks rather a TXT than an SRV
            # record.
            likely = [rtype for rtype in types if rtype in _ADDRESS_TYPES] or types
            ttl = max([found.ttl for rtype in likely for found in owner.types[rtype].values()])
            owner.denial = RecordSet((next_secure(owner.name, types, ttl),), unique=True)
            self._inherit(owner.denial, keep=False)
        return owner.denial

    def additionals(self, answers: Iterable[RecordSet]) -> list[RecordSet]:
        """Return what should go along with answers (RFC 6763 §12, RFC 6762 §6.2), without the answers
        themselves."""
        found: dict[RecordSet, None] = {}
        services: dict[RecordSet, None] = {}
        hosts: dict[bytes, None] = {}
        answers = list(answers)
        for answer in answers:
            rtype = answer.type
            if rtype == RecordType.PTR:
                # Only a pointer to a service instance asks for more; that of a reverse mapping does not.
                instance = answer.records[0].data
                assert isinstance(instance, Name)
                for service in self.sets(instance.key, RecordType.SRV):
                    services[service] = None
                    found[service] = None
                    found.update(dict.fromkeys(self.sets(instance.key, RecordType.TXT)))
            elif rtype == RecordType.SRV:
                services[answer] = None
            elif rtype in _ADDRESS_TYPES:
                hosts[answer.name.key] = None
        for service in services:
            for record in service.records:
                hosts[record.rdata[6:].lower()] = None
        for host in hosts:
            owner = self._owners.get(host)
            if owner is None:
                continue
            for rtype in _ADDRESS_TYPES:
                found.update(dict.fromkeys(owner.types.get(rtype, {}).values()))
            # Also where both families are present: it tells at once that there is nothing else
            # (RFC 6762 §6.2, Appendix E).
            denial = self.denial(host)
            if denial is not None:
                found[denial] = None
        for answer in answers:
            found.pop(answer, None)
        return list(found)

    def companions(self, announced: Iterable[RecordSet]) -> list[RecordSet]:
        """Return what belongs to addresses that nobody has asked for: those of the other family or, where
        there are none, the denial that says so (RFC 6762 §6.2)."""
        found: dict[RecordSet, None] = {}
        announced = [record_set for record_set in announced if record_set.type in _ADDRESS_TYPES]
        for one in announced:
            (other,) = (rtype for rtype in _ADDRESS_TYPES if rtype != one.type)
            others = list(self.sets(one.name.key, other))
            denial = None if others else self.denial(one.name.key)
            found.update(dict.fromkeys([denial] if denial else others))
        for one in announced:
            found.pop(one, None)
        return list(found)


def _matching(owner: _Owner, qtype: int, qclass: int) -> Iterator[RecordSet]:
    """Yield the sets of one name that answer a type and class (RFC 6762 §6, "the standard DNS rules")."""
    if qtype == RecordType.ANY:
        places = list(owner.types.values())
    else:
        places = [owner.types[rtype] for rtype in {qtype, int(RecordType.CNAME)} if rtype in owner.types]
    for sets in places:
        for found in sets.values():
            if qclass in (found.records[0].rclass, RecordClass.ANY):
                yield found


def _content(record: Record) -> tuple[bytes, int, int, int, bytes]:
    """What is announced when it differs: all of a record, its spelling included."""
    return (record.name.wire, record.type, record.rclass, record.ttl, record.rdata)
