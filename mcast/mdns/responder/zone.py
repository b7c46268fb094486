"""The records that we publish on one link, and which of them answer a question (RFC 6762 §6, §6.2)."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Final, NamedTuple

from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Identity, Record
from mcast.mdns.constants import ECHO_MEMORY
from mcast.mdns.responder.negative_responses import ADDRESS_TYPES, negative_response
from mcast.mdns.responder.record_set import NameSets, RecordSet

MAX_ALIASES = 8
"""How many CNAME records in a row are followed.

Our choice: more than is ever needed; it ends a circle of aliases.
"""

Entry = tuple[Record, bool]
"""A record to publish, and whether it is unique."""


class Entries:
    """What the zone has of a record group; the records are in tuples that the group has too."""

    __slots__ = ("shared", "unique")

    def __init__(self, unique: tuple[Record, ...] = (), shared: tuple[Record, ...] = ()) -> None:
        self.unique: Final = unique
        self.shared: Final = shared

    def __iter__(self) -> Iterator[Entry]:
        for record in self.unique:
            yield record, True
        for record in self.shared:
            yield record, False


NO_ENTRIES: Final = Entries()


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


class _SetKey(NamedTuple):
    """Which set a record belongs to."""

    name: bytes
    """The key of the owner name."""
    type: int
    slot: Hashable
    """The class of a unique record, the identity of a shared one: each shared record is a set of its own."""
    unique: bool

    @classmethod
    def of(cls, record: Record, unique: bool) -> _SetKey:
        """Return the key of a record's set."""
        slot: Hashable = record.rclass if unique else record.identity
        return cls(record.name.key, int(record.type), slot, unique)


