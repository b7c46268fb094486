"""A client of conventional DNS servers: a question, and the response of the first server that has one.

This is the one way in which a server is asked here. A host that answers Multicast DNS by unicast, on port
5353, is asked by `mcast.oneshot`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random, SystemRandom
from typing import Any, Final, NamedTuple, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from mcast.clock import clock_of
from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns_client.transports import DatagramExchange, Failed, Heard, ServerStreams
from mcast.errors import NotFound
from mcast.showing import one_line
from mcast.unicast.exchange import EXCHANGE_TIMEOUT, USUAL, Exchange, Manner, Reply, Send
from mcast.unicast.replies import MAX_ALIASES, Answer, Verdict, read_answer
from mcast.unicast.servers import ServerAddress

MAX_PLAIN = 64
"""Servers of which is remembered that they do not understand EDNS(0). Our choice: more than anybody asks."""


class Datagrams(Protocol):
    """One UDP port for one query to one server."""

    def open(self, reactor: Any) -> None:
        """Open it."""

    def send(self, payload: bytes) -> None:
        """Send a query."""

    def close(self) -> None:
        """Close it."""


OpenDatagrams = Callable[[ServerAddress, Heard, Failed], Datagrams]
"""Makes the port for one query; for tests."""


class Answered(NamedTuple):
    """An answer, and where it came from."""

    answer: Answer
    reply: Reply


class DnsClient:
    """Asks DNS servers by UDP with EDNS(0), and by TCP where the answer does not fit.

    :param rng: draws IDs.
    :param datagrams: makes UDP ports; for tests.
    """

    def __init__(
        self, reactor: Any, rng: Random | None = None, *, datagrams: OpenDatagrams = DatagramExchange
    ) -> None:
        self.counters: Final[Counter[str]] = Counter()
        """queries by UDP and TCP, replies, failures, and what was dropped."""
        self.reactor: Final = reactor
        self.rng: Final = SystemRandom() if rng is None else rng
        self.open_datagrams: Final = datagrams
        self.plain: Final[dict[ServerAddress, None]] = {}
        """Servers that do not understand EDNS(0)."""
        self._streams: Final[dict[ServerAddress, ServerStreams]] = {}
        self._running: Final[set[_Running]] = set()

    def ask(
        self,
        question: Question,
        servers: Sequence[ServerAddress],
        *,
        timeout: float = EXCHANGE_TIMEOUT,
        manner: Manner = USUAL,
    ) -> Deferred[Reply]:
        """Ask servers until one of them answers.

        :param servers: the first one is asked first, the others when it does not answer.
        :param manner: how to ask, and what counts as an answer.
        :returns: fires with the response; fails with `NotFound` which says of each server why it does not
            answer. Cancelling it ends the query.
        """
        exchange = Exchange(question, servers, self.rng, manner, self.plain)
        running = _Running(self, exchange)
        self._running.add(running)
        running.start(timeout)
        return running.result

    async def look_up(
        self, name: Name, rtype: int, servers: Sequence[ServerAddress], *, timeout: float = EXCHANGE_TIMEOUT
    ) -> Answered:
        """Ask for the records of a name and type, and of what the name is an alias of.

        :raises NotFound: no server answers; that there are no records is an answer.
        """
        target = name
        for _ in range(MAX_ALIASES):
            question = Question(target, rtype)
            reply = await self.ask(question, servers, timeout=timeout)
            answer = read_answer(reply.message, Question(target, rtype))
            if answer.verdict is not Verdict.ALIASED or answer.target is None:
                return Answered(_under(name, answer), reply)
            target = answer.target
        raise NotFound(str(name), f"more than {MAX_ALIASES} aliases one after the other")

    def stream(self, server: ServerAddress) -> ServerStreams:
        """Return the TCP connection to a server, which is made when it is used."""
        streams = self._streams.get(server)
        if streams is None:

            def gone() -> None:
                self._streams.pop(server, None)

            streams = self._streams[server] = ServerStreams(self.reactor, server, self.rng, gone)
        return streams

    def remember(self, exchange: Exchange) -> None:
        """Learn which servers do not understand EDNS(0)."""
        for server in exchange.plain - self.plain.keys():
            if len(self.plain) >= MAX_PLAIN:
                del self.plain[next(iter(self.plain))]
            self.plain[server] = None

    def ended(self, running: _Running) -> None:
        """Forget a query that is over."""
        self._running.discard(running)

    def close(self) -> None:
        """End every query, which fails, and close every connection."""
        for running in tuple(self._running):
            running.fail("the node was stopped")
        for streams in tuple(self._streams.values()):
            streams.close()
        self._streams.clear()


def _under(name: Name, answer: Answer) -> Answer:
    """Return an answer whose records have the name that was asked for."""
    if not answer.records or answer.records[0].name == name:
        return answer
    records = tuple([type(one)(name, one.type, one.rclass, one.ttl, one.rdata) for one in answer.records])
    return Answer(answer.verdict, records, answer.ttl, answer.records[0].name)


class _Running:
    """One query under way."""

    def __init__(self, client: DnsClient, exchange: Exchange) -> None:
        self.result: Deferred[Reply] = Deferred(lambda _: self._close())
        self._client = client
        self._exchange = exchange
        self._clock = clock_of(client.reactor)
        self._ports: dict[ServerAddress, Datagrams] = {}
        self._cancels: list[Callable[[], None]] = []
        self._timer: IDelayedCall | None = None
        self._is_over = False

    def start(self, timeout: float) -> None:
        """Begin."""
        self._exchange.start(self._clock.seconds(), timeout)
        self._step()

    def fail(self, reason: str) -> None:
        """End without an answer."""
        if not self._is_over:
            self._close()
            self._client.counters["failures"] += 1
            self.result.errback(NotFound(self._what(), reason))

    def _what(self) -> str:
        question = self._exchange.question
        try:
            return f"{question.name} {RecordType(question.type).name}"
        except ValueError:
            return f"{question.name} TYPE{question.type}"

    def _step(self) -> None:
        """Send what is to be sent, end when it is over, and wait for the next time."""
        exchange = self._exchange
        while sends := exchange.take_sends():
            for send in sends:
                self._send(send)
        if self._is_over:
            return
        if exchange.reply is not None:
            reply = exchange.reply
            self._close()
            self._client.remember(exchange)
            self._client.counters["replies"] += 1
            self.result.callback(reply)
            return
        at = exchange.next_wakeup()
        if at is None:
            self.fail(exchange.show_failures())
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.callLater(max(0.0, at - self._clock.seconds()), self._look_once_more, at)

    def _look_once_more(self, at: float) -> None:
        # What has come is read first: a reactor that was kept from running calls what is due before it reads.
        self._timer = self._clock.callLater(0, self._wake, at)

    def _wake(self, at: float) -> None:
        self._timer = None
        # Rounding can wake us too early by very little.
        self._exchange.advance(max(at, self._clock.seconds()))
        self._step()

    def _send(self, send: Send) -> None:
        server = send.server
        if send.by_stream:
            self._client.counters["queries by TCP"] += 1
            self._cancels.append(
                self._client.stream(server).send(
                    send.payload,
                    lambda octets: self._heard(server, octets, by_stream=True),
                    lambda reason: self._failed(server, reason),
                )
            )
            return
        self._client.counters["queries by UDP"] += 1
        port = self._ports.get(server)
        try:
            if port is None:
                port = self._client.open_datagrams(
                    server,
                    lambda octets: self._heard(server, octets, by_stream=False),
                    lambda reason: self._failed(server, reason),
                )
                self._ports[server] = port
                port.open(self._client.reactor)
            port.send(send.payload)
        except OSError as problem:
            self._exchange.fail(server, one_line(problem), self._clock.seconds())

    def _heard(self, server: ServerAddress, octets: bytes, *, by_stream: bool) -> None:
        if self._is_over:
            return
        if not self._exchange.receive(server, octets, self._clock.seconds(), by_stream=by_stream):
            self._client.counters["no answer of ours"] += 1
        self._step()

    def _failed(self, server: ServerAddress, reason: str) -> None:
        if not self._is_over:
            self._exchange.fail(server, reason, self._clock.seconds())
            self._step()

    def _close(self) -> None:
        self._is_over = True
        self._client.ended(self)
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        for port in self._ports.values():
            port.close()
        for cancel in self._cancels:
            cancel()
        self._ports.clear()
        self._cancels.clear()
