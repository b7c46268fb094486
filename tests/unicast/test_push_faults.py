"""How subscriptions end, and what ends a client's session of DNS Push Notifications (RFC 8765)."""

from __future__ import annotations

import struct

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.dns.records import Record, address
from mcast.unicast.push import Topic
from mcast.unicast.push_client import Changed, PushClient
from tests.unicast.dso_lab import (
    KEEPALIVE,
    NOTIMP,
    SUBSCRIBE,
    UNKNOWN,
    UNSUBSCRIBE,
    aborted,
    closed,
    dso,
    ids,
    keepalive,
    tlv,
    types,
)
from tests.unicast.push_lab import (
    AAAA,
    ANY,
    HTTP,
    IN,
    POINTER,
    PTR,
    SRV,
    TYPES,
    WEB,
    A,
    added,
    changes,
    client,
    entry,
    push,
    reconfirm,
    subscribe,
    subscribed,
    unsubscribe,
)


class FaultTests(SynchronousTestCase):
    """What a correct server never sends (RFC 8765 §1.2)."""

    def receive(self, octets: bytes) -> PushClient:
        session, _ = subscribed()
        session.receive(octets, 2.0)
        return session

    def test_nothing_pushed(self) -> None:
        """H-6.3.1-2: a PUSH message has a change notification."""
        self.assertTrue(aborted(self.receive(push())))

    def test_added_with_type_any(self) -> None:
        """H-6.3.1-5: neither type nor class of a record that is added is ANY."""
        self.assertTrue(aborted(self.receive(push(entry(HTTP, ANY, 60, b"x")))))
        self.assertTrue(aborted(self.receive(push(entry(HTTP, PTR, 60, WEB.wire, ANY)))))

    def test_removed_with_type_any(self) -> None:
        """H-6.3.1-6: nor of one that is removed."""
        self.assertTrue(aborted(self.receive(push(entry(HTTP, ANY, 0xFFFFFFFF, b"x")))))
        self.assertTrue(aborted(self.receive(push(entry(HTTP, PTR, 0xFFFFFFFF, WEB.wire, ANY)))))

    def test_too_long(self) -> None:
        """H-6.3.1-19: more than 16,382 octets."""
        filling = entry(HTTP, 99, 60, bytes(16_382 - 16 - len(HTTP.wire) - 10))
        self.assertIsNone(self.receive(push(filling)).ended)
        longer = entry(HTTP, 99, 60, bytes(16_383 - 16 - len(HTTP.wire) - 10))
        self.assertTrue(aborted(self.receive(push(longer))))

    def test_cut_short(self) -> None:
        self.assertTrue(aborted(self.receive(push(added(POINTER)[:-1]))))
        self.assertTrue(aborted(self.receive(push(added(POINTER), b"\x05short"))))

    def test_pointer_out_of_the_item(self) -> None:
        """A second TLV is none of its business."""
        octets = dso(0, tlv(0x41, entry(HTTP, PTR, 60, b"", length=5)), tlv(UNKNOWN, WEB.wire))
        self.assertTrue(aborted(self.receive(octets)))

    def test_push_as_a_request(self) -> None:
        """H-6.3.1-1: the MESSAGE ID of a PUSH message is zero."""
        self.assertTrue(aborted(self.receive(dso(9, tlv(0x41, added(POINTER))))))

    def test_push_as_a_response(self) -> None:
        """H-6.3-2: with QR set."""
        session, _ = subscribed()
        identifier = session.subscribe(Topic(WEB, SRV), 1.0)
        session.receive(dso(identifier, tlv(0x41, added(POINTER)), response=True), 2.0)
        self.assertTrue(aborted(session))

    def test_subscribe_of_a_server(self) -> None:
        """H-6.2-1: only clients subscribe."""
        self.assertTrue(aborted(self.receive(subscribe(9))))

    def test_unsubscribe_of_a_server(self) -> None:
        """H-6.4-1: only clients cancel; and not as a response."""
        self.assertTrue(aborted(self.receive(unsubscribe(1))))
        self.assertTrue(aborted(self.receive(dso(9, tlv(UNSUBSCRIBE, b"\0\1")))))
        self.assertTrue(aborted(self.receive(dso(9, tlv(UNSUBSCRIBE, b"\0\1"), response=True))))

    def test_reconfirm_of_a_server(self) -> None:
        """H-6.5-3: only clients doubt."""
        self.assertTrue(aborted(self.receive(reconfirm(POINTER))))

    def test_push_before_the_session(self) -> None:
        session = PushClient(0.0)
        session.establish(0.0)
        session.receive(push(added(POINTER)), 0.1)
        self.assertTrue(aborted(session))


