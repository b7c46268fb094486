"""Endpoints that announce what they listen on."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.endpoints import TCP4ServerEndpoint, serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IListeningPort,
    IStreamServerEndpoint,
    IStreamServerEndpointStringParser,
)
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from mcast.dns.codes import RecordType
from mcast.dnssd.found import FoundService
from mcast.dnssd.service import Service
from mcast.endpoints.server import AnnouncedPort, ServiceServerEndpoint
from mcast.node.shared import NodeLease, provide_node
from tests.endpoints.endpoint_lab import FACTORY, LanReactor, MemoryTCPPort
from tests.node.node_lab import (
    NodeTestCase,
)

DOCS = "Docs._http._tcp.local."


class ServerTestCase(NodeTestCase):
    """A host that serves by endpoints, and one that looks for what it serves."""

    def setUp(self) -> None:
        super().setUp()
        self.reactor = LanReactor(self.lan)
        self.here = self.node("here", None)
        self.addCleanup(provide_node(self.reactor, self.here))

    def listen(self, text: str) -> AnnouncedPort:
        port = self.lan.result(serverFromString(self.reactor, text).listen(FACTORY))
        assert isinstance(port, AnnouncedPort)
        return port

    def found(self, instance: str = "Docs") -> FoundService:
        there = self.node("there", None)
        self.addCleanup(lambda: self.lan.result(there.stopService()))
        return self.lan.result(there.resolve(instance, "_http._tcp"))


class AnnouncingTests(ServerTestCase):
    def test_port(self) -> None:
        port = self.listen(r"mdns:_http._tcp:name=Docs:endpoint=tcp\:8080")
        self.lan.advance(3)
        self.assertEqual((self.found().port, list(self.reactor.ports)), (8080, [8080]))
        self.assertTrue(verifyObject(IListeningPort, port))

    def test_port_that_it_really_got(self) -> None:
        port = self.listen(r"mdns:_http._tcp:name=Docs:endpoint=tcp\:0")
        self.lan.advance(3)
        host = port.getHost()
        self.assertEqual(self.found().port, host.port)  # type: ignore[attr-defined]  # it is an IPv4Address
        self.assertNotEqual(self.found().port, 0)

    def test_everything_in_the_string(self) -> None:
        self.listen(
            r"mdns:_http._tcp:name=Docs\: all:txt=path=/,tags=a\\,b,secure:subtype=_printer,_x"
            r":endpoint=tcp\:8080"
        )
        self.lan.advance(3)
        found = self.found("Docs: all")
        self.assertEqual(list(found.txt.items()), [("path", b"/"), ("tags", b"a,b"), ("secure", None)])
        names = self.lan.packets.owners(RecordType.PTR)
        self.assertLessEqual(
            {"_printer._sub._http._tcp.local.", "_x._sub._http._tcp.local."},
            names,
        )

    def test_named_after_the_host(self) -> None:
        """RFC 6763 Appendix D: a name is there by default."""
        self.here = self.node("other", "kitchen")
        self.addCleanup(provide_node(self.reactor, self.here))
        port = self.listen(r"mdns:_http._tcp:endpoint=tcp\:8080")
        assert port.registration is not None
        self.assertEqual(port.registration.name, "kitchen")

    def test_serves_before_the_name_is_claimed(self) -> None:
        listening = serverFromString(self.reactor, r"mdns:_http._tcp:name=Docs:endpoint=tcp\:80").listen(
            FACTORY
        )
        port = self.successResultOf(listening)
        assert isinstance(port, AnnouncedPort)
        assert port.registration is not None
        self.assertFalse(port.registration.is_claimed)

    def test_tells_its_registration(self) -> None:
        port = self.listen(r"mdns:_http._tcp:name=Docs:endpoint=tcp\:8080")
        self.lan.advance(3)
        assert port.registration is not None
        self.assertTrue(port.registration.is_claimed)

    def test_conflict(self) -> None:
        """It takes another name and keeps serving."""
        there = self.settled("there", None)
        self.register(there, "Docs")
        port = self.listen(r"mdns:_http._tcp:name=Docs:endpoint=tcp\:8080")
        self.lan.advance(5)
        assert port.registration is not None
        self.assertEqual((port.registration.name, self.found("Docs (2)").port), ("Docs (2)", 8080))
        self.assertIn(8080, self.reactor.ports)

    def test_port_that_cannot_listen_announces_nothing(self) -> None:
        self.reactor.listenTCP(8080, FACTORY)
        listening = serverFromString(self.reactor, r"mdns:_http._tcp:name=Docs:endpoint=tcp\:8080").listen(
            FACTORY
        )
        self.failureResultOf(listening, CannotListenError)
        self.lan.advance(5)
        self.assertEqual(self.lan.packets, [])

    def test_port_without_number(self) -> None:
        inner = Inner(lambda: succeed(UnixPort(closed)))
        closed: list[bool] = []
        endpoint = ServiceServerEndpoint(self.reactor, inner, Service("Docs", "_http._tcp", 0))
        failure = self.failureResultOf(endpoint.listen(FACTORY), ValueError)
        self.assertIn("no port number", str(failure.value))
        self.assertEqual(closed, [True])

    def test_unknown_interface(self) -> None:
        """The error names it, and nothing listens."""
        text = r"mdns:_http._tcp:name=Docs:interface=nosuch:endpoint=tcp\:8080"
        listening = serverFromString(self.reactor, text).listen(FACTORY)
        self.assertIn("nosuch", str(self.failureResultOf(listening, ValueError).value))
        self.assertEqual(self.reactor.ports, {})

    def test_without_multicast_dns(self) -> None:
        """A node that cannot start is logged; who knows the address is served."""

        def lease() -> Any:
            raise OSError("port 5353 is taken")

        inner = MemoryTCPPort(self.reactor, 8080, FACTORY)
        port = AnnouncedPort(self.reactor, inner, Service("Docs", "_http._tcp", 0), lease)
        inner.startListening()
        port.announce()
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)
        self.assertIsNone(port.registration)
        self.lan.result(port.stopListening())
        self.assertEqual(self.reactor.ports, {})

    def test_cancelled(self) -> None:
        cancelled: list[bool] = []
        inner = Inner(lambda: Deferred(lambda _: cancelled.append(True)))
        listening = ServiceServerEndpoint(self.reactor, inner, Service("Docs", "_http._tcp", 0)).listen(
            FACTORY
        )
        listening.cancel()
        self.failureResultOf(listening, CancelledError)
        self.assertEqual(cancelled, [True])

    def test_own_node(self) -> None:
        other = self.node("other", None)
        inner = TCP4ServerEndpoint(self.reactor, 8080)
        endpoint = ServiceServerEndpoint(self.reactor, inner, Service("Docs", "_http._tcp", 0), node=other)
        self.lan.result(endpoint.listen(FACTORY))
        self.assertEqual(other.registrations[-1].name, "Docs")

    def test_own_node_on_one_of_its_interfaces(self) -> None:
        host = self.lan.host("two", "lan", "second")
        other = self.node(host)
        inner = TCP4ServerEndpoint(self.reactor, 8080)
        endpoint = ServiceServerEndpoint(
            self.reactor, inner, Service("Docs", "_http._tcp", 0), node=other, interfaces=("eth1",)
        )
        port: Any = self.lan.result(endpoint.listen(FACTORY))
        self.lan.result(port.registration.when_claimed())
        self.assertEqual(port.registration.interfaces, ("eth1",))

    def test_own_node_has_its_own_host_name(self) -> None:
        inner = TCP4ServerEndpoint(self.reactor, 0)
        with self.assertRaisesRegex(ValueError, "hostname"):
            ServiceServerEndpoint(
                self.reactor, inner, Service("Docs", "_http._tcp", 0), node=self.node("other"), hostname="x"
            )


class StoppingTests(ServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.port = self.listen(r"mdns:_http._tcp:name=Docs:endpoint=tcp\:8080")
        self.inner = self.reactor.ports[8080]
        self.lan.advance(5)

    def test_goodbye_before_it_closes(self) -> None:
        """M-10.1-1: nobody is sent to a port that is closed."""
        self.lan.result(self.port.stopListening())
        gone = [
            packet.at
            for packet in self.lan.packets.sent_by("here").responses
            if any(one.ttl == 0 and str(one.name) == DOCS for one in packet.message.answers)
        ]
        assert self.inner.closed_at is not None
        self.assertTrue(gone)
        self.assertLessEqual(gone[0], self.inner.closed_at)

    def test_node_goes_on(self) -> None:
        self.lan.result(self.port.stopListening())
        self.assertTrue(self.here.running)
        self.assertIsNone(self.port.registration)

    def test_again(self) -> None:
        self.lan.result(self.port.stopListening())
        self.port.startListening()
        self.lan.advance(5)
        self.assertEqual(self.found().port, 8080)

    def test_while_the_node_stops(self) -> None:
        """Both happen at the end of a program, in this order."""
        closed = self.port.stopListening()
        stopped = self.here.stopService()
        self.lan.result(closed)
        self.lan.result(stopped)
        self.assertIn(DOCS, {str(one.name) for one in self.lan.packets.goodbyes})
        self.assertEqual(self.reactor.ports, {})

    def test_after_the_node_has_stopped(self) -> None:
        self.lan.result(self.here.stopService())
        self.lan.result(self.port.stopListening())
        self.assertEqual(self.reactor.ports, {})

    def test_cancelled_closes_at_once(self) -> None:
        closing = self.port.stopListening()
        closing.cancel()
        self.assertEqual(self.reactor.ports, {})


class LeaseTests(NodeTestCase):
    def test_released_when_closed(self) -> None:
        node = self.node("here", None)
        released: list[bool] = []

        def lease() -> NodeLease:
            def release() -> Deferred[None]:
                released.append(True)
                return succeed(None)

            return NodeLease(node, release)

        reactor = LanReactor(self.lan)
        inner = MemoryTCPPort(reactor, 8080, FACTORY)
        inner.startListening()
        port = AnnouncedPort(reactor, inner, Service("Docs", "_http._tcp", 0), lease)
        port.announce()
        self.lan.advance(3)
        self.assertEqual(released, [])
        self.lan.result(port.stopListening())
        self.assertEqual(released, [True])


class StringTests(SynchronousTestCase):
    """What is wrong with a string is told in one line."""

    def assert_refused(self, text: str, part: str) -> None:
        lan_reactor = LanReactor.__new__(LanReactor)  # parsing asks nothing of it
        error = self.assertRaises(ValueError, serverFromString, lan_reactor, text)
        self.assertIn(part, str(error))
        self.assertNotIn("\n", str(error))

    def test_unknown_key(self) -> None:
        self.assert_refused(r"mdns:_http._tcp:colour=red:endpoint=tcp\:80", "colour")

    def test_key_twice(self) -> None:
        """Twisted keeps the last one and says nothing."""
        self.assert_refused(
            r"mdns:_http._tcp:txt=a=1:txt=b=2:endpoint=tcp\:80", "txt=… is there twice; lists have commas"
        )

    def test_key_within_a_value(self) -> None:
        lan_reactor = LanReactor.__new__(LanReactor)
        text = r"mdns:_http._tcp:txt=name=a,txt=b:name=A \:name=B:endpoint=tcp\:80\:backlog=5"
        self.assertIn("A :name=B", repr(serverFromString(lan_reactor, text)))

    def test_key_that_is_an_argument_of_ours(self) -> None:
        self.assert_refused(r"mdns:_http._tcp:reactor=x:endpoint=tcp\:80", "reactor")

    def test_no_endpoint(self) -> None:
        self.assert_refused("mdns:_http._tcp:name=Docs", "endpoint")

    def test_colon_without_backslash(self) -> None:
        self.assert_refused("mdns:_http._tcp:endpoint=tcp:80", "'80'")

    def test_no_type(self) -> None:
        self.assert_refused(r"mdns:endpoint=tcp\:80", "type")

    def test_bad_type(self) -> None:
        self.assert_refused(r"mdns:http:endpoint=tcp\:80", "'http'")

    def test_type_too_long(self) -> None:
        self.assert_refused(r"mdns:_sixteenletters16._tcp:endpoint=tcp\:80", "sixteenletters16")

    def test_name_too_long(self) -> None:
        self.assert_refused(rf"mdns:_http._tcp:name={'x' * 64}:endpoint=tcp\:80", "name")

    def test_bad_inner_endpoint(self) -> None:
        self.assert_refused(r"mdns:_http._tcp:endpoint=tpc\:80", "tpc")

    def test_inner_endpoint_without_port(self) -> None:
        self.assert_refused("mdns:_http._tcp:endpoint=tcp", "port")

    def test_bad_txt(self) -> None:
        self.assert_refused(r"mdns:_http._tcp:txt=a=1,,b=2:endpoint=tcp\:80", "txt")

    def test_bad_txt_key(self) -> None:
        self.assert_refused(r"mdns:_http._tcp:txt=ä=1:endpoint=tcp\:80", "ä")

    def test_bad_hostname(self) -> None:
        self.assert_refused(r"mdns:_http._tcp:hostname=a.b:endpoint=tcp\:80", "a.b")


class PluginTests(SynchronousTestCase):
    def test_found_by_twisted(self) -> None:
        (parser,) = [one for one in getPlugins(IStreamServerEndpointStringParser) if one.prefix == "mdns"]
        self.assertTrue(verifyObject(IStreamServerEndpointStringParser, parser))

    def test_listing_is_light(self) -> None:
        """Listing plugins imports neither the reactor nor what is behind the strings."""
        program = (
            "import sys; import twisted.plugins.mcast_plugin; "
            "print([name for name in sys.modules if name == 'twisted.internet.reactor' "
            "or name.startswith('mcast.') and not name.startswith('mcast.endpoints')])"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout.strip(), "[]")


@implementer(IStreamServerEndpoint)
class Inner:
    """An endpoint that does as it is told."""

    def __init__(self, listen: Any) -> None:
        self._listen = listen

    def listen(self, protocolFactory: Any) -> Any:
        return self._listen()


@implementer(IListeningPort)
class UnixPort:
    def __init__(self, closed: list[bool]) -> None:
        self._closed = closed

    def startListening(self) -> None:
        raise AssertionError("not in this test")

    def stopListening(self) -> Deferred[None]:
        self._closed.append(True)
        return succeed(None)

    def getHost(self) -> UNIXAddress:
        return UNIXAddress(b"/run/docs")
