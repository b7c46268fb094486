"""What is found by comparing packets: records repeated too often, conflicts, reflectors, one family only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message
from mcast.dns.records import Record, show_type
from mcast.dnssd.link_id import LinkId
from mcast.live.documents import Document
from mcast.live.events import EventLog
from mcast.live.hosts import Host
from mcast.live.limits import FINDING_LIMIT, MAX_FINDINGS, MAX_WATCHED
from mcast.live.publishing import Published
from mcast.live.texts import cut, name_text, text_of
from mcast.mdns.lint import RecordKey

REPEATS_LIMIT = 20
"""Times that one host may send one record within a minute.

Our choice: a record is sent at most once a second, and only when it is asked for (RFC 6762 §6); hosts ask
rarely, and hear the answers to each other's questions.
"""

REPEATS_WINDOW = 60.0
"""Seconds in which repetitions are counted. Our choice: longer than any burst at a start."""

PROBE_WINDOW = 1.0
"""Seconds after a probe in which an answer defends the name: three probes take less (RFC 6762 §8.1)."""

RIVALS_WINDOW = 150.0
"""Seconds in which two hosts claim one name in turn.

Our choice: a little more than the records of a host name live (RFC 6762 §10). One that took the
name of another does so once; where the first then says it again, neither has given it up.
"""

REFLECTED_WINDOW = 2.0
"""Seconds between two packets of a reflector. Our choice: it passes on at once; a machine may be busy."""

REFLECTED_LIMIT = 3
"""Packets after which somebody is called a reflector. Our choice: two hosts may say the same by chance."""

ONE_FAMILY_PACKETS = 5
"""Packets after which a host that was heard on one family counts as heard on that only. Our choice."""

_SEEN_LIMIT = 60.0
"""Seconds that a host is known before it counts as heard on one family only."""


class Finding:
    """A thing that a person may want to mend."""

    __slots__ = ("count", "detail", "first", "host", "id", "kind", "last")

    def __init__(self, kind: str, host: str, detail: str, now: float) -> None:
        self.id = ""
        self.kind = kind
        self.host = host
        self.detail = detail
        self.first = self.last = now
        self.count = 0

    def as_json(self, now: float) -> Document:
        """Return the entry of the snapshot."""
        return {
            "kind": self.kind,
            "host_id": self.host,
            "detail": self.detail,
            "count": self.count,
            "first": round(self.first, 3),
            "last": round(self.last, 3),
        }


@dataclass(slots=True)
class _Said:
    since: float
    times: int


@dataclass(frozen=True, slots=True)
class _Probe:
    at: float
    host: str
    records: frozenset[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class _Claim:
    """What one host says of a name; the host before it said something else."""

    at: float
    host: str
    label: str
    data: frozenset[bytes]
    before: str | None = None
    before_at: float = 0.0


_UNIQUE = (RecordType.A, RecordType.AAAA, RecordType.SRV)
"""The types by which a host says that a name is its own."""


class Findings:
    """The table of findings, and what is remembered to make them."""

    def __init__(self, published: Published, events: EventLog) -> None:
        self.left_out = 0
        """How many had no place."""
        self._published = published
        self._events = events
        self._number = 0
        self._findings: OrderedDict[tuple[str, str, str], Finding] = OrderedDict()
        self._said: OrderedDict[RecordKey, _Said] = OrderedDict()
        self._probes: OrderedDict[bytes, _Probe] = OrderedDict()
        self._packets: OrderedDict[bytes, tuple[float, LinkId, Host]] = OrderedDict()  # by a digest
        self._reflected: OrderedDict[str, int] = OrderedDict()
        self._claims: OrderedDict[tuple[bytes, int, str], _Claim] = OrderedDict()

    def packet(self, message: Message, payload: bytes, host: Host, link: LinkId, now: float) -> None:
        """Look at a packet that was multicast."""
        if message.is_response:
            self._look_for_repeats(message.answers, host, now)
            self._look_for_defence(message, host, now)
            self._look_for_rivals(message, host, link, now)
            if message.answers:
                self._look_for_reflector(payload, host, link, now)
        elif message.authorities:
            for question in message.questions:
                proposed = frozenset(
                    (each.type, each.rdata) for each in message.authorities if each.name == question.name
                )
                _remember(self._probes, question.name.key, _Probe(now, host.id, proposed))

    def moved(self, gone: Host, kept: Host) -> None:
        """Take in that two hosts were found to be one."""
        for key, finding in tuple(self._findings.items()):
            if finding.host != gone.id:
                continue
            del self._findings[key]
            there = self._findings.setdefault((finding.kind, kept.id, finding.detail), finding)
            if there is finding:
                finding.host = kept.id
                self._published.changed("findings", finding)
            else:
                there.count += finding.count
                self._published.gone("findings", finding.id)

    def look(self, hosts: Iterable[Host], now: float) -> None:
        """Find who is heard on one family only, and forget what is true no more (called now and then)."""
        hosts = tuple(hosts)
        both = _interfaces_with_both(hosts)
        for host in hosts:
            families = {link.rpartition("/")[2] for link in host.links}
            interfaces = {link.rpartition("/")[0] for link in host.links}
            settled = host.packets >= ONE_FAMILY_PACKETS and now - host.first >= _SEEN_LIMIT
            # One without a name may be half of a host: nothing tells which other address is its own.
            is_whole = bool(host.names) and not host.is_self
            if settled and is_whole and len(families) == 1 and interfaces & both and host.last is not None:
                self._found("one-family", host, f"heard by {families.pop()} only", host.last, 1)
        for key, finding in tuple(self._findings.items()):
            if now - finding.last > FINDING_LIMIT:
                del self._findings[key]
                self._published.gone("findings", finding.id)

    def _look_for_repeats(self, records: Iterable[Record], host: Host, now: float) -> None:
        for record in records:
            key = (host.id, record.identity)
            said = self._said.get(key)
            if said is None or now - said.since > REPEATS_WINDOW:
                _remember(self._said, key, _Said(now, 1))
                continue
            said.times += 1
            if said.times > REPEATS_LIMIT:
                what = f"{name_text(record.name)} {show_type(record.type)}"
                self._found("repeated", host, what, now, said.times)

    def _look_for_defence(self, message: Message, host: Host, now: float) -> None:
        if not self._probes:
            return
        for record in message.answers:
            if not record.cache_flush or not record.ttl:
                continue
            probe = self._probes.get(record.name.key)
            if probe is None or now - probe.at > PROBE_WINDOW or probe.host == host.id:
                continue
            if any(rtype == record.type for rtype, _ in probe.records) and (
                (record.type, record.rdata) not in probe.records
            ):
                del self._probes[record.name.key]
                name = name_text(record.name)
                self._found("conflict", host, f"{name} is wanted by another host", now)
                self._events.add(now, "conflict", "host", host.id, (name, f"{host.label} keeps the name"))

    def _look_for_rivals(self, message: Message, host: Host, link: LinkId, now: float) -> None:
        """Find two hosts that say one name in turn, with data that have nothing in common.

        Both have not probed, or not heard each other. A host with two interfaces on one link may do it too.
        """
        said: dict[tuple[bytes, int, str], tuple[Record, set[bytes]]] = {}
        for record in (*message.answers, *message.additionals):
            if record.cache_flush and record.type in _UNIQUE:
                key = (record.name.key, int(record.type), link.interface)
                if record.ttl:
                    said.setdefault(key, (record, set()))[1].add(record.rdata)
                else:  # a goodbye: the next one may have it
                    self._claims.pop(key, None)
        for key, (record, data) in said.items():
            claim = self._claims.get(key)
            if claim is None or now - claim.at > RIVALS_WINDOW:
                claim = _Claim(now, host.id, host.label, frozenset(data))
            elif claim.host == host.id or not claim.data.isdisjoint(data):
                claim = replace(claim, at=now, data=frozenset(data))
            else:
                if claim.before == host.id and now - claim.before_at <= RIVALS_WINDOW:
                    self._found_rivals(name_text(record.name), host, claim.label, now)
                claim = _Claim(now, host.id, host.label, frozenset(data), claim.host, claim.at)
            _remember(self._claims, key, claim)

    def _found_rivals(self, name: str, host: Host, other: str, now: float) -> None:
        detail = f"{name} is claimed by another host too"
        if ("conflict", host.id, detail) not in self._findings:
            self._events.add(
                now, "conflict", "host", host.id, (name, f"{host.label} and {other} both have it")
            )
        self._found("conflict", host, detail, now)

    def _look_for_reflector(self, payload: bytes, host: Host, link: LinkId, now: float) -> None:
        digest = sha256(payload).digest()  # a packet has up to 9000 octets
        before = self._packets.get(digest)
        if before is None or now - before[0] > REFLECTED_WINDOW:
            _remember(self._packets, digest, (now, link, host))
            return
        _, origin, sender = before
        if origin.interface == link.interface or sender is host:
            return
        times = self._reflected.get(host.id, 0) + 1
        _remember(self._reflected, host.id, times)
        if times >= REFLECTED_LIMIT:
            self._found(
                "reflector", host, f"repeats on {link.interface} what is said on {origin.interface}", now
            )

    def _found(self, kind: str, host: Host, detail: str, now: float, count: int | None = None) -> None:
        key = (kind, host.id, detail)
        finding = self._findings.get(key)
        if finding is None:
            if len(self._findings) >= MAX_FINDINGS:
                self.left_out += 1
                return
            self._number += 1
            finding = self._findings[key] = Finding(kind, host.id, cut(text_of(detail)), now)
            finding.id = f"f{self._number}"
            self._published.changed("findings", finding)
        count = finding.count + 1 if count is None else max(finding.count, count)
        if (finding.last, finding.count) != (now, count):
            finding.last, finding.count = now, count
            self._published.counted("findings", finding)


def _remember(memory: OrderedDict, key: object, value: object) -> None:  # type: ignore[type-arg]
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > MAX_WATCHED:
        memory.popitem(last=False)


def _interfaces_with_both(hosts: Iterable[Host]) -> set[str]:
    """Return the interfaces on which packets of both families are heard."""
    links = {link for host in hosts for link in host.links}
    return {
        link.rpartition("/")[0]
        for link in links
        if {f"{link.rpartition('/')[0]}/IPv4", f"{link.rpartition('/')[0]}/IPv6"} <= links
    }
