"""Endpoints that connect to a service, wherever it is."""

from __future__ import annotations

from ipaddress import ip_address
from random import Random
from typing import Any

from twisted.application.internet import ClientService
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.interfaces import IProtocol
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RecordType
from mcast.dnssd.service import Service
from mcast.endpoints.addresses import in_turn
from mcast.endpoints.client import (
    GATHER_DELAY,
    ConnectOptions,
    Pick,
    ServiceClientEndpoint,
    ServiceUnreachable,
)
from mcast.endpoints.watching import ABORT_DELAY
from mcast.errors import InvalidService
from mcast.node.registrations import ServiceRegistration
from mcast.node.shared import provide_node
from tests.endpoints.endpoint_lab import FACTORY, Connector, LanReactor
from tests.node.node_lab import NodeTestCase

THERE = "10.0.1.2"
"""The address of the second host."""

LINK_LOCAL = "fe80::1:2%eth0"


class ClientTestCase(NodeTestCase):
    """A host that connects, the first one, and one with services."""

    def setUp(self) -> None:
        super().setUp()
        self.reactor = LanReactor(self.lan)
        self.here = self.node("here", None)
        self.there = self.node("there")
        self.addCleanup(provide_node(self.reactor, self.here))

    def serve(self, name: str = "Docs", port: int = 80, **details: Any) -> ServiceRegistration:
        """Publish a service, at a port that takes connections."""
        self.reactor.serving.add((THERE, port))
        return self.register(self.there, name, port, **details)

    def connecting(self, text: str = "mdns:_http._tcp") -> Deferred[IProtocol]:
        made: Deferred[IProtocol] = clientFromString(self.reactor, text).connect(FACTORY)
        return made

    def connect(self, text: str = "mdns:_http._tcp") -> Connector:
        """Return the attempt that was successful."""
        self.lan.result(self.connecting(text))
        return self.reactor.connectors[-1]

    def refusal(self, text: str = "mdns:_http._tcp") -> str:
        """Return the error."""
        return str(self.assertRaises(ServiceUnreachable, self.lan.result, self.connecting(text)))

    def queries_of_an_hour(self) -> int:
        """Return how many queries this host sends in an hour from now."""
        self.lan.packets.clear()
        self.lan.advance(3600)
        return len(self.lan.packets.sent_by("here").queries)


class FindingTests(ClientTestCase):
    def test_any(self) -> None:
        self.serve()
        connector = self.connect()
        self.assertEqual((connector.host, connector.port), (THERE, 80))

    def test_protocol_has_the_transport(self) -> None:
        self.serve()
        protocol = self.lan.result(self.connecting())
        self.assertIs(protocol.transport, self.reactor.connectors[-1].transport)  # type: ignore[attr-defined]

    def test_name(self) -> None:
        self.serve("Docs", 80)
        self.serve("Wiki", 81)
        self.assertEqual(self.connect("mdns:_http._tcp:name=Wiki").port, 81)

    def test_spellings(self) -> None:
        """As other tools write a type, a final dot and the domain included."""
        self.serve("Docs", 80)
        self.serve("Printer", 81, subtypes=["_printer"])
        self.assertEqual(self.connect("mdns:_printer._sub._http._tcp.local.").port, 81)
        self.assertEqual(self.connect("mdns:_http._tcp.local:name=Docs").port, 80)

    def test_subtype(self) -> None:
        self.serve("Docs", 80)
        self.serve("Printer", 81, subtypes=["_printer"])
        self.assertEqual(self.connect("mdns:_http._tcp:subtype=_printer").port, 81)

    def test_one_that_comes_later(self) -> None:
        connecting = self.connecting()
        self.lan.advance(4)
        self.reactor.serving.add((THERE, 80))
        self.there.publish(Service("Docs", "_http._tcp", 80))
        self.lan.result(connecting)
        self.assertEqual(self.reactor.connectors[-1].port, 80)

    def test_priority(self) -> None:
        """RFC 2782: "a client MUST attempt to contact the target host with the lowest-numbered priority"."""
        self.serve("Spare", 80, priority=10)
        self.serve("Main", 81, priority=1)
        self.serve("Old", 82, priority=20)
        self.connect()
        self.assertEqual({port for _, port in self.reactor.tried}, {81})

    def test_weight(self) -> None:
        self.serve("Small", 80, weight=0)
        self.serve("Large", 81, weight=65535)
        endpoint = ServiceClientEndpoint(self.reactor, "_http._tcp", options=ConnectOptions(rng=Random(1)))
        self.lan.result(endpoint.connect(FACTORY))
        self.assertEqual(self.reactor.connectors[-1].port, 81)

    def test_waits_for_all_to_answer(self) -> None:
        self.serve()
        began = self.lan.now
        self.connect()
        self.assertGreaterEqual(self.lan.now - began, GATHER_DELAY)

    def test_first(self) -> None:
        self.serve()
        began = self.lan.now
        self.connect("mdns:_http._tcp:pick=first")
        self.assertLess(self.lan.now - began, GATHER_DELAY)

    def test_link_local_with_zone(self) -> None:
        self.serve()
        self.reactor.serving = {(LINK_LOCAL, 80)}
        self.assertEqual(self.connect().host, LINK_LOCAL)

    def test_addresses_in_turn(self) -> None:
        """RFC 8305 §4: the families take turns; link-local addresses come after the others."""
        texts = ["10.0.0.1", "10.0.0.2", "fe80::1%eth0", "2001:db8::1", "169.254.1.1"]
        self.assertEqual(
            [str(one) for one in in_turn(map(ip_address, texts))],
            ["2001:db8::1", "10.0.0.1", "10.0.0.2", "fe80::1%eth0", "169.254.1.1"],
        )


