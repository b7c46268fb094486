"""Being told of changes in place of asking: a node, a DNS server and a server of DNS Push in memory."""

from __future__ import annotations

from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Record, service
from mcast.dns_client.zone_push import DISCOVER_AGAIN, SETTLE_TIME
from mcast.dnssd.found import Added, Removed
from mcast.node.beyond import CLOSE_LIMIT
from mcast.unicast.dso import read_dso
from mcast.unicast.push import read_subscribe
from mcast.unicast.push_following import OUTAGE
from tests.dns_client.lab import HTTP, ZONE, web
from tests.dns_client.push_lab import Attempt, FakeConnector
from tests.dns_client.test_browsing import DOMAIN, BeyondTestCase
from tests.unicast.dso_lab import KEEPALIVE, SUBSCRIBE, dso, ids, keepalive, types
from tests.unicast.push_lab import added, push, removed

PUSH = Name.from_labels((b"_dns-push-tls", b"_tcp", *ZONE.labels))


class PushTestCase(BeyondTestCase):
    """A zone that offers to push; `serve` plays its server."""

    offers = True

    def setUp(self) -> None:
        super().setUp()
        if self.offers:
            self.zone.records.append(service(PUSH, 0, 0, 853, Name.parse("proxy.example.com"), 600))
        self.connector = FakeConnector(self.lan.clock)
        self.node._beyond.connect = self.connector
        self.subscribed: dict[int, Question] = {}
        browser = self.node.browse("_http._tcp", domain=DOMAIN)
        browser.add_listener(self.told.append)
        self.browser = browser
        self.pass_time(1.0)

    def tearDown(self) -> None:
        for attempt in self.connector.attempts:
            if attempt.stream is not None and attempt.stream.transport is not None:
                attempt.lose()
        super().tearDown()

    @property
    def server(self) -> Attempt:
        return self.connector.attempts[-1]

    def serve(self, rounds: int = 6) -> None:
        """Accept the connection, the session and every subscription, and tell what there is."""
        for _ in range(rounds):
            server = self.server
            if server.stream is None:
                server.accept()
            for message in server.heard():
                (identifier,) = ids([message])
                kind = types(message)[0]
                if kind == KEEPALIVE:
                    server.send(keepalive(identifier, 15, 3600, response=True))
                elif kind == SUBSCRIBE:
                    topic = read_subscribe(read_dso(message))
                    self.subscribed[identifier] = Question(topic.name, topic.type)
                    server.send(dso(identifier, response=True))
                    there = [
                        one for one in self.zone.records if one.name == topic.name and one.type == topic.type
                    ]
                    if there:
                        server.send(push(*map(added, there)))
            self.pass_time(0.1)

    def push(self, *new: Record, gone: tuple[Record, ...] = ()) -> None:
        """Change the zone, and tell of it."""
        self.zone.records = [*(one for one in self.zone.records if one not in gone), *new]
        self.server.send(push(*map(added, new), *map(removed, gone)))
        self.pass_time(0.1)


class SubscriptionTests(PushTestCase):
    """RFC 8765 §6."""

    def test_where(self) -> None:
        """§6.1: at the server that the SRV record of the zone names, found by its SOA record."""
        self.assertIn((str(ZONE), RecordType.SOA), self.asked())
        self.assertEqual((self.server.host, self.server.port), ("proxy.example.com", 853))

    def test_all_that_is_asked(self) -> None:
        """§6.2: PTR, SRV, TXT and addresses; then nothing is asked any more."""
        self.serve()
        found = {(str(one.name).partition(".")[0], one.type) for one in self.subscribed.values()}
        wanted = {("_http", 12), ("My Web", 33), ("My Web", 16), ("web", 1), ("web", 28)}
        self.assertEqual(found, wanted)
        self.asked()
        self.pass_time(200.0)
        self.assertEqual(self.asked(), [])
        self.assertEqual([type(one) for one in self.told], [Added])
        self.assertEqual(self.node.statistics()["domains"][str(ZONE)]["pushed"], 5)

    def test_changes_at_once(self) -> None:
        self.serve()
        self.push(*web("Second", 81))
        self.serve()
        self.assertEqual([one.service.name for one in self.told], ["My Web", "Second"])
        gone = tuple(one for one in self.zone.records if one.name == HTTP.prefixed("My Web"))
        listing = next(one for one in self.zone.records if one.data == HTTP.prefixed("My Web"))
        self.push(gone=(listing, *gone))
        self.assertEqual([type(one) for one in self.told], [Added, Added, Removed])

    def test_what_went_while_nobody_told(self) -> None:
        """What was known and is not in the first notifications has gone meanwhile."""
        self.zone.remove(HTTP.prefixed("My Web"))
        self.serve()
        self.assertEqual([type(one) for one in self.told], [Added])
        self.pass_time(SETTLE_TIME + 1.0)
        self.assertEqual([type(one) for one in self.told], [Added, Removed])

    def test_end_of_the_session(self) -> None:
        """H-6.8-1: polling takes its place, and no service is taken for gone."""
        self.serve()
        self.asked()
        self.server.lose()
        self.pass_time(OUTAGE + 2.0)
        self.assertIn((str(HTTP), RecordType.PTR), self.asked())
        self.zone.records += web("Second", 81)
        self.pass_time(14.0)
        self.assertEqual([one.service.name for one in self.told], ["My Web", "Second"])

    def test_server_that_cannot_be_reached(self) -> None:
        self.server.failed("nobody listens there")
        self.zone.records += web("Second", 81)
        self.pass_time(14.0)
        self.assertEqual([one.service.name for one in self.told], ["My Web", "Second"])

    def test_closed(self) -> None:
        """§6.4: the subscriptions are cancelled with the browser."""
        self.serve()
        self.browser.close()
        self.pass_time(0.5)
        self.assertEqual(self.node.statistics()["domains"].get(str(ZONE)), None)
        self.assertEqual(self.server.transport.ending, "closed")

    def test_server_that_does_not_close(self) -> None:
        """A node that stops does not wait for it for long."""
        self.serve()
        stopped = self.node.stopService()
        self.pass_time(CLOSE_LIMIT - 0.1)
        self.assertNoResult(stopped)
        self.pass_time(0.2)
        self.successResultOf(stopped)


class ZoneWithoutPushTests(PushTestCase):
    offers = False

    def test_polls(self) -> None:
        """§6.1 step 6: without an SRV record there is nothing to subscribe to, and it is looked for again."""
        self.assertEqual(self.connector.attempts, [])
        self.pass_time(30.0)
        asked = self.asked()
        self.assertGreater(asked.count((str(HTTP), RecordType.PTR)), 1)
        self.assertEqual(asked.count((str(PUSH), RecordType.SRV)), 1)
        self.zone.records.append(service(PUSH, 0, 0, 853, Name.parse("proxy.example.com"), 600))
        self.pass_time(DISCOVER_AGAIN)
        self.assertEqual(len(self.connector.attempts), 1)
