"""DNS servers for tests: one answers from a list of records, over UDP and TCP, or from memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol, Factory
from twisted.internet.task import Clock
from twisted.protocols.basic import Int16StringReceiver

from mcast.dns.codes import Flag, RecordClass, RecordType, ResponseCode
from mcast.dns.messages import Message, Question, decode, encode
from mcast.dns.names import Name
from mcast.dns.records import Record, address, pointer, service, text
from mcast.dns_client.client import DnsClient
from mcast.dns_client.transports import Failed, Heard
from mcast.unicast.servers import ServerAddress

ZONE = Name.parse("Building 1.example.com")
HTTP = Name.parse("_http._tcp.Building 1.example.com")
FIRST = ServerAddress("192.0.2.1")
SECOND = ServerAddress("192.0.2.2")


def soa(zone: Name, minimum: int = 10, ttl: int = 10) -> Record:
    """The SOA record of a zone."""
    numbers = (1, 7200, 3600, 86400, minimum)
    mname, rname = zone.prefixed(b"ns"), zone.prefixed(b"admin")
    rdata = mname.wire + rname.wire + b"".join([one.to_bytes(4, "big") for one in numbers])
    return Record(zone, RecordType.SOA, RecordClass.IN, ttl, rdata)


def web(label: str, port: int = 80, host: str = "web", *, zone: Name = ZONE, ttl: int = 10) -> list[Record]:
    """All records of a service in a zone, without those of its host."""
    listing = Name.from_labels((b"_http", b"_tcp", *zone.labels))
    name = listing.prefixed(label)
    return [
        pointer(listing, name, ttl),
        service(name, 0, 0, port, zone.prefixed(host), ttl),
        text(name, [b"path=/"], ttl),
    ]


def at(number: int, host: str = "web", *, zone: Name = ZONE, ttl: int = 10) -> Record:
    """An address of a host in a zone."""
    return address(zone.prefixed(host), f"192.0.2.{number}", ttl)


class ZoneData:
    """The records of zones, and what a server says of them."""

    def __init__(self, zone: Name = ZONE, records: Iterable[Record] = (), *, minimum: int = 10) -> None:
        self.soa = soa(zone, minimum)
        self.zone = zone
        self.records = list(records)
        self.asked: list[Question] = []
        self.flags = int(Flag.RESPONSE | Flag.AUTHORITATIVE)

    def answer(self, query: Message) -> Message:
        """Return the response to a query."""
        (question,) = query.questions
        self.asked.append(question)
        response = Message(query.id, self.flags | (query.flags & Flag.RECURSION_DESIRED), query.questions)
        if not question.name.is_within(self.zone):
            response.flags |= ResponseCode.REFUSED
            return response
        name, answers = question.name, []
        while True:
            found = [one for one in self.everything if one.name == name and one.type == question.type]
            aliases = [one for one in self.records if one.name == name and one.type == RecordType.CNAME]
            answers += found or aliases
            if found or not aliases:
                break
            name = Name.from_wire(aliases[0].rdata)
        response.answers = answers
        if not answers:
            response.authorities = [self.soa]
            if not any(one.name.is_within(question.name) for one in self.everything):
                response.flags |= ResponseCode.NXDOMAIN
        return response

    @property
    def everything(self) -> list[Record]:
        return [self.soa, *self.records]

    def remove(self, name: Name) -> None:
        """Remove what has a name, or leads to it."""
        self.records = [one for one in self.records if one.name != name and one.rdata != name.wire]


class FakePort:
    """A UDP port of a client in memory."""

    def __init__(self, servers: FakeServers, server: ServerAddress, heard: Heard, failed: Failed) -> None:
        self.servers, self.server, self.heard, self.failed = servers, server, heard, failed
        self.is_open = False

    def open(self, reactor: Any) -> None:
        self.is_open = True
        self.servers.ports.append(self)
        if self.server in self.servers.unreachable:
            raise OSError(101, "Network is unreachable")

    def send(self, payload: bytes) -> None:
        self.servers.sent.append((self.server, decode(payload)))
        self.servers.clock.callLater(self.servers.delay, self._answer, payload)

    def _answer(self, payload: bytes) -> None:
        if not self.is_open:
            return
        if self.server in self.servers.refusing:
            self.failed("nobody listens on its UDP port")
        elif (answerer := self.servers.answerers.get(self.server)) is not None:
            response = answerer(decode(payload))
            if response is not None:
                self.heard(encode(response))

    def close(self) -> None:
        self.is_open = False


class FakeStream:
    """A TCP connection of a client in memory."""

    def __init__(self, servers: FakeServers, server: ServerAddress) -> None:
        self.servers, self.server = servers, server

    def send(self, payload: bytes, heard: Heard, failed: Failed) -> Callable[[], None]:
        self.servers.clock.callLater(self.servers.delay, self._answer, payload, heard, failed)
        return lambda: None

    def _answer(self, payload: bytes, heard: Heard, failed: Failed) -> None:
        answerer = self.servers.answerers.get(self.server)
        response = None if answerer is None else answerer(decode(payload))
        if self.server in self.servers.without_tcp or response is None:
            failed("by TCP: nobody listens on its TCP port")
        else:
            heard(encode(response))


class FakeServers:
    """Servers in memory on a fake clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.delay = 0.01
        self.answerers: dict[ServerAddress, Callable[[Message], Message | None]] = {}
        self.refusing: set[ServerAddress] = set()
        self.unreachable: set[ServerAddress] = set()
        self.without_tcp: set[ServerAddress] = set()
        self.sent: list[tuple[ServerAddress, Message]] = []
        self.ports: list[FakePort] = []

    def client(self) -> DnsClient:
        """Return a client of these servers."""
        client = DnsClient(self.clock, Random(1), datagrams=self.datagrams)
        client.stream = lambda server: FakeStream(self, server)  # type: ignore[method-assign,assignment,return-value]
        return client

    def datagrams(self, server: ServerAddress, heard: Heard, failed: Failed) -> FakePort:
        return FakePort(self, server, heard, failed)

    def pass_time(self, seconds: float, step: float = 0.05) -> None:
        """Let time pass in small steps."""
        until = self.clock.seconds() + seconds
        while self.clock.seconds() < until - 1e-9:
            self.clock.advance(min(step, until - self.clock.seconds()))

    @property
    def open_ports(self) -> int:
        return sum([port.is_open for port in self.ports])