class RefusedTests(ClientTestCase):
    def test_next_one(self) -> None:
        self.serve("Main", 80, priority=1)
        self.serve("Spare", 81, priority=2)
        self.reactor.serving.remove((THERE, 80))
        self.assertEqual(self.connect().port, 81)
        self.assertIn((THERE, 80), self.reactor.tried)

    def test_reconfirmed(self) -> None:
        """M-10.4-1: a connection that fails is a hint that the records are out of date."""
        self.serve()
        self.reactor.serving.clear()
        self.lan.result(self.here.resolve("Docs", "_http._tcp"))
        self.lan.advance(5)
        self.lan.packets.clear()
        self.refusal("mdns:_http._tcp:name=Docs")
        asked = [
            question.type
            for packet in self.lan.packets.sent_by("here").queries
            for question in packet.message.questions
            if str(question.name) == "Docs._http._tcp.local."
        ]
        self.assertIn(RecordType.SRV, asked)

    def test_error_tells_what_was_seen(self) -> None:
        self.serve()
        self.reactor.serving.clear()
        said = self.refusal()
        self.assertIn("_http._tcp: 'Docs' at there.local. port 80: Connection was refused", said)

    def test_fails_before_the_time_is_up(self) -> None:
        self.serve()
        self.reactor.serving.clear()
        began = self.lan.now
        self.refusal("mdns:_http._tcp:timeout=30")
        self.assertLess(self.lan.now - began, 5)

    def test_one_that_moves_meanwhile(self) -> None:
        registration = self.serve()
        self.reactor.serving = {(THERE, 81)}
        connecting = self.connecting()
        self.lan.advance(1)
        self.assertIn((THERE, 80), self.reactor.tried)
        registration.update(port=81)
        self.lan.result(connecting)
        self.assertEqual(self.reactor.connectors[-1].port, 81)


