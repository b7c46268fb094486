"""Clients of a proxy, whose messages are seen like those on the link; and a device that is there."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol
from twisted.python.failure import Failure

from mcast.conform.bench import START_TIMEOUT, Bench
from mcast.conform.packets import Packet, Sender, packet_of
from mcast.conform.proxy_presets import ADDRESS, HOST_ZONE, ZONE
from mcast.conform.verdicts import NotRunError
from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import LOCAL, Name
from mcast.dns.records import Record
from mcast.sockets.frames import Datagram

DNS_PORT = 53
TLS_PORT = 853

ANSWERED = 9.0
"""Seconds that an answer is waited for: six (RFC 8766 §5.6), and some for a loaded machine."""

AT_ONCE = 2.5
"""Seconds within which an answer came without waiting for the link. Our choice: far below six, far above what
a loaded machine takes."""

CONNECTED = 10
"""Seconds that a connection is given. Our choice: a handshake of TLS on a machine that is too busy."""

THE_ZONE = Name.parse(ZONE)
THE_HOST_ZONE = Name.parse(HOST_ZONE)


def in_zone(*labels: str) -> Name:
    """Return a name in the zone of services."""
    return Name.from_labels((*labels, *THE_ZONE.labels))


def in_host_zone(*labels: str) -> Name:
    """Return a name in the zone of hosts."""
    return Name.from_labels((*labels, *THE_HOST_ZONE.labels))


def on_link(*labels: str) -> Name:
    """Return a name on the link."""
    return Name.from_labels((*labels, *LOCAL.labels))


class Client:
    """Asks from one port, by datagrams or in a stream."""

    def __init__(self, bench: Bench, port: int, server_port: int) -> None:
        self._bench = bench
        self._port = port
        self._server_port = server_port
        self.is_lost = False
        self.reason = ""

    def send(self, data: bytes) -> int:
        """Send a message; return the mark from before."""
        raise NotImplementedError

    def _note(self, sender: Sender, data: bytes) -> None:
        bench, ours = self._bench, bench_address(self._bench)
        there, here = (ADDRESS, self._server_port), (ours, self._port)
        source, target = (here, there) if sender is Sender.JUDGE else (there, here)
        datagram = Datagram(b"", *source, *target, data)
        bench.view.add(packet_of(bench.now, sender, datagram))

    async def reply(self, number: int, mark: int, within: float = ANSWERED) -> Packet | None:
        """Wait for the message with an ID that came since a mark."""
        return await self.message(lambda data: data[:2] == struct.pack("!H", number), mark, within)

    async def message(self, wanted: Any, mark: int, within: float) -> Packet | None:
        """Wait for a message of the proxy to this client."""
        return await self._bench.view.first(
            lambda each: (
                each.sender is Sender.SUBJECT
                and each.datagram.destination_port == self._port
                and each.datagram.source_port == self._server_port
                and wanted(each.datagram.data)
            ),
            within,
            mark,
        )

    async def until_lost(self, within: float) -> bool:
        """Wait until the proxy has ended the connection; False if it does not."""
        end = self._bench.now + within
        while not self.is_lost and self._bench.now < end:
            await self._bench.sleep(0.05)
        return self.is_lost

    def close(self) -> None:
        """Close it."""


def bench_address(bench: Bench) -> str:
    """Return our own address that the kernel sends from."""
    return bench.link.hosts[0].ipv4


class UDPClient(Client, DatagramProtocol):
    """By datagrams."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench, 0, DNS_PORT)
        with bench.link.within():
            self._listening = bench.link.reactor.listenUDP(0, self, interface=bench_address(bench))
        here: Any = self._listening.getHost()
        self._port = here.port

    def send(self, data: bytes) -> int:
        mark = self._bench.view.mark
        self._note(Sender.JUDGE, data)
        assert self.transport is not None
        self.transport.write(data, (ADDRESS, DNS_PORT))
        return mark

    def datagramReceived(self, data: bytes, addr: Any) -> None:
        self._note(Sender.SUBJECT, data)

    def connectionRefused(self) -> None:
        """Nobody listens yet."""

    def close(self) -> None:
        self._listening.stopListening()


