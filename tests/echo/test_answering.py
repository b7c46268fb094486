"""Answering a group by a handler: delays, limits and faults."""

from __future__ import annotations

import contextlib
import random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.trial.unittest import SynchronousTestCase

from mcast.echo import answering
from mcast.echo.answering import Asked, HandlerAnswerer, Handling, answer
from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
from tests.echo.fakes import ETH0, FakeTransport

GROUP = "224.0.0.123"
NEIGHBOUR = ("192.0.2.9", 40000)


class AnsweringTestCase(SynchronousTestCase):
    def make(
        self, handler: Any, jitter: tuple[float, float] = (0.0, 0.0), max_rate: int = 10
    ) -> HandlerAnswerer:
        self.transport = FakeTransport()
        self.clock = self.transport.reactor
        self.patch(answering, "interface_name", {2: "eth0"}.get)
        answerer = HandlerAnswerer(
            [Group.parse(GROUP, 7645)],
            Handling(handler, jitter, max_rate, random.Random(1)),
            enumerate_interfaces=lambda: (ETH0,),
            use_netlink=False,
        )
        answerer.makeConnection(self.transport)  # type: ignore[arg-type]
        self.addCleanup(lambda: answerer.transport is None or answerer.doStop())
        return answerer

    def ask(self, answerer: HandlerAnswerer, data: bytes = b"who?", destination: str = GROUP) -> None:
        answerer.datagram_arrived(data, NEIGHBOUR, Arrival(2, destination, 1))

    def sent(self) -> list[bytes]:
        return [data for data, _, _ in self.transport.sent]

    def dropped(self, answerer: HandlerAnswerer) -> dict[str, int]:
        return {cause.value: count for cause, count in answerer.echo_counters.dropped.items() if count}


class HandlerTests(AnsweringTestCase):
    def test_told(self) -> None:
        asked: list[Asked] = []
        self.ask(self.make(asked.append))
        self.assertEqual(asked, [Asked(b"who?", "192.0.2.9", 40000, "eth0", GROUP)])
        self.assertEqual(self.sent(), [])

    def test_answer(self) -> None:
        self.ask(self.make(lambda asked: b"I"))
        self.assertEqual(self.transport.sent, [(b"I", NEIGHBOUR, 2)])

    def test_several(self) -> None:
        answerer = self.make(lambda asked: [b"I", b"and I"])
        self.ask(answerer)
        self.assertEqual((self.sent(), answerer.echo_counters.answered), ([b"I", b"and I"], 2))

    def test_coroutine(self) -> None:
        later: Deferred[bytes] = Deferred()

        async def handler(asked: Asked) -> bytes:
            return asked.data + await later

        answerer = self.make(handler)
        self.ask(answerer)
        self.assertEqual((self.sent(), answerer.waiting), ([], 1))
        later.callback(b" I")
        self.assertEqual((self.sent(), answerer.waiting), ([b"who? I"], 0))

    def test_what_came_by_unicast_is_not_handed_on(self) -> None:
        answerer = self.make(lambda asked: b"I")
        self.ask(answerer, destination="192.0.2.1")
        self.assertEqual((self.sent(), self.dropped(answerer)), ([], {"not to the group": 1}))

    def test_rate(self) -> None:
        answerer = self.make(lambda asked: b"I", max_rate=2)
        for _ in range(3):
            self.ask(answerer)
        self.assertEqual((len(self.sent()), self.dropped(answerer)), (2, {"rate limit": 1}))


class DelayTests(AnsweringTestCase):
    def test_random(self) -> None:
        answerer = self.make(lambda asked: b"I", (0.1, 0.3))
        self.ask(answerer)
        self.clock.advance(0.0999)
        self.assertEqual((self.sent(), answerer.waiting), ([], 1))
        self.clock.advance(0.2001)
        self.assertEqual((self.sent(), answerer.waiting), ([b"I"], 0))

    def test_each_answer_has_its_own(self) -> None:
        answerer = self.make(lambda asked: [b"1", b"2", b"3"], (0.0, 1.0))
        before = list(self.clock.getDelayedCalls())
        self.ask(answerer)
        moments = {call.getTime() for call in self.clock.getDelayedCalls() if call not in before}
        self.assertEqual(len(moments), 3)

    def test_too_many(self) -> None:
        self.patch(answering, "MAX_WAITING", 2)
        answerer = self.make(lambda asked: b"I", (1.0, 1.0))
        for _ in range(3):
            self.ask(answerer)
        self.assertEqual((answerer.waiting, self.dropped(answerer)), (2, {"too many waiting": 1}))

    def test_stopped(self) -> None:
        """What waits is not sent, a coroutine that goes on is cancelled, and neither is an error."""
        cancelled: list[object] = []

        def handler(asked: Asked) -> Any:
            return b"I" if asked.data else Deferred(cancelled.append)

        answerer = self.make(handler, (1.0, 1.0))
        self.ask(answerer, b"1")
        self.ask(answerer, b"")
        answerer.doStop()
        self.assertEqual((self.clock.getDelayedCalls(), len(cancelled), answerer.waiting), ([], 1, 0))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_stop_that_a_handler_ignores(self) -> None:
        """What it answers when it is cancelled is not sent, and does not wait either."""

        async def handler(asked: Asked) -> bytes:
            with contextlib.suppress(CancelledError):
                await Deferred()
            return b"late"

        for jitter in ((0.0, 0.0), (1.0, 1.0)):
            answerer = self.make(handler, jitter)
            self.ask(answerer)
            answerer.doStop()
            self.assertEqual((self.sent(), self.clock.getDelayedCalls(), answerer.waiting), ([], [], 0))


