"""Browsing: the services of a type, and the types (RFC 6763 §4, §7.1, §9)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.messages import Question
from mcast.dns.names import LOCAL, Name
from mcast.dns.records import Record, pointer
from mcast.dnssd.following import AnyQuerier, Listing
from mcast.dnssd.found import FoundService, TypeChange, type_change
from mcast.dnssd.instances import InstanceName
from mcast.dnssd.link_id import LinkId, interfaces_of
from mcast.dnssd.shares import Shares
from mcast.dnssd.tracking import Instance, ServiceTracker
from mcast.dnssd.types import ServiceType, subtype_label, type_enumeration_name
from mcast.errors import InvalidService
from mcast.mdns.events import RecordAdded, RecordChange, RecordFlushed, RecordRemoved

MAX_INSTANCES = 8192
"""Instances that are followed at a time.

Our choice: as many as a cache holds of one name. More are a stranger's invention: they give way (see
`Shares`), and are counted.
"""

MAX_TYPES = 1024
"""Service types that are listed at a time. Our choice: more than any link has of registered types."""

REFILL = 3 / 4
"""The part of its limit to which a full list shrinks before what was left out is taken in from the cache.

Our choice: so that this is not done for each place that becomes free.
"""

_PTR: Final = int(RecordType.PTR)
_SRV: Final = int(RecordType.SRV)
_LEFT: Final = (
    RecordFlushed,
    RecordRemoved,
)  # made once: a union for each record would take half of the time


class Browser(ServiceTracker):
    """Follows all instances of service types or subtypes.

    An instance that several of these list is one service. `preferred` chooses among types that are one to a
    user (RFC 6763 §8).

    :param types: types, each with one of its subtypes, or with None for all its instances.
    :param resolve: whether to ask for SRV, TXT and addresses too; otherwise only names are found.
    """

    def __init__(
        self,
        types: Iterable[tuple[ServiceType, str | bytes | None]],
        domain: Name = LOCAL,
        *,
        resolve: bool = True,
    ) -> None:
        super().__init__(domain)
        self._resolves: Final = resolve
        self._shares: Final = Shares(MAX_INSTANCES, self._is_backed, self._is_confirmed, self._is_repeated)
        self._has_left_out = False
        """Whether there may be instances in the cache that had to give way."""
        self._lists: Final[dict[bytes, tuple[Name, bytes | None]]] = {}
        """The names whose PTR records list instances, each with its subtype, by their keys."""
        for service_type, subtype in types:
            if subtype is None:
                name, label = service_type.in_domain(domain), None
            else:
                name, label = service_type.subtype_in_domain(subtype, domain), subtype_label(subtype)
            self._lists[name.key] = (name, label)
        self._last_listing: tuple[tuple[LinkId, bytes], ...] = ()
        self._has_subtypes: Final = any(label is not None for _, label in self._lists.values())

    @property
    def questions(self) -> tuple[Question, ...]:
        """What is asked on every link, besides what follows from the answers."""
        return tuple([Question(name, _PTR) for name, _ in self._lists.values()])

    def reconfirm(self, name: Name, now: float) -> None:
        instance = self._instances.get(name.key)
        if instance is not None:
            for link, key in instance.pointers:
                self._reconfirm_pointer(instance, link, key, now)
        super().reconfirm(name, now)

    def _reconfirm_pointer(self, instance: Instance, link: LinkId, key: bytes, now: float) -> None:
        name, _ = self._lists[key]
        self._links[link].reconfirm(pointer(name, instance.name, 0), now)

    def _begin_on(self, link: LinkId, now: float) -> None:
        for question in self.questions:
            self._ask(link, question.name, {_PTR: False}, now)

    def _end_on(self, link: LinkId, now: float) -> None:
        for question in self.questions:
            self._cancel(link, question, now)
        for instance in list(self._instances.values()):
            if link in instance.links:
                instance.pointers = tuple([entry for entry in instance.pointers if entry[0] != link])
                self._unfollow(instance, link, now)

    def _record(self, link: LinkId, change: RecordChange, now: float) -> None:
        record = change.record
        if record.type == _PTR and record.name.key in self._lists:
            if isinstance(change, _LEFT):
                self._unlisted(link, record, now)
            else:
                self._listed(link, record, None if change.source is None else change.source[0], now)
            return
        super()._record(link, change, now)
        if record.type == _SRV and isinstance(change, RecordRemoved):
            self._reconfirm_pointers(link, record, now)

    def _reconfirm_pointers(self, link: LinkId, record: Record, now: float) -> None:
        """Have the PTR records reconfirmed of an instance that has lost its SRV record.

        RFC 6762 §10.4: "The rdata in a DNS-SD PTR record can be determined to be incorrect if attempts to
        look up the SRV record it references are not successful."
        """
        instance = self._instances.get(record.name.key)
        if instance is not None and not any(where == link for where, _ in instance.services):
            for where, key in instance.pointers:
                if where == link:
                    self._reconfirm_pointer(instance, link, key, now)

    def _listed(self, link: LinkId, record: Record, source: str | None, now: float) -> None:
        target = record.rdata.lower()
        instance = self._instances.get(target)
        entry = (link, record.name.key)
        if instance is None:
            name = Name.from_wire(record.rdata)
            # Nearly always it is a label before the type that lists it; otherwise it is taken apart.
            if target[1 + target[0] :] != entry[1] or self._lists[entry[1]][1] is not None:
                try:
                    # The type and domain may be others than those asked for (RFC 6763 §4.2), but there must
                    # be a type.
                    InstanceName.from_name(name)
                except InvalidService:
                    self.counters["pointers to no instance"] += 1
                    return
            self._make_place(target, source, now)
            instance = self._instances[target] = Instance(name)
        elif entry in instance.pointers:
            return
        instance.pointers = (*instance.pointers, entry) if instance.pointers else self._alone_in(entry)
        self._changed[target] = instance
        if link not in instance.links:
            self._begin_following(instance, link, now)

    def _alone_in(self, entry: tuple[LinkId, bytes]) -> tuple[tuple[LinkId, bytes], ...]:
        """Return where an instance is listed that is listed once: the same object for thousands of them."""
        last = self._last_listing
        if not last or last[0][0] is not entry[0] or last[0][1] != entry[1]:
            last = self._last_listing = (entry,)
        return last

    def _unlisted(self, link: LinkId, record: Record, now: float) -> None:
        target = record.rdata.lower()
        instance = self._instances.get(target)
        entry = (link, record.name.key)
        if instance is None or entry not in instance.pointers:
            return
        instance.pointers = tuple([one for one in instance.pointers if one != entry])
        self._changed[target] = instance
        if all(where != link for where, _ in instance.pointers):
            self._unfollow(instance, link, now)
        if self._has_left_out and len(self._shares) <= REFILL * MAX_INSTANCES:
            self._has_left_out = False
            for each, querier in self._links.items():
                for question in self.questions:
                    for one in querier.records(question, now, flushed=False):
                        self._listed(each, one, None, now)

    def _make_place(self, key: bytes, source: str | None, now: float) -> None:
        """Make room for an instance; perhaps another one gives way."""
        displaced = self._shares.add(key, source, now)
        if displaced is not None:
            self.counters["instances displaced"] += 1
            self._has_left_out = True
            instance = self._instances[displaced]
            instance.pointers = ()
            for link in instance.links:
                self._unfollow(instance, link, now)

    def _unfollow(self, instance: Instance, link: LinkId, now: float) -> None:
        super()._unfollow(instance, link, now)
        if not instance.links:
            self._shares.remove(instance.name.key)

    def _is_backed(self, key: bytes) -> bool:
        """Whether there is an SRV record of an instance."""
        instance = self._instances[key]
        return bool(instance.services) or any(
            self._links[link].has(instance.name, _SRV) for link in instance.links
        )

    def _is_confirmed(self, key: bytes) -> bool:
        """Whether a second host lists an instance."""
        return any(querier.is_confirmed(one) for querier, one in self._pointers(key))

    def _is_repeated(self, key: bytes, since: float) -> bool:
        """Whether an instance was listed again later."""
        return any(querier.is_repeated(one, since) for querier, one in self._pointers(key))

    def _pointers(self, key: bytes) -> list[tuple[AnyQuerier, Record]]:
        instance = self._instances[key]
        return [
            (self._links[link], pointer(self._lists[by][0], instance.name, 0))
            for link, by in instance.pointers
        ]

    def _ask_about(self, instance: Instance, link: LinkId, now: float) -> None:
        if self._resolves:
            super()._ask_about(instance, link, now)

    def _is_there(self, instance: Instance) -> bool:
        return not self._resolves or super()._is_there(instance)

    def _found(self, instance: Instance, now: float) -> FoundService | None:
        if self._resolves:
            return super()._found(instance, now)
        return FoundService(
            instance.name,
            None,
            b"",
            (),
            instance.links,
            self._subtypes(instance),
        )

    def _subtypes(self, instance: Instance) -> tuple[bytes, ...]:
        if not self._has_subtypes:
            return ()
        subtypes = {self._lists[key][1] for _, key in instance.pointers}
        return tuple(sorted([subtype for subtype in subtypes if subtype is not None]))


class TypeBrowser(Listing[ServiceType, ServiceType, TypeChange]):
    """Follows which service types there are at all (RFC 6763 §9)."""

    def __init__(self, domain: Name = LOCAL) -> None:
        super().__init__(domain)
        self._question: Final = Question(type_enumeration_name(domain), _PTR)
        self._domain: Final = domain
        self._shares: Final = Shares(MAX_TYPES, self._is_backed, self._is_confirmed, self._is_repeated)
        self._has_left_out = False
        """Whether there may be types in the cache that had to give way."""
        self._listed: dict[ServiceType, list[tuple[LinkId, bytes]]] = {}
        """The links on which each type is listed, with the rdata; the same type in several domains is one."""
        self._untold: Final[dict[ServiceType, None]] = {}
        """What is listed and not in the table, or the other way round.

        In a flood of inventions each is news, and a look at a thousand others for it takes most of the time.
        """

    def interfaces(self, service_type: ServiceType) -> tuple[str, ...]:
        """Return the names of the interfaces on which there are services of a type."""
        return interfaces_of([link for link, _ in self._listed.get(service_type, ())])

    @property
    def has_news(self) -> bool:
        return bool(self._untold)

    def changes(self, now: float) -> list[TypeChange]:
        untold = list(self._untold)
        self._untold.clear()
        removed = [self._put(one, None) for one in untold if one not in self._listed]
        added = [self._put(one, one) for one in untold if one in self._listed]
        return [change for change in (*removed, *added) if change is not None]

    @staticmethod
    def key_of(change: TypeChange) -> ServiceType:
        return change.type

    @staticmethod
    def compare(old: ServiceType | None, new: ServiceType | None) -> TypeChange | None:
        return type_change(old, new)

    def _begin_on(self, link: LinkId, now: float) -> None:
        self._ask(link, self._question.name, {_PTR: False}, now)

    def _end_on(self, link: LinkId, now: float) -> None:
        self._cancel(link, self._question, now)
        for service_type, entries in list(self._listed.items()):
            entries[:] = [entry for entry in entries if entry[0] != link]
            if not entries:
                self._drop(service_type)

    def _record(self, link: LinkId, change: RecordChange, now: float) -> None:
        record = change.record
        labels = Name.from_wire(record.rdata).labels if record.type == _PTR else ()
        try:
            # RFC 6763 §9: "only the first two labels" matter.
            service_type = ServiceType.from_labels(*labels[:2])
        except (InvalidService, TypeError):
            self.counters["pointers to no type"] += 1
            return
        entry = (link, record.rdata.lower())
        entries = self._listed.get(service_type, [])
        if entry in entries:
            entries.remove(entry)
        if isinstance(change, _LEFT):
            if not entries:
                self._drop(service_type)
                self._take_in_again(now)
            return
        if service_type not in self._listed:
            self._make_place(service_type, None if change.source is None else change.source[0], now)
        entries.append(entry)
        self._listed[service_type] = entries
        self._note(service_type)

    def _note(self, service_type: ServiceType) -> None:
        """Take note that a type came or went."""
        if (service_type in self._listed) is (service_type in self.table):
            self._untold.pop(service_type, None)
        else:
            self._untold[service_type] = None

    def _make_place(self, service_type: ServiceType, source: str | None, now: float) -> None:
        """Make room for a type; perhaps another one gives way."""
        displaced = self._shares.add(service_type, source, now)
        if displaced is not None:
            self.counters["types displaced"] += 1
            self._has_left_out = True
            self._listed.pop(displaced, None)
            self._note(displaced)

    def _drop(self, service_type: ServiceType) -> None:
        self._listed.pop(service_type, None)
        self._note(service_type)
        self._shares.remove(service_type)

    def _take_in_again(self, now: float) -> None:
        if self._has_left_out and len(self._shares) <= REFILL * MAX_TYPES:
            self._has_left_out = False
            for link, querier in self._links.items():
                for record in querier.records(self._question, now, flushed=False):
                    self._record(link, RecordAdded(record, (self,)), now)

    def _is_backed(self, service_type: ServiceType) -> bool:
        """Whether there is an instance of a type."""
        listing = service_type.in_domain(self._domain)
        return any(querier.has(listing, _PTR) for querier in self._links.values())

    def _is_confirmed(self, service_type: ServiceType) -> bool:
        """Whether a second host lists a type."""
        return any(querier.is_confirmed(one) for querier, one in self._pointers(service_type))

    def _is_repeated(self, service_type: ServiceType, since: float) -> bool:
        """Whether a type was listed again later."""
        return any(querier.is_repeated(one, since) for querier, one in self._pointers(service_type))

    def _pointers(self, service_type: ServiceType) -> list[tuple[AnyQuerier, Record]]:
        name = self._question.name
        return [
            (self._links[link], Record(name, _PTR, RecordClass.IN, 0, rdata))
            for link, rdata in self._listed.get(service_type, ())
        ]

    def _denied(self, link: LinkId, question: Question, now: float) -> None:
        """Do nothing: without an answer there are no types."""


def preferred(services: Iterable[FoundService], types: Sequence[ServiceType]) -> list[FoundService]:
    """Return each instance name once, of the type that stands first in ``types``.

    It serves programs that can use several protocols. A print dialogue shows a printer that offers three of
    them as one printer, since its user does not care for the protocol (RFC 6763 §8).
    """
    rank = {service_type: place for place, service_type in enumerate(types)}
    best: dict[tuple[bytes, bytes], FoundService] = {}
    for service in services:
        label = service.full_name.labels[0].lower()
        key = (label, service.domain.key)
        other = best.get(key)
        last = len(rank)
        if other is None or rank.get(service.type, last) < rank.get(other.type, last):
            best[key] = service
    return list(best.values())
