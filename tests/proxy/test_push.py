"""Sessions of DNS Push on connections, in front of a made-up zone (RFC 8765)."""

from __future__ import annotations

import struct
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import mcast
from mcast.dns.names import Name
from mcast.proxy import push as push_module
from mcast.proxy.push import RESTART_DELAY, RESTART_STEP
from mcast.unicast.usable import Realm
from tests.proxy.push_lab import Client, Known, PushTestCase
from tests.unicast.dso_lab import (
    NOERROR,
    NOTAUTH,
    REFUSED,
    RETRY_DELAY,
    SERVFAIL,
    UNKNOWN,
    answer,
    dso,
    keepalive,
    query,
    rcodes,
    retry_delay,
    tlv,
    types,
)
from tests.unicast.push_lab import (
    ANY,
    CH,
    HTTP,
    POINTER,
    PTR,
    SERVICE,
    SRV,
    TEXT,
    WEB,
    entry,
    push,
    reconfirm,
    subscribe,
    unsubscribe,
)

PUSHED = push(entry(HTTP, PTR, 4500, b"\x03Web\xc0\x10"))


class SubscriptionTests(PushTestCase):
    """From a subscription to the watch of a question, and back."""

    def test_pushed(self) -> None:
        """H-6.2.1-9: what appears on the link."""
        client = self.connect()
        client.send(subscribe(5))
        self.assertEqual(client.heard(), [dso(5, response=True)])
        self.change([POINTER])
        self.assertEqual(client.heard(), [PUSHED])

    def test_two_clients_share_a_watch(self) -> None:
        """RFC 8766 §5.6: one question on the link; the second is told at once what there is."""
        first, second = self.connect(), self.connect("192.0.2.2")
        first.send(subscribe(5))
        self.change([POINTER])
        second.send(subscribe(9))
        self.assertEqual(second.heard(), [dso(9, response=True), PUSHED])
        self.assertEqual(len(self.zone.watches), 1)

    def test_watch_ends_with_the_last(self) -> None:
        first, second = self.connect(), self.connect("192.0.2.2")
        first.send(subscribe(5))
        second.send(subscribe(9))
        first.send(unsubscribe(5))
        self.assertEqual(len(self.zone.followed), 1)
        second.lose()
        self.assertEqual(self.zone.followed, [])
        self.assertEqual(self.push.statistics()["subscriptions"], 0)

    def test_clients_of_other_realms(self) -> None:
        """RFC 8766 §5.5.2: other addresses are of use to them, so that their answers are not shared."""
        self.known["203.0.113.1"] = Known(realm=Realm.OTHER)
        self.connect().send(subscribe(5))
        self.connect("203.0.113.1").send(subscribe(5))
        self.assertEqual([watch.realm for watch in self.zone.watches], [Realm.SAME, Realm.OTHER])

    def test_changes_of_one_moment(self) -> None:
        """H-6.3.1-13: go in one message, whichever subscription they belong to."""
        client = self.connect()
        client.send(subscribe(5), subscribe(6, WEB, SRV), subscribe(7, WEB, ANY))
        client.heard()
        self.change([POINTER, SERVICE, TEXT])
        (message,) = client.heard()
        # The SRV record is told once for both its subscriptions (RFC 8765 §6.3.1).
        self.assertEqual(message.count(SERVICE.rdata[:6]), 1)

    def test_not_our_zone(self) -> None:
        """H-6.2.2-7: NOTAUTH; and for another class."""
        client = self.connect()
        client.send(subscribe(5, Name.parse("example.org")), subscribe(6, HTTP, PTR, CH))
        self.assertEqual(rcodes(client.heard()), [NOTAUTH, NOTAUTH])

    def test_too_many_watches(self) -> None:
        """H-6.2.2-7: SERVFAIL."""
        self.zone.is_full = True
        client = self.connect()
        client.send(subscribe(5))
        self.assertEqual(rcodes(client.heard()), [SERVFAIL])

    def test_client_that_may_not_ask(self) -> None:
        """H-6.2.2-7: REFUSED."""
        self.known["203.0.113.1"] = Known(is_allowed=False)
        client = self.connect("203.0.113.1")
        client.send(subscribe(5))
        self.assertEqual(rcodes(client.heard()), [REFUSED])
        self.assertEqual(self.push.counters["clients that may not subscribe"], 1)

    def test_reconfirm(self) -> None:
        """H-6.5-1, H-6.5-5: is handed to the link; a record of elsewhere does no harm."""
        client = self.connect()
        client.send(reconfirm(POINTER), reconfirm(POINTER.with_ttl(0)))
        self.assertEqual([each.identity for each in self.zone.doubts], [POINTER.identity] * 2)
        elsewhere = dso(0, tlv(0x43, b"\x01a\0" + struct.pack("!HH", 1, 1) + bytes(4)))
        client.send(elsewhere)
        self.assertEqual(client.transport.ending, "")
        self.assertEqual(self.push.counters["reconfirmations of unknown records"], 1)

    def test_statistics(self) -> None:
        client = self.connect()
        client.send(subscribe(5), subscribe(6, WEB, SRV))
        self.connect("192.0.2.2").send(subscribe(5))
        statistics = self.push.statistics()
        self.assertEqual(
            (statistics["sessions"], statistics["subscriptions"], statistics["answers followed"]), (2, 3, 2)
        )
        self.assertEqual(statistics["subscriptions accepted"], 3)


