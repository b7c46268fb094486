"""Tests for mcast.testing.lan and mcast.testing.captures."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.errors import MalformedMessage
from mcast.testing import SimulatedLan, clock


class TimeTests(SynchronousTestCase):
    def test_each_call_sees_its_own_time(self) -> None:
        lan = SimulatedLan()
        seen: list[float] = []
        start = lan.now

        def again() -> None:
            seen.append(lan.now - start)
            lan.clock.callLater(0.25, again)

        lan.clock.callLater(0.25, again)
        lan.advance(1)
        self.assertEqual(seen, [0.25, 0.5, 0.75, 1.0])
        self.assertEqual(lan.now, start + 1)

    def test_times_that_no_float_has(self) -> None:
        """A sum that rounds down does not keep a call from being due, nor time from going on."""
        lan = SimulatedLan()
        seen: list[float] = []
        for number in range(1, 100):
            lan.clock.callLater(number / 10, lambda: seen.append(lan.now))
        lan.advance(10)
        self.assertEqual(len(seen), 99)
        self.assertEqual(seen, sorted(seen))

    def test_call_put_off(self) -> None:
        lan = SimulatedLan()
        seen: list[float] = []
        call = lan.clock.callLater(1, lambda: seen.append(lan.now))
        start = lan.now
        call.reset(2)
        lan.advance(3)
        self.assertEqual(seen, [start + 2])

    def test_call_that_takes_time(self) -> None:
        """Time that a test lets a call take is over afterwards, too."""
        lan = SimulatedLan()
        start = lan.now

        def slow() -> None:
            lan.clock.rightNow += 2

        lan.clock.callLater(0, slow)
        lan.advance(1)
        self.assertEqual(lan.now, start + 2)

    def test_time_that_stands_still(self) -> None:
        self.patch(clock, "MAX_CALLS", 100)
        lan = SimulatedLan()

        def again() -> None:
            lan.clock.callLater(0, again)

        again()
        error = self.assertRaises(RuntimeError, lan.advance, 1)
        self.assertIn("more than 100 calls", str(error))

    def test_errors_reach_the_test(self) -> None:
        lan = SimulatedLan()
        lan.clock.callLater(1, lambda: 1 / 0)
        self.assertRaises(ZeroDivisionError, lan.advance, 2)


class ResultTests(SynchronousTestCase):
    """Waiting, in a test that does not."""

    def setUp(self) -> None:
        self.lan = SimulatedLan()
        self.deferred: Deferred[str] = Deferred()

    def test_deferred(self) -> None:
        start = self.lan.now
        self.lan.clock.callLater(5, self.deferred.callback, "done")
        self.assertEqual(self.lan.result(self.deferred), "done")
        self.assertEqual(self.lan.now, start + 5)

    def test_coroutine(self) -> None:
        async def wait() -> str:
            return await self.deferred + "!"

        self.lan.clock.callLater(5, self.deferred.callback, "done")
        self.assertEqual(self.lan.result(wait()), "done!")

    def test_failure(self) -> None:
        self.lan.clock.callLater(5, self.deferred.errback, LookupError("no"))
        self.assertRaises(LookupError, self.lan.result, self.deferred)

    def test_too_late(self) -> None:
        self.lan.clock.callLater(61, self.deferred.callback, "done")
        cancelled: list[object] = []
        self.deferred.addErrback(lambda failure: cancelled.append(failure.type))
        self.assertRaises(TimeoutError, self.lan.result, self.deferred)
        self.assertEqual(cancelled, [CancelledError])

    def test_never(self) -> None:
        self.assertRaises(TimeoutError, self.lan.result, self.deferred, 5)


class LinkTests(SynchronousTestCase):
    def test_same_link_again(self) -> None:
        lan = SimulatedLan()
        self.assertIs(lan.link("x"), lan.link("x"))
        self.assertIsNot(lan.link("x"), lan.link())

    def test_conditions(self) -> None:
        lan = SimulatedLan()
        lan.link("x", loss=0.5)
        self.assertEqual((lan.link("x").loss, lan.link("x", loss=0.25).loss), (0.5, 0.25))

    def test_unknown_condition(self) -> None:
        lan = SimulatedLan()
        self.assertRaises(TypeError, lan.link, "x", los=0.5)
        lan.link("y")
        self.assertRaises(TypeError, lan.link, "y", los=0.5)


class CaptureTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lan = SimulatedLan()
        question = Question(Name.parse("a.local"), RecordType.A)
        self.query = encode(Message(questions=(question,)))
        self.response = encode(Message(flags=0x8400))
        self.a = self.lan.host("a").open(False)
        self.b = self.lan.host("b", "other").open(True)
        self.a.send(self.query, 2, None)
        self.lan.advance(1)
        self.b.send(self.response, 2, None)
        self.b.send(self.response, 2, ("fe80::9", 5353, 0, 2))

    def test_what_was_sent(self) -> None:
        first, second, _ = self.lan.packets
        self.assertEqual(
            (first.sender, first.link, first.source, first.source_port), ("a", "lan", "10.0.1.1", 5353)
        )
        self.assertEqual((first.destination, first.destination_port), ("224.0.0.251", 5353))
        self.assertEqual((second.source, second.destination), ("fe80::2:2", "ff02::fb"))
        self.assertEqual((first.ipv6, second.ipv6), (False, True))

    def test_sizes(self) -> None:
        """The MTU counts headers too: 28 octets, or 48 with IPv6 (RFC 6762 §17)."""
        self.assertEqual(self.lan.packets[0].size, len(self.query) + 28)
        self.assertEqual(self.lan.packets[1].size, len(self.response) + 48)

    def test_filters(self) -> None:
        first, second, third = self.lan.packets
        packets = self.lan.packets
        self.assertEqual(packets.sent_by("b"), [second, third])
        self.assertEqual(packets.on("lan"), [first])
        self.assertEqual(packets.since(first.at + 1), [second, third])
        self.assertEqual(packets.queries, [first])
        self.assertEqual(packets.responses, [second, third])
        self.assertEqual(packets.sent_by("b").multicast, [second])

    def test_message(self) -> None:
        self.assertEqual(str(self.lan.packets[0].message.questions[0].name), "a.local.")
        junk = self.lan.link().inject(b"?", "192.0.2.1", 5353, "224.0.0.251", 5353)
        self.assertRaises(MalformedMessage, getattr, junk, "message")

    def test_as_text(self) -> None:
        lines = str(self.lan.packets).splitlines()
        self.assertIn("lan a: 10.0.1.1 port 5353 > 224.0.0.251 port 5353", lines[0])
        self.assertEqual(len(lines), 3)