class FaultTests(AnsweringTestCase):
    """A handler that raises is logged once for each cause, counted, and asked again."""

    def test_raises(self) -> None:
        def handler(asked: Asked) -> bytes:
            if asked.data == b"bad":
                raise KeyError("bad")
            return b"I" if asked.data else asked.data[0:1].decode()[0].encode()

        answerer = self.make(handler)
        for data in (b"bad", b"bad", b"", b"good"):
            self.ask(answerer, data)
        self.assertEqual((self.sent(), self.dropped(answerer)), ([b"I"], {"handler failed": 3}))
        self.assertEqual(
            (len(self.flushLoggedErrors(KeyError)), len(self.flushLoggedErrors(IndexError))), (1, 1)
        )

    def test_faults_remembered(self) -> None:
        """A handler that fails in ever new ways takes no more memory by it."""
        kinds = iter([type(f"Fault{number}", (Exception,), {}) for number in range(200)])

        def handler(asked: Asked) -> bytes:
            raise next(kinds)

        answerer = self.make(handler, max_rate=0)
        for _ in range(200):
            self.ask(answerer)
        self.assertLessEqual(len(answerer._faults), answering.MAX_FAULTS)
        self.assertEqual(len(self.flushLoggedErrors()), 200)

    def test_raises_later(self) -> None:
        async def handler(asked: Asked) -> bytes:
            raise KeyError("bad")

        answerer = self.make(handler)
        self.ask(answerer)
        self.assertEqual(self.dropped(answerer), {"handler failed": 1})
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_never_answers(self) -> None:
        """It is cancelled, counted and logged once, and does not take the place of others for ever."""
        answerer = self.make(lambda asked: Deferred())
        self.ask(answerer)
        self.ask(answerer)
        self.clock.advance(answering.HANDLER_TIMEOUT - 1)
        self.assertEqual(answerer.waiting, 2)
        self.clock.advance(1)
        self.assertEqual((answerer.waiting, self.dropped(answerer)), (0, {"handler failed": 2}))
        self.assertEqual(len(self.flushLoggedErrors(TimedOut)), 1)

    def test_answers_no_bytes(self) -> None:
        answerer = self.make(lambda asked: [b"I", "text"])
        self.ask(answerer)
        self.assertEqual((self.sent(), self.dropped(answerer)), ([], {"handler failed": 1}))
        self.assertIn("which is no bytes", str(self.flushLoggedErrors(TypeError)[0].value))

    def test_answers_what_is_no_list(self) -> None:
        """The log shows the answer, not a part of it."""
        for value in ("text", 5, bytearray(b"text")):
            self.ask(self.make(lambda asked, value=value: value))
            (failure,) = self.flushLoggedErrors(TypeError)
            self.assertEqual(str(failure.value), f"the handler answers {value!r}, which is no bytes")


class MistakeTests(SynchronousTestCase):
    def refused(self, kind: type[Exception], line: str, handler: Any = print, **settings: Any) -> None:
        with self.assertRaisesRegex(kind, line):
            answer(object(), Group.parse(GROUP, 7645), handler, **settings)

    def test_handler(self) -> None:
        self.refused(TypeError, "handler b'text': cannot be called", b"text")

    def test_jitter(self) -> None:
        self.refused(ValueError, "jitter \\(1, 0\\): no two delays", jitter=(1, 0))
        self.refused(ValueError, "jitter \\(-1, 0\\): no two delays", jitter=(-1, 0))

    def test_rate(self) -> None:
        self.refused(ValueError, "max_rate -1: below 0", max_rate=-1)

    def test_group(self) -> None:
        with self.assertRaisesRegex(ValueError, "there is none to answer for"):
            answer(object(), (), print)
