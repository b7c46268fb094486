"""The model: it is fed with what happens, and says what has changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message
from mcast.dns.records import Record, show_type
from mcast.dnssd.found import Change, Removed
from mcast.dnssd.link_id import LinkId
from mcast.dnssd.types import ServiceType
from mcast.live.breaches import Breaches
from mcast.live.documents import Document
from mcast.live.events import EventLog
from mcast.live.findings import Findings
from mcast.live.hosts import Host, Hosts
from mcast.live.limits import MAX_LINKS
from mcast.live.publishing import Published
from mcast.live.rates import History, Rate
from mcast.live.services import Services
from mcast.live.texts import name_text, service_type_of, text_of
from mcast.mdns.lint import Breach

LOOK_INTERVAL = 10.0
"""Seconds between two looks at what has become old. Our choice: nothing here lives for less than minutes."""

_ADDRESSES = (RecordType.A, RecordType.AAAA)


@dataclass(frozen=True, slots=True)
class Heard:
    """A packet as it was heard."""

    payload: bytes
    source: str
    """The address of the sender; a link-local IPv6 address has its zone, ``fe80::1%eth0``."""
    link: LinkId
    message: Message | None
    """None for octets that are no DNS message."""


class LinkEntry:
    """One link of the node that watches."""

    __slots__ = ("id", "is_working", "last", "link", "octets", "packets", "rate")

    def __init__(self, link: LinkId, now: float) -> None:
        self.id = text_of(str(link))
        self.link = link
        self.is_working = True
        self.packets = self.octets = 0
        self.last: float | None = None
        self.rate = Rate(int(now))

    def as_json(self, now: float) -> Document:
        """Return the entry of the snapshot."""
        return {
            "interface": text_of(self.link.interface),
            "family": "IPv6" if self.link.ipv6 else "IPv4",
            "working": self.is_working,
            "packets": self.packets,
            "octets": self.octets,
            "rate": self.rate.rate(int(now)),
            "last": None if self.last is None else round(self.last, 3),
        }


class _Totals:
    """The sums over everything, and which limits were reached."""

    id = "totals"

    def __init__(self, model: Model) -> None:
        self._model = model
        self.packets = self.octets = self.records = self.questions = self.malformed = 0
        self.rate = Rate(0)

    def as_json(self, now: float) -> Document:
        return {
            "packets": self.packets,
            "octets": self.octets,
            "records": self.records,
            "questions": self.questions,
            "malformed": self.malformed,
            "rate": self.rate.rate(int(now)),
            "limits": self._model.limits_reached(),
        }


class _Watcher:
    """Who watches."""

    id = "watcher"

    def __init__(self) -> None:
        self.name = ""
        self.trouble: str | None = None

    def as_json(self, now: float) -> Document:
        return {"name": self.name, "trouble": self.trouble}


class Model:
    """What has been seen. Every method that has ``now`` takes seconds on a clock that does not jump."""

    def __init__(self) -> None:
        self._published = Published()
        self._events = EventLog(self._published)
        self.hosts = Hosts(self._published, self._events)
        self._services = Services(self._published, self._events, self.hosts)
        self._findings = Findings(self._published, self._events)
        self._breaches = Breaches(self._published)
        self.hosts.merged += (self._findings.moved, self._breaches.moved)
        self._history = History()
        self._links: dict[str, LinkEntry] = {}
        self._links_refused = 0
        self._totals = _Totals(self)
        self._watcher = _Watcher()
        self._advanced_at = -1
        self._looked_at: float | None = None
        self._published.changed("about", self._totals)
        self._published.changed("about", self._watcher)

    # What is fed

    def packet(self, heard: Heard, now: float) -> Host:
        """Take in a packet that was heard; returns the host that sent it."""
        link = self._link(heard.link, now)
        size = len(heard.payload)
        host = self.hosts.heard(heard.source, link.id, size, now)
        second = int(now)
        totals = self._totals
        for entry in (link, totals):
            entry.packets += 1
            entry.octets += size
            entry.rate.add(second, size)
        link.last = now
        if link.id in self._links:
            self._published.counted("links", link)
        self._published.counted("about", totals)
        message = heard.message
        kind = "malformed"
        if message is None:
            totals.malformed += 1
        else:
            kind = self._message(message, host, heard.link, now)
            self._findings.packet(message, heard.payload, host, heard.link, now)
        self._history.add(now, size, link.id, host.id, kind)
        return host

    def breach(self, breach: Breach, host: Host, now: float) -> None:
        """Take in what a linter says of the packet of a host, as `packet` returned it."""
        self._breaches.add(host, breach, now)

    def service(self, change: Change, now: float) -> None:
        """Take in what a browser of services tells."""
        if isinstance(change, Removed):
            self._services.went(change.service, now)
        else:
            self._services.there(change.service, now)

    def type_there(self, type: ServiceType, interfaces: Iterable[str], now: float) -> None:
        """Take in what a browser of types tells: there are services of a type."""
        self._services.type_told(type, (text_of(each) for each in interfaces), now)

    def type_went(self, type: ServiceType, now: float) -> None:
        """Take in what a browser of types tells: there are no services of a type any more."""
        self._services.type_went(type, now)

    def link(self, link: LinkId, working: bool | None, now: float) -> None:
        """Take in the state of a link of the node: whether it works; None when it is no more."""
        key = text_of(str(link))
        if working is None:
            if self._links.pop(key, None) is not None:
                self._published.gone("links", key)
                self._events.add(now, "went", "link", key, (key, ""))
            return
        entry = self._links.get(key)
        if entry is None:
            entry = self._link(link, now)
            self._events.add(now, "came", "link", key, (key, ""))
        elif entry.is_working is not working:
            detail = "works again" if working else "carries nothing"
            self._events.add(now, "changed", "link", key, (key, detail))
        entry.is_working = working
        if key in self._links:
            self._published.changed("links", entry)

    def watcher(self, name: str, trouble: str | None) -> None:
        """Take in who watches, and why no link works if so."""
        name, trouble = text_of(name), None if trouble is None else text_of(trouble)
        if (name, trouble) != (self._watcher.name, self._watcher.trouble):
            self._watcher.name, self._watcher.trouble = name, trouble
            self._published.changed("about", self._watcher)

    def round_trip(self, identifier: str, seconds: float | None, now: float) -> None:
        """Take in how long the host of an identifier took to answer a question; None when it did not."""
        host = self.hosts.get(identifier)
        if host is not None:
            self.hosts.round_trip(host, seconds, now)

    def connected(self, identifier: str, state: str, seconds: float | None, now: float) -> None:
        """Take in what came of a TCP connect to a service.

        :param state: ``open``, ``refused``, ``timeout`` or ``failed``.
        """
        self._services.connected(identifier, state, seconds, now)

    # What is told

    @property
    def is_changed(self) -> bool:
        """Whether something besides numbers has changed, which is worth an early commit."""
        return self._published.is_changed

    def commit(self, now: float, time: float | None = None) -> Document | None:
        """Return the delta since the last commit; None when nothing changed.

        Numbers that only count are in it once a second.

        :param time: the same moment by the clock on the wall, in seconds since 1970, for readers.
        """
        if int(now) != self._advanced_at:
            self._advanced_at = int(now)
            self._advance(now)
        return self._published.commit(now, time, self._history.take(now))

    @property
    def snapshot(self) -> Document:
        """The state of the last commit: to be read, and to be copied by who keeps it (`json.dumps`)."""
        return self._published.snapshot

    def limits_reached(self) -> dict[str, int]:
        """Return how often each limit was reached."""
        counts = {
            "hosts displaced": self.hosts.displaced,
            "services refused": self._services.refused,
            "links refused": self._links_refused,
            "breaches displaced": self._breaches.displaced,
            "findings left out": self._findings.left_out,
            "events left out": self._events.left_out,
        }
        return {name: count for name, count in counts.items() if count}

    # Inside

    def _link(self, link: LinkId, now: float) -> LinkEntry:
        key = text_of(str(link))
        entry = self._links.get(key)
        if entry is None:
            entry = LinkEntry(link, now)
            if len(self._links) >= MAX_LINKS:
                self._links_refused += 1
                return entry
            self._links[key] = entry
            self._published.changed("links", entry)
        return entry

    def _message(self, message: Message, host: Host, link: LinkId, now: float) -> str:
        """Count what a message has, take in the addresses it tells; return what it is about."""
        records = len(message.answers) + len(message.authorities) + len(message.additionals)
        host.records += records
        host.questions += len(message.questions)
        self._totals.records += records
        self._totals.questions += len(message.questions)
        if message.is_response:
            for section in (message.answers, message.additionals):
                for record in section:
                    if record.type in _ADDRESSES:
                        self._address(record, link, now)
        kind = _subject(message)
        self._services.count_packet(kind)
        return kind

    def _address(self, record: Record, link: LinkId, now: float) -> None:
        data = record.data
        if isinstance(data, bytes):  # malformed
            return
        address = str(data)
        if record.type == RecordType.AAAA and address.startswith("fe80:"):
            address = f"{address}%{link.interface}"
        name = name_text(record.name)
        if record.ttl:
            self.hosts.has(name, address, now)
        else:
            self.hosts.has_no_more(name, address, now)

    def _advance(self, now: float) -> None:
        self.hosts.advance(now)
        for link in self._links.values():
            if not link.rate.is_zero:
                self._published.counted("links", link)
        if not self._totals.rate.is_zero:
            self._published.counted("about", self._totals)
        if self._looked_at is None or now - self._looked_at >= LOOK_INTERVAL:
            self._looked_at = now
            self.hosts.look(now)
            self._services.look(now)
            self._breaches.look(now)
            self._findings.look(self.hosts, now)


def _subject(message: Message) -> str:
    """Return the service type that a message is about; else the type of its first record or question."""
    for question in message.questions:
        found = service_type_of(question.name)
        if found is not None and found not in _META:
            return found
    for section in (message.answers, message.authorities, message.additionals):
        for record in section:
            found = service_type_of(record.name)
            if found is not None and found not in _META:
                return found
    if message.answers:
        return show_type(message.answers[0].type)
    return show_type(message.questions[0].type) if message.questions else "empty"


_META = frozenset({"_dns-sd._udp"})
"""The name by which types are found (RFC 6763 §9)."""
