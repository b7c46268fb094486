"""What `mcast dump --report` sums up: who sent what and when, and the packets that break rules."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from mcast.cli.breaches import OTHERS, Breaches
from mcast.cli.command import FAILED, GOOD, NOT_ALL, counted
from mcast.cli.pictures.report import BreachRow, HostRow, Proof, Report, TypeRow, draw_report
from mcast.cli.pictures.timeline import Timeline
from mcast.cli.seen import SeenPacket
from mcast.cli.wanted import EVERYTHING, Wanted
from mcast.cli.writing import write_file
from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, decode
from mcast.dns.names import Name
from mcast.dns.records import show_type
from mcast.errors import MalformedMessage
from mcast.mdns.lint import Breach

MAX_HOSTS = 2000
"""Hosts told apart. Our choice: as the live view does; what others send is added up."""

MAX_PROVED = 200
"""Pairs of host and rule of which packets are kept. Our choice: 3 packets of 9000 octets each are 5 MB."""

PROOFS = 3
"""Packets that are shown for each. Our choice: one may be chance, and more say the same."""

MAX_TYPES = 500
"""Service types, and record types. Our choice: more than are registered for devices in common use."""

MAX_NAMES = 4
"""Names of one host that are shown. Our choice: most have one, and a host that renamed itself two."""


@dataclass(slots=True)
class _Host:
    packets: int = 0
    octets: int = 0
    queries: int = 0
    records: int = 0
    breaches: int = 0
    names: dict[str, None] = field(default_factory=dict)
    interfaces: dict[str, None] = field(default_factory=dict)


@dataclass(slots=True)
class _Type:
    packets: int = 0
    instances: set[bytes] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)


class CaptureReport:
    """Takes in packets, and writes a page about them.

    :param what: was looked at, such as the name of a file.
    :param lint: whether a breach makes for another exit status; the page tells them anyhow.
    """

    def __init__(
        self, what: str, *, lint: bool = False, count: int | None = None, wanted: Wanted = EVERYTHING
    ) -> None:
        self.packets = 0
        """How many were seen."""
        self._what = what
        self._lint = lint
        self._left = count
        self._wanted = wanted
        self._octets = self._responses = self._malformed = 0
        self._timeline = Timeline()
        self._hosts: dict[str, _Host] = {}
        self._types: dict[str, _Type] = {}
        self._record_types: Counter[str] = Counter()
        self._question_types: Counter[str] = Counter()
        self._breaches = Breaches()
        self._proofs: dict[tuple[str, str, str], list[tuple[SeenPacket, str]]] = {}

    @property
    def is_done(self) -> bool:
        """Whether as many packets were seen as were asked for."""
        return self._left == 0

    @property
    def status(self) -> int:
        """The exit status."""
        if not self.packets:
            return FAILED if self._lint else NOT_ALL
        return NOT_ALL if self._lint and self._breaches.counts else GOOD

    def packet(self, packet: SeenPacket) -> None:
        """Take in one packet."""
        is_host = self._wanted.is_host(packet.source)
        try:
            message = decode(packet.payload)
        except MalformedMessage as error:
            if is_host and self._wanted.is_any_message:
                self._malformed += 1
                self._count(packet, "malformed")
                self._breach(packet, Breach("malformed", "RFC 1035 §4", packet.source, str(error)))
            return
        is_wanted = self._wanted.is_message(message)
        if is_host and is_wanted:
            self._responses += message.is_response
            host = self._count(packet, "response" if message.is_response else "query")
            host.queries += not message.is_response
            self._take(packet, message, host)
        if packet.multicast:
            # All packets, since a rule is broken with regard to those before.
            self._examine(packet, message, is_wanted)

    def write(self, path: str, lines: Callable[[SeenPacket], Sequence[str]]) -> None:
        """Write the page, and tell that it was.

        :param lines: what is shown of a packet.
        :raises CommandError: it cannot be written.
        """
        write_file(path, draw_report(self._report(lines)))
        breaches = sum(self._breaches.counts.values())
        words = (
            f"{counted(self.packets, 'packet')} of {counted(len(self._hosts), 'host')}, "
            f"{breaches or 'no'} breach{'es' * (breaches != 1)} of RFC 6762"
        )
        print(f"{path}: {words}", file=sys.stderr)

    def _count(self, packet: SeenPacket, kind: str) -> _Host:
        self.packets += 1
        if self._left is not None:
            self._left -= 1
        self._octets += len(packet.payload)
        self._timeline.add(packet.at, kind)
        host = self._host(packet.source)
        host.packets += 1
        host.octets += len(packet.payload)
        if packet.interface and len(host.interfaces) < MAX_NAMES:
            host.interfaces[packet.interface] = None
        return host

    def _host(self, source: str) -> _Host:
        host = self._hosts.get(source)
        if host is None:
            host = self._hosts.setdefault(source if len(self._hosts) < MAX_HOSTS else OTHERS, _Host())
        return host

    def _take(self, packet: SeenPacket, message: Message, host: _Host) -> None:
        """Count the questions and records of a message."""
        types: set[str] = set()
        for question in message.questions:
            self._add(self._question_types, show_type(question.type))
            types.add(_service_type(question.name))
        records = [*message.answers, *message.authorities, *message.additionals]
        host.records += len(records)
        for record in records:
            self._add(self._record_types, show_type(record.type))
            kind = _service_type(record.name)
            types.add(kind)
            if record.type == RecordType.SRV and kind and message.is_response and (entry := self._type(kind)):
                if len(entry.instances) < MAX_HOSTS:
                    entry.instances.add(record.name.key)
                    entry.hosts.add(packet.source)
            elif record.type in (RecordType.A, RecordType.AAAA) and message.is_response:
                self._take_name(packet, host, record.name, record.rdata)
        for kind in types:
            if kind and (entry := self._type(kind)):
                entry.packets += 1

    def _take_name(self, packet: SeenPacket, host: _Host, name: Name, rdata: bytes) -> None:
        """A host is called as its own address record says: others may speak for it, as a proxy does."""
        own = ip_address(packet.source.partition("%")[0]).packed
        if rdata == own and len(host.names) < MAX_NAMES:
            host.names[str(name).removesuffix(".")] = None

    def _type(self, kind: str) -> _Type | None:
        entry = self._types.get(kind)
        if entry is None and len(self._types) < MAX_TYPES:
            entry = self._types[kind] = _Type()
        return entry

    def _add(self, counter: Counter[str], key: str) -> None:
        counter[key if key in counter or len(counter) < MAX_TYPES else OTHERS] += 1

    def _examine(self, packet: SeenPacket, message: Message, is_wanted: bool) -> None:
        for breach in self._breaches.examine(packet, message):
            if is_wanted and self._wanted.is_host(breach.source):
                self._breach(packet, breach)

    def _breach(self, packet: SeenPacket, breach: Breach) -> None:
        key = self._breaches.count(breach)
        self._host(breach.source).breaches += 1
        self._timeline.add(packet.at, "breach")
        if len(self._proofs) < MAX_PROVED or key in self._proofs:
            proofs = self._proofs.setdefault(key, [])
            if len(proofs) < PROOFS:
                proofs.append((packet, breach.detail))

    def _report(self, lines: Callable[[SeenPacket], Sequence[str]]) -> Report:
        hosts = [
            HostRow(
                source,
                list(host.names),
                list(host.interfaces),
                host.packets,
                host.octets,
                host.queries,
                host.records,
                host.breaches,
            )
            for source, host in self._hosts.items()
        ]
        breaches = [
            BreachRow(
                source,
                rule,
                section,
                count,
                [
                    Proof(detail, packet.head, list(lines(packet)), packet.payload)
                    for packet, detail in self._proofs.get((source, rule, section), ())
                ],
            )
            for (source, rule, section), count in self._breaches.counts.items()
        ]
        return Report(
            what=self._what,
            packets=self.packets,
            octets=self._octets,
            responses=self._responses,
            malformed=self._malformed,
            timeline=self._timeline,
            hosts=hosts,
            types=[
                TypeRow(kind, entry.packets, len(entry.instances), len(entry.hosts))
                for kind, entry in self._types.items()
            ],
            record_types=dict(self._record_types),
            question_types=dict(self._question_types),
            breaches=breaches,
        )


def _service_type(name: Name) -> str:
    """Return the service type that a name is or lies in; empty when there is none (RFC 6763 §4.1, §7)."""
    labels = name.labels
    for place in range(len(labels) - 1, 0, -1):
        if labels[place].lower() in (b"_tcp", b"_udp") and labels[place - 1].startswith(b"_"):
            text = b".".join(labels[place - 1 : place + 1]).lower().decode("utf-8", "backslashreplace")
            # The list of all types is no type.
            return "" if text == "_dns-sd._udp" else text
    return ""
