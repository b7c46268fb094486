"""One name in a zone: claimed, kept and removed by updates whose prerequisites spare what others have."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from mcast.dns import records
from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.unicast.ownership import Owner
from mcast.unicast.updates import (
    Update,
    UpdateCode,
    name_is_free,
    records_are,
    set_is_absent,
    without,
    without_name,
)

REFRESH_INTERVAL = 900.0
"""Seconds between two looks at whether a name still has what we wrote.

Our choice: an administrator who empties a zone has it filled again within a quarter of an hour, at one small
message for each name.
"""

ADOPTED_INTERVAL = 120.0
"""Seconds between two looks at whether a host still stands there that somebody else keeps.

Our choice: the life of its records in a resolver. When another program of this host stops, nobody else has
the addresses of our services written again.
"""

MAX_CONFLICTS = 15
"""Names in a row that are taken, after which the next one is tried later (as RFC 6762 §8.1 has it)."""

FIRST_RETRY = 5.0
"""Seconds until the first further try after a failure; each one after it waits twice as long.

Our choice: a server that restarts is back within seconds.
"""

LAST_RETRY = 900.0
"""Seconds between two tries at most. Our choice: a mended key or clock shows within a quarter of an hour."""

Request = Update | Question
"""What a server is sent next."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to stand in a zone under one name, and what points to it."""

    name: Name
    records: tuple[Record, ...]
    """Of that name: SRV and TXT of a service, the addresses of a host."""
    type_name: Name | None = None
    """``_http._tcp.example.com.``, where a pointer leads to a service; None for a host."""
    subtype_names: tuple[Name, ...] = ()
    """Where further pointers lead to it (RFC 6763 §7.1)."""

    def pointers(self, ttl: int) -> tuple[Record, ...]:
        """Return the pointers to the name, which stand in sets that others have records in, too."""
        if self.type_name is None:
            return ()
        owners = (self.type_name, *self.subtype_names)
        return tuple(records.pointer(owner, self.name, ttl=ttl) for owner in owners)


@dataclass(frozen=True, slots=True)
class Place:
    """A zone, the domain in it in which is registered, and whose the names are."""

    zone: Name
    domain: Name
    owner: Owner

    def type_pointer(self, type_name: Name) -> Record:
        """Return the pointer by which types are enumerated (RFC 6763 §9)."""
        enumeration = Name.from_labels((b"_services", b"_dns-sd", b"_udp", *self.domain.labels))
        return records.pointer(enumeration, type_name, ttl=self.owner.ttl)

    def additions(self, wanted: Wanted) -> tuple[Record, ...]:
        """Return all that is written for a name."""
        subtypes = self.owner.subtypes_name(wanted.name, self.zone)
        ttl = self.owner.ttl
        added = [self.owner.marker(wanted.name), *wanted.records, *wanted.pointers(ttl)]
        if wanted.type_name is not None:
            added.append(self.type_pointer(wanted.type_name))
        added += [records.pointer(subtypes, name, ttl=ttl) for name in wanted.subtype_names]
        return (*added, self.owner.listed(wanted.name, self.zone))


class Outcome(Enum):
    """What an answer means for a claim."""

    GOES_ON = auto()
    """There is a further request."""
    HELD = auto()
    """The name is ours, and has what is wanted."""
    TAKEN = auto()
    """The name is another's."""
    REMOVED = auto()
    REFUSED = auto()
    """The server did not do it, for a reason that is no prerequisite."""


_NOT_OURS: Final = frozenset({UpdateCode.NXRRSET, UpdateCode.NXDOMAIN})
"""How a server says that a marker is missing or another one: the name may not exist either."""


class _Step(Enum):
    """What a claim asks for next."""

    CLAIM = auto()
    LOOK = auto()
    REPLACE = auto()
    CHECK = auto()
    ADOPT_IPV4 = auto()
    ADOPT_IPV6 = auto()


