"""`mdns:` endpoint strings that connect to a service in a domain outside of `.local`, over loopback."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from mcast import ServiceUnreachable
from mcast.dns.records import address
from tests.dns_client.lab import ZONE, LoopbackServer, ZoneData, web


class EndpointTests(TestCase):
    timeout = 120

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        factory: Any = Factory.forProtocol(Protocol)
        factory.noisy = False
        port: Any = self.reactor.listenTCP(0, factory, interface="127.0.0.2")
        self.addCleanup(port.stopListening)
        self.zone = ZoneData(
            records=[*web("My Web", port.getHost().port), address(ZONE.prefixed("web"), "127.0.0.2", 10)]
        )
        self.server = LoopbackServer(reactor, self.zone.answer)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.server.stop()))

    def connect(self, options: str) -> Deferred[Any]:
        server = str(self.server).replace(":", r"\:")
        endpoint = clientFromString(self.reactor, f"mdns:_http._tcp{options}:server={server}")
        factory = Factory.forProtocol(Protocol)
        factory.noisy = False
        connected: Deferred[Any] = endpoint.connect(factory)
        return connected

    async def test_connects(self) -> None:
        for name in ("", ":name=My Web"):
            protocol = await self.connect(f"{name}:domain=Building 1.example.com")
            self.assertEqual(protocol.transport.getPeer().host, "127.0.0.2")
            protocol.transport.loseConnection()

    async def test_no_service(self) -> None:
        with self.assertRaisesRegex(ServiceUnreachable, "none was found within 1 s"):
            await self.connect(":name=None:domain=Building 1.example.com:timeout=1")

    def test_mistakes(self) -> None:
        """One line that names the value."""
        for options, words in (
            ("", "looked up by multicast"),
            (":domain=a..b", "mdns endpoint: "),
        ):
            error = self.assertRaises(ValueError, self.connect, options)
            self.assertIn(words, str(error))
        error = self.assertRaises(
            ValueError, clientFromString, self.reactor, "mdns:_http._tcp:domain=example.com:server=ns"
        )
        self.assertIn("mdns endpoint: server ns: it is no address", str(error))
