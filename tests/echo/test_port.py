"""Tests for the quick echo loop."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.echo.counters import Drop, EchoCounters
from mcast.echo.port import Answering, EchoPort
from mcast.echo.service import EchoService
from mcast.echo.sources import Sources
from mcast.sockets.group import Group
from mcast.sockets.opening import PortSockets
from mcast.sockets.reading import READ_BATCH
from tests.echo.fakes import ETH0
from tests.sockets.fakes import FakeReactor

NEIGHBOUR, STRANGER = ("192.0.2.9", 40000), ("203.0.113.9", 40000)


class FakeSocket:
    """What an echo port needs of a socket."""

    def __init__(self, recvfrom: Callable[..., Any], sendto: Callable[..., Any]) -> None:
        self.recvfrom = recvfrom
        self.sendto = sendto

    def getsockname(self) -> tuple[str, int]:
        return "224.0.0.123", 7645

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        """Do nothing."""


class FakeEchoPort(EchoPort):
    """An echo port without a real socket."""

    fake: Any

    def _open_sockets(self) -> PortSockets:
        return PortSockets(self.fake, self.fake, self.binding.pinned)


class LoopTests(SynchronousTestCase):
    def make(self, group: str = "224.0.0.123", reply: bytes | None = None, max_rate: int = 0) -> EchoPort:
        self.clock = FakeReactor()
        self.counters = EchoCounters()
        self.waiting: list[tuple[bytes, Any] | OSError] = []
        self.sent: list[tuple[bytes, Any]] = []
        self.send_problem: OSError | None = None
        answering = Answering(Sources(lambda: [ETH0], max_rate=max_rate), self.counters, reply)
        port = FakeEchoPort(self.clock, Group.parse(group, 7645), ETH0.index, answering)
        port.fake = FakeSocket(self.receive, self.send)
        port.startListening()
        self.addCleanup(port.connectionLost)
        return port

    def receive(self, size: int) -> tuple[bytes, Any]:
        if not self.waiting:
            raise BlockingIOError(errno.EAGAIN, "nothing there")
        first = self.waiting.pop(0)
        if isinstance(first, OSError):
            raise first
        return first

    def send(self, data: bytes, address: Any) -> int:
        if self.send_problem is not None:
            raise self.send_problem
        self.sent.append((data, address))
        return len(data)

    def counted(self) -> tuple[int, int, dict[Drop, int]]:
        dropped = {cause: count for cause, count in self.counters.dropped.items() if count}
        return self.counters.received, self.counters.answered, dropped

    def test_each_is_answered(self) -> None:
        port = self.make()
        self.waiting = [(b"one", NEIGHBOUR), (b"", NEIGHBOUR), (b"three", ("192.0.2.10", 1))]
        expected = list(self.waiting)
        port.doRead()
        self.assertEqual(self.sent, expected)
        self.assertEqual(self.counted(), (3, 3, {}))

    def test_address_as_it_came(self) -> None:
        """Flow and scope of an IPv6 sender lead the answer back."""
        port = self.make("ff02::123")
        self.waiting = [(b"one", ("fe80::9", 40000, 0, 2))]
        port.doRead()
        self.assertEqual(self.sent, [(b"one", ("fe80::9", 40000, 0, 2))])

    def test_fixed_reply(self) -> None:
        port = self.make(reply=b"")
        self.waiting = [(b"one", NEIGHBOUR)]
        port.doRead()
        self.assertEqual(self.sent, [(b"", NEIGHBOUR)])

    def test_so_many_in_one_go(self) -> None:
        """The reactor has its turn after a batch."""
        port = self.make()
        self.waiting = [(b"x", NEIGHBOUR)] * (READ_BATCH + 5)
        port.doRead()
        self.assertEqual(self.counted(), (READ_BATCH, READ_BATCH, {}))
        port.doRead()
        self.assertEqual(self.counted(), (READ_BATCH + 5, READ_BATCH + 5, {}))

    def test_rate(self) -> None:
        port = self.make(max_rate=2)
        self.waiting = [(b"x", NEIGHBOUR)] * 5
        port.doRead()
        self.assertEqual(self.counted(), (5, 2, {Drop.RATE: 3}))

    def test_rate_of_the_next_second(self) -> None:
        port = self.make(max_rate=2)
        for _ in range(2):
            self.waiting = [(b"x", NEIGHBOUR)] * 3
            port.doRead()
            self.clock.advance(1.0)
        self.assertEqual(self.counted(), (6, 4, {Drop.RATE: 2}))

    def test_off_link(self) -> None:
        port = self.make()
        self.waiting = [(b"x", STRANGER), (b"y", NEIGHBOUR), (b"x", STRANGER)]
        port.doRead()
        self.assertEqual(self.sent, [(b"y", NEIGHBOUR)])
        self.assertEqual(self.counted(), (3, 1, {Drop.OFF_LINK: 2}))

    def test_off_link_to_a_wider_group(self) -> None:
        port = self.make("239.1.2.3")
        self.waiting = [(b"x", STRANGER)] * 2
        port.doRead()
        self.assertEqual(self.counted(), (2, 2, {}))

    def test_bad_source(self) -> None:
        port = self.make()
        self.waiting = [(b"x", ("192.0.2.255", 40000))] * 2
        port.doRead()
        self.assertEqual(self.counted(), (2, 0, {Drop.SOURCE: 2}))

    def test_port_zero(self) -> None:
        """Nothing can be sent to port 0; it is named for what it is."""
        port = self.make()
        self.send_problem = OSError(errno.EINVAL, "Invalid argument")
        self.waiting = [(b"x", ("192.0.2.9", 0))]
        port.doRead()
        self.assertEqual(self.counted(), (1, 0, {Drop.PORT: 1}))
        self.assertEqual(port.counters["send_refused"], 0)

    def test_refused_by_the_system(self) -> None:
        """It goes on with the next, and logs the cause once."""
        port = self.make()
        self.send_problem = OSError(errno.ENETUNREACH, "Network is unreachable")
        self.waiting = [(b"x", NEIGHBOUR)] * 3
        port.doRead()
        self.assertEqual(self.counted(), (3, 0, {Drop.SEND: 3}))
        self.assertEqual(port.counters["send_refused"], 3)

    def test_error_while_reading(self) -> None:
        """What was read before is counted, and the next call goes on."""
        port = self.make()
        self.waiting = [(b"x", NEIGHBOUR), OSError(errno.EIO, "Input/output error"), (b"y", NEIGHBOUR)]
        port.doRead()
        self.assertEqual(self.counted(), (1, 1, {}))
        port.doRead()
        self.assertEqual(self.counted(), (2, 2, {}))


class CounterTests(SynchronousTestCase):
    def test_text(self) -> None:
        counters = EchoCounters(received=5, answered=2)
        counters.drop(Drop.RATE)
        counters.drop(Drop.RATE)
        counters.drop(Drop.OFF_LINK)
        self.assertEqual(str(counters), "received 5, answered 2, dropped 3 (rate limit 2, source off link 1)")

    def test_truncated_ones(self) -> None:
        """The port drops them before the responder sees them; they are counted all the same."""
        service = EchoService(Clock(), [Group.parse("224.0.0.123:7645")])

        class Listener:
            counters = {"truncated": 2}  # noqa: RUF012

        service._listener = Listener()  # type: ignore[assignment]
        self.assertEqual(str(service.counters), "received 2, answered 0, dropped 2 (truncated 2)")
