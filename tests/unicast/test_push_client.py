"""The client's end of DNS Push Notifications, on a fake clock (RFC 8765)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.dns.records import Record, address, alias, pointer, raw
from mcast.unicast import push_client
from mcast.unicast.push import RETRY_DELAYS, Topic
from mcast.unicast.push_client import PushClient, Refused, Subscribed
from tests.unicast.dso_lab import (
    KEEPALIVE,
    NOTAUTH,
    PADDING,
    REFUSED,
    SERVFAIL,
    SUBSCRIBE,
    aborted,
    dso,
    retry_delay_tlv,
    tlv,
    types,
)
from tests.unicast.push_lab import (
    ANY,
    CH,
    CNAME,
    HOST,
    HTTP,
    POINTER,
    PTR,
    SERVICE,
    SRV,
    TEXT,
    TOGETHER,
    TXT,
    TYPES,
    WEB,
    A,
    added,
    changes,
    client,
    entry,
    push,
    removed,
    subscribe,
    subscribed,
)


class SubscribeTests(SynchronousTestCase):
    """How a client asks (RFC 8765 §6.2)."""

    def test_request(self) -> None:
        """H-6.2.1-1, H-6.2.1-2: a MESSAGE ID, and exactly one name, type and class; padded."""
        session = client()
        identifier = session.subscribe(TYPES, 1.0)
        (request,) = session.take_outgoing()
        plain = subscribe(identifier)
        self.assertEqual(request[: len(plain)], plain)
        self.assertEqual(types(request), [SUBSCRIBE, PADDING])

    def test_goes_with_the_first_keepalive(self) -> None:
        """H-6-2: nothing waits for the session to be established."""
        session = PushClient(0.0)
        session.establish(0.0)
        session.subscribe(TYPES, 0.0)
        self.assertEqual([types(each)[0] for each in session.outbox], [KEEPALIVE, SUBSCRIBE])

    def test_accepted(self) -> None:
        session = client()
        identifier = session.subscribe(TYPES, 1.0)
        session.receive(dso(identifier, response=True), 1.1)
        self.assertEqual(session.take_events(), [Subscribed(identifier, TYPES)])

    def test_duplicate(self) -> None:
        """H-6.2.1-4: the same name, type and class is not subscribed to twice; case does not matter."""
        session = client()
        session.subscribe(TYPES, 1.0)
        with self.assertRaises(ValueError):
            session.subscribe(Topic(Name.parse("_HTTP._tcp.EXAMPLE.com"), PTR), 1.0)

    def test_again_after_it_was_cancelled(self) -> None:
        """H-6.2.1-4: what was cancelled is no duplicate."""
        session = client()
        first = session.subscribe(TYPES, 1.0)
        session.unsubscribe(first, 1.0)
        self.assertNotEqual(session.subscribe(TYPES, 1.0), first)

    def test_subscription_keeps_its_id(self) -> None:
        """H-6.2.1-1: no other request has the MESSAGE ID of an active subscription."""
        session, (taken,) = subscribed()
        self.assertTrue(session.is_taken(taken))

    def test_refused(self) -> None:
        """H-6.2.2-4: with the delay that the server tells."""
        session = client()
        identifier = session.subscribe(TYPES, 1.0)
        session.receive(dso(identifier, retry_delay_tlv(7), response=True, rcode=SERVFAIL), 1.1)
        self.assertEqual(session.take_events(), [Refused(identifier, TYPES, SERVFAIL, 7.0)])

    def test_refused_without_a_delay(self) -> None:
        """H-6.2.2-5: the defaults of the section."""
        for rcode, delay in {**RETRY_DELAYS, 3: 300.0, 15: 300.0}.items():
            session = client()
            identifier = session.subscribe(TYPES, 1.0)
            session.receive(dso(identifier, response=True, rcode=rcode), 1.1)
            self.assertEqual(session.take_events(), [Refused(identifier, TYPES, rcode, delay)])

    def test_any_other_rcode(self) -> None:
        """H-6.2.2-3: is handled like those of the section."""
        session = client()
        identifier = session.subscribe(TYPES, 1.0)
        session.receive(dso(identifier, response=True, rcode=14), 1.1)
        self.assertEqual(len(session.take_events()), 1)
        self.assertIsNone(session.ended)

    def test_other_subscriptions_remain(self) -> None:
        """H-6.2.2-6: a refusal concerns one subscription."""
        session, (first,) = subscribed()
        second = session.subscribe(Topic(WEB, SRV), 1.0)
        session.receive(dso(second, response=True, rcode=REFUSED), 1.1)
        self.assertEqual(session.topics, {first: TYPES})

    def test_subscribe_item_in_the_response(self) -> None:
        """H-6.2.2-2: silently ignored."""
        session = client()
        identifier = session.subscribe(TYPES, 1.0)
        session.receive(dso(identifier, tlv(SUBSCRIBE, b"x"), response=True), 1.1)
        self.assertEqual(session.take_events(), [Subscribed(identifier, TYPES)])

    def test_cancelled_by_the_server(self) -> None:
        """D-5.6-1: a second response with an error ends an accepted subscription."""
        session, (taken,) = subscribed()
        session.receive(dso(taken, response=True, rcode=NOTAUTH), 5.0)
        self.assertEqual(session.take_events(), [Refused(taken, TYPES, NOTAUTH, 300.0)])
        self.assertFalse(session.is_taken(taken))

    def test_accepted_twice(self) -> None:
        """D-5.5.2-3: that is a response to nothing."""
        session, (taken,) = subscribed()
        session.receive(dso(taken, response=True), 5.0)
        self.assertTrue(aborted(session))

    def test_cancelled_by_both_at_once(self) -> None:
        """D-5.6-1: the response of the server crossed our UNSUBSCRIBE."""
        session, (taken,) = subscribed()
        session.unsubscribe(taken, 5.0)
        session.receive(dso(taken, response=True, rcode=NOTAUTH), 5.0)
        self.assertIsNone(session.ended)


class PushTests(SynchronousTestCase):
    """What PUSH messages change (RFC 8765 §6.3)."""

    def test_added(self) -> None:
        session, (taken,) = subscribed()
        session.receive(push(added(POINTER)), 2.0)
        self.assertEqual(changes(session), [(taken, [POINTER], [])])
        self.assertEqual(session.records(taken), [POINTER])

    def test_compressed(self) -> None:
        """H-6.3.1-18: pointers count from the beginning of the message."""
        session, (taken,) = subscribed()
        # The owner name stands at octet 16, behind the header and the head of the TLV.
        session.receive(push(entry(HTTP, PTR, 4500, b"\x03Web\xc0\x10")), 2.0)
        self.assertEqual(changes(session), [(taken, [POINTER], [])])

    def test_removed(self) -> None:
        session, (taken,) = subscribed()
        session.receive(push(added(POINTER)), 2.0)
        session.receive(push(removed(POINTER)), 3.0)
        self.assertEqual(changes(session)[1], (taken, [], [POINTER]))

    def test_removed_what_was_not_there(self) -> None:
        session, _ = subscribed()
        session.receive(push(removed(POINTER)), 3.0)
        self.assertEqual(changes(session), [])

    def test_another_ttl(self) -> None:
        """H-6.3.1-22: an update, and the TTL does not count down meanwhile."""
        session, (taken,) = subscribed()
        session.receive(push(added(POINTER)), 2.0)
        session.receive(push(added(POINTER)), 1000.0)
        session.receive(push(added(POINTER, 10)), 2000.0)
        self.assertEqual(changes(session), [(taken, [POINTER], []), (taken, [POINTER.with_ttl(10)], [])])
        session.due(2100.0)
        self.assertEqual(session.records(taken), [POINTER.with_ttl(10)])

    def test_ttl_zero(self) -> None:
        """H-6.3.1-4: the record is kept as long as the subscription lasts."""
        session, (taken,) = subscribed()
        session.receive(push(added(POINTER, 0)), 2.0)
        self.assertEqual(session.records(taken), [POINTER.with_ttl(0)])

    def test_replaced_within_one_message(self) -> None:
        session, (taken,) = subscribed()
        session.receive(push(added(POINTER)), 2.0)
        other = pointer(HTTP, Name.parse("Other._http._tcp.example.com"), 4500)
        session.receive(push(removed(POINTER), added(other)), 3.0)
        self.assertEqual(changes(session)[1], (taken, [other], [POINTER]))

    def test_removed_and_added_within_one_message(self) -> None:
        """What comes to nothing is not told."""
        session, _ = subscribed()
        session.receive(push(added(POINTER)), 2.0)
        changes(session)
        session.receive(push(removed(POINTER), added(POINTER)), 3.0)
        self.assertEqual(changes(session), [])

    def test_ttl_without_meaning(self) -> None:
        """H-6.3.1-15: this notification is ignored, the others are not."""
        session, (taken,) = subscribed()
        session.receive(push(added(POINTER, 0x80000000), added(POINTER)), 2.0)
        self.assertEqual(changes(session), [(taken, [POINTER], [])])
        self.assertEqual(session.counters["change notifications skipped"], 1)

    def test_highest_ttl(self) -> None:
        """H-6.3.1-3: 0x7FFFFFFF is a time to live."""
        session, (taken,) = subscribed()
        session.receive(push(added(POINTER, 0x7FFFFFFF)), 2.0)
        self.assertEqual(len(session.records(taken)), 1)

    def test_empty_rdata(self) -> None:
        """H-6.3.1-14: may be what a record has; it is added and removed as such."""
        apl = raw(HOST, 42, b"", 60)
        session, (taken,) = subscribed(Topic(HOST, 42))
        session.receive(push(added(apl)), 2.0)
        session.receive(push(removed(apl)), 3.0)
        self.assertEqual(changes(session), [(taken, [apl], []), (taken, [], [apl])])

    def test_malformed_rdata(self) -> None:
        session, (taken,) = subscribed()
        session.receive(push(entry(HTTP, PTR, 60, b"\xc0"), added(POINTER)), 2.0)
        self.assertEqual(changes(session), [(taken, [POINTER], [])])

    def test_too_many_records(self) -> None:
        """A server that pushes without end loses the session."""
        self.patch(push_client, "MAX_RECORDS", 2)
        session, _ = subscribed(Topic(HOST, A))
        session.receive(push(*(added(address(HOST, f"192.0.2.{n}", 9)) for n in range(3))), 2.0)
        self.assertTrue(aborted(session))
        self.assertEqual(session.counters["sessions ended for too many records"], 1)


class MatchingTests(SynchronousTestCase):
    """Which subscriptions a notification belongs to (RFC 8765 §6.3.1)."""

    def test_case_does_not_matter(self) -> None:
        """H-6.3.1-20, H-2-1: of ASCII letters in names."""
        session, (taken,) = subscribed()
        session.receive(push(entry(Name.parse("_HTTP._TCP.example.COM"), PTR, 60, WEB.wire)), 2.0)
        self.assertEqual([each[0] for each in changes(session)], [taken])

    def test_another_name_type_or_class(self) -> None:
        """H-6.3.1-20, H-6.3.1-21: silently ignored, and the session goes on."""
        session, (taken,) = subscribed()
        session.receive(
            push(added(SERVICE), entry(HTTP, TXT, 60, b"\0"), entry(HTTP, PTR, 60, WEB.wire, CH)), 2.0
        )
        session.receive(push(added(POINTER)), 2.0)
        self.assertEqual(changes(session), [(taken, [POINTER], [])])
        self.assertEqual(session.counters["change notifications without a subscription"], 3)

    def test_alias(self) -> None:
        """H-2-2: a CNAME record belongs to the answer of every type."""
        session, (taken,) = subscribed()
        record = alias(HTTP, HOST, 60)
        session.receive(push(added(record)), 2.0)
        self.assertEqual(changes(session), [(taken, [record], [])])

    def test_subscription_to_aliases(self) -> None:
        """H-6.2.1-7: matches CNAME records alone."""
        session, (taken,) = subscribed(Topic(HTTP, CNAME))
        record = alias(HTTP, HOST, 60)
        session.receive(push(added(POINTER), added(record)), 2.0)
        self.assertEqual(changes(session), [(taken, [record], [])])

    def test_all_types(self) -> None:
        """H-6.2.1-10: ANY means all."""
        session, (taken,) = subscribed(Topic(WEB, ANY))
        session.receive(push(added(SERVICE), added(TEXT)), 2.0)
        self.assertEqual(changes(session), [(taken, [SERVICE, TEXT], [])])

    def test_all_classes(self) -> None:
        """H-6.2.1-10: as class, too."""
        session, (taken,) = subscribed(Topic(WEB, TXT, ANY))
        chaos = Record(WEB, TXT, CH, 60, b"\1x")
        session.receive(push(added(TEXT), added(chaos)), 2.0)
        self.assertEqual(changes(session), [(taken, [TEXT, chaos], [])])

    def test_one_notification_for_two_subscriptions(self) -> None:
        """H-6.3.1-16: it is sent once, and changes both."""
        session, (one, all_types) = subscribed(Topic(WEB, SRV), Topic(WEB, ANY))
        session.receive(push(added(SERVICE)), 2.0)
        self.assertEqual(changes(session), [(one, [SERVICE], []), (all_types, [SERVICE], [])])

    def test_asterisk(self) -> None:
        """H-6.2.1-6: stands for nothing but itself."""
        session, _ = subscribed(Topic(Name.parse("*._tcp.example.com"), PTR))
        session.receive(push(added(POINTER)), 2.0)
        self.assertEqual(changes(session), [])


class CollectiveTests(SynchronousTestCase):
    """The three collective remove notifications (RFC 8765 §6.3.1)."""

    def setUp(self) -> None:
        self.session, (self.all_types, self.only_text) = subscribed(Topic(WEB, ANY, ANY), Topic(WEB, TXT))
        self.chaos = Record(WEB, TXT, CH, 60, b"\1x")
        self.session.receive(push(added(SERVICE), added(TEXT), added(self.chaos)), 2.0)
        changes(self.session)

    def test_set(self) -> None:
        """H-6.3.1-8: all records of one type and class."""
        self.session.receive(push(entry(WEB, TXT, TOGETHER)), 3.0)
        self.assertEqual(changes(self.session), [(self.all_types, [], [TEXT]), (self.only_text, [], [TEXT])])

    def test_class(self) -> None:
        """H-6.3.1-9: all records of the name in one class."""
        self.session.receive(push(entry(WEB, ANY, TOGETHER)), 3.0)
        self.assertEqual(
            changes(self.session), [(self.all_types, [], [SERVICE, TEXT]), (self.only_text, [], [TEXT])]
        )

    def test_name(self) -> None:
        """H-6.3.1-10: all records of the name, whatever TYPE says."""
        for rtype in (0, ANY, TXT):
            self.setUp()
            self.session.receive(push(entry(WEB, rtype, TOGETHER, rclass=ANY)), 3.0)
            self.assertEqual(changes(self.session)[0], (self.all_types, [], [SERVICE, TEXT, self.chaos]))

    def test_other_names_stay(self) -> None:
        self.session.receive(push(entry(HOST, 0, TOGETHER, rclass=ANY)), 3.0)
        self.assertEqual(changes(self.session), [])

    def test_with_rdata(self) -> None:
        """H-6.3.1-7: ends the session."""
        self.session.receive(push(entry(WEB, TXT, TOGETHER, b"\0")), 3.0)
        self.assertTrue(aborted(self.session))
