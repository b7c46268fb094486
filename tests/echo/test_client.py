"""Tests for the pace and the end of the echo client."""

from __future__ import annotations

import random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from mcast.echo import asker
from mcast.echo.asker import RECEIVE_BUFFER, Asker, Target
from mcast.echo.client import EchoClient, Pace
from mcast.echo.counters import Drop
from mcast.echo.probe import Probe, ProbeKind, marked
from mcast.echo.session import EchoReply
from mcast.last_look import LAST_LOOK
from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
from mcast.sockets.interface import Interface
from mcast.sockets.sending import SendResult
from mcast.sockets.settings import DEFAULT_SETTINGS, PortSettings
from tests.echo.fakes import ETH0, ETH1, FakeTransport


class FakePort(FakeTransport):
    stopped = False

    def stopListening(self) -> Deferred[None]:
        self.stopped = True
        return succeed(None)


class ClientTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.port = FakePort()
        self.opened: list[dict[str, Any]] = []
        self.answers: list[EchoReply] = []
        self.patch(asker, "listen_multicast", self.open)
        self.patch(asker, "all_interfaces", lambda: (ETH0, ETH1))

    def open(self, reactor: Clock, port: int, protocol: Asker, **settings: Any) -> FakePort:
        self.asker = protocol
        self.opened.append({"port": port, **settings})
        return self.port

    def start(
        self,
        group: str = "224.0.0.123",
        interfaces: tuple[Interface, ...] = (ETH0,),
        source: str = "",
        settings: PortSettings = DEFAULT_SETTINGS,
        **pace: Any,
    ) -> Deferred[None]:
        self.client = EchoClient(
            self.clock,
            Target(Group.parse(group, 7645), interfaces, source, settings),
            Pace(**pace),
            self.answers.append,
            rng=random.Random(1),
            clock=self.clock.seconds,
        )
        return self.client.start()

    def numbers(self) -> list[int]:
        """Return the numbers of the probes sent until now."""
        probes = [Probe.decode(data) for data, _, _ in self.port.sent]
        return [probe.number for probe in probes if probe is not None]


class PaceTests(ClientTestCase):
    def test_first_at_once(self) -> None:
        self.start()
        self.assertEqual(self.numbers(), [0])

    def test_each_interval(self) -> None:
        self.start(interval=0.5)
        self.clock.advance(0.49)
        self.assertEqual(self.numbers(), [0])
        self.clock.advance(0.01)
        self.assertEqual(self.numbers(), [0, 1])

    def test_each_interface(self) -> None:
        self.start(interfaces=(ETH0, ETH1))
        self.assertEqual([interface for _, _, interface in self.port.sent], [2, 3])
        self.assertEqual(self.numbers(), [0, 0])

    def test_to_the_group(self) -> None:
        self.start("ff02::123")
        self.assertEqual(self.port.sent[0][1], ("ff02::123", 7645))

    def test_catches_up(self) -> None:
        """A reactor that wakes late sends what was due: the pace is kept."""
        self.start(interval=0.001)
        self.clock.advance(0.0105)
        self.assertEqual(len(self.numbers()), 11)

    def test_no_flood_after_sleep(self) -> None:
        """A host that slept an hour does not send an hour's probes."""
        self.start(interval=0.01)
        self.clock.advance(3600)
        self.assertLessEqual(len(self.numbers()), 1 + 1 + 100)

    def test_size(self) -> None:
        self.start(size=1400)
        self.assertEqual(len(self.port.sent[0][0]), 1400)

    def test_settings_of_the_port(self) -> None:
        """The port is our own, is bound to the source, and has the hop limit that was asked for."""
        self.start(source="192.0.2.1", settings=PortSettings(hop_limit=7))
        self.assertEqual(
            self.opened,
            [
                {
                    "port": 0,
                    "interface": "192.0.2.1",
                    "ipv6": False,
                    "settings": PortSettings(shared=False, hop_limit=7, receive_buffer=RECEIVE_BUFFER),
                }
            ],
        )

    def test_refused(self) -> None:
        """A probe that the system refuses is not sent, and so not lost."""
        self.port.refuse = True
        self.start()
        self.assertEqual((self.client.refused, self.client.session.total_sent), (1, 0))
        self.assertIs(self.client.refusal, SendResult.REFUSED)


