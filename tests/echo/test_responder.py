"""Tests for the echo responder as a protocol."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mcast.echo.counters import Drop
from mcast.echo.probe import Probe, ProbeKind
from mcast.echo.responder import GROUP_MAX_RATE, EchoResponder, EchoRules
from mcast.sockets.arrival import UNKNOWN_ARRIVAL, Arrival
from mcast.sockets.group import Group
from tests.echo.fakes import ETH0, ETH1, FakeTransport

LINK_LOCAL, WIDER = "224.0.0.123", "239.1.2.3"
NEIGHBOUR = ("192.0.2.9", 40000)
STRANGER = ("203.0.113.9", 40000)


class ResponderTestCase(SynchronousTestCase):
    def make(self, **rules: Any) -> EchoResponder:
        groups = [Group.parse(LINK_LOCAL, 7645), Group.parse(WIDER, 7645), Group.parse("ff02::123", 7645)]
        self.transport = FakeTransport()
        responder = EchoResponder(
            groups, EchoRules(**rules), enumerate_interfaces=lambda: (ETH0, ETH1), use_netlink=False
        )
        responder.makeConnection(self.transport)  # type: ignore[arg-type]
        self.addCleanup(responder.doStop)
        return responder

    def ask(
        self,
        responder: EchoResponder,
        address: tuple[Any, ...] = NEIGHBOUR,
        destination: str | None = LINK_LOCAL,
        data: bytes = b"hello",
        interface: int = ETH0.index,
    ) -> list[tuple[bytes, tuple[Any, ...], int]]:
        """Return what is sent on a datagram."""
        self.transport.sent.clear()
        responder.datagram_arrived(data, address, Arrival(interface, destination, 1))
        return list(self.transport.sent)

    def assert_dropped(self, responder: EchoResponder, cause: Drop, *arguments: Any) -> None:
        self.assertEqual(self.ask(responder, *arguments), [])
        counters = responder.echo_counters
        self.assertEqual((counters.received, counters.answered, counters.dropped[cause]), (1, 0, 1))


class AnswerTests(ResponderTestCase):
    def test_payload_to_the_sender_by_the_same_interface(self) -> None:
        self.assertEqual(self.ask(self.make()), [(b"hello", NEIGHBOUR, ETH0.index)])

    def test_empty(self) -> None:
        self.assertEqual(self.ask(self.make(), data=b""), [(b"", NEIGHBOUR, ETH0.index)])

    def test_fixed_reply(self) -> None:
        self.assertEqual(self.ask(self.make(reply=b"here"))[0][0], b"here")

    def test_empty_fixed_reply(self) -> None:
        self.assertEqual(self.ask(self.make(reply=b""))[0][0], b"")

    def test_ipv6_neighbour(self) -> None:
        """A link-local sender is answered as the system gave it, with its scope."""
        address = ("fe80::9", 40000, 0, ETH0.index)
        self.assertEqual(self.ask(self.make(), address, "ff02::123"), [(b"hello", address, ETH0.index)])

    def test_counted(self) -> None:
        responder = self.make()
        self.ask(responder)
        self.assertEqual(str(responder.echo_counters), "received 1, answered 1, dropped 0")


class GroupAnswerTests(ResponderTestCase):
    """A marked probe is answered to the group as well, where that is asked for; see `EchoRules`."""

    probe = Probe(1, 2, 3, ProbeKind.BOTH).encode(56)

    def test_answered_both_ways(self) -> None:
        """To the group by the port of the client, where no responder hears it."""
        unicast = Probe(1, 2, 3, ProbeKind.PROMISE).encode(56)
        group = Probe(1, 2, 3, ProbeKind.GROUP).encode(16)
        self.assertEqual(
            self.ask(self.make(answer_group=True), data=self.probe),
            [(group, (LINK_LOCAL, NEIGHBOUR[1]), ETH0.index), (unicast, NEIGHBOUR, ETH0.index)],
        )

    def test_only_where_asked_for(self) -> None:
        self.assertEqual(self.ask(self.make(), data=self.probe), [(self.probe, NEIGHBOUR, ETH0.index)])

    def test_plain_probe(self) -> None:
        plain = Probe(1, 2, 3).encode(56)
        self.assertEqual(self.ask(self.make(answer_group=True), data=plain), [(plain, NEIGHBOUR, ETH0.index)])

    def test_never_to_a_port_where_somebody_answers(self) -> None:
        """Neither to the port of a group, whose responders would answer it, nor to that of a service."""
        for port in (7645, 7):
            sent = self.ask(self.make(answer_group=True), ("192.0.2.9", port), LINK_LOCAL, self.probe)
            self.assertEqual([data for data, _, _ in sent], [self.probe])

    def test_limited(self) -> None:
        responder = self.make(answer_group=True)
        sent = [len(self.ask(responder, data=self.probe)) for _ in range(GROUP_MAX_RATE + 2)]
        self.assertEqual(sent, [2] * GROUP_MAX_RATE + [1, 1])
        self.assertEqual(
            str(responder.echo_counters), "received 22, answered 22, to the group 20 (limited 2), dropped 0"
        )

    def test_limited_over_all_sources(self) -> None:
        responder = self.make(answer_group=True)
        for last in range(GROUP_MAX_RATE):
            self.ask(responder, (f"192.0.2.{last + 10}", 40000), data=self.probe)
        self.assertEqual(len(self.ask(responder, data=self.probe)), 1)


class RefusalTests(ResponderTestCase):
    """What would make a weapon or a loop is counted and not answered."""

    def test_port_zero(self) -> None:
        self.assert_dropped(self.make(), Drop.PORT, ("192.0.2.9", 0))

    def test_multicast_source(self) -> None:
        self.assert_dropped(self.make(), Drop.SOURCE, ("224.0.0.9", 40000), WIDER)

    def test_broadcast_source(self) -> None:
        self.assert_dropped(self.make(), Drop.SOURCE, ("192.0.2.255", 40000))

    def test_broadcast_of_another_interface(self) -> None:
        """192.0.2.255 is a broadcast address on eth0 only."""
        self.assertEqual(len(self.ask(self.make(), ("192.0.2.255", 40000), WIDER, b"x", ETH1.index)), 1)

    def test_off_link(self) -> None:
        self.assert_dropped(self.make(), Drop.OFF_LINK, STRANGER)

    def test_neighbour_of_another_link(self) -> None:
        self.assert_dropped(self.make(), Drop.OFF_LINK, NEIGHBOUR, LINK_LOCAL, b"x", ETH1.index)

    def test_off_link_to_a_wider_group(self) -> None:
        self.assertEqual(len(self.ask(self.make(), STRANGER, WIDER)), 1)

    def test_sent_to_this_host(self) -> None:
        """An answer of another responder comes by unicast."""
        self.assert_dropped(self.make(), Drop.UNICAST, ("192.0.2.9", 7645), "192.0.2.1")

    def test_own_host(self) -> None:
        self.assert_dropped(self.make(answer_own=False), Drop.OWN_HOST, ("192.0.2.1", 40000))

    def test_own_host_is_answered_by_default(self) -> None:
        self.assertEqual(len(self.ask(self.make(), ("192.0.2.1", 40000))), 1)

    def test_rate(self) -> None:
        responder = self.make(max_rate=2)
        self.assertEqual([len(self.ask(responder)) for _ in range(4)], [1, 1, 0, 0])
        self.assertEqual(responder.echo_counters.dropped[Drop.RATE], 2)
        self.transport.reactor.advance(1.0)
        self.assertEqual(len(self.ask(responder)), 1)

    def test_rate_over_all_groups(self) -> None:
        """A source has one allowance, not one for each group."""
        responder = self.make(max_rate=1)
        self.ask(responder)
        self.assertEqual(self.ask(responder, destination=WIDER), [])

    def test_refused_by_the_system(self) -> None:
        responder = self.make()
        self.transport.refuse = True
        self.assert_dropped(responder, Drop.SEND)


class UnknownDestinationTests(ResponderTestCase):
    """On a stock port nothing tells whether a datagram came to the group or to us alone."""

    def setUp(self) -> None:
        self.responder = self.make()

    def heard(self, address: tuple[Any, ...]) -> int:
        self.transport.sent.clear()
        self.responder.datagram_arrived(b"hello", address, UNKNOWN_ARRIVAL)
        return len(self.transport.sent)

    def test_client(self) -> None:
        self.assertEqual(self.heard(NEIGHBOUR), 1)

    def test_answer_of_another_responder(self) -> None:
        """Responders answer from the group's port: two of them must not go on for ever."""
        self.assertEqual(self.heard(("192.0.2.9", 7645)), 0)

    def test_service_that_answers_anything(self) -> None:
        self.assertEqual(self.heard(("192.0.2.9", 7)), 0)
        self.assertEqual(self.responder.echo_counters.dropped[Drop.PORT], 1)

    def test_off_link(self) -> None:
        """One of the groups is link-local, so it is taken for that one."""
        self.assertEqual(self.heard(STRANGER), 0)

    def test_neighbour_on_any_interface(self) -> None:
        self.assertEqual(self.heard(("198.51.100.9", 40000)), 1)


class MembershipTests(ResponderTestCase):
    def test_joined_where_there_is_an_address(self) -> None:
        """eth1 has no IPv6 address."""
        self.make()
        self.assertEqual(
            sorted(self.transport.joined, key=str),
            [
                ("224.0.0.123:7645", 2, None),
                ("224.0.0.123:7645", 3, None),
                ("239.1.2.3:7645", 2, None),
                ("239.1.2.3:7645", 3, None),
                ("[ff02::123]:7645", 2, None),
            ],
        )
