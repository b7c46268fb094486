"""Asking a group: what is sent, what is gathered, and how it ends."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from mcast.echo import asker, asking
from mcast.echo.asker import RECEIVE_BUFFER, Asker
from mcast.echo.asking import ask
from mcast.echo.gathering import Reply
from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
from mcast.sockets.settings import PortSettings
from tests.echo.fakes import ETH0, ETH1
from tests.echo.test_client import FakePort

IPV4, IPV6 = Group.parse("239.255.255.250:1900"), Group.parse("[ff02::c]:1900")


class AskTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.ports: list[FakePort] = []
        self.askers: list[Asker] = []
        self.settings: list[PortSettings] = []
        self.refuse = False
        for module in (asker, asking):
            self.patch(module, "all_interfaces", lambda: (ETH0, ETH1))
            self.patch(module, "interface_name", {2: "eth0", 3: "eth1"}.get) if module is asking else None
        self.patch(asker, "listen_multicast", self.open)

    def open(self, reactor: Clock, port: int, protocol: Asker, **settings: Any) -> FakePort:
        opened = FakePort()
        opened.refuse = self.refuse
        self.ports.append(opened)
        self.askers.append(protocol)
        self.settings.append(settings["settings"])
        return opened

    def ask(self, group: Group | Sequence[Group] = IPV4, **settings: Any) -> asking.Replies:
        return ask(self.clock, group, b"who?", **settings)

    def gather(self, replies: asking.Replies) -> tuple[list[Reply], Deferred[None]]:
        """Return what a loop over the replies has got, and what fires at its end."""
        got: list[Reply] = []

        async def loop() -> None:
            async for reply in replies:
                got.append(reply)

        return got, Deferred.fromCoroutine(loop())

    def hear(self, data: bytes = b"I", host: str = "192.0.2.9", port: int = 1900, interface: int = 2) -> None:
        address = (host, port, 0, interface) if ":" in host else (host, port)
        self.askers[-1].datagram_arrived(data, address, Arrival(interface, None, 1))

    def sent(self) -> list[tuple[bytes, tuple[Any, ...], int]]:
        return [each for port in self.ports for each in port.sent]


class QuestionTests(AskTestCase):
    def test_at_once_by_each_interface(self) -> None:
        replies = self.ask()
        address = ("239.255.255.250", 1900)
        self.assertEqual(self.sent(), [(b"who?", address, 2), (b"who?", address, 3)])
        self.assertEqual(replies.statistics()["sent"], 2)

    def test_repeated(self) -> None:
        replies = self.ask(interfaces=("eth0",), repeats=(0, 0.5, 2))
        for moment, count in ((0.49, 1), (0.01, 2), (1.49, 2), (0.01, 3)):
            self.clock.advance(moment)
            self.assertEqual(len(self.sent()), count)
        del replies

    def test_chosen_interface(self) -> None:
        replies = self.ask(interfaces=("eth1",))
        self.assertEqual([interface for _, _, interface in self.sent()], [3])
        del replies

    def test_both_families(self) -> None:
        """Each from a port of its own; eth1 has no IPv6 address."""
        replies = self.ask((IPV4, IPV6))
        self.assertEqual(len(self.ports), 2)
        self.assertEqual([interface for _, _, interface in self.ports[1].sent], [2])
        del replies

    def test_both_families_by_named_interfaces(self) -> None:
        """An interface without IPv6 keeps no other from asking the IPv6 group."""
        replies = self.ask((IPV4, IPV6), interfaces=("eth0", "eth1"))
        self.assertEqual([[place for _, _, place in port.sent] for port in self.ports], [[2, 3], [2]])
        del replies

    def test_family_that_no_interface_has(self) -> None:
        """That group is left out, and the log says so."""
        for module in (asker, asking):
            self.patch(module, "all_interfaces", lambda: (ETH1,))
        with capturedLogs() as events:
            replies = self.ask((IPV4, IPV6))
        self.assertEqual(len(self.ports), 1)
        self.assertIn("[ff02::c]:1900: no IPv6 address on eth1", [each.get("problem") for each in events])
        del replies

    def test_settings_of_the_port(self) -> None:
        """The port is our own, and has room for many answers at once where nobody says how much."""
        replies = self.ask(settings=PortSettings(hop_limit=3))
        self.assertEqual(
            self.settings, [PortSettings(hop_limit=3, shared=False, receive_buffer=RECEIVE_BUFFER)]
        )
        del replies

    def test_receive_buffer(self) -> None:
        replies = self.ask(settings=PortSettings(receive_buffer=100_000))
        self.assertEqual(self.settings, [PortSettings(shared=False, receive_buffer=100_000)])
        del replies


class GatheringTests(AskTestCase):
    def test_reply(self) -> None:
        got, done = self.gather(self.ask())
        self.clock.advance(0.25)
        self.hear(b"I", "192.0.2.9", 1900)
        self.assertEqual(got, [Reply(b"I", "192.0.2.9", 1900, "eth0", 0.25, ("192.0.2.9", 1900))])
        done.cancel()
        self.failureResultOf(done, CancelledError)

    def test_asked_later(self) -> None:
        """The seconds count from the first question, and nothing before it is an answer."""
        got, _ = self.gather(self.ask(repeats=(0.5,)))
        self.hear(b"too early")
        self.clock.pump([0.5, 0.25])
        self.hear(b"I")
        self.assertEqual([(reply.data, reply.seconds) for reply in got], [(b"I", 0.25)])

    def test_link_local_source_has_its_zone(self) -> None:
        got, done = self.gather(self.ask(IPV6))
        self.hear(b"I", "fe80::9")
        self.assertEqual((got[0].source, got[0].address), ("fe80::9%eth0", ("fe80::9", 1900, 0, 2)))
        self.clock.pump([3, 0])
        self.successResultOf(done)

    def test_ends_after_the_wait(self) -> None:
        _, done = self.gather(self.ask(wait=2.0))
        self.clock.advance(1.9)
        self.assertNoResult(done)
        self.clock.pump([0.1, 0])
        self.successResultOf(done)
        self.assertEqual(([port.stopped for port in self.ports], self.clock.getDelayedCalls()), ([True], []))

    def test_repetition_is_one_reply(self) -> None:
        """The same from the same host and port, whichever interface or repeat made it say so."""
        replies = self.ask()
        got, _ = self.gather(replies)
        self.hear()
        self.hear()
        self.hear(host="192.0.2.10")
        self.hear(port=2000)
        self.assertEqual((len(got), replies.statistics()["repeated"]), (3, 1))

    def test_key_of_the_caller(self) -> None:
        """A host with an address on each of two links is one host to who knows its name."""
        got, _ = self.gather(self.ask(key=lambda reply: reply.data))
        self.hear(b"printer")
        self.hear(b"printer", "198.51.100.9", interface=3)
        self.assertEqual([reply.source for reply in got], ["192.0.2.9"])

    def test_expected_number(self) -> None:
        got, done = self.gather(self.ask(expect=2))
        self.hear(b"one")
        self.hear(b"one")
        self.assertNoResult(done)
        self.hear(b"two")
        self.successResultOf(done)
        self.assertEqual(
            ([reply.data for reply in got], self.clock.getDelayedCalls()), ([b"one", b"two"], [])
        )

    def test_quorum(self) -> None:
        _, done = self.gather(self.ask(quorum=lambda replies: replies[-1].data == b"last"))
        self.hear(b"first")
        self.assertNoResult(done)
        self.hear(b"last")
        self.successResultOf(done)

    def test_late(self) -> None:
        """What comes when the question is over, while the loop is still busy, is counted."""
        replies = self.ask(expect=1)
        self.hear(b"one")
        self.hear(b"two")
        got, done = self.gather(replies)
        self.successResultOf(done)
        self.assertEqual((len(got), replies.statistics()["late"]), (1, 1))

    def test_waits_for_a_busy_loop(self) -> None:
        replies = self.ask()
        self.hear(b"one")
        self.hear(b"two")
        self.clock.pump([3, 0])
        got, done = self.gather(replies)
        self.successResultOf(done)
        self.assertEqual([reply.data for reply in got], [b"one", b"two"])

    def test_what_lies_in_the_socket_at_the_end_is_taken(self) -> None:
        """A reactor that was busy runs its timers before it reads."""
        got, done = self.gather(self.ask())
        self.clock.callLater(3, self.hear, b"in time")
        self.clock.advance(3)
        self.successResultOf(done)
        self.assertEqual(len(got), 1)

    def test_the_last_look_ends(self) -> None:
        """A flood of answers does not keep the question open."""
        numbers = itertools.count()

        def flood() -> None:
            self.hear(b"%d" % next(numbers))
            self.clock.rightNow += 0.01  # the time that it took
            if not done.called:
                self.clock.callLater(0, flood)

        _, done = self.gather(self.ask())
        self.clock.callLater(3, flood)
        self.clock.advance(3)
        self.successResultOf(done)

    def test_limits(self) -> None:
        replies = self.ask()
        self.patch(__import__("mcast.echo.gathering").echo.gathering, "MAX_OCTETS", 10)
        self.hear(bytes(6))
        self.hear(bytes(5))
        self.assertEqual(replies.statistics()["overflow"], 1)

    def test_counted_and_dropped(self) -> None:
        replies = self.ask()
        got, _ = self.gather(replies)
        self.hear(port=0)
        self.hear(host="224.0.0.9")
        self.hear(host="192.0.2.255")
        self.hear(host="203.0.113.1")
        self.assertEqual(
            (got, replies.statistics()["dropped"]),
            ([], {"source port": 1, "source address": 2, "source off link": 1}),
        )


class EndTests(AskTestCase):
    def assert_closed(self) -> None:
        self.assertEqual({port.stopped for port in self.ports}, {True})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancelled(self) -> None:
        _, done = self.gather(self.ask((IPV4, IPV6)))
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.assert_closed()

    def test_left_by_break(self) -> None:
        async def first() -> bytes:
            async for reply in self.ask():
                return reply.data
            return b""

        got = Deferred.fromCoroutine(first())
        self.hear(b"one")
        self.assertEqual(self.successResultOf(got), b"one")
        gc.collect()
        self.assert_closed()

    def test_closed(self) -> None:
        replies = self.ask()
        self.successResultOf(Deferred.fromCoroutine(replies.aclose()))
        self.assert_closed()
        _, done = self.gather(replies)
        self.successResultOf(done)

    def test_closed_beside_a_loop(self) -> None:
        """A loop that waits is left."""
        replies = self.ask()
        got, done = self.gather(replies)
        self.successResultOf(Deferred.fromCoroutine(replies.aclose()))
        self.successResultOf(done)
        self.assertEqual(got, [])
        self.assert_closed()

    def test_next_alone(self) -> None:
        """`anext(ask(…))` holds nothing but what it waits for; the question ends with the reply."""
        first = self.ask().__anext__()
        gc.collect()
        self.hear(b"I")
        self.assertEqual(self.successResultOf(first).data, b"I")
        gc.collect()
        self.assert_closed()

    def test_dropped_without_a_loop(self) -> None:
        self.ask()
        gc.collect()
        self.assert_closed()

    def test_key_that_raises(self) -> None:
        """The fault is the caller's, and the caller gets it."""
        _, done = self.gather(self.ask(key=lambda reply: {}[reply.data]))
        self.hear()
        self.failureResultOf(done, KeyError)
        self.assert_closed()

    def test_two_loops(self) -> None:
        replies = self.ask()
        self.gather(replies)
        _, second = self.gather(replies)
        self.failureResultOf(second, RuntimeError)