class FailingTests(ClientTestCase):
    def test_none(self) -> None:
        began = self.lan.now
        self.assertEqual(self.refusal("mdns:_http._tcp:timeout=4"), "_http._tcp: none was found within 4 s")
        self.assertAlmostEqual(self.lan.now - began, 4)

    def test_is_a_connection_error(self) -> None:
        """For those who know Twisted alone."""
        self.assertRaises(ConnectError, self.lan.result, self.connecting())

    def test_without_addresses(self) -> None:
        self.register(self.there, "Docs", 80, host="gone.local")
        said = self.refusal("mdns:_http._tcp:name=Docs:timeout=2")
        self.assertIn("'Docs' _http._tcp: is on gone.local., of which no address", said)

    def test_without_port(self) -> None:
        """RFC 6763 §8: port 0 is for information only."""
        self.register(self.there, "Info", 0)
        self.assertIn("'Info' at there.local. port 0: cannot be connected to", self.refusal())

    def test_no_answer(self) -> None:
        """The whole time is that of finding and connecting together."""
        self.serve()
        self.reactor.silent = {(THERE, 80), (LINK_LOCAL, 80)}
        began = self.lan.now
        self.assertIn("no answer in time", self.refusal("mdns:_http._tcp:timeout=5"))
        self.assertAlmostEqual(self.lan.now - began, 5)
        self.assertTrue(all(one.is_over for one in self.reactor.connectors))

    def test_nothing_goes_on(self) -> None:
        self.refusal()
        self.assertEqual(self.queries_of_an_hour(), 0)


class CancelTests(ClientTestCase):
    def test_search(self) -> None:
        connecting = self.connecting()
        self.lan.advance(0.5)
        connecting.cancel()
        self.failureResultOf(connecting, CancelledError)
        self.assertEqual(self.queries_of_an_hour(), 0)

    def test_attempts(self) -> None:
        self.serve()
        self.reactor.silent = {(THERE, 80), (LINK_LOCAL, 80)}
        connecting = self.connecting()
        self.lan.advance(2)
        self.assertEqual([one.is_over for one in self.reactor.connectors], [False, False])
        connecting.cancel()
        self.failureResultOf(connecting, ConnectingCancelledError)
        self.assertEqual([one.is_over for one in self.reactor.connectors], [True, True])
        self.assertEqual(self.queries_of_an_hour(), 0)


class FollowingTests(ClientTestCase):
    """A connection is closed when the service is elsewhere."""

    def setUp(self) -> None:
        super().setUp()
        self.registration = self.serve()
        self.connector = self.connect("mdns:_http._tcp:name=Docs")
        transport = self.connector.transport
        assert transport is not None
        self.transport = transport

    def test_other_port(self) -> None:
        self.registration.update(port=81)
        self.lan.advance(3)
        self.assertTrue(self.transport.disconnecting)

    def test_other_address(self) -> None:
        self.lan.host("there").interface().set_addresses("10.0.1.77/24")
        self.lan.advance(5)
        self.assertTrue(self.transport.disconnecting)

    def test_further_address(self) -> None:
        self.lan.host("there").interface().set_addresses(f"{THERE}/24", "10.0.1.77/24")
        self.lan.advance(5)
        self.assertFalse(self.transport.disconnecting)

    def test_other_text(self) -> None:
        self.registration.update(txt={"a": "b"})
        self.lan.advance(5)
        self.assertFalse(self.transport.disconnecting)

    def test_goodbye(self) -> None:
        """To be no longer announced is no reason to be left."""
        self.lan.result(self.registration.withdraw())
        self.lan.advance(30)
        self.assertFalse(self.transport.disconnecting)

    def test_back_at_another_port(self) -> None:
        self.lan.result(self.registration.withdraw())
        self.lan.advance(30)
        self.serve("Docs", 81)
        self.lan.advance(5)
        self.assertTrue(self.transport.disconnecting)

    def test_closed_at_last(self) -> None:
        """What cannot be written any more does not keep it open."""
        self.transport.is_slow = True
        self.registration.update(port=81)
        self.lan.advance(3)
        self.assertFalse(self.transport.disconnected)
        self.lan.advance(ABORT_DELAY)
        self.assertTrue(self.transport.disconnected)

    def test_lost_connection_ends_it(self) -> None:
        self.transport.lose()
        self.assertEqual(self.queries_of_an_hour(), 0)

    def test_goes_on_while_it_lasts(self) -> None:
        self.assertGreater(self.queries_of_an_hour(), 0)