class UnsubscribeTests(SynchronousTestCase):
    """How a subscription ends (RFC 8765 §6.4, §6.7)."""

    def test_message(self) -> None:
        """H-6.4.1-1, H-6.4.1-2: MESSAGE ID zero, and the ID of the request as data."""
        session, (taken,) = subscribed()
        session.unsubscribe(taken, 2.0)
        (message,) = session.take_outgoing()
        plain = unsubscribe(taken)
        self.assertEqual(message[: len(plain)], plain)

    def test_returns_what_ages_from_now_on(self) -> None:
        """H-6.3.1-23: the records go on with their TTL."""
        session, (taken,) = subscribed()
        session.receive(push(added(POINTER)), 2.0)
        self.assertEqual(session.unsubscribe(taken, 3.0), [POINTER])

    def test_before_the_response(self) -> None:
        """H-6.4.1-3: allowed; the response that still comes means nothing."""
        session = client()
        taken = session.subscribe(TYPES, 1.0)
        session.unsubscribe(taken, 1.0)
        session.receive(dso(taken, response=True), 1.1)
        self.assertEqual(session.take_events(), [])
        self.assertIsNone(session.ended)

    def test_before_the_session(self) -> None:
        """D-5.1-2: the message waits until there is one."""
        session = PushClient(0.0)
        session.establish(0.0)
        session.unsubscribe(session.subscribe(TYPES, 0.0), 0.0)
        self.assertEqual([types(each)[0] for each in session.take_outgoing()], [KEEPALIVE, SUBSCRIBE])
        session.receive(keepalive(1, response=True), 0.1)
        self.assertEqual([types(each)[0] for each in session.take_outgoing()], [UNSUBSCRIBE])

    def test_push_in_flight(self) -> None:
        """H-6-3, H-6.3.1-21: what was pushed before the server heard of it is ignored."""
        session, (taken,) = subscribed()
        session.unsubscribe(taken, 2.0)
        session.receive(push(added(POINTER)), 2.1)
        self.assertEqual(changes(session), [])
        self.assertIsNone(session.ended)

    def test_unknown_one(self) -> None:
        session = client()
        self.assertEqual(session.unsubscribe(77, 1.0), [])
        self.assertEqual(session.take_outgoing(), [])

    def test_session_is_idle_after_the_last(self) -> None:
        """H-6.7-1, H-3-4: it stays open for the inactivity timeout at most."""
        session, (taken,) = subscribed()
        session.unsubscribe(taken, 100.0)
        self.assertEqual(session.next_timer(), 115.0)
        session.due(115.0)
        self.assertTrue(closed(session))

    def test_session_is_not_idle_before(self) -> None:
        """H-3-5: a subscription keeps it open; the keepalive interval still holds."""
        session = client(interval=3600)
        taken = session.subscribe(TYPES, 1.0)
        session.receive(dso(taken, response=True), 1.0)
        self.assertEqual(session.next_timer(), 3601.0)

    def test_after_unsupported(self) -> None:
        session = PushClient(0.0)
        session.establish(0.0)
        taken = session.subscribe(TYPES, 0.0)
        session.receive(dso(1, response=True, rcode=NOTIMP), 0.1)
        session.take_outgoing()
        session.unsubscribe(taken, 0.2)
        self.assertEqual(session.take_outgoing(), [])


class ReconfirmTests(SynchronousTestCase):
    """Doubts about a record (RFC 8765 §6.5)."""

    def test_message(self) -> None:
        """H-6.5.1-1, H-6.5.1-2, H-6.5.1-4: one record; names in its rdata are compressed."""
        session, _ = subscribed()
        session.reconfirm(POINTER, 2.0)
        (message,) = session.take_outgoing()
        data = HTTP.wire + struct.pack("!HH", PTR, IN) + b"\x03Web\xc0\x10"
        plain = dso(0, tlv(0x43, data))
        self.assertEqual(message[: len(plain)], plain)

    def test_any(self) -> None:
        """H-6.5.1-3: neither type nor class is ANY."""
        session, _ = subscribed()
        for record in (Record(HTTP, ANY, IN, 0, b""), Record(HTTP, A, ANY, 0, b"")):
            with self.assertRaises(ValueError):
                session.reconfirm(record, 2.0)


class ManyTests(SynchronousTestCase):
    def test_names_apart(self) -> None:
        """A notification is looked up by its name, however many subscriptions there are."""
        topics = [Topic(Name.parse(f"h{number}.example.com"), AAAA) for number in range(300)]
        session, taken = subscribed(*topics)
        record = address(topics[200].name, "2001:db8::1", 60)
        session.receive(push(added(record)), 2.0)
        self.assertEqual(session.take_events(), [Changed(taken[200], topics[200], [record], [])])
        self.assertEqual(ids(session.take_outgoing()), [])