class StreamClient(Client, Protocol):
    """In a stream, by TCP or TLS: each message after its length (RFC 1035 §4.2.2)."""

    def __init__(self, bench: Bench, server_port: int) -> None:
        super().__init__(bench, 0, server_port)
        self._held = b""
        self.connected_now: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        assert self.transport is not None
        here: Any = self.transport.getHost()
        self._port = here.port
        if not self.connected_now.called:
            self.connected_now.callback(None)

    def send(self, data: bytes) -> int:
        mark = self._bench.view.mark
        self._note(Sender.JUDGE, data)
        assert self.transport is not None
        self.transport.write(struct.pack("!H", len(data)) + data)
        return mark

    def dataReceived(self, data: bytes) -> None:
        self._held += data
        while len(self._held) >= 2 and len(self._held) - 2 >= int.from_bytes(self._held[:2], "big"):
            end = 2 + int.from_bytes(self._held[:2], "big")
            message, self._held = self._held[2:end], self._held[end:]
            self._note(Sender.SUBJECT, message)

    def connectionLost(self, reason: Failure = Failure(Exception())) -> None:  # noqa: B008
        self.is_lost = True
        self.reason = reason.getErrorMessage()

    def close(self) -> None:
        transport: Any = self.transport
        if transport is not None and not self.is_lost:
            transport.abortConnection()


async def connect(bench: Bench, tls: bool = False) -> StreamClient:
    """Connect by TCP or TLS.

    :raises NotRunError: nobody listens, or there is no TLS here.
    """
    port = TLS_PORT if tls else DNS_PORT
    client = StreamClient(bench, port)
    failed: list[str] = []

    class OneConnection(Factory):
        noisy = False

        def buildProtocol(self, addr: Any) -> StreamClient:
            return client

        def startedConnecting(self, connector: Any) -> None:
            """Nothing to do."""

        def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
            failed.append(reason.getErrorMessage())

        def clientConnectionLost(self, connector: Any, reason: Failure) -> None:
            """The client is told itself."""

    with bench.link.within():
        if tls:
            try:
                from twisted.internet.ssl import CertificateOptions
            except ImportError:
                raise NotRunError("TLS needs pip install txmcast[tls]") from None
            # Whose certificate it is is not judged.
            bench.link.reactor.connectSSL(ADDRESS, port, OneConnection(), CertificateOptions(), CONNECTED)
        else:
            bench.link.reactor.connectTCP(ADDRESS, port, OneConnection(), CONNECTED)
    end = bench.now + CONNECTED + 1.0
    while not client.connected_now.called and not failed and bench.now < end:
        await bench.sleep(0.02)
    if not client.connected_now.called:
        raise NotRunError(f"no connection to {ADDRESS} port {port}: {''.join(failed) or 'no answer'}")
    return client


def query(bench: Bench, name: Name, rtype: int) -> tuple[int, bytes]:
    """Return a query as conventional DNS has it, and its ID."""
    number = bench.dice.randrange(1, 0xFFFF)
    return number, encode(Message(id=number, flags=0x0100, questions=[Question(name, rtype)]))


class Answer:
    """A query and what came of it."""

    def __init__(self, asked: Packet, reply: Packet | None, mark: int) -> None:
        self.asked = asked
        self.reply = reply
        self.mark = mark

    @property
    def packets(self) -> tuple[Packet | None, ...]:
        return (self.asked, self.reply)

    @property
    def message(self) -> Message:
        """The response; an empty one where there is none."""
        return Message() if self.reply is None or self.reply.message is None else self.reply.message

    @property
    def delay(self) -> float:
        """Seconds that it took; a great number for no answer."""
        return 999.0 if self.reply is None else self.reply.at - self.asked.at

    @property
    def is_negative(self) -> bool:
        return self.reply is not None and self.message.rcode == 0 and not self.message.answers

    @property
    def said(self) -> str:
        if self.reply is None:
            return "no response"
        return f"rcode {self.message.rcode}, {len(self.message.answers)} answers, after {self.delay:.2f} s"

    def records(self, rtype: int) -> list[Record]:
        """Return the records of a type in the Answer Section."""
        return [each for each in self.message.answers if each.type == rtype]


