"""A running responder on one host and probers on the other: the ground of the tests that look at the wire."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from ipaddress import IPv6Address
from typing import ClassVar

from tests.interop.peers import Responder
from tests.interop.probe import Packet, Prober
from tests.interop.scenes import SceneTestCase
from tests.interop.wire import PTR, SRV, Labels, Message, Question, Record, fold, labels, query
from tests.network.lan import PATIENCE, Host

HOST = labels("kitchen.local")
TYPE = labels("_http._tcp.local")
WEB = labels("My Web", "_http._tcp.local")
WEB_OPTION = "My Web:_http._tcp,_printer:8080:path=/:ver=1"

SILENCE = 0.7
"""Our choice: seconds to listen for an answer that must not come; more than the longest delay of an answer
without TC (RFC 6762 §6)."""


def addresses(host: Host) -> tuple[str, str, str]:
    """Return IPv4, routable IPv6 and link-local address of a host as `Packet` writes them."""
    return host.ipv4(), str(IPv6Address(host.ipv6())), str(IPv6Address(host.link_local()))


def serve(host: Host, *arguments: str) -> Responder:
    """Start our responder with the host name ``kitchen``."""
    return Responder(host, "--interface", "eth0", "--hostname", "kitchen", *arguments)


def has(name: Labels, rtype: int, ttl: int | None = None) -> Callable[[Message], bool]:
    """Return a predicate: a response whose Answer Section holds such a record."""

    def accepts(message: Message) -> bool:
        found = message.answers_for(name, rtype)
        return message.is_response and any(ttl is None or one.ttl == ttl for one in found)

    return accepts


def asks(name: Labels) -> Callable[[Message], bool]:
    """Return a predicate: a probe for the name."""
    return lambda message: (
        not message.is_response
        and bool(message.authorities)
        and any(fold(one.name) == fold(name) for one in message.questions)
    )


class WireTestCase(SceneTestCase):
    """One responder for all tests of the class, started with ``arguments`` and announced."""

    arguments: ClassVar[Sequence[str]] = ("--service", WEB_OPTION)
    awaited: ClassVar[Labels] = WEB
    responder: ClassVar[Responder]
    prober: ClassVar[Prober]
    prober6: ClassVar[Prober]

    @classmethod
    def build(cls, stack: ExitStack) -> None:
        near, far = cls.lan.hosts[:2]
        cls.prober = stack.enter_context(Prober(far))
        cls.prober6 = stack.enter_context(Prober(far, far.link_local()))
        cls.responder = serve(near, *cls.arguments)
        stack.callback(cls.responder.close)
        cls.wait_until_announced(cls.awaited)

    @classmethod
    def own(cls, packet: Packet) -> bool:
        """Whether the responder sent it."""
        return packet.source in addresses(cls.lan.hosts[0])

    @classmethod
    def wait_until_announced(cls, name: Labels, start: int = 0) -> None:
        """Wait for two announcements of the service in each family."""
        accepts = has(name, SRV)

        def count(ipv6: bool) -> int:
            return sum(
                cls.own(one) and one.multicast and (":" in one.source) == ipv6 and accepts(one.message)
                for one in cls.prober.sniffer.poll()[start:]
            )

        deadline = time.monotonic() + PATIENCE
        while count(False) < 2 or count(True) < 2:
            if time.monotonic() > deadline or not cls.responder.is_running:
                raise AssertionError(f"{name} was not announced; the log:\n{cls.responder.log}")
            time.sleep(0.02)

    def settle(self) -> None:
        """Wait until a record may be multicast again: a second since the last one was (RFC 6762 §6)."""
        while True:
            sent = [one.at for one in self.prober.sniffer.poll() if self.own(one) and one.multicast]
            left = (sent[-1] if sent else 0.0) + 1.05 - time.time()
            if left <= 0:
                return
            time.sleep(left)

    def ask(
        self,
        message: Message | bytes,
        accepts: Callable[[Message], bool] | None = None,
        *,
        multicast: bool | None = None,
        prober: Prober | None = None,
        to: str | None = None,
        address: str | None = None,
        port: int = 5353,
    ) -> Packet:
        """Send a query and return the first response of the same family that is accepted.

        :param multicast: whether the response must be multicast, or unicast; None for either.
        """
        asker = prober or self.prober
        start = self.prober.sniffer.mark()
        asker.send(message, to=to, address=address, port=port)
        return self.prober.sniffer.wait_for(
            lambda packet: (
                self.own(packet)
                and (":" in packet.source) == asker.ipv6
                and multicast in (None, packet.multicast)
                and packet.message.is_response
                and (accepts is None or accepts(packet.message))
            ),
            start=start,
        )

    def renew(self, prober: Prober) -> None:
        """Have an SRV record multicast: for a quarter of its TTL, 30 s, unicast is enough (RFC 6762 §5.4)."""
        self.settle()
        self.ask(query(Question(WEB, SRV)), has(WEB, SRV), multicast=True, prober=prober)

    def hears(self, start: int, seconds: float = SILENCE) -> list[Packet]:
        """Wait for a packet of the responder; return it and what else it sends in the moment after it."""
        self.prober.sniffer.wait_for(self.own, start=start)
        return [one for one in self.prober.sniffer.gather(seconds, start) if self.own(one)]

    def responses(self, packets: Sequence[Packet], accepts: Callable[[Message], bool]) -> list[Packet]:
        """Return those of the packets that are responses of the responder by IPv4 and accepted."""
        return [one for one in packets if self.own(one) and ":" not in one.source and accepts(one.message)]

    def assert_silent(self, message: Message | bytes, seconds: float = SILENCE, **where: object) -> None:
        """Send a message; the responder must answer nothing."""
        start = self.prober.sniffer.mark()
        self.prober.send(message, **where)  # type: ignore[arg-type]  # passed on as it came
        heard = [one for one in self.prober.sniffer.gather(seconds, start) if self.own(one)]
        self.assertEqual([one.message for one in heard], [])


def pointers(message: Message, name: Labels) -> set[Labels]:
    """Return the targets of the PTR records of a name in the Answer Section."""
    return {one.target for one in message.answers_for(name, PTR)}


def types(records: Sequence[Record]) -> set[int]:
    return {one.type for one in records}
