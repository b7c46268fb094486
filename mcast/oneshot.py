"""One-shot queries on the reactor, from a port of their own (RFC 6762 §5.1)."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from random import Random, SystemRandom
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import DatagramProtocol
from twisted.protocols.basic import Int16StringReceiver
from twisted.python.failure import Failure

from mcast.clock import clock_of
from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question
from mcast.dns_client.client import DnsClient
from mcast.dnssd.sought import SoughtName, on_link, sought_name, sought_record_type
from mcast.errors import NotFound
from mcast.last_look import LastLook
from mcast.mdns.constants import IPV4_GROUP, MDNS_PORT, ONE_SHOT_TIMEOUT
from mcast.mdns.oneshot import OneShotQuery
from mcast.neighbours import SocketAddress
from mcast.sockets.interface import find_interface, interfaces
from mcast.sockets.listen import listen_multicast
from mcast.sockets.settings import PortSettings
from mcast.unicast.exchange import Manner
from mcast.unicast.servers import ServerAddress

__all__ = ["OneShotReply", "ask"]

RETRY_DELAY = 1.0
"""Seconds until an unanswered question is repeated, doubled each time. Our choice: that of RFC 6762 §5.2."""

STREAM_TIMEOUT = 3.0
"""Seconds that the answer by TCP may take after a truncated one. Our choice: as long as a look-up."""

_PORT_TRIES = 3


class OneShotReply(NamedTuple):
    """The response to a one-shot query."""

    message: Message
    """The whole response; `Message.truncated` when a part is missing that TCP did not give either."""

    source: str
    """The address of the host that answered."""


def ask(
    reactor: Any,
    name: SoughtName,
    type: str | int = RecordType.ANY,
    server: str = IPV4_GROUP,
    port: int = MDNS_PORT,
    *,
    timeout: float = ONE_SHOT_TIMEOUT,
    interface: str | int | None = None,
    outside_local: bool = False,
    rng: Random | None = None,
    listen: Callable[..., Any] = listen_multicast,
) -> Deferred[OneShotReply]:
    """Ask one host, or all hosts on the link, and take the first response.

    The question is repeated while no answer comes. When the response is truncated, the question is asked
    again over TCP (RFC 6762 §18.5).

    :param type: a mnemonic such as ``"AAAA"``, or a number.
    :param server: the address of a host, on the link or not, with its zone where it needs one; or one of the
        groups of Multicast DNS, by default that of IPv4.
    :param port: the port of the server. A server on another port than 5353 is a conventional one: it is asked
        to recurse, with EDNS(0), and whatever it says is the response.
    :param timeout: the seconds until it fails.
    :param interface: the name, index or an address of the interface to send by; the system chooses by
        default.
    :param outside_local: ask a group for a name outside of ``.local`` too, for which anybody may answer.
    :param rng: draws the ID of the query.
    :param listen: opens the port, as `mcast.listen_multicast` does; for tests.
    :returns: fires with the response, which may hold no answer; fails with `NotFound` when there is none in
        time. Cancelling it ends the query.
    :raises ValueError: the name, type, server, port, timeout or interface cannot be one.
    :raises OSError: the system refuses the port, or to send.
    """
    wanted = sought_name(name)
    if ip_address(server).is_multicast and not outside_local:
        on_link(wanted)
    question = Question(wanted, sought_record_type(type))
    if not 0 < port <= 0xFFFF:
        raise ValueError(f"port {port}: it is not between 1 and 65535")
    if not timeout > 0:
        raise ValueError(f"timeout {timeout}: it is not a number of seconds above 0")
    if port != MDNS_PORT and not ip_address(server).is_multicast:
        if interface is not None:
            raise ValueError(
                f"interface {interface}: the address of a DNS server says by which one it is reached, "
                f"a link-local one by its zone: fe80::1%{interface}"
            )
        return _ask_conventional(reactor, question, ServerAddress(server, port), timeout, rng)
    index = 0 if interface is None else _index_of(str(interface))
    one_shot = _OneShot(reactor, question, server, port, timeout, SystemRandom() if rng is None else rng)
    one_shot.start(index, listen)
    return one_shot.result


def _ask_conventional(
    reactor: Any, question: Question, server: ServerAddress, timeout: float, rng: Random | None
) -> Deferred[OneShotReply]:
    client = DnsClient(reactor, rng)
    asked = client.ask(question, [server], timeout=timeout, manner=Manner(raw=True))

    def close(result: Any) -> Any:
        client.close()
        return result

    return asked.addBoth(close).addCallback(lambda reply: OneShotReply(reply.message, reply.server.host))


def _index_of(selector: str) -> int:
    found = find_interface(selector, interfaces())
    if found is None:
        raise ValueError(f"interface {selector}: no such interface, index or address on this host")
    return found.index


class _Listener(DatagramProtocol):
    """Hands on what arrives at one port."""

    noisy = False

    def __init__(self, heard: Callable[[bytes, SocketAddress], object]) -> None:
        self._heard = heard

    def datagramReceived(self, datagram: bytes, addr: SocketAddress) -> None:
        self._heard(datagram, addr)


class _OneShot:
    """One query under way."""

    def __init__(
        self, reactor: Any, question: Question, server: str, port: int, timeout: float, rng: Random
    ) -> None:
        self.result: Deferred[OneShotReply] = Deferred(lambda _: self._close())
        self._reactor = reactor
        self._clock = clock_of(reactor)
        self._server = server
        self._address = ip_address(server)
        self._port = port
        self._timeout = timeout
        self._query = OneShotQuery(
            question,
            rng.randrange(0x10000),
            self._clock.seconds(),
            timeout=timeout,
        )
        self._read = 0
        self._end = LastLook(reactor, self._give_up, lambda: self._read)
        self._interface = 0
        self._delay = RETRY_DELAY
        self._retry: IDelayedCall | None = None
        self._listening: Any = None
        self._stream: Deferred[None] | None = None

    def start(self, interface: int, listen: Callable[..., Any]) -> None:
        """Open a port and ask."""
        self._interface = interface
        ipv6 = self._address.version == 6
        refused = []
        for _ in range(_PORT_TRIES):
            self._listening = listen(
                self._reactor,
                0,
                _Listener(self._heard),
                ipv6=ipv6,
                interface="::" if ipv6 else "",
                settings=PortSettings(hop_limit=255),
            )
            if self._listening.getHost().port != MDNS_PORT:
                break
            # RFC 6762 §5.1: "MUST NOT be sent using UDP source port 5353". A system may be set up to choose
            # that port. It is held until we have another, so that it is not chosen again.
            refused.append(self._listening)
        for one in refused:
            one.stopListening()
        if self._listening in refused:
            raise OSError("the system gives no port but 5353")
        self._end.end_in(self._timeout)
        if not self._send():
            self._close()
            raise OSError(f"{self._server}: it cannot be sent to")

    def _heard(self, datagram: bytes, addr: SocketAddress) -> None:
        """Take in a datagram; only the host that was asked may answer, from the port that was asked."""
        self._read += 1
        if self._query.response is not None or addr[1] != self._port:
            return
        if not (
            self._address.is_multicast or ip_address(addr[0].partition("%")[0]).packed == self._address.packed
        ):
            return
        if not self._query.receive(datagram):
            return
        response = self._query.response
        assert response is not None
        if self._query.is_truncated:
            self._ask_by_stream(self._source(addr[0]), response)
        else:
            self._succeed(OneShotReply(response, self._source(addr[0])))

    def _source(self, host: str) -> str:
        """Return the address that answered: a server's as it was written, since its zone may be a name."""
        return host if self._address.is_multicast else self._server

    def _send(self) -> bool:
        self._retry = self._clock.callLater(self._delay, self._send)
        self._delay *= 2
        return bool(self._listening.send(self._query.payload, (self._server, self._port), self._interface))

    def _ask_by_stream(self, host: str, truncated: Message) -> None:
        """Repeat the query over TCP; where that fails, the truncated response is better than none."""
        self._stop_timers()
        # Imported late: with it comes TLS, and few answers are too large for a datagram.
        from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, connectProtocol

        endpoint = TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint
        query = OneShotQuery(
            self._query.question,
            truncated.id,
            self._clock.seconds(),
            timeout=STREAM_TIMEOUT,
        )
        answered: Deferred[Message] = Deferred()
        connected = connectProtocol(endpoint(self._reactor, host, self._port), _Stream(query, answered))
        connected.addCallback(lambda stream: answered.addBoth(_hang_up, stream))
        connected.addTimeout(STREAM_TIMEOUT, self._clock)
        self._stream = connected.addCallbacks(
            lambda message: self._succeed(OneShotReply(message, host)),
            lambda _: self._succeed(OneShotReply(truncated, host)),
        )

    def _give_up(self) -> None:
        error = NotFound(
            str(self._query.question.name), f"no answer from {self._server} within {self._timeout:g} s"
        )
        self._close()
        self.result.errback(error)

    def _succeed(self, reply: OneShotReply) -> None:
        self._stream = None
        if self._listening is not None:
            self._close()
            self.result.callback(reply)

    def _stop_timers(self) -> None:
        self._end.cancel()
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        self._retry = None

    def _close(self) -> None:
        self._stop_timers()
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.stopListening()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.cancel()


class _Stream(Int16StringReceiver):
    """The query over TCP: length and message each way (RFC 1035 §4.2.2)."""

    MAX_LENGTH = 0xFFFF

    def __init__(self, query: OneShotQuery, answered: Deferred[Message]) -> None:
        self._query = query
        self._answered = answered

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self._query.stream_payload)

    def stringReceived(self, string: bytes) -> None:
        if self._query.receive(string) and not self._answered.called:
            assert self._query.response is not None
            self._answered.callback(self._query.response)

    def connectionLost(self, reason: Failure | None = None) -> None:
        if not self._answered.called:
            self._answered.errback(reason)


def _hang_up(result: Any, stream: _Stream) -> Any:
    if stream.transport is not None:
        stream.transport.loseConnection()
    return result
