"""From records of several links to services (RFC 6763 §5, §6, §12)."""

from __future__ import annotations

import heapq
from collections.abc import Collection
from itertools import islice
from typing import Final

from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import LOCAL, Name
from mcast.dnssd.addresses import ADDRESS_TYPES, HostAddresses, Seen, take_in, without
from mcast.dnssd.following import Listing
from mcast.dnssd.found import Change, FoundService, service_change
from mcast.dnssd.link_id import LinkId, interfaces_of
from mcast.mdns.events import RecordChange, RecordRemoved

PATIENCE = 3.0
"""How long a service with an SRV record waits for what is missing, before it is shown without that.

Our choice: three questions are asked in this time (RFC 6762 §5.2).
"""

LOSS_PATIENCE = 11.0
"""How long a service is shown as it was after its host has lost the last address.

Our choice: a host that is gone loses its address records and its SRV records one after the other, each at
the end of its TTL. The user should see one event and not two, so the SRV record is reconfirmed at once, which
takes ten seconds (RFC 6762 §10.4).
"""

RECONFIRMED_SERVICES = 64
"""SRV records that are reconfirmed when a host has lost its addresses.

Our choice: the others expire at the end of their TTL.
"""

CHANGES = 500
"""Instances that are looked at in one call of `changes`.

Our choice: about five milliseconds, when the host of thousands of instances gets another address.
"""

FEW_USERS = 8
"""Instances of a host that are kept in a tuple, and no set. Our choice: of most hosts there are fewer; a set
takes 200 octets, and from there on to copy a tuple takes longer than to add to a set."""

_SRV: Final = int(RecordType.SRV)
_TXT: Final = int(RecordType.TXT)
_ONE: Final = (1,)
_DESCRIPTION: Final = {_SRV: False, _TXT: True}
_ADDRESSES: Final = dict.fromkeys(ADDRESS_TYPES, True)


class Host(HostAddresses):
    """A host that services are on, with what is known of its addresses.

    One object, and tuples that hosts share: where each service has a host of its own, that is half of the
    time to make one, and a quarter of the memory.
    """

    __slots__ = ("_counts", "is_elsewhere", "links", "name", "users")

    def __init__(self, name: Name, is_elsewhere: bool) -> None:
        super().__init__()
        self.name: Final = name
        self.users: tuple[bytes, ...] | set[bytes] = ()
        """The keys of the instances on this host; a set when they are many."""
        self.links: tuple[LinkId, ...] = ()
        """The links on which its addresses are asked for."""
        self._counts: tuple[int, ...] = ()
        """How many instances need them on each of these links."""
        self.is_elsewhere: Final = is_elsewhere
        """Whether its addresses are not asked for where the services are."""

    def add_user(self, key: bytes) -> None:
        """Take note of an instance that is on this host."""
        users = self.users
        if not users:
            self.users = (key,)
        elif isinstance(users, set):
            users.add(key)
        else:
            self.users = (*users, key) if len(users) < FEW_USERS else {*users, key}

    def remove_user(self, key: bytes) -> None:
        """Take note that an instance is on this host no more."""
        users = self.users
        if isinstance(users, set):
            users.discard(key)
        else:
            self.users = tuple([one for one in users if one != key])

    def use_on(self, alone: tuple[LinkId, ...]) -> bool:
        """Take note that one more instance needs the addresses on a link; return whether it is the first.

        :param alone: the link, in a tuple that hosts share.
        """
        if not self.links:
            self.links, self._counts = alone, _ONE
            return True
        link = alone[0]
        if link in self.links:
            self._count(link, 1)
            return False
        self.links += alone
        self._counts += _ONE
        return True

    def leave_on(self, link: LinkId) -> bool:
        """Undo `use_on`; return whether no instance needs the addresses there any more."""
        self._count(link, -1)
        if 0 not in self._counts:
            return False
        self.links = tuple([one for one in self.links if one != link])
        self._counts = tuple([count for count in self._counts if count])
        return True

    def _count(self, link: LinkId, more: int) -> None:
        place = self.links.index(link)
        counts = self._counts
        self._counts = (*counts[:place], counts[place] + more, *counts[place + 1 :])


