"""The services and their types: what is there, since when, and what has gone."""

from __future__ import annotations

from collections.abc import Iterable

from mcast.dnssd.found import FoundService
from mcast.dnssd.types import ServiceType
from mcast.live.documents import Document
from mcast.live.events import EventLog
from mcast.live.hosts import Host, Hosts
from mcast.live.limits import GONE_LIMIT, MAX_ADDRESSES, MAX_SERVICES, MAX_TYPES
from mcast.live.publishing import Published
from mcast.live.texts import attributes, name_text, text_of

RENAME_DELAY = 5.0
"""Seconds between the end of one name and the begin of another that count as a renaming.

Our choice: a new name is announced after three probes within a second (RFC 6762 §8.1), on a busy link later.
"""


class Service:
    """One service."""

    __slots__ = ("changed", "changes", "connect", "found", "gone", "host", "id", "since", "texts")

    def __init__(self, identifier: str, found: FoundService, now: float) -> None:
        self.id = identifier
        self.found = found
        self.texts = _texts(found)
        self.host: Host | None = None
        self.since = self.changed = now
        self.gone: float | None = None
        self.changes = 0
        self.connect: Document | None = None

    @property
    def place(self) -> tuple[object, ...]:
        """What is the same after it was given another name."""
        return (self.texts["type"], self.texts["host"], self.texts["port"])

    def as_json(self, now: float) -> Document:
        """Return the entry of the snapshot."""
        return {
            **self.texts,
            "host_id": None if self.host is None else self.host.id,
            "since": round(self.since, 3),
            "changed": round(self.changed, 3),
            "changes": self.changes,
            "gone": None if self.gone is None else round(self.gone, 3),
            "connect": self.connect,
        }


class TypeEntry:
    """One service type."""

    __slots__ = ("id", "interfaces", "is_told", "packets", "services", "since")

    def __init__(self, identifier: str, now: float) -> None:
        self.id = identifier
        self.since = now
        self.services = 0
        self.packets = 0
        self.interfaces: tuple[str, ...] = ()
        self.is_told = False
        """Whether a browser of types tells it."""

    def as_json(self, now: float) -> Document:
        """Return the entry of the snapshot."""
        return {
            "services": self.services,
            "packets": self.packets,
            "interfaces": list(self.interfaces),
            "since": round(self.since, 3),
        }


