"""What a client follows at one server, over several sessions and failures (RFC 8765 §6, RFC 8490 §6.6.3)."""

from __future__ import annotations

import itertools
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.unicast import push_following
from mcast.unicast.push import Topic
from mcast.unicast.push_following import (
    OUTAGE,
    RESYNC_DELAY,
    Failing,
    FollowingEvent,
    PushFollowing,
    Told,
    Working,
)
from mcast.unicast.push_retry import MAX_BACK_OFF
from tests.unicast.dso_lab import (
    NOTAUTH,
    NOTIMP,
    REFUSED,
    SERVFAIL,
    SUBSCRIBE,
    UNKNOWN,
    dso,
    ids,
    keepalive,
    retry_delay,
    retry_delay_tlv,
    tlv,
    types,
)
from tests.unicast.push_lab import POINTER, SERVICE, SRV, TYPES, WEB, ZONE, added, push, removed

OTHER = Topic(WEB, SRV)
ELSEWHERE = Topic(Name.parse("_http._tcp.example.org"), 12)


class FollowingTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 100.0
        self.following = PushFollowing(Random(8490))

    def tick(self, at: float) -> None:
        """Let the time pass until ``at``, with all that is due on the way; nobody connects."""
        for _ in range(20):
            due = self.following.next_timer()
            if due is None or due > at or self.following.wants_connection(self.now):
                break
            self.now = max(due, self.now)
            self.following.due(self.now)
            if self.following.session is None and self.following.next_timer() is not None:
                self.following.update(self.now)
        if not self.following.wants_connection(self.now):
            self.now = max(self.now, at)

    def connect(self) -> list[int]:
        """Connect; return the MESSAGE IDs of the subscriptions that were asked for with the Keepalive."""
        self.assertTrue(self.following.wants_connection(self.now))
        self.following.connecting(self.now)
        session = self.following.connected(self.now)
        messages = session.take_outgoing()
        self.receive(keepalive(1, 15, 3600, response=True))
        return [ids([each])[0] for each in messages if types(each)[0] == SUBSCRIBE]

    def receive(self, *messages: bytes) -> None:
        """Hear the server; where that ends the session the connection is closed."""
        session = self.following.session
        assert session is not None
        for message in messages:
            session.receive(message, self.now)
        self.following.update(self.now)
        if self.following.session is None:
            self.following.disconnected(self.now)

    def lose(self) -> None:
        assert self.following.session is not None
        self.following.disconnected(self.now)

    def events(self, *kinds: type[FollowingEvent]) -> list[FollowingEvent]:
        return [event for event in self.following.take_events() if isinstance(event, kinds or object)]

    def pushed(self) -> None:
        """Follow, connect, and be told one record."""
        self.following.follow(TYPES, ZONE, self.now)
        (identifier,) = self.connect()
        self.receive(dso(identifier, response=True), push(added(POINTER)))
        self.following.take_events()