class EndTests(ClientTestCase):
    def test_waits_for_the_last_answers(self) -> None:
        done = self.start(count=2, interval=1.0, wait=0.5)
        self.clock.advance(1.0)
        self.clock.advance(0.49)
        self.assertNoResult(done)
        self.clock.advance(0.01)
        self.assertIsNone(self.successResultOf(done))
        self.assertEqual((self.numbers(), self.port.stopped), ([0, 1], True))

    def read_late(self, number: int, seconds: float) -> Deferred[int]:
        """Let answers be read in the turns after the one in which the wait is over, one in each.

        :param seconds: that each of them takes.
        :returns: fires at the end, with how many were read until then.
        """
        done = self.start(count=1, wait=0.5).addCallback(lambda _: len(self.answers))

        def read(left: int) -> None:
            self.asker.datagram_arrived(
                self.port.sent[0][0], ("192.0.2.9", 7000 + left), Arrival(2, "192.0.2.1", 64)
            )
            self.clock.rightNow += seconds
            if left > 1:
                self.clock.callLater(0, read, left - 1)

        self.clock.callLater(0.5, read, number)
        self.clock.advance(0.5)
        return done

    def test_last_look(self) -> None:
        """What has arrived before the end is read before it, however late this process is."""
        self.assertEqual(self.successResultOf(self.read_late(3, 0.0)), 3)

    def test_last_look_is_short(self) -> None:
        """A flood does not put off the end."""
        self.assertLess(self.successResultOf(self.read_late(10, LAST_LOOK)), 10)

    def test_cancelled(self) -> None:
        done = self.start()
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.assertTrue(self.port.stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopped(self) -> None:
        done = self.start()
        self.client.stop()
        self.client.stop()
        self.successResultOf(done)


class AnswerTests(ClientTestCase):
    def test_ipv4(self) -> None:
        self.start()
        self.clock.advance(0.25)
        self.asker.datagram_arrived(self.port.sent[0][0], ("192.0.2.9", 7645), Arrival(2, "192.0.2.1", 64))
        (answer,) = self.answers
        self.assertEqual(
            (answer.responder, answer.interface, answer.time, answer.hops), ("192.0.2.9", 2, 0.25, 64)
        )

    def test_ipv6_with_its_zone(self) -> None:
        self.start("ff02::123")
        self.asker.datagram_arrived(self.port.sent[0][0], ("fe80::9", 7645, 0, 2), Arrival(2, "fe80::1", 64))
        self.assertEqual(self.answers[0].responder, "fe80::9%2")

    def test_stock_port(self) -> None:
        """A stock port tells neither interface nor hop limit."""
        self.start()
        self.asker.datagramReceived(self.port.sent[0][0], ("192.0.2.9", 7645))
        (answer,) = self.answers
        self.assertEqual((answer.interface, answer.hops), (2, None))

    def test_something_else(self) -> None:
        self.start()
        self.client.stop()
        self.asker.datagram_arrived(b"mcp1" + bytes(20), ("192.0.2.9", 7645), Arrival(2, None, None))
        self.assertEqual((self.answers, self.client.session.foreign), ([], 1))


class DroppedTests(ClientTestCase):
    """What cannot be the answer of one host of the link that was asked is counted, and not believed."""

    def dropped(
        self, address: tuple[Any, ...], group: str = "224.0.0.123", **settings: Any
    ) -> dict[Drop, int]:
        self.start(group, settings=PortSettings(**settings))
        self.asker.datagram_arrived(self.port.sent[0][0], address, Arrival(2, "192.0.2.1", 64))
        self.assertEqual(len(self.answers), 0 if self.client.dropped else 1)
        return self.client.dropped

    def test_port_zero(self) -> None:
        self.assertEqual(self.dropped(("192.0.2.9", 0)), {Drop.PORT: 1})

    def test_group(self) -> None:
        self.assertEqual(self.dropped(("224.0.0.9", 7645)), {Drop.SOURCE: 1})

    def test_broadcast(self) -> None:
        self.assertEqual(self.dropped(("192.0.2.255", 7645)), {Drop.SOURCE: 1})

    def test_off_link(self) -> None:
        self.assertEqual(self.dropped(("203.0.113.9", 7645)), {Drop.OFF_LINK: 1})

    def test_off_link_where_one_hop_was_allowed(self) -> None:
        """The question could not leave the link, so nobody beyond it can have heard it."""
        self.assertEqual(self.dropped(("203.0.113.9", 7645), "239.1.2.3", hop_limit=1), {Drop.OFF_LINK: 1})

    def test_off_link_where_more_hops_were_allowed(self) -> None:
        self.assertEqual(self.dropped(("203.0.113.9", 7645), "239.1.2.3", hop_limit=4), {})

    def test_by_another_interface(self) -> None:
        """Answers of this host come by the loopback interface."""
        self.start()
        self.asker.datagram_arrived(self.port.sent[0][0], ("192.0.2.1", 7645), Arrival(1, "192.0.2.1", 64))
        self.assertEqual(len(self.answers), 1)


class BothTests(ClientTestCase):
    """The group is joined, and an answer to it is one only when it came to the group."""

    def hear(self, kind: ProbeKind, destination: str) -> None:
        data = marked(self.port.sent[0][0], kind)
        self.asker.datagram_arrived(data, ("192.0.2.9", 7645), Arrival(2, destination, 1))

    def test_joined(self) -> None:
        self.start(both=True, interfaces=(ETH0, ETH1))
        self.assertEqual(self.port.joined, [("224.0.0.123:7645", 2, None), ("224.0.0.123:7645", 3, None)])

    def test_not_joined(self) -> None:
        self.start()
        self.assertEqual(self.port.joined, [])

    def test_both(self) -> None:
        self.start(both=True)
        self.hear(ProbeKind.PROMISE, "192.0.2.1")
        self.hear(ProbeKind.GROUP, "224.0.0.123")
        self.assertEqual([answer.to_group for answer in self.answers], [False, True])

    def test_the_wrong_way(self) -> None:
        """What says it came to the group, and did not, or the other way round, is not believed."""
        self.start(both=True)
        self.hear(ProbeKind.GROUP, "192.0.2.1")
        self.hear(ProbeKind.PROMISE, "224.0.0.123")
        self.assertEqual((self.answers, self.client.session.foreign), ([], 2))