class Claim:
    """A name that is wanted.

    A free name is taken: the update says that it must be free. Where it is not, a marker of ours shows that
    it was left by a crash, and all of it is replaced. Otherwise it is another's, and nothing is touched.

    :param key: the name of the owner's choice that comes back in events.
    """

    def __init__(self, key: Hashable, wanted: Wanted, now: float) -> None:
        self.key: Final = key
        self.wanted = wanted
        self.due_at: float | None = now
        """When the next request is to be sent; None while another name is waited for."""
        self.failures = 0
        """How often in a row the server did not do it."""
        self.written: Wanted | None = None
        """What stands in the zone, as far as we know."""
        self.is_adopted = False
        """Whether the host stands there already with an address of ours, kept by somebody else."""
        self._step = _Step.CLAIM
        self._old_subtypes: set[Name] = set()
        self._sent = (wanted, _Step.CLAIM)
        """What was wanted, and asked, in the request that is on its way."""
        self.is_tried = False
        """Whether anything was ever sent for it."""
        self._conflicts = 0
        """How many names in a row were another's."""

    def change(self, wanted: Wanted, now: float) -> None:
        """Want something else under the same name, or another name after a conflict."""
        if self.written is not None and self.written.name == wanted.name:
            self._step = _Step.REPLACE
        else:
            self._step = _Step.CLAIM
        self.wanted = wanted
        self.is_adopted = False
        # A server that calls every name taken is not to be asked for one after the other without end.
        late = self._conflicts - MAX_CONFLICTS
        self.due_at = now + retry_delay(late) if late > 0 else now

    def request(self, place: Place) -> Request:
        """Return what to send."""
        self._sent = (self.wanted, self._step)
        self.is_tried = True
        name = self.wanted.name
        marker = place.owner.marker(name)
        if self._step is _Step.CLAIM:
            return Update(place.zone, (name_is_free(name),), place.additions(self.wanted))
        if self._step is _Step.LOOK:
            return Question(place.owner.subtypes_name(name, place.zone), RecordType.PTR)
        if self._step is _Step.REPLACE:
            return Update(
                place.zone, records_are([marker]), (*self._old(place), *place.additions(self.wanted))
            )
        if self._step is _Step.CHECK:
            # A pointer that is there already is added without a change (RFC 2136 §3.4.2.2).
            expected = records_are([marker, *self.wanted.records])
            return Update(place.zone, expected, place.additions(self.wanted))
        return Question(name, RecordType.A if self._step is _Step.ADOPT_IPV4 else RecordType.AAAA)

    def _old(self, place: Place) -> tuple[Record, ...]:
        """Return the changes that take away what stood there."""
        name = self.wanted.name
        written = () if self.written is None else self.written.subtype_names
        gone = (self._old_subtypes | set(written)) - set(self.wanted.subtype_names)
        return (
            without_name(name),
            without_name(place.owner.subtypes_name(name, place.zone)),
            *(without(records.pointer(each, name, ttl=0)) for each in sorted(gone, key=_by_wire)),
        )

    def answered(self, reply: Message, now: float) -> Outcome:
        """Take in the answer to the last request."""
        sent, step = self._sent
        before = self._step
        outcome = self._answered(sent, step, reply, now)
        if self.wanted is not sent:
            # What is wanted changed while the answer was on its way.
            is_ours = self.written is not None and self.written.name == self.wanted.name
            self._step = before if outcome is Outcome.REFUSED else _Step.REPLACE if is_ours else _Step.CLAIM
            self.due_at = now
            return outcome if outcome is Outcome.REFUSED else Outcome.GOES_ON
        return outcome

    def _answered(self, sent: Wanted, step: _Step, reply: Message, now: float) -> Outcome:
        code = reply.rcode
        self.due_at = now
        if step in (_Step.ADOPT_IPV4, _Step.ADOPT_IPV6):
            return self._adopt(reply, now)
        if step is _Step.LOOK:
            if not _is_told(reply):
                return Outcome.REFUSED
            self._old_subtypes = _targets(reply)
            self._step = _Step.REPLACE
            return Outcome.GOES_ON
        if code == UpdateCode.NOERROR:
            self.written = sent
            self._old_subtypes = set()
            self._conflicts = 0
            self._step = _Step.CHECK
            self.due_at = now + REFRESH_INTERVAL
            return Outcome.HELD
        if step is _Step.CLAIM and code == UpdateCode.YXDOMAIN:
            self._step = _Step.LOOK
            return Outcome.GOES_ON
        if step is _Step.CHECK and code in _NOT_OURS:
            # Somebody changed or removed it. Whether it is free, ours or another's now, the claim tells.
            self._step = _Step.CLAIM
            return Outcome.GOES_ON
        if step is _Step.REPLACE and code in _NOT_OURS:
            return self._taken(code)
        return Outcome.REFUSED

    def _taken(self, code: int) -> Outcome:
        if self.written is not None and self.written.name == self.wanted.name:
            # It was ours: perhaps it was only removed.
            self.written = None
            self._step = _Step.CLAIM
            return Outcome.GOES_ON
        if self.wanted.type_name is None:
            self._step = _Step.ADOPT_IPV4
            return Outcome.GOES_ON
        return self._give_way()

    def _adopt(self, reply: Message, now: float) -> Outcome:
        """Look whether the name of a host stands for this host, as a DHCP server may have written it."""
        if not _is_told(reply):
            return Outcome.REFUSED
        ours = {(each.type, each.rdata) for each in self.wanted.records}
        if any(each.name == self.wanted.name and (each.type, each.rdata) in ours for each in reply.answers):
            self.is_adopted = True
            self._conflicts = 0
            self._step = _Step.CLAIM
            self.due_at = now + ADOPTED_INTERVAL
            return Outcome.HELD
        if self._step is _Step.ADOPT_IPV4:
            self._step = _Step.ADOPT_IPV6
            return Outcome.GOES_ON
        return self._give_way()

    def _give_way(self) -> Outcome:
        self.due_at = None
        self.written = None
        self._conflicts += 1
        self._step = _Step.CLAIM
        return Outcome.TAKEN