class SessionTests(FollowingTestCase):
    """One session at a time, for all topics."""

    def test_nothing_wanted(self) -> None:
        """H-3-6: no connection without anybody who follows."""
        self.assertFalse(self.following.wants_connection(self.now))
        self.assertIsNone(self.following.next_timer())

    def test_all_in_one_session(self) -> None:
        """D-9.3-2, H-6.1-8: what is followed later uses the session that there is."""
        self.following.follow(TYPES, ZONE, self.now)
        self.assertEqual(len(self.connect()), 1)
        self.following.follow(OTHER, ZONE, self.now)
        assert self.following.session is not None
        self.assertEqual([types(each)[0] for each in self.following.session.take_outgoing()], [SUBSCRIBE])
        self.assertFalse(self.following.wants_connection(self.now))

    def test_told(self) -> None:
        self.following.follow(TYPES, ZONE, self.now)
        (identifier,) = self.connect()
        self.receive(dso(identifier, response=True), push(added(POINTER)))
        self.assertEqual(self.events(), [Working(TYPES), Told(TYPES, [POINTER], [])])
        self.receive(push(removed(POINTER)))
        self.assertEqual(self.events(), [Told(TYPES, [], [POINTER])])

    def test_last_one_leaves(self) -> None:
        """H-3-3, H-6.7-2: the session is closed at once."""
        self.pushed()
        self.following.unfollow(TYPES, self.now)
        self.following.update(self.now)
        self.assertIsNone(self.following.session)
        self.following.disconnected(self.now)
        self.assertFalse(self.following.wants_connection(self.now))

    def test_one_of_two_leaves(self) -> None:
        """H-3-3: by UNSUBSCRIBE."""
        self.following.follow(TYPES, ZONE, self.now)
        self.following.follow(OTHER, ZONE, self.now)
        self.connect()
        self.following.unfollow(OTHER, self.now)
        assert self.following.session is not None
        self.assertEqual(self.following.topics, [TYPES])
        self.assertEqual(len(self.following.session.take_outgoing()), 1)

    def test_followed_twice(self) -> None:
        self.following.follow(TYPES, ZONE, self.now)
        with self.assertRaises(ValueError):
            self.following.follow(TYPES, ZONE, self.now)

    def test_limit(self) -> None:
        """H-3-2: more than so many topics are refused here."""
        self.patch(push_following, "MAX_FOLLOWED", 1)
        self.following.follow(TYPES, ZONE, self.now)
        with self.assertRaises(ValueError):
            self.following.follow(OTHER, ZONE, self.now)
        self.assertEqual(self.following.counters["topics beyond the limit"], 1)

    def test_reconfirm(self) -> None:
        self.assertFalse(self.following.reconfirm(POINTER, self.now))
        self.pushed()
        self.assertTrue(self.following.reconfirm(POINTER, self.now))