class QueryTests(PushTestCase):
    """Plain queries in a session."""

    def test_answered(self) -> None:
        """H-3-1: as on any other connection."""
        client = self.connect()
        client.send(query())
        self.assertEqual(client.heard(), [query()])

    def test_option_that_ends_the_session(self) -> None:
        """D-7.1.2-2: edns-tcp-keepalive; the query gets no answer."""
        client = self.connect()
        client.send(query(option=11))
        self.assertEqual((client.heard(), client.transport.ending), ([], "aborted"))

    def test_session_is_active_until_the_answer(self) -> None:
        """D-6.3-2: and for the inactivity timeout after it."""
        client = self.connect()
        self.clock.advance(20)
        client.send(query())
        self.clock.advance(29)
        self.assertEqual(client.transport.ending, "")
        self.clock.advance(1)
        self.assertEqual(client.transport.ending, "aborted")

    def test_response_of_a_client(self) -> None:
        client = self.connect()
        client.send(answer())
        self.assertEqual(self.push.counters["responses from a client"], 1)


class EndTests(PushTestCase):
    """How sessions end."""

    def test_fault(self) -> None:
        """D-5.3-2: the connection is reset."""
        client = self.connect()
        client.send(dso(0, tlv(UNKNOWN)))
        self.assertEqual(client.transport.ending, "aborted")

    def test_inactive(self) -> None:
        """D-6.4.1-4: after twice the inactivity timeout."""
        client = self.connect()
        self.clock.advance(29.9)
        self.assertEqual(client.transport.ending, "")
        self.clock.advance(0.1)
        self.assertEqual(client.transport.ending, "aborted")

    def test_kept_alive(self) -> None:
        """H-3-5: a subscription keeps it, if the client sends its Keepalives."""
        client = self.connect()
        client.send(subscribe(5))
        self.clock.advance(7000)
        client.send(keepalive(6, 15, 3600))
        self.clock.advance(7000)
        self.assertEqual(client.transport.ending, "")
        self.clock.advance(200)
        self.assertEqual(client.transport.ending, "aborted")

    def test_stop(self) -> None:
        """D-6.6.1-1, D-6.6.1.1-4, D-6.6.1.1-5: each client gets another delay."""
        clients = [self.connect(f"192.0.2.{number}") for number in (1, 2, 3)]
        clients[0].send(subscribe(5))
        clients[0].heard()
        stopped = self.push.stop()
        self.assertEqual(
            [client.heard() for client in clients],
            [[retry_delay(RESTART_DELAY + number * RESTART_STEP)] for number in range(3)],
        )
        self.assertNoResult(stopped)
        self.assertEqual(self.zone.followed, [])
        for client in clients:
            client.lose()
        self.assertIsNone(self.successResultOf(stopped))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stop_with_a_client_that_stays(self) -> None:
        """D-6.6.1-5: it is cut off after five seconds."""
        client = self.connect()
        stopped = self.push.stop()
        self.clock.advance(5)
        self.assertEqual(client.transport.ending, "aborted")
        self.successResultOf(stopped)

    def test_stop_without_anybody(self) -> None:
        self.successResultOf(self.push.stop())

    def test_query_after_the_retry_delay(self) -> None:
        """D-6.6.1.1-1: gets no answer."""
        client = self.connect()
        self.push.stop()
        client.heard()
        client.send(query(), keepalive(7))
        self.assertEqual(client.heard(), [])

    def test_too_many_sessions(self) -> None:
        """D-5.5.3-2, D-6.6.1-3: a session beyond the limit is ended at once, with a delay of its own."""
        self.patch(push_module, "MAX_SESSIONS", 1)
        first = self.connect()
        delays = []
        for number in (2, 3):
            client = Client(self.server, f"192.0.2.{number}")
            client.send(keepalive(1))
            response, ending = client.heard()
            self.assertEqual(rcodes([response, ending]), [NOERROR, SERVFAIL])
            self.assertEqual(types(ending), [RETRY_DELAY])
            delays.append(struct.unpack("!I", ending[-4:])[0])
        self.assertTrue(all(30_000 <= delay <= 90_000 for delay in delays))
        self.assertNotEqual(*delays)
        first.send(subscribe(5))
        self.assertEqual(rcodes(first.heard()), [NOERROR])

    def test_too_many_sessions_for_a_subscription(self) -> None:
        """H-6.2.2-4: one that begins with SUBSCRIBE is refused."""
        self.patch(push_module, "MAX_SESSIONS", 0)
        client = Client(self.server, "192.0.2.1")
        client.send(subscribe(5))
        self.assertEqual(rcodes(client.heard()), [SERVFAIL])


class SlowClientTests(PushTestCase):
    """A client that does not read."""

    def test_summed_up(self) -> None:
        client = self.connect()
        client.send(subscribe(5))
        client.heard()
        client.connection.pauseProducing()
        self.change([POINTER])
        self.change([], [POINTER])
        self.change([POINTER])
        self.assertEqual(client.heard(), [])
        client.connection.resumeProducing()
        self.assertEqual(client.heard(), [PUSHED])

    def test_aborted(self) -> None:
        client = self.connect()
        client.send(subscribe(5))
        client.connection.pauseProducing()
        self.change([POINTER])
        self.clock.advance(60)
        self.assertEqual(client.transport.ending, "aborted")
        self.assertEqual(self.push.counters["slow subscribers aborted"], 1)

    def test_others_are_told_at_once(self) -> None:
        slow, other = self.connect(), self.connect("192.0.2.2")
        for client in (slow, other):
            client.send(subscribe(5))
            client.heard()
        slow.connection.pauseProducing()
        self.change([POINTER])
        self.assertEqual(other.heard(), [PUSHED])


class FastOpenTests(SynchronousTestCase):
    def test_never(self) -> None:
        """D-5.1-6: TCP Fast Open is enabled nowhere."""
        folder = Path(mcast.__file__).parent
        using = [path.name for path in folder.rglob("*.py") if "FASTOPEN" in path.read_text("utf-8").upper()]
        self.assertEqual(using, [])