class Instance:
    """What is known of one service instance."""

    __slots__ = ("due", "host", "links", "name", "pointers", "services", "texts", "without_text")

    def __init__(self, name: Name) -> None:
        self.name: Final = name
        # Tuples, as `Seen` is: of all these, most have one entry for as long as they are there.
        self.links: tuple[LinkId, ...] = ()
        """The links on which it is followed."""
        self.pointers: tuple[tuple[LinkId, bytes], ...] = ()
        """The links on which it is listed, each with the key of a name that lists it there."""
        self.services: Seen = ()
        self.texts: Seen = ()
        self.without_text: tuple[LinkId, ...] = ()
        self.host: Host | None = None
        self.due: float | None = None
        """When it is shown though it is not complete."""

    def current_service(self) -> bytes | None:
        """Return the rdata of the SRV record that counts.

        Of the records on the link where the newest one was seen, it is the first by priority (RFC 2782), and
        the newer one of two with equal priority.
        """
        services = self.services
        if not services:
            return None
        link, rdata = services[-1]
        if len(services) == 1:
            return rdata
        # Priority is the first field, so octets compare as numbers do.
        return min([one for where, one in reversed(services) if where == link], key=lambda one: one[:2])


class ServiceTracker(Listing[bytes, FoundService, Change]):
    """Follows service instances; its table has those that can be shown, by the keys of their names.

    It asks for SRV and TXT records, then for the addresses of the host. An instance that goes and comes back
    before `changes` is called is the same service.
    """

    def __init__(self, domain: Name = LOCAL) -> None:
        super().__init__(domain)
        self._instances: dict[bytes, Instance] = {}
        self._hosts: dict[bytes, Host] = {}
        self._changed: dict[bytes, Instance] = {}
        """Instances that `changes` has to look at; some of them are no longer followed."""
        self._changed_hosts: dict[bytes, Host] = {}
        self._last_link: tuple[LinkId, ...] | None = None
        self._due: list[tuple[float, bytes]] = []
        """A heap of when to look at instances again; an entry whose instance has another ``due`` is void."""

    @property
    def has_news(self) -> bool:
        return bool(self._changed or self._changed_hosts)

    def next_wakeup(self) -> float | None:
        due = self._due
        while due:
            at, key = due[0]
            instance = self._instances.get(key)
            if instance is not None and instance.due == at:
                return at
            heapq.heappop(due)
        return None

    def changes(self, now: float) -> list[Change]:
        """Bring at most `CHANGES` services up to date; when `has_news` is still true, there are more."""
        due = self._due
        while due and due[0][0] <= now:
            at, key = heapq.heappop(due)
            instance = self._instances.get(key)
            if instance is not None and instance.due == at:
                self._changed[key] = instance
        for host in self._changed_hosts.values():
            for key in host.users:
                self._changed[key] = self._instances[key]
        self._changed_hosts.clear()
        changed = self._changed
        changes = [self._look(key, changed.pop(key), now) for key in list(islice(changed, CHANGES))]
        return [change for change in changes if change is not None]

    def hurry(self, now: float) -> None:
        """Have `changes` tell what is known of each service, without waiting for what may be missing."""
        for key, instance in self._instances.items():
            if key not in self.table:
                instance.due = now
                self._changed[key] = instance

    def unlocated(self) -> tuple[Name, ...]:
        """Return the names of services of which no SRV record is known."""
        return tuple([one.name for one in self._instances.values() if not one.services])

    @staticmethod
    def key_of(change: Change) -> bytes:
        return change.service.full_name.key

    @staticmethod
    def compare(old: FoundService | None, new: FoundService | None) -> Change | None:
        return service_change(old, new)

    def reconfirm(self, name: Name, now: float) -> None:
        """Have the records of a service reconfirmed that cannot be reached (RFC 6762 §10.4)."""
        instance = self._instances.get(name.key)
        if instance is None:
            return
        questions = [Question(name, _SRV)]
        if instance.host is not None and not instance.host.is_elsewhere:
            questions += [Question(instance.host.name, rtype) for rtype in ADDRESS_TYPES]
        for link in instance.links:
            querier = self._links[link]
            for question in questions:
                for record in querier.records(question, now):
                    querier.reconfirm(record, now)

    # What is followed

    def _follow(self, name: Name, link: LinkId, now: float) -> Instance:
        key = name.key
        instance = self._instances.get(key)
        if instance is None:
            instance = self._instances[key] = Instance(name)
        if link not in instance.links:
            self._begin_following(instance, link, now)
        return instance

    def _begin_following(self, instance: Instance, link: LinkId, now: float) -> None:
        instance.links = (*instance.links, link) if instance.links else self._alone_on(link)
        self._changed[instance.name.key] = instance
        self._ask_about(instance, link, now)

    def _alone_on(self, link: LinkId) -> tuple[LinkId, ...]:
        """Return the links of an instance that is followed on one: the same object for thousands of them."""
        last = self._last_link
        if last is None or last[0] is not link:
            last = self._last_link = (link,)
        return last

    def _ask_about(self, instance: Instance, link: LinkId, now: float) -> None:
        if instance.host is not None:
            self._use_host(instance, instance.host, link, now)
        host = instance.host
        self._ask(link, instance.name, _DESCRIPTION, now)
        if instance.host is host:
            self._links[link].depend(instance.name, now)

    def _unfollow(self, instance: Instance, link: LinkId, now: float) -> None:
        self._cancel(link, Question(instance.name, _SRV), now)
        self._cancel(link, Question(instance.name, _TXT), now)
        instance.links = tuple([one for one in instance.links if one != link])
        key = instance.name.key
        self._changed[key] = instance
        if instance.host is not None:
            self._leave_host(instance.host, link, now)
        instance.texts = without(instance.texts, link)
        instance.without_text = tuple([one for one in instance.without_text if one != link])
        services = instance.services
        instance.services = without(services, link)
        if len(instance.services) != len(services) or not instance.links:
            self._find_host(instance, now)
        if not instance.links:
            del self._instances[key]

    def _find_host(self, instance: Instance, now: float) -> None:
        """Follow the host that the SRV record names now."""
        rdata = instance.current_service()
        target = None if rdata is None else rdata[6:]
        old = instance.host
        if old is not None:
            if target is not None and target.lower() == old.name.key:
                return
            instance.host = None
            old.remove_user(instance.name.key)
            for link in instance.links:
                self._leave_host(old, link, now)
        if target is None:
            return
        key = target.lower()
        host = self._hosts.get(key)
        if host is None:
            name = Name.from_wire(target)
            host = self._hosts[key] = Host(name, not self._may_ask_for(name))
            if host.is_elsewhere and self.asks_servers:
                # No server can tell the address of a host in .local, and nobody is asked for it.
                self.counters["hosts in multicast DNS"] += 1
                host.learn(())
            elif host.is_elsewhere:
                self._want_elsewhere(host.name)
        instance.host = host
        host.add_user(instance.name.key)
        for link in instance.links:
            self._use_host(instance, host, link, now)

    def _use_host(self, instance: Instance, host: Host, link: LinkId, now: float) -> None:
        if host.use_on(self._alone_on(link)) and not host.is_elsewhere:
            self._ask_about_any(link, host.name, _ADDRESSES, now)
        self._links[link].depend(instance.name, now)

    def _leave_host(self, host: Host, link: LinkId, now: float) -> None:
        if not host.leave_on(link):
            return
        for rtype in ADDRESS_TYPES:
            self._cancel(link, Question(host.name, rtype), now)
        host.forget(link)
        if not host.links:
            self._hosts.pop(host.name.key, None)
            self.elsewhere.pop(host.name.key, None)

    # What is heard

    def learn(self, host: Name, addresses: Collection[bytes]) -> None:
        key = host.key
        known = self._hosts.get(key)
        if known is not None:
            known.learn(addresses)
            self._changed_hosts[key] = known

    def _begin_on(self, link: LinkId, now: float) -> None:
        raise NotImplementedError

    def _end_on(self, link: LinkId, now: float) -> None:
        for instance in [one for one in self._instances.values() if link in one.links]:
            self._unfollow(instance, link, now)

    def _record(self, link: LinkId, change: RecordChange, now: float) -> None:
        record = change.record
        key = record.name.key
        rtype = record.type
        if rtype in _ADDRESSES:
            host = self._hosts.get(key)
            if host is not None and link in host.links:
                host.hear(link, change, now)
                self._changed_hosts[key] = host
                if not host and isinstance(change, RecordRemoved):
                    self._reconfirm_services(host, link, now)
            return
        instance = self._instances.get(key)
        if instance is None or link not in instance.links:
            return
        if rtype == _SRV:
            instance.services = take_in(instance.services, link, change)
            self._find_host(instance, now)
        elif rtype == _TXT:
            instance.texts = take_in(instance.texts, link, change)
            if instance.without_text:
                instance.without_text = tuple([one for one in instance.without_text if one != link])
        self._changed[key] = instance

    def _reconfirm_services(self, host: Host, link: LinkId, now: float) -> None:
        """Have the SRV records reconfirmed that lead to a host without addresses."""
        querier = self._links[link]
        for key in islice(host.users, RECONFIRMED_SERVICES):
            for record in querier.records(Question(self._instances[key].name, _SRV), now, flushed=False):
                querier.reconfirm(record, now)

    def _denied(self, link: LinkId, question: Question, now: float) -> None:
        key = question.name.key
        if question.type in ADDRESS_TYPES:
            host = self._hosts.get(key)
            if host is not None and link in host.links:
                host.deny(link, question.type, now)
                self._changed_hosts[key] = host
        elif question.type == _TXT:
            instance = self._instances.get(key)
            if instance is not None and link in instance.links:
                instance.without_text += (link,)
                self._changed[key] = instance

    # What is told

    def _look(self, key: bytes, instance: Instance, now: float) -> Change | None:
        """Bring the table up to date with an instance, and return what that changes."""
        if not instance.links or not self._is_there(instance):
            instance.due = None
            return self._put(key, None)
        found = self._found(instance, now)
        if found is None:
            return None
        instance.due = None
        return self._put(key, found)

    def _is_there(self, instance: Instance) -> bool:
        """Whether the service exists, though not all may be known of it."""
        return bool(instance.services)

    def _found(self, instance: Instance, now: float) -> FoundService | None:
        """Return an instance as it may be shown, or None when it is not yet to be shown."""
        service = instance.current_service()
        host = instance.host
        if service is None or host is None:
            return None
        interfaces = interfaces_of(instance.links)
        addresses = host.found(interfaces)
        due = self._due_at(instance, host, bool(addresses), now)
        if due > now:
            if instance.due is None or instance.due > due:
                instance.due = due
                heapq.heappush(self._due, (due, instance.name.key))
            if instance.due > now:
                return None
        text = instance.texts[-1][1] if instance.texts else b""
        return FoundService(instance.name, service, text, addresses, instance.links, self._subtypes(instance))

    def _due_at(self, instance: Instance, host: Host, has_addresses: bool, now: float) -> float:
        """Return when to show a service though something is missing; in the past when nothing is."""
        services = instance.services
        seen_on = interfaces_of([link for link, _ in services] if len(services) > 1 else services[0][:1])
        settles_at = host.settles_at(seen_on)
        has_text = bool(instance.texts or instance.without_text)
        is_denied = not has_addresses and host.is_complete(seen_on)
        shown = self.table.get(instance.name.key)
        has_lost = shown is not None and bool(shown.addresses) and shown.host == host.name
        if has_text and settles_at is not None and (has_addresses or (is_denied and not has_lost)):
            return settles_at
        return now + (LOSS_PATIENCE if has_lost and not has_addresses else PATIENCE)

    def _subtypes(self, instance: Instance) -> tuple[bytes, ...]:
        return ()