class NotFollowingTests(ClientTestCase):
    def test_stays(self) -> None:
        registration = self.serve()
        endpoint = ServiceClientEndpoint(
            self.reactor, "_http._tcp", "Docs", options=ConnectOptions(follow=False)
        )
        self.lan.result(endpoint.connect(FACTORY))
        transport = self.reactor.connectors[-1].transport
        assert transport is not None
        registration.update(port=81)
        self.lan.advance(5)
        self.assertFalse(transport.disconnecting)
        self.assertEqual(self.queries_of_an_hour(), 0)


class ClientServiceTests(ClientTestCase):
    """Twisted's service that reconnects, with our endpoint."""

    def setUp(self) -> None:
        super().setUp()
        self.registration = self.serve()
        endpoint = clientFromString(self.reactor, "mdns:_http._tcp:name=Docs")
        self.service = ClientService(endpoint, FACTORY, clock=self.reactor)
        self.service.startService()
        self.lan.result(self.service.whenConnected())

    def test_moves_with_the_service(self) -> None:
        self.reactor.serving.add((THERE, 81))
        self.registration.update(port=81)
        self.lan.advance(10)
        transport = self.reactor.connectors[-1].transport
        assert transport is not None
        self.assertEqual((self.reactor.connectors[-1].port, transport.disconnecting), (81, False))

    def test_stop(self) -> None:
        self.lan.result(self.service.stopService())
        self.assertEqual(self.queries_of_an_hour(), 0)


class StringTests(SynchronousTestCase):
    """What is wrong with a string is told in one line."""

    def assert_refused(self, text: str, part: str) -> None:
        error = self.assertRaises(ValueError, clientFromString, None, text)
        self.assertIn(part, str(error))
        self.assertNotIn("\n", str(error))

    def test_no_type(self) -> None:
        self.assert_refused("mdns:name=Docs", "type")

    def test_bad_type(self) -> None:
        self.assert_refused("mdns:http", "'http'")

    def test_key_twice(self) -> None:
        self.assert_refused("mdns:_http._tcp:name=a:name=b", "name=… is there twice")

    def test_unknown_key(self) -> None:
        self.assert_refused("mdns:_http._tcp:endpoint=x", "endpoint")

    def test_name_too_long(self) -> None:
        self.assert_refused(f"mdns:_http._tcp:name={'x' * 64}", "name")

    def test_subtype_too_long(self) -> None:
        self.assert_refused(f"mdns:_http._tcp:subtype={'x' * 64}", "subtype")

    def test_subtype_and_name(self) -> None:
        self.assert_refused("mdns:_http._tcp:subtype=_x:name=Docs", "subtype")

    def test_bad_timeout(self) -> None:
        self.assert_refused("mdns:_http._tcp:timeout=soon", "soon")

    def test_no_time(self) -> None:
        self.assert_refused("mdns:_http._tcp:timeout=0", "timeout=0")

    def test_endless(self) -> None:
        self.assert_refused("mdns:_http._tcp:timeout=inf", "timeout=inf")

    def test_bad_pick(self) -> None:
        self.assert_refused("mdns:_http._tcp:pick=all", "best or first")

    def test_pick_values(self) -> None:
        self.assertEqual([pick.value for pick in Pick], ["best", "first"])


class MisuseTests(SynchronousTestCase):
    """A mistake of the caller is told by the constructor."""

    def test_type(self) -> None:
        with self.assertRaisesRegex(InvalidService, "'http'"):
            ServiceClientEndpoint(None, "http")

    def test_subtype(self) -> None:
        with self.assertRaisesRegex(InvalidService, "subtype ''"):
            ServiceClientEndpoint(None, "_http._tcp,")

    def test_subtype_and_name(self) -> None:
        with self.assertRaisesRegex(ValueError, "_http._tcp,_x.*'Docs'"):
            ServiceClientEndpoint(None, "_http._tcp,_x", "Docs")

    def test_timeout(self) -> None:
        with self.assertRaisesRegex(ValueError, "timeout -1"):
            ConnectOptions(timeout=-1)

    def test_unknown_option(self) -> None:
        with self.assertRaisesRegex(TypeError, "colour"):
            ServiceClientEndpoint(None, "_http._tcp", colour="red")  # type: ignore[call-arg]  # on purpose