class LossTests(FollowingTestCase):
    """A session that is lost, and the next one (RFC 8490 §6.6.3)."""

    def test_connects_again_at_once(self) -> None:
        """D-6.6.3-1, D-6.6.3.2-1: nobody is told, and what is told again is no news."""
        self.pushed()
        self.now += 50
        self.lose()
        (identifier,) = self.connect()
        self.receive(dso(identifier, response=True), push(added(POINTER)))
        self.tick(self.now + 100)
        self.assertEqual(self.events(), [])
        self.assertEqual(self.following.answer(TYPES), [POINTER])

    def test_what_is_not_told_again(self) -> None:
        """H-7.4-1: is gone a few seconds after the new session began."""
        self.pushed()
        self.now += 50
        self.lose()
        (identifier,) = self.connect()
        self.receive(dso(identifier, response=True))
        self.tick(self.now + RESYNC_DELAY - 0.1)
        self.assertEqual(self.events(), [])
        self.tick(self.now + 0.2)
        self.assertEqual(self.events(), [Told(TYPES, [], [POINTER])])

    def test_records_of_ttl_zero(self) -> None:
        """H-6.3.1-4: end with the session."""
        self.following.follow(TYPES, ZONE, self.now)
        (identifier,) = self.connect()
        self.receive(dso(identifier, response=True), push(added(POINTER, 0)))
        self.following.take_events()
        self.lose()
        self.assertEqual(self.events(), [Told(TYPES, [], [POINTER.with_ttl(0)])])

    def test_records_age_without_a_session(self) -> None:
        """H-6.3.1-23: from the moment of the loss on."""
        self.following.follow(TYPES, ZONE, self.now)
        (identifier,) = self.connect()
        self.receive(dso(identifier, response=True), push(added(POINTER, 2)))
        self.following.take_events()
        self.now += 50
        self.lose()
        self.following.connecting(self.now)
        self.tick(self.now + 1.9)
        self.assertEqual(self.events(), [])
        self.tick(self.now + 0.2)
        self.assertEqual(self.events(), [Told(TYPES, [], [POINTER.with_ttl(2)])])

    def test_long_outage(self) -> None:
        """D-5.1.1-7, H-7.4-1: whoever follows is told, with what was known."""
        self.pushed()
        self.now += 50
        self.lose()
        self.following.connecting(self.now)
        self.tick(self.now + OUTAGE)
        (event,) = self.events()
        assert isinstance(event, Failing)
        self.assertEqual(event.records, [POINTER.with_ttl(4495)])
        self.following.connection_failed("refused", self.now)
        self.assertEqual(self.events(), [])

    def test_works_again(self) -> None:
        """H-6.8-2: it is tried again by itself, and whoever polls is told when to stop."""
        self.test_long_outage()
        self.tick(self.now + MAX_BACK_OFF)
        (identifier,) = self.connect()
        self.receive(dso(identifier, response=True), push(added(POINTER)))
        self.assertEqual(self.events(), [Working(TYPES), Told(TYPES, [POINTER], [])])

    def test_dropped_twice_for_nothing(self) -> None:
        """D-6.6.3.2-1, D-6.6.3.3-1: the server is left alone for an hour."""
        self.following.follow(TYPES, ZONE, self.now)
        self.connect()
        self.now += 5
        self.lose()
        self.connect()
        self.now += 5
        self.lose()
        self.assertEqual(self.following.next_timer(), self.now + 3600)
        self.assertEqual(len(self.events(Failing)), 1)

    def test_dropped_after_each_success(self) -> None:
        """At most one connection a second."""
        self.pushed()
        self.lose()
        self.assertFalse(self.following.wants_connection(self.now))
        self.assertTrue(self.following.wants_connection(self.now + 1))

    def test_dropped_instead_of_an_answer(self) -> None:
        """D-5.1.1-6: an hour."""
        self.following.follow(TYPES, ZONE, self.now)
        self.following.connecting(self.now)
        self.following.connected(self.now)
        self.lose()
        self.assertEqual(self.following.next_timer(), self.now + 3600)

    def test_server_that_breaks_the_rules(self) -> None:
        """D-6.6.3.1-1, D-6.6.3.1-2, D-6.6.3.3-1: an hour; whoever follows is told at once."""
        self.pushed()
        self.receive(dso(0, tlv(UNKNOWN)))
        self.assertEqual(self.following.next_timer(), self.now + 3600)
        self.assertEqual(len(self.events(Failing)), 1)

    def test_server_without_dso(self) -> None:
        """D-5.1.1-7, D-6.6.3.3-1: an hour, and meanwhile in another way."""
        self.following.follow(TYPES, ZONE, self.now)
        self.following.connecting(self.now)
        self.following.connected(self.now)
        self.receive(dso(1, response=True, rcode=NOTIMP))
        self.assertIsNone(self.following.session)
        self.assertEqual(self.following.next_timer(), self.now + 3600)
        self.assertEqual(len(self.events(Failing)), 1)

    def test_no_connection(self) -> None:
        """Each attempt waits longer than the one before, up to five minutes."""
        self.following.follow(TYPES, ZONE, self.now)
        waits = []
        for _ in range(12):
            self.following.connecting(self.now)
            self.following.connection_failed("refused", self.now)
            at = self.following.next_timer()
            assert at is not None
            waits.append(at - self.now)
            self.now = at
        self.assertTrue(all(a < b for a, b in itertools.pairwise(waits[:9])))
        self.assertTrue(0.75 * MAX_BACK_OFF <= waits[-1] <= MAX_BACK_OFF)
        self.assertEqual(self.events(), [Failing(TYPES, "refused", [])])

    def test_followed_during_an_outage(self) -> None:
        """It is known at once that it does not work."""
        self.test_server_without_dso()
        self.following.follow(OTHER, ZONE, self.now)
        self.assertEqual(len(self.events(Failing)), 1)
        self.assertIn("Stateful", self.following.trouble(OTHER) or "")


class RetryDelayTests(FollowingTestCase):
    """A server that asks to come back later (RFC 8490 §6.6)."""

    def test_short(self) -> None:
        """D-6.6.1-4, D-6.6.3-2, D-6.6.3-3, D-7.2-1, H-6.2.2-9: kept to exactly; nobody is told."""
        self.pushed()
        self.now += 50
        self.receive(retry_delay(1.3))
        self.assertFalse(self.following.wants_connection(self.now + 1.29))
        self.assertEqual(self.following.next_timer(), self.now + 1.3)
        self.assertEqual(self.events(), [])

    def test_long(self) -> None:
        """D-6.6.3-2: whoever follows is told at once."""
        self.pushed()
        self.receive(retry_delay(60, SERVFAIL))
        self.assertEqual(len(self.events(Failing)), 1)
        self.assertFalse(self.following.wants_connection(self.now + 59.9))
        self.assertTrue(self.following.wants_connection(self.now + 60))

    def test_longest(self) -> None:
        """D-6.6.3-5: after 49.7 days."""
        self.pushed()
        self.receive(dso(0, tlv(2, b"\xff" * 4)))
        self.assertTrue(self.following.wants_connection(self.now + 50 * 86400))

    def test_client_never_sends_one(self) -> None:
        """D-6.6.1-6: nothing that a client sends is a Retry Delay."""
        self.pushed()
        self.following.unfollow(TYPES, self.now)
        self.following.update(self.now)
        self.assertIsNone(self.following.session)


