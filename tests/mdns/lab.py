"""One link on a clock that tests set, and the packets of the hosts around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from random import Random

from mcast.dns.codes import QUERY_FLAGS, RESPONSE_FLAGS, Flag, RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.dns.records import Record, address, pointer, service, text
from mcast.mdns.constants import HOST_TTL, IPV4_GROUP, IPV6_GROUP, MDNS_PORT, OTHER_TTL
from mcast.mdns.events import Event
from mcast.mdns.link import Link, LinkSettings
from mcast.mdns.responder.record_group import RecordGroup
from mcast.neighbours import SocketAddress
from mcast.testing import Capture, Packet

PEER: SocketAddress = ("192.168.1.9", 5353)
OTHER_PEER: SocketAddress = ("192.168.1.10", 5353)
RESOLVER: SocketAddress = ("192.168.1.9", 40000)
STRANGER: SocketAddress = ("10.9.9.9", 5353)

A, AAAA, PTR, SRV, TXT, NSEC, ANY = (
    RecordType.A,
    RecordType.AAAA,
    RecordType.PTR,
    RecordType.SRV,
    RecordType.TXT,
    RecordType.NSEC,
    RecordType.ANY,
)

IPV4 = LinkSettings(ipv6=False)
IPV6 = LinkSettings(ipv6=True)
UNLIMITED = LinkSettings(ipv6=False, max_rate=0)

HOST = Name.parse("kitchen.local")
WEB = Name.parse(r"My Web._http._tcp.local")
HTTP = Name.parse("_http._tcp.local")
TYPES = Name.parse("_services._dns-sd._udp.local")
REVERSE = Name.parse("2.1.168.192.in-addr.arpa")

HOST_A = address(HOST, "192.168.1.2", HOST_TTL)
HOST_AAAA = address(HOST, "fe80::2", HOST_TTL)
HOST_REVERSE = pointer(REVERSE, HOST, HOST_TTL)
WEB_SRV = service(WEB, 0, 0, 8080, HOST, HOST_TTL)
WEB_TXT = text(WEB, [b"path=/"], OTHER_TTL)
WEB_PTR = pointer(HTTP, WEB, OTHER_TTL)
TYPE_PTR = pointer(TYPES, HTTP, OTHER_TTL)

HOST_GROUP = RecordGroup(unique=(HOST_A,), verified=(HOST_REVERSE,))
DUAL_GROUP = RecordGroup(unique=(HOST_A, HOST_AAAA), verified=(HOST_REVERSE,))
WEB_GROUP = RecordGroup(unique=(WEB_SRV, WEB_TXT), shared=(WEB_PTR, TYPE_PTR))


def service_group(index: int, strings: Sequence[bytes] = (b"path=/",)) -> RecordGroup:
    """One of many web services."""
    name = HTTP.prefixed(f"Web {index}")
    return RecordGroup(
        unique=(service(name, 0, 0, 8000 + index, HOST, HOST_TTL), text(name, strings, OTHER_TTL)),
        shared=(pointer(HTTP, name, OTHER_TTL), TYPE_PTR),
    )


class Draw(Random):
    """Draws the same point of every range: 0.0 is its lower end, 1.0 the upper one."""

    point = 0.5

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self.point


def _never(_: object) -> bool:
    return False


@dataclass(frozen=True)
class Elsewhere:
    """The other links of this host, as a test tells of them."""

    holds: Callable[[Record], bool] = _never
    has_whole: Callable[[Sequence[Record]], bool] = _never


class Lab:
    """A link, fed and drained.

    :param settings: an IPv4 link as it is by default, or another one.
    :param point: where in each range of random delays the link draws, 0.0 to 1.0.
    :param networks: the addresses of the interface, by default one of the family of the link.
    :param others: the other links of this host; by default there are none.
    :param rng: draws in place of ``point``.
    """

    def __init__(
        self,
        settings: LinkSettings = IPV4,
        *,
        point: float = 0.5,
        networks: Sequence[str] = (),
        others: Elsewhere | None = None,
        rng: Random | None = None,
    ) -> None:
        self.draw = Draw()
        self.draw.point = point
        self.now = 0.0
        default = "fe80::2/64" if settings.ipv6 else "192.168.1.2/24"
        self.link = Link(
            settings,
            [interface(network) for network in networks or (default,)],
            rng=rng or self.draw,
            now=0.0,
            others=others,
        )
        self.responder = self.link.responder
        self._ipv6 = settings.ipv6
        self._source = (networks or (default,))[0].partition("/")[0]
        self.sent = Capture()
        self.events: list[Event] = []
        self._owners = 0

    def _packet(self, payload: bytes, destination: SocketAddress | None) -> Packet:
        """Return what leaves now; without a destination it goes to the group."""
        group = IPV6_GROUP if self._ipv6 else IPV4_GROUP
        to, port = (group, MDNS_PORT) if destination is None else destination[:2]
        return Packet(self.now, "lab", "us", self._source, MDNS_PORT, to, port, payload)

    def collect(self) -> Capture:
        """Take what the link has to send now."""
        fresh = Capture(self._packet(*transmission) for transmission in self.link.transmissions())
        self.sent += fresh
        self.events += self.link.events()
        return fresh

    def run(self, until: float) -> Capture:
        """Let time pass, waking the link whenever it wants to be; return what it sent."""
        fresh = self.collect()
        while (at := self.link.next_wakeup()) is not None and at <= until:
            self.now = max(at, self.now)
            self.link.advance(self.now)
            fresh += self.collect()
        self.now = until
        return fresh

    def pass_time(self, duration: float) -> Capture:
        """Do `run` for this many seconds."""
        return self.run(self.now + duration)

    def register(self, *groups: RecordGroup) -> list[int]:
        """Register groups; return their owners, which are the numbers from 1 on."""
        owners = []
        for group in groups:
            self._owners += 1
            self.responder.register(self._owners, group, self.now)
            owners.append(self._owners)
        return owners

    def settle(self, *groups: RecordGroup) -> list[int]:
        """Register groups and wait until they are announced and a good while has passed; forget all that."""
        owners = self.register(*groups)
        self.pass_time(15.0)
        self.sent.clear()
        self.events.clear()
        return owners

    def feed(
        self, message: Message | bytes, source: SocketAddress = PEER, *, multicast: bool = True
    ) -> Capture:
        """Give the link a packet; return what it sent without any delay."""
        payload = message if isinstance(message, bytes) else encode(message)
        answer = self.link.receive(payload, source, multicast, self.now)
        if answer is None:
            return self.collect()
        fresh = Capture([self._packet(answer, source)] if answer else [])
        self.sent += fresh
        return fresh

    def ask(
        self,
        name: Name,
        qtype: int = ANY,
        source: SocketAddress = PEER,
        *,
        unicast: bool = False,
        multicast: bool = True,
        known: Sequence[Record] = (),
        truncated: bool = False,
    ) -> Capture:
        """Ask one question; return what was sent without any delay."""
        question = Question(name, qtype, unicast=unicast)
        return self.feed(query(question, known=known, truncated=truncated), source, multicast=multicast)

    def probe(
        self, name: Name, *records: Record, source: SocketAddress = PEER, unicast: bool = True
    ) -> Capture:
        """Probe for a name as another host."""
        question = Question(name, ANY, unicast=unicast)
        return self.feed(Message(questions=[question], authorities=records), source)

    def hear(self, *records: Record, source: SocketAddress = PEER, multicast: bool = True) -> Capture:
        """Let another host send these records as answers."""
        return self.feed(response(*records), source, multicast=multicast)


def settled(settings: LinkSettings = IPV4, *, point: float = 0.5) -> Lab:
    """Return a link on which the host and the web service have been published for long."""
    lab = Lab(settings, point=point)
    lab.settle(HOST_GROUP, WEB_GROUP)
    lab.now = 100.0
    return lab


def interface(text_form: str) -> IPv4Interface | IPv6Interface:
    return ip_interface(text_form)


def query(
    *questions: Question, known: Sequence[Record] = (), truncated: bool = False, identifier: int = 0
) -> Message:
    flags = QUERY_FLAGS | (Flag.TRUNCATED if truncated else 0)
    return Message(id=identifier, flags=flags, questions=questions, answers=known)


def response(*records: Record, flags: int = RESPONSE_FLAGS) -> Message:
    return Message(flags=flags, answers=records)


def flushed(record: Record) -> Record:
    """A unique record as its owner multicasts it."""
    return record.with_cache_flush(True)


def times(sent: Capture) -> list[int]:
    """When packets left, in milliseconds."""
    return [round(packet.at * 1000) for packet in sent]


def answers(sent: Capture) -> set[Record]:
    """Everything in the answer sections; records are equal with equal TTL and flush bit."""
    return {record for packet in sent.responses for record in packet.message.answers}


def identities(records: Sequence[Record]) -> set[object]:
    return {record.identity for record in records}
