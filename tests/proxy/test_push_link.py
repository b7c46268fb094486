"""DNS Push from a device on a link to clients elsewhere (RFC 8765, RFC 8766 §5.6)."""

from __future__ import annotations

from random import Random

from mcast.dns.names import Name
from mcast.dns.records import pointer
from mcast.proxy.connections import ConnectionServer
from mcast.proxy.push import Push
from mcast.proxy.watching import Watches
from mcast.unicast.dso import read_dso
from mcast.unicast.push import Change, ChangeKind, read_push
from tests.node.node_lab import SETTLED
from tests.proxy.proxy_lab import ADMINISTRATION, ProxyTestCase
from tests.proxy.push_lab import Client, Echo, Known
from tests.unicast.dso_lab import dso, keepalive
from tests.unicast.push_lab import ANY, PTR, SRV, TXT, reconfirm, subscribe

TYPE = Name.parse("_http._tcp.Building 1.example.com")
WEB = TYPE.prefixed("My Web")


class LinkTests(ProxyTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.watches = Watches(self.access, ADMINISTRATION)
        self.push = Push(self.access.clock, self.watches, lambda _: Known(), Random(1))
        self.server = ConnectionServer(self.access.clock, Echo())
        self.server.sessions = self.push.session
        self.clients: list[Client] = []
        self.addCleanup(self.end)

    def end(self) -> None:
        for client in self.clients:
            client.lose()
        self.assertEqual(len(self.watches), 0)

    def connect(self) -> Client:
        client = Client(self.server, "192.0.2.1")
        client.send(keepalive(1, 15, 3600))
        client.heard()
        self.clients.append(client)
        return client

    def changes(self, client: Client) -> list[Change]:
        """Return what was pushed to a client since the last call."""
        return [change for each in client.heard() for change in read_push(read_dso(each)).changes]

    def follow(self) -> Client:
        client = self.connect()
        client.send(subscribe(5, TYPE))
        self.assertEqual(client.heard(), [dso(5, response=True)])
        return client

    def test_comes_and_goes(self) -> None:
        """H-6.2.1-9, H-6.3.1-11: with the TTL of the device; the last of its set is removed collectively."""
        client = self.follow()
        registration = self.register(self.device(), "My Web")
        self.lan.advance(SETTLED)
        (change,) = self.changes(client)
        self.assertEqual((change.kind, change.record), (ChangeKind.ADD, pointer(TYPE, WEB, 4500)))
        registration.withdraw()
        self.lan.advance(3)
        (change,) = self.changes(client)
        self.assertEqual((change.kind, change.type), (ChangeKind.REMOVE_SET, PTR))

    def test_all_types(self) -> None:
        """H-6.2.1-10: SRV and TXT record of a service; when it goes, the name as a whole."""
        client = self.connect()
        client.send(subscribe(5, WEB, ANY))
        client.heard()
        registration = self.register(self.device(), "My Web")
        self.lan.advance(SETTLED)
        self.assertEqual({change.type for change in self.changes(client)}, {SRV, TXT})
        registration.withdraw()
        self.lan.advance(3)
        self.assertEqual([change.kind for change in self.changes(client)], [ChangeKind.REMOVE_CLASS])

    def test_reconfirm(self) -> None:
        """H-6.5-1, H-6.5-2: the link is asked; when nobody answers, all who follow it are told."""
        first, second = self.follow(), self.follow()
        self.register(self.device(), "My Web")
        self.lan.advance(SETTLED)
        first.heard()
        second.heard()
        self.lan.host("printer").unplug()
        began = self.lan.now
        first.send(reconfirm(pointer(TYPE, WEB, 4500)))
        self.lan.advance(11)
        self.assertNotEqual(self.questions_since(began), [])
        for client in (first, second):
            self.assertEqual([each.kind for each in self.changes(client)], [ChangeKind.REMOVE_SET])

    def test_reconfirm_what_is_there(self) -> None:
        """H-6.5-1: nothing happens."""
        client = self.follow()
        self.register(self.device(), "My Web")
        self.lan.advance(SETTLED)
        client.heard()
        client.send(reconfirm(pointer(TYPE, WEB, 4500)))
        self.lan.advance(11)
        self.assertEqual(client.heard(), [])

    def test_how_it_is_found(self) -> None:
        """H-6.1-3: the SRV record of the zone, told by Push as well as by a query."""
        client = self.connect()
        client.send(subscribe(5, Name.parse("_dns-push-tls._tcp.Building 1.example.com"), SRV))
        self.lan.advance(0)
        _, *pushed = client.heard()
        (change,) = read_push(read_dso(pushed[0])).changes
        self.assertEqual(change.record.rdata[4:6], (853).to_bytes(2, "big"))

    def test_one_question_for_all(self) -> None:
        """RFC 8766 §5.6: however many clients follow the same."""
        began = self.lan.now
        for _ in range(10):
            self.follow()
        self.lan.advance(0.5)
        self.assertEqual(len(self.questions_since(began)), 1)