async def ask(bench: Bench, name: Name, rtype: int, client: Client | None = None) -> Answer:
    """Ask the proxy, by UDP where no client is given."""
    number, data = query(bench, name, rtype)
    used = client or UDPClient(bench)
    try:
        mark = used.send(data)
        asked = next(
            each
            for each in reversed(bench.view.since(mark))
            if each.sender is Sender.JUDGE and each.datagram.data == data
        )
        return Answer(asked, await used.reply(number, mark), mark)
    finally:
        if client is None:
            used.close()


async def proxy_up(bench: Bench) -> None:
    """Have a proxy that runs and answers for its zone.

    :raises NotRunError: it does not.
    """
    if not bench.subject.is_running:
        await bench.start()
    end = bench.now + START_TIMEOUT
    while bench.now < end:
        bench.require_running()
        number, data = query(bench, THE_ZONE, RecordType.SOA)
        client = UDPClient(bench)
        try:
            if await client.reply(number, client.send(data), 1.0) is not None:
                return
        finally:
            client.close()
        await bench.sleep(0.2)
    raise NotRunError(f"nobody answers for {ZONE} at {ADDRESS} within {START_TIMEOUT:.0f} s")


class LinkDevice:
    """A device of ours on the link of the proxy: answers for its records until it is closed.

    :param after: seconds after which it answers.
    :param denies: types that its NSEC records answer.
    """

    def __init__(
        self, bench: Bench, records: Iterable[Record], after: float = 0.03, denies: Iterable[int] = ()
    ) -> None:
        self.records = list(records)
        self._denies = frozenset(denies)
        self._bench = bench
        self._after = after
        self._going = Deferred.fromCoroutine(self._serve())
        self._going.addErrback(lambda failure: failure.trap(CancelledError) and None)

    async def _serve(self) -> None:
        bench, mark = self._bench, self._bench.view.mark
        done: set[int] = set()
        while True:
            packet = await bench.view.first(lambda each: self._is_asked(each, done), 3600.0, mark)
            if packet is not None:
                done.add(id(packet))
                await bench.sleep(self._after)
                answers = self._answers(packet)
                # What else it has is sent along (RFC 6763 §12.1).
                along = [each for each in self.records if each not in answers]
                bench.respond(*answers, additionals=along, host=1)

    def _is_asked(self, packet: Packet, done: set[int]) -> bool:
        # It is there in one family alone: an answer to the question by IPv6, which may leave first, would
        # save the one by IPv4 that is looked for.
        if id(packet) in done or not self._bench.is_theirs(packet):
            return False
        return packet.is_multicast and packet.is_query and bool(self._answers(packet))

    def _answers(self, packet: Packet) -> list[Record]:
        return [
            each
            for each in self.records
            if any(one.name == each.name and self._is_answer(each, one.type) for one in packet.questions)
            and not any(known.identity == each.identity for known in packet.answers)
        ]

    def _is_answer(self, record: Record, rtype: int) -> bool:
        denied = record.type == RecordType.NSEC and rtype in self._denies
        return denied or rtype in (record.type, RecordType.ANY)

    def close(self) -> None:
        """Answer no more."""
        self._going.cancel()


def asked_on_link(bench: Bench, name: Name, mark: int) -> list[Packet]:
    """Return the questions of the proxy on its link for a name, in IPv4, since a mark."""
    return [
        each for each in bench.theirs(mark) if each.is_multicast and each.is_query and each.asks_for(name)
    ]