class Zone:
    """Published records by name; it knows nothing of probing, and the time only as it is told.

    Records that several groups have in common are counted: they are one record on the wire, and are gone when
    the last group gives them up.
    """

    def __init__(self) -> None:
        self.names: Final[dict[bytes, NameSets]] = {}
        """The sets of each name, by its key; only the zone changes them."""
        self._uses: Final[dict[bool, dict[Identity, int]]] = {False: {}, True: {}}
        """How many groups have each record: those that are shared, and those that are unique."""
        self._former: Final[dict[Identity, tuple[float, float]]] = {}
        """When a record that is gone was last multicast, and when it went; the oldest first."""

    def __contains__(self, name_key: bytes) -> bool:
        return name_key in self.names

    def __iter__(self) -> Iterator[RecordSet]:
        for of_name in self.names.values():
            yield from of_name

    def apply(self, removed: Iterable[Entry], added: Iterable[Entry], now: float) -> Changes:
        """Take records out and put others in, as one change.

        A record that is in both is not touched. Sets whose content stays the same are not in the result.
        """
        self._forget(now)
        added = list(added)
        touched: dict[_SetKey, dict[Identity, Record]] = {}
        changes = Changes()
        for record, unique in removed:
            uses, identity = self._uses[unique], record.identity
            uses[identity] -= 1
            if not uses[identity]:
                del uses[identity]
                if added or not self._remove_alone(record, unique, now, changes):
                    self._members(touched, record, unique).pop(record.identity, None)
        for record, unique in added:
            uses, identity = self._uses[unique], record.identity
            uses[identity] = uses.get(identity, 0) + 1
            # The newest TTL and spelling count.
            self._members(touched, record, unique)[record.identity] = record
        for key, members in touched.items():
            self._put(key, tuple(members.values()), now, changes)
        return changes

    def clear(self, now: float) -> None:
        """Take everything out without a word, as when the link is down: thousands of records in one go.

        What was multicast long ago needs no remembering: no echo of it is on its way.
        """
        self._forget(now)
        for of_name in self.names.values():
            self._drop_negative(of_name, now)
            for one in of_name:
                one.is_current = False
                if one.multicast_at > now - ECHO_MEMORY:
                    for record in one.records:
                        self._former[record.identity] = (one.multicast_at, now)
        self.names.clear()
        for uses in self._uses.values():
            uses.clear()

    def _remove_alone(self, record: Record, unique: bool, now: float, changes: Changes) -> bool:
        """Remove the set of a record when it has no other; the short way for thousands of services."""
        slot = record.rclass if unique else record.identity
        existing = self._find(record.name.key, record.type, slot)
        if existing is None or len(existing.records) > 1:
            return False
        self._take_out(existing, now, changes)
        return True

    def _take_out(self, existing: RecordSet, now: float, changes: Changes) -> None:
        for record in existing.records:
            self._former[record.identity] = (existing.multicast_at, now)
        self._remove(existing, now)
        if existing.is_announced:
            changes.gone += [
                FormerRecord(record, existing.unique, existing.multicast_at) for record in existing.records
            ]

    def _members(
        self, touched: dict[_SetKey, dict[Identity, Record]], record: Record, unique: bool
    ) -> dict[Identity, Record]:
        """Return the members that the set of ``record`` will have, to be changed."""
        key = _SetKey.of(record, unique)
        members = touched.get(key)
        if members is None:
            existing = self._find(key.name, key.type, key.slot)
            members = touched[key] = (
                {member.identity: member for member in existing.records} if existing else {}
            )
        return members

    def _find(self, name_key: bytes, rtype: int, slot: object) -> RecordSet | None:
        of_name = self.names.get(name_key)
        return None if of_name is None else of_name.find(rtype, slot)

    def _put(self, key: _SetKey, records: tuple[Record, ...], now: float, changes: Changes) -> None:
        """Let a set have these records, none to remove it, and note what that means for the network."""
        existing = self._find(key.name, key.type, key.slot)
        if existing is None:
            if records:
                fresh = RecordSet(records, key.unique)
                self._insert(key, fresh, now)
                changes.announce.append(fresh)
            return
        if not records:
            self._take_out(existing, now, changes)
            return
        for record in existing.records:
            self._former[record.identity] = (existing.multicast_at, now)
        before = set(map(_content, existing.records))
        identities = existing.identities
        existing.replace(records)
        self._inherit(existing, keep=bool(identities & existing.identities))
        if before != set(map(_content, existing.records)):
            self._drop_negative(self.names[key.name], now)
            existing.whole_at = -inf
            changes.announce.append(existing)

    def _insert(self, key: _SetKey, fresh: RecordSet, now: float) -> None:
        of_name = self.names.get(key.name)
        if of_name is None:
            of_name = self.names[key.name] = NameSets(fresh.name)
        of_name.add(fresh)
        self._drop_negative(of_name, now)
        self._inherit(fresh, keep=False)

    def _remove(self, existing: RecordSet, now: float) -> None:
        key = existing.name.key
        of_name = self.names[key]
        of_name.remove(existing)
        self._drop_negative(of_name, now)
        existing.is_current = False
        if not of_name:
            del self.names[key]

    def _drop_negative(self, of_name: NameSets, now: float) -> None:
        """Have the NSEC record made anew, since the types of the name may be others."""
        if of_name.negative is not None:
            for identity in of_name.negative.identities:
                self._former[identity] = (of_name.negative.multicast_at, now)
            of_name.negative.is_current = False
            of_name.negative = None

    def _inherit(self, record_set: RecordSet, keep: bool) -> None:
        """Set when a member was last multicast, also as part of a set that is gone.

        One multicast a second is a rule for records (RFC 6762 §6), whatever happened to the groups that they
        belong to.

        :param keep: the time that the set has already counts as well.
        """
        times = [record_set.multicast_at] if keep else []
        for record in record_set.records:
            former = self._former.pop(record.identity, None)
            if former is not None:
                times.append(former[0])
        record_set.multicast_at = max(times, default=-inf)

    def _forget(self, now: float) -> None:
        expired: list[Identity] = []
        # A dict keeps the order of insertion, and a record that goes again is put at the end: oldest first.
        for identity, (_, removed_at) in self._former.items():
            if removed_at > now - ECHO_MEMORY:
                break
            expired.append(identity)
        for identity in expired:
            del self._former[identity]

    def was_ours(self, record: Record, now: float) -> bool:
        """Whether we published this very record a moment ago, so that it may be an echo of our own packet."""
        former = self._former.get(record.identity)
        return former is not None and now - former[1] < ECHO_MEMORY

    def sets(self, name_key: bytes, rtype: int) -> Iterable[RecordSet]:
        """Return the sets of one name and type, of any class."""
        of_name = self.names.get(name_key)
        return () if of_name is None else of_name.of_type(rtype)

    def unique_set(self, record: Record) -> RecordSet | None:
        """Return the unique set of the name, type and class of ``record``."""
        return self._find(record.name.key, record.type, record.rclass)

    def published(self, record: Record) -> RecordSet | None:
        """Return the set that ``record`` is a member of, whatever its TTL says."""
        for slot in (record.rclass, record.identity):
            found = self._find(record.name.key, record.type, slot)
            if found is not None and found.has(record.identity):
                return found
        return None

    def is_published(self, record: Record) -> bool:
        """Whether any group has this record, whatever its TTL says."""
        identity = record.identity
        return identity in self._uses[False] or identity in self._uses[True]

    def users(self, record: Record, unique: bool) -> int:
        """Return how many groups have this record."""
        return self._uses[unique].get(record.identity, 0)

    def answers(self, question: Question) -> list[RecordSet]:
        """Return the sets that answer a question (RFC 6762 §6), or the negative response (RFC 6762 §6.1).

        Empty when we have nothing to say.
        """
        found: dict[RecordSet, None] = {}
        key = question.name.key
        for _ in range(MAX_ALIASES):
            of_name = self.names.get(key)
            if of_name is None:
                break
            matching = list(_matching(of_name, question.type, question.rclass))
            if not matching and question.rclass in (RecordClass.IN, RecordClass.ANY):
                negative = self.negative(key)
                matching = [negative] if negative else []
            found.update(dict.fromkeys(matching))
            aliases = of_name.of_type(RecordType.CNAME)
            if not aliases or question.type in (RecordType.CNAME, RecordType.ANY):
                break
            # As a conventional server does: what the alias stands for comes with it (RFC 6762 §16).
            target = next(iter(aliases)).records[0].data
            assert isinstance(target, Name)
            key = target.key
        return list(found)

    def negative(self, name_key: bytes) -> RecordSet | None:
        """Return the NSEC record of a name that only we have, else None."""
        of_name = self.names.get(name_key)
        if of_name is None:
            return None
        if of_name.negative is None:
            of_name.negative = negative_response(of_name)
            if of_name.negative is not None:
                self._inherit(of_name.negative, keep=False)
        return of_name.negative

    def additionals(self, answers: Collection[RecordSet]) -> Iterator[RecordSet]:
        """Yield what should go along with answers (RFC 6763 §12, RFC 6762 §6.2), each set once.

        The answers themselves are not among it. Each is looked for when it is asked for: beside a thousand
        services there is room for very few of them, and to find all took half of the time of a response.
        """
        found = set(answers)
        services: dict[RecordSet, None] = {}
        hosts: dict[bytes, None] = {}
        for answer in answers:
            rtype = answer.type
            if rtype == RecordType.PTR:
                # Only a pointer to a service instance asks for more; that of a reverse mapping does not.
                instance = answer.records[0].rdata.lower()
                for service in self.sets(instance, RecordType.SRV):
                    services[service] = None
                    for extra in (service, *self.sets(instance, RecordType.TXT)):
                        if extra not in found:
                            found.add(extra)
                            yield extra
            elif rtype == RecordType.SRV:
                services[answer] = None
            elif rtype in ADDRESS_TYPES:
                hosts[answer.name.key] = None
        for service in services:
            for record in service.records:
                hosts[record.rdata[6:].lower()] = None
        for host in hosts:
            of_name = self.names.get(host)
            if of_name is None:
                continue
            extras = [one for rtype in ADDRESS_TYPES for one in of_name.of_type(rtype)]
            # Also where both families are present: it tells at once that there is nothing else
            # (RFC 6762 §6.2, Appendix E).
            negative = self.negative(host)
            if negative is not None:
                extras.append(negative)
            for extra in extras:
                if extra not in found:
                    found.add(extra)
                    yield extra

    def companions(self, announced: Iterable[RecordSet]) -> list[RecordSet]:
        """Return what belongs to announced addresses (RFC 6762 §6.2).

        The addresses of the other family or, where there are none, the negative response that says so.
        """
        found: dict[RecordSet, None] = {}
        announced = [record_set for record_set in announced if record_set.type in ADDRESS_TYPES]
        for one in announced:
            (other,) = (rtype for rtype in ADDRESS_TYPES if rtype != one.type)
            others = list(self.sets(one.name.key, other))
            negative = None if others else self.negative(one.name.key)
            found.update(dict.fromkeys([negative] if negative else others))
        for one in announced:
            found.pop(one, None)
        return list(found)


def _matching(of_name: NameSets, qtype: int, qclass: int) -> Iterator[RecordSet]:
    """Yield the sets of one name that answer a type and class (RFC 6762 §6, "the standard DNS rules")."""
    if qtype == RecordType.ANY:
        kinds: list[Iterable[RecordSet]] = [of_name]
    else:
        kinds = [of_name.of_type(rtype) for rtype in {qtype, int(RecordType.CNAME)}]
    for sets in kinds:
        for found in sets:
            if qclass in (found.records[0].rclass, RecordClass.ANY):
                yield found


def _content(record: Record) -> tuple[bytes, int, int, int, bytes]:
    """What is announced when it differs: all of a record, its spelling included."""
    return (record.name.wire, record.type, record.rclass, record.ttl, record.rdata)