class _UDP(DatagramProtocol):
    noisy = False

    def __init__(self, server: LoopbackServer) -> None:
        self.server = server

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.server.by_datagram += 1
        response = self.server.respond(decode(datagram))
        if response is None:
            return
        octets = encode(response)
        if len(octets) > self.server.max_size:
            short = Message(response.id, response.flags | Flag.TRUNCATED, response.questions)
            octets = encode(short)
        assert self.transport is not None
        self.transport.write(octets, addr)


class _TCP(Int16StringReceiver):
    server: LoopbackServer

    def connectionMade(self) -> None:
        self.server.connections += 1
        self.server.open_connections.append(self)

    def stringReceived(self, string: bytes) -> None:
        self.server.by_stream += 1
        response = self.server.respond(decode(string))
        if response is not None:
            self.sendString(encode(response))

    def connectionLost(self, reason: Any = None) -> None:
        self.server.open_connections.remove(self)


class LoopbackServer:
    """A server on 127.0.0.1, by UDP and TCP on the same port."""

    def __init__(self, reactor: Any, respond: Callable[[Message], Message | None]) -> None:
        self.respond = respond
        self.max_size = 1232
        self.by_datagram = self.by_stream = self.connections = 0
        self.open_connections: list[_TCP] = []
        factory = Factory.forProtocol(_TCP)
        factory.noisy = False

        def build(addr: Any) -> _TCP:
            protocol = _TCP()
            protocol.server = self
            return protocol

        factory.buildProtocol = build  # type: ignore[method-assign]
        self._udp: Any = None
        while self._udp is None:
            self._tcp = reactor.listenTCP(0, factory, interface="127.0.0.1")
            self.port: int = self._tcp.getHost().port
            try:
                self._udp = reactor.listenUDP(self.port, _UDP(self), interface="127.0.0.1")
            except CannotListenError:  # another program has that UDP port
                self._tcp.stopListening()

    @property
    def address(self) -> ServerAddress:
        return ServerAddress("127.0.0.1", self.port)

    def __str__(self) -> str:
        return str(self.address)

    async def stop(self) -> None:
        """Close everything."""
        for connection in tuple(self.open_connections):
            transport: Any = connection.transport
            transport.abortConnection()
        stopped: list[Deferred[Any] | None] = [self._tcp.stopListening(), self._udp.stopListening()]
        for one in stopped:
            if one is not None:
                await one
