"""Subscriptions to records at servers of DNS Push, on a fake clock (RFC 8765)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import ensureDeferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns_client.push import PushTarget
from mcast.dns_client.push_stream import CLOSE_TIMEOUT, MAX_ADDRESSES, PushStream, TLSConnector
from mcast.unicast.push import Topic
from tests.dns_client.push_lab import PushClientTestCase, no_addresses
from tests.unicast.dso_lab import (
    REFUSED,
    SUBSCRIBE,
    UNKNOWN,
    UNSUBSCRIBE,
    dso,
    retry_delay,
    tlv,
    types,
)
from tests.unicast.push_lab import POINTER, SRV, TYPES, WEB, ZONE, added, push, removed

OTHER = Topic(WEB, SRV)


class SubscribeTests(PushClientTestCase):
    def test_told(self) -> None:
        self.subscribe(TYPES)
        server = self.server().accept()
        server.welcome()
        server.send(push(added(POINTER)), push(removed(POINTER)))
        self.assertEqual(self.told, [("", "works"), ("", [POINTER], []), ("", [], [POINTER])])

    def test_nothing_before_the_call_returns(self) -> None:
        """A caller holds what cancels it before it is told anything."""
        self.pushes.subscribe(TARGET_ELSEWHERE, TYPES, lambda *_: None, self.told.append)
        self.assertEqual((self.told, self.connector.attempts), ([], []))

    def test_one_connection_for_all(self) -> None:
        """D-9.3-1, D-9.3-2, H-6.1-8: to one server."""
        self.subscribe(TYPES)
        server = self.server().accept()
        server.welcome()
        self.subscribe(OTHER)
        self.assertEqual(len(self.connector.attempts), 1)
        self.assertEqual([types(each)[0] for each in server.heard()], [SUBSCRIBE])

    def test_servers_are_told_apart_by_name_and_port(self) -> None:
        """D-9.1-1: the case of the name does not matter; whichever address it has."""
        self.subscribe(TYPES)
        self.subscribe(OTHER, PushTarget("PROXY.example.com", 853, ZONE))
        self.subscribe(OTHER, PushTarget("alias.example.com", 853, ZONE))
        self.subscribe(OTHER, PushTarget("proxy.example.com", 8853, ZONE))
        self.assertEqual(
            [(each.host, each.port) for each in self.connector.attempts],
            [("proxy.example.com", 853), ("alias.example.com", 853), ("proxy.example.com", 8853)],
        )

    def test_two_listeners_of_a_topic(self) -> None:
        """H-3-2: share a subscription; the second is told what is known."""
        self.subscribe(TYPES, label="first")
        server = self.server().accept()
        server.welcome()
        server.send(push(added(POINTER)))
        self.told.clear()
        self.subscribe(TYPES, label="second")
        self.assertEqual(self.told, [("second", "works"), ("second", [POINTER], [])])
        self.assertEqual(server.heard(), [])
        server.send(push(removed(POINTER)))
        self.assertEqual(self.told[2:], [("first", [], [POINTER]), ("second", [], [POINTER])])

    def test_second_listener_while_it_fails(self) -> None:
        self.subscribe(TYPES)
        self.server().failed("refused")
        self.subscribe(TYPES, label="second")
        self.assertEqual(self.told, [("", "refused"), ("second", "refused")])

    def test_listener_that_raises(self) -> None:
        """The others are told all the same."""

        def broken(*_: object) -> None:
            raise RuntimeError("broken")

        self.pushes.subscribe(PushTarget("proxy.example.com", 853, ZONE), TYPES, broken, broken)
        self.subscribe(TYPES)
        self.server().accept().welcome()
        self.assertEqual(self.told, [("", "works")])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_statistics(self) -> None:
        self.subscribe(TYPES)
        self.subscribe(OTHER)
        self.server().accept().welcome()
        numbers = self.pushes.statistics()
        self.assertEqual((numbers["servers"], numbers["topics"], numbers["sessions"]), (1, 2, 1))
        self.assertEqual(numbers["connections tried"], 1)

    def test_reconfirm(self) -> None:
        self.assertFalse(self.pushes.reconfirm(TARGET_ELSEWHERE, POINTER))
        self.subscribe(TYPES, TARGET_ELSEWHERE)
        server = self.server().accept()
        server.welcome()
        self.assertTrue(self.pushes.reconfirm(TARGET_ELSEWHERE, POINTER))
        self.assertEqual([types(each)[0] for each in server.heard()], [0x43])


TARGET_ELSEWHERE = PushTarget("elsewhere.example.com", 853, ZONE)


class CancelTests(PushClientTestCase):
    def test_one_of_two(self) -> None:
        """H-3-3: UNSUBSCRIBE."""
        cancel = self.subscribe(TYPES)
        self.subscribe(OTHER)
        server = self.server().accept()
        server.welcome()
        cancel()
        cancel()
        self.assertEqual([types(each)[0] for each in server.heard()], [UNSUBSCRIBE])

    def test_one_of_two_listeners(self) -> None:
        cancel = self.subscribe(TYPES, label="first")
        self.subscribe(TYPES, label="second")
        server = self.server().accept()
        server.welcome()
        self.told.clear()
        cancel()
        server.send(push(added(POINTER)))
        self.assertEqual(self.told, [("second", [POINTER], [])])
        self.assertEqual(server.heard(), [])

    def test_last(self) -> None:
        """D-5.3-1, H-6.7-2: the connection is closed gracefully."""
        cancel = self.subscribe(TYPES)
        server = self.server().accept()
        server.welcome()
        cancel()
        self.assertEqual(server.transport.ending, "closed")
        self.assertEqual(self.pushes.statistics()["servers"], 0)
        self.clock.advance(CLOSE_TIMEOUT)
        self.assertEqual(server.transport.ending, "aborted")
        server.lose()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_from_what_it_is_told(self) -> None:
        cancels: list[Callable[[], None]] = []
        self.pushes.subscribe(
            TARGET_ELSEWHERE, TYPES, lambda *_: None, lambda _: [each() for each in cancels]
        )
        cancels.append(self.subscribe(TYPES, TARGET_ELSEWHERE))
        self.server().accept().welcome()
        self.assertEqual(self.told, [])

    def test_while_connecting(self) -> None:
        cancel = self.subscribe(TYPES)
        cancel()
        closed = self.pushes.close()
        self.assertNoResult(closed)
        server = self.server().accept()
        self.assertEqual(server.transport.ending, "closed")
        server.lose()
        self.successResultOf(closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_close(self) -> None:
        self.subscribe(TYPES)
        self.subscribe(OTHER, TARGET_ELSEWHERE)
        servers = [each.accept() for each in self.connector.attempts]
        closed = self.pushes.close()
        self.assertNoResult(closed)
        for server in servers:
            server.lose()
        self.successResultOf(closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        with self.assertRaises(ValueError):
            self.subscribe(TYPES)

    def test_close_without_anything(self) -> None:
        self.successResultOf(self.pushes.close())


class FailureTests(PushClientTestCase):
    """What does not work is told, so that the caller polls; and tried again (RFC 8765 §6.8)."""

    def test_no_connection(self) -> None:
        """H-6.8-2, D-5.1.1-7: told once, and again when it works."""
        self.subscribe(TYPES)
        self.server().failed("refused")
        self.assertEqual(self.told, [("", "refused")])
        self.clock.advance(1)
        self.assertEqual(len(self.connector.attempts), 2)
        self.server().accept().welcome()
        self.assertEqual(self.told[1:], [("", "works")])

    def test_short_outage(self) -> None:
        """D-6.6.3-1: nobody is told."""
        self.subscribe(TYPES)
        server = self.server().accept()
        server.welcome()
        server.send(push(added(POINTER)))
        self.clock.advance(60)
        server.lose()
        self.server().accept().welcome()
        self.server().send(push(added(POINTER)))
        self.clock.advance(60)
        self.assertEqual(self.told, [("", "works"), ("", [POINTER], [])])

    def test_retry_delay(self) -> None:
        """D-6.6.1-4, D-6.6.3-2, D-7.2-1: closed gracefully at once; the next comes after it."""
        self.subscribe(TYPES)
        server = self.server().accept()
        server.welcome()
        server.send(retry_delay(3))
        self.assertEqual(server.transport.ending, "closed")
        server.lose()
        self.clock.advance(2.9)
        self.assertEqual(len(self.connector.attempts), 1)
        self.clock.advance(0.1)
        self.assertEqual(len(self.connector.attempts), 2)

    def test_one_connection_at_a_time(self) -> None:
        """D-9.3-1: the last one is closed before the next is opened."""
        self.subscribe(TYPES)
        server = self.server().accept()
        server.welcome()
        server.send(retry_delay(0))
        self.clock.advance(3)
        self.assertEqual(len(self.connector.attempts), 1)
        server.lose()
        self.assertEqual(len(self.connector.attempts), 2)

    def test_server_that_breaks_the_rules(self) -> None:
        """D-5.3-2, D-6.6.3.1-1: the connection is reset, and the server left alone for an hour."""
        self.subscribe(TYPES)
        server = self.server().accept()
        server.welcome()
        server.send(dso(0, tlv(UNKNOWN)))
        self.assertEqual(server.transport.ending, "aborted")
        server.lose()
        self.clock.advance(3599)
        self.assertEqual(len(self.connector.attempts), 1)
        self.clock.advance(1)
        self.assertEqual(len(self.connector.attempts), 2)

    def test_refused(self) -> None:
        """H-6.2.2-8: told at once."""
        self.subscribe(TYPES)
        server = self.server().accept()
        server.heard()
        server.send(
            dso(1, tlv(1, b"\0\0\x3a\x98\0\0\x3a\x98"), response=True),
            dso(2, response=True, rcode=REFUSED),
        )
        self.assertEqual(len(self.told), 1)

    def test_octets_in_pieces(self) -> None:
        self.subscribe(TYPES)
        server = self.server().accept()
        server.welcome()
        assert server.stream is not None
        octets = push(added(POINTER))
        for octet in len(octets).to_bytes(2, "big") + octets:
            server.stream.dataReceived(bytes((octet,)))
        self.assertEqual(self.told[1:], [("", [POINTER], [])])


class AddressesTests(SynchronousTestCase):
    """The addresses of a server."""

    def test_few_are_tried(self) -> None:
        """However many a name has."""
        reactor = MemoryReactorClock()

        async def many(host: str) -> Sequence[str]:
            return [f"192.0.2.{number}" for number in range(3 * MAX_ADDRESSES)]

        told: list[str] = []
        ensureDeferred(TLSConnector(reactor, many).connect("proxy.example.com", 853, fail, told.append))
        for number in range(3 * MAX_ADDRESSES):
            if number < len(reactor.tcpClients):
                factory = reactor.tcpClients[number][2]
                factory.clientConnectionFailed(reactor.connectors[number], Failure(ConnectionRefusedError()))
        self.assertEqual(len(reactor.tcpClients), MAX_ADDRESSES)
        self.assertEqual(len(told), 1)


def fail(stream: PushStream) -> None:
    """No connection is made."""
    raise AssertionError(stream)


class AuthoritiesTests(SynchronousTestCase):
    """A file of those who may vouch for a server."""

    def test_no_file(self) -> None:
        error = self.assertRaises(ValueError, TLSConnector, None, no_addresses, "/nowhere/ca.pem")
        self.assertIn("/nowhere/ca.pem: No such file", str(error))

    def test_no_certificate(self) -> None:
        path = self.mktemp()
        with open(path, "w", encoding="ascii") as stream:
            stream.write("no certificate")
        self.assertRaises(ValueError, TLSConnector, None, no_addresses, path)

    def test_broken_certificate(self) -> None:
        path = self.mktemp()
        with open(path, "w", encoding="ascii") as stream:
            stream.write("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")
        error = self.assertRaises(ValueError, TLSConnector, None, no_addresses, path)
        self.assertIn("cannot be read", str(error))