class Services:
    """The tables of services and of types."""

    def __init__(self, published: Published, events: EventLog, hosts: Hosts) -> None:
        self.refused = 0
        """How many services and types had no place."""
        self._published = published
        self._events = events
        self._hosts = hosts
        self._number = 0
        self._by_name: dict[bytes, Service] = {}
        self._by_id: dict[str, Service] = {}
        self._gone: dict[str, Service] = {}
        self.types: dict[str, TypeEntry] = {}
        hosts.merged.append(self._moved)

    def get(self, identifier: str) -> Service | None:
        """Return the service of an identifier."""
        return self._by_id.get(identifier)

    def there(self, found: FoundService, now: float) -> None:
        """Take in that a service is there, or is different."""
        service = self._by_name.get(found.full_name.key)
        if service is None:
            if len(self._by_id) >= MAX_SERVICES and not self._make_place():
                self.refused += 1
                return
            self._number += 1
            service = Service(f"s{self._number}", found, now)
            self._by_name[found.full_name.key] = self._by_id[service.id] = service
            self._count(service, 1, now)
            self._tell_came(service, now)
        elif service.gone is not None:
            service.found, service.texts, service.gone = found, _texts(found), None
            service.since = service.changed = now
            self._gone.pop(service.id, None)
            self._count(service, 1, now)
            self._tell_came(service, now)
        else:
            self._change(service, found, now)
        self._settle_host(service, now)
        self._published.changed("services", service)

    def went(self, found: FoundService, now: float) -> None:
        """Take in that a service has gone; it stays in the table for a while."""
        service = self._by_name.get(found.full_name.key)
        if service is None or service.gone is not None:
            return
        service.gone = now
        self._gone[service.id] = service
        self._count(service, -1, now)
        self._leave_host(service)
        self._published.changed("services", service)
        self._events.add(now, "went", "service", service.id, (service.texts["name"], _where(service)))

    def connected(self, identifier: str, state: str, seconds: float | None, now: float) -> None:
        """Take in what came of a TCP connect: ``open``, ``refused``, ``timeout`` or ``failed``."""
        service = self._by_id.get(identifier)
        if service is not None:
            rounded = None if seconds is None else round(seconds, 6)
            service.connect = {"state": state, "seconds": rounded, "at": round(now, 3)}
            self._published.changed("services", service)

    def type_told(self, type: ServiceType, interfaces: Iterable[str], now: float) -> None:
        """Take in that there are services of a type."""
        entry = self._type(text_of(str(type)), now)
        if entry is not None:
            if not entry.is_told:
                self._events.add(now, "came", "type", entry.id, (entry.id, ""))
            entry.is_told, entry.interfaces = True, tuple(interfaces)
            self._published.changed("types", entry)

    def type_went(self, type: ServiceType, now: float) -> None:
        """Take in that there are no services of a type any more."""
        entry = self.types.get(text_of(str(type)))
        if entry is not None and entry.is_told:
            entry.is_told = False
            self._events.add(now, "went", "type", entry.id, (entry.id, ""))
            self._drop_type(entry)

    def count_packet(self, type: str) -> None:
        """Count a packet about a type, when it is in the table."""
        entry = self.types.get(type)
        if entry is not None:
            entry.packets += 1
            self._published.counted("types", entry)

    def look(self, now: float) -> None:
        """Forget what has gone long ago (called now and then)."""
        for service in [each for each in self._gone.values() if now - (each.gone or now) > GONE_LIMIT]:
            self._forget(service)

    def _moved(self, gone: Host, kept: Host) -> None:
        for identifier in gone.services:
            service = self._by_id.get(identifier)
            if service is not None and service.host is gone:
                service.host = kept
                self._published.changed("services", service)

    def _change(self, service: Service, found: FoundService, now: float) -> None:
        texts = _texts(found)
        parts = [part for part, value in texts.items() if value != service.texts[part]]
        service.found = found
        if parts:
            service.texts = texts
            service.changed = now
            service.changes += 1
            self._events.add(now, "changed", "service", service.id, (texts["name"], ", ".join(parts)))

    def _tell_came(self, service: Service, now: float) -> None:
        before = None
        if service.texts["port"]:
            before = next(
                (
                    each
                    for each in reversed(self._gone.values())
                    if now - (each.gone or 0.0) <= RENAME_DELAY and each.place == service.place
                ),
                None,
            )
        name = service.texts["name"]
        if before is None:
            self._events.add(now, "came", "service", service.id, (name, _where(service)))
        else:
            detail = f"was {before.texts['name']}"
            self._events.add(now, "renamed", "service", service.id, (name, detail))

    def _settle_host(self, service: Service, now: float) -> None:
        name = service.texts["host"]
        host = None
        if name is not None:
            for address in service.texts["addresses"][:MAX_ADDRESSES]:
                host = self._hosts.has(name, address, now)
            host = self._hosts.named(name)
        self._set_host(service, host)

    def _set_host(self, service: Service, host: Host | None) -> None:
        before = service.host
        if before is not None and before is not host:
            self._leave_host(service)
        service.host = host
        if host is not None and service.id not in host.services:
            host.services.add(service.id)
            self._published.changed("hosts", host)

    def _leave_host(self, service: Service) -> None:
        host = service.host
        if host is not None and service.id in host.services:
            host.services.discard(service.id)
            if self._hosts.get(host.id) is host:
                self._published.changed("hosts", host)

    def _count(self, service: Service, step: int, now: float) -> None:
        entry = self._type(service.texts["type"], now)
        if entry is not None:
            entry.services += step
            self._published.changed("types", entry)
            self._drop_type(entry)

    def _type(self, key: str, now: float) -> TypeEntry | None:
        entry = self.types.get(key)
        if entry is None:
            if len(self.types) >= MAX_TYPES:
                self.refused += 1
                return None
            entry = self.types[key] = TypeEntry(key, now)
        return entry

    def _drop_type(self, entry: TypeEntry) -> None:
        if not entry.is_told and entry.services <= 0:
            del self.types[entry.id]
            self._published.gone("types", entry.id)

    def _make_place(self) -> bool:
        if not self._gone:
            return False
        self._forget(next(iter(self._gone.values())))
        return True

    def _forget(self, service: Service) -> None:
        self._gone.pop(service.id, None)
        del self._by_id[service.id]
        del self._by_name[service.found.full_name.key]
        self._published.gone("services", service.id)


def _texts(found: FoundService) -> Document:
    """Return the fields of the entry that the network tells."""
    try:
        name, kind, domain = found.name, str(found.type), name_text(found.domain)
    except ValueError:  # the name of an instance that is none
        name, kind, domain = str(found.full_name), "", ""
    host = found.host
    return {
        "name": text_of(name),
        "type": text_of(kind),
        "domain": domain,
        "full_name": str(found.full_name),
        "host": None if host is None else name_text(host),
        "port": found.port,
        "priority": found.priority,
        "weight": found.weight,
        "txt": attributes(found.txt),
        "addresses": [str(each.address) for each in found.addresses[:MAX_ADDRESSES]],
        "interfaces": list(found.interfaces),
        "subtypes": [text_of(each) for each in found.subtypes[:MAX_ADDRESSES]],
    }


def _where(service: Service) -> str:
    texts = service.texts
    return texts["type"] if texts["host"] is None else f"{texts['type']} on {texts['host']}:{texts['port']}"