class Removal:
    """A name that is to be taken out of the zone, with all that points to it.

    :param wanted: what stands there; for what a crash left, made by `leftover`.
    :param look: ask first which subtypes point to it.
    """

    def __init__(self, wanted: Wanted, now: float, key: Hashable = None, *, look: bool = False) -> None:
        self.key: Final = key
        self.wanted: Final = wanted
        self.due_at: float | None = now
        self.failures = 0
        self._subtypes = set(wanted.subtype_names)
        self._requests: list[Callable[[Place], Request]] = [self._remove]
        if look:
            self._requests.insert(0, self._look)

    @property
    def is_tidying(self) -> bool:
        """Whether it is out of the zone, and only the list of types is still to be looked at."""
        return self._requests[0] == self._tidy

    def request(self, place: Place) -> Request:
        """Return what to send."""
        return self._requests[0](place)

    def answered(self, reply: Message, now: float) -> Outcome:
        """Take in the answer to the last request."""
        self.due_at = now
        step, code = self._requests[0], reply.rcode
        if step == self._look:
            if not _is_told(reply):
                return Outcome.REFUSED
            self._subtypes |= _targets(reply)
        elif step == self._remove and code in _NOT_OURS:
            # The name is free by now, or another's. Our pointers go with it in the first case only: they
            # would be the other's in the second.
            self._requests.insert(1, self._remove_pointers)
        elif step == self._remove_pointers and code == UpdateCode.YXDOMAIN:
            self._requests.insert(1, self._forget)
        elif step == self._tidy:
            # Others may have services of the type; then it stays.
            pass
        elif code != UpdateCode.NOERROR:
            return Outcome.REFUSED
        elif self.wanted.type_name is not None and step in (self._remove, self._remove_pointers):
            self._requests.append(self._tidy)
        del self._requests[0]
        return Outcome.GOES_ON if self._requests else Outcome.REMOVED

    def _look(self, place: Place) -> Request:
        return Question(place.owner.subtypes_name(self.wanted.name, place.zone), RecordType.PTR)

    def _remove(self, place: Place) -> Request:
        marker = place.owner.marker(self.wanted.name)
        changes = (without_name(self.wanted.name), *self._pointers(), *self._lists(place))
        return Update(place.zone, records_are([marker]), changes)

    def _remove_pointers(self, place: Place) -> Request:
        changes = (*self._pointers(), *self._lists(place))
        return Update(place.zone, (name_is_free(self.wanted.name),), changes)

    def _forget(self, place: Place) -> Request:
        return Update(place.zone, (), self._lists(place))

    def _tidy(self, place: Place) -> Request:
        assert self.wanted.type_name is not None
        nobody = set_is_absent(self.wanted.type_name, RecordType.PTR)
        return Update(place.zone, (nobody,), (without(place.type_pointer(self.wanted.type_name)),))

    def _pointers(self) -> tuple[Record, ...]:
        name, type_name = self.wanted.name, self.wanted.type_name
        owners = sorted(self._subtypes, key=_by_wire)
        if type_name is not None:
            owners.insert(0, type_name)
        return tuple(without(records.pointer(each, name, ttl=0)) for each in owners)

    def _lists(self, place: Place) -> tuple[Record, ...]:
        name = self.wanted.name
        subtypes = place.owner.subtypes_name(name, place.zone)
        return (without(place.owner.listed(name, place.zone)), without_name(subtypes))


def leftover(name: Name) -> Wanted:
    """Return what is known of a name that is listed as ours, and that nobody wants any more."""
    labels = name.labels
    is_service = len(labels) > 3 and labels[1][:1] == b"_" and labels[2].lower() in (b"_tcp", b"_udp")
    return Wanted(name, (), name.parent if is_service else None)


def retry_delay(failures: int) -> float:
    """Return how long to wait after this many failures in a row."""
    return min(LAST_RETRY, FIRST_RETRY * 2.0 ** min(failures - 1, 20))


def _is_told(reply: Message) -> bool:
    """Whether an answer to a question tells what the server holds: one that failed knows nothing."""
    return reply.rcode in (UpdateCode.NOERROR, UpdateCode.NXDOMAIN)


def _targets(reply: Message) -> set[Name]:
    """Return the names that the pointers of an answer lead to."""
    found = (record.data for record in reply.answers if record.type == RecordType.PTR)
    return {data for data in found if isinstance(data, Name)}


def names_in(reply: Message, zone: Name) -> Iterable[Name]:
    """Return the names of a zone that a list of ours holds."""
    return sorted((name for name in _targets(reply) if name.is_within(zone)), key=_by_wire)


def _by_wire(name: Name) -> bytes:
    return name.wire