class MistakeTests(AskTestCase):
    """One line with the value; nothing is opened."""

    def refused(self, kind: type[Exception], line: str, *arguments: Any, **settings: Any) -> None:
        with self.assertRaisesRegex(kind, line):
            ask(self.clock, *(arguments or (IPV4, b"")), **settings)
        self.assertEqual((self.ports, self.clock.getDelayedCalls()), ([], []))

    def test_group(self) -> None:
        self.refused(TypeError, "'2': no Group", "239.1.2.3", b"")
        self.refused(ValueError, "there is none to ask", (), b"")

    def test_payload(self) -> None:
        self.refused(TypeError, "payload 'hello': no bytes", IPV4, "hello")

    def test_interface(self) -> None:
        self.refused(ValueError, "interface eth9: no such interface", interfaces=("eth9",))
        self.refused(TypeError, "they are a list", interfaces="eth0")

    def test_family(self) -> None:
        self.refused(
            ValueError, "eth1: has no IPv6 address|no IPv6 address on eth1", IPV6, b"", interfaces=("eth1",)
        )

    def test_interface_that_no_group_uses(self) -> None:
        groups = (IPV6, Group.parse("[ff02::d]:1900"))
        self.refused(
            ValueError, "interface eth1: none of the groups", groups, b"", interfaces=("eth0", "eth1")
        )

    def test_times(self) -> None:
        self.refused(ValueError, "wait 0: ", wait=0)
        self.refused(ValueError, "wait nan: ", wait=float("nan"))
        self.refused(ValueError, "repeats 3.0: not within", repeats=(0, 3.0))
        self.refused(ValueError, "never be sent", repeats=())

    def test_expect(self) -> None:
        self.refused(ValueError, "expect 0: below 1", expect=0)

    def test_nothing_can_be_sent(self) -> None:
        self.refuse = True
        with self.assertRaisesRegex(OSError, "could not be sent by any interface: refused"):
            self.ask()
        self.assertTrue(self.ports[0].stopped)