class RefusalTests(FollowingTestCase):
    """A server that refuses a subscription (RFC 8765 §6.2.2)."""

    def setUp(self) -> None:
        super().setUp()
        self.following.follow(TYPES, ZONE, self.now)
        self.following.follow(ELSEWHERE, Name.parse("example.org"), self.now)
        self.first, self.second = self.connect()
        self.receive(dso(self.second, response=True))
        self.following.take_events()

    def test_told(self) -> None:
        """H-6.2.2-8: at once, so that another server can be tried; others remain."""
        self.receive(dso(self.first, response=True, rcode=REFUSED))
        (event,) = self.events()
        assert isinstance(event, Failing)
        self.assertEqual(event.topic, TYPES)
        self.assertTrue(self.following.is_working(ELSEWHERE))

    def test_tried_again_after_the_delay(self) -> None:
        """H-6.2.2-10, D-7.2-1, D-7.2.2-2: not earlier."""
        self.receive(dso(self.first, retry_delay_tlv(30), response=True, rcode=SERVFAIL))
        session = self.following.session
        assert session is not None
        session.take_outgoing()
        self.tick(self.now + 29.9)
        self.assertEqual(session.take_outgoing(), [])
        self.tick(self.now + 0.2)
        self.assertEqual([types(each)[0] for each in session.take_outgoing()], [SUBSCRIBE])

    def test_other_topics_of_the_server(self) -> None:
        """H-6.2.2-10: nor are they asked for."""
        self.receive(dso(self.first, response=True, rcode=SERVFAIL))
        self.following.take_events()
        self.following.follow(OTHER, ZONE, self.now)
        self.assertEqual(len(self.events(Failing)), 1)

    def test_not_authoritative(self) -> None:
        """H-6.2.2-10: concerns the names of that zone alone."""
        self.receive(dso(self.first, response=True, rcode=NOTAUTH))
        self.following.take_events()
        self.following.follow(OTHER, ZONE, self.now)
        self.assertEqual(len(self.events(Failing)), 1)
        self.following.follow(Topic(ELSEWHERE.name, SRV), Name.parse("example.org"), self.now)
        self.assertEqual(self.events(), [])

    def test_retry_delay_after_the_refusal(self) -> None:
        """H-6.2.2-9: both are obeyed."""
        self.receive(dso(self.first, response=True, rcode=SERVFAIL), retry_delay(5, SERVFAIL))
        self.assertIsNone(self.following.session)
        self.assertFalse(self.following.wants_connection(self.now + 59))
        self.assertTrue(self.following.wants_connection(self.now + 60))

    def test_session_that_is_left_without_a_topic(self) -> None:
        """No connection comes before something can be subscribed to again."""
        self.following.unfollow(ELSEWHERE, self.now)
        self.receive(dso(self.first, response=True, rcode=NOTAUTH))
        self.tick(self.now + 16)
        self.assertIsNone(self.following.session)
        self.following.disconnected(self.now)
        self.assertFalse(self.following.wants_connection(self.now))
        self.assertEqual(self.following.next_timer(), 400.0)

    def test_cancelled_later(self) -> None:
        """D-5.6-1: what was known is handed over."""
        self.receive(dso(self.first, response=True), push(added(POINTER), added(SERVICE)))
        self.following.take_events()
        self.receive(dso(self.first, response=True, rcode=NOTAUTH))
        (event,) = self.events()
        assert isinstance(event, Failing)
        self.assertEqual(event.records, [POINTER])
